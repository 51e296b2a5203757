//! Trains 784-1000-10 on MNIST through the library alone: `cargo run --release -p realign --example mnist -- fa 0.1 10 0`
//! (rule, learning rate, epochs, seed; data as `realign run` finds them). Prints validation and test accuracy and the angles.

use realign::checkpoint::Checkpoint;
use realign::data::{Dirs, load, parse_config};
use realign::init::{FeedbackInit, WeightInit};
use realign::optim::{self, Clip};
use realign::probes::Every;
use realign::tensor::{DType, Par, Shape};
use realign::train::{BatchSize, Length, Plan, Progress, Row, Setup, Sink, Trainer};
use realign::{loss, model, rules};
use toml::{Table, toml};

struct Quiet;

impl Sink for Quiet {
    fn rows(&mut self, _: &[Row]) -> std::io::Result<()> {
        Ok(())
    }
    fn checkpoint(&mut self, _: &Checkpoint) -> std::io::Result<()> {
        Ok(())
    }
    fn progress(&mut self, _: &Progress) {}
    fn stop_requested(&self) -> bool {
        false
    }
}

fn named(name: &str) -> Table {
    [("name".to_string(), name.into())].into_iter().collect()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arg = |i: usize, default: &str| std::env::args().nth(i).unwrap_or_else(|| default.to_string());
    let (rule, lr, epochs, seed) =
        (arg(1, "fa"), arg(2, "0.1").parse()?, arg(3, "10").parse()?, arg(4, "0").parse()?);
    let config = parse_config(toml! { name = "mnist" validation = 5000 })?;
    let rule = rules::build(named(&rule))?;
    let network = toml! { widths = [784, 1000, 10] activation = "relu" };
    let net = model::build(network, Shape::new(&[1, 28, 28]), 10, DType::F32, rule.as_ref())?;
    let mut trainer = Trainer::new(Setup {
        net,
        rule,
        loss: loss::build(named("cross_entropy"))?,
        optimizer: optim::build(named("sgd"))?,
        lr,
        schedule: optim::schedule(named("constant"))?,
        clip: Clip::None,
        init: WeightInit::default(),
        feedback: FeedbackInit::default(),
        data: load(&config, seed, &Dirs { data_dir: None })?,
        plan: Plan { length: Length::Epochs(epochs), batch: BatchSize::Size(64), checkpoint: Every::Never },
        probes: vec![],
        seed,
        par: Par::Seq,
    })?;
    let start = std::time::Instant::now();
    let outcome = trainer.run(&mut Quiet)?;
    let seconds = start.elapsed().as_secs_f64();
    let end = trainer.evaluate_final();
    println!("{outcome:?} in {seconds:.1} s, {:.0} steps/s", trainer.step() as f64 / seconds);
    println!(
        "validation {:?} test {:?} train loss {:?}",
        end.val_accuracy, end.test_accuracy, end.train_loss
    );
    println!("weight angle {:?} update angle {:?}", end.weight_angle, end.update_angle);
    Ok(())
}

/*!
Realign's side of `benches/peers`: keeps training runs open and times steps of them on request, so that another program can
be timed in turns with it. Not meant to be started by hand.

One JSON object per line on standard input, one per line back: `{"open": {...}}` makes a run and writes its initial parameters, feedback weights and the
batch (`x`, `labels`) as safetensors, so that the peer starts from the same numbers; `{"run": {"id": ..., "steps": n}}` makes one step to bring the caches
back and n timed ones, and answers the losses of all n + 1, wall time and processor time of the whole process; `{"peak": {"threads": n}}` times the
peak of fused multiply-adds; `{"save": {"id": ..., "path": ...}}` writes where a run is; `{"close": {"id": ...}}` forgets a run. Every step sees the same batch.
*/
#![allow(missing_docs)]

#[path = "../tests/common/mod.rs"]
mod common;
mod machine;

use common::{bundle, table};
use machine::{operations, peak_of, process_seconds};
use realign::data::{Bundle, Features};
use realign::init::{FeedbackInit, WeightInit};
use realign::layer::{Conv2d, Dense, GlobalAvgPool, activation};
use realign::network::{Builder, Network};
use realign::optim::{self, Clip};
use realign::probes::{self, Every, Probe};
use realign::tensor::ops::Window;
use realign::tensor::{DType, Par, Rng, Shape, Tensor};
use realign::train::{BatchSize, Length, Plan, Progress, Row, Setup, Sink, Trainer};
use realign::{checkpoint::Checkpoint, loss, model, rules};
use serde::Deserialize;
use std::collections::HashMap;
use std::io::{BufRead, Write};
use std::time::Instant;

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Request {
    Open(Box<Open>),
    Run {
        id: String,
        steps: usize,
        /// Whether to answer the rows of the probes.
        #[serde(default)]
        rows: bool,
    },
    Save {
        id: String,
        path: std::path::PathBuf,
    },
    Peak {
        threads: usize,
    },
    Close {
        id: String,
    },
}

#[derive(Deserialize)]
struct Open {
    id: String,
    /// A `[network]` table as text, or `stack`.
    network: String,
    rule: String,
    optimizer: String,
    lr: f64,
    input: Vec<usize>,
    classes: usize,
    batch: usize,
    threads: usize,
    /// `[every, table]`.
    #[serde(default)]
    probes: Vec<(String, String)>,
    /// Where the initial state goes.
    state: std::path::PathBuf,
}

fn main() {
    let mut runs: HashMap<String, Run> = HashMap::new();
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("standard input is text");
        // `cargo bench` itself, without a request, ends here.
        let Ok(request) = serde_json::from_str::<Request>(&line) else { panic!("no request: {line}") };
        let answer = match request {
            Request::Open(open) => {
                let trainer = make(&open);
                std::fs::write(&open.state, state(&trainer)).expect("the state can be written");
                let parameters = trainer.net().parameter_count();
                let operations = operations(trainer.net(), open.batch);
                let run = Run { trainer, probed: !open.probes.is_empty() };
                runs.insert(open.id, run);
                serde_json::json!({ "parameters": parameters, "operations": operations })
            }
            Request::Run { id, steps, rows } => runs.get_mut(&id).expect("an open run").timed(steps, rows),
            Request::Save { id, path } => {
                let trainer = &runs.get(&id).expect("an open run").trainer;
                std::fs::write(&path, trainer.checkpoint().to_bytes()).expect("the state can be written");
                serde_json::json!({})
            }
            Request::Peak { threads } => {
                // The fastest of several: after a rest both threads may begin on the same core.
                let mut best = [f64::INFINITY; 2];
                let mut operations = 0.0;
                for _ in 0..PEAKS {
                    let (wall, processor) = (Instant::now(), process_seconds());
                    operations = peak_of(threads);
                    let took = [wall.elapsed().as_secs_f64(), process_seconds() - processor];
                    best.iter_mut().zip(took).for_each(|(best, took)| *best = best.min(took));
                }
                let [wall, processor] = best;
                serde_json::json!({ "operations": operations, "wall": wall, "processor": processor })
            }
            Request::Close { id } => {
                runs.remove(&id);
                serde_json::json!({})
            }
        };
        println!("{answer}");
        std::io::stdout().flush().expect("somebody listens");
    }
}

/// Times that the peak is measured for one answer.
const PEAKS: usize = 4;

/// An open run.
struct Run {
    trainer: Trainer,
    /// Probes are asked by the training loop only, which a step on its own does not enter.
    probed: bool,
}

impl Run {
    /// One step that does not count, then `steps` that do.
    fn timed(&mut self, steps: usize, rows: bool) -> serde_json::Value {
        let mut timer =
            Timer { steps, keep: rows, losses: vec![], rows: vec![], start: None, took: (0.0, 0.0) };
        if self.probed {
            // Between two progress reports lie exactly one look at the probes and one step.
            self.trainer.run(&mut timer).expect("nothing to store");
        } else {
            while !timer.stop_requested() {
                let loss = self.trainer.train_step();
                timer.made(loss);
            }
        }
        let Timer { losses, rows, took: (wall, processor), .. } = timer;
        serde_json::json!({ "losses": losses, "rows": rows, "wall": wall, "processor": processor })
    }
}

/// Starts the clocks after the first step and stops them, and the run, after `steps` more.
struct Timer {
    steps: usize,
    keep: bool,
    losses: Vec<f64>,
    rows: Vec<Row>,
    start: Option<(Instant, f64)>,
    took: (f64, f64),
}

impl Timer {
    fn made(&mut self, loss: f64) {
        self.losses.push(loss);
        if self.stop_requested() {
            let (wall, processor) = self.start.expect("started after the first step");
            self.took = (wall.elapsed().as_secs_f64(), process_seconds() - processor);
        } else if self.losses.len() == 1 {
            self.start = Some((Instant::now(), process_seconds()));
        }
    }
}

impl Sink for Timer {
    fn rows(&mut self, rows: &[Row]) -> std::io::Result<()> {
        if self.keep {
            self.rows.extend_from_slice(rows);
        }
        Ok(())
    }
    fn checkpoint(&mut self, _: &Checkpoint) -> std::io::Result<()> {
        Ok(())
    }
    fn progress(&mut self, progress: &Progress) {
        // An epoch is one batch, so its mean loss is the step's.
        self.made(progress.loss);
    }
    fn stop_requested(&self) -> bool {
        self.losses.len() > self.steps
    }
}

/// Random bytes as images, or as vectors of one channel.
fn data(open: &Open) -> Bundle {
    let dim = open.input.iter().product();
    let mut data = bundle(open.batch, dim, open.classes, 1);
    let mut rng = Rng::new(2);
    let channels = if open.input.len() == 3 { open.input[0] } else { 1 };
    data.train.features = Features::U8 {
        pixels: (0..open.batch * dim).map(|_| rng.below(256) as u8).collect(),
        mean: vec![0.5; channels],
        sd: vec![0.25; channels],
    };
    data.train.example_shape = Shape::new(&open.input);
    data.test = None;
    data
}

fn make(open: &Open) -> Trainer {
    let rule = rules::build(table(&format!("name = \"{}\"", open.rule))).expect("a rule");
    let net = match open.network.as_str() {
        "stack" => stack(Shape::new(&open.input), open.classes),
        text => {
            let input = Shape::new(&open.input);
            model::build(table(text), input, open.classes, DType::F32, rule.as_ref()).expect("a network")
        }
    };
    Trainer::new(Setup {
        net,
        rule,
        loss: loss::build(table("name = \"cross_entropy\"")).expect("known"),
        optimizer: optim::build(table(&open.optimizer)).expect("an optimizer"),
        lr: open.lr,
        schedule: optim::schedule(table("name = \"constant\"")).expect("known"),
        clip: Clip::None,
        init: WeightInit::default(),
        feedback: FeedbackInit::parse(table("name = \"xavier_uniform\"")).expect("known"),
        data: data(open),
        plan: Plan {
            length: Length::Steps(1 << 40),
            batch: BatchSize::Size(open.batch),
            checkpoint: Every::Never,
        },
        probes: open.probes.iter().map(probe).collect(),
        seed: 1,
        par: Par::threads(open.threads),
    })
    .expect("a run")
}

fn probe((every, text): &(String, String)) -> (Every, Box<dyn Probe>) {
    (every.parse().expect("a cadence"), probes::build(table(text)).expect("a probe"))
}

/// 3x3 convolutions to 32, 32, 64 (stride 2), 64, 64 (stride 2), 64 channels, ReLU, global average, dense.
fn stack(input: Shape, classes: usize) -> Network {
    let mut b = Builder::new(input, DType::F32);
    let mut h = b.input();
    for (outputs, stride) in [(32, 1), (32, 1), (64, 2), (64, 1), (64, 2), (64, 1)] {
        let conv = Conv2d::new(b.shape(h), outputs, Window::square(3, stride, 1), 1, true, DType::F32);
        h = b.layer(h, conv.expect("fits"));
        h = b.pointwise(h, activation(&"relu".into()).expect("known"));
    }
    let pool = GlobalAvgPool::new(b.shape(h)).expect("an image");
    h = b.layer(h, pool);
    h = b.layer(h, Dense::new(64, classes, true, DType::F32));
    b.finish(h)
}

/// The checkpoint's tensors and the batch.
fn state(trainer: &Trainer) -> Vec<u8> {
    let mut checkpoint = trainer.checkpoint();
    let train = &trainer.data().train;
    let n = train.len();
    let mut x = Tensor::zeros(train.example_shape.batched(n), DType::F32);
    train.gather(&(0..n).collect::<Vec<_>>(), &mut x);
    let mut labels = Vec::new();
    if let realign::data::Targets::Classes { labels: all, .. } = &train.targets {
        labels.extend(all.iter().map(|&l| f64::from(l)));
    }
    checkpoint.tensors.push(("x".into(), x));
    checkpoint.tensors.push(("labels".into(), Tensor::from_f64([n], &labels, DType::F64)));
    checkpoint.to_bytes()
}

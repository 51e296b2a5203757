//! Small setups and a sink in memory, shared by the integration tests.
#![allow(dead_code, unreachable_pub, missing_docs)] // every test binary uses its own part

pub mod faulty;
pub mod images;

use realign::checkpoint::Checkpoint;
use realign::data::{Bundle, DataConfig, DataRecord, Dataset, Dirs, Features, Targets};
use realign::init::{FeedbackInit, WeightInit};
use realign::loss::{self, Scratch, Target};
use realign::network::{Errors, Network, Trace};
use realign::optim::{self, Clip};
use realign::probes::{self, Every, Probe};
use realign::rules;
use realign::tensor::{DType, Par, Rng, Shape, Tensor};
use realign::train::{BatchSize, Length, Plan, Progress, Row, Setup, Sink, Trainer};
use toml::Table;

pub fn table(text: &str) -> Table {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}

/// Random examples: real features, `classes` labels (or ±1-like two classes for `logistic`).
pub fn bundle(n: usize, dim: usize, classes: usize, seed: u64) -> Bundle {
    let config = DataConfig::new("gaussians").unwrap();
    let template = realign::data::load(&config, 0, &Dirs { data_dir: None }).unwrap();
    let record: DataRecord = template.record;
    let mut rng = Rng::new(seed).child("test data");
    let features = (0..n * dim).map(|_| rng.normal()).collect();
    let labels = (0..n).map(|_| rng.below(classes) as u32).collect();
    let train = Dataset {
        name: "test".into(),
        features: Features::F64(features),
        targets: Targets::Classes { labels, classes },
        example_shape: Shape::new(&[dim]),
    };
    Bundle {
        test: Some(train.clone()),
        train,
        validation: None,
        clean_train_labels: None,
        class_names: vec![],
        augment: None,
        record,
    }
}

/// What a test varies.
#[derive(Clone)]
pub struct Case {
    pub rule: String,
    pub loss: String,
    pub activation: String,
    pub optimizer: String,
    pub schedule: String,
    pub feedback: String,
    pub weight: String,
    pub widths: Vec<usize>,
    pub network: String,
    pub bias: bool,
    pub dtype: DType,
    pub lr: f64,
    pub clip: Clip,
    pub n: usize,
    pub batch: BatchSize,
    pub steps: u64,
    pub seed: u64,
    pub par: Par,
    pub probes: Vec<(Every, String)>,
    pub checkpoint: Every,
    /// Where probes come from: the core's registry, or a wider one.
    pub build_probe: fn(Table) -> Result<Box<dyn Probe>, realign::ConfigError>,
}

impl Default for Case {
    fn default() -> Self {
        Case {
            rule: "name = \"fa\"".into(),
            loss: "cross_entropy".into(),
            activation: "relu".into(),
            optimizer: "name = \"sgd\"".into(),
            schedule: "name = \"constant\"".into(),
            feedback: "name = \"xavier_uniform\"".into(),
            weight: "name = \"xavier_uniform\"".into(),
            widths: vec![7, 9, 8, 4],
            network: String::new(),
            bias: true,
            dtype: DType::F64,
            lr: 0.1,
            clip: Clip::None,
            n: 40,
            batch: BatchSize::Size(10),
            steps: 20,
            seed: 1,
            par: Par::Seq,
            probes: vec![],
            checkpoint: Every::Never,
            build_probe: probes::build,
        }
    }
}

impl Case {
    pub fn rule(name: &str) -> Case {
        Case { rule: format!("name = \"{name}\""), ..Case::default() }
    }

    /// The network of this case for its loss (logistic has one output).
    pub fn network(&self) -> Network {
        let mut widths = self.widths.clone();
        if self.loss == "logistic" {
            *widths.last_mut().unwrap() = 1;
        }
        let text = format!(
            "widths = {widths:?}\nactivation = \"{}\"\nbias = {}\n{}",
            self.activation, self.bias, self.network
        );
        let rule = rules::build(table(&self.rule)).unwrap();
        let (input, out) = (Shape::new(&[widths[0]]), *widths.last().unwrap());
        realign::model::build(table(&text), input, out, self.dtype, rule.as_ref()).unwrap()
    }

    pub fn classes(&self) -> usize {
        if self.loss == "logistic" { 2 } else { *self.widths.last().unwrap() }
    }

    pub fn trainer(&self) -> Trainer {
        Trainer::new(self.setup()).unwrap()
    }

    pub fn setup(&self) -> Setup {
        let probe = |(every, text): &(Every, String)| (*every, (self.build_probe)(table(text)).unwrap());
        Setup {
            net: self.network(),
            rule: rules::build(table(&self.rule)).unwrap(),
            loss: loss::build(table(&format!("name = \"{}\"", self.loss))).unwrap(),
            optimizer: optim::build(table(&self.optimizer)).unwrap(),
            lr: self.lr,
            schedule: optim::schedule(table(&self.schedule)).unwrap(),
            clip: self.clip,
            init: WeightInit::parse(Some(table(&self.weight)), None).unwrap(),
            feedback: FeedbackInit::parse(table(&self.feedback)).unwrap(),
            data: bundle(self.n, self.widths[0], self.classes(), self.seed),
            plan: Plan { length: Length::Steps(self.steps), batch: self.batch, checkpoint: self.checkpoint },
            probes: self.probes.iter().map(probe).collect(),
            seed: self.seed,
            par: self.par,
        }
    }
}

/// Keeps everything; may ask to stop after some steps.
#[derive(Default)]
pub struct Memory {
    pub rows: Vec<Row>,
    pub checkpoints: Vec<Checkpoint>,
    pub steps: u64,
    pub stop_after: Option<u64>,
}

impl Sink for Memory {
    fn rows(&mut self, rows: &[Row]) -> std::io::Result<()> {
        self.rows.extend_from_slice(rows);
        Ok(())
    }
    fn checkpoint(&mut self, checkpoint: &Checkpoint) -> std::io::Result<()> {
        self.checkpoints.push(checkpoint.clone());
        Ok(())
    }
    fn progress(&mut self, _: &Progress) {
        self.steps += 1;
    }
    fn stop_requested(&self) -> bool {
        self.stop_after.is_some_and(|n| self.steps >= n)
    }
}

/// Loss of a network on fixed examples, by the loss's own definition.
pub fn batch_loss(net: &Network, loss: &dyn loss::Loss, x: &Tensor, labels: &[u32]) -> f64 {
    let mut trace = Trace::new(net, x.rows());
    trace.input_mut(x.rows()).copy_from(x);
    net.forward(&mut trace, realign::layer::Pass { par: Par::Seq, noise: None });
    loss::evaluate(loss, trace.output(net), &Target::Classes(labels), None, &mut Scratch::default()).loss
        / x.rows() as f64
}

/// The feedback weights of a rule on a network whose weights are drawn.
pub fn drawn(rule: &dyn rules::Rule, net: &Network, feedback: &str, root: &Rng) -> realign::init::Feedback {
    let (feedback, weight) = (FeedbackInit::parse(table(feedback)).unwrap(), WeightInit::default());
    rule.feedback(&rules::InitCx { net, feedback: &feedback, weight: &weight, root }).unwrap()
}

/// Forward, signal and errors of a rule's text on fixed examples.
pub fn errors_of(
    case: &Case,
    net: &Network,
    x: &Tensor,
    labels: &[u32],
) -> (Trace, Errors, realign::init::Feedback) {
    let rule = rules::build(table(&case.rule)).unwrap();
    let root = Rng::new(case.seed);
    let mut feedback = drawn(rule.as_ref(), net, &case.feedback, &root);
    let (mut trace, mut errors) = (Trace::new(net, x.rows()), Errors::new(net, x.rows()));
    trace.input_mut(x.rows()).copy_from(x);
    net.forward(&mut trace, realign::layer::Pass { par: Par::Seq, noise: None });
    let loss = loss::build(table(&format!("name = \"{}\"", case.loss))).unwrap();
    let signal = errors.signal_mut(net, x.rows());
    loss::evaluate(
        loss.as_ref(),
        trace.output(net),
        &Target::Classes(labels),
        Some(signal),
        &mut Scratch::default(),
    );
    rule.errors(net, &mut feedback, &trace, &mut errors, Par::Seq);
    (trace, errors, feedback)
}

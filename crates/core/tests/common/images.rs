//! Setups on small images, shared by the tests of convolutional networks.

use super::{Memory, bundle, table};
use realign::init::{Feedback, FeedbackInit, WeightInit};
use realign::layer::Pass;
use realign::loss::{self, Scratch, Target};
use realign::network::{Errors, Network, Trace};
use realign::optim::{self, Clip};
use realign::probes::{self, Every};
use realign::rules;
use realign::tensor::{DType, Par, Rng, Shape, Tensor};
use realign::train::{BatchSize, Grads, Length, Plan, Setup, Trainer};

/// What a test varies.
#[derive(Clone)]
pub struct Images {
    pub rule: String,
    pub network: String,
    /// Built instead of `network`.
    pub custom: Option<fn(DType) -> Network>,
    pub loss: String,
    pub optimizer: String,
    pub feedback: String,
    pub weight: String,
    pub input: Vec<usize>,
    pub classes: usize,
    pub dtype: DType,
    pub n: usize,
    pub batch: usize,
    pub lr: f64,
    pub steps: u64,
    pub seed: u64,
    pub par: Par,
    pub probes: Vec<(Every, String)>,
    pub build_probe: fn(toml::Table) -> Result<Box<dyn probes::Probe>, realign::ConfigError>,
}

impl Images {
    pub fn of(network: &str) -> Images {
        Images {
            rule: "name = \"bp\"".into(),
            network: network.into(),
            custom: None,
            loss: "cross_entropy".into(),
            optimizer: "name = \"sgd\"".into(),
            feedback: "name = \"xavier_uniform\"".into(),
            weight: "name = \"xavier_uniform\"".into(),
            input: vec![2, 8, 8],
            classes: 3,
            dtype: DType::F64,
            n: 20,
            batch: 6,
            lr: 0.05,
            steps: 11,
            seed: 1,
            par: Par::Seq,
            probes: vec![],
            build_probe: probes::build,
        }
    }

    pub fn rule(mut self, name: &str) -> Images {
        self.rule = format!("name = \"{name}\"");
        self
    }

    pub fn network(&self) -> Network {
        if let Some(build) = self.custom {
            return build(self.dtype);
        }
        let rule = rules::build(table(&self.rule)).unwrap();
        let input = Shape::new(&self.input);
        realign::model::build(table(&self.network), input, self.classes, self.dtype, rule.as_ref()).unwrap()
    }

    pub fn trainer(&self) -> Trainer {
        Trainer::new(self.setup()).unwrap()
    }

    pub fn setup(&self) -> Setup {
        let mut data = bundle(self.n, self.input.iter().product(), self.classes, self.seed);
        data.train.example_shape = Shape::new(&self.input);
        data.test = Some(data.train.clone());
        let probe = |(every, text): &(Every, String)| (*every, (self.build_probe)(table(text)).unwrap());
        Setup {
            net: self.network(),
            rule: rules::build(table(&self.rule)).unwrap(),
            loss: loss::build(table(&format!("name = \"{}\"", self.loss))).unwrap(),
            optimizer: optim::build(table(&self.optimizer)).unwrap(),
            lr: self.lr,
            schedule: optim::schedule(table("name = \"constant\"")).unwrap(),
            clip: Clip::None,
            init: WeightInit::parse(Some(table(&self.weight)), None).unwrap(),
            feedback: FeedbackInit::parse(table(&self.feedback)).unwrap(),
            data,
            plan: Plan {
                length: Length::Steps(self.steps),
                batch: BatchSize::Size(self.batch),
                checkpoint: Every::Never,
            },
            probes: self.probes.iter().map(probe).collect(),
            seed: self.seed,
            par: self.par,
        }
    }

    /// Bytes of the checkpoint after so many steps.
    pub fn bits(&self, steps: u64) -> Vec<u8> {
        let mut t = self.trainer();
        (0..steps).for_each(|_| {
            t.train_step();
        });
        t.checkpoint().to_bytes()
    }

    /// The run to its end, with its rows.
    pub fn run(&self, stop_after: Option<u64>) -> (Trainer, Memory) {
        let (mut t, mut sink) = (self.trainer(), Memory { stop_after, ..Memory::default() });
        t.run(&mut sink).unwrap();
        (t, sink)
    }
}

/// Draws every parameter, batch norm's too, away from its start, so that nothing is checked at a special point.
pub fn draw(net: &mut Network, seed: u64) {
    let mut rng = Rng::new(seed).child("parameters");
    let dtype = net.dtype();
    for node in net.weighted().to_vec() {
        let (fan_in, carried) = (net.layer(node).fans().0, net.layer(node).carried());
        let sd = if carried { (1.5 / fan_in as f64).sqrt() } else { 0.3 };
        let (w, b) = net.layer_mut(node).params_mut();
        let w = w.unwrap();
        let noise = rng.normal_tensor(w.shape(), sd, dtype);
        (0..w.numel()).for_each(|i| w.set(i, noise.at(i) + if carried { 0.0 } else { 1.0 }));
        if let Some(b) = b {
            b.copy_from(&rng.normal_tensor(b.shape(), 0.3, dtype));
        }
    }
}

/// One backward pass on fixed examples.
pub struct Seen {
    pub loss: f64,
    pub trace: Trace,
    pub errors: Errors,
    pub feedback: Feedback,
    pub grads: Grads,
}

/// Forward (as in a training step, or as in evaluation), signal, errors of a rule and its update directions.
pub fn look(case: &Images, net: &Network, x: &Tensor, labels: &[u32], training: bool) -> Seen {
    let rule = rules::build(table(&case.rule)).unwrap();
    let root = Rng::new(case.seed);
    let mut feedback = super::drawn(rule.as_ref(), net, &case.feedback, &root);
    let (mut trace, mut errors) = (Trace::new(net, x.rows()), Errors::new(net, x.rows()));
    trace.input_mut(x.rows()).copy_from(x);
    let noise = root.child("noise");
    net.forward(&mut trace, Pass { par: case.par, noise: training.then_some(&noise) });
    let loss = loss::build(table(&format!("name = \"{}\"", case.loss))).unwrap();
    let signal = errors.signal_mut(net, x.rows());
    let target = Target::Classes(labels);
    let score =
        loss::evaluate(loss.as_ref(), trace.output(net), &target, Some(signal), &mut Scratch::default());
    rule.errors(net, &mut feedback, &trace, &mut errors, case.par);
    let mut grads = Grads::default();
    grads.compute(net, &trace, &errors, |_| true, case.par);
    Seen { loss: score.loss / x.rows() as f64, trace, errors, feedback, grads }
}

/// Random images and labels for a case.
pub fn examples(case: &Images, n: usize) -> (Tensor, Vec<u32>) {
    let mut rng = Rng::new(99);
    let x = rng.normal_tensor(Shape::new(&case.input).batched(n), 1.0, case.dtype);
    (x, (0..n).map(|_| rng.below(case.classes) as u32).collect())
}

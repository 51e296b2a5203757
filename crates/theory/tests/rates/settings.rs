//! Random settings: rules x optimizers x networks x scales x losses x dtypes, each a function of its seed alone.

use super::common::images::Images;
use super::common::{Case, table};
use realign::data::Features;
use realign::network::Network;
use realign::optim::{self, Clip};
use realign::tensor::{DType, Rng};
use realign::train::{BatchSize, Setup, Trainer};

/// A setting that can be set up as often as one likes.
pub struct Setting {
    pub seed: u64,
    kind: Kind,
    schedule: &'static str,
    clip: Clip,
    /// Features are `scale (x + shift)`, x standard normal.
    inputs: [f64; 2],
}

enum Kind {
    Dense(Case),
    Images(Images),
}

/// The scales of weights, feedback weights and inputs.
const DECADES: f64 = 6.0;

fn pick<T: Copy>(rng: &mut Rng, of: &[T]) -> T {
    of[rng.below(of.len())]
}

/// 1 half of the time, else 10^±DECADES.
fn scale(rng: &mut Rng) -> f64 {
    if rng.bernoulli(0.5) { 1.0 } else { 10f64.powf(rng.uniform_in(-DECADES, DECADES)) }
}

fn rule(rng: &mut Rng) -> String {
    match rng.below(6) {
        0 => "name = \"bp\"".into(),
        1 => "name = \"fa\"".into(),
        2 => "name = \"sign_fa\"".into(),
        3 => format!("name = \"tracking\"\nrho = {:?}", rng.uniform()),
        4 => "name = \"frozen\"".into(),
        _ => {
            let kappa = 10f64.powf(rng.uniform_in(-2.0, 2.0));
            format!("name = \"adafa\"\nkappa = {kappa:?}\ndecay = {:?}", pick(rng, &[0.0, 0.01]))
        }
    }
}

fn optimizer(rng: &mut Rng) -> String {
    let decay = pick(rng, &[0.0, 1e-4, 0.1]);
    let memory = [
        "name = \"sgd\"",
        "name = \"sgd\"\nmomentum = 0.9",
        "name = \"sgd\"\nmomentum = 0.8\nnesterov = true",
        "name = \"adam\"",
        "name = \"adamw\"",
    ];
    format!("{}\nweight_decay = {decay:?}", pick(rng, &memory))
}

fn init(rng: &mut Rng) -> String {
    let name = if rng.bernoulli(0.03) { "zeros" } else { "xavier_uniform" };
    let scale = scale(rng);
    format!(
        "name = \"{name}\"{}",
        if name == "zeros" { String::new() } else { format!("\nscale = {scale:?}") }
    )
}

fn feedback(rng: &mut Rng) -> String {
    format!("name = \"xavier_uniform\"\nscale = {:?}", scale(rng))
}

fn dense(rng: &mut Rng, seed: u64, dtype: DType) -> Case {
    let residual = rng.bernoulli(0.25);
    let depth = 1 + rng.below(4);
    let width = 2 + rng.below(16);
    let inputs = if rng.bernoulli(0.1) { 784 } else { 1 + rng.below(20) };
    let mut widths = vec![inputs];
    widths.extend((0..depth).map(|_| if residual { width } else { 1 + rng.below(16) }));
    widths.push(2 + rng.below(8));
    let dropout = pick(rng, &[0.0, 0.0, 0.1, 0.5]);
    let largest = pick(rng, &[8, 64]);
    let batch = 1 + rng.below(largest);
    let losses = ["cross_entropy", "cross_entropy", "mse", "sigmoid_cross_entropy", "logistic"];
    Case {
        rule: rule(rng),
        optimizer: optimizer(rng),
        loss: pick(rng, &losses).into(),
        activation: pick(rng, &["relu", "relu", "relu", "leaky_relu", "identity", "tanh", "sigmoid"]).into(),
        feedback: feedback(rng),
        weight: init(rng),
        widths,
        network: format!("residual = {residual}\ndropout = {dropout:?}"),
        bias: rng.bernoulli(0.7),
        dtype,
        n: 2 * batch,
        batch: BatchSize::Size(batch),
        steps: 6,
        seed,
        ..Case::default()
    }
}

fn images(rng: &mut Rng, seed: u64, dtype: DType) -> Images {
    let (depth, stages) = (1 + rng.below(3), 1 + rng.below(2));
    let (width, norm) = (1 + rng.below(3), rng.bernoulli(0.5));
    let down = pick(rng, &["stride", "max_pool", "avg_pool"]);
    let activation = pick(rng, &["relu", "relu", "leaky_relu", "identity", "tanh"]);
    let network = if rng.bernoulli(0.05) {
        format!("model = \"resnet20\"\nwidth = 2\nbatch_norm = {norm}\nbias = {}", !norm)
    } else {
        format!(
            "model = \"convnet\"\nwidth = {width}\ndepth = {}\nstages = {stages}\ndownsample = \"{down}\"\nactivation = \"{activation}\"\nbatch_norm = {norm}\nbias = {}\naffine = {}",
            depth.max(stages),
            rng.bernoulli(0.7),
            rng.bernoulli(0.8),
        )
    };
    let batch = 1 + rng.below(8);
    Images {
        rule: rule(rng),
        network,
        loss: pick(rng, &["cross_entropy", "mse", "sigmoid_cross_entropy"]).into(),
        optimizer: optimizer(rng),
        feedback: feedback(rng),
        weight: init(rng),
        input: vec![1 + rng.below(2), 4 + rng.below(5), 4 + rng.below(5)],
        dtype,
        n: 2 * batch,
        batch,
        steps: 6,
        seed,
        ..Images::of("")
    }
}

impl Setting {
    pub fn draw(seed: u64) -> Setting {
        let mut rng = Rng::new(seed).child("settings");
        let dtype = if rng.bernoulli(0.6) { DType::F32 } else { DType::F64 };
        let kind = if rng.bernoulli(0.7) {
            Kind::Dense(dense(&mut rng, seed, dtype))
        } else {
            Kind::Images(images(&mut rng, seed, dtype))
        };
        let clip = match rng.below(5) {
            0 => Clip::Layer(scale(&mut rng)),
            1 => Clip::Global(scale(&mut rng)),
            _ => Clip::None,
        };
        let schedule = pick(&mut rng, &["name = \"constant\"", "name = \"cosine\"\nwarmup = 2"]);
        let inputs = [scale(&mut rng), pick(&mut rng, &[0.0, 0.0, 1.0, 100.0])];
        let mut setting = Setting { seed, kind, schedule, clip, inputs };
        let lr = setting.rate(&mut rng);
        match &mut setting.kind {
            Kind::Dense(case) => case.lr = lr,
            Kind::Images(case) => case.lr = lr,
        }
        setting
    }

    /// A rate as it comes, or one whose first step is 1e-7 to 1 of the weights.
    fn rate(&self, rng: &mut Rng) -> f64 {
        let plain = 10f64.powf(rng.uniform_in(-6.0, 0.5));
        let share = 10f64.powf(rng.uniform_in(-7.0, 0.0));
        let fitted = rng.bernoulli(0.7);
        let setup = self.setup();
        let adaptive = setup.optimizer.form().adaptive;
        let mut trainer = Trainer::new(setup).unwrap();
        trainer.look_at_batch();
        trainer.compute_grads();
        let nodes = trainer.net().weighted().to_vec();
        let norm = |t: Option<&realign::tensor::Tensor>| {
            t.map_or(0.0, |t| t.to_f64_vec().iter().map(|v| v * v).sum::<f64>().sqrt())
        };
        let view: Vec<[f64; 3]> = {
            let grads: Vec<f64> = {
                let grads = trainer.compute_grads();
                nodes.iter().map(|&n| norm(grads.weight(n))).collect()
            };
            let weights = nodes.iter().map(|&n| trainer.net().weight(n));
            weights.zip(grads).map(|(w, g)| [norm(Some(w)), g, w.numel() as f64]).collect()
        };
        let ratios = view.iter().filter(|[w, g, _]| *w > 0.0 && *g > 0.0);
        let fit = ratios.map(|[w, g, n]| if adaptive { w / n.sqrt() } else { w / g });
        let fit = share * fit.fold(f64::INFINITY, f64::min);
        if fitted && fit.is_finite() && fit > 0.0 { fit.min(1e30) } else { plain }
    }

    pub fn network(&self) -> Network {
        match &self.kind {
            Kind::Dense(case) => case.network(),
            Kind::Images(case) => case.network(),
        }
    }

    pub fn setup(&self) -> Setup {
        let mut setup = match &self.kind {
            Kind::Dense(case) => case.setup(),
            Kind::Images(case) => case.setup(),
        };
        (setup.schedule, setup.clip) = (optim::schedule(table(self.schedule)).unwrap(), self.clip);
        let [scale, shift] = self.inputs;
        if let Features::F64(values) = &mut setup.data.train.features {
            values.iter_mut().for_each(|x| *x = scale * (*x + shift));
        }
        setup
    }

    /// In one line, for messages.
    pub fn describe(&self) -> String {
        let (rule, optimizer, network, scales, dtype, loss, lr, batch) = match &self.kind {
            Kind::Dense(c) => (
                &c.rule,
                &c.optimizer,
                format!("{:?} {} bias {} {}", c.widths, c.activation, c.bias, c.network),
                [&c.weight, &c.feedback],
                c.dtype,
                &c.loss,
                c.lr,
                c.n / 2,
            ),
            Kind::Images(c) => (
                &c.rule,
                &c.optimizer,
                format!("{:?} {}", c.input, c.network),
                [&c.weight, &c.feedback],
                c.dtype,
                &c.loss,
                c.lr,
                c.batch,
            ),
        };
        format!(
            "seed {}: {dtype} {rule} | {optimizer} lr {lr:e} {} {:?} | {network} | W {} | B {} | x {:?} | {loss} batch {batch}",
            self.seed, self.schedule, self.clip, scales[0], scales[1], self.inputs
        )
        .replace('\n', " ")
    }
}

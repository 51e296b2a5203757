//! What a rule may say of itself, and what it cannot say: rules of this file alone, some of them wrong.
#![allow(missing_docs)]
mod common;

use common::{Case, Memory, drawn, table};
use realign::init::{Feedback, FeedbackInit, WeightInit};
use realign::network::{Errors, Network, NodeId, Trace, sweep};
use realign::rules::{InitCx, Rule};
use realign::tensor::{DType, Par, Rng, Tensor};
use realign::train::{BatchSize, Outcome, Trainer};
use realign::{ConfigError, Error};

/// `M = c_r sign(W[r,:])` with a constant per row; says of each layer what `says` makes of its number.
struct Signs {
    rows: fn(usize) -> f64,
    says: fn(usize) -> Option<f64>,
    keeps: bool,
    trains: fn(usize) -> bool,
}

impl Signs {
    fn right() -> Signs {
        Signs { rows: |_| 0.5, says: |_| Some(0.5), keeps: true, trains: |_| true }
    }

    fn fill(&self, net: &Network, node: NodeId, m: &mut Tensor) {
        let (w, cols) = (net.weight(node), net.weight(node).cols());
        let sign = |w: f64| if w == 0.0 { 0.0 } else { w.signum() };
        (0..w.numel()).for_each(|i| m.set(i, (self.rows)(i / cols) * sign(w.at(i))));
    }
}

fn layer(net: &Network, node: NodeId) -> usize {
    net.weighted().iter().position(|n| *n == node).unwrap()
}

impl Rule for Signs {
    fn name(&self) -> &'static str {
        "signs"
    }
    fn feedback(&self, cx: &InitCx<'_>) -> Result<Feedback, ConfigError> {
        if !self.keeps {
            return Ok(Feedback::none());
        }
        Ok(Feedback::per_layer(cx.net, |_, node| {
            let mut m = cx.net.weight(node).zeros_like();
            self.fill(cx.net, node, &mut m);
            m
        }))
    }
    fn errors(&self, net: &Network, b: &mut Feedback, trace: &Trace, errors: &mut Errors, par: Par) {
        for &node in net.weighted() {
            if let Some(m) = b.at_mut(node) {
                self.fill(net, node, m);
            }
        }
        sweep(net, trace, errors, |node| b.get(node), par);
    }
    fn trains(&self, net: &Network, node: NodeId) -> bool {
        (self.trains)(layer(net, node))
    }
    fn sign_scale(&self, net: &Network, node: NodeId) -> Option<f64> {
        (self.says)(layer(net, node))
    }
}

fn flow() -> Case {
    Case {
        optimizer: "name = \"flow\"\nt_end = 2.0\nrtol = 1e-9\natol = 1e-11".into(),
        activation: "tanh".into(),
        batch: BatchSize::Full,
        dtype: DType::F64,
        widths: vec![5, 6, 4, 3],
        n: 20,
        lr: 0.0,
        steps: 4,
        ..Case::default()
    }
}

fn with(rule: impl Rule + 'static, case: &Case) -> Result<Trainer, Error> {
    let mut setup = case.setup();
    setup.rule = Box::new(rule);
    Trainer::new(setup)
}

fn refusal(rule: Signs) -> String {
    match with(rule, &flow()) {
        Err(Error::Config(e)) => {
            assert_eq!(e.key, "rule.name");
            e.message
        }
        Err(e) => panic!("{e}"),
        Ok(_) => panic!("the flow took it"),
    }
}

/// A constant per row, another constant than stated by one part in 2^52, no M, signs in one layer only: all refused by the flow. The rule
/// with one constant per layer is taken.
#[test]
fn the_flow_takes_one_constant_per_layer_only() {
    assert!(with(Signs::right(), &flow()).is_ok());
    assert!(with(Signs { rows: |_| 0.0, says: |_| Some(0.0), ..Signs::right() }, &flow()).is_ok());
    let per_row = Signs { rows: |r| if r == 2 { 0.25 } else { 0.5 }, ..Signs::right() };
    assert!(refusal(per_row).contains("one constant per layer"));
    assert!(refusal(Signs { says: |_| Some(0.5f64.next_up()), ..Signs::right() }).contains("c sign(W)"));
    assert!(refusal(Signs { says: |_| Some(f64::NAN), ..Signs::right() }).contains("c of layer 1 is NaN"));
    assert!(refusal(Signs { rows: |_| -0.5, says: |_| Some(-0.5), ..Signs::right() }).contains("at least 0"));
    assert!(refusal(Signs { keeps: false, ..Signs::right() }).contains("keeps no M"));
    let half = Signs { says: |l| (l == 1).then_some(0.5), ..Signs::right() };
    assert!(refusal(half).contains("1 of 2 layers"));
    // What the bottom layer says is of no consequence: no error is carried through it.
    assert!(with(Signs { says: |l| (l > 0).then_some(0.5), ..Signs::right() }, &flow()).is_ok());
    // Steps need no constant.
    let steps = Case { optimizer: "name = \"sgd\"".into(), lr: 0.1, ..flow() };
    assert!(with(Signs { rows: |r| r as f64, ..Signs::right() }, &steps).is_ok());
}

fn ends(rule: impl Rule + 'static, case: &Case) -> (Vec<Vec<f64>>, usize) {
    let mut trainer = with(rule, case).unwrap();
    let start: Vec<Vec<f64>> = weights(&trainer);
    assert_eq!(trainer.run(&mut Memory::default()).unwrap(), Outcome::Done);
    let end = weights(&trainer);
    let flips = start.iter().flatten().zip(end.iter().flatten()).filter(|(a, b)| *a * *b < 0.0).count();
    (end, flips)
}

fn weights(t: &Trainer) -> Vec<Vec<f64>> {
    t.net().weighted().iter().map(|&n| t.net().weight(n).to_f64_vec()).collect()
}

/// With a layer that is not trained, the flow of signs is still the limit of small steps: Euler steps of 2/n, extrapolated twice, err by
/// O(1/n) only where a sign flips (the step that straddles a flip), so by at most a few 1e-4 at n = 8192; 2e-3 is asked for. Frozen layers shift
/// what lies behind them in the integrator's vector: weights would take another's sign.
#[test]
fn layers_that_are_not_trained_keep_the_others_signs() {
    let frozen = || Signs { trains: |l| l != 1, ..Signs::right() };
    let case = Case { weight: "name = \"xavier_uniform\"\nscale = 0.3".into(), ..flow() };
    let (flowed, flips) = ends(frozen(), &case);
    assert!(flips > 0, "no sign flips: nothing is tested");
    let n = 8192;
    let steps = Case { optimizer: "name = \"sgd\"".into(), lr: 2.0 / n as f64, steps: n, ..case };
    let (stepped, _) = ends(frozen(), &steps);
    for (layer, (a, b)) in flowed.iter().zip(&stepped).enumerate() {
        for (a, b) in a.iter().zip(b) {
            assert!((a - b).abs() < 2e-3, "layer {layer}: {a} {b}");
        }
    }
}

/// Refuses every initialiser but `equal`.
struct Picky;

impl Rule for Picky {
    fn name(&self) -> &'static str {
        "picky"
    }
    fn feedback(&self, cx: &InitCx<'_>) -> Result<Feedback, ConfigError> {
        match cx.feedback {
            FeedbackInit::Equal { .. } => Ok(cx.drawn()),
            _ => Err(ConfigError::new("name", "\"picky\" starts from \"equal\" only")),
        }
    }
    fn errors(&self, net: &Network, b: &mut Feedback, trace: &Trace, errors: &mut Errors, par: Par) {
        sweep(net, trace, errors, |node| b.get(node), par);
    }
}

#[test]
fn a_rule_can_refuse_an_initialiser() {
    let case = |feedback: &str| Case { feedback: format!("name = \"{feedback}\""), ..Case::default() };
    assert!(with(Picky, &case("equal")).is_ok());
    for feedback in ["xavier_uniform", "aligned"] {
        let Err(Error::Config(e)) = with(Picky, &case(feedback)) else { panic!("{feedback} was taken") };
        assert_eq!((e.key.as_str(), e.message.contains("equal")), ("init.feedback.name", true), "{e}");
    }
}

/// Draws B by W's own law.
struct Kin;

impl Rule for Kin {
    fn name(&self) -> &'static str {
        "kin"
    }
    fn feedback(&self, cx: &InitCx<'_>) -> Result<Feedback, ConfigError> {
        let branch = cx.root.child("feedback");
        Ok(Feedback::per_layer(cx.net, |i, node| {
            let (w, fans) = (cx.net.weight(node), cx.net.layer(node).fans());
            cx.weight.weight.draw(w.shape(), fans, w.dtype(), &mut branch.at(i as u64))
        }))
    }
    fn errors(&self, net: &Network, b: &mut Feedback, trace: &Trace, errors: &mut Errors, par: Par) {
        sweep(net, trace, errors, |node| b.get(node), par);
    }
}

/// kaiming_normal is N(0, 2/fan_in); the same draws made by hand, bit for bit, and not those of init.feedback's own law.
#[test]
fn a_rule_can_draw_by_the_law_of_w() {
    let case = Case { weight: "name = \"kaiming_normal\"\nscale = 3.0".into(), ..Case::default() };
    let trainer = with(Kin, &case).unwrap();
    let branch = Rng::new(case.seed).child("feedback");
    for (i, &node) in trainer.net().weighted().iter().enumerate().skip(1) {
        let shape = trainer.net().weight(node).shape();
        let sd = 3.0 * (2.0 / case.widths[i] as f64).sqrt();
        let want = branch.at(i as u64).normal_tensor(shape, sd, DType::F64).to_f64_vec();
        assert_eq!(trainer.feedback().get(node).to_f64_vec(), want, "layer {i}");
    }
    let net = case.network();
    let fa = realign::rules::build(table("name = \"fa\"")).unwrap();
    let own = drawn(fa.as_ref(), &net, "name = \"xavier_uniform\"", &Rng::new(case.seed));
    let node = trainer.net().weighted()[1];
    assert_ne!(trainer.feedback().get(node).to_f64_vec(), own.get(node).to_f64_vec());
    assert!(WeightInit::default().weight.name() == "xavier_uniform");
}

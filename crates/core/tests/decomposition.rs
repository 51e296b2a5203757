//! The probe `decomposition` against what training itself does, and the start `aligned` against its own condition.
#![allow(missing_docs)]
mod common;

use common::{Case, Memory};
use realign::optim::Clip;
use realign::probes::Every;
use realign::rules::{alignment, chains};
use realign::train::{BatchSize, Row};

const RULES: [&str; 6] = ["bp", "fa", "sign_fa", "adafa", "tracking", "frozen"];

fn rows(case: &Case) -> Vec<Row> {
    let mut sink = Memory::default();
    case.trainer().run(&mut sink).unwrap();
    sink.rows
}

fn value(rows: &[Row], step: u64, name: &str, layer: Option<usize>, unit: Option<usize>) -> f64 {
    let found = rows.iter().find(|r| (r.step, r.name.as_ref(), r.layer, r.unit) == (step, name, layer, unit));
    found.unwrap_or_else(|| panic!("no row {name} at step {step}, layer {layer:?}, unit {unit:?}")).value
}

/// One full-batch step of size eta moves the loss by −eta <g,F> + O(eta² M ‖F‖²/2): with eta = 1e-7 and M, ‖F‖² of order 1..10 the relative gap is below
/// 1e-5; 1e-16/1e-7 of the loss is lost to rounding. Biases start away from zero (torch_default): with zero biases an example whose first
/// hidden layer is silent sits exactly on the kink of the second. 600 examples are three batches of the probe, the last one smaller. Weights,
/// biases and untrained layers all have to be right for it.
#[test]
fn inner_is_the_speed_of_the_loss() {
    for rule in RULES {
        for (loss, activation) in [("cross_entropy", "relu"), ("mse", "tanh"), ("logistic", "leaky_relu")] {
            let eta = 1e-7;
            let case = Case {
                loss: loss.into(),
                activation: activation.into(),
                weight: "name = \"torch_default\"".into(),
                n: 600,
                batch: BatchSize::Full,
                lr: eta,
                steps: 1,
                probes: vec![(Every::Steps(1), "name = \"decomposition\"".into())],
                ..Case::rule(rule)
            };
            let rows = rows(&case);
            let speed = (value(&rows, 1, "loss", None, None) - value(&rows, 0, "loss", None, None)) / eta;
            let inner = value(&rows, 0, "inner", None, None);
            assert!(
                (speed + inner).abs() < 1e-4 * inner.abs().max(1e-2),
                "{rule} {loss}: {speed} and {inner}"
            );
            assert_eq!(value(&rows, 1, "time", None, None), eta);
        }
    }
}

/// Parts add up and the two forms agree: units to layers to the whole, `2<g,F> = ‖g‖² + ‖F‖² − ‖g − F‖²`, `<g,F> = cos ‖g‖ ‖F‖`; for bp F = g exactly.
#[test]
fn parts_add_up_and_both_forms_agree() {
    for rule in RULES {
        let probe = "name = \"decomposition\"\nper_unit = true\nexamples = 17".to_owned();
        let case = Case { steps: 3, probes: vec![(Every::Steps(1), probe)], ..Case::rule(rule) };
        let rows = rows(&case);
        let sum = |f: &dyn Fn(&&Row) -> bool| {
            rows.iter().filter(|r| r.step == 2 && r.name == "inner").filter(f).map(|r| r.value).sum::<f64>()
        };
        let whole = value(&rows, 2, "inner", None, None);
        let layers = sum(&|r| r.layer.is_some() && r.unit.is_none());
        let units = sum(&|r| r.unit.is_some());
        assert!((whole - layers).abs() < 1e-14 && (whole - units).abs() < 1e-14, "{rule}");
        let v = |name: &str| value(&rows, 2, name, None, None);
        let (g, f, gap) = (v("gradient"), v("update"), v("gap"));
        assert!((2.0 * whole - (g * g + f * f - gap * gap)).abs() < 1e-14, "{rule}");
        assert!((whole - v("cosine") * g * f).abs() < 1e-14, "{rule}");
        assert!((v("share") - 2.0 * whole / (g * g + f * f)).abs() < 1e-13, "{rule}");
        if rule == "bp" {
            assert_eq!((gap, v("share")), (0.0, 1.0));
        }
    }
}

/// A sample is fixed, lies in the tree of the run and is not the batch; a sample of at least all examples is all of them.
#[test]
fn the_sample_is_fixed_and_all_is_all() {
    let with = |options: &str, seed: u64| {
        let probes = vec![(Every::Steps(1), format!("name = \"decomposition\"\n{options}"))];
        rows(&Case { probes, seed, steps: 2, ..Case::default() })
    };
    assert_eq!(with("examples = 12", 1), with("examples = 12", 1));
    assert_eq!(with("examples = 1000", 1), with("", 1));
    let loss = |rows: &[Row]| value(rows, 0, "loss", None, None);
    assert_ne!(loss(&with("examples = 12", 1)), loss(&with("", 1)));
}

/// Bits after stopping and going on equal those without a stop, `time` under a schedule included.
#[test]
fn resuming_changes_no_row() {
    let probe = |name: &str| (Every::Steps(1), format!("name = \"{name}\""));
    let case = Case {
        schedule: "name = \"cosine\"\nwarmup = 3".into(),
        clip: Clip::None,
        steps: 12,
        probes: vec![probe("decomposition"), probe("aligned_units")],
        ..Case::rule("adafa")
    };
    let want = rows(&case);
    let mut first = Memory { stop_after: Some(7), ..Memory::default() };
    let mut trainer = case.trainer();
    trainer.run(&mut first).unwrap();
    let mut second = Memory::default();
    let mut trainer = case.trainer();
    trainer.restore(first.checkpoints.last().unwrap()).unwrap();
    trainer.run(&mut second).unwrap();
    assert_eq!([first.rows, second.rows].concat(), want);
}

/// `aligned`: cos(W, B) = 1, every unit of every pair of layers meets the condition with the margin, and W is the same for all rules with a law; for
/// a fixed B the condition is w b >= ½(‖W_1‖² + b²), checked here by plain loops.
#[test]
fn an_aligned_start_meets_the_condition_in_every_layer() {
    let mut starts = Vec::new();
    for rule in ["fa", "sign_fa", "adafa", "bp"] {
        let case = Case {
            feedback: "name = \"aligned\"\nmargin = 0.25".into(),
            weight: "name = \"torch_default\"".into(),
            ..Case::rule(rule)
        };
        let t = case.trainer();
        for chain in chains(t.net()) {
            let a = alignment(t.net(), t.rule(), t.feedback(), chain).unwrap();
            for k in 0..a.units() {
                // Equality up to the rounding of a scaled row.
                assert!(a.budget[k] >= 0.5 * 1.25 * a.writer_sq[k] * (1.0 - 1e-12), "{rule} unit {k}");
                assert!(a.inner[k] > 0.0);
            }
        }
        if rule == "fa" {
            let (w1, w2) = (t.net().weight(t.net().weighted()[1]), t.net().weight(t.net().weighted()[2]));
            let bias = t.net().layer(t.net().weighted()[1]).bias().unwrap();
            let b = t.feedback().get(t.net().weighted()[2]);
            let (outputs, units, inputs) = (w2.rows(), w2.cols(), w1.cols());
            for k in 0..units {
                let inner: f64 = (0..outputs).map(|j| w2.at(j * units + k) * b.at(j * units + k)).sum();
                let norm: f64 =
                    (0..inputs).map(|j| w1.at(k * inputs + j).powi(2)).sum::<f64>() + bias.at(k).powi(2);
                assert!(inner >= 0.5 * norm, "{k}");
            }
        }
        starts.push(t.net().weighted().iter().map(|n| t.net().weight(*n).to_f64_vec()).collect::<Vec<_>>());
    }
    assert!(starts.iter().all(|s| *s == starts[0]));
}

#[test]
fn what_cannot_be_aligned_is_refused() {
    let mut case = Case { feedback: "name = \"aligned\"\nscale = 0.4".into(), ..Case::rule("adafa") };
    case.rule = "name = \"adafa\"\nkappa = 1.0".into();
    let error = realign::train::Trainer::new(case.setup()).err().unwrap().to_string();
    assert!(error.contains("init.feedback.scale") && error.contains("kappa/2"), "{error}");
}

//! The ledger over long runs of random networks, and its rows per unit.
#![allow(missing_docs)]

#[path = "../../core/tests/common/mod.rs"]
mod common;

use common::{Case, Memory};
use proptest::prelude::*;
use realign::optim::Clip;
use realign::tensor::DType;
use realign::train::{BatchSize, Row};
use realign_theory::ledger::{Audit, Verdict};

fn rows(case: Case) -> Vec<Row> {
    let mut memory = Memory::default();
    Case { build_probe: realign_theory::probes::build, ..case }.trainer().run(&mut memory).unwrap();
    memory.rows
}

const OPTIMIZERS: [&str; 7] = [
    "name = \"sgd\"",
    "name = \"sgd\"\nweight_decay = 0.01",
    "name = \"sgd\"\nmomentum = 0.9",
    "name = \"sgd\"\nmomentum = 0.9\nweight_decay = 0.001",
    "name = \"sgd\"\nmomentum = 0.8\nnesterov = true\nweight_decay = 0.001",
    "name = \"adam\"\nweight_decay = 0.01",
    "name = \"adamw\"\nweight_decay = 0.01",
];
const RULES: [&str; 5] = ["bp", "fa", "sign_fa", "adafa", "tracking"];
const LOSSES: [&str; 4] = ["cross_entropy", "mse", "sigmoid_cross_entropy", "logistic"];
const SCHEDULES: [&str; 2] = ["name = \"constant\"", "name = \"cosine\"\nwarmup = 10"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, rng_seed: proptest::test_runner::RngSeed::Fixed(7), failure_persistence: None, ..ProptestConfig::default() })]

    /// Two to five layers of random widths, any rule, optimizer, loss, batch size, clipping, schedule and dropout, residual or not: over 1,000 steps in f64 residual and path of
    /// every layer stay below 1e-11 of what was exchanged, and every unit closes in every step. (1,000 steps of rounding at 1e-16 of P, which exchanges a thousandth of
    /// itself and more.)
    #[test]
    fn random_networks_close_over_a_thousand_steps(
        hidden in prop::collection::vec(2usize..12, 1..5), residual: bool, bias: bool, dropout: bool, rule in 0..RULES.len(), optimizer in 0..OPTIMIZERS.len(),
        loss in 0..LOSSES.len(), batch in 1usize..40, clip in 0usize..3, schedule in 0..SCHEDULES.len(), seed in 0u64..1000, activation in 0usize..3,
    ) {
        let hidden = if residual { vec![hidden[0]; hidden.len()] } else { hidden };
        let widths = [vec![5], hidden, vec![3]].concat();
        let depth = widths.len() - 1;
        let adaptive = OPTIMIZERS[optimizer].contains("adam");
        let dropout = if dropout { "dropout = 0.1" } else { "" };
        let rows = rows(Case {
            widths,
            bias,
            network: format!("residual = {residual}\n{dropout}"),
            optimizer: OPTIMIZERS[optimizer].into(),
            schedule: SCHEDULES[schedule].into(),
            clip: [Clip::None, Clip::Global(0.5), Clip::Layer(0.5)][clip],
            loss: LOSSES[loss].into(),
            activation: ["relu", "leaky_relu", "identity"][activation].into(),
            batch: BatchSize::Size(batch),
            lr: if adaptive { 0.003 } else { 0.01 },
            steps: 1000,
            seed,
            probes: vec![("end".parse().unwrap(), "name = \"ledger\"\nunits = \"never\"".into())],
            ..Case::rule(RULES[rule])
        });
        let audit = Audit::from_rows(&rows);
        // In a residual net of two and more layers all hidden layers may write one stream.
        prop_assert!(audit.closed && !audit.layers.is_empty() && audit.layers.len() < depth, "{:#?}", audit);
        for l in &audit.layers {
            prop_assert!(l.verdict == Verdict::Closed && l.homogeneous, "{:#?}", l);
            prop_assert!(l.relative_residual.abs() <= 1e-11 && l.relative_path.abs() <= 1e-11, "{:#?}", l);
        }
    }
}

/// Rows per unit are written at 1, 2, 5, 10, ... steps and the end, rows per layer at the probe's cadence; and the units of a layer add up to it. Sums of ten units of
/// order 1: 1e-12 is 10⁴ roundoffs.
#[test]
fn unit_rows_are_log_spaced_and_add_up() {
    let rows = rows(Case {
        steps: 120,
        dtype: DType::F64,
        probes: vec![("1 step".parse().unwrap(), "name = \"ledger\"".into())],
        ..Case::rule("adafa")
    });
    let steps_of = |unit: Option<usize>, name: &str| {
        let found = rows.iter().filter(|r| r.layer == Some(1) && r.unit == unit && r.name == name);
        found.map(|r| r.step).collect::<Vec<_>>()
    };
    assert_eq!(steps_of(None, "phi"), (1..=120).collect::<Vec<_>>());
    assert_eq!(steps_of(Some(7), "drift"), [1, 2, 5, 10, 20, 50, 100, 120]);
    let value = |step: u64, unit: Option<usize>, name: &str| {
        let found =
            rows.iter().find(|r| (r.step, r.layer, r.unit) == (step, Some(1), unit) && r.name == name);
        found.unwrap().value
    };
    for step in [1, 20, 120] {
        let of_units = |name: &str| (0..8).map(|k| value(step, Some(k), name)).sum::<f64>();
        let of_layer = |name: &str| value(step, None, name);
        let drift = of_layer("phi") - of_layer("norm");
        assert!((of_units("drift") - drift).abs() < 1e-12 && drift != 0.0, "{step}");
        let balance = of_layer("opening_phi") - of_layer("opening_norm") + drift;
        assert!((of_units("potential") - balance).abs() < 1e-12, "{step}");
        for k in 0..8 {
            let rest = value(step, Some(k), "explained")
                + value(step, Some(k), "path")
                + value(step, Some(k), "residual");
            assert!((value(step, Some(k), "drift") - rest).abs() < 1e-12, "{step} {k}");
        }
    }
}

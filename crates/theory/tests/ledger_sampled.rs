//! Sampled books: every row describes the state at its own step, whatever was watched before it.
#![allow(missing_docs)]

#[path = "../../core/tests/common/mod.rs"]
mod common;

use common::{Case, Memory};
use realign::checkpoint::Checkpoint;
use realign::train::{Every, Row};

fn case(rule: &str, mode: &str, every: &str, steps: u64) -> Case {
    Case {
        rule: rule.into(),
        steps,
        optimizer: "name = \"sgd\"\nmomentum = 0.9\nweight_decay = 0.01".into(),
        lr: 0.05,
        checkpoint: Every::Steps(1),
        probes: vec![(every.parse().unwrap(), format!("name = \"ledger\"\nmode = \"{mode}\""))],
        build_probe: realign_theory::probes::build,
        ..Case::default()
    }
}

fn run(case: &Case) -> Memory {
    let mut memory = Memory::default();
    case.trainer().run(&mut memory).unwrap();
    memory
}

/// `name` of layer 0 at every step that has it.
fn of(rows: &[Row], name: &str) -> Vec<(u64, f64)> {
    let found = rows.iter().filter(|r| r.layer == Some(0) && r.unit.is_none() && r.name == name);
    found.map(|r| (r.step, r.value)).collect()
}

/// Phi of the units that layer 0 writes, and ½(‖W‖² + b²), from the weights of a checkpoint by their formulas.
fn by_hand(rule: &str, c: &Checkpoint) -> [f64; 2] {
    let numbers = |name: &str| c.get(name).map(|t| t.to_f64_vec());
    let square = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>();
    let above = numbers("layers.1.weight").unwrap();
    let phi = match rule {
        r if r.contains("\"bp\"") => 0.5 * square(&above),
        r if r.contains("\"sign_fa\"") => 0.5 * above.iter().map(|w| w.abs()).sum::<f64>(),
        r if r.contains("\"adafa\"") => square(&numbers("layers.1.feedback").unwrap()) / (2.0 * 0.7),
        _ => above.iter().zip(numbers("layers.1.feedback").unwrap()).map(|(w, b)| w * b).sum(),
    };
    let norm = square(&numbers("layers.0.weight").unwrap()) + square(&numbers("layers.0.bias").unwrap());
    [phi, 0.5 * norm]
}

const RULES: [&str; 5] = [
    "name = \"fa\"",
    "name = \"bp\"",
    "name = \"sign_fa\"\nscale = 0.5",
    "name = \"adafa\"\nkappa = 0.7",
    "name = \"tracking\"",
];

/// Rows of periods that do and do not divide the 40 steps, the last step among them: the change of Phi and of the norm since the start is that of the weights in the
/// checkpoint of that step, and what continuous books say. Sums of some hundred f64 of order 1: 1e-12 is thousands of roundoffs.
#[test]
fn every_row_describes_the_state_at_its_step() {
    for rule in RULES {
        for (every, due) in
            [("10 steps", vec![10, 20, 30, 40]), ("7 steps", vec![7, 14, 21, 28, 35, 40]), ("end", vec![40])]
        {
            let sampled = run(&case(rule, "sampled", every, 40));
            let continuous = run(&case(rule, "continuous", every, 40));
            let at = |s: u64| by_hand(rule, sampled.checkpoints.iter().find(|c| c.step == s).unwrap());
            for (i, name) in ["phi", "norm"].into_iter().enumerate() {
                let rows = of(&sampled.rows, name);
                assert_eq!(rows.iter().map(|r| r.0).collect::<Vec<_>>(), due, "{rule} {every}");
                for ((step, value), (_, watched)) in rows.iter().zip(of(&continuous.rows, name)) {
                    let want = at(*step)[i] - at(0)[i];
                    assert!((value - want).abs() < 1e-12, "{rule} {every} {name} at {step}: {value} {want}");
                    assert!(
                        (watched - want).abs() < 1e-12,
                        "{rule} {every} {name} at {step}: {watched} {want}"
                    );
                    assert!(want.abs() > 1e-3, "nothing moved: {rule} {name} at {step}");
                }
            }
            let last = |m: &Memory, name: &str| of(&m.rows, name).last().unwrap().1;
            assert!(
                last(&sampled, "unwatched") != 0.0 && last(&continuous, "unwatched") == 0.0,
                "{rule} {every}"
            );
            let explained =
                ["reader", "writer", "decay", "momentum", "path", "plasticity", "unwatched", "residual"];
            let sum: f64 = explained.iter().map(|name| last(&sampled, name)).sum();
            let drift = last(&sampled, "phi") - last(&sampled, "norm");
            assert!((sum - drift).abs() < 1e-12, "{rule} {every}: {sum} {drift}");
        }
    }
}

/// Stopped between two rows or at one, and resumed: the same rows, bit for bit.
#[test]
fn sampled_books_survive_a_stop() {
    for stop in [4, 7, 8, 14, 25] {
        let case = case(RULES[0], "sampled", "7 steps", 30);
        let whole = run(&case).rows;
        let mut first = Memory { stop_after: Some(stop), ..Memory::default() };
        case.trainer().run(&mut first).unwrap();
        let mut trainer = case.trainer();
        trainer.restore(first.checkpoints.last().unwrap()).unwrap();
        let mut second = Memory::default();
        trainer.run(&mut second).unwrap();
        first.rows.extend(second.rows);
        assert!(first.rows == whole, "{stop}");
    }
}

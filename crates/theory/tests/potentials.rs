//! Every rule's potential: its gradient is the matrix that carries the error, and the ledger looks without touching.
#![allow(missing_docs)]

#[path = "../../core/tests/common/mod.rs"]
mod common;

use common::{Case, Memory};
use realign::rules::{self, RULES};
use realign::tensor::{DType, Par};
use realign::train::BatchSize;

/// M against central differences of Phi (h = 1e-6: truncation below 1e-12 for these quadratics and lines, rounding 1e-10), and against the
/// tensor the rule keeps for the sweep, exactly in f64.
#[test]
fn the_gradient_of_phi_carries_the_error() {
    for rule in RULES.iter().filter(|r| !["frozen", "shallow"].contains(&r.name)) {
        let mut trainer = Case::rule(rule.name).trainer();
        trainer.look_at_batch();
        let (net, built) = (trainer.net(), rules::build(common::table(&Case::rule(rule.name).rule)).unwrap());
        let Some(potential) = built.potential(net, net.weighted()[1]) else { continue };
        for &node in &net.weighted()[1..] {
            let w = net.weight(node).to_f64_vec();
            let carried = trainer.feedback().at(node).map_or_else(|| w.clone(), |b| b.to_f64_vec());
            let potential = built.potential(net, node).unwrap();
            let (mut m, mut up, mut down) = (vec![0.0; w.len()], vec![0.0; w.len()], vec![0.0; w.len()]);
            potential.carry(&w, &carried, &mut m);
            let h = 1e-6;
            let at = |shift: f64| w.iter().map(|v| v + shift).collect::<Vec<_>>();
            potential.phi(&w, &carried, &at(h), &mut up);
            potential.phi(&w, &carried, &at(-h), &mut down);
            for i in 0..w.len() {
                let slope = (up[i] - down[i]) / (2.0 * h);
                assert!(
                    (slope - m[i]).abs() < 1e-8,
                    "{} {}: {slope} against {}",
                    rule.name,
                    potential.formula(),
                    m[i]
                );
                assert_eq!(m[i], carried[i], "{}", rule.name);
            }
        }
        assert!(!potential.formula().is_empty());
    }
}

/// With the ledger at every step the weights have the same bits as without, under every rule, dtype and number of threads.
#[test]
fn the_ledger_changes_no_bit() {
    for rule in RULES {
        for (dtype, par) in [(DType::F32, Par::Seq), (DType::F64, Par::Seq), (DType::F32, Par::Threads(2))] {
            for optimizer in
                ["name = \"sgd\"", "name = \"sgd\"\nmomentum = 0.9\nweight_decay = 0.01", "name = \"adamw\""]
            {
                let quiet = Case {
                    dtype,
                    par,
                    optimizer: optimizer.into(),
                    widths: vec![300, 700, 10],
                    n: 64,
                    batch: BatchSize::Size(16),
                    steps: 4,
                    ..Case::rule(rule.name)
                };
                let watched = Case {
                    probes: vec![("1 step".parse().unwrap(), "name = \"ledger\"".into())],
                    build_probe: realign_theory::probes::build,
                    ..quiet.clone()
                };
                let end = |case: &Case| {
                    let mut t = case.trainer();
                    t.run(&mut Memory::default()).unwrap();
                    let mut c = t.checkpoint();
                    c.tensors.retain(|(name, _)| !name.starts_with("probes."));
                    c.to_bytes()
                };
                assert!(end(&quiet) == end(&watched), "{} {dtype} {optimizer}", rule.name);
            }
        }
    }
}

//! Steps that are too large for the order of a law to show, against laws that are broken.
#![allow(missing_docs)]

#[path = "../../core/tests/common/mod.rs"]
mod common;

use common::Case;
use realign::optim::Clip;
use realign::train::Setup;
use realign_theory::laws::check::{LayerReport, Options, Report, Verdict, check};

fn report(case: &Case, law: &str, force: bool) -> Report {
    check(Options { law: Some(law), force }, |_| (), || Ok::<Setup, realign::Error>(case.setup())).unwrap()
}

fn layers(report: &Report) -> Vec<&LayerReport> {
    report.laws.iter().flat_map(|l| &l.layers).collect()
}

/// At rates from small to absurd a law that is a theorem is never called broken; where the step is too large, the rate that is named holds when it is tried, and the drift
/// is what the steps add up to. The slope in the report is that of its own drifts (two points a factor of 4 apart).
#[test]
fn a_theorem_is_not_refuted_by_large_steps() {
    let mut seen = [0, 0];
    for (rule, law, activation) in [
        ("fa", "fa", "relu"),
        ("bp", "bp", "relu"),
        ("adafa", "adafa", "relu"),
        ("fa", "linear", "identity"),
        ("bp", "linear", "identity"),
    ] {
        for lr in [0.01, 0.3, 1.0, 1e4, 1e200] {
            let case = Case {
                widths: vec![7, 9, 4],
                activation: activation.into(),
                lr,
                steps: 30,
                ..Case::rule(rule)
            };
            let found = report(&case, law, false);
            for l in layers(&found) {
                assert!(
                    matches!(l.verdict, Verdict::Holds | Verdict::StepTooLarge),
                    "{rule} {law} {lr}: {l:#?}"
                );
                seen[usize::from(l.verdict == Verdict::StepTooLarge)] += 1;
                if let (Verdict::StepTooLarge, Some(_), Some(at)) = (l.verdict, l.slope_there, l.try_lr) {
                    assert!(at <= 0.5 * lr);
                    let again = report(&Case { lr: at, ..case.clone() }, law, false);
                    assert!(again.holds(), "{rule} {law} {lr} -> {at}: {again:#?}");
                }
                if let Some(slope) = l.slope {
                    let want = 0.5 * (l.drift[0] / l.drift[2]).log2();
                    assert!(
                        (slope - want).abs() < 1e-12 && (slope - 1.0).abs() > 0.1
                            || l.verdict == Verdict::Holds,
                        "{slope} {want}"
                    );
                }
            }
            assert!(!layers(&found).is_empty() && found.tried.len() <= 18);
        }
    }
    assert!(seen[0] > 0 && seen[1] > 0, "{seen:?}");
}

/// What is not the law stays broken at every rate: tanh, momentum, decay, Adam, clipping per layer.
#[test]
fn what_is_not_a_law_stays_broken_at_every_rate() {
    for lr in [0.003, 0.03, 0.3] {
        let base = Case { widths: vec![7, 9, 4], lr, steps: 30, ..Case::rule("fa") };
        let optimizer = |text: &str| Case { optimizer: text.into(), ..base.clone() };
        for case in [
            Case { activation: "tanh".into(), ..base.clone() },
            optimizer("name = \"sgd\"\nmomentum = 0.9"),
            optimizer("name = \"sgd\"\nweight_decay = 0.1"),
            optimizer("name = \"adam\""),
            Case { clip: Clip::Layer(0.05), ..base.clone() },
        ] {
            let found = report(&case, "fa", true);
            assert!(layers(&found).iter().all(|l| l.verdict == Verdict::Broken), "{lr}: {found:#?}");
            assert!(!found.step_too_large() && !report(&case, "fa", false).holds());
        }
    }
}

/// Rates that change by the number of the step change at the same eta * steps in all three runs: a warm-up over half of the run leaves the slope at 1.
#[test]
fn a_warm_up_is_held_like_the_batches() {
    let case =
        Case { schedule: "name = \"constant\"\nwarmup = 30".into(), lr: 0.02, steps: 40, ..Case::rule("fa") };
    let found = report(&case, "fa", false);
    assert!(found.holds(), "{found:#?}");
}

/// Where nothing moves a law has nothing to conserve.
#[test]
fn a_still_net_shows_nothing() {
    for lr in [0.0, 1e-13] {
        let found = report(&Case { lr, ..Case::rule("fa") }, "fa", false);
        assert!(layers(&found).iter().all(|l| l.verdict == Verdict::Undecided), "{found:#?}");
        assert!(!found.holds() && !found.step_too_large());
    }
}

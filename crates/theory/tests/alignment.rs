//! Which units are aligned and guarded: the probe and the certificate against the formulas of every rule, at the edge too.
#![allow(missing_docs)]

#[path = "../../core/tests/common/mod.rs"]
mod common;

use common::{Case, Memory};
use realign::checkpoint::Checkpoint;
use realign::rules;
use realign::tensor::{DType, Par};
use realign::train::{BatchSize, Trainer};
use realign_theory::certify::{Certificate, Method, Situation, certify};

const UNITS: usize = 12;
const INPUTS: usize = 5;

/// One unit of a two-layer network with one output: what writes it, what reads it, what carries its error.
#[derive(Clone, Copy, Debug)]
struct Unit {
    norm_sq: f64,
    w: f64,
    b: f64,
}

fn case(rule: &str, seed: u64) -> Case {
    Case {
        rule: rule.into(),
        loss: "logistic".into(),
        widths: vec![INPUTS, UNITS, 1],
        // Long enough for the condition to hold somewhere, independent of W so that it fails elsewhere.
        feedback: "name = \"xavier_uniform\"\nscale = 6.0".into(),
        weight: "name = \"torch_default\"\nscale = 0.7".into(),
        batch: BatchSize::Full,
        lr: 0.01,
        steps: 1,
        seed,
        probes: vec![("1 step".parse().unwrap(), "name = \"aligned_units\"".into())],
        ..Case::default()
    }
}

/// Changes the first units of a start: no weight to read them, none to write them, none of either, none that carries their error.
fn spoil(start: &mut Checkpoint) {
    let mut zero = |name: &str, entries: std::ops::Range<usize>| {
        if let Some((_, t)) = start.tensors.iter_mut().find(|(n, _)| n == name) {
            entries.for_each(|i| t.set(i, 0.0));
        }
    };
    let mut silent = |units: std::ops::Range<usize>| {
        zero("layers.0.weight", units.start * INPUTS..units.end * INPUTS);
        zero("layers.0.bias", units);
    };
    silent(0..1);
    silent(2..5);
    zero("layers.1.weight", 1..4);
    zero("layers.1.feedback", 3..6);
}

fn units(trainer: &Trainer) -> Vec<Unit> {
    let (net, [first, last]) = (trainer.net(), [0, 1].map(|i| trainer.net().weighted()[i]));
    let (w1, bias, w2) = (net.weight(first), net.layer(first).bias().unwrap(), net.weight(last));
    let carried = trainer.feedback().at(last).unwrap_or(w2);
    let norm = |k: usize| (0..INPUTS).map(|j| w1.at(k * INPUTS + j).powi(2)).sum::<f64>();
    (0..UNITS)
        .map(|k| Unit { norm_sq: norm(k) + bias.at(k).powi(2), w: w2.at(k), b: carried.at(k) })
        .collect()
}

fn certificate(t: &Trainer) -> Certificate {
    let method = Method {
        optimizer: "sgd".into(),
        momentum: 0.0,
        weight_decay: 0.0,
        clipped: false,
        full_batch: true,
        augmented: false,
        feedback_decay: 0.0,
        lr: 0.01,
        steps: 1,
        time: 0.01,
    };
    certify(&Situation {
        net: t.net(),
        rule: t.rule(),
        feedback: t.feedback(),
        loss: t.loss(),
        data: &t.data().train,
        method: &method,
        examples: None,
        seed: 0,
        par: Par::Seq,
    })
}

/// The aligned condition of every rule in its own words (docs/certificates.md), for one output.
fn meets_condition(rule: &str, c: f64, u: Unit) -> bool {
    let Unit { norm_sq: n, w, b } = u;
    match rule {
        "fa" => b != 0.0 && w * b >= 0.5 * n,
        "sign_fa" => c * w.abs() > 0.5 * n,
        "adafa" => b != 0.0 && b * b - 0.5 * n >= (b - 0.5 * w).powi(2),
        _ => w != 0.0 && w * w >= n,
    }
}

/// The probe and the certificate judge alike, and as each rule's formula says, units without weights among them. A unit with w = 0 and N = 0 is at the edge: it meets
/// w b >= ½N and is not misaligned, because <W, M> = ½N >= 0 from there on.
#[test]
fn probe_and_certificate_judge_units_alike() {
    let mut counts = [0; 2];
    for seed in 0..8 {
        for (name, options) in [("fa", ""), ("sign_fa", "scale = 2.0"), ("adafa", "kappa = 0.5"), ("bp", "")]
        {
            let case = case(&format!("name = \"{name}\"\n{options}"), seed);
            let mut start = case.trainer().checkpoint();
            spoil(&mut start);
            let mut trainer = case.trainer();
            trainer.restore(&start).unwrap();
            // Signs follow the weights when the error is carried.
            trainer.look_at_batch();
            let found = units(&trainer);
            let guarded = found.iter().filter(|u| meets_condition(name, 2.0, **u)).count();
            let misaligned = found.iter().filter(|u| u.w * u.b < 0.0).count();
            let certificate = certificate(&trainer);
            assert_eq!(certificate.units.unwrap().holding, guarded, "{name} {seed}: {found:?}");
            let mut rows = Memory::default();
            trainer.run(&mut rows).unwrap();
            let row = |name: &str| {
                let found =
                    rows.rows.iter().find(|r| r.step == 0 && r.layer.is_none() && r.name == name).unwrap();
                found.value as usize
            };
            assert_eq!(UNITS - row("unguarded"), guarded, "{name} {seed}: {found:?}");
            assert_eq!(row("misaligned"), misaligned, "{name} {seed}: {found:?}");
            counts[0] += guarded;
            counts[1] += UNITS - guarded;
            if name == "fa" {
                // Nothing reads or writes unit 2, but an error reaches it; unit 1 is written; unit 3 gets no error.
                assert_eq!([1, 2, 3].map(|k| meets_condition(name, 2.0, found[k])), [false, true, false]);
            }
        }
    }
    assert!(counts[0] > 60 && counts[1] > 60, "{counts:?}");
}

/// What the edge means: under the flow a unit without weights that an error reaches keeps w b = ½N exactly, and so turns towards its feedback weight as soon as it moves.
/// A linear unit, because a ReLU unit without weights stays silent. 1e-9: the integrator's tolerance of 1e-10 on numbers of order 0.1.
#[test]
fn a_unit_that_starts_from_nothing_becomes_aligned() {
    let case = Case {
        activation: "identity".into(),
        optimizer: "name = \"flow\"\nt_end = 3.0\nrtol = 1e-10\natol = 1e-12".into(),
        lr: 0.0,
        steps: 30,
        dtype: DType::F64,
        ..case("name = \"fa\"", 2)
    };
    let mut start = case.trainer().checkpoint();
    spoil(&mut start);
    let mut trainer = case.trainer();
    trainer.restore(&start).unwrap();
    assert!(units(&trainer)[2].b != 0.0);
    for step in 1..=30 {
        trainer.train_step();
        let Unit { norm_sq, w, b } = units(&trainer)[2];
        assert!((w * b - 0.5 * norm_sq).abs() <= 1e-9, "{step}: {w} {b} {norm_sq}");
        assert!(step < 2 || w * b > 0.0, "{step}: {w} {b}");
    }
    assert!(units(&trainer)[2].norm_sq > 1e-3, "nothing moved");
}

/// A guarded unit is never a misaligned one: whatever the rule, `<W, M> >= Phi(W) − Phi(0)`, which convexity promises (3,000 random units of several outputs each).
#[test]
fn a_guarded_unit_is_not_misaligned() {
    let mut guarded = 0;
    for seed in 0..15 {
        for rule in ["name = \"fa\"", "name = \"sign_fa\"", "name = \"adafa\"\nkappa = 0.7", "name = \"bp\""]
        {
            let weight = "name = \"xavier_uniform\"\nscale = 0.6".to_owned();
            let feedback = "name = \"cosine\"\ncosine = 0.2\nscale = 3.0".to_owned();
            let case =
                Case { weight, feedback, widths: vec![3, 50, 4], seed, rule: rule.into(), ..Case::default() };
            let t = case.trainer();
            let chain = rules::chains(t.net())[0];
            let a = rules::alignment(t.net(), t.rule(), t.feedback(), chain).unwrap();
            assert!((0..a.units()).all(|k| !(a.guarded(k) && a.misaligned(k))), "{rule} {seed}");
            assert!((0..a.units()).all(|k| a.inner[k] >= a.budget[k] - 1e-12), "{rule} {seed}");
            guarded += a.guarded_units();
        }
    }
    assert!(guarded > 100 && guarded < 2900, "{guarded}");
}

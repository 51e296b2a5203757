//! Certificates and dominance of runs: from a spec or a run directory to what `realign_theory` wants to know.

use crate::{LabError, RunSpec, Spec, store};
use realign::optim::{self, Flow};
use realign::train::Trainer;
use realign_data::Dirs;
use realign_tensor::{DType, Par};
use realign_theory::certify::{self, Certificate, Check, Method, Precision, Situation, UnitRow};
use realign_theory::dominance::{Dominance, Floor, Sample, dominance_above, samples};
use std::collections::BTreeMap;
use std::path::Path;
use toml::Value;

/// Checks data and initial state of a run, on at most `examples` examples; `run` is the directory of the run if it was made before.
///
/// # Errors
/// If the data cannot be had, are not those of the run, or the spec does not fit them.
pub fn certificate(
    spec: &RunSpec,
    run: Option<&Path>,
    dirs: &Dirs,
    par: Par,
    examples: Option<usize>,
) -> Result<Certificate, LabError> {
    Ok(at_start(spec, run, dirs, par, examples)?.0)
}

/// The same for the run in `dir`, and what the run's own rows say about it.
///
/// # Errors
/// If data or rows cannot be read, the data are not those of the run, or the spec does not fit them.
pub fn checked(
    spec: &RunSpec,
    dir: &Path,
    dirs: &Dirs,
    par: Par,
    examples: Option<usize>,
) -> Result<(Certificate, Check), LabError> {
    let (certificate, mut trainer) = at_start(spec, Some(dir), dirs, par, examples)?;
    let precision = |t: &Trainer| Precision::of(t.net(), &t.data().train, tolerance(spec));
    let mut precise = precision(&trainer);
    // Weights have grown by the end, and their rounding with them.
    if certificate.verdict.guaranteed()
        && let Some(end) = store::checkpoint_at(dir, trainer.total_steps())?
    {
        trainer.restore(&end)?;
        precise = precise.or(precision(&trainer));
    }
    let check = certify::check(&certificate, &unit_rows(dir)?, &decomposition(dir)?, &precise);
    Ok((certificate, check))
}

/// The certificate and a trainer at step 0; `run` is the directory of the run if it was made before.
fn at_start(
    spec: &RunSpec,
    run: Option<&Path>,
    dirs: &Dirs,
    par: Par,
    examples: Option<usize>,
) -> Result<(Certificate, Trainer), LabError> {
    let setup = spec.setup(dirs, par)?;
    run.map_or(Ok(()), |dir| store::same_data(dir, &setup.data.record))?;
    let n = setup.data.train.len();
    let number = |key: &str| spec.get(key).and_then(|v| v.as_float().or(v.as_integer().map(|i| i as f64)));
    let steps = setup.plan.steps(n);
    let rate = |s: u64| setup.lr * setup.schedule.factor(s, steps);
    let (lr, time) = (0..steps).map(rate).fold((0.0, 0.0), |(most, sum), v| (f64::max(most, v), sum + v));
    let trainer = Trainer::new(setup)?;
    let method = Method {
        optimizer: spec.get("optimizer.name").and_then(Value::as_str).unwrap_or_default().to_owned(),
        momentum: number("optimizer.momentum").unwrap_or(0.0),
        weight_decay: number("optimizer.weight_decay").unwrap_or(0.0),
        clipped: spec.get("optimizer.clip").is_some(),
        full_batch: spec.get("train.batch").is_none_or(|b| b.as_integer().is_none_or(|b| b as usize == n)),
        augmented: trainer.data().augment.is_some(),
        feedback_decay: number("rule.decay").unwrap_or(0.0),
        lr,
        steps,
        time: flow(spec).map_or(time, |f| f.t_end),
    };
    let certificate = certify::certify(&Situation {
        net: trainer.net(),
        rule: trainer.rule(),
        feedback: trainer.feedback(),
        loss: trainer.loss(),
        data: &trainer.data().train,
        method: &method,
        examples,
        seed: spec.seed(),
        par,
    });
    Ok((certificate, trainer))
}

/// The flow that the run follows, if it does not make steps.
fn flow(spec: &RunSpec) -> Option<Flow> {
    let mut table = spec.section("optimizer");
    ["schedule", "clip", "lr"].iter().for_each(|key| drop(table.remove(*key)));
    optim::build(table).ok()?.form().flow
}

/// (rtol, atol) of a run that is a flow.
fn tolerance(spec: &RunSpec) -> Option<(f64, f64)> {
    flow(spec).map(|f| (f.rtol, f.atol))
}

fn unit_rows(dir: &Path) -> Result<Vec<UnitRow>, LabError> {
    let mut steps: BTreeMap<u64, UnitRow> = BTreeMap::new();
    for (step, name, value) in whole_net(dir, "aligned_units")? {
        let row = steps.entry(step).or_insert(UnitRow { step, misaligned: 0.0, unguarded: 0.0 });
        match name.as_str() {
            "misaligned" => row.misaligned = value,
            "unguarded" => row.unguarded = value,
            _ => {}
        }
    }
    Ok(steps.into_values().collect())
}

/// Dominance of the run in `dir`; `None` without rows of the probe `decomposition`.
///
/// # Errors
/// If spec or rows cannot be read.
pub fn dominance(dir: &Path) -> Result<Option<(Dominance, Vec<Sample>)>, LabError> {
    let samples = decomposition(dir)?;
    let l0 = samples.first().map_or(0.0, |s| s.loss);
    let floor = match Spec::load(&dir.join("spec.toml"), &[])?.runs().first() {
        Some(spec) => {
            let double = spec.get("train.dtype").and_then(Value::as_str) == Some("f64");
            let dtype = if double { DType::F64 } else { DType::F32 };
            Floor::of_run(dtype.epsilon(), tolerance(spec).map_or(0.0, |t| t.0), l0)
        }
        None => Floor::NONE,
    };
    Ok(dominance_above(&samples, floor).map(|d| (d, samples)))
}

/// What the probe `decomposition` recorded over the whole net.
///
/// # Errors
/// If the rows cannot be read.
pub fn decomposition(dir: &Path) -> Result<Vec<Sample>, LabError> {
    let rows = whole_net(dir, "decomposition")?;
    Ok(samples(rows.iter().map(|(step, name, value)| (*step, name.as_str(), *value))))
}

fn whole_net(dir: &Path, probe: &str) -> Result<Vec<(u64, String, f64)>, LabError> {
    let rows = store::read_metrics(&dir.join("metrics.jsonl"))?;
    let wanted = rows.into_iter().filter(|r| r.probe == probe && r.layer.is_none());
    Ok(wanted.map(|r| (r.step, r.name, r.value.unwrap_or(f64::NAN))).collect())
}

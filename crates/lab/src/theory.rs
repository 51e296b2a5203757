//! Certificates and dominance of runs: from a spec or a run directory to what `realign_theory` wants to know.

use crate::{LabError, RunSpec, store};
use realign::train::Trainer;
use realign_data::Dirs;
use realign_tensor::Par;
use realign_theory::certify::{self, Certificate, Check, Method, Situation, UnitRow};
use realign_theory::dominance::{Sample, samples};
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
    let setup = spec.setup(dirs, par)?;
    run.map_or(Ok(()), |dir| store::same_data(dir, &setup.data.record))?;
    let n = setup.data.train.len();
    let number = |key: &str| spec.get(key).and_then(|v| v.as_float().or(v.as_integer().map(|i| i as f64)));
    let trainer = Trainer::new(setup)?;
    let method = Method {
        optimizer: spec.get("optimizer.name").and_then(Value::as_str).unwrap_or_default().to_owned(),
        momentum: number("optimizer.momentum").unwrap_or(0.0),
        weight_decay: number("optimizer.weight_decay").unwrap_or(0.0),
        clipped: spec.get("optimizer.clip").is_some(),
        full_batch: spec.get("train.batch").is_none_or(|b| b.as_integer().is_none_or(|b| b as usize == n)),
        augmented: trainer.data().augment.is_some(),
        feedback_decay: number("rule.decay").unwrap_or(0.0),
        lr: number("optimizer.lr").unwrap_or(0.0),
        steps: trainer.total_steps(),
    };
    Ok(certify::certify(&Situation {
        net: trainer.net(),
        rule: trainer.rule(),
        feedback: trainer.feedback(),
        loss: trainer.loss(),
        data: &trainer.data().train,
        method: &method,
        examples,
        seed: spec.seed(),
        par,
    }))
}

/// Compares a certificate with the rows of the run in `dir`.
///
/// # Errors
/// If the rows cannot be read.
pub fn check(certificate: &Certificate, dir: &Path) -> Result<Check, LabError> {
    let mut steps: BTreeMap<u64, UnitRow> = BTreeMap::new();
    for (step, name, value) in whole_net(dir, "aligned_units")? {
        let row = steps.entry(step).or_insert(UnitRow { step, misaligned: 0.0, unguarded: 0.0 });
        match name.as_str() {
            "misaligned" => row.misaligned = value,
            "unguarded" => row.unguarded = value,
            _ => {}
        }
    }
    let units: Vec<UnitRow> = steps.into_values().collect();
    Ok(certify::check(certificate, &units, &decomposition(dir)?))
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

//! `realign audit RUN_OR_SPEC`: the books of a run, layer by layer, with a verdict.

use super::run::{progress, stop_flag};
use crate::args::AuditArgs;
use crate::exit::UserError;
use crate::{exit, output};
use anyhow::Context;
use realign::tensor::Par;
use realign::train::Outcome;
use realign_lab::audit::{Audited, audit as run_audit};
use realign_lab::{Observer, RunSpec, Silent, Spec};
use realign_theory::ledger::audit::SMALL;
use realign_theory::ledger::{Finding, LayerAudit, Verdict};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Audits every run of the spec.
pub(crate) fn audit(args: AuditArgs) -> anyhow::Result<ExitCode> {
    let run = args.target.is_dir().then(|| args.target.clone());
    if run.is_some() && !args.overrides.is_empty() {
        let message = "a run is audited as it was made: overrides go with a spec, not with a run directory";
        return Err(UserError(message.into()).into());
    }
    run.as_deref().map_or(Ok(()), super::check_run)?;
    let file = run.as_ref().map_or_else(|| args.target.clone(), |dir| dir.join("spec.toml"));
    let specs = Spec::load(&file, &args.overrides)?.runs();
    let threads = args.means.threads();
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()
        .context("cannot start the threads")?;
    let stop = stop_flag()?;
    let dirs = args.means.dirs();
    let mut shown = progress::Progress::new(false);
    let (mut closed, mut objects, mut texts) = (true, Vec::new(), String::new());
    for spec in &specs {
        let mut silent = Silent;
        let observer: &mut dyn Observer = if args.quiet { &mut silent } else { &mut shown };
        let done = run_audit(spec, run.as_deref(), &dirs, Par::threads(threads), observer, &stop)?;
        if let Outcome::Stopped { step } = done.outcome {
            output::note(&format!("stopped at step {step}: an audit starts anew"));
            return Ok(ExitCode::from(exit::STOPPED));
        }
        let out = place(&args, run.as_deref(), spec, specs.len());
        let files = realign_lab::audit::write(&out, spec, &done)?;
        closed &= done.audit.closed && done.audit.conclusive && done.same_bits != Some(false);
        if args.json {
            objects.push(object(spec, &done, &out));
        } else {
            texts += &text(spec, &done);
            files.iter().for_each(|f| texts += &format!("{}\n", f.display()));
            texts += "\n";
        }
    }
    drop(shown);
    output::print(&texts)?;
    if args.json {
        let all =
            if objects.len() == 1 { objects.remove(0) } else { json!({ "closed": closed, "runs": objects }) };
        output::json_line(&all)?;
    }
    Ok(if closed { ExitCode::SUCCESS } else { ExitCode::from(exit::FAILED) })
}

fn place(args: &AuditArgs, run: Option<&Path>, spec: &RunSpec, many: usize) -> PathBuf {
    match (&args.out, run) {
        (Some(out), _) if many == 1 => out.clone(),
        (Some(out), _) => out.join(spec.folder()),
        (None, Some(run)) => run.join("audit"),
        (None, None) => Path::new("audits").join(spec.folder()),
    }
}

fn object(spec: &RunSpec, done: &Audited, out: &Path) -> Value {
    let mut value = done.to_json();
    let extra = json!({ "name": spec.name(), "id": spec.id(), "rule": spec.rule(), "seed": spec.seed(), "label": spec.label(),
        "same_bits": done.same_bits, "out": out });
    if let (Some(to), Value::Object(from)) = (value.as_object_mut(), extra) {
        to.extend(from);
    }
    value
}

/// The audit as a person reads it.
fn text(spec: &RunSpec, done: &Audited) -> String {
    let seed = format!("seed={}", spec.seed());
    let label = if spec.label().is_empty() { &seed } else { spec.label() };
    let mut text = format!("{} {} ({label})\n", spec.name(), spec.rule());
    match done.same_bits {
        Some(true) => text += "made again: the weights equal the run's last checkpoint bit for bit\n",
        Some(false) => {
            text += "MADE AGAIN WITH OTHER WEIGHTS than the run's last checkpoint: another program or machine made it\n";
        }
        None => {}
    }
    if let Outcome::Diverged { step } = done.outcome {
        let booked = done.audit.steps;
        text += &format!(
            "THE RUN DIVERGED: the loss was not finite at step {step}; the books go up to step {booked}\n"
        );
    }
    if done.audit.layers.is_empty() {
        text += "no hidden units between two weights: there are no books to keep\n";
    }
    for layer in &done.audit.layers {
        text += &layer_text(layer);
    }
    text
}

fn layer_text(l: &LayerAudit) -> String {
    let mut text = format!("\nunits written by layer {}: {}\n", l.layer, headline(l));
    if matches!(l.verdict, Verdict::NoLaw { .. }) {
        return text;
    }
    if l.normalized {
        text += "  read by batch norm: P is -½‖W‖², which the rule's flow keeps up to eps; no Φ to exchange with\n";
    }
    text += &output::columns(&table(l));
    if !l.causes.is_empty() {
        text += "  what moved P (share of all movement: Σ over units of |account|, beside the same of all accounts):\n";
    }
    for cause in &l.causes {
        text += &format!("  - {cause}\n");
    }
    text
}

/// The verdict, and what it means for the law.
fn headline(l: &LayerAudit) -> String {
    match l.verdict {
        Verdict::Closed => format!("CLOSED{}", finding(l)),
        Verdict::Undecided if l.overflow.is_some() => {
            let step = l.overflow.unwrap_or_default();
            format!("NO STATEMENT: from step {step} on sums leave the range of numbers")
        }
        Verdict::Undecided if l.finding == Some(Finding::Diverged) => {
            "NO STATEMENT: the run diverged before there was a row of finite numbers".to_owned()
        }
        Verdict::Undecided => "NO STATEMENT: rounding is a fair part of what was exchanged".to_owned(),
        Verdict::NoLaw { reason } => format!("NO LAW: {reason}"),
        Verdict::Open { step: Some(step), unit: Some(unit), account } => {
            format!("DOES NOT CLOSE: first at step {step}, layer {}, unit {unit}, account {account}", l.layer)
        }
        Verdict::Open { account, .. } => format!("DOES NOT CLOSE: {account} over the whole run"),
    }
}

fn finding(l: &LayerAudit) -> String {
    let beside = if l.normalized {
        let own = l.unit_by_unit["drift"] / l.opening.abs();
        format!("it moved by {} of itself", percent(own))
    } else {
        format!("it drifted by {} of what was exchanged", percent(l.relative_drift))
    };
    let cause = l.causes.first().and_then(|c| c.split(':').next()).unwrap_or_default();
    match l.finding {
        Some(Finding::Conserved) => format!(", P WAS CONSERVED: {beside} ({} is the limit)", percent(SMALL)),
        // The drift can be small all the same, where something else happens to balance the path.
        Some(Finding::NotConserved) if l.relative_path > SMALL => format!(
            ", P WAS NOT CONSERVED: the path, which is not homogeneous, moved {} of what was exchanged; {beside}",
            percent(l.relative_path)
        ),
        Some(Finding::NotConserved) => format!(", P WAS NOT CONSERVED: {beside}, mostly by {cause}"),
        Some(Finding::NothingExchanged) => {
            ", BUT NOTHING WAS EXCHANGED: no unit moved (frozen by the rule, dead, or rate 0), so this says nothing".into()
        }
        Some(Finding::Diverged) => ", BUT THE RUN DIVERGED: only the steps before are accounted for".into(),
        None => String::new(),
    }
}

fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    if percent == 0.0 || percent >= 0.1 { format!("{percent:.1} %") } else { format!("{percent:.0e} %") }
}

/// Every figure: the sum over units, the sum of absolute values, and the latter beside the exchange.
fn table(l: &LayerAudit) -> Vec<[String; 5]> {
    let number = |x: f64| format!("{x:>+12.4e}");
    let sum =
        |name: &str, x: f64| [format!("  {name}"), number(x), String::new(), String::new(), String::new()];
    let row = |name: &str, x: f64, key: &str, note: String| {
        let size = l.unit_by_unit[key];
        let share = if l.exchanged > 0.0 { percent(size / l.exchanged) } else { String::new() };
        [format!("  {name}"), number(x), number(size), format!("{share:>9}"), note]
    };
    let plain = |name: &str, x: f64, key: &str| row(name, x, key, String::new());
    let heads = ["  account", "sum over units", "unit by unit", "of exchange", ""];
    let mut rows = vec![heads.map(str::to_owned), sum("opening balance", l.opening)];
    rows.extend([plain("reader", l.reader, "reader"), plain("writer", l.writer, "writer")]);
    let sometimes = [
        ("optimizer: decay", l.decay, "decay"),
        ("optimizer: momentum", l.momentum, "momentum"),
        ("optimizer: adaptive", l.adaptive, "adaptive"),
        ("optimizer: clipping", l.clipping, "clipping"),
        ("eps of batch norm", l.eps, "eps"),
        ("plasticity", l.plasticity, "plasticity"),
        ("not watched", l.unwatched, "unwatched"),
    ];
    rows.extend(
        sometimes
            .into_iter()
            .filter(|(_, _, key)| l.unit_by_unit[key] > 0.0)
            .map(|(n, x, key)| plain(n, x, key)),
    );
    let path = if l.homogeneous { "must vanish" } else { "not homogeneous: allowed" };
    let allows = |x: f64| format!("rounding allows {x:.1e}");
    rows.extend([
        row("path", l.path, "path", format!("{path}; {}", allows(l.path_allowance))),
        row("residual", l.residual, "residual", format!("must vanish; {}", allows(l.allowance))),
        sum("closing balance", l.closing),
        row("exchanged |ΔΦ|", l.signed_phi, "phi", String::new()),
        row("exchanged |Δ½‖W‖²|", l.signed_norm, "norm", String::new()),
        plain("drift ΔP", l.drift, "drift"),
        sum("predicted by writer", l.predicted),
    ]);
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use realign_theory::ledger::Audit;
    use std::borrow::Cow;

    /// What a reader of the text is told of books that do not close, from rows as the ledger writes them.
    #[test]
    fn an_open_verdict_names_step_layer_unit_and_account() {
        let told = |rows: &[(&'static str, f64)]| {
            let rows: Vec<_> = rows
                .iter()
                .map(|&(name, value)| realign::train::Row {
                    step: 9,
                    epoch: 1.0,
                    probe: Cow::from("ledger"),
                    name: Cow::from(name),
                    split: None,
                    layer: Some(2),
                    unit: None,
                    value,
                })
                .collect();
            layer_text(&Audit::from_rows(&rows).layers[0])
        };
        let opened =
            |path| told(&[("phi", 1.0), ("open_step", 3.0), ("open_unit", 17.0), ("open_path", path)]);
        assert!(opened(1.0).contains("DOES NOT CLOSE: first at step 3, layer 2, unit 17, account path"));
        assert!(opened(0.0).contains("DOES NOT CLOSE: first at step 3, layer 2, unit 17, account residual"));
        let whole = told(&[("abs_phi", 1.0), ("abs_residual", 0.5), ("tolerance", 1e-4)]);
        assert!(whole.contains("DOES NOT CLOSE: residual over the whole run"), "{whole}");
        assert!(told(&[("no_law", 1.0)]).contains("NO LAW: the rule states no potential here"));
    }
}

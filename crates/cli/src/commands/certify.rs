//! `realign certify SPEC.toml|RUN_DIR`: is convergence guaranteed before training, and did a run keep the guarantee?

use crate::args::CertifyArgs;
use crate::exit::{self, UserError};
use crate::output;
use realign::tensor::Par;
use realign_lab::{Spec, theory};
use realign_theory::certify::separability::Linear;
use realign_theory::certify::{Certificate, Check, Reach, Verdict};
use realign_theory::number::number;
use serde::Serialize;
use serde_json::json;
use std::process::ExitCode;

/// What is printed about one run.
#[derive(Serialize)]
struct Answer<'a> {
    rule: &'a str,
    seed: u64,
    label: &'a str,
    #[serde(flatten)]
    certificate: &'a Certificate,
    #[serde(skip_serializing_if = "Option::is_none")]
    check: Option<&'a Check>,
}

/// Certifies every run of a spec, or checks a finished run.
pub(crate) fn certify(args: &CertifyArgs) -> anyhow::Result<ExitCode> {
    let is_run = args.target.is_dir();
    if is_run && !args.overrides.is_empty() {
        return Err(UserError("a run directory takes no overrides: its spec is fixed".into()).into());
    }
    if is_run {
        super::check_run(&args.target)?;
    }
    let path = if is_run { args.target.join("spec.toml") } else { args.target.clone() };
    let runs = Spec::load(&path, &args.overrides)?.runs();
    let threads = args.means.threads();
    let dirs = args.means.dirs();
    let examples = (args.examples > 0).then_some(args.examples);
    let mut found = Vec::new();
    for run in &runs {
        let par = Par::threads(threads);
        found.push(if is_run {
            let (certificate, check) = theory::checked(run, &args.target, &dirs, par, examples)?;
            (certificate, Some(check))
        } else {
            (theory::certificate(run, None, &dirs, par, examples)?, None)
        });
    }
    let good = found
        .iter()
        .all(|(c, check)| c.covers_training && check.as_ref().is_none_or(|k| k.passed == Some(true)));
    let answers: Vec<Answer<'_>> = runs
        .iter()
        .zip(&found)
        .map(|(r, (certificate, check))| Answer {
            rule: r.rule(),
            seed: r.seed(),
            label: r.label(),
            certificate,
            check: check.as_ref(),
        })
        .collect();
    match &answers[..] {
        [one] if args.json => output::json(one)?,
        many if args.json => output::json(&json!({ "runs": many }))?,
        many => output::print(&many.iter().map(page).collect::<Vec<_>>().join("\n"))?,
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(exit::FAILED) })
}

fn page(a: &Answer<'_>) -> String {
    let c = a.certificate;
    let mut text = String::new();
    if !a.label.is_empty() {
        text += &format!("{}\n", a.label);
    }
    text += &format!("{}\n", headline(c));
    text += &worth(c);
    if let Some(violated) = c.violated() {
        let by = violated.by.map_or_else(String::new, |v| format!(" (by {})", number(v)));
        text += &format!("first violated: {}{by}: {}\n", violated.name, violated.detail);
    }
    text += &format!("statement: {}, rule: {}, L(0) = {}\n\n", c.statement, a.rule, number(c.initial_loss));
    let mark = |holds: bool| if holds { "yes" } else { "NO" }.to_owned();
    let rows: Vec<[String; 3]> =
        c.conditions.iter().map(|k| [mark(k.holds), k.name.to_owned(), k.detail.clone()]).collect();
    text += &output::columns(&rows);
    if !c.pairs.is_empty() {
        text += "\n";
        text += &pairs(c);
    }
    c.notes.iter().for_each(|n| text += &format!("note: {n}\n"));
    if let Some(check) = a.check {
        text += "\n";
        text += &checked(check, c.covers_training);
    }
    text
}

fn headline(c: &Certificate) -> String {
    let word = match c.verdict {
        Verdict::GuaranteedForTheFlow => "GUARANTEED FOR THE FLOW",
        Verdict::GuaranteedAtThisRate => "GUARANTEED AT THIS RATE",
        Verdict::NotCovered => return "NOT COVERED".to_owned(),
        Verdict::HoldsFor { units, of } => return format!("HOLDS FOR {units} OF {of} UNITS"),
    };
    let vacuous = if c.reach.is_some_and(|r| r.vacuous) { ", VACUOUS" } else { "" };
    let beta = c.beta.unwrap_or(1.0);
    match c.alpha {
        Some(alpha) => format!("{word}{vacuous}: <g,F> >= alpha L^{beta} with alpha = {alpha:.6e}"),
        None => format!(
            "{word}{vacuous}: every unit stays aligned; <g,F> >= alpha L^{beta} with alpha = {:.6e} at the start",
            c.alpha_at_start.unwrap_or(0.0)
        ),
    }
}

/// What a guarantee says about the run's own steps, and how far its bound gets; the same words under every rule.
fn worth(c: &Certificate) -> String {
    if !c.verdict.guaranteed() {
        return String::new();
    }
    let mut text = String::new();
    match &c.steps {
        Some(s) if s.holds => {
            text += &format!(
                "steps: rate {} keeps the guarantee with alpha = {:.6e} (rates up to {:.3e} do, for as many steps)\n",
                s.lr, s.alpha, s.largest_lr
            );
        }
        Some(s) => {
            text += &format!(
                "steps: NOT guaranteed at rate {}; rates up to {:.3e} are, for as many steps (curvature x rate {}, must be <= 1; margins used {}, must be < 1)\n",
                s.lr,
                s.largest_lr,
                number(s.curvature),
                number(s.used)
            );
        }
        None if c.covers_training => text += "steps: none, the run is the flow itself\n",
        None => {
            text += "steps: NOT guaranteed; no condition on the learning rate is known for this statement\n";
        }
    }
    text + &c.reach.as_ref().map_or_else(String::new, reached)
}

fn reached(r: &Reach) -> String {
    let lasts = if r.assumed { ", if the rate at the start lasted (nothing guarantees that)" } else { "" };
    let vacuous = if r.vacuous { ": VACUOUS, it does not halve the loss" } else { "" };
    format!(
        "bound: {} of L(0) at the end of the run, time {}{lasts}{vacuous}\n",
        number(r.share),
        number(r.time)
    )
}

fn pairs(c: &Certificate) -> String {
    let mut rows = vec![["classes", "linear", "orthogonal", "within >=", "across <="].map(str::to_owned)];
    rows.extend(c.pairs.iter().map(|p| {
        let linear = match &p.linear {
            Linear::Separable { margin } => format!("margin {}", number(*margin)),
            Linear::NotSeparable { .. } => "no".to_owned(),
            Linear::Undecided { .. } => "undecided".to_owned(),
        };
        let orthogonal = if p.orthogonal() { "yes" } else { "no" };
        [format!("{}, {}", p.a, p.b), linear, orthogonal.to_owned(), number(p.within), number(p.across)]
    }));
    format!("data, {} of {} examples\n{}", c.examples_used, c.examples, output::columns(&rows))
}

fn checked(k: &Check, flow_or_safe: bool) -> String {
    let mut text = String::from("after training\n");
    match (k.misaligned, k.first_misaligned) {
        (None, _) => text += "  units: not measured; add the probe aligned_units\n",
        (Some(_), None) => {
            text += &format!("  units: none misaligned at any of {} recorded steps\n", k.unit_steps);
        }
        (Some(n), Some(step)) => text += &format!("  units: up to {n} misaligned, first at step {step}\n"),
    }
    match &k.bound {
        Some(b) => {
            let kind = if b.measured { "measured" } else { "guaranteed" };
            text += &format!(
                "  loss: {} its bound at {} recorded steps, {kind} alpha = {:.6e}, beta = {}, least 1 - loss/bound = {} at step {}; floor {:.1e}\n  ",
                if b.holds { "under" } else { "NOT under" },
                k.loss_steps,
                b.alpha,
                b.beta,
                number(b.margin),
                b.step,
                b.floor
            );
            text += &reached(&b.reach);
            if !flow_or_safe {
                text += "  this is the bound of the flow: the steps of this run are not covered by it\n";
            }
        }
        None if k.loss_steps == 0 => text += "  loss: not measured; add the probe decomposition\n",
        None => text += "  loss: no bound was guaranteed\n",
    }
    for i in &k.negative {
        text += &format!("  <g,F> negative from step {} to {}, least {:.6e}\n", i.from, i.to, i.least);
    }
    text
}

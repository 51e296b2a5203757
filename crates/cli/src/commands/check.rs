//! `realign check SPEC`: laws predicted against measured, at eta, eta/2 and eta/4, and at smaller rates where steps are too large to tell.

use super::laws;
use crate::args::CheckArgs;
use crate::{exit, output};
use anyhow::Context;
use realign::tensor::Par;
use realign_lab::{LabError, RunSpec, Spec};
use realign_theory::laws::check::{
    LawReport, LayerReport, Options, Progress, Report, TRIES, Verdict, check as compare,
};
use realign_theory::number::number;
use serde_json::{Value, json};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Checks the laws of every run of the spec.
pub(crate) fn check(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    if let Some(name) = &args.law {
        laws::find(name)?;
    }
    // Rounding of f32 weights moves conserved quantities as well; a law is about exact numbers.
    let given = args.overrides.iter().filter(|o| !o.starts_with("train.dtype=")).cloned();
    let overrides: Vec<String> = given.chain(["train.dtype=f64".to_owned()]).collect();
    let specs = Spec::load(&args.spec, &overrides)?.runs();
    let threads = args.means.threads();
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()
        .context("cannot start the threads")?;
    let dirs = args.means.dirs();
    let options = Options { law: args.law.as_deref(), force: args.force };
    let (mut holds, mut objects, mut texts) = (true, Vec::new(), String::new());
    let mut refuted = false;
    for spec in &specs {
        let report = compare(options, teller(), || spec.setup(&dirs, Par::threads(threads)).map_err(Failure))
            .map_err(|e| anyhow::Error::new(e.0))?;
        holds &= report.holds();
        refuted |= !report.holds() && !report.step_too_large();
        objects.push(object(spec, &report));
        texts += &text(spec, &report);
    }
    if args.json {
        let all =
            if objects.len() == 1 { objects.remove(0) } else { json!({ "holds": holds, "runs": objects }) };
        output::json_line(&all)?;
    } else {
        output::print(&texts)?;
    }
    Ok(match (holds, refuted) {
        (true, _) => ExitCode::SUCCESS,
        (false, false) => ExitCode::from(exit::TOO_LARGE),
        (false, true) => ExitCode::from(exit::FAILED),
    })
}

/// Between two lines of progress.
const PAUSE: Duration = Duration::from_secs(10);

/// Says on stderr how far a check is that takes longer than [`PAUSE`], and when it is made again at a smaller rate.
fn teller() -> impl FnMut(Progress) {
    let (mut start, mut said) = (Instant::now(), Instant::now());
    let mut lr = None;
    move |p| {
        let ([run, runs], [step, steps]) = (p.run, p.step);
        if lr.is_some_and(|last| last != p.lr) {
            output::note(&format!(
                "steps too large to show the order: the same check once more at lr {:?}, {TRIES} times at most",
                p.lr
            ));
        }
        lr = Some(p.lr);
        if step == 1 {
            start = Instant::now();
        }
        if said.elapsed() >= PAUSE {
            said = Instant::now();
            let left = start.elapsed().as_secs_f64() / step as f64 * (steps - step) as f64;
            output::note(&format!(
                "run {run} of {runs}: step {step} of {steps}, about {left:.0} s of this run left"
            ));
        }
    }
}

/// Theory knows core's errors only, lab's wrap them.
struct Failure(LabError);

impl From<realign::Error> for Failure {
    fn from(e: realign::Error) -> Self {
        Failure(LabError::Train(e))
    }
}

fn object(spec: &RunSpec, report: &Report) -> Value {
    let mut value = json!(report);
    let extra = json!({ "name": spec.name(), "id": spec.id(), "rule": spec.rule(), "seed": spec.seed(), "label": spec.label(),
        "holds": report.holds(), "step_too_large": report.step_too_large() });
    if let (Some(to), Value::Object(from)) = (value.as_object_mut(), extra) {
        to.extend(from);
    }
    value
}

fn text(spec: &RunSpec, report: &Report) -> String {
    let steps: Vec<String> = report.steps.iter().map(u64::to_string).collect();
    let mut out = if report.rates.is_empty() {
        format!("{} ({}): the flow\n", spec.name(), spec.rule())
    } else {
        let rates: Vec<String> = report.rates.iter().map(|r| format!("{r:?}")).collect();
        format!("{} ({}): eta = {}; steps {}\n", spec.name(), spec.rule(), rates.join(", "), steps.join(", "))
    };
    if !spec.label().is_empty() {
        out += &format!("{}\n", spec.label());
    }
    report.laws.iter().for_each(|law| out += &of_law(law));
    for r in &report.refused {
        out += &format!("\n{}: does not apply: {}\n", r.name, r.why.0);
    }
    if let Some(rough) = report.rough_steps.filter(|n| *n > 0) {
        out += &format!(
            "\n{rough} integration steps had the smallest size, optimizer.min_step of t_end: the solution slides along kinks there. A larger min_step is \
             faster and less exact in proportion\n"
        );
    }
    if report.diverged {
        out += "\na run diverged\n";
    }
    out + "\n"
}

fn of_law(law: &LawReport) -> String {
    let forced = law.forced.as_ref().map_or_else(String::new, |why| format!("  though {}\n", why.0));
    let layers: String = law.layers.iter().map(of_layer).collect();
    format!("\n{}: {}\n{forced}{layers}", law.name, law.statement)
}

/// The verdict, then the figures behind it.
fn of_layer(l: &LayerReport) -> String {
    let many = |v: &[f64]| v.iter().map(|x| format!("{x:.2e}")).collect::<Vec<_>>().join("  ");
    let mut rows = vec![
        ["    predicted".to_owned(), number(l.predicted.end)],
        ["    measured".to_owned(), number(l.measured)],
        ["    exchanged".to_owned(), many(&l.exchanged)],
        ["    drift".to_owned(), many(&l.drift)],
    ];
    if !l.account.is_empty() {
        rows.push(["    by accounts".to_owned(), many(&l.account)]);
    }
    if let (Some(slope), Some(expected)) = (l.slope, l.expected) {
        rows.push(["    slope".to_owned(), format!("{slope:.3}, expected {expected:?}")]);
    }
    format!("  layer {}: {}\n{}", l.layer, verdict(l), output::columns(&rows))
}

fn verdict(l: &LayerReport) -> String {
    match (l.verdict, l.try_lr) {
        (Verdict::Holds, _) => format!("HOLDS: {}", l.reason),
        (Verdict::Broken, _) => format!("BROKEN: {}", l.reason),
        (Verdict::Undecided, _) => format!("UNDECIDED: {}", l.reason),
        (Verdict::StepTooLarge, lr) => {
            let there = match l.slope_there {
                Some(slope) => format!("where it holds with slope {slope:.3}"),
                None => "not tried".to_owned(),
            };
            let lr = lr.unwrap_or(f64::NAN);
            format!("STEP TOO LARGE: the law is not refuted; try lr <= {lr:?}, {there}\n    {}", l.reason)
        }
    }
}

//! `realign check SPEC`: laws predicted against measured, at eta, eta/2 and eta/4.

use super::laws;
use crate::args::CheckArgs;
use crate::{exit, output};
use anyhow::Context;
use realign::tensor::Par;
use realign_lab::{LabError, RunSpec, Spec};
use realign_theory::laws::check::{
    LawReport, LayerReport, Options, Progress, Report, Verdict, check as compare,
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
    for spec in &specs {
        let report = compare(options, teller(), || spec.setup(&dirs, Par::threads(threads)).map_err(Failure))
            .map_err(|e| anyhow::Error::new(e.0))?;
        holds &= report.holds();
        objects.push(object(spec, &report));
        texts += &text(spec, &report);
    }
    if args.json {
        let all =
            if objects.len() == 1 { objects.remove(0) } else { json!({ "holds": holds, "runs": objects }) };
        output::print(&(serde_json::to_string(&all)? + "\n"))?;
    } else {
        output::print(&texts)?;
    }
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::from(exit::FAILED) })
}

/// Between two lines of progress.
const PAUSE: Duration = Duration::from_secs(10);

/// Says on stderr how far a check is that takes longer than [`PAUSE`].
fn teller() -> impl FnMut(Progress) {
    let (mut start, mut said) = (Instant::now(), Instant::now());
    move |p| {
        let ([run, runs], [step, steps]) = (p.run, p.step);
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
        "holds": report.holds() });
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
    report.laws.iter().for_each(|law| out += &table(law));
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

fn table(law: &LawReport) -> String {
    let header = ["layer", "predicted", "measured", "exchanged", "drift", "by accounts", "slope", "verdict"];
    let mut rows = vec![header.map(str::to_owned)];
    rows.extend(law.layers.iter().map(row));
    let forced = law.forced.as_ref().map_or_else(String::new, |why| format!("  though {}\n", why.0));
    format!("\n{}: {}\n{forced}{}", law.name, law.statement, output::columns(&rows))
}

fn row(l: &LayerReport) -> [String; 8] {
    let many = |v: &[f64]| {
        if v.is_empty() {
            "-".to_owned()
        } else {
            v.iter().map(|x| format!("{x:.2e}")).collect::<Vec<_>>().join(" ")
        }
    };
    let verdict = match l.verdict {
        Verdict::Holds => "HOLDS",
        Verdict::Broken => "BROKEN",
        Verdict::Undecided => "UNDECIDED",
    };
    [
        l.layer.to_string(),
        number(l.predicted.end),
        number(l.measured),
        many(&l.exchanged),
        many(&l.drift),
        many(&l.account),
        l.slope.map_or_else(|| "-".to_owned(), |s| format!("{s:.3}")),
        format!("{verdict}: {}", l.reason),
    ]
}

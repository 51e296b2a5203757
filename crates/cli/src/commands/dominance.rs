//! `realign dominance RUN_DIR`: the loss under the bounds that the measured <g,F> implies.

use crate::args::DominanceArgs;
use crate::exit::UserError;
use crate::output;
use realign_lab::theory;
use realign_theory::dominance::{Dominance, Fit, Sample};

/// Rows of the table; a longer run is thinned evenly.
const ROWS: usize = 20;

/// Reads the rows of the probe `decomposition` and prints what they imply.
pub(crate) fn dominance(args: &DominanceArgs) -> anyhow::Result<()> {
    if !args.run.join("metrics.jsonl").is_file() {
        return Err(UserError(format!(
            "{} is no run directory: it has no metrics.jsonl",
            args.run.display()
        ))
        .into());
    }
    super::check_run(&args.run)?;
    let Some((found, samples)) = theory::dominance(&args.run)? else {
        let message = format!(
            "{} has no rows of the probe decomposition; add [[probes]] name = \"decomposition\" to its spec and run it again",
            args.run.display()
        );
        return Err(UserError(message).into());
    };
    if args.json { output::json(&found) } else { output::print(&page(&found, &samples)) }
}

fn page(d: &Dominance, samples: &[Sample]) -> String {
    let mut head = vec!["step".to_owned(), "L".into(), "<g,F>".into()];
    d.fits
        .iter()
        .for_each(|f| head.extend([format!("alpha, beta={:.3}", f.beta), "bound".into(), "under".into()]));
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_header(head);
    let every = samples.len().div_ceil(ROWS).max(1);
    for (i, s) in samples.iter().enumerate().filter(|(i, _)| i % every == 0 || i + 1 == samples.len()) {
        let mut row = vec![s.step.to_string(), format!("{:.5e}", s.loss), format!("{:.3e}", s.inner)];
        for f in &d.fits {
            let p = &f.points[i];
            let under = p.under.map_or("-", |u| if u { "yes" } else { "NO" });
            row.extend([
                format!("{:.3e}", p.alpha),
                p.bound.map_or("no bound".into(), |b| format!("{b:.5e}")),
                under.to_owned(),
            ]);
        }
        table.add_row(row);
    }
    let mut text = format!("{table}\n\n");
    d.fits.iter().for_each(|f| text += &verdict(f));
    text += "alpha is the least <g,F>/L^beta of this same run: its bounds describe the run, they predict nothing\n";
    match &d.slope {
        Some(s) => {
            text += &format!("fitted beta = {:.4} (R² = {:.4}, {} points)\n", s.beta, s.r_squared, s.points);
        }
        None => text += "fitted beta: none, fewer than two points with positive L and <g,F>\n",
    }
    if let Some(e) = d.explained {
        text += &format!(
            "∫<g,F>dt explains {} of the fall of L; the rest is discrete steps and gaps between records\n",
            if e.abs() < 1e4 { format!("{:.2} %", 100.0 * e) } else { format!("{e:.2e} times") }
        );
    }
    if d.negative.is_empty() {
        text += "<g,F> is never negative at a recorded step\n";
    }
    for i in &d.negative {
        text += &format!("<g,F> negative from step {} to {}, least {:.3e}\n", i.from, i.to, i.least);
    }
    text
}

fn verdict(f: &Fit) -> String {
    let answer = match (f.alpha > 0.0, f.holds) {
        _ if f.alpha.is_infinite() => "no bound: L is zero at every recorded step".to_owned(),
        (false, _) => "no dominance and no bound: alpha is not positive".to_owned(),
        (true, true) => "L under its bound at every recorded step".to_owned(),
        (true, false) => "L above its bound".to_owned(),
    };
    let margin = f.margin.map_or_else(String::new, |m| format!(", least 1 - L/bound = {m:.3e}"));
    let reach = f.reach.map_or_else(String::new, |r| {
        let vacuous = if f.vacuous { " (VACUOUS: it does not halve the loss)" } else { "" };
        format!(", bound {r:.3e} of L(0) at the end{vacuous}")
    });
    format!("beta = {:.4}: alpha = {:.4e}, {answer}{margin}{reach}\n", f.beta, f.alpha)
}

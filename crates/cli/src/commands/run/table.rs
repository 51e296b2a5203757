//! The outcome as a table.

use crate::output::table::{Column, pairs, prose, table, width};
use realign_lab::report::edge;
use realign_lab::store::Rise;
use realign_lab::sweep::tune::{Chosen, Tuned};
use realign_lab::table::plain;
use realign_lab::{Metric, RunReport, RunSpec, Status, settings};

/// How a run ended, in words.
pub(crate) fn status(report: &RunReport) -> String {
    match report.status {
        Status::Diverged => format!("diverged at step {}", report.steps),
        Status::Stopped => format!("stopped at step {}", report.steps),
        other => other.to_string(),
    }
}

/// One run: a line per quantity.
pub(crate) fn single(spec: &RunSpec, report: &RunReport) -> String {
    let row = |name: &str, value: String| [name.to_owned(), value];
    let rows = [
        row("run", report.run.to_string()),
        row("rule", spec.rule().to_owned()),
        row("status", status(report)),
        row("steps", format!("{} ({} epochs, {:.1} s)", report.steps, short(report.epochs), report.seconds)),
        row("train loss", number(report.train_loss)),
        row("warning", report.rise().map_or("-".to_owned(), |rise| rise.to_string())),
        row("train accuracy", percent(report.train_accuracy)),
        row("val accuracy", percent(report.val_accuracy)),
        row("test loss", number(report.test_loss)),
        row("test accuracy", percent(report.test_accuracy)),
        row("angle(W, B)", degrees(&report.weight_angle)),
        row("angle(update, BP)", degrees(&report.update_angle)),
    ];
    // What a run does not have (a validation split, classes, feedback) is no line of its own.
    let rows: Vec<_> = rows.into_iter().filter(|[_, value]| value != "-").collect();
    pairs(&rows, width())
}

/// Many runs side by side, then a line for each kind of thing that a reader of the numbers must know.
pub(crate) fn grid(reports: &[(&RunSpec, RunReport)]) -> String {
    let specs: Vec<&RunSpec> = reports.iter().map(|(spec, _)| *spec).collect();
    let rises: Vec<Option<Rise>> = reports.iter().map(|(_, report)| report.rise()).collect();
    let columns = [
        Column::words("rule", 0),
        Column::number("seed", 1),
        Column::words("setting", 4),
        Column::number("test acc %", 1),
        Column::number("train loss", 1),
        Column::words("angle(W,B) °", 2),
        Column::words("angle(update,BP) °", 3),
        Column::words("status", 1),
        Column::words("run", 5),
    ];
    let row = |(((spec, report), setting), rise): ((&(&RunSpec, RunReport), String), &Option<Rise>)| {
        let rose = if rise.is_some() { ", loss rose" } else { "" };
        vec![
            spec.rule().to_owned(),
            spec.seed().to_string(),
            setting,
            report.test_accuracy.map_or_else(|| "-".to_owned(), |a| format!("{:.2}", 100.0 * a)),
            number(report.train_loss),
            angles(&report.weight_angle),
            angles(&report.update_angle),
            status(report) + rose,
            spec.folder(),
        ]
    };
    let mut rows: Vec<Vec<String>> =
        reports.iter().zip(settings::labels(&specs)).zip(&rises).map(row).collect();
    let mut columns: Vec<Column> = columns.into_iter().collect();
    if rows.iter().all(|r| r[2].is_empty()) {
        rows.iter_mut().for_each(|r| drop(r.remove(2)));
        columns.remove(2);
    }
    let mut text = table(&columns, &rows, width());
    text +=
        &prose("angles in degrees, one per layer from the input up; 90 = unrelated, 0 = aligned", width());
    let rose = rises.iter().flatten().count();
    if let Some(worst) = rises.iter().flatten().max_by(|a, b| rise_of(a).total_cmp(&rise_of(b))) {
        let told = format!("loss rose: {rose} of {} runs; in the worst of them {worst}", reports.len());
        text += &prose(&told, width());
    }
    text
}

/// How far a loss rose; one that is no finite number the furthest.
fn rise_of(rise: &Rise) -> f64 {
    rise.end.map_or(f64::INFINITY, |end| end / rise.start.unwrap_or(1.0))
}

/// The tuned values of each rule.
pub(crate) fn tuned(tuned: &Tuned) -> String {
    let row = |c: &Chosen| {
        let per: String = c.choice.per.iter().map(|(k, v)| format!(" {k}={v}")).collect();
        let values: Vec<String> = c.choice.values.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let score = match tuned.metric {
            Metric::ValAccuracy => format!("{} {:.2} %", tuned.metric.name(), 100.0 * c.score),
            Metric::ValLoss => format!("{} {}", tuned.metric.name(), plain(c.score)),
        };
        let edges: Vec<String> = c.edges.iter().map(|(k, end)| edge(k, end)).collect();
        vec![format!("tuned {}{per}", c.choice.rule), values.join(" "), score, edges.join("; ")]
    };
    let rows: Vec<Vec<String>> = tuned.chosen.iter().map(row).collect();
    table(&[1, 1, 2, 3].map(|rank| Column::words("", rank)), &rows, width())
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), plain)
}

fn percent(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |v| format!("{:.2} %", 100.0 * v))
}

fn short(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

fn degrees(values: &[Option<f64>]) -> String {
    let text = angles(values);
    if text == "-" { text } else { text + " degrees" }
}

fn angles(values: &[Option<f64>]) -> String {
    if values.iter().all(Option::is_none) {
        return "-".to_owned();
    }
    let one = |v: &Option<f64>| v.map_or_else(|| "-".to_owned(), |a| format!("{a:.1}"));
    values.iter().map(one).collect::<Vec<_>>().join(" / ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn angles_show_every_layer_and_no_angle_at_all() {
        assert_eq!(angles(&[Some(12.34), None]), "12.3 / -");
        assert_eq!(angles(&[None, None]), "-");
        assert_eq!(angles(&[]), "-");
        assert_eq!((degrees(&[Some(1.0)]), degrees(&[None])), ("1.0 degrees".to_owned(), "-".to_owned()));
    }
}

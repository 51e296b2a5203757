//! The outcome as a table.

use crate::output;
use comfy_table::{CellAlignment, Table, presets};
use realign_lab::sweep::tune::{Chosen, Tuned};
use realign_lab::{RunReport, RunSpec, Status};

/// How a run ended, in words.
pub(crate) fn status(report: &RunReport) -> String {
    match report.status {
        Status::Diverged => format!("diverged at step {}", report.steps),
        Status::Stopped => format!("stopped at step {}", report.steps),
        other => {
            serde_json::to_value(other).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
        }
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
        row("train accuracy", percent(report.train_accuracy)),
        row("val accuracy", percent(report.val_accuracy)),
        row("test loss", number(report.test_loss)),
        row("test accuracy", percent(report.test_accuracy)),
        row("angle(W, B)", angles(&report.weight_angle)),
        row("angle(update, BP)", angles(&report.update_angle)),
    ];
    // What a run does not have (a validation split, classes, feedback) is no line of its own.
    let rows: Vec<_> = rows.into_iter().filter(|[_, value]| value != "-").collect();
    output::columns(&rows)
}

/// Many runs side by side.
pub(crate) fn grid(reports: &[(&RunSpec, RunReport)]) -> String {
    let settings: Vec<String> = reports.iter().map(|(spec, _)| setting(spec)).collect();
    let with_settings = settings.iter().any(|s| !s.is_empty());
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    let mut header = vec![
        "rule",
        "seed",
        "setting",
        "test acc %",
        "train loss",
        "angle(W,B) °",
        "angle(update,BP) °",
        "status",
        "run",
    ];
    if !with_settings {
        header.remove(2);
    }
    let numbers: Vec<usize> =
        (0..header.len()).filter(|i| header[*i].contains("test") || header[*i].contains("loss")).collect();
    table.set_header(header);
    for ((spec, report), setting) in reports.iter().zip(settings) {
        let mut row = vec![
            spec.rule().to_owned(),
            spec.seed().to_string(),
            setting,
            report.test_accuracy.map_or_else(|| "-".to_owned(), |a| format!("{:.2}", 100.0 * a)),
            number(report.train_loss),
            angles(&report.weight_angle),
            angles(&report.update_angle),
            status(report),
            spec.folder(),
        ];
        if !with_settings {
            row.remove(2);
        }
        table.add_row(row);
    }
    for i in numbers {
        if let Some(column) = table.column_mut(i) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    format!("{table}\nangles in degrees, one per layer from the input up; 90 = unrelated, 0 = aligned\n")
}

/// The tuned values of each rule.
pub(crate) fn tuned(tuned: &Tuned) -> String {
    let row = |c: &Chosen| {
        let per: String = c.choice.per.iter().map(|(k, v)| format!(" {k}={v}")).collect();
        let values: Vec<String> = c.choice.values.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let score = format!("{} {:.4}", tuned.metric.name(), c.score);
        [format!("tuned {}{per}", c.choice.rule), values.join(" "), score]
    };
    output::columns(&tuned.chosen.iter().map(row).collect::<Vec<_>>())
}

/// The grid axes beside rule and seed, which have their own columns.
fn setting(spec: &RunSpec) -> String {
    let other = |word: &&str| {
        !word.starts_with("rule.name=") && !word.starts_with("rule=") && !word.starts_with("seed=")
    };
    spec.label().split(' ').filter(other).collect::<Vec<_>>().join(" ")
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |v| format!("{v:.4}"))
}

fn percent(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |v| format!("{:.2} %", 100.0 * v))
}

fn short(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.2}") }
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
    }
}

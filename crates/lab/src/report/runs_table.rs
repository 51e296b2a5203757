//! The table of a folder of runs: a row for each rule and setting, means over its seeds.

use super::groups::Group;
use crate::reproduce::Run;
use crate::stats::{self, Estimate};
use crate::table::{Best, Cell, Column, Table};

type Get = fn(&Run) -> Option<f64>;

fn accuracy(run: &Run) -> Option<f64> {
    run.report.as_ref()?.test_accuracy.map(|a| 100.0 * a)
}

fn values(runs: &[&Run], get: Get) -> Vec<f64> {
    runs.iter().map(|r| if r.is_done() { get(r) } else { None }.unwrap_or(f64::NAN)).collect()
}

fn mean(group: &Group<'_>, get: Get) -> Estimate {
    stats::mean_t(&values(&group.runs, get), stats::LEVEL)
}

/// Mean of the differences in test accuracy to `bp` at the same seed, and their number; none without a partner.
fn to_bp(group: &Group<'_>, groups: &[Group<'_>]) -> Option<Estimate> {
    let partner = group.partner(groups)?;
    let pairs: Vec<(&Run, &Run)> = group
        .runs
        .iter()
        .filter_map(|a| Some((*a, *partner.runs.iter().find(|b| b.spec.seed() == a.spec.seed())?)))
        .collect();
    let (a, b): (Vec<&Run>, Vec<&Run>) = pairs.into_iter().unzip();
    let differences = stats::differences(&values(&a, accuracy), &values(&b, accuracy));
    (!differences.is_empty()).then(|| stats::mean_t(&differences, stats::LEVEL))
}

fn diverged(group: &Group<'_>) -> usize {
    group.runs.iter().filter(|r| !r.is_done()).count()
}

/// What a reader of the row must know.
fn note(group: &Group<'_>) -> String {
    let rising = group.rising();
    let mut parts = Vec::new();
    if rising > 0 {
        let all = group.runs.len();
        parts.push(format!("train loss above its start in {rising} of {all}: the rate may be too high"));
    }
    match group.damaged {
        0 => {}
        1 => parts.push("1 run left out: damaged".into()),
        n => parts.push(format!("{n} runs left out: damaged")),
    }
    if parts.is_empty() { "–".into() } else { parts.join("; ") }
}

/// The table; columns that would say nothing in any row are not there.
pub(super) fn table(groups: &[Group<'_>]) -> Table {
    let compared: Vec<Option<Estimate>> = groups.iter().map(|g| to_bp(g, groups)).collect();
    let with_pairs = compared.iter().any(Option::is_some);
    let with_diverged = groups.iter().any(|g| diverged(g) > 0);
    let with_notes = groups.iter().any(|g| note(g) != "–");
    let count = |n: usize| Cell::from(n.to_string().as_str());
    let mut columns = vec![Column::new("rule and setting"), Column::new("runs")];
    columns.extend(with_diverged.then(|| Column::new("diverged")));
    columns.extend([
        Column::new("test accuracy (%)").best(Best::Highest),
        Column::new("test loss").best(Best::Lowest),
        Column::new("train loss"),
    ]);
    if with_pairs {
        columns.extend(["test accuracy − bp (points)", "pairs"].map(Column::new));
    }
    columns.extend(with_notes.then(|| Column::new("note")));
    let row = |(group, pairs): (&Group<'_>, &Option<Estimate>)| {
        let mut row = vec![Cell::from(group.label.as_str()), count(group.runs.len())];
        row.extend(with_diverged.then(|| count(diverged(group))));
        row.extend([
            Cell::from(mean(group, accuracy)),
            Cell::from(mean(group, |r| r.report.as_ref()?.test_loss)),
            Cell::from(mean(group, |r| r.report.as_ref()?.train_loss)),
        ]);
        if with_pairs {
            row.push(pairs.map_or(Cell::Number { mean: None, interval: None }, Cell::from));
            row.push(count(pairs.map_or(0, |e| e.n)));
        }
        row.extend(with_notes.then(|| Cell::from(note(group).as_str())));
        row
    };
    let mut caption = String::from(
        "A row for each rule and setting; mean over its seeds with 95 % interval (t). Runs that diverged are counted and in no mean.",
    );
    if with_pairs {
        caption += " Differences to bp: runs with the same seed that share every setting but the rule, its options and, where each rule has one of its own, \
                    the optimizer's values.";
    }
    Table { caption, columns, rows: groups.iter().zip(&compared).map(row).collect() }
}

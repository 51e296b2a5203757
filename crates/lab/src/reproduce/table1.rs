//! Table 1: rules with their laws, what the laws take for granted, and how well the books closed in runs of a dense and of a convolutional net.
//!
//! Statements and assumptions are those of the registry of laws. Measured, from the probe `ledger`, the worst over runs and streams: unexplained =
//! (|path| + |residual|) over the larger side of the exchange. A rule without a law has no ledger here.

use super::Experiment;
use super::analysis::{Found, Run, extreme, words};
use super::fig2::Books;
use crate::LabError;
use crate::table::{Cell, Column, Table};
use realign_theory::laws::{LAWS, Order};
use toml::Value;

pub(super) fn analyse(_: &Experiment, runs: &[Run]) -> Result<Found, LabError> {
    let mut found = Found { text: text(), ..Found::default() };
    let done: Vec<&Run> = runs.iter().filter(|r| r.is_done()).collect();
    let mut rows = Vec::new();
    for rule in realign::rules::RULES {
        let law = LAWS.iter().map(|l| l.info()).find(|l| l.name == rule.name);
        let mut row: Vec<Cell> = vec![
            words(rule.name).as_str().into(),
            rule.formula.into(),
            law.map_or("none", |l| l.statement).into(),
            law.map_or("–".into(), |l| l.assumptions.join("; ")).as_str().into(),
        ];
        for net in ["mlp", "lenet"] {
            let books: Vec<Books> = done
                .iter()
                .filter(|r| r.rule() == rule.name && model(r) == net)
                .flat_map(|r| streams(r))
                .collect();
            let worst = |f: fn(&Books) -> f64| extreme(&books.iter().map(f).collect::<Vec<_>>(), f64::max);
            let (unexplained, drift) =
                (worst(Books::unexplained), worst(|b| b.drift().abs() / b.exchanged()));
            if !books.is_empty() {
                found.measured.insert(format!("unexplained.{net}.{}", rule.name), unexplained);
            }
            row.extend([exponent(unexplained.mean), drift.into()]);
        }
        rows.push(row);
    }
    found.tables.push(("table1".into(), rules_table(rows)));
    found.tables.push(("table1-laws".into(), laws_table()));
    Ok(found)
}

fn text() -> Vec<String> {
    vec![
        "What the ledger leaves unexplained (path and residual, over the larger side of what was exchanged) is rounding where the books close; the drift is what steps of finite size move the \
         potential by, and is explained by the law's account. Worst over all runs, streams and rates: the MLP runs of Figure 2, and short runs of a bias-free LeNet (3 convolutions, 2 max \
         pools, 2 dense layers: all positively homogeneous) under plain SGD in f64. Rules without a law (tracking, and the baselines) have no ledger here. adafa is our \
         reconstruction."
            .into(),
    ]
}

fn model(run: &Run) -> &str {
    run.spec.get("network.model").and_then(Value::as_str).unwrap_or("mlp")
}

/// The books of every stream of a run.
fn streams(run: &Run) -> Vec<Books> {
    let layers = run.report.as_ref().map_or(0, |r| r.weight_angle.len());
    (0..layers).filter_map(|l| Books::of(run, l)).collect()
}

/// Numbers near rounding keep their power of ten.
fn exponent(value: Option<f64>) -> Cell {
    value.map_or(Cell::from(f64::NAN), |v| format!("{v:.1e}").replace('-', "−").as_str().into())
}

fn rules_table(rows: Vec<Vec<Cell>>) -> Table {
    let heads = [
        "rule",
        "error signal",
        "conserved",
        "assumptions",
        "MLP: unexplained / exchanged",
        "MLP: drift / exchanged",
        "LeNet: unexplained / exchanged",
        "LeNet: drift / exchanged",
    ];
    Table {
        caption: "Rules, their laws and assumptions; worst value over runs and streams.".into(),
        columns: heads.map(Column::new).to_vec(),
        rows,
    }
}

fn laws_table() -> Table {
    let row = |law: &&dyn realign_theory::laws::Law| {
        let info = law.info();
        let order = match info.order {
            Order::Exact => "exact",
            Order::First => "first order in the rate",
        };
        [info.name, info.statement, &info.assumptions.join("; "), order, info.account, info.citation]
            .map(Cell::from)
            .to_vec()
    };
    Table {
        caption: "All laws the program knows, with the defect of a step of finite size.".into(),
        columns: [
            "law",
            "statement",
            "assumptions",
            "drift of discrete steps",
            "account of a step",
            "source",
        ]
        .map(Column::new)
        .to_vec(),
        rows: LAWS.iter().map(row).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::conv::tests::{run, spec};
    use super::*;
    use crate::store::Stored;

    /// Two streams: 1e-12 of 2 and 3e-12 of 1 left over; the worst is 3e-12. Every law and every rule has its line.
    #[test]
    fn the_worst_stream_is_reported() {
        let mut one = run(spec("fa", 10, 0, 0), Some(0.5), 0.0, 1.0);
        for (layer, exchanged, path) in [(0, 2.0, 1e-12), (1, 1.0, 3e-12)] {
            let values = [
                ("phi", exchanged),
                ("norm", exchanged),
                ("path", path),
                ("residual", 0.0),
                ("opening_phi", 1.0),
            ];
            for (name, value) in
                values.into_iter().chain([("reader", 0.0), ("writer", 0.0), ("opening_norm", 3.0)])
            {
                one.rows.push(Stored {
                    step: 2,
                    epoch: 2.0,
                    probe: "ledger".into(),
                    name: name.into(),
                    layer: Some(layer),
                    unit: None,
                    split: None,
                    value: Some(value),
                });
            }
        }
        let found = analyse(&Experiment { id: "table1", parts: Vec::new() }, &[one]).unwrap();
        let worst = found.measured["unexplained.lenet.fa"].mean.unwrap();
        assert!((worst - 3e-12).abs() < 1e-24, "{worst}");
        assert_eq!(found.measured.len(), 1, "nothing is said of rules that were not run");
        assert_eq!(found.tables[0].1.rows.len(), realign::rules::RULES.len());
        assert_eq!(found.tables[1].1.rows.len(), LAWS.len());
    }
}

/*!
One table, three spellings: Markdown, CSV and LaTeX (booktabs).

A cell is a text or a number with the interval that belongs to it, written `mean ± half` with as many digits as the
interval supports (two of its own). Where a column says which end is better, the best mean is bold. CSV has the numbers in
full precision, with `_low` and `_high` beside each column that has intervals.
*/

mod latex;

use crate::StoreError;
use crate::figure::csv_cell;
use crate::stats::{Estimate, equal};
use crate::store::files;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A table with its caption.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Table {
    /// What is shown, with how many seeds and which interval.
    pub caption: String,
    /// Heads, from the left.
    pub columns: Vec<Column>,
    /// Cells of each row, one per column.
    pub rows: Vec<Vec<Cell>>,
}

/// A head.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Column {
    /// Quantity and, in brackets, its unit.
    pub name: String,
    /// Which end is better.
    pub best: Best,
    /// Digits after the point; as many as the intervals support if absent.
    pub decimals: Option<usize>,
}

/// Which numbers of a column are bold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Best {
    /// None.
    #[default]
    None,
    /// The highest.
    Highest,
    /// The lowest.
    Lowest,
}

/// What stands in a place of the table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Cell {
    /// Words.
    Text(String),
    /// A number; `None` was not measured and is written as a dash.
    Number {
        /// The number.
        mean: Option<f64>,
        /// Ends of its interval, if it has one.
        interval: Option<(f64, f64)>,
    },
}

impl From<Estimate> for Cell {
    fn from(e: Estimate) -> Cell {
        Cell::Number { mean: e.mean, interval: e.interval }
    }
}

impl From<f64> for Cell {
    fn from(v: f64) -> Cell {
        Cell::Number { mean: v.is_finite().then_some(v), interval: None }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Cell {
        Cell::Text(text.to_owned())
    }
}

impl Column {
    /// A head without a better end.
    pub fn new(name: impl Into<String>) -> Column {
        Column { name: name.into(), ..Column::default() }
    }

    /// With its better end.
    pub fn best(self, best: Best) -> Column {
        Column { best, ..self }
    }
}

/// A cell as a reader sees it.
struct Shown {
    text: String,
    bold: bool,
    words: bool,
}

/// Half the interval if it is symmetric to within its second digit.
fn half(mean: f64, (low, high): (f64, f64)) -> Option<f64> {
    let half = (high - low) / 2.0;
    ((high + low) / 2.0 - mean).abs().le(&(0.02 * half)).then_some(half)
}

/// Digits after the point that show `digits` significant ones of `v`; six at most.
fn decimals(v: f64, digits: i32) -> usize {
    if v == 0.0 { 2 } else { (digits - 1 - v.abs().log10().floor() as i32).clamp(0, 6) as usize }
}

/// Numbers from here on are written with an exponent: of a run that explodes twenty digits would say less.
const HUGE: f64 = 1e7;

/// A number on a terminal or in a sentence: four digits after the point, far from 1 with an exponent.
pub fn plain(v: f64) -> String {
    let plain = v == 0.0 || (1e-3..1e6).contains(&v.abs()) || !v.is_finite();
    if plain { format!("{v:.4}") } else { format!("{v:.4e}") }
}

fn number(mean: Option<f64>, interval: Option<(f64, f64)>, fixed: Option<usize>) -> String {
    let Some(m) = mean else { return "–".into() };
    let ends = interval.unwrap_or((m, m));
    let huge = [m, ends.0, ends.1].iter().any(|v| v.abs() >= HUGE);
    let write = |v: f64, d: usize| {
        let digits = if interval.is_some() { 1 } else { 3 };
        let text = if huge { format!("{v:.digits$e}") } else { format!("{v:.d$}") };
        text.replace('-', "−")
    };
    match interval {
        None => write(m, fixed.unwrap_or(decimals(m, 4))),
        Some(ends) => {
            let d = fixed.unwrap_or(decimals((ends.1 - ends.0) / 2.0, 2));
            match half(m, ends) {
                Some(half) => format!("{} ± {}", write(m, d), write(half, d)),
                None => format!("{} [{}, {}]", write(m, d), write(ends.0, d), write(ends.1, d)),
            }
        }
    }
}

impl Table {
    /// # Panics
    /// If a row has more or fewer cells than the table has columns.
    #[track_caller]
    fn shown(&self) -> Vec<Vec<Shown>> {
        let best: Vec<Option<f64>> = (0..self.columns.len()).map(|c| self.best_of(c)).collect();
        let show = |(c, cell): (usize, &Cell)| match cell {
            Cell::Text(text) => Shown { text: text.clone(), bold: false, words: true },
            Cell::Number { mean, interval } => Shown {
                text: number(*mean, *interval, self.columns[c].decimals),
                bold: mean.zip(best[c]).is_some_and(|(m, best)| equal(m, best)),
                words: false,
            },
        };
        let row = |cells: &Vec<Cell>| {
            assert_eq!(cells.len(), self.columns.len(), "cells of a row and columns of the table");
            cells.iter().enumerate().map(show).collect()
        };
        self.rows.iter().map(row).collect()
    }

    fn best_of(&self, column: usize) -> Option<f64> {
        let means = self.rows.iter().filter_map(|row| match &row[column] {
            Cell::Number { mean, .. } => mean.filter(|m| m.is_finite()),
            Cell::Text(_) => None,
        });
        match self.columns[column].best {
            Best::None => None,
            Best::Highest => means.reduce(f64::max),
            Best::Lowest => means.reduce(f64::min),
        }
    }

    /// Heads and cells as a reader sees them, without mark-up.
    pub fn cells(&self) -> (Vec<String>, Vec<Vec<String>>) {
        let rows = self.shown().into_iter().map(|row| row.into_iter().map(|s| s.text).collect());
        (self.columns.iter().map(|c| c.name.clone()).collect(), rows.collect())
    }

    /// GitHub's Markdown, with the caption below.
    pub fn markdown(&self) -> String {
        let escape =
            |t: &str| t.replace('|', "\\|").replace('*', "\\*").replace('<', "&lt;").replace('\n', " ");
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let shown = self.shown();
        let mut out = line(self.columns.iter().map(|c| escape(&c.name)).collect());
        let words = |c: usize| shown.iter().any(|row| row[c].words);
        let rule = (0..self.columns.len()).map(|c| if words(c) { "---" } else { "---:" }.to_owned());
        out.push_str(&line(rule.collect()));
        for row in &shown {
            let bold = |s: &Shown| if s.bold { format!("**{}**", s.text) } else { escape(&s.text) };
            out.push_str(&line(row.iter().map(bold).collect()));
        }
        if !self.caption.is_empty() {
            out.push_str(&format!("\n{}\n", escape(&self.caption)));
        }
        out
    }

    /// The numbers (RFC 4180).
    pub fn csv(&self) -> String {
        let number = |v: Option<f64>| v.filter(|v| v.is_finite()).map_or(String::new(), |v| v.to_string());
        let has =
            |c: usize| self.rows.iter().any(|r| matches!(&r[c], Cell::Number { interval: Some(_), .. }));
        let wide: Vec<bool> = (0..self.columns.len()).map(has).collect();
        let mut lines = vec![Vec::new()];
        for (column, wide) in self.columns.iter().zip(&wide) {
            let ends: &[&str] = if *wide { &["", "_low", "_high"] } else { &[""] };
            lines[0].extend(ends.iter().map(|end| csv_cell(&format!("{}{end}", column.name))));
        }
        for row in &self.rows {
            let mut line = Vec::new();
            for (cell, wide) in row.iter().zip(&wide) {
                let (first, interval) = match cell {
                    Cell::Text(text) => (csv_cell(text), None),
                    Cell::Number { mean, interval } => (number(*mean), *interval),
                };
                line.push(first);
                if *wide {
                    line.extend([number(interval.map(|i| i.0)), number(interval.map(|i| i.1))]);
                }
            }
            lines.push(line);
        }
        lines.into_iter().map(|line| line.join(",") + "\n").collect()
    }

    /// Writes `stem.md`, `stem.csv` and `stem.tex` in `dir`, which is made if need be; returns their paths.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(&self, dir: &Path, stem: &str) -> Result<Vec<PathBuf>, StoreError> {
        std::fs::create_dir_all(dir).map_err(StoreError::io("make", dir))?;
        let mut paths = Vec::new();
        for (extension, text) in [("md", self.markdown()), ("csv", self.csv()), ("tex", self.latex())] {
            let path = dir.join(format!("{stem}.{extension}"));
            files::write(&path, text.as_bytes())?;
            paths.push(path);
        }
        Ok(paths)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On both sides of each limit; digits by hand.
    #[test]
    fn numbers_far_from_one_have_an_exponent() {
        let plain_pairs = [
            (0.0, "0.0000"),
            (4.2, "4.2000"),
            (999_999.0, "999999.0000"),
            (1e6, "1.0000e6"),
            (-3.2139e31, "-3.2139e31"),
            (0.001, "0.0010"),
            (0.000_99, "9.9000e-4"),
        ];
        for (v, text) in plain_pairs {
            assert_eq!(plain(v), text);
        }
        let cells = [
            (9_990_000.0, None, "9990000"),
            (1e7, None, "1.000e7"),
            (3e6, Some((-4e6, 1e7)), "3.0e6 ± 7.0e6"),
            (3e6, Some((-3e6, 9e6)), "3000000 ± 6000000"),
        ];
        for (mean, interval, text) in cells {
            assert_eq!(number(Some(mean), interval, None), text);
        }
    }
}

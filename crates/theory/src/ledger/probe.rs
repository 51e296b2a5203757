//! The probe `ledger`: keeps the books of every hidden stream during a run.
//!
//! Rows are running totals since the books were opened, per stream, named by its lowest writer (`layer`); per unit at log-spaced steps.

use super::books::{Accounts, Books, FIELDS, Opening};
use realign::ConfigError;
use realign::probes::{Every, Probe, Rows, View};
use realign::registry::{self, Entry, Opt};
use realign::streams::Stream;
use realign::tensor::{DType, Tensor};
use realign::train::{Journal, NoLaw};
use serde::Deserialize;

/// Registry entry.
pub const ENTRY: Entry<dyn Probe> = Entry {
    name: "ledger",
    summary: "Conservation ledger: every change of each unit's potential with its cause, in f64.",
    formula: "ΔP = reader + writer + optimizer + path + eps + plasticity + residual",
    citation: "@inproceedings{robertson2024, author={Robertson, Zachary and Koyejo, Oluwasanmi}, title={Implicit regularization in feedback alignment learning mechanisms for neural networks}, booktitle={ICML}, year={2024}}",
    options: &[
        Opt {
            name: "mode",
            default: "\"continuous\"",
            meaning: "\"continuous\": books at every step; \"sampled\": only of the steps at which rows are due",
        },
        Opt {
            name: "units",
            default: "\"log\"",
            meaning: "when to write rows per unit: \"log\" (1, 2, 5, 10, ...), \"end\", \"never\" or a cadence",
        },
    ],
    build: |table| {
        let o: Options = registry::parse(table)?;
        let sampled = match o.mode.as_str() {
            "continuous" => false,
            "sampled" => true,
            other => {
                let near = registry::suggest(other, &["continuous", "sampled"]);
                return Err(ConfigError::new("mode", format!("unknown mode \"{other}\"{near}")));
            }
        };
        let units: Every = o.units.parse().map_err(|e| ConfigError::new("units", e))?;
        Ok(Box::new(Ledger { sampled, units, streams: Vec::new(), saved: Vec::new() }))
    },
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Options {
    mode: String,
    units: String,
}

impl Default for Options {
    fn default() -> Self {
        Options { mode: "continuous".into(), units: "log".into() }
    }
}

struct Kept {
    stream: Stream,
    books: Books,
    /// Whether the stream has a law.
    law: Result<(), NoLaw>,
}

struct Ledger {
    sampled: bool,
    units: Every,
    streams: Vec<Kept>,
    saved: Vec<(String, Tensor)>,
}

impl Ledger {
    /// Opens the books at the first step, or takes over those of a checkpoint.
    fn open(&mut self, journal: &Journal) {
        for (i, stream) in journal.streams().iter().enumerate() {
            let saved = self.saved.iter().find(|(name, _)| *name == format!("books.{i}"));
            let books = saved.map_or_else(|| Books::new(stream.units), |(_, t)| unpack(t));
            self.streams.push(Kept { stream: stream.clone(), books, law: journal.law(stream) });
        }
        self.saved.clear();
    }
}

impl Probe for Ledger {
    fn name(&self) -> &'static str {
        "ledger"
    }

    fn wants_journal(&self, due: bool) -> bool {
        due || !self.sampled
    }

    fn record(&mut self, step: u64, journal: &Journal) {
        if self.streams.is_empty() {
            self.open(journal);
        }
        for kept in self.streams.iter_mut().filter(|k| k.law.is_ok()) {
            kept.books.enter(step, journal, &kept.stream);
        }
    }

    fn observe(&mut self, view: &mut View<'_>, out: &mut Rows) {
        let units = self.units.due(view.step, view.steps, view.steps_per_epoch);
        for kept in &self.streams {
            let layer = kept.stream.writers[0].layer;
            let mut push = |name, value| out.layer(name, layer, value);
            push("normalized", f64::from(u8::from(!kept.stream.normalizers.is_empty())));
            push("lawful", f64::from(u8::from(kept.law.is_ok())));
            push(
                "no_law",
                NO_LAW.iter().position(|why| kept.law == Err(*why)).map_or(0.0, |i| 1.0 + i as f64),
            );
            push("homogeneous", f64::from(u8::from(kept.stream.homogeneous)));
            if kept.law.is_err() || kept.books.steps + kept.books.overflow.map_or(0, |_| 1) == 0 {
                continue;
            }
            let sum = kept.books.sum();
            push("tolerance", kept.books.tolerance);
            push("opening_phi", kept.books.opening_phi.iter().sum());
            push("opening_norm", kept.books.opening_norm.iter().sum());
            NAMES.iter().zip(sum.to_array()).for_each(|(name, value)| push(name, value));
            if let Some(step) = kept.books.overflow {
                push("overflow_step", step as f64);
            }
            if let Some(first) = kept.books.first {
                push("open_step", first.step as f64);
                push("open_unit", first.unit as f64);
                push("open_path", f64::from(u8::from(first.path)));
            }
            if units {
                unit_rows(&kept.books, layer, out);
            }
        }
    }

    fn state(&self) -> Vec<(String, Tensor)> {
        if self.streams.is_empty() {
            return self.saved.clone();
        }
        self.streams.iter().enumerate().map(|(i, k)| (format!("books.{i}"), pack(&k.books))).collect()
    }

    fn restore(&mut self, state: &[(String, Tensor)]) {
        self.streams.clear();
        self.saved = state.to_vec();
    }
}

/// Numbers, from 1, of the reasons in the rows `no_law`.
pub const NO_LAW: [NoLaw; 2] = [NoLaw::Potential, NoLaw::Statistics];

/// Names of the rows, in the order of [`Accounts::to_array`].
pub const NAMES: [&str; FIELDS] = [
    "phi",
    "norm",
    "reader",
    "writer",
    "decay",
    "momentum",
    "adaptive",
    "clipping",
    "path",
    "eps",
    "plasticity",
    "unwatched",
    "residual",
    "turnover",
    "allowance",
    "path_allowance",
];

/// Per unit: P now, its drift, what is explained of it, path and residual.
fn unit_rows(books: &Books, layer: usize, out: &mut Rows) {
    for (k, a) in books.totals.iter().enumerate() {
        let potential = books.opening_phi[k] - books.opening_norm[k] + a.drift();
        for (name, value) in [
            ("potential", potential),
            ("drift", a.drift()),
            ("explained", a.explained()),
            ("path", a.path),
            ("residual", a.residual),
            ("turnover", a.turnover),
        ] {
            out.push(name, None, Some(layer), Some(k), value);
        }
    }
}

/// Books as one tensor: a head row, then one row per unit.
fn pack(books: &Books) -> Tensor {
    let cols = FIELDS + 2;
    let mut values = vec![0.0; cols];
    let first =
        books.first.map_or([0.0; 4], |f| [1.0, f.step as f64, f.unit as f64, f64::from(u8::from(f.path))]);
    values[..4].copy_from_slice(&first);
    (values[4], values[5]) = (books.steps as f64, books.tolerance);
    values[6] = books.next.map_or(-1.0, |n| n as f64);
    values[7] = books.overflow.map_or(-1.0, |n| n as f64);
    for (k, a) in books.totals.iter().enumerate() {
        values.extend([books.opening_phi[k], books.opening_norm[k]]);
        values.extend(a.to_array());
    }
    Tensor::from_f64([books.totals.len() + 1, cols], &values, DType::F64)
}

fn unpack(t: &Tensor) -> Books {
    let (values, cols) = (t.to_f64_vec(), t.cols());
    let mut books = Books::new(t.rows() - 1);
    let head = &values[..cols];
    (books.steps, books.tolerance) = (head[4] as u64, head[5]);
    books.next = (head[6] >= 0.0).then_some(head[6] as u64);
    books.overflow = (head[7] >= 0.0).then_some(head[7] as u64);
    books.first = (head[0] == 1.0).then(|| Opening {
        step: head[1] as u64,
        unit: head[2] as usize,
        path: head[3] == 1.0,
    });
    for (k, row) in values.chunks(cols).skip(1).enumerate() {
        (books.opening_phi[k], books.opening_norm[k]) = (row[0], row[1]);
        books.totals[k] = Accounts::from_array(row[2..].try_into().expect("one figure per field"));
    }
    books
}

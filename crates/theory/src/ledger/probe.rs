//! The probe `ledger`: keeps the books of every hidden stream during a run.
//!
//! Rows are running totals from the opening of the books to the row's step, per stream, named by its lowest writer (`layer`); per unit at log-spaced
//! steps. Beside every sum over units stands the sum of the absolute values (`abs_...`), because units may cancel.

use super::books::{Accounts, Books, FIELDS, Opening};
use crate::laws::State;
use crate::laws::balance::{of_stream, potentials};
use realign::ConfigError;
use realign::layer::batch_norm::Backward;
use realign::probes::{Every, Probe, Rows, View};
use realign::registry::{self, Allowed, Entry, Opt};
use realign::rules::Potential;
use realign::streams::{Stream, streams};
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
            allowed: Allowed::Word(&["continuous", "sampled"]),
        },
        Opt {
            name: "units",
            default: "\"log\"",
            meaning: "when to write rows per unit; \"log\": 1, 2, 5, 10, ...",
            allowed: Every::ALLOWED,
        },
    ],
    build: |table| {
        let o: Options = registry::parse(table)?;
        let sampled = o.mode == "sampled";
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
    /// Opens the books of these streams, or takes over those of a checkpoint.
    fn open(&mut self, streams: impl Iterator<Item = (Stream, Result<(), NoLaw>)>) {
        for (i, (stream, law)) in streams.enumerate() {
            let saved = self.saved.iter().find(|(name, _)| *name == format!("books.{i}"));
            let books = saved.map_or_else(|| Books::new(stream.units), |(_, t)| unpack(t));
            self.streams.push(Kept { stream, books, law });
        }
        self.saved.clear();
    }

    /// Takes over the books of a checkpoint where rows are due before a step is watched again.
    fn reopen(&mut self, view: &View<'_>) {
        if !self.saved.is_empty() && self.streams.is_empty() {
            let potentials = potentials(view.net, view.rule);
            self.open(streams(view.net).into_iter().map(|s| (s.clone(), law(&s, &potentials))));
        }
    }

    /// Enters what happened since the last watched step, so that the rows of this step describe the state at this step.
    fn catch_up(&mut self, view: &View<'_>) {
        let behind = |k: &Kept| k.law.is_ok() && k.books.steps > 0 && k.books.next != Some(view.step);
        if !self.streams.iter().any(behind) {
            return;
        }
        let (state, potentials) = (State::now(view.net, view.feedback), potentials(view.net, view.rule));
        for kept in self.streams.iter_mut().filter(|k| behind(k)) {
            let now = of_stream(&kept.stream, &potentials, &state);
            let books = &mut kept.books;
            for (k, total) in books.totals.iter_mut().enumerate() {
                let phi = now.plus[k] - (books.opening_phi[k] + total.phi);
                let norm = now.minus[k] - (books.opening_norm[k] + total.norm);
                total.add(&Accounts { phi, norm, unwatched: phi - norm, ..Accounts::default() });
            }
            // The journal adds in another order: what that rounds belongs to no watched step either.
            books.next = None;
        }
    }
}

/// As [`Journal::law`], where there is no journal.
fn law(stream: &Stream, potentials: &[Option<Box<dyn Potential>>]) -> Result<(), NoLaw> {
    if stream.normalizers.iter().any(|n| n.backward != Backward::Exact) {
        return Err(NoLaw::Statistics);
    }
    let all = stream.readers.iter().all(|m| potentials[m.layer].is_some());
    if all { Ok(()) } else { Err(NoLaw::Potential) }
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
            self.open(journal.streams().iter().map(|s| (s.clone(), journal.law(s))));
        }
        for kept in self.streams.iter_mut().filter(|k| k.law.is_ok()) {
            kept.books.enter(step, journal, &kept.stream);
        }
    }

    fn observe(&mut self, view: &mut View<'_>, out: &mut Rows) {
        self.reopen(view);
        self.catch_up(view);
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
            ABSOLUTE.iter().zip(absolute(&kept.books)).for_each(|(name, value)| push(name, value));
            push("units", kept.books.totals.len() as f64);
            push("still_units", still(&kept.books) as f64);
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

/// Rows with sums over units of absolute values: the accounts of [`NAMES`] down to the residual, then the drift.
pub const ABSOLUTE: [&str; 14] = [
    "abs_phi",
    "abs_norm",
    "abs_reader",
    "abs_writer",
    "abs_decay",
    "abs_momentum",
    "abs_adaptive",
    "abs_clipping",
    "abs_path",
    "abs_eps",
    "abs_plasticity",
    "abs_unwatched",
    "abs_residual",
    "abs_drift",
];

/// The figures of [`ABSOLUTE`].
fn absolute(books: &Books) -> [f64; ABSOLUTE.len()] {
    let mut sums = [0.0; ABSOLUTE.len()];
    for a in &books.totals {
        let figures = a.to_array();
        let figures = figures.iter().take(ABSOLUTE.len() - 1).copied().chain([a.drift()]);
        sums.iter_mut().zip(figures).for_each(|(s, x)| *s += x.abs());
    }
    sums
}

/// Change beside Phi and norm themselves that is rounding of their sums and no movement.
const STILL: f64 = 1e-12;

/// Units of which neither Phi nor the norm has changed.
fn still(books: &Books) -> usize {
    let sizes = books.opening_phi.iter().zip(&books.opening_norm).map(|(p, n)| p.abs() + n);
    let moved = |a: &Accounts| a.phi.abs().max(a.norm.abs());
    books.totals.iter().zip(sizes).filter(|(a, size)| moved(a) <= STILL * size).count()
}

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
    // From 1 on: a checkpoint of a version that did not know it holds 0.
    values[7] = books.overflow.map_or(0.0, |n| n as f64 + 1.0);
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
    books.overflow = (head[7] >= 1.0).then(|| head[7] as u64 - 1);
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

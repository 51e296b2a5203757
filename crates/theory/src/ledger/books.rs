//! The sums of the ledger, unit by unit: the accounts of one step, and their running totals over a run.
//!
//! Rounding is judged per unit and step, by what [`super::rounding`] says that it may add.

use super::rounding::{Rounding, relative};
use realign::optim::PARTS;
use realign::streams::Stream;
use realign::train::Journal;

/// Number of figures in [`Accounts`].
pub const FIELDS: usize = 12 + PARTS.len();
/// How many of them, from the first, are changes and their causes.
pub(super) const ACCOUNTS: usize = 8 + PARTS.len();

/// What happened to the potential of a unit, or of several together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Accounts {
    /// Change of Phi.
    pub phi: f64,
    /// Change of ½(‖W‖² + b²).
    pub norm: f64,
    /// Bregman divergence of the readers' update, >= 0 for convex Phi.
    pub reader: f64,
    /// −½‖dW‖² of the writers.
    pub writer: f64,
    /// What the optimizer did beside the plain step, in the order of [`PARTS`].
    pub optimizer: [f64; PARTS.len()],
    /// Imbalance of the path between writers and readers.
    pub path: f64,
    /// What statistics that read the units leave to the scale of their writers: eps of batch norm.
    pub eps: f64,
    /// Feedback weights that moved by themselves.
    pub plasticity: f64,
    /// Steps that were not watched.
    pub unwatched: f64,
    /// What no account explains.
    pub residual: f64,
    /// Gross size of what was exchanged, step by step without signs.
    pub turnover: f64,
    /// How much rounding may have added to the residual.
    pub allowance: f64,
    /// How much rounding may have added to the path.
    pub path_allowance: f64,
}

impl Accounts {
    /// P(now) − P(opening).
    pub fn drift(&self) -> f64 {
        self.phi - self.norm
    }

    /// The drift that the accounts explain: all but path and residual.
    pub fn explained(&self) -> f64 {
        let optimizer = self.optimizer.iter().sum::<f64>();
        self.reader + self.writer + optimizer + self.eps + self.plasticity + self.unwatched
    }

    /// Adds the accounts of later steps, or of other units.
    pub fn add(&mut self, o: &Accounts) {
        let mut sum = self.to_array();
        sum.iter_mut().zip(o.to_array()).for_each(|(a, b)| *a += b);
        *self = Accounts::from_array(&sum);
    }

    /// All figures in a fixed order, for storage.
    pub fn to_array(&self) -> [f64; FIELDS] {
        let [d, m, a, c] = self.optimizer;
        let (s, t) = (self, self);
        [
            s.phi,
            s.norm,
            s.reader,
            s.writer,
            d,
            m,
            a,
            c,
            s.path,
            t.eps,
            t.plasticity,
            t.unwatched,
            t.residual,
            t.turnover,
            t.allowance,
            t.path_allowance,
        ]
    }

    /// The inverse of [`Accounts::to_array`].
    pub fn from_array(a: &[f64; FIELDS]) -> Accounts {
        Accounts {
            phi: a[0],
            norm: a[1],
            reader: a[2],
            writer: a[3],
            optimizer: [a[4], a[5], a[6], a[7]],
            path: a[8],
            eps: a[9],
            plasticity: a[10],
            unwatched: a[11],
            residual: a[12],
            turnover: a[13],
            allowance: a[14],
            path_allowance: a[15],
        }
    }
}

/// One unit in one step: its accounts and Phi and ½‖W‖² on both sides.
#[derive(Clone, Copy, Debug, Default)]
pub struct StepOfUnit {
    /// The accounts of the step.
    pub accounts: Accounts,
    /// Phi before.
    pub phi: f64,
    /// ½(‖W‖² + b²) before.
    pub norm: f64,
    /// Gross size of the sums that Phi and the norm are made of.
    pub gross: f64,
}

impl StepOfUnit {
    /// Whether all sums are numbers; products of numbers that overflow are not.
    fn is_finite(&self) -> bool {
        let residual = self.accounts.residual + self.accounts.path;
        residual.is_finite() && self.phi.is_finite() && self.norm.is_finite()
    }
}

/// The accounts of unit `k` of a stream in one step.
pub fn step_of_unit(journal: &Journal, stream: &Stream, k: usize) -> StepOfUnit {
    let mut a = Accounts::default();
    let (mut phi, mut norm, mut terms, mut rounding) = (0.0, 0.0, 0.0, Rounding::default());
    let (mut lr, mut examples) = (0.0_f64, 0);
    for m in stream.writers.iter().filter(|m| (m.first..m.first + m.units).contains(&k)) {
        let (layer, row) = (&journal.layers[m.layer], &journal.layers[m.layer].rows[k - m.first]);
        norm += 0.5 * row.before;
        a.norm += 0.5 * (row.after - row.before);
        a.writer -= 0.5 * row.moved;
        a.path += layer.lr * row.path;
        (lr, examples) = (lr.max(layer.lr), examples.max(layer.terms));
        a.optimizer.iter_mut().zip(row.parts).for_each(|(s, p)| *s -= p);
        terms += (row.moved * row.before).sqrt() + row.parts.iter().map(|p| p.abs()).sum::<f64>();
        rounding.write(layer, row);
    }
    for m in stream.readers.iter().filter(|m| (m.first..m.first + m.units).contains(&k)) {
        let layer = &journal.layers[m.layer];
        let Some(column) = layer.columns.get(k - m.first) else { continue };
        phi += column.before;
        a.phi += column.after - column.before;
        a.reader += column.bregman;
        a.path -= layer.lr * column.path;
        a.plasticity += column.after - column.mid;
        a.optimizer.iter_mut().zip(column.parts).for_each(|(s, p)| *s += p);
        terms += (layer.lr * column.path).abs()
            + column.bregman.abs()
            + column.parts.iter().map(|p| p.abs()).sum::<f64>();
        rounding.read(layer, column);
    }
    for n in stream.normalizers.iter().filter(|n| (n.first..n.first + n.units).contains(&k)) {
        // Known in closed form, so the rest of the path must still vanish.
        let known = lr * journal.balance(n, k - n.first);
        a.eps += known;
        a.path -= known;
        terms += known.abs();
        rounding.normalize(lr, journal.balance_gross(n, k - n.first), examples);
    }
    a.residual = a.drift() - a.explained() - a.path;
    a.turnover = terms;
    a.allowance = rounding.residual(journal.dtype(), &a);
    a.path_allowance = rounding.path(journal.dtype(), terms);
    StepOfUnit { accounts: a, phi, norm, gross: rounding.gross() }
}

impl Accounts {
    /// Whether the path is more than rounding.
    pub fn path_is_open(&self) -> bool {
        beyond(self.path, self.path_allowance)
    }
}

/// Whether an account is more than rounding; what is not a number is.
fn beyond(account: f64, allowance: f64) -> bool {
    account.is_nan() || account.abs() > allowance
}

/// Where and when books first failed to close.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Opening {
    /// Step, from 0.
    pub step: u64,
    /// Unit of the stream.
    pub unit: usize,
    /// Whether it was the path (a wrong backward pass) or the residual (a wrong update).
    pub path: bool,
}

/// The books of one stream over a run.
#[derive(Clone, Debug)]
pub struct Books {
    /// Running totals per unit.
    pub totals: Vec<Accounts>,
    /// Phi per unit when the books were opened.
    pub opening_phi: Vec<f64>,
    /// ½(‖W‖² + b²) per unit when the books were opened.
    pub opening_norm: Vec<f64>,
    /// The first failure.
    pub first: Option<Opening>,
    /// Steps watched.
    pub steps: u64,
    /// The step that follows the last one watched.
    pub next: Option<u64>,
    /// What share of the exchange the residual of the run may miss at least.
    pub tolerance: f64,
    /// The step in which a sum left the range of numbers, as weights that explode do: books end before it.
    pub overflow: Option<u64>,
    /// The units of the step at hand.
    now: Vec<StepOfUnit>,
}

impl Books {
    /// Empty books of `units` units.
    pub fn new(units: usize) -> Books {
        Books {
            totals: vec![Accounts::default(); units],
            opening_phi: vec![0.0; units],
            opening_norm: vec![0.0; units],
            first: None,
            steps: 0,
            next: None,
            tolerance: 0.0,
            overflow: None,
            now: Vec::new(),
        }
    }

    /// Enters training step `step`; nothing from the first on that has a sum which is no number.
    pub fn enter(&mut self, step: u64, journal: &Journal, stream: &Stream) {
        if self.overflow.is_some() {
            return;
        }
        let mut now = std::mem::take(&mut self.now);
        now.clear();
        now.extend((0..self.totals.len()).map(|k| step_of_unit(journal, stream, k)));
        if now.iter().all(StepOfUnit::is_finite) {
            self.add(step, stream, &now);
            (self.steps, self.tolerance) = (self.steps + 1, relative(journal.dtype()));
        } else {
            self.overflow = Some(step);
        }
        self.now = now;
    }

    fn add(&mut self, step: u64, stream: &Stream, units: &[StepOfUnit]) {
        for (k, unit) in units.iter().enumerate() {
            let mut unit = *unit;
            if self.steps == 0 {
                (self.opening_phi[k], self.opening_norm[k]) = (unit.phi, unit.norm);
            }
            let total = &mut self.totals[k];
            // What happened since the last watched step; after the very step before, that can only be rounding.
            let phi = unit.phi - (self.opening_phi[k] + total.phi);
            let norm = unit.norm - (self.opening_norm[k] + total.norm);
            let gap = Accounts { phi, norm, ..Accounts::default() };
            // What the step itself leaves is judged by its own size, whatever the history of the books.
            let a = unit.accounts;
            let mut residual = beyond(a.residual, a.allowance);
            if self.next == Some(step) {
                // What went through the totals before may be larger than they are now, and its rounding stays in them.
                let sizes = [
                    self.opening_phi[k],
                    total.phi,
                    self.opening_norm[k],
                    total.norm,
                    total.turnover,
                    unit.gross,
                ];
                let allowance = Rounding::of_books(sizes);
                residual |= beyond(gap.drift(), allowance);
                unit.accounts.add(&Accounts { residual: gap.drift(), allowance, ..gap });
            } else {
                total.add(&Accounts { unwatched: gap.drift(), ..gap });
            }
            total.add(&unit.accounts);
            let path = stream.homogeneous && a.path_is_open();
            if self.first.is_none() && (path || residual) {
                self.first = Some(Opening { step, unit: k, path });
            }
        }
        self.next = Some(step + 1);
    }

    /// The totals over all units.
    pub fn sum(&self) -> Accounts {
        let mut sum = Accounts::default();
        self.totals.iter().for_each(|a| sum.add(a));
        sum
    }
}

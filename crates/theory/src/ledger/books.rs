//! The sums of the ledger, unit by unit: the accounts of one step, and their running totals over a run.
//!
//! Rounding is judged per unit and step, with a factor of safety ([`SAFETY`]) and ε = [`DType::epsilon`] of training, twice the unit roundoff. The residual
//! knows the weights: they are rounded by up to ½ε|w| entry by entry, independently, so sums over n entries err by about ε‖W‖²/√n; the sums of
//! the ledger itself are in f64 and do not gain by the root; and products of a step may err by a share of it ([`relative`]). The path knows no weights
//! but products, before anything is added to a weight: ½ε times the gross size of their terms ([`RowSums::gross`]) times how sums of n of them
//! grow ([`growth`]). It is proportional to the learning rate like the path itself, so a wrong path shows however small the steps.
//!
//! [`RowSums::gross`]: realign::train::RowSums::gross

use realign::optim::PARTS;
use realign::streams::Stream;
use realign::tensor::DType;
use realign::train::Journal;

/// Times the standard deviation of the rounding of one unit's sums.
const SAFETY: f64 = 16.0;

/// What share of the terms of a step the path and the residual may miss.
pub fn relative(dtype: DType) -> f64 {
    match dtype {
        // Sums of products of sums of f32: ~100 u; a wrong sign or factor is 1e-2 or more.
        DType::F32 => 1e-4,
        DType::F64 => 1e-11,
    }
}

/// Number of figures in [`Accounts`].
pub const FIELDS: usize = 12 + PARTS.len();

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
}

/// The accounts of unit `k` of a stream in one step.
pub fn step_of_unit(journal: &Journal, stream: &Stream, k: usize) -> StepOfUnit {
    let mut a = Accounts::default();
    let (mut phi, mut norm, mut rounding, mut summed, mut terms) = (0.0, 0.0, 0.0, 0.0, 0.0);
    let mut products = 0.0;
    let mut lr = 0.0_f64;
    for m in stream.writers.iter().filter(|m| (m.first..m.first + m.units).contains(&k)) {
        let (layer, row) = (&journal.layers[m.layer], &journal.layers[m.layer].rows[k - m.first]);
        norm += 0.5 * row.before;
        a.norm += 0.5 * (row.after - row.before);
        a.writer -= 0.5 * row.moved;
        a.path += layer.lr * row.path;
        lr = lr.max(layer.lr);
        a.optimizer.iter_mut().zip(row.parts).for_each(|(s, p)| *s -= p);
        let size = row.before.max(row.after);
        rounding += size / (layer.inputs as f64).sqrt();
        summed += size;
        products += layer.lr * (row.before * row.gross).sqrt() * growth(layer.inputs, layer.terms);
        terms += (row.moved * row.before).sqrt() + row.parts.iter().map(|p| p.abs()).sum::<f64>();
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
        rounding += column.size + column.before.abs();
        products += layer.lr * (column.carry * column.gross).sqrt() * growth(layer.entries, layer.terms);
        terms += (layer.lr * column.path).abs()
            + column.bregman.abs()
            + column.parts.iter().map(|p| p.abs()).sum::<f64>();
    }
    for n in stream.normalizers.iter().filter(|n| (n.first..n.first + n.units).contains(&k)) {
        // Known in closed form, so the rest of the path must still vanish.
        let known = lr * journal.balance(n, k - n.first);
        a.eps += known;
        a.path -= known;
        terms += known.abs();
    }
    a.residual = a.drift() - a.explained() - a.path;
    a.turnover = terms;
    let dtype = journal.dtype();
    a.allowance = relative(dtype) * terms + SAFETY * (dtype.epsilon() * rounding + f64::EPSILON * summed);
    a.path_allowance = SAFETY * 0.5 * dtype.epsilon() * products;
    StepOfUnit { accounts: a, phi, norm }
}

/// Rounding of a sum of n products over their Euclidean size, in units of the roundoff, and of a sum over a batch of `terms` such sums: random signs leave
/// less than 1, equal signs make the partial sums grow with √n and, in several lanes, a part of that (an eighth is generous from four lanes up).
fn growth(n: usize, terms: usize) -> f64 {
    let root = (n.max(1) as f64).sqrt();
    1.0 + (root + terms as f64 / root) / 8.0
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
    /// [`relative`] of the training dtype.
    pub tolerance: f64,
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
        }
    }

    /// Enters training step `step`.
    pub fn enter(&mut self, step: u64, journal: &Journal, stream: &Stream) {
        for k in 0..self.totals.len() {
            let mut unit = step_of_unit(journal, stream, k);
            if self.steps == 0 {
                (self.opening_phi[k], self.opening_norm[k]) = (unit.phi, unit.norm);
            }
            let total = &mut self.totals[k];
            // What happened since the last watched step; after the very step before, that can only be rounding.
            let phi = unit.phi - (self.opening_phi[k] + total.phi);
            let norm = unit.norm - (self.opening_norm[k] + total.norm);
            let gap = Accounts { phi, norm, ..Accounts::default() };
            if self.next == Some(step) {
                unit.accounts.add(&Accounts { residual: gap.drift(), ..gap });
            } else {
                total.add(&Accounts { unwatched: gap.drift(), ..gap });
            }
            total.add(&unit.accounts);
            let a = &unit.accounts;
            let path = stream.homogeneous && a.path_is_open();
            if self.first.is_none() && (path || beyond(a.residual, a.allowance)) {
                self.first = Some(Opening { step, unit: k, path });
            }
        }
        self.next = Some(step + 1);
        (self.steps, self.tolerance) = (self.steps + 1, relative(journal.dtype()));
    }

    /// The totals over all units.
    pub fn sum(&self) -> Accounts {
        let mut sum = Accounts::default();
        self.totals.iter().for_each(|a| sum.add(a));
        sum
    }
}

/*!
What rounding may add to the accounts of one unit in one step. ε = [`DType::epsilon`] of training, twice the unit roundoff; [`SAFETY`] is the
factor of safety wherever errors of many terms are taken to have random signs; docs/theory.md derives every term.

* **Residual.** W' is rounded once, and once before where a decay is apart, by ½ε|W'| each: ε Σ|W||W'| for the writers, ε Σ|M|(|W| + |W'|) for the readers.
  These are worst cases without a factor. The optimizer's own arithmetic errs by [`STEP`] ε of the gross size of what it adds up. The sums of the
  ledger are in f64.
* **Path.** It knows no weights but products, before anything is added to a weight: ½ε times the gross size of their terms
  ([`RowSums::gross`]) times how sums of n of them grow ([`growth`]). Batch norm below adds its own
  ([`Journal::balance_gross`](realign::train::Journal::balance_gross)). It is proportional to the learning rate like the path itself, so a wrong path
  shows however small the steps.
* **Small numbers.** Below the smallest normal number of the dtype a product errs by up to half the smallest number, however small it is. That is carried to the
  accounts by the other factor of every term: these counts are worst cases too.
* **Nothing.** What is less than ε of f64 of all that the unit exchanges in the step would move no digit of its books, and is no evidence of anything.
*/

use super::books::{ACCOUNTS, Accounts};
use realign::tensor::DType;
use realign::train::{ColumnSums, LayerJournal, RowSums};

/// Times the standard deviation of the rounding of one unit's sums.
const SAFETY: f64 = 16.0;
/// Roundings of an optimizer's increment, in ε: Adam makes some 16 of ½ε with its rounded factors, the others half as many.
const STEP: f64 = 8.0;
/// Operations on one number between two products: activation, dropout, pooling, joins; or those of an optimizer.
const OPERATIONS: f64 = 16.0;

/// What share of the exchange of a whole run the residual may miss at least.
pub(super) fn relative(dtype: DType) -> f64 {
    match dtype {
        // Sums of products of sums of f32: ~100 u; a wrong sign or factor is 1e-2 or more.
        DType::F32 => 1e-4,
        DType::F64 => 1e-11,
    }
}

/// Gross sizes of all that a unit's accounts are made of in one step.
#[derive(Clone, Copy, Default)]
pub(super) struct Rounding {
    /// Of the weights times what they are multiplied with.
    weights: f64,
    /// Of the sums of the ledger.
    sums: f64,
    /// Of the increments times what they are multiplied with.
    step: f64,
    /// Of the products on both sides of the path, with the growth of their rounding.
    products: f64,
    /// The increments over the learning rate, which is a number of the training dtype itself.
    per_rate: f64,
    /// How many of the smallest numbers the residual and the path may hold.
    smallest: [f64; 2],
}

impl Rounding {
    /// Adds a row that writes the unit.
    pub(super) fn write(&mut self, layer: &LayerJournal, row: &RowSums) {
        let length = row.before.sqrt();
        self.weights += row.size;
        self.sums += row.before.max(row.after);
        self.step += row.step;
        self.per_rate += per_rate(row.step, layer.lr);
        self.products += layer.lr * length * row.gross.sqrt() * growth(layer.inputs, layer.terms);
        let [error, activity] = [layer.error, layer.activity];
        self.add_smallest(layer, layer.inputs + 1, length, error, activity);
    }

    /// Adds the column that reads the unit.
    pub(super) fn read(&mut self, layer: &LayerJournal, column: &ColumnSums) {
        let length = column.carry.sqrt();
        self.weights += column.size;
        self.sums +=
            column.size + [column.before, column.mid, column.after].map(f64::abs).iter().sum::<f64>();
        self.step += column.step;
        self.per_rate += per_rate(column.step, layer.lr);
        self.products += layer.lr * length * column.gross.sqrt() * growth(layer.entries, layer.terms);
        let [error, activity] = [layer.error, layer.activity];
        self.add_smallest(layer, layer.entries, length, activity, error);
    }

    /// Adds statistics that read the unit: the error they send down to a layer of rate `lr` sums over `terms`.
    pub(super) fn normalize(&mut self, lr: f64, gross: f64, terms: usize) {
        self.products += lr * gross.sqrt() * growth(1, terms);
    }

    /// Products of `n` entries of a weight, `length` in all, with what is `across` it in sum; the sums of G run over what is `along` it.
    fn add_smallest(&mut self, layer: &LayerJournal, n: usize, length: f64, across: f64, along: f64) {
        let (n, terms) = (n as f64, layer.terms as f64);
        // Σ|w| <= √n ‖w‖.
        let entries = n.sqrt() * length;
        self.smallest[0] += OPERATIONS * (1.0 + layer.gain) * entries;
        let path = terms * entries + (n + OPERATIONS) * across + OPERATIONS * length * along + n;
        self.smallest[1] += layer.lr * path;
    }

    /// How much the residual may hold beside nothing, being what is left of `accounts`.
    pub(super) fn residual(&self, dtype: DType, accounts: &Accounts) -> f64 {
        let explained = accounts.to_array()[..ACCOUNTS].iter().map(|a| a.abs()).sum::<f64>();
        dtype.epsilon() * (self.weights + STEP * self.step)
            + SAFETY * f64::EPSILON * (self.sums + explained)
            + dtype.smallest() * (self.smallest[0] + self.per_rate)
    }

    /// How much the path may hold, if the unit exchanges `turnover`.
    pub(super) fn path(&self, dtype: DType, turnover: f64) -> f64 {
        SAFETY * 0.5 * dtype.epsilon() * self.products
            + dtype.smallest() * self.smallest[1]
            + f64::EPSILON * turnover
    }

    /// Gross size of the sums that Phi and the norm are made of.
    pub(super) fn gross(&self) -> f64 {
        self.sums
    }

    /// How much the step from books of these sizes to the next may hold: they are sums in f64.
    pub(super) fn of_books(sizes: [f64; 6]) -> f64 {
        SAFETY * f64::EPSILON * sizes.map(f64::abs).iter().sum::<f64>()
    }
}

/// A subnormal rate is off by half the smallest number, and the whole step with it.
fn per_rate(step: f64, lr: f64) -> f64 {
    if lr > 0.0 { step / lr } else { 0.0 }
}

/// Rounding of a sum of n products over their Euclidean size, in units of the roundoff, and of a sum over a batch of `terms` such sums: random signs leave
/// less than 1, equal signs make the partial sums grow with √n and, in several lanes, a part of that (an eighth is generous from four lanes up).
fn growth(n: usize, terms: usize) -> f64 {
    let root = (n.max(1) as f64).sqrt();
    1.0 + (root + terms as f64 / root) / 8.0
}

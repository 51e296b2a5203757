/*!
Losses. L is the batch mean; `e = dL/dz` carries the 1/batch, so that every update direction is a plain sum.

Values are computed in f64 per example and summed in order.
*/

mod cross_entropy;
mod logistic;
mod mse;
mod sigmoid_cross_entropy;

use crate::ConfigError;
use crate::registry::{self, Entry};
use realign_data::{Dataset, Targets};
use realign_tensor::{Tensor, dispatch};
use toml::Table;

/// Targets of one batch, in the order of its rows.
pub enum Target<'a> {
    /// Class labels 0..n.
    Classes(&'a [u32]),
    /// Real values, `dim` per example.
    Values(&'a [f64]),
}

/// What one example contributed: its loss and whether it was classified correctly.
#[derive(Clone, Copy, Debug, Default)]
pub struct Score {
    /// Sum of the losses of the examples.
    pub loss: f64,
    /// Number classified correctly (0 for real targets).
    pub correct: usize,
    /// Number of examples.
    pub examples: usize,
}

/// A loss, one example at a time.
pub trait Loss: Send + Sync {
    /// Registry word.
    fn name(&self) -> &'static str;

    /// Number of network outputs for these data, or why it does not fit them.
    fn outputs(&self, data: &Dataset) -> Result<usize, ConfigError>;

    /// Loss of one example with outputs `z` and target vector or label; writes dL/dz into `e` if it is not empty.
    fn example(&self, z: &[f64], target: One<'_>, e: &mut [f64]) -> f64;

    /// The class these outputs mean: the largest output unless a loss says otherwise.
    fn class(&self, z: &[f64]) -> usize {
        (0..z.len()).fold(0, |best, i| if z[i] > z[best] { i } else { best })
    }
}

/// Target of one example.
#[derive(Clone, Copy)]
pub enum One<'a> {
    /// A class.
    Class(usize),
    /// Real values.
    Values(&'a [f64]),
}

macro_rules! losses {
    ($($module:ident),*) => {
        /// All losses by name.
        pub static LOSSES: &[Entry<dyn Loss>] = &[$($module::ENTRY),*];
    };
}
losses!(cross_entropy, sigmoid_cross_entropy, mse, logistic);

/// Builds a loss from its table (`name` and options).
pub fn build(table: Table) -> Result<Box<dyn Loss>, ConfigError> {
    registry::build(LOSSES, "loss", table)
}

/// Outputs one per class, or one per real target.
pub(crate) fn one_per_target(data: &Dataset) -> usize {
    match &data.targets {
        Targets::Classes { classes, .. } => *classes,
        Targets::Values { dim, .. } => *dim,
    }
}

/// The entry-th component of a target read as a vector, one-hot for classes.
pub(crate) fn component(target: One<'_>, i: usize) -> f64 {
    match target {
        One::Class(c) => f64::from(c == i),
        One::Values(v) => v[i],
    }
}

/// Scratch of [`evaluate`], reused between batches.
#[derive(Default)]
pub struct Scratch {
    z: Vec<f64>,
    e: Vec<f64>,
}

/// Scores a batch; with `signal` also writes e = dL/dz of the batch mean.
pub fn evaluate(
    loss: &dyn Loss,
    output: &Tensor,
    target: &Target<'_>,
    mut signal: Option<&mut Tensor>,
    s: &mut Scratch,
) -> Score {
    let (n, dim) = (output.rows(), output.cols());
    s.z.resize(dim, 0.0);
    s.e.resize(if signal.is_some() { dim } else { 0 }, 0.0);
    let mut score = Score { examples: n, ..Score::default() };
    dispatch!(output.dtype(), T => {
        use realign_tensor::Element;
        let out = output.as_slice::<T>();
        for r in 0..n {
            s.z.iter_mut().zip(&out[r * dim..]).for_each(|(z, v)| *z = v.to_f64());
            let one = match target {
                Target::Classes(labels) => One::Class(labels[r] as usize),
                Target::Values(v) => One::Values(&v[r * (v.len() / n)..(r + 1) * (v.len() / n)]),
            };
            score.loss += loss.example(&s.z, one, &mut s.e);
            if let One::Class(c) = one {
                score.correct += usize::from(loss.class(&s.z) == c);
            }
            if let Some(e) = signal.as_deref_mut() {
                let row = &mut e.as_mut_slice::<T>()[r * dim..(r + 1) * dim];
                row.iter_mut().zip(&s.e).for_each(|(d, v)| *d = T::of(v / n as f64));
            }
        }
    });
    score
}

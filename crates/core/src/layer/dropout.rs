//! Inverted dropout: `h = m z`, m = 1/(1 - p) with probability 1 - p, otherwise 0, drawn anew for every entry and training
//! step; the identity in evaluation. Srivastava et al., JMLR 15 (2014). The mask is linear, so the balance identity
//! holds across it.

use super::{Description, Pass, Pointwise};
use crate::registry::Opt;
use realign_tensor::{Element, Tensor, dispatch, ops};

pub(super) const DESCRIPTION: Description = Description {
    name: "dropout",
    summary: "Sets entries to zero at random in training, keeping the mean.",
    formula: "h = m z, m ∈ {0, 1/(1-p)}",
    options: &[Opt {
        name: "dropout",
        default: "0.0",
        meaning: "p, 0 <= p < 1, after every hidden activation of an mlp",
    }],
};

/// See the module's formula.
pub struct Dropout {
    probability: f64,
    stream: u64,
}

impl Dropout {
    /// `probability` of an entry to be dropped; `stream` numbers this layer's own random stream.
    ///
    /// # Panics
    /// Unless 0 <= probability < 1.
    pub fn new(probability: f64, stream: u64) -> Self {
        assert!((0.0..1.0).contains(&probability), "dropout probability {probability}");
        Dropout { probability, stream }
    }
}

impl Pointwise for Dropout {
    fn kind(&self) -> &'static str {
        "dropout"
    }

    fn forward(&self, y: &mut Tensor, mask: &mut Tensor, pass: Pass<'_>) {
        let Some(noise) = pass.noise else {
            mask.set_rows(0);
            return;
        };
        if mask.cols() != y.cols() || mask.dtype() != y.dtype() {
            *mask = y.zeros_like();
        }
        mask.set_rows(y.rows());
        let mut rng = noise.child("dropout").at(self.stream);
        // 32 bits per entry are plenty for a probability.
        let threshold = (self.probability * 4_294_967_296.0) as u64;
        let keep = 1.0 / (1.0 - self.probability);
        dispatch!(y.dtype(), T => {
            for m in mask.as_mut_slice::<T>() {
                *m = T::of(if u64::from(rng.next_u32()) < threshold { 0.0 } else { keep });
            }
        });
        ops::mul_assign(y, mask);
    }

    fn error_back(&self, _y: &Tensor, mask: &Tensor, delta: &mut Tensor) {
        if mask.rows() > 0 {
            ops::mul_assign(delta, mask);
        }
    }

    fn homogeneous(&self) -> bool {
        true
    }
}

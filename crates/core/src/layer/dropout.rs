//! Inverted dropout: `h = m z`, m = 1/(1 - p) with probability 1 - p, otherwise 0, drawn anew for every entry and training
//! step; the identity in evaluation. Srivastava et al., JMLR 15 (2014). The mask is linear, so the balance identity
//! holds across it.

use super::{Description, Pass, Pointwise};
use crate::registry::{Allowed, Opt};
use realign_tensor::{Element, Par, Rng, Tensor, dispatch, ops};

pub(super) const DESCRIPTION: Description = Description {
    name: "dropout",
    summary: "Sets entries to zero at random in training, keeping the mean.",
    formula: "h = m z, m ∈ {0, 1/(1-p)}",
    options: &[Opt {
        name: "dropout",
        default: "0.0",
        meaning: "p, after every hidden activation of an mlp",
        allowed: Allowed::BELOW_ONE,
    }],
};

/// Entries of the mask that one thread draws at a time: a draw costs several times an entry of arithmetic.
const RUN: usize = 16 * 1024;

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

    fn stream(&self, noise: &Rng) -> Rng {
        noise.child("dropout").at(self.stream)
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
        let rng = self.stream(noise);
        // 32 bits per entry are plenty for a probability.
        let threshold = (self.probability * 4_294_967_296.0) as u64;
        let keep = 1.0 / (1.0 - self.probability);
        dispatch!(y.dtype(), T => {
            pass.par.each_stretch(mask.as_mut_slice::<T>(), RUN, |start, mask| {
                let mut rng = rng.after(start as u64);
                for m in mask {
                    *m = T::of(if u64::from(rng.next_u32()) < threshold { 0.0 } else { keep });
                }
            });
        });
        ops::mul_assign(y, mask, pass.par);
    }

    fn error_back(&self, _y: &Tensor, mask: &Tensor, delta: &mut Tensor, par: Par) {
        if mask.rows() > 0 {
            ops::mul_assign(delta, mask, par);
        }
    }

    fn homogeneous(&self) -> bool {
        true
    }

    fn draws(&self, noise: &Rng) -> Option<Rng> {
        Some(self.stream(noise))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use realign_tensor::DType;

    /// One draw per entry in order, from the layer's own stream, whoever draws them.
    #[test]
    fn the_mask_is_one_stream_for_any_number_of_threads() {
        let (rows, cols, stream) = (5, RUN / 2 + 3, 7);
        let noise = Rng::new(1).child("noise");
        let x = Rng::new(2).normal_tensor([rows, cols], 1.0, DType::F32);
        let mut draws = noise.child("dropout").at(stream);
        let kept = |_| f64::from(draws.next_u32()) >= 0.25 * 4_294_967_296.0;
        let want: Vec<f64> = (0..rows * cols)
            .map(kept)
            .zip(x.to_f64_vec())
            .map(|(k, v)| if k { v * f64::from(1.0f32 / 0.75) } else { 0.0 * v })
            .collect();
        for threads in [1, 2, 3, 5] {
            let (mut y, mut mask, par) = (x.clone(), Tensor::empty(DType::F32), Par::threads(threads));
            let layer = Dropout::new(0.25, stream);
            layer.forward(&mut y, &mut mask, Pass { par, noise: Some(&noise) });
            // One rounding of the product to f32.
            let rounded: Vec<f64> = want.iter().map(|v| f64::from(*v as f32)).collect();
            assert_eq!(y.to_f64_vec(), rounded, "{threads} threads");
            let mut delta = x.clone();
            layer.error_back(&y, &mask, &mut delta, par);
            assert_eq!(delta.to_f64_vec(), rounded, "{threads} threads");
        }
    }
}

//! Shortcut without parameters ("option A"): keeps every s-th row and column and puts channels of zeros around the old ones, so that an
//! image fits the next stage of a residual network: `h[c + c0, i, j] = z[c, i s, j s]`, c0 = (new - old) / 2. Linear.
//!
//! He, Zhang, Ren & Sun, CVPR 2016, section 4.2; the placement of the zeros is Idelbayev's (pytorch_resnet_cifar10), which BioTorch uses.

use super::{Description, Layer, Pass, Seen, image};
use realign_tensor::ops::{Accum, Planes, Window};
use realign_tensor::{Element, Par, Shape, Tensor, dispatch};

pub(super) const DESCRIPTION: Description = Description {
    name: "pad_shortcut",
    summary: "Shortcut without parameters: subsampled image between channels of zeros.",
    formula: "h[c + c₀, i, j] = z[c, i s, j s]",
    options: &[],
};

/// See the module's formula.
pub struct PadShortcut {
    planes: Planes,
    channels: usize,
}

impl PadShortcut {
    /// For examples of shape `input` (channels x height x width); `channels` of the output.
    ///
    /// # Errors
    /// If `input` is no image or has more channels than the output.
    pub fn new(input: Shape, channels: usize, stride: usize) -> Result<Self, String> {
        let (old, size) = image(input)?;
        if channels < old {
            return Err(format!("a shortcut cannot lose channels: {old} to {channels}"));
        }
        Ok(PadShortcut { planes: Planes::new(old, size, Window::square(1, stride, 0))?, channels })
    }

    /// Calls `f(index in the input, index in the output)` for every entry of one example that is copied.
    #[inline(always)]
    fn each(&self, mut f: impl FnMut(usize, usize)) {
        let (p, [h, w]) = (&self.planes, self.planes.out());
        let (first, s) = ((self.channels - p.channels) / 2, p.window.stride);
        for c in 0..p.channels {
            for i in 0..h {
                let (from, to) = ((c * p.size[0] + i * s) * p.size[1], ((c + first) * h + i) * w);
                (0..w).for_each(|j| f(from + j * s, to + j));
            }
        }
    }
}

impl Layer for PadShortcut {
    fn kind(&self) -> &'static str {
        "pad_shortcut"
    }

    fn output_shape(&self, input: Shape) -> Result<Shape, String> {
        super::pooled(&self.planes, input).map(|s| s.with_rows(self.channels))
    }

    fn padding(&self) -> [usize; 2] {
        let added = self.channels - self.planes.channels;
        [added / 2, added - added / 2]
    }

    fn forward(&self, x: &Tensor, y: &mut Tensor, _aux: &mut Tensor, pass: Pass<'_>) {
        let (xs, ys) = (x.cols(), y.cols());
        dispatch!(x.dtype(), T => {
            let x = x.as_slice::<T>();
            pass.par.each_run(y.as_mut_slice::<T>(), ys, |n, y| {
                let x = &x[n * xs..][..xs];
                y.fill(T::default());
                self.each(|from, to| y[to] = x[from]);
            });
        });
    }

    fn error_back(
        &self,
        _: Option<&Tensor>,
        _: Seen<'_>,
        delta: &Tensor,
        dx: &mut Tensor,
        accum: Accum,
        par: Par,
    ) {
        let (xs, ys) = (dx.cols(), delta.cols());
        dispatch!(delta.dtype(), T => {
            let delta = delta.as_slice::<T>();
            par.each_run(dx.as_mut_slice::<T>(), xs, |n, dx| {
                let delta = &delta[n * ys..][..ys];
                if accum == Accum::Replace {
                    dx.fill(T::of(0.0));
                }
                self.each(|from, to| dx[from] += delta[to]);
            });
        });
    }
}

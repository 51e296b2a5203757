//! Average pooling: `h[c,i,j] = sum over the window of z[c] / window area`; padding counts as zeros (PyTorch's default). Linear.

use super::{Description, Layer, Pass, Seen, image};
use realign_tensor::ops::{self, Accum, Planes, Window};
use realign_tensor::{Par, Shape, Tensor};

pub(super) const DESCRIPTION: Description = Description {
    name: "avg_pool",
    summary: "The mean of every window.",
    formula: "h[c,i,j] = mean over u, v of z[c, i s + u − p, j s + v − p]",
    options: &[],
};

/// See the module's formula.
pub struct AvgPool {
    planes: Planes,
}

impl AvgPool {
    /// For examples of shape `input` (channels x height x width).
    ///
    /// # Errors
    /// If `input` is no image or the window does not fit.
    pub fn new(input: Shape, window: Window) -> Result<Self, String> {
        let (channels, size) = image(input)?;
        Ok(AvgPool { planes: Planes::new(channels, size, window)? })
    }
}

impl Layer for AvgPool {
    fn kind(&self) -> &'static str {
        "avg_pool"
    }

    fn output_shape(&self, input: Shape) -> Result<Shape, String> {
        super::pooled(&self.planes, input)
    }

    fn forward(&self, x: &Tensor, y: &mut Tensor, _aux: &mut Tensor, pass: Pass<'_>) {
        ops::avg_pool(y, x, &self.planes, pass.par);
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
        ops::avg_pool_back(dx, accum, delta, &self.planes, par);
    }
}

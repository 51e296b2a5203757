//! Max pooling: `h[c,i,j] = max over the window of z[c]`, homogeneous of degree 1. The pass remembers where the maximum was found
//! (the first among equals), and the error goes there.

use super::{Description, Layer, Pass, Seen, image};
use realign_tensor::ops::{self, Accum, Planes, Window};
use realign_tensor::{Par, Shape, Tensor};

pub(super) const DESCRIPTION: Description = Description {
    name: "max_pool",
    summary: "The largest entry of every window.",
    formula: "h[c,i,j] = max over u, v of z[c, i s + u − p, j s + v − p]",
    options: &[],
};

/// See the module's formula.
pub struct MaxPool {
    planes: Planes,
}

impl MaxPool {
    /// For examples of shape `input` (channels x height x width).
    ///
    /// # Errors
    /// If `input` is no image, the window does not fit, or padding is more than half the kernel (a window could be empty).
    pub fn new(input: Shape, window: Window) -> Result<Self, String> {
        let (channels, size) = image(input)?;
        if window.kernel.iter().any(|k| 2 * window.padding > *k) {
            return Err(format!("padding {} is more than half the kernel", window.padding));
        }
        Ok(MaxPool { planes: Planes::new(channels, size, window)? })
    }
}

impl Layer for MaxPool {
    fn kind(&self) -> &'static str {
        "max_pool"
    }

    fn output_shape(&self, input: Shape) -> Result<Shape, String> {
        super::pooled(&self.planes, input)
    }

    fn forward(&self, x: &Tensor, y: &mut Tensor, arg: &mut Tensor, pass: Pass<'_>) {
        super::fit(arg, y.shape(), y.dtype());
        ops::max_pool(y, arg, x, &self.planes, pass.par);
    }

    fn error_back(
        &self,
        _: Option<&Tensor>,
        seen: Seen<'_>,
        delta: &Tensor,
        dx: &mut Tensor,
        accum: Accum,
        par: Par,
    ) {
        ops::max_pool_back(dx, accum, delta, seen.aux, &self.planes, par);
    }
}

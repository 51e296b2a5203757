//! Global average pooling: the mean of every channel, `h[c] = sum of z[c,:,:] / (height x width)`; an image becomes a vector of its
//! channels. Linear. Lin, Chen & Yan, ICLR 2014.

use super::{Description, Layer, Pass, Seen, image};
use realign_tensor::ops::{self, Accum, Planes, Window};
use realign_tensor::{Par, Shape, Tensor};

pub(super) const DESCRIPTION: Description = Description {
    name: "global_avg_pool",
    summary: "The mean of every channel.",
    formula: "h[c] = mean over i, j of z[c,i,j]",
    options: &[],
};

/// See the module's formula.
pub struct GlobalAvgPool {
    planes: Planes,
}

impl GlobalAvgPool {
    /// For examples of shape `input` (channels x height x width).
    ///
    /// # Errors
    /// If `input` is no image.
    pub fn new(input: Shape) -> Result<Self, String> {
        let (channels, size) = image(input)?;
        let window = Window { kernel: size, stride: 1, padding: 0 };
        Ok(GlobalAvgPool { planes: Planes::new(channels, size, window)? })
    }
}

impl Layer for GlobalAvgPool {
    fn kind(&self) -> &'static str {
        "global_avg_pool"
    }

    fn output_shape(&self, input: Shape) -> Result<Shape, String> {
        super::pooled(&self.planes, input).map(|_| Shape::new(&[self.planes.channels]))
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

//! Convolution of images channels x height x width with filters outputs x channels/groups x kernel height x kernel width (PyTorch's
//! shapes): `z[o,i,j] = b[o] + sum of W[o,c,u,v] x[c, i s + u - p, j s + v - p]`.
//!
//! A unit is an output channel: its row W[o,:] holds the filter taps. Error at the input carried by M in the shape of W: the transposed
//! convolution of delta with M. Update directions: `G[o,c,u,v] = sum of delta[o,i,j] x[c, i s + u - p, j s + v - p]` over
//! examples and pixels, `g_b[o] = sum of delta[o,:,:]`. fan_in = channels/groups x kernel area, fan_out = outputs x kernel
//! area, as PyTorch counts them. No dilation, no padding but zeros.

use super::{Description, Layer, Pass, Seen, image};
use crate::registry::{Allowed, Opt};
use realign_tensor::ops::{self, Accum, ConvShape, Window};
use realign_tensor::{DType, Par, Shape, SliceMut, Tensor};
use std::ops::Range;

pub(super) const DESCRIPTION: Description = Description {
    name: "conv2d",
    summary: "Convolution of images with learned filters.",
    formula: "z[o,i,j] = b[o] + Σ W[o,c,u,v] x[c, i s + u − p, j s + v − p]",
    options: &[Opt { name: "bias", default: "true", meaning: "whether b is there", allowed: Allowed::Flag }],
};

/// See the module's formula.
pub struct Conv2d {
    shape: ConvShape,
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Conv2d {
    /// Zero filters for examples of shape `input` (channels x height x width); initialisers fill them.
    ///
    /// # Errors
    /// If `input` is no image, the kernel does not fit, or `groups` does not divide the channels at both ends.
    pub fn new(
        input: Shape,
        outputs: usize,
        window: Window,
        groups: usize,
        bias: bool,
        dtype: DType,
    ) -> Result<Self, String> {
        let (channels, size) = image(input)?;
        let shape = ConvShape::new(channels, size, outputs, window, groups)?;
        Ok(Conv2d {
            shape,
            weight: Tensor::zeros(shape.weight(), dtype),
            bias: bias.then(|| Tensor::zeros([outputs], dtype)),
        })
    }

    /// Its geometry.
    pub fn shape(&self) -> &ConvShape {
        &self.shape
    }
}

impl Layer for Conv2d {
    fn kind(&self) -> &'static str {
        "conv2d"
    }

    fn output_shape(&self, input: Shape) -> Result<Shape, String> {
        let p = self.shape.planes();
        if image(input)? == (p.channels, p.size) {
            Ok(Shape::new(&[self.shape.outputs(), p.out()[0], p.out()[1]]))
        } else {
            Err(format!("convolution reads {}x{}x{}, got {input}", p.channels, p.size[0], p.size[1]))
        }
    }

    fn forward(&self, x: &Tensor, y: &mut Tensor, _aux: &mut Tensor, pass: Pass<'_>) {
        ops::conv2d(y, x, &self.weight, self.bias.as_ref(), &self.shape, pass.par);
    }

    fn error_back(
        &self,
        weight: Option<&Tensor>,
        _: Seen<'_>,
        delta: &Tensor,
        dx: &mut Tensor,
        accum: Accum,
        par: Par,
    ) {
        let weight = weight.expect("conv2d error_back needs a carrying matrix");
        ops::conv2d_back(dx, accum, delta, weight, &self.shape, par);
    }

    fn weight_grad(&self, seen: Seen<'_>, delta: &Tensor, rows: Range<usize>, g: SliceMut<'_>, par: Par) {
        ops::conv2d_weight_grad(g, delta, seen.x, rows, &self.shape, par);
    }

    /// Every block would make the column matrices of the whole batch anew.
    fn block_rows(&self, _rows: usize, _cols: usize) -> usize {
        self.shape.outputs()
    }

    fn bias_grad(&self, _: Seen<'_>, delta: &Tensor, g: &mut Tensor, par: Par) {
        super::channel_bias_grad(delta, g, par);
    }

    fn weight(&self) -> Option<&Tensor> {
        Some(&self.weight)
    }

    fn bias(&self) -> Option<&Tensor> {
        self.bias.as_ref()
    }

    fn params_mut(&mut self) -> (Option<&mut Tensor>, Option<&mut Tensor>) {
        (Some(&mut self.weight), self.bias.as_mut())
    }

    fn fans(&self) -> (usize, usize) {
        let [outputs, channels, h, w] = self.shape.weight();
        (channels * h * w, outputs * h * w)
    }
}

//! Dense layer: `z = W x + b`, W outputs x inputs. Trailing extents of the input are read as one.
//!
//! Error at the input carried by M in the shape of W: `dx = Mᵀ delta`. Update directions, the mean over the batch being in
//! delta already: `G = delta xᵀ`, `g_b = sum of delta`.

use super::{Description, Layer, Pass, Seen};
use crate::registry::{Allowed, Opt};
use realign_tensor::ops::{self, Accum};
use realign_tensor::{DType, Par, Shape, SliceMut, Tensor};
use std::ops::Range;

pub(super) const DESCRIPTION: Description = Description {
    name: "dense",
    summary: "Every output reads every input.",
    formula: "z = W x + b",
    options: &[Opt { name: "bias", default: "true", meaning: "whether b is there", allowed: Allowed::Flag }],
};

/// See the module's formula.
pub struct Dense {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Dense {
    /// Zero weights of shape outputs x inputs; initialisers fill them.
    pub fn new(inputs: usize, outputs: usize, bias: bool, dtype: DType) -> Self {
        Dense {
            weight: Tensor::zeros([outputs, inputs], dtype),
            bias: bias.then(|| Tensor::zeros([outputs], dtype)),
        }
    }
}

impl Layer for Dense {
    fn kind(&self) -> &'static str {
        "dense"
    }

    fn output_shape(&self, input: Shape) -> Result<Shape, String> {
        if input.numel() == self.weight.cols() {
            Ok(Shape::new(&[self.weight.rows()]))
        } else {
            Err(format!("dense layer reads {} inputs, got {} ({input})", self.weight.cols(), input.numel()))
        }
    }

    fn forward(&self, x: &Tensor, y: &mut Tensor, _aux: &mut Tensor, pass: Pass<'_>) {
        ops::affine(y, x, &self.weight, self.bias.as_ref(), pass.par);
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
        ops::matmul_nn(dx, accum, delta, weight.expect("dense error_back needs a carrying matrix"), par);
    }

    fn weight_grad(&self, seen: Seen<'_>, delta: &Tensor, rows: Range<usize>, g: SliceMut<'_>, par: Par) {
        ops::matmul_tn_rows(g, delta, seen.x, rows, par);
    }

    fn add_weight_grad(
        &self,
        w: SliceMut<'_>,
        alpha: f64,
        seen: Seen<'_>,
        delta: &Tensor,
        rows: Range<usize>,
        smallest: usize,
    ) -> bool {
        ops::add_outer(w, alpha, delta, seen.x, rows, smallest)
    }

    fn bias_grad(&self, _: Seen<'_>, delta: &Tensor, g: &mut Tensor, par: Par) {
        ops::col_sums(delta, g, par);
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
        (self.weight.cols(), self.weight.rows())
    }
}

/*!
Convolution. Images are examples x channels x height x width, filters outputs x channels/groups x kernel height x kernel width, as in
PyTorch; what is called convolution is the cross-correlation

```text
y[o, i, j] = b[o] + sum over c, u, v of w[o, c, u, v] x[c, i s + u - p, j s + v - p],
```

zero outside the image. Direct kernels serve f32 on processors with AVX-512 or AVX2, column matrices everything else; which one it is, and
everything about the order of its sums, follows from processor and shapes alone, so the bits do not depend on the number of threads.
*/

mod direct;
mod direct_back;
mod direct_grad;
mod frame;
mod im2col;
mod kernel;
mod send_back;
mod turn;

use super::{Accum, Planes, Window};
use crate::{DType, Par, SliceMut, Tensor};
pub(super) use kernel::Isa;
use std::ops::Range;

/// Elements of all partial sums of one update direction.
const PARTIALS: usize = 1 << 19;
/// Most groups of examples summed side by side.
const PARTS: usize = 8;

/// Into how many groups the examples of an update direction of so many entries fall.
fn parts(len: usize, examples: usize) -> usize {
    (PARTIALS / len.max(1)).clamp(1, PARTS).min(examples.max(1))
}

/// Geometry of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvShape {
    planes: Planes,
    outputs: usize,
    groups: usize,
}

impl ConvShape {
    /// Checks that everything fits.
    ///
    /// # Errors
    /// If the kernel does not fit into the image, or `groups` does not divide the channels at both ends.
    pub fn new(
        channels: usize,
        size: [usize; 2],
        outputs: usize,
        window: Window,
        groups: usize,
    ) -> Result<Self, String> {
        let planes = Planes::new(channels, size, window)?;
        let divides = |n: usize| groups > 0 && n.is_multiple_of(groups);
        if outputs == 0 || !divides(channels) || !divides(outputs) {
            return Err(format!(
                "groups must divide channels ({channels}) and outputs ({outputs}), got {groups}"
            ));
        }
        Ok(ConvShape { planes, outputs, groups })
    }

    /// Input planes and window.
    pub fn planes(&self) -> &Planes {
        &self.planes
    }

    /// Output channels.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Groups.
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// Shape of the filters.
    pub fn weight(&self) -> [usize; 4] {
        let [h, w] = self.planes.window.kernel;
        [self.outputs, self.planes.channels / self.groups, h, w]
    }

    /// Taps of one output: channels/groups x kernel height x kernel width.
    fn taps(&self) -> usize {
        self.weight()[1..].iter().product()
    }

    fn in_len(&self) -> usize {
        self.planes.channels * self.planes.area()
    }

    fn out_len(&self) -> usize {
        self.outputs * self.planes.out_area()
    }

    #[track_caller]
    fn check(&self, what: &str, x: &Tensor, y: &Tensor, weight_len: usize) {
        assert!(
            x.cols() == self.in_len()
                && y.cols() == self.out_len()
                && x.rows() == y.rows()
                && weight_len == self.outputs * self.taps(),
            "{what}: images {:?}, outputs {:?}, {weight_len} filter taps for {self:?}",
            x.shape(),
            y.shape()
        );
    }

    /// Input elements of one group.
    fn group_in(&self) -> usize {
        self.in_len() / self.groups
    }
}

/// The instructions of the direct kernels, if they serve this convolution.
fn direct(dtype: DType, s: &ConvShape) -> Option<Isa> {
    // A window of one pixel has no overlap to gain from: it is a plain product.
    let served = dtype == DType::F32 && s.planes.window.kernel != [1, 1];
    Isa::all().next().filter(|_| served)
}

/// `y = w * x + bias` for every example.
///
/// # Panics
/// If a tensor does not fit `shape`.
#[track_caller]
pub fn conv2d(y: &mut Tensor, x: &Tensor, w: &Tensor, bias: Option<&Tensor>, shape: &ConvShape, par: Par) {
    shape.check("conv2d", x, y, w.numel());
    if let Some(isa) = direct(x.dtype(), shape) {
        let bias = bias.map(Tensor::as_slice);
        return direct::forward(isa, y.as_mut_slice(), x.as_slice(), w.as_slice(), bias, shape, par);
    }
    crate::dispatch!(x.dtype(), T => {
        let bias = bias.map(Tensor::as_slice::<T>);
        im2col::forward(y.as_mut_slice::<T>(), x.as_slice(), w.as_slice(), bias, shape, par);
    });
}

/// The error at the input, carried by `w`: every tap sends its output's error back to the pixel that it read.
///
/// # Panics
/// If a tensor does not fit `shape`.
#[track_caller]
pub fn conv2d_back(dx: &mut Tensor, accum: Accum, delta: &Tensor, w: &Tensor, shape: &ConvShape, par: Par) {
    shape.check("conv2d_back", dx, delta, w.numel());
    if let Some(isa) = direct(delta.dtype(), shape) {
        return direct_back::back(isa, dx.as_mut_slice(), accum, delta.as_slice(), w.as_slice(), shape, par);
    }
    crate::dispatch!(delta.dtype(), T => {
        im2col::back(dx.as_mut_slice::<T>(), accum, delta.as_slice(), w.as_slice(), shape, par);
    });
}

/// Rows `rows` of the update direction, G = sum over examples and pixels of delta x', into `g` (rows.len() x taps).
///
/// # Panics
/// If a tensor does not fit `shape`.
#[track_caller]
pub fn conv2d_weight_grad(
    g: SliceMut<'_>,
    delta: &Tensor,
    x: &Tensor,
    rows: Range<usize>,
    shape: &ConvShape,
    par: Par,
) {
    shape.check("conv2d_weight_grad", x, delta, shape.outputs * shape.taps());
    assert!(
        rows.end <= shape.outputs && g.len() == rows.len() * shape.taps(),
        "conv2d_weight_grad: rows {rows:?} into {}",
        g.len()
    );
    let of = (x.rows(), rows);
    if let Some(isa) = direct(x.dtype(), shape) {
        return direct_grad::weight_grad(isa, g.get(), delta.as_slice(), x.as_slice(), of, shape, par);
    }
    crate::dispatch!(x.dtype(), T => {
        im2col::weight_grad(g.get::<T>(), delta.as_slice(), x.as_slice(), of, shape, par);
    });
}

#[cfg(test)]
mod tests;

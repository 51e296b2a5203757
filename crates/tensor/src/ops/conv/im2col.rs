/*!
Convolution as products with column matrices (im2col; Chellapilla, Puri & Simard 2006), for what the direct kernels do not serve: f64, processors
without their instructions, windows of one pixel.

For a block of output rows the taps of every output pixel are copied into a column matrix (c u v) x (i j), which stays in
the cache; then y = w col, dcol = w' delta scattered back, G = delta col'. Blocks and the groups of examples that share a partial sum follow from
shapes alone, so the bits do not depend on the number of threads.
*/

use super::{ConvShape, parts};
use crate::ops::{Accum, MatMut, MatRef, Window, gemm, with_scratch, zip_each};
use crate::{Element, Par};
use std::ops::Range;

/// Elements of one column matrix: it shares the second-level cache with the product's own buffers.
const COLUMNS: usize = 48 * 1024;

impl ConvShape {
    /// Output rows of one column matrix.
    fn rows(&self) -> usize {
        let [height, width] = self.planes.out();
        (COLUMNS / (self.taps() * width)).clamp(1, height)
    }

    /// A window that is the pixel itself: the image is its own column matrix.
    fn pointwise(&self) -> bool {
        self.planes.window == Window::square(1, 1, 0)
    }

    /// Walks groups and blocks of output rows of one example, with room for the column matrix of a block.
    fn blocks<T: Element>(&self, mut f: impl FnMut(Block, &mut [T])) {
        let [height, width] = self.planes.out();
        let rows = if self.pointwise() { height } else { self.rows() };
        let room = if self.pointwise() { 0 } else { self.taps() * rows * width };
        with_scratch(room, |col| {
            for group in 0..self.groups {
                for start in (0..height).step_by(rows) {
                    let rows = start..(start + rows).min(height);
                    let pixels = rows.len() * width;
                    let used = if room == 0 { 0 } else { self.taps() * pixels };
                    f(Block { group, first: start * width, pixels, rows }, &mut col[..used]);
                }
            }
        });
    }
}

/// Some output rows of one group.
struct Block {
    group: usize,
    rows: Range<usize>,
    first: usize,
    pixels: usize,
}

/// `y = w * x + bias` for every example.
pub(super) fn forward<T: Element>(
    y: &mut [T],
    x: &[T],
    w: &[T],
    bias: Option<&[T]>,
    s: &ConvShape,
    par: Par,
) {
    let (i, o) = (s.in_len(), s.out_len());
    par.each_run(y, o, |n, y| forward_one(y, &x[n * i..][..i], w, bias, s));
}

fn forward_one<T: Element>(y: &mut [T], x: &[T], w: &[T], bias: Option<&[T]>, s: &ConvShape) {
    let (area, taps, outputs) = (s.planes.out_area(), s.taps(), s.outputs / s.groups);
    if let Some(bias) = bias {
        y.chunks_exact_mut(area).zip(bias).for_each(|(y, &b)| y.fill(b));
    }
    let accum = if bias.is_some() { Accum::Add } else { Accum::Replace };
    s.blocks(|b, col: &mut [T]| {
        let col = column_matrix(col, x, s, &b);
        gemm(
            MatMut::with_row_stride(&mut y[b.group * outputs * area + b.first..], outputs, b.pixels, area),
            accum,
            MatRef::new(&w[b.group * outputs * taps..], outputs, taps),
            MatRef::new(col, taps, b.pixels),
            1.0,
            Par::Seq,
        );
    });
}

/// The error at the input, carried by `w`.
pub(super) fn back<T: Element>(dx: &mut [T], accum: Accum, delta: &[T], w: &[T], s: &ConvShape, par: Par) {
    let (i, o) = (s.in_len(), s.out_len());
    par.each_run(dx, i, |n, dx| {
        if accum == Accum::Replace {
            dx.fill(T::default());
        }
        back_one(dx, &delta[n * o..][..o], w, s);
    });
}

fn back_one<T: Element>(dx: &mut [T], delta: &[T], w: &[T], s: &ConvShape) {
    let (area, taps, outputs) = (s.planes.out_area(), s.taps(), s.outputs / s.groups);
    s.blocks(|b, col: &mut [T]| {
        let dx = &mut dx[b.group * s.group_in()..][..s.group_in()];
        let w = MatRef::new(&w[b.group * outputs * taps..], outputs, taps).t();
        let delta =
            MatRef::with_row_stride(&delta[b.group * outputs * area + b.first..], outputs, b.pixels, area);
        if s.pointwise() {
            gemm(MatMut::new(dx, taps, b.pixels), Accum::Add, w, delta, 1.0, Par::Seq);
        } else {
            gemm(MatMut::new(col, taps, b.pixels), Accum::Replace, w, delta, 1.0, Par::Seq);
            scatter(dx, col, s, &b);
        }
    });
}

/// Rows `rows` of G into `g`.
pub(super) fn weight_grad<T: Element>(
    g: &mut [T],
    delta: &[T],
    x: &[T],
    (examples, rows): (usize, Range<usize>),
    s: &ConvShape,
    par: Par,
) {
    let parts = parts(g.len(), examples);
    let (i, o) = (s.in_len(), s.out_len());
    let sum = |part: usize, g: &mut [T], par: Par| {
        g.fill(T::default());
        for n in part * examples / parts..(part + 1) * examples / parts {
            weight_grad_one(g, &delta[n * o..][..o], &x[n * i..][..i], &rows, s, par);
        }
    };
    if parts == 1 {
        return sum(0, g, par);
    }
    with_scratch(parts * g.len(), |partial| {
        par.each_run(partial, g.len(), |part, g| sum(part, g, Par::Seq));
        g.copy_from_slice(&partial[..g.len()]);
        for more in partial.chunks_exact(g.len()).skip(1) {
            zip_each(
                g,
                more,
                #[inline(always)]
                |a, b| a + b,
            );
        }
    });
}

fn weight_grad_one<T: Element>(
    g: &mut [T],
    delta: &[T],
    x: &[T],
    rows: &Range<usize>,
    s: &ConvShape,
    par: Par,
) {
    let (area, taps, outputs) = (s.planes.out_area(), s.taps(), s.outputs / s.groups);
    s.blocks(|b, col: &mut [T]| {
        let own = (b.group * outputs).max(rows.start)..((b.group + 1) * outputs).min(rows.end);
        if own.is_empty() {
            return;
        }
        let col = column_matrix(col, x, s, &b);
        gemm(
            MatMut::new(&mut g[(own.start - rows.start) * taps..], own.len(), taps),
            Accum::Add,
            MatRef::with_row_stride(&delta[own.start * area + b.first..], own.len(), b.pixels, area),
            MatRef::new(col, taps, b.pixels).t(),
            1.0,
            par,
        );
    });
}

/// What a block's output pixels see, taps x pixels; for 1x1 windows that is its group of channels of the example `x` itself.
fn column_matrix<'a, T: Element>(col: &'a mut [T], x: &'a [T], s: &ConvShape, b: &Block) -> &'a [T] {
    let x = &x[b.group * s.group_in()..][..s.group_in()];
    if s.pointwise() {
        return x;
    }
    gather(col, x, s, b);
    col
}

/// Copies the taps of a block's output pixels into the column matrix, zeros where the window leaves the image.
fn gather<T: Element>(col: &mut [T], x: &[T], s: &ConvShape, b: &Block) {
    let (stride, width) = (s.planes.window.stride, s.planes.size[1]);
    each_tap(s, b, |channel, row, at, columns, tap| {
        let line = &mut col[at];
        let Some(row) = row else { return line.fill(T::default()) };
        let (before, rest) = line.split_at_mut(columns.start);
        let (inside, after) = rest.split_at_mut(columns.len());
        before.fill(T::default());
        after.fill(T::default());
        if inside.is_empty() {
            return;
        }
        let x = &x[channel * s.planes.area() + row * width..][..width];
        let x = &x[columns.start * stride + tap - s.planes.window.padding..];
        if stride == 1 {
            inside.copy_from_slice(&x[..inside.len()]);
        } else {
            inside.iter_mut().zip(x.iter().step_by(stride)).for_each(|(c, &x)| *c = x);
        }
    });
}

/// The transpose of [`gather`]: adds every entry of the column matrix to the pixel that it came from.
fn scatter<T: Element>(dx: &mut [T], col: &[T], s: &ConvShape, b: &Block) {
    let (stride, width) = (s.planes.window.stride, s.planes.size[1]);
    each_tap(s, b, |channel, row, at, columns, tap| {
        let Some(row) = row.filter(|_| !columns.is_empty()) else { return };
        let inside = &col[at][columns.clone()];
        let dx = &mut dx[channel * s.planes.area() + row * width..][..width];
        let dx = &mut dx[columns.start * stride + tap - s.planes.window.padding..];
        if stride == 1 {
            dx.iter_mut().zip(inside).for_each(|(d, &c)| *d += c);
        } else {
            dx.iter_mut().step_by(stride).zip(inside).for_each(|(d, &c)| *d += c);
        }
    });
}

/// Calls `f(channel, input row if inside, run of the column matrix, output columns inside, tap's column)` for every tap and
/// output row of the block.
#[inline(always)]
fn each_tap(
    s: &ConvShape,
    b: &Block,
    mut f: impl FnMut(usize, Option<usize>, Range<usize>, Range<usize>, usize),
) {
    let [_, channels, kh, kw] = s.weight();
    let (p, width) = (&s.planes, s.planes.out()[1]);
    let mut at = 0;
    for channel in 0..channels {
        for u in 0..kh {
            for v in 0..kw {
                let columns = p.columns(v);
                for o in b.rows.clone() {
                    let row =
                        (o * p.window.stride + u).checked_sub(p.window.padding).filter(|r| *r < p.size[0]);
                    f(channel, row, at..at + width, columns.clone(), v);
                    at += width;
                }
            }
        }
    }
}

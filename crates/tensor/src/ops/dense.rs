/*!
The products of a dense layer, arranged for the kernel: `y = x Wᵀ + b`, `dx = delta W`, `G = deltaᵀ x`, `W = W + alpha deltaᵀ x`.

The library's kernel packs the operand that runs along the destination's contiguous side and streams the other one. Made directly, `y` would have
all of W turned and packed for a batch that uses it a few dozen times only; so strips of `yᵀ` are made in a small buffer, for
which W streams as it lies in memory, and are turned around while they are in cache. The errors of an update are turned, a part at a time, since those of one
unit lie as far apart as the layer is wide: a page, for a wide one. On AVX2 tiles of our own ([`super::panels`]) take the kernel's place. Products shared by
threads are cut into the same parts for every number of threads. Nothing of this changes the order in which anything is added: the bits are those of the plain
products (asserted by tests here).
*/

use super::conv::Isa;
use super::matmul::{Accum, DEPTH, MatMut, MatRef, gemm, matmul_nt};
use super::panels::{self, Panels};
use super::transpose::transpose;
use super::{add_bias, with_scratch};
use crate::{Element, Par, SliceMut, Tensor};
use std::ops::Range;

/// Elements of the largest strip kept between a product and the turn: a quarter of a MiB in f32.
const STRIP: usize = 64 * 1024;

/// Elements of the errors that are turned at a time.
const TURNED: usize = 32 * 1024;

/// Columns of a weight that are packed at a time: with [`DEPTH`] rows, 192 KiB in f32.
const BLOCK: usize = 96;

/// Fewest examples for which our own tiles pay where the weight passes by once: with fewer, packing takes too much of the time.
const MANY: usize = 32;

/// Fewest outputs for which turning pays.
const WIDE: usize = 64;

/// The kernel serves products of at most this many multiply-adds by other code, which may add in another order.
const SMALL: usize = 16 * 16 * 16;

/// `y = x wᵀ + b`. x is examples x inputs, w outputs x inputs, b outputs, y examples x outputs.
///
/// # Panics
/// If the shapes do not chain.
#[track_caller]
pub fn affine(y: &mut Tensor, x: &Tensor, w: &Tensor, bias: Option<&Tensor>, par: Par) {
    let (n, i, o) = (x.rows(), x.cols(), w.rows());
    assert!(
        w.cols() == i && y.rows() == n && y.cols() == o && bias.is_none_or(|b| b.numel() == o),
        "affine: {:?} = {:?} * {:?}ᵀ + {:?}",
        y.shape(),
        x.shape(),
        w.shape(),
        bias.map(Tensor::shape)
    );
    // No strip has fewer than 16 outputs, and none may fall to the kernel's other code.
    if o < WIDE || n < 2 || i < 2 || n * i * 16 <= SMALL {
        matmul_nt(y, x, w, Par::Seq);
        if let Some(b) = bias {
            add_bias(y, b, par);
        }
        return;
    }
    crate::dispatch!(x.dtype(), T => {
        let y = MatMut::new(y.as_mut_slice::<T>(), n, o);
        let (x, w) = (MatRef::new(x.as_slice::<T>(), n, i), MatRef::new(w.as_slice::<T>(), o, w.cols()));
        with_rhs(x.t(), n >= MANY, par, |x| affine_part(y, x, w, bias.map(Tensor::as_slice), 0..parts(o, n), par));
    });
}

/// In how many parts a product with `width` outputs is made: even, so that two threads share them evenly, and none narrower than 16.
fn parts(width: usize, examples: usize) -> usize {
    (width * examples).div_ceil(STRIP).min(width / 32).max(1).next_multiple_of(2)
}

/// The right-hand side of several products.
#[derive(Clone, Copy)]
enum Rhs<'a, T> {
    Plain(MatRef<'a, T>),
    Packed(Panels<'a, T>),
}

/// Hands `b` on as those want it who make the products on this processor; packed only if that pays.
fn with_rhs<T: Element, R>(b: MatRef<'_, T>, pays: bool, par: Par, f: impl FnOnce(Rhs<'_, T>) -> R) -> R {
    if pays && panels::usable() { Panels::with(b, par, |b| f(Rhs::Packed(b))) } else { f(Rhs::Plain(b)) }
}

impl<T: Element> Rhs<'_, T> {
    /// `c = alpha a self`, or added.
    fn times(self, c: MatMut<'_, T>, accum: Accum, a: MatRef<'_, T>, alpha: f64) {
        match self {
            Rhs::Plain(b) => gemm(c, accum, a, b, alpha, Par::Seq),
            Rhs::Packed(b) => panels::product(c, accum, a, b, alpha),
        }
    }
}

/// Makes the strips `range` of all `parts`, `y` being just their columns.
fn affine_part<T: Element>(
    y: MatMut<'_, T>,
    x: Rhs<'_, T>,
    w: MatRef<'_, T>,
    bias: Option<&[T]>,
    range: Range<usize>,
    par: Par,
) {
    let ((n, _), (o, _)) = (y.shape(), w.shape());
    let count = parts(o, n);
    let cut = |part: usize| part * o / count;
    if range.len() > 1 {
        let mid = range.start + range.len() / 2;
        let (left, right) = y.split_cols(cut(mid) - cut(range.start));
        let (a, b) = (range.start..mid, mid..range.end);
        return par.join(|| affine_part(left, x, w, bias, a, par), || affine_part(right, x, w, bias, b, par));
    }
    let rows = cut(range.start)..cut(range.end);
    with_scratch(rows.len() * n, |strip: &mut [T]| {
        x.times(MatMut::new(strip, rows.len(), n), Accum::Replace, w.rows_part(rows.clone()), 1.0);
        transpose(y, MatRef::new(strip, rows.len(), n), bias.map(|b| &b[rows]));
    });
}

/// `dx = delta w` or added: the error carried back through `w`. delta is examples x outputs.
///
/// # Panics
/// If the shapes do not chain.
#[track_caller]
pub fn matmul_nn(dx: &mut Tensor, accum: Accum, delta: &Tensor, w: &Tensor, par: Par) {
    let (n, o, i) = (delta.rows(), delta.cols(), w.cols());
    crate::dispatch!(delta.dtype(), T => {
        let dx = MatMut::new(dx.as_mut_slice::<T>(), n, i);
        let (delta, w) = (MatRef::new(delta.as_slice::<T>(), n, o), MatRef::new(w.as_slice::<T>(), w.rows(), i));
        // As in `affine`: no part may fall to the kernel's other code.
        if i < WIDE || n < 2 || o < 2 || n * o * 16 <= SMALL {
            gemm(dx, accum, delta, w, 1.0, Par::Seq);
        } else {
            back_part(dx, accum, delta, w, parts(i, n), par);
        }
    });
}

fn back_part<T: Element>(
    dx: MatMut<'_, T>,
    accum: Accum,
    delta: MatRef<'_, T>,
    w: MatRef<'_, T>,
    parts: usize,
    par: Par,
) {
    let (_, cols) = dx.shape();
    if parts == 1 {
        return back_leaf(dx, accum, delta, w);
    }
    let half = parts / 2;
    // Whole vectors on the left; rounding down leaves at least 16 columns on either side.
    let mid = half * cols / parts / 16 * 16;
    let ((a, b), (v, w)) = (dx.split_cols(mid), w.split_cols(mid));
    par.join(
        || back_part(a, accum, delta, v, half, par),
        || back_part(b, accum, delta, w, parts - half, par),
    );
}

/// Some columns of the error, by blocks of `w` that stay in the cache.
fn back_leaf<T: Element>(mut dx: MatMut<'_, T>, accum: Accum, delta: MatRef<'_, T>, w: MatRef<'_, T>) {
    if delta.shape().0 < MANY || !panels::usable() {
        return gemm(dx, accum, delta, w, 1.0, Par::Seq);
    }
    let (terms, cols) = w.shape();
    for k in (0..terms).step_by(DEPTH) {
        let (k_end, accum) = (terms.min(k + DEPTH), if k == 0 { accum } else { Accum::Add });
        for col in (0..cols).step_by(BLOCK) {
            let range = col..cols.min(col + BLOCK);
            Panels::with(w.rows_part(k..k_end).cols_part(range.clone()), Par::Seq, |w| {
                panels::product(dx.cols_part(range), accum, delta.cols_part(k..k_end), w, 1.0);
            });
        }
    }
}

/// Rows `rows` of `deltaᵀ x`, the update direction of these units, into `g` (rows.len() x inputs).
///
/// # Panics
/// If the shapes do not chain.
#[track_caller]
pub fn matmul_tn_rows(g: SliceMut<'_>, delta: &Tensor, x: &Tensor, rows: Range<usize>, par: Par) {
    crate::dispatch!(delta.dtype(), T => outer(g.get::<T>(), Accum::Replace, 1.0, delta, x, rows, par));
}

/// Adds `alpha` times rows `rows` of `deltaᵀ x` to `w` (rows.len() x inputs), without making them first.
///
/// The bits are those of [`matmul_tn_rows`] in blocks of at least `smallest` rows followed by `w = w + alpha g`. Where that cannot be promised
/// (very small products, more than 512 examples, processors served by another kernel) nothing is done and the answer is false.
///
/// # Panics
/// If the shapes do not chain.
#[track_caller]
pub fn add_outer(
    w: SliceMut<'_>,
    alpha: f64,
    delta: &Tensor,
    x: &Tensor,
    rows: Range<usize>,
    smallest: usize,
) -> bool {
    let (n, i) = (x.rows(), x.cols());
    let smallest = smallest.min(rows.len());
    let promised = known_kernel() && smallest > 1 && i > 1 && (2..=DEPTH).contains(&n);
    if !promised || smallest * i * n <= SMALL {
        return false;
    }
    crate::dispatch!(delta.dtype(), T => outer(w.get::<T>(), Accum::Add, alpha, delta, x, rows, Par::Seq));
    true
}

/// Whether products are made by the kernel that rounds `alpha * sum` before it adds it to the destination.
fn known_kernel() -> bool {
    Isa::all().next().is_some()
}

#[track_caller]
fn outer<T: Element>(
    g: &mut [T],
    accum: Accum,
    alpha: f64,
    delta: &Tensor,
    x: &Tensor,
    rows: Range<usize>,
    par: Par,
) {
    let (n, o, i) = (delta.rows(), delta.cols(), x.cols());
    assert!(rows.start <= rows.end && rows.end <= o, "deltaᵀ x: rows {rows:?} of {o}");
    let d = &delta.as_slice::<T>()[rows.start.min(n * o)..];
    let delta = MatRef::with_row_stride(d, n, rows.len(), o);
    let x = MatRef::new(x.as_slice::<T>(), x.rows(), i);
    // No part has fewer than 16 rows if there are as many, and none may fall to the kernel's other code.
    if n < 2 || i < 2 || rows.len().min(16) * i * n <= SMALL {
        return gemm(MatMut::new(g, rows.len(), i), accum, delta.t(), x, alpha, par);
    }
    let parts = (rows.len() * n).div_ceil(TURNED).min(rows.len() / 16).max(1);
    with_rhs(x, true, par, |x| Outer { delta, x, accum, alpha, parts }.make(g, i, 0..parts, par));
}

/// An update direction in parts of rows, for each of which the errors are turned, so that those of one unit lie side by side.
struct Outer<'a, T> {
    delta: MatRef<'a, T>,
    x: Rhs<'a, T>,
    accum: Accum,
    alpha: f64,
    parts: usize,
}

impl<T: Element> Outer<'_, T> {
    fn cut(&self, part: usize) -> usize {
        part * self.delta.shape().1 / self.parts
    }

    fn make(&self, g: &mut [T], cols: usize, range: Range<usize>, par: Par) {
        let rows = self.cut(range.start)..self.cut(range.end);
        if range.len() > 1 {
            let mid = range.start + range.len() / 2;
            let (a, b) = g.split_at_mut((self.cut(mid) - rows.start) * cols);
            let (left, right) = (range.start..mid, mid..range.end);
            return par.join(|| self.make(a, cols, left, par), || self.make(b, cols, right, par));
        }
        let (n, len) = (self.delta.shape().0, rows.len());
        with_scratch(len * n, |turned| {
            transpose(MatMut::new(turned, len, n), self.delta.cols_part(rows), None);
            self.x.times(MatMut::new(g, len, cols), self.accum, MatRef::new(turned, len, n), self.alpha);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DType, Rng};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, rng_seed: proptest::test_runner::RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default() })]

        /// Strips, turns and threads change no bit of the plain product.
        #[test]
        fn affine_is_the_plain_product_bit_for_bit(
            n in 1usize..70, i in 1usize..600, o in 1usize..300, seed in 0u64..1000, wide: bool, bias: bool
        ) {
            let dtype = if wide { DType::F64 } else { DType::F32 };
            let mut rng = Rng::new(seed);
            let (x, w) = (rng.normal_tensor([n, i], 1.0, dtype), rng.normal_tensor([o, i], 1.0, dtype));
            let b = bias.then(|| rng.normal_tensor([o], 1.0, dtype));
            let mut plain = Tensor::zeros([n, o], dtype);
            matmul_nt(&mut plain, &x, &w, Par::Seq);
            b.iter().for_each(|b| add_bias(&mut plain, b, Par::Seq));
            for par in [Par::Seq, Par::Threads(3)] {
                let mut y = Tensor::zeros([n, o], dtype);
                affine(&mut y, &x, &w, b.as_ref(), par);
                prop_assert!(y == plain, "{:?}", par);
            }
        }

        /// Parts and threads change no bit of the error product.
        #[test]
        fn the_error_is_the_plain_product_bit_for_bit(
            n in 1usize..70, i in 1usize..300, o in 1usize..600, seed in 0u64..1000, wide: bool, add: bool
        ) {
            let dtype = if wide { DType::F64 } else { DType::F32 };
            let mut rng = Rng::new(seed);
            let (delta, w) = (rng.normal_tensor([n, o], 1.0, dtype), rng.normal_tensor([o, i], 1.0, dtype));
            let start = rng.normal_tensor([n, i], 1.0, dtype);
            let accum = if add { Accum::Add } else { Accum::Replace };
            let mut plain = start.clone();
            crate::dispatch!(dtype, T => gemm(
                MatMut::new(plain.as_mut_slice::<T>(), n, i), accum,
                MatRef::new(delta.as_slice::<T>(), n, o), MatRef::new(w.as_slice::<T>(), o, i), 1.0, Par::Seq));
            for par in [Par::Seq, Par::Threads(3)] {
                let mut dx = start.clone();
                matmul_nn(&mut dx, accum, &delta, &w, par);
                prop_assert!(dx == plain, "{:?}", par);
            }
        }

        /// Parts, turned errors and threads change no bit of the plain product, whoever makes it.
        #[test]
        fn the_update_is_the_plain_product_bit_for_bit(
            n in 1usize..150, i in 1usize..300, o in 1usize..600, first in 0usize..300, seed in 0u64..1000, wide: bool, add: bool
        ) {
            let dtype = if wide { DType::F64 } else { DType::F32 };
            let mut rng = Rng::new(seed);
            let (x, delta) = (rng.normal_tensor([n, i], 1.0, dtype), rng.normal_tensor([n, o], 1.0, dtype));
            let start = rng.normal_tensor([o, i], 1.0, dtype);
            let accum = if add { Accum::Add } else { Accum::Replace };
            let rows = first % o..o;
            crate::dispatch!(dtype, T => {
                let all = |plain: bool, par: Par| {
                    let mut g = start.clone();
                    let part = &mut g.as_mut_slice::<T>()[rows.start * i..];
                    let d = MatRef::new(delta.as_slice::<T>(), n, o).cols_part(rows.clone());
                    let x_plain = MatRef::new(x.as_slice::<T>(), n, i);
                    // Small products are the kernel's other code's.
                    let turned = n > 1 && i > 1 && rows.len().min(16) * i * n > SMALL;
                    match plain {
                        true if par == Par::Seq || !turned => gemm(MatMut::new(part, rows.len(), i), accum, d.t(), x_plain, -0.7, Par::Seq),
                        true => {
                            let job = Outer { delta: d, x: Rhs::Plain(x_plain), accum, alpha: -0.7, parts: (rows.len() / 16).max(1) };
                            job.make(part, i, 0..job.parts, par);
                        }
                        false => outer::<T>(part, accum, -0.7, &delta, &x, rows.clone(), par),
                    }
                    g
                };
                let want = all(true, Par::Seq);
                for (plain, par) in [(true, Par::Threads(3)), (false, Par::Seq), (false, Par::Threads(3))] {
                    prop_assert!(all(plain, par) == want, "{} {:?}", plain, par);
                }
            });
        }

        /// The accumulating product has the bits of G made in blocks and applied afterwards, whatever the blocks.
        #[test]
        fn adding_at_once_is_adding_afterwards_bit_for_bit(
            n in 1usize..150, i in 1usize..300, o in 1usize..200, block in 8usize..90, seed in 0u64..1000, wide: bool
        ) {
            let dtype = if wide { DType::F64 } else { DType::F32 };
            let (alpha, mut rng) = (-0.0123, Rng::new(seed));
            let (x, delta) = (rng.normal_tensor([n, i], 1.0, dtype), rng.normal_tensor([n, o], 1.0, dtype));
            let start = rng.normal_tensor([o, i], 1.0, dtype);
            let mut at_once = start.clone();
            let last = o - (o - 1) / block * block;
            let done = add_outer(at_once.slice_mut(), alpha, &delta, &x, 0..o, last);
            let mut g = Tensor::zeros([o, i], dtype);
            let mut rest = g.slice_mut();
            for first in (0..o).step_by(block) {
                let end = (first + block).min(o);
                let (head, tail) = rest.split_at((end - first) * i);
                matmul_tn_rows(head, &delta, &x, first..end, Par::Seq);
                rest = tail;
            }
            let mut afterwards = start.clone();
            crate::ops::axpy(&mut afterwards, &g, alpha);
            let want = if done { afterwards } else { start };
            prop_assert!(at_once == want, "done: {}", done);
        }
    }

    /// The usual shapes take the short way on the usual processors, and batches longer than the kernel's depth do not.
    #[test]
    fn the_short_way_is_taken_where_it_is_promised() {
        let step = |n: usize| {
            let (x, delta) = (Tensor::zeros([n, 784], DType::F32), Tensor::zeros([n, 100], DType::F32));
            add_outer(Tensor::zeros([100, 784], DType::F32).slice_mut(), 1.0, &delta, &x, 0..100, 20)
        };
        assert_eq!((step(64), step(512)), (known_kernel(), known_kernel()));
        assert!(!step(513) && !step(1));
    }

    #[test]
    #[should_panic(expected = "affine: [2, 4] = [2, 3] * [4, 5]ᵀ + None")]
    fn shapes_that_do_not_chain_are_named() {
        let (x, w) = (Tensor::zeros([2, 3], DType::F32), Tensor::zeros([4, 5], DType::F32));
        affine(&mut Tensor::zeros([2, 4], DType::F32), &x, &w, None, Par::Seq);
    }
}

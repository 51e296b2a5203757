/*!
The products of a dense layer, arranged for the kernel: `y = x Wᵀ + b`, `dx = delta W`, `G = deltaᵀ x`, `W = W + alpha deltaᵀ x`.

The kernel packs the operand that runs along the destination's contiguous side and streams the other one. Made directly, `y` would have
all of W turned and packed for a batch that uses it a few dozen times only; so strips of `yᵀ` are made in a small buffer, for
which W streams as it lies in memory, and are turned around while they are in cache. Products shared by threads are cut
into the same parts for every number of threads. Nothing of this changes the order in which anything is added: the bits
are those of the plain products (asserted by tests here).
*/

use super::add_bias;
use super::matmul::{Accum, MatMut, MatRef, gemm, matmul_nt};
use super::transpose::transpose;
use crate::{Element, Par, SliceMut, Tensor};
use std::ops::Range;

/// Elements of the largest strip kept between a product and the turn: a quarter of a MiB in f32.
const STRIP: usize = 64 * 1024;

/// Fewest outputs for which turning pays.
const WIDE: usize = 64;

/// The kernel serves products of at most this many multiply-adds by other code, which may add in another order.
const SMALL: usize = 16 * 16 * 16;

/// The kernel adds up at most so many terms before it adds them to the destination.
const DEPTH: usize = 512;

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
        affine_part(y, x, w, bias.map(Tensor::as_slice), 0..parts(o, n), par);
    });
}

/// In how many parts a product with `width` outputs is made: even, so that two threads share them evenly, and none narrower than 16.
fn parts(width: usize, examples: usize) -> usize {
    (width * examples).div_ceil(STRIP).min(width / 32).max(1).next_multiple_of(2)
}

/// Makes the strips `range` of all `parts`, `y` being just their columns.
fn affine_part<T: Element>(
    y: MatMut<'_, T>,
    x: MatRef<'_, T>,
    w: MatRef<'_, T>,
    bias: Option<&[T]>,
    range: Range<usize>,
    par: Par,
) {
    let ((n, _), (o, _)) = (x.shape(), w.shape());
    let count = parts(o, n);
    let cut = |part: usize| part * o / count;
    if range.len() > 1 {
        let mid = range.start + range.len() / 2;
        let (left, right) = y.split_cols(cut(mid) - cut(range.start));
        let (a, b) = (range.start..mid, mid..range.end);
        return par.join(|| affine_part(left, x, w, bias, a, par), || affine_part(right, x, w, bias, b, par));
    }
    let rows = cut(range.start)..cut(range.end);
    T::with_scratch(rows.len() * n, |strip| {
        gemm(
            MatMut::new(strip, rows.len(), n),
            Accum::Replace,
            w.rows_part(rows.clone()),
            x.t(),
            1.0,
            Par::Seq,
        );
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
        let parts = if i < WIDE || n < 2 || o < 2 || n * o * 16 <= SMALL { 1 } else { parts(i, n) };
        back_part(dx, accum, delta, w, parts, par);
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
    if parts == 1 {
        return gemm(dx, accum, delta, w, 1.0, Par::Seq);
    }
    let (_, cols) = dx.shape();
    let half = parts / 2;
    // Whole vectors on the left; rounding down leaves at least 16 columns on either side.
    let mid = half * cols / parts / 16 * 16;
    let ((a, b), (v, w)) = (dx.split_cols(mid), w.split_cols(mid));
    par.join(
        || back_part(a, accum, delta, v, half, par),
        || back_part(b, accum, delta, w, parts - half, par),
    );
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
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("avx512f")
        || (std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma"));
    #[cfg(not(target_arch = "x86_64"))]
    false
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
    gemm(
        MatMut::new(g, rows.len(), i),
        accum,
        delta.t(),
        MatRef::new(x.as_slice::<T>(), x.rows(), i),
        alpha,
        par,
    );
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

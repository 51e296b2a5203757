/*!
Sums and inner products, accumulated in f64 over eight fixed lanes.

The lanes are part of the definition: every instruction set adds in the same order, so the bits are the same
everywhere, and the error grows with n/8 instead of n.
*/

use super::entrywise::RUN;
use super::vectorize;
use crate::{Element, Par, Slice, SliceMut, Tensor};

pub(super) const LANES: usize = 8;

/// Runs that are summed side by side.
const SIDE: usize = 2;

/// The sum over the lanes. Out of line: seen together, the ends of several sums make the compiler pair one sum's lanes with another's, and the
/// loops before come out as half vectors full of shuffles, at a third of the speed.
#[inline(never)]
pub(super) fn whole(a: &[f64; LANES]) -> f64 {
    ((a[0] + a[4]) + (a[1] + a[5])) + ((a[2] + a[6]) + (a[3] + a[7]))
}

/// Sums of `f` over P pairs of runs of one length, side by side: each alone is one chain of additions per lane, which waits for itself.
#[inline(always)]
fn lanes<T: Element, const P: usize, const N: usize>(
    a: [&[T]; P],
    b: [&[T]; P],
    f: impl Fn(f64, f64) -> [f64; N],
) -> [[f64; N]; P] {
    let mut acc = [[[0.0f64; LANES]; N]; P];
    let (a8, b8) = (a.map(|a| a.as_chunks::<LANES>().0), b.map(|b| b.as_chunks::<LANES>().0));
    for k in 0..a8[0].len() {
        for p in 0..P {
            for l in 0..LANES {
                let v = f(a8[p][k][l].to_f64(), b8[p][k][l].to_f64());
                for n in 0..N {
                    acc[p][n][l] += v[n];
                }
            }
        }
    }
    let mut sums = [[0.0; N]; P];
    for p in 0..P {
        let mut tail = [0.0; N];
        for (x, y) in a[p].as_chunks::<LANES>().1.iter().zip(b[p].as_chunks::<LANES>().1) {
            let v = f(x.to_f64(), y.to_f64());
            for n in 0..N {
                tail[n] += v[n];
            }
        }
        for n in 0..N {
            sums[p][n] = whole(&acc[p][n]) + tail[n];
        }
    }
    sums
}

/// Sum of `f(a[i], b[i])` in f64. `f` should be `#[inline(always)]`.
pub(crate) fn fold<T: Element>(a: &[T], b: &[T], f: impl Fn(f64, f64) -> f64) -> f64 {
    let mut sum = [[0.0]];
    vectorize(
        #[inline(always)]
        || {
            sum = lanes(
                [a],
                [b],
                #[inline(always)]
                |x, y| [f(x, y)],
            );
        },
    );
    sum[0][0]
}

/// Adds up N sums over many pairs of runs of one length, in order, each with the bits of [`fold`]: `run(i)` is pair i of `count`.
pub(crate) fn fold_runs<'a, T: Element, const N: usize>(
    count: usize,
    run: impl Fn(usize) -> [&'a [T]; 2],
    f: impl Fn(f64, f64) -> [f64; N],
) -> [f64; N] {
    let mut total = [0.0; N];
    vectorize(
        #[inline(always)]
        || {
            let whole = count / SIDE * SIDE;
            for i in (0..whole).step_by(SIDE) {
                let runs: [_; SIDE] = std::array::from_fn(|p| run(i + p));
                add_up(&mut total, &lanes(runs.map(|r| r[0]), runs.map(|r| r[1]), &f));
            }
            for i in whole..count {
                let [a, b] = run(i);
                add_up(&mut total, &lanes([a], [b], &f));
            }
        },
    );
    total
}

#[inline(always)]
fn add_up<const N: usize>(total: &mut [f64; N], sums: &[[f64; N]]) {
    for s in sums {
        (0..N).for_each(|n| total[n] += s[n]);
    }
}

/// Inner product of two slices in f64.
pub(crate) fn dot_slices<T: Element>(a: &[T], b: &[T]) -> f64 {
    assert_eq!(a.len(), b.len(), "dot of {} and {} elements", a.len(), b.len());
    fold(
        a,
        b,
        #[inline(always)]
        |x, y| x * y,
    )
}

/// Inner product `<a, b>` of all elements, in f64.
#[track_caller]
pub fn dot(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.numel(), b.numel(), "dot: {:?} and {:?}", a.shape(), b.shape());
    crate::dispatch!(a.dtype(), T => dot_slices(a.as_slice::<T>(), b.as_slice::<T>()))
}

/// Squared Euclidean norm of all elements, in f64.
pub fn norm_sq(a: &Tensor) -> f64 {
    dot(a, a)
}

/// `out[k] = <a[k,:], b[k,:]>` for every row, in f64.
#[track_caller]
pub fn dot_rows(a: &Tensor, b: &Tensor, out: &mut [f64]) {
    assert_eq!(a.numel(), b.numel(), "dot_rows: {:?} and {:?}", a.shape(), b.shape());
    assert_eq!(a.rows(), out.len(), "dot_rows: {:?} into {}", a.shape(), out.len());
    let cols = a.cols().max(1);
    crate::dispatch!(a.dtype(), T => {
        for ((o, x), y) in out.iter_mut().zip(a.as_slice::<T>().chunks(cols)).zip(b.as_slice::<T>().chunks(cols)) {
            *o = dot_slices(x, y);
        }
    });
}

/// `out[k] = sum_j a[j,k] b[j,k]` for every column, in f64.
#[track_caller]
pub fn dot_cols(a: &Tensor, b: &Tensor, out: &mut [f64]) {
    assert_eq!(a.numel(), b.numel(), "dot_cols: {:?} and {:?}", a.shape(), b.shape());
    assert_eq!(a.cols(), out.len(), "dot_cols: {:?} into {}", a.shape(), out.len());
    out.fill(0.0);
    let cols = a.cols().max(1);
    crate::dispatch!(a.dtype(), T => {
        for (x, y) in a.as_slice::<T>().chunks(cols).zip(b.as_slice::<T>().chunks(cols)) {
            vectorize(#[inline(always)] || {
                for ((o, u), v) in out.iter_mut().zip(x).zip(y) {
                    *o += u.to_f64() * v.to_f64();
                }
            });
        }
    });
}

/// Sum of every row, in f64.
pub fn row_sums(a: &Tensor, out: &mut [f64]) {
    let cols = a.cols().max(1);
    crate::dispatch!(a.dtype(), T => {
        for (o, x) in out.iter_mut().zip(a.as_slice::<T>().chunks(cols)) {
            *o = fold(x, x, #[inline(always)] |v, _| v);
        }
    });
}

/// Sum of every column of `a` in the dtype of `a`, row by row: the bias gradient.
#[track_caller]
pub fn col_sums(a: &Tensor, out: &mut Tensor, par: Par) {
    assert_eq!(a.cols(), out.numel(), "col_sums: {:?} into {:?}", a.shape(), out.shape());
    let cols = a.cols().max(1);
    crate::dispatch!(a.dtype(), T => {
        let a = a.as_slice::<T>();
        // Whole lines of the cache per thread.
        let width = (RUN * cols / a.len().max(1)).next_multiple_of(16);
        par.each_stretch(out.as_mut_slice::<T>(), width, |start, o| {
            o.fill(T::of(0.0));
            for x in a.chunks_exact(cols) {
                let x = &x[start..][..o.len()];
                vectorize(#[inline(always)] || o.iter_mut().zip(x).for_each(|(s, &v)| *s += v));
            }
        });
    });
}

/// Widens every element exactly.
#[track_caller]
pub fn widen(src: Slice<'_>, dst: &mut [f64]) {
    assert_eq!(src.len(), dst.len(), "widen {} elements into {}", src.len(), dst.len());
    match src {
        Slice::F64(v) => dst.copy_from_slice(v),
        Slice::F32(v) => vectorize(
            #[inline(always)]
            || dst.iter_mut().zip(v).for_each(|(d, &s)| *d = f64::from(s)),
        ),
    }
}

/// Copies a run of elements of the same dtype.
#[track_caller]
pub fn copy(src: Slice<'_>, dst: SliceMut<'_>) {
    crate::dispatch!(src.dtype(), T => dst.get::<T>().copy_from_slice(src.get::<T>()));
}

/// Whether no element is NaN or infinite.
pub fn all_finite(a: &Tensor) -> bool {
    crate::dispatch!(a.dtype(), T => a.as_slice::<T>().iter().all(|v| v.finite()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DType, Rng};

    #[test]
    fn reductions_equal_naive_sums() {
        let mut rng = Rng::new(9);
        for (rows, cols) in [(1, 1), (3, 7), (5, 8), (4, 37)] {
            let a = rng.normal_tensor([rows, cols], 1.0, DType::F64);
            let b = rng.normal_tensor([rows, cols], 1.0, DType::F64);
            let at = |r: usize, c: usize| a.at(r * cols + c) * b.at(r * cols + c);
            let (mut by_row, mut by_col, mut sums) = (vec![0.0; rows], vec![0.0; cols], vec![0.0; rows]);
            dot_rows(&a, &b, &mut by_row);
            dot_cols(&a, &b, &mut by_col);
            row_sums(&a, &mut sums);
            let mut cols_of_a = Tensor::zeros([cols], DType::F64);
            col_sums(&a, &mut cols_of_a, Par::Seq);
            for r in 0..rows {
                assert!((by_row[r] - (0..cols).map(|c| at(r, c)).sum::<f64>()).abs() < 1e-13);
                assert!((sums[r] - (0..cols).map(|c| a.at(r * cols + c)).sum::<f64>()).abs() < 1e-13);
            }
            for c in 0..cols {
                assert!((by_col[c] - (0..rows).map(|r| at(r, c)).sum::<f64>()).abs() < 1e-13);
                assert!((cols_of_a.at(c) - (0..rows).map(|r| a.at(r * cols + c)).sum::<f64>()).abs() < 1e-13);
            }
            assert!((dot(&a, &b) - by_row.iter().sum::<f64>()).abs() < 1e-12);
        }
    }

    /// Against sums column by column in the order of the rows, which is the order of `col_sums`.
    #[test]
    fn sums_of_columns_are_theirs_for_any_number_of_threads() {
        for (rows, cols) in [(3, 5), (100, 700), (RUN / 32, 100), (2, RUN + 3)] {
            let a = Rng::new(2).normal_tensor([rows, cols], 1.0, DType::F32);
            let x = a.as_slice::<f32>();
            let naive: Vec<f32> =
                (0..cols).map(|c| (0..rows).fold(0.0, |s, r| s + x[r * cols + c])).collect();
            for threads in [1, 2, 3, 5] {
                let mut out = Tensor::zeros([cols], DType::F32);
                col_sums(&a, &mut out, Par::threads(threads));
                assert_eq!(out.as_slice::<f32>(), naive, "{rows}x{cols}, {threads} threads");
            }
        }
    }

    /// f32 inputs are widened before they are multiplied: no rounding of products to f32.
    #[test]
    fn f32_products_are_summed_in_f64() {
        let a = Tensor::from_f64([2], &[1.0, 1e-5], DType::F32);
        let tiny = f64::from(1e-5f32);
        assert_eq!(dot(&a, &a), 1.0 + tiny * tiny);
    }
}

/*!
Products behind one function: `dst = alpha * lhs * rhs (+ dst)`.

The kernel is faer's public `matmul`, which chooses AVX-512, AVX2 or portable code at run time. Its parallel
form splits rows and columns but never the inner dimension, so the bits do not depend on the number of threads
(asserted by a test here).
*/
#![allow(unsafe_code)] // raw-pointer views with strides; every access is bounds-checked in the constructors

use crate::{Element, Par, Tensor};
use std::marker::PhantomData;

/// The kernel adds up at most so many terms before it adds them to the destination.
pub(super) const DEPTH: usize = 512;

/// Whether a product replaces its destination or is added to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accum {
    /// `dst = product`
    Replace,
    /// `dst = dst + product`
    Add,
}

/// A read-only strided matrix over a slice.
pub struct MatRef<'a, T> {
    ptr: *const T,
    rows: usize,
    cols: usize,
    strides: (isize, isize),
    life: PhantomData<&'a [T]>,
}

// By hand: derived, they would ask the same of `T`.
impl<T> Copy for MatRef<'_, T> {}
impl<T> Clone for MatRef<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<'a, T> MatRef<'a, T> {
    /// A row-major matrix.
    ///
    /// # Panics
    /// If `data` is shorter than `rows * cols`.
    #[track_caller]
    pub fn new(data: &'a [T], rows: usize, cols: usize) -> Self {
        Self::with_row_stride(data, rows, cols, cols)
    }

    /// Row-major with `row_stride` elements from one row to the next.
    ///
    /// # Panics
    /// If a row would reach past the end of `data`, or rows overlap.
    #[track_caller]
    pub fn with_row_stride(data: &'a [T], rows: usize, cols: usize, row_stride: usize) -> Self {
        check(data.len(), rows, cols, row_stride);
        MatRef { ptr: data.as_ptr(), rows, cols, strides: (row_stride as isize, 1), life: PhantomData }
    }

    /// One row of a matrix whose rows are contiguous.
    #[inline(always)]
    #[track_caller]
    pub(super) fn row(self, r: usize) -> &'a [T] {
        assert!(r < self.rows && self.strides.1 == 1, "row {r} of {} (stride {})", self.rows, self.strides.1);
        // SAFETY: the constructor checked that the row lies inside the slice.
        unsafe { std::slice::from_raw_parts(self.ptr.offset(r as isize * self.strides.0), self.cols) }
    }

    /// Some of the rows.
    #[track_caller]
    pub(super) fn rows_part(self, rows: std::ops::Range<usize>) -> Self {
        assert!(rows.start <= rows.end && rows.end <= self.rows, "rows {rows:?} of {}", self.rows);
        // With no row left the offset might lie outside the slice; it is never followed then.
        let ptr = self.ptr.wrapping_offset(rows.start as isize * self.strides.0);
        MatRef { ptr, rows: rows.len(), ..self }
    }

    /// Some of the columns.
    #[track_caller]
    pub(super) fn cols_part(self, cols: std::ops::Range<usize>) -> Self {
        self.t().rows_part(cols).t()
    }

    /// The first `mid` columns and the rest.
    #[track_caller]
    pub(super) fn split_cols(self, mid: usize) -> (Self, Self) {
        (self.cols_part(0..mid), self.cols_part(mid..self.cols))
    }

    /// Elements from one row to the next.
    pub(super) fn row_stride(self) -> usize {
        self.strides.0.unsigned_abs()
    }

    /// Whether it is columns that are contiguous.
    pub(super) fn is_turned(self) -> bool {
        self.strides.1 != 1
    }

    /// Rows and columns.
    pub(super) fn shape(self) -> (usize, usize) {
        (self.rows, self.cols)
    }

    /// The transpose, without moving anything.
    pub fn t(self) -> Self {
        MatRef { rows: self.cols, cols: self.rows, strides: (self.strides.1, self.strides.0), ..self }
    }
}

/// A writable row-major matrix over a slice.
pub struct MatMut<'a, T> {
    ptr: *mut T,
    rows: usize,
    cols: usize,
    row_stride: usize,
    life: PhantomData<&'a mut [T]>,
}

impl<'a, T> MatMut<'a, T> {
    /// A row-major matrix.
    ///
    /// # Panics
    /// If `data` is shorter than `rows * cols`.
    #[track_caller]
    pub fn new(data: &'a mut [T], rows: usize, cols: usize) -> Self {
        Self::with_row_stride(data, rows, cols, cols)
    }

    /// Row-major with `row_stride` elements from one row to the next.
    ///
    /// # Panics
    /// If a row would reach past the end of `data`, or rows overlap.
    #[track_caller]
    pub fn with_row_stride(data: &'a mut [T], rows: usize, cols: usize, row_stride: usize) -> Self {
        check(data.len(), rows, cols, row_stride);
        MatMut { ptr: data.as_mut_ptr(), rows, cols, row_stride, life: PhantomData }
    }

    /// Rows and columns.
    pub(super) fn shape(&self) -> (usize, usize) {
        (self.rows, self.cols)
    }

    /// One row.
    #[inline(always)]
    #[track_caller]
    pub(super) fn row(&mut self, r: usize) -> &mut [T] {
        assert!(r < self.rows, "row {r} of {}", self.rows);
        // SAFETY: the constructor checked that the row lies inside the slice borrowed mutably; parts made by
        // `split_cols` share no column.
        unsafe { std::slice::from_raw_parts_mut(self.ptr.add(r * self.row_stride), self.cols) }
    }

    /// The first `mid` columns and the rest.
    #[track_caller]
    pub(super) fn split_cols(self, mid: usize) -> (Self, Self) {
        assert!(mid <= self.cols, "split at column {mid} of {}", self.cols);
        // With no row at all the offset might lie outside the slice; it is never followed then.
        let right = MatMut { ptr: self.ptr.wrapping_add(mid), cols: self.cols - mid, ..self };
        (MatMut { cols: mid, ..self }, right)
    }

    /// Some of the columns, for a while.
    #[track_caller]
    pub(super) fn cols_part(&mut self, cols: std::ops::Range<usize>) -> MatMut<'_, T> {
        self.part(0..self.rows, cols)
    }

    /// Some of the rows and columns, for a while.
    #[track_caller]
    pub(super) fn part(
        &mut self,
        rows: std::ops::Range<usize>,
        cols: std::ops::Range<usize>,
    ) -> MatMut<'_, T> {
        assert!(rows.start <= rows.end && rows.end <= self.rows, "rows {rows:?} of {}", self.rows);
        // With no row left the offset might lie outside the slice; it is never followed then.
        let ptr = self.ptr.wrapping_add(rows.start * self.row_stride);
        let whole = MatMut { ptr, rows: rows.len(), life: PhantomData, ..*self };
        whole.split_cols(cols.end).0.split_cols(cols.start).1
    }

    /// Elements from one row to the next.
    pub(super) fn row_stride(&self) -> usize {
        self.row_stride
    }
}

// SAFETY: a `MatRef` is a shared borrow of the elements it reaches, like `&[T]`.
unsafe impl<T: Sync> Send for MatRef<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for MatRef<'_, T> {}

// SAFETY: a `MatMut` is a mutable borrow of the elements it reaches, like `&mut [T]`.
unsafe impl<T: Send> Send for MatMut<'_, T> {}

#[track_caller]
fn check(len: usize, rows: usize, cols: usize, row_stride: usize) {
    assert!(row_stride >= cols, "matrix {rows}x{cols}: row stride {row_stride} overlaps");
    let needed = if rows == 0 { 0 } else { (rows - 1) * row_stride + cols };
    assert!(
        needed <= len,
        "matrix {rows}x{cols} (row stride {row_stride}) needs {needed} elements, has {len}"
    );
}

/// `dst = alpha * lhs * rhs`, or added to `dst`.
///
/// # Panics
/// If the shapes do not chain.
#[track_caller]
pub fn gemm<T: Element>(
    dst: MatMut<'_, T>,
    accum: Accum,
    lhs: MatRef<'_, T>,
    rhs: MatRef<'_, T>,
    alpha: f64,
    par: Par,
) {
    assert!(
        lhs.cols == rhs.rows && dst.rows == lhs.rows && dst.cols == rhs.cols,
        "gemm: {}x{} = {}x{} * {}x{}",
        dst.rows,
        dst.cols,
        lhs.rows,
        lhs.cols,
        rhs.rows,
        rhs.cols
    );
    let accum = match accum {
        Accum::Replace => faer::Accum::Replace,
        Accum::Add => faer::Accum::Add,
    };
    // SAFETY: the constructors checked that every index reaches inside the slices that the lifetimes still borrow;
    // `dst` is borrowed mutably, so it overlaps neither operand.
    unsafe {
        faer::linalg::matmul::matmul(
            faer::MatMut::from_raw_parts_mut(dst.ptr, dst.rows, dst.cols, dst.row_stride as isize, 1),
            accum,
            faer::MatRef::from_raw_parts(lhs.ptr, lhs.rows, lhs.cols, lhs.strides.0, lhs.strides.1),
            faer::MatRef::from_raw_parts(rhs.ptr, rhs.rows, rhs.cols, rhs.strides.0, rhs.strides.1),
            T::of(alpha),
            par.faer(),
        );
    }
    leave_vector_state_clean();
}

/// The kernels may leave the upper halves of the vector registers dirty, which slows every following scalar or SSE
/// instruction down on many processors (code after a product was seen to run 2.5 times slower); clearing them costs one instruction.
fn leave_vector_state_clean() {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx") {
        #[target_feature(enable = "avx")]
        fn zero_upper() {
            std::arch::x86_64::_mm256_zeroupper();
        }
        // SAFETY: AVX was just seen to be there.
        unsafe { zero_upper() }
    }
}

/// `y = x wᵀ`: the forward product. x is examples x inputs, w outputs x inputs, y examples x outputs.
#[track_caller]
pub fn matmul_nt(y: &mut Tensor, x: &Tensor, w: &Tensor, par: Par) {
    let (n, i, o) = (x.rows(), x.cols(), w.rows());
    crate::dispatch!(x.dtype(), T => gemm(
        MatMut::new(y.as_mut_slice::<T>(), n, o), Accum::Replace,
        MatRef::new(x.as_slice::<T>(), n, i), MatRef::new(w.as_slice::<T>(), o, w.cols()).t(), 1.0, par));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{matmul_nn, matmul_tn_rows};
    use crate::{DType, Rng};
    use proptest::prelude::*;

    fn naive(a: &[f64], b: &[f64], m: usize, k: usize, n: usize) -> Vec<f64> {
        let mut c = vec![0.0; m * n];
        for i in 0..m {
            for j in 0..n {
                c[i * n + j] = (0..k).map(|p| a[i * k + p] * b[p * n + j]).sum();
            }
        }
        c
    }

    fn transpose(a: &[f64], rows: usize, cols: usize) -> Vec<f64> {
        (0..rows * cols).map(|i| a[(i % rows) * cols + i / rows]).collect()
    }

    /// Dot products of k terms of size <= 1: error at most k^2 eps in the worst case.
    fn close(got: &[f64], want: &[f64], k: usize, dtype: DType) {
        let bound = (k as f64).powi(2).max(4.0) * dtype.epsilon();
        for (g, w) in got.iter().zip(want) {
            assert!((g - w).abs() <= bound, "{g} against {w}, bound {bound}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, rng_seed: proptest::test_runner::RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn products_equal_naive_loops(n in 1usize..70, i in 1usize..70, o in 1usize..40, seed in 0u64..1000, wide: bool) {
            let dtype = if wide { DType::F64 } else { DType::F32 };
            let mut rng = Rng::new(seed);
            let x = rng.uniform_tensor([n, i], -1.0, 1.0, dtype);
            let w = rng.uniform_tensor([o, i], -1.0, 1.0, dtype);
            let d = rng.uniform_tensor([n, o], -1.0, 1.0, dtype);
            let (xv, wv, dv) = (x.to_f64_vec(), w.to_f64_vec(), d.to_f64_vec());
            let mut y = Tensor::zeros([n, o], dtype);
            matmul_nt(&mut y, &x, &w, Par::Seq);
            close(&y.to_f64_vec(), &naive(&xv, &transpose(&wv, o, i), n, i, o), i, dtype);
            let mut dx = x.clone();
            matmul_nn(&mut dx, Accum::Add, &d, &w, Par::Seq);
            let want: Vec<f64> = naive(&dv, &wv, n, o, i).iter().zip(&xv).map(|(a, b)| a + b).collect();
            close(&dx.to_f64_vec(), &want, o + 1, dtype);
            let first = o / 3;
            let mut g = Tensor::zeros([o - first, i], dtype);
            matmul_tn_rows(g.slice_mut(), &d, &x, first..o, Par::Seq);
            close(&g.to_f64_vec(), &naive(&transpose(&dv, n, o), &xv, o, n, i)[first * i..], n, dtype);
        }
    }

    #[test]
    fn bits_do_not_depend_on_threads() {
        let mut rng = Rng::new(5);
        for (n, i, o) in [(64, 784, 512), (33, 100, 257), (700, 40, 130), (128, 600, 10)] {
            let x = rng.normal_tensor([n, i], 1.0, DType::F32);
            let w = rng.normal_tensor([o, i], 1.0, DType::F32);
            let mut outs: Vec<Tensor> = Vec::new();
            for par in [Par::Seq, Par::Threads(2), Par::Threads(3)] {
                let mut y = Tensor::zeros([n, o], DType::F32);
                matmul_nt(&mut y, &x, &w, par);
                let mut dx = Tensor::zeros([n, i], DType::F32);
                matmul_nn(&mut dx, Accum::Replace, &y, &w, par);
                outs.push(dx);
            }
            assert!(outs[0] == outs[1] && outs[0] == outs[2], "{n}x{i}x{o}");
        }
    }

    #[test]
    #[should_panic(expected = "gemm: 2x4 = 2x3 * 5x4")]
    fn shapes_that_do_not_chain_are_named() {
        let (x, w) = (Tensor::zeros([2, 3], DType::F32), Tensor::zeros([4, 5], DType::F32));
        matmul_nt(&mut Tensor::zeros([2, 4], DType::F32), &x, &w, Par::Seq);
    }
}

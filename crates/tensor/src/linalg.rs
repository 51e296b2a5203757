//! Dense factorisations, taken from faer: what initialisers, probes and the theory need, never in the training step. They run on one thread, since
//! faer's own splitting depends on the number of threads and so would the bits.

use crate::{DType, Element, Tensor};
use faer::Mat;

/// A matrix for faer, told to stay on this thread.
fn to_mat(t: &Tensor) -> Mat<f64> {
    faer::set_global_parallelism(faer::Par::Seq);
    let (cols, values) = (t.cols(), t.to_f64_vec());
    Mat::from_fn(t.rows(), cols, |r, c| values[r * cols + c])
}

/// Orthonormal rows (or columns, whichever are fewer) from a matrix by QR, with the signs of diag(R) removed so
/// that a normal matrix gives the Haar distribution (Mezzadri 2007).
pub fn orthonormal(a: &Tensor) -> Tensor {
    let (rows, cols, mat) = (a.rows(), a.cols(), to_mat(a));
    let tall = rows >= cols;
    let qr = if tall { mat.qr() } else { mat.transpose().qr() };
    let (q, r) = (qr.compute_thin_Q(), qr.thin_R());
    let signed = |i: usize, j: usize| if r[(j, j)] < 0.0 { -q[(i, j)] } else { q[(i, j)] };
    let out: Vec<f64> = (0..rows * cols)
        .map(|k| if tall { signed(k / cols, k % cols) } else { signed(k % cols, k / cols) })
        .collect();
    crate::dispatch!(a.dtype(), T => Tensor::from_vec(a.shape(), out.iter().map(|&v| T::of(v)).collect::<Vec<T>>()))
}

/// The minimum-norm least-squares solution X (n x k) of A X = Y, by the singular value decomposition in f64;
/// A is m x n, Y is m x k.
pub fn pseudo_inverse_solve(a: &Tensor, y: &Tensor) -> Tensor {
    assert_eq!(a.rows(), y.rows(), "pseudo_inverse_solve: A {:?}, Y {:?}", a.shape(), y.shape());
    let (a, y) = (to_mat(a), to_mat(y));
    let x = a.thin_svd().expect("singular value decomposition of finite numbers").pseudoinverse() * y;
    let values: Vec<f64> = (0..x.nrows() * x.ncols()).map(|i| x[(i / x.ncols(), i % x.ncols())]).collect();
    Tensor::from_f64([x.nrows(), x.ncols()], &values, DType::F64)
}

/// Singular values, largest first, in f64.
pub fn singular_values(a: &Tensor) -> Vec<f64> {
    to_mat(a).singular_values().expect("singular values of finite numbers")
}

/// Eigenvalues of a symmetric matrix, smallest first, in f64 (the lower triangle is read).
pub fn symmetric_eigenvalues(a: &Tensor) -> Vec<f64> {
    to_mat(a).self_adjoint_eigenvalues(faer::Side::Lower).expect("eigenvalues of finite numbers")
}

/// Eigenvalues of a symmetric matrix, smallest first, and unit eigenvectors as the rows of a matrix in the same order, in f64 (the lower
/// triangle is read).
pub fn symmetric_eigen(a: &Tensor) -> (Vec<f64>, Tensor) {
    let n = a.rows();
    let eigen = to_mat(a).self_adjoint_eigen(faer::Side::Lower).expect("eigenvalues of finite numbers");
    let values: Vec<f64> = (0..n).map(|i| eigen.S()[i]).collect();
    let vectors: Vec<f64> = (0..n * n).map(|i| eigen.U()[(i % n, i / n)]).collect();
    (values, Tensor::from_f64([n, n], &vectors, DType::F64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;

    #[test]
    fn rows_or_columns_are_orthonormal() {
        for (rows, cols) in [(5, 3), (3, 5), (4, 4)] {
            let q = orthonormal(&Rng::new(0).normal_tensor([rows, cols], 1.0, DType::F64)).to_f64_vec();
            let n = rows.min(cols);
            let entry = |i: usize, k: usize| if rows <= cols { q[i * cols + k] } else { q[k * cols + i] };
            for i in 0..n {
                for j in 0..n {
                    let dot: f64 = (0..rows.max(cols)).map(|k| entry(i, k) * entry(j, k)).sum();
                    assert!((dot - f64::from(i == j)).abs() < 1e-13, "{rows}x{cols} <{i},{j}> = {dot}");
                }
            }
        }
    }

    /// Defining property: A X = Y and X in the row space of A (so its norm is the smallest).
    #[test]
    fn wide_system_is_solved_with_minimum_norm() {
        let (a, y) = (
            Rng::new(1).normal_tensor([3, 6], 1.0, DType::F64),
            Rng::new(2).normal_tensor([3, 1], 1.0, DType::F64),
        );
        let x = pseudo_inverse_solve(&a, &y);
        let (am, xm) = (to_mat(&a), to_mat(&x));
        assert!((&am * &xm - to_mat(&y)).norm_max() < 1e-12);
        let projected = am.transpose() * pinv_of_gram(&am) * (&am * &xm);
        assert!((projected - xm).norm_max() < 1e-12);
    }

    fn pinv_of_gram(a: &Mat<f64>) -> Mat<f64> {
        (a * a.transpose()).thin_svd().unwrap().pseudoinverse()
    }

    /// Defining property A v = lambda v, to rounding of entries of order 1.
    #[test]
    fn eigenvectors_are_rows() {
        let a = Tensor::from_f64([3, 3], &[2.0, 1.0, 0.0, 1.0, 3.0, -1.0, 0.0, -1.0, 0.5], DType::F64);
        let (values, vectors) = symmetric_eigen(&a);
        for i in 0..3 {
            for r in 0..3 {
                let av: f64 = (0..3).map(|c| a.at(r * 3 + c) * vectors.at(i * 3 + c)).sum();
                assert!((av - values[i] * vectors.at(i * 3 + r)).abs() < 1e-13);
            }
        }
        assert!(values[0] < values[1] && values[1] < values[2]);
    }

    /// Sizes above faer's thresholds for splitting.
    #[test]
    fn bits_do_not_depend_on_threads() {
        let a = Rng::new(5).normal_tensor([300, 320], 1.0, DType::F64);
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                (singular_values(&a), orthonormal(&a).to_f64_vec(), pseudo_inverse_solve(&a, &a).to_f64_vec())
            })
        };
        assert!(with(1) == with(3));
    }

    #[test]
    fn singular_values_of_a_diagonal_matrix() {
        let a = Tensor::from_f64([2, 2], &[3.0, 0.0, 0.0, -4.0], DType::F64);
        assert!(singular_values(&a).iter().zip([4.0, 3.0]).all(|(s, e)| (s - e).abs() < 1e-14));
        assert!(symmetric_eigenvalues(&a).iter().zip([-4.0, 3.0]).all(|(s, e)| (s - e).abs() < 1e-14));
    }
}

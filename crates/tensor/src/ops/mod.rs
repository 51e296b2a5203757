//! Operations on tensors. Outputs exist already and are overwritten or added to; nothing here allocates.

mod dense;
mod entrywise;
mod matmul;
mod reduce;
mod step_sums;
mod transpose;

pub use dense::{add_outer, affine, matmul_nn, matmul_tn_rows};
pub use entrywise::{
    add_assign, add_bias, axpy, leaky_relu, leaky_relu_back, mul_assign, scale, sigmoid, sigmoid_back,
    sign_scaled, tanh, tanh_back, vectorize, zip_each,
};
pub use matmul::{Accum, MatMut, MatRef, gemm, matmul_nt};
pub use reduce::{all_finite, col_sums, copy, dot, dot_cols, dot_rows, norm_sq, row_sums, widen};
pub use step_sums::step_sums;

//! Operations on tensors. Outputs exist already and are overwritten or added to; nothing here allocates.

mod entrywise;
mod matmul;
mod reduce;

pub use entrywise::{
    add_assign, add_bias, axpy, leaky_relu, leaky_relu_back, mul_assign, scale, sigmoid, sigmoid_back,
    sign_scaled, tanh, tanh_back, zip_each,
};
pub use matmul::{Accum, MatMut, MatRef, gemm, matmul_nn, matmul_nt, matmul_tn_rows};
pub use reduce::{
    all_finite, col_sums, copy, dot, dot_cols, dot_rows, norm_sq, row_sums, step_sums, vectorized, widen,
};

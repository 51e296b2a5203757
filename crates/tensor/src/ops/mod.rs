//! Operations on tensors. Outputs exist already and are overwritten or added to; nothing here allocates.

mod channels;
mod conv;
mod dense;
mod entrywise;
mod matmul;
mod panels;
mod pool;
mod pool_pairs;
mod products;
mod reduce;
mod scratch;
mod step_sums;
mod transpose;
mod window;

pub use channels::{
    add_linear, channel_gross, channel_map, channel_moments, channel_sums, channel_sums_and_dots,
};
pub use conv::{ConvShape, conv2d, conv2d_back, conv2d_weight_grad};
pub use dense::{add_outer, affine, matmul_nn, matmul_tn_rows};
pub use entrywise::{
    add, add_assign, add_bias, assign, axpy, leaky_relu, leaky_relu_back, mul_assign, scale, sigmoid,
    sigmoid_back, sign_scaled, tanh, tanh_back, vectorize, zip_each,
};
pub use matmul::{Accum, MatMut, MatRef, gemm, matmul_nt};
pub use pool::{avg_pool, avg_pool_back, max_pool, max_pool_back};
pub use products::{Products, products, products_rows};
pub use reduce::{all_finite, col_sums, copy, dot, dot_cols, dot_rows, norm_sq, row_sums, widen};
pub use scratch::with_scratch;
pub use step_sums::{plain_step, step_sums};
pub use window::{Planes, Window};

/*!
Tensors with a run-time dtype, the handful of operations that training needs, and a random tree.

The cast: a [`Tensor`] owns a contiguous row-major array of `f32` or `f64`; the functions in [`ops`]
take operands by reference and write into outputs that already exist; [`Par`] says on how many threads;
[`Rng`] is a counter-based generator split by name, so that the same seed gives the same numbers whatever
else is drawn. Nothing here knows about networks.

This is the only crate that knows hardware: vector instructions are chosen at run time, and no result
depends on the number of threads.
*/

mod dtype;
#[cfg(all(test, unix))]
mod guard;
pub mod linalg;
pub mod ops;
mod par;
mod rng;
mod shape;
mod slice;
mod tanh;
mod tensor;

pub use dtype::{DType, Element};
pub use par::Par;
pub use rng::Rng;
pub use shape::Shape;
pub use slice::{Slice, SliceMut};
pub use tensor::Tensor;

/*!
`realign`: networks trained by backpropagation, feedback alignment and their relatives, with the backward path
written out.

The cast: a [`network::Network`] is a small graph of [`layer`]s; a [`rules::Rule`] sends the error back through
it; an [`optim`]izer applies the update directions; [`probes`] watch; [`train`] is the loop. The one trick is in
[`layer::Layer::error_back`], which takes the carrying matrix as an argument: pass W and it is backpropagation,
pass B and it is feedback alignment, pass c sign(W) and it is sign-FA.
*/

pub mod checkpoint;
mod error;
pub mod init;
pub mod layer;
pub mod loss;
pub mod model;
pub mod network;
pub mod optim;
pub mod probes;
pub mod registry;
pub mod rules;
pub mod streams;
pub mod train;

pub use error::{ConfigError, Error};
pub use realign_data as data;
pub use realign_tensor as tensor;

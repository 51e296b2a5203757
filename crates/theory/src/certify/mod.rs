//! x
pub mod separability;

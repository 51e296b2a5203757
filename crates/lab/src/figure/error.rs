//! Why a figure could not be drawn.

use thiserror::Error;

/// A figure that cannot be drawn or written.
#[derive(Debug, Error)]
pub enum FigureError {
    /// The specification contradicts itself.
    #[error("figure {figure:?}: {message}")]
    Spec {
        /// Title of the figure.
        figure: String,
        /// What is wrong, and where.
        message: String,
    },
    /// A converter refused the drawing.
    #[error("cannot turn the figure into {format}: {message}")]
    Convert {
        /// `PNG` or `PDF`, or `SVG` for its font.
        format: &'static str,
        /// The converter's word on it.
        message: String,
    },
    /// A file could not be written.
    #[error(transparent)]
    Store(#[from] crate::StoreError),
}

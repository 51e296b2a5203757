/*!
Figures as data: what a picture says, apart from how it is drawn.

A [`Figure`] is panels of [`Series`] on two axes; it serialises, so that a report can hold it beside the numbers.
[`write`] draws it as SVG, PNG and PDF and lists the plotted numbers as CSV. The font (DejaVu Sans, in the `dejavu` crate)
travels with every file, so nothing of the system is needed. Labels are plain Unicode (`cos(Wᵀ, B)`, `10⁻³`, `η`): there is
no TeX that could be dropped.

Drawing is done here rather than by a plotting crate because the ones at hand lack symlog axes, stacks of signed accounts
and keys that show colour, line and marker at once, and because the report needs to find panels and series in the SVG.
The SVG of a figure is a pure function of it: same figure, same bytes.

Not here: captions are for the page around the picture and stand in the SVG only as its description.
*/

mod axes;
mod bars;
mod csv;
mod error;
mod export;
mod font;
mod layout;
mod legend;
mod marks;
mod missing;
mod scale;
mod spec;
mod style;
mod svg;

pub(crate) use csv::cell as csv_cell;
pub use csv::csv;
pub use error::FigureError;
pub use export::{pdf, png};
pub use layout::svg;
pub use spec::{Axis, Figure, Mark, Panel, Reference, Scale, Series, Side};
pub use style::Style;

use crate::store::files;
use std::path::{Path, PathBuf};

/// Pixels of the PNG per unit of the SVG: 192 dots per inch.
const PNG_SCALE: f32 = 2.0;

/// Writes `stem.svg`, `stem.png`, `stem.pdf` and `stem.csv` in `dir`, which is made if need be; returns their paths.
///
/// # Errors
/// If the figure contradicts itself (see [`Figure::check`]), or a file cannot be written. Each file is old or whole.
pub fn write(figure: &Figure, dir: &Path, stem: &str) -> Result<Vec<PathBuf>, FigureError> {
    let plain = layout::plain_svg(figure)?;
    let files = [
        ("svg", svg(figure)?.into_bytes()),
        ("png", png(&plain, PNG_SCALE)?),
        ("pdf", pdf(&plain)?),
        ("csv", csv(figure)?.into_bytes()),
    ];
    std::fs::create_dir_all(dir).map_err(crate::StoreError::io("make", dir))?;
    let mut paths = Vec::new();
    for (extension, bytes) in files {
        let path = dir.join(format!("{stem}.{extension}"));
        files::write(&path, &bytes)?;
        paths.push(path);
    }
    Ok(paths)
}

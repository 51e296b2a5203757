//! The plotted numbers, one line for each, in full precision; a missing number is an empty cell.

use super::{Figure, FigureError};
use std::fmt::Write as _;

/// Columns `panel`, `series`, `style`, `x_label`, `x`, `y_label`, `y`, `low`, `high` (RFC 4180); where the axis has
/// categories, x is the name. A figure with a remark has it in a last column.
///
/// # Errors
/// If the figure contradicts itself.
pub fn csv(figure: &Figure) -> Result<String, FigureError> {
    figure.check()?;
    let remark =
        |text: &str| if figure.remark.is_empty() { String::new() } else { format!(",{}", cell(text)) };
    let mut out = format!("panel,series,style,x_label,x,y_label,y,low,high{}\n", remark("remark"));
    let tail = remark(&figure.remark);
    let number = |v: Option<&f64>| v.filter(|v| v.is_finite()).map_or(String::new(), f64::to_string);
    for (i, panel) in figure.panels.iter().enumerate() {
        let name = if panel.title.is_empty() { (i + 1).to_string() } else { panel.title.clone() };
        let (x_label, y_label) = (cell(&panel.x.text()), cell(&panel.y.text()));
        for series in &panel.series {
            let head = format!("{},{},{}", cell(&name), cell(&series.label), cell(&series.style));
            for (j, x) in series.x.iter().enumerate() {
                let x = match panel.x.categories.get(*x as usize) {
                    Some(category) => cell(category),
                    None => number(Some(x)),
                };
                let [y, low, high] = [&series.y, &series.low, &series.high].map(|v| number(v.get(j)));
                let _ = writeln!(out, "{head},{x_label},{x},{y_label},{y},{low},{high}{tail}");
            }
        }
    }
    Ok(out)
}

/// A cell in quotes if it needs them (RFC 4180).
pub(crate) fn cell(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

//! From SVG to PNG (resvg) and PDF (krilla), with the built-in font alone.

use super::{FigureError, font};
use krilla::Document;
use krilla::geom::Size;
use krilla::page::PageSettings;
use krilla_svg::{SurfaceExt, SvgSettings};
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree};

fn parse(svg: &str, format: &'static str) -> Result<Tree, FigureError> {
    let options =
        Options { fontdb: font::database(), font_family: font::FAMILY.to_owned(), ..Options::default() };
    Tree::from_str(svg, &options).map_err(|e| FigureError::Convert { format, message: e.to_string() })
}

/// Pixels of an SVG of this module, `scale` of them per unit.
///
/// # Errors
/// If it is no SVG, or too large.
pub fn png(svg: &str, scale: f32) -> Result<Vec<u8>, FigureError> {
    let fail = |message: String| FigureError::Convert { format: "PNG", message };
    let tree = parse(svg, "PNG")?;
    let size = tree.size().to_int_size().scale_by(scale).ok_or_else(|| fail("has no size".into()))?;
    let mut pixels = Pixmap::new(size.width(), size.height()).ok_or_else(|| fail("is too large".into()))?;
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixels.as_mut());
    pixels.encode_png().map_err(|e| fail(e.to_string()))
}

/// A page of an SVG of this module, with its text as text; one unit is one point.
///
/// # Errors
/// If it is no SVG, or the font cannot be embedded.
pub fn pdf(svg: &str) -> Result<Vec<u8>, FigureError> {
    let fail = |message: String| FigureError::Convert { format: "PDF", message };
    let tree = parse(svg, "PDF")?;
    let size =
        Size::from_wh(tree.size().width(), tree.size().height()).ok_or_else(|| fail("has no size".into()))?;
    let mut document = Document::new();
    let mut page = document.start_page_with(PageSettings::new(size));
    let mut surface = page.surface();
    let drawn = surface.draw_svg(&tree, size, SvgSettings::default());
    surface.finish();
    page.finish();
    drawn.ok_or_else(|| fail("could not be drawn".into()))?;
    document.finish().map_err(|e| fail(format!("{e:?}")))
}

//! DejaVu Sans (Bitstream Vera licence, which allows embedding): widths for the layout, and the few glyphs that a drawing
//! uses as a font of its own, so that an SVG shows its text on a machine without fonts.

use super::FigureError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use resvg::usvg::fontdb::Database;
use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use ttf_parser::Face;
use write_fonts::read::FontRef;
use write_fonts::tables::cmap::Cmap;
use write_fonts::types::GlyphId;
use write_fonts::{FontBuilder, types::Tag};

/// Family name, as the font itself has it.
pub(super) const FAMILY: &str = "DejaVu Sans";

fn face() -> &'static Face<'static> {
    static FACE: OnceLock<Face<'static>> = OnceLock::new();
    FACE.get_or_init(|| {
        Face::parse(dejavu::sans::regular(), 0).expect("the font of the dejavu crate is sound")
    })
}

/// A font database with this font alone.
pub(super) fn database() -> Arc<Database> {
    static DATABASE: OnceLock<Arc<Database>> = OnceLock::new();
    let make = || {
        let mut database = Database::new();
        database.load_font_data(dejavu::sans::regular().to_vec());
        database.set_sans_serif_family(FAMILY);
        Arc::new(database)
    };
    DATABASE.get_or_init(make).clone()
}

/// Width of a line of text at `size` pixels, in pixels; without kerning, which only makes it shorter.
pub(super) fn width(text: &str, size: f64) -> f64 {
    let face = face();
    let advance = |c| face.glyph_index(c).and_then(|g| face.glyph_hor_advance(g));
    let units: u32 = text.chars().map(|c| u32::from(advance(c).unwrap_or(face.units_per_em()))).sum();
    f64::from(units) * size / f64::from(face.units_per_em())
}

/// The first character that the font cannot show.
pub(super) fn lacking(text: &str) -> Option<char> {
    text.chars().find(|c| face().glyph_index(*c).is_none())
}

/// Breaks text at spaces into lines of at most `room` pixels, or of one word.
pub(super) fn wrap(text: &str, size: f64, room: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(&format!("{line} {word}"), size) <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// CSS that defines `family` as the glyphs of `chars`, about 100 bytes for each.
pub(super) fn face_rule(family: &str, chars: &BTreeSet<char>) -> Result<String, FigureError> {
    let fail = |message: String| FigureError::Convert { format: "SVG", message };
    let mut glyphs = subsetter::GlyphRemapper::new();
    let pairs: Vec<(char, GlyphId)> = chars
        .iter()
        .filter_map(|c| Some((*c, GlyphId::new(u32::from(glyphs.remap(face().glyph_index(*c)?.0))))))
        .collect();
    let whole = dejavu::sans::regular();
    let small = subsetter::subset(whole, 0, &glyphs).map_err(|e| fail(e.to_string()))?;
    let cmap = Cmap::from_mappings(pairs).map_err(|e| fail(e.to_string()))?;
    // The subsetter writes for PDF, which needs neither of these tables; browsers do.
    let mut font = FontBuilder::new();
    font.add_table(&cmap).map_err(|e| fail(e.to_string()))?;
    font.copy_missing_tables(FontRef::new(&small).map_err(|e| fail(e.to_string()))?);
    let source = FontRef::new(whole).map_err(|e| fail(e.to_string()))?;
    for tag in [Tag::new(b"OS/2"), Tag::new(b"name")] {
        if let (false, Some(data)) = (font.contains(tag), source.table_data(tag)) {
            font.add_raw(tag, data.as_bytes());
        }
    }
    if let Some(post) = source.table_data(Tag::new(b"post")) {
        // Version 3: the header alone, without the names of all glyphs.
        let header = [&[0, 3, 0, 0], &post.as_bytes()[4..32]].concat();
        font.add_raw(Tag::new(b"post"), header);
    }
    let data = STANDARD.encode(font.build());
    Ok(format!(
        "@font-face{{font-family:'{family}';src:url(data:font/ttf;base64,{data}) format('truetype')}}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signs_of_the_field_have_glyphs() {
        assert_eq!(lacking("cos ∠(Wᵀ, B) ‖W‖² ⟨g, F⟩ ηλθβκΔΣ∂ ± × − · ≤ ≥ ≈ → 10⁻³ P₀ W₂ ₗ ₖ ₊ ½ °"), None);
    }

    #[test]
    fn subset_is_a_font_with_the_same_widths() {
        let chars: BTreeSet<char> = "Wᵀ 10⁻³ loss".chars().collect();
        let rule = face_rule("t", &chars).unwrap();
        let data = rule.split_once("base64,").and_then(|(_, r)| r.split_once(')')).unwrap().0;
        let bytes = STANDARD.decode(data).unwrap();
        assert!(bytes.len() < 30_000, "{}", bytes.len());
        let small = Face::parse(&bytes, 0).unwrap();
        for c in &chars {
            let advance = |f: &Face<'_>| f.glyph_index(*c).and_then(|g| f.glyph_hor_advance(g));
            assert!(advance(&small).is_some(), "{c}");
            assert_eq!(advance(&small), advance(face()), "{c}");
        }
        assert!(small.glyph_index('q').is_none());
    }
}

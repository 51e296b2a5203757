//! Where everything stands: panels in a grid, title above, one key below.

use super::axes::{Face, Measured};
use super::font;
use super::legend::Key;
use super::marks;
use super::scale::Range;
use super::style::Style;
use super::svg::{Anchor, Svg, px};
use super::{Figure, FigureError};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// Text, axes, grid and ground; the classes `ink`, `rule`, `grid` and `ground` let a page restyle them.
pub(super) const INK: &str = "#222222";
pub(super) const GRID: &str = "#E4E4E4";
pub(super) const GROUND: &str = "#FFFFFF";

/// Height of a line of text by its font size.
pub(super) const LEADING: f64 = 1.3;

const TITLE: f64 = 15.0;
const NOTE: f64 = 10.0;
const EDGE: f64 = 10.0;
const GAP: f64 = 22.0;

/// The drawing with its font inside, for itself or inside a page. Panels are groups `panel` with their axes in `data-`
/// attributes (scale, ends, place in pixels), series are groups `series` and keys `key`, both with `data-series`.
///
/// # Errors
/// If the figure contradicts itself or uses a character that the font lacks.
pub fn svg(figure: &Figure) -> Result<String, FigureError> {
    let drawing = Drawing::of(figure)?;
    let family = format!("r{}", drawing.id);
    let style = format!("<style>{}</style>\n", font::face_rule(&family, &drawing.chars)?);
    Ok(drawing.document(&format!("'{family}', '{}', sans-serif", font::FAMILY), &style))
}

/// As [`svg`], for a converter that has the font.
pub(super) fn plain_svg(figure: &Figure) -> Result<String, FigureError> {
    Ok(Drawing::of(figure)?.document(font::FAMILY, ""))
}

struct Drawing {
    id: String,
    size: (f64, f64),
    body: String,
    chars: BTreeSet<char>,
}

impl Drawing {
    fn of(figure: &Figure) -> Result<Drawing, FigureError> {
        figure.check()?;
        let json = serde_json::to_vec(figure).expect("a figure is plain data");
        // Names inside an SVG are global in the page that holds it.
        let id: String = Sha256::digest(json).iter().take(5).map(|b| format!("{b:02x}")).collect();
        let mut svg = Svg::new();
        let size = draw(figure, &id, &mut svg);
        let (body, chars) = svg.finish();
        let shown: String = chars.iter().collect();
        match font::lacking(&shown) {
            None => Ok(Drawing { id, size, body, chars }),
            Some(c) => Err(FigureError::Spec {
                figure: figure.title.clone(),
                message: format!("the built-in font has no sign {c:?} (U+{:04X})", u32::from(c)),
            }),
        }
    }

    fn document(&self, family: &str, style: &str) -> String {
        let (w, h) = (px(self.size.0), px(self.size.1));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"figure\" width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\" \
             role=\"img\" font-family=\"{family}\" fill=\"{INK}\">\n{style}{}</svg>\n",
            self.body
        )
    }
}

/// Words of the figure whose look is decided by their order.
fn free_words(figure: &Figure) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for series in figure.panels.iter().flat_map(|p| &p.series) {
        if !Style::is_fixed(&series.style) && !words.contains(&series.style) {
            words.push(series.style.clone());
        }
    }
    words
}

fn draw(figure: &Figure, id: &str, svg: &mut Svg) -> (f64, f64) {
    let others = free_words(figure);
    let faces = faces(figure);
    let grid = Grid::of(figure, &faces);
    let key = Key::of(figure, &others);
    let room = grid.width().max(key.widest()).max(220.0);
    let title = font::wrap(&figure.title, TITLE, room);
    let note = font::wrap(&marks::Undrawn::of(&faces).note(), NOTE, room);
    let key_rows = key.rows(room);

    let mut top = EDGE + title.len() as f64 * TITLE * LEADING + if title.is_empty() { 0.0 } else { 6.0 };
    let head = top;
    top += grid.height() + if key_rows.is_empty() { 0.0 } else { 10.0 };
    let key_top = top;
    top += key_rows.len() as f64 * Key::ROW;
    let note_top = top;
    top += note.len() as f64 * NOTE * LEADING;
    let size = (room + 2.0 * EDGE, top + EDGE);

    svg.leaf("title", &[], if figure.title.is_empty() { "Figure" } else { &figure.title });
    svg.leaf("desc", &[], &figure.caption);
    marks::defs(figure, &others, id, svg);
    svg.tag(
        "rect",
        &[("class", "ground"), ("width", &px(size.0)), ("height", &px(size.1)), ("fill", GROUND)],
    );
    lines(svg, &title, (EDGE, EDGE + TITLE), TITLE);
    for (i, face) in faces.iter().enumerate() {
        let (x, y) = grid.origin(i);
        face.draw(svg, (EDGE + x, head + y), id, i, &others);
    }
    key.draw(svg, &key_rows, (EDGE, key_top), id);
    lines(svg, &note, (EDGE, note_top + NOTE), NOTE);
    size
}

fn lines(svg: &mut Svg, lines: &[String], (x, mut y): (f64, f64), size: f64) {
    for line in lines {
        svg.text((x, y), size, Anchor::Start, 0.0, line);
        y += size * LEADING;
    }
}

fn columns(figure: &Figure) -> usize {
    let n = figure.panels.len();
    match (figure.columns, n) {
        (0, 4) => 2,
        (0, n) => n.min(3),
        (asked, n) => asked.min(n),
    }
}

fn faces(figure: &Figure) -> Vec<Face<'_>> {
    let given = |v: f64, choice: f64| if v > 0.0 { v } else { choice };
    let width = given(figure.panel_width, [420.0, 300.0, 225.0][columns(figure).min(3) - 1]);
    let size = (width, given(figure.panel_height, (0.72 * width).max(180.0)));
    let mut ranges: Vec<(Range, Range)> = figure.panels.iter().map(marks::ranges).collect();
    if figure.share_y {
        let all = ranges.iter().map(|r| r.1).reduce(Range::union);
        for (range, panel) in ranges.iter_mut().zip(&figure.panels) {
            let same = panel.y.scale == figure.panels[0].y.scale;
            range.1 = all.filter(|_| same).unwrap_or(range.1);
        }
    }
    figure.panels.iter().zip(ranges).map(|(panel, (x, y))| Face::new(panel, x, y, size)).collect()
}

/// Columns and rows as wide and high as their largest panel.
struct Grid {
    /// Left margin, inner width and right margin of each column.
    columns: Vec<[f64; 3]>,
    /// Top margin, inner height and bottom margin of each row.
    rows: Vec<[f64; 3]>,
}

impl Grid {
    fn of(figure: &Figure, faces: &[Face<'_>]) -> Grid {
        let n = columns(figure);
        let mut grid = Grid { columns: vec![[0.0; 3]; n], rows: vec![[0.0; 3]; faces.len().div_ceil(n)] };
        let raise = |to: &mut [f64; 3], by: [f64; 3]| {
            for (a, b) in to.iter_mut().zip(by) {
                *a = a.max(b);
            }
        };
        for (i, face) in faces.iter().enumerate() {
            let Measured { left, right, top, bottom } = face.measured();
            raise(&mut grid.columns[i % n], [left, face.size.0, right]);
            raise(&mut grid.rows[i / n], [top, face.size.1, bottom]);
        }
        grid
    }

    fn width(&self) -> f64 {
        self.columns.iter().flatten().sum::<f64>() + GAP * (self.columns.len() - 1) as f64
    }

    fn height(&self) -> f64 {
        self.rows.iter().flatten().sum::<f64>() + GAP * (self.rows.len() - 1) as f64
    }

    /// Upper left corner between the axes of a panel.
    fn origin(&self, i: usize) -> (f64, f64) {
        let start = |tracks: &[[f64; 3]], k: usize| {
            tracks[..k].iter().flatten().sum::<f64>() + GAP * k as f64 + tracks[k][0]
        };
        let n = self.columns.len();
        (start(&self.columns, i % n), start(&self.rows, i / n))
    }
}

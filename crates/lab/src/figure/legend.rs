//! The key: one entry for each label, in order of first appearance, with colour, line, marker, band or hatching.

use super::font;
use super::marks::{self, Look};
use super::spec::{Figure, Mark};
use super::style::Style;
use super::svg::{Anchor, Svg, points, px};

const TEXT: f64 = 12.0;
const SAMPLE: f64 = 32.0;
const BETWEEN: f64 = 20.0;

/// All entries.
pub(super) struct Key {
    entries: Vec<Entry>,
}

struct Entry {
    label: String,
    word: String,
    style: Style,
    mark: Mark,
    band: bool,
}

impl Key {
    /// Height of a row of entries.
    pub(super) const ROW: f64 = 19.0;

    pub(super) fn of(figure: &Figure, others: &[String]) -> Key {
        let mut entries: Vec<Entry> = Vec::new();
        for series in figure.panels.iter().flat_map(|p| &p.series) {
            if !series.label.is_empty() && entries.iter().all(|e| e.label != series.label) {
                entries.push(Entry {
                    label: series.label.clone(),
                    word: series.style.clone(),
                    style: Style::of(&series.style, others),
                    mark: series.mark,
                    band: !series.low.is_empty(),
                });
            }
        }
        Key { entries }
    }

    pub(super) fn widest(&self) -> f64 {
        self.entries.iter().map(Entry::width).fold(0.0, f64::max)
    }

    /// Entries of each row that is at most `room` wide.
    pub(super) fn rows(&self, room: f64) -> Vec<Vec<usize>> {
        let mut rows: Vec<Vec<usize>> = Vec::new();
        let mut used = f64::INFINITY;
        for (i, entry) in self.entries.iter().enumerate() {
            if used + BETWEEN + entry.width() > room {
                rows.push(Vec::new());
                used = -BETWEEN;
            }
            used += BETWEEN + entry.width();
            rows.last_mut().expect("the first entry opens a row").push(i);
        }
        rows
    }

    pub(super) fn draw(&self, svg: &mut Svg, rows: &[Vec<usize>], (left, top): (f64, f64), id: &str) {
        for (r, row) in rows.iter().enumerate() {
            let (mut x, y) = (left, top + (r as f64 + 0.5) * Key::ROW);
            for entry in row.iter().map(|i| &self.entries[*i]) {
                svg.open(
                    "g",
                    &[("class", "key"), ("data-series", &entry.label), ("data-style", &entry.word)],
                );
                entry.sample(svg, (x, y), id);
                svg.text((x + SAMPLE + 6.0, y + 0.36 * TEXT), TEXT, Anchor::Start, 0.0, &entry.label);
                svg.close();
                x += entry.width() + BETWEEN;
            }
        }
    }
}

impl Entry {
    fn width(&self) -> f64 {
        SAMPLE + 6.0 + font::width(&self.label, TEXT)
    }

    fn sample(&self, svg: &mut Svg, (x, y): (f64, f64), id: &str) {
        let look = Look { style: self.style, id };
        let middle = (x + SAMPLE / 2.0, y);
        let (left, top) = (px(x), px(y - 6.0));
        let rect = [("x", &*left), ("y", &*top), ("width", "32"), ("height", "12")];
        match self.mark {
            Mark::Line => {
                if self.band {
                    let fill = [("fill", self.style.color), ("fill-opacity", marks::BAND)];
                    svg.tag("rect", &[&rect[..], &fill[..]].concat());
                }
                look.line(svg, &points(&[(x, y), (x + SAMPLE, y)]));
                look.marker(svg, middle);
            }
            Mark::Scatter => look.marker(svg, middle),
            Mark::Stack | Mark::Bar | Mark::Box => look.filled(svg, "rect", &rect),
        }
    }
}

//! A panel: frame, grid, ticks, labels, reference lines, and the series between them.

use super::font;
use super::layout::{GRID, GROUND, INK, LEADING};
use super::marks::{self, Frame};
use super::scale::{Range, Tick};
use super::spec::{Panel, Side};
use super::svg::{Anchor, Svg, px};

const TICK: f64 = 11.0;
const LABEL: f64 = 12.0;
const TITLE: f64 = 13.0;

/// Length of a labelled tick, and space between it and its label.
const MARK: f64 = 4.0;
const SPACE: f64 = 4.0;

/// Least space between two labels side by side.
const APART: f64 = 8.0;

/// A panel with its texts broken into lines and its ticks chosen.
pub(super) struct Face<'a> {
    pub(super) panel: &'a Panel,
    pub(super) x: Range,
    pub(super) y: Range,
    pub(super) size: (f64, f64),
    x_ticks: Vec<Tick>,
    y_ticks: Vec<Tick>,
    title: Vec<String>,
    x_label: Vec<String>,
    y_label: Vec<String>,
    /// Names on the x axis that do not fit side by side stand aslant.
    aslant: bool,
}

/// Room around the axes, in pixels.
pub(super) struct Measured {
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) top: f64,
    pub(super) bottom: f64,
}

impl<'a> Face<'a> {
    pub(super) fn new(panel: &'a Panel, x: Range, y: Range, size: (f64, f64)) -> Face<'a> {
        let mut x_ticks = x.ticks(&panel.x, (size.0 / 62.0) as usize);
        let names = !panel.x.categories.is_empty();
        let slot = size.0 / x_ticks.len().max(1) as f64;
        let aslant = names && x_ticks.iter().any(|t| font::width(&t.label, TICK) + APART > slot);
        if !names {
            keep_apart(&mut x_ticks, &x, size.0);
        }
        Face {
            panel,
            x,
            y,
            size,
            y_ticks: y.ticks(&panel.y, (size.1 / 38.0) as usize),
            x_ticks,
            title: font::wrap(&panel.title, TITLE, size.0),
            x_label: font::wrap(&panel.x.text(), LABEL, size.0 + 20.0),
            y_label: font::wrap(&panel.y.text(), LABEL, size.1 + 10.0),
            aslant,
        }
    }

    pub(super) fn measured(&self) -> Measured {
        let overhang = |at_end: bool| {
            let over = |t: &Tick| {
                let (place, half) = (self.x.place(t.at).unwrap_or(0.5), font::width(&t.label, TICK) / 2.0);
                half - self.size.0 * if at_end { 1.0 - place } else { place }
            };
            let aslant =
                |t: &Tick| if at_end { 0.0 } else { 0.87 * font::width(&t.label, TICK) - self.slot() / 2.0 };
            self.x_ticks.iter().map(|t| if self.aslant { aslant(t) } else { over(t) }).fold(0.0, f64::max)
        };
        Measured {
            left: (self.y_tick_width() + MARK + SPACE + lines_height(&self.y_label, LABEL) + 6.0)
                .max(overhang(false)),
            right: overhang(true).max(6.0),
            top: lines_height(&self.title, TITLE) + 8.0,
            bottom: self.x_tick_height() + lines_height(&self.x_label, LABEL) + 4.0,
        }
    }

    fn slot(&self) -> f64 {
        self.size.0 / self.x_ticks.len().max(1) as f64
    }

    fn y_tick_width(&self) -> f64 {
        self.y_ticks.iter().map(|t| font::width(&t.label, TICK)).fold(0.0, f64::max)
    }

    fn x_tick_height(&self) -> f64 {
        let widest = self.x_ticks.iter().map(|t| font::width(&t.label, TICK)).fold(0.0, f64::max);
        MARK + SPACE + TICK + if self.aslant { 0.5 * widest } else { 0.0 }
    }

    pub(super) fn draw(
        &self,
        svg: &mut Svg,
        (left, top): (f64, f64),
        id: &str,
        number: usize,
        others: &[String],
    ) {
        let frame = Frame { x: self.x, y: self.y, left, top, size: self.size };
        let clip = format!("{id}-clip{number}");
        self.open(svg, &frame, number);
        self.grid(svg, &frame);
        svg.open("clipPath", &[("id", &clip)]);
        frame.rect(svg, 1.0, &[]);
        svg.close();
        self.references(svg, &frame);
        svg.open("g", &[("clip-path", &format!("url(#{clip})"))]);
        marks::draw(svg, self.panel, &frame, id, others);
        svg.close();
        frame.rect(
            svg,
            0.0,
            &[("class", "rule"), ("fill", "none"), ("stroke", INK), ("stroke-width", "0.8")],
        );
        self.ticks(svg, &frame);
        self.texts(svg, &frame);
        svg.close();
    }

    fn open(&self, svg: &mut Svg, frame: &Frame, number: usize) {
        let ((x0, x1), (y0, y1)) = (self.x.ends(), self.y.ends());
        let place = format!("{} {} {} {}", px(frame.left), px(frame.top), px(frame.size.0), px(frame.size.1));
        svg.open(
            "g",
            &[
                ("class", "panel"),
                ("data-panel", &number.to_string()),
                ("data-place", &place),
                ("data-x", &format!("{} {x0} {x1}", self.x.word())),
                ("data-y", &format!("{} {y0} {y1}", self.y.word())),
            ],
        );
    }

    fn grid(&self, svg: &mut Svg, frame: &Frame) {
        let (right, bottom) = (frame.left + frame.size.0, frame.top + frame.size.1);
        let line = |svg: &mut Svg, a: (f64, f64), b: (f64, f64)| segment(svg, a, b, "grid", GRID, "0.8");
        let shown = |t: &&Tick| !t.label.is_empty();
        if self.panel.x.categories.is_empty() {
            for x in self.x_ticks.iter().filter(shown).filter_map(|t| frame.px(t.at)) {
                line(svg, (x, frame.top), (x, bottom));
            }
        }
        for y in self.y_ticks.iter().filter(shown).filter_map(|t| frame.py(t.at)) {
            line(svg, (frame.left, y), (right, y));
        }
    }

    fn ticks(&self, svg: &mut Svg, frame: &Frame) {
        let bottom = frame.top + frame.size.1;
        for tick in &self.x_ticks {
            let Some(x) = frame.px(tick.at) else { continue };
            let length = if tick.label.is_empty() { MARK / 2.0 } else { MARK };
            segment(svg, (x, bottom), (x, bottom + length), "rule", INK, "0.8");
            let y = bottom + MARK + SPACE + 0.8 * TICK;
            if self.aslant {
                svg.text((x + 3.0, y), TICK, Anchor::End, -30.0, &tick.label);
            } else if !tick.label.is_empty() {
                svg.text((x, y), TICK, Anchor::Middle, 0.0, &tick.label);
            }
        }
        for tick in &self.y_ticks {
            let Some(y) = frame.py(tick.at) else { continue };
            let length = if tick.label.is_empty() { MARK / 2.0 } else { MARK };
            segment(svg, (frame.left - length, y), (frame.left, y), "rule", INK, "0.8");
            if !tick.label.is_empty() {
                let place = (frame.left - MARK - SPACE, y + 0.36 * TICK);
                svg.text(place, TICK, Anchor::End, 0.0, &tick.label);
            }
        }
    }

    fn texts(&self, svg: &mut Svg, frame: &Frame) {
        let (w, h) = frame.size;
        let mut y = frame.top - 8.0 - lines_height(&self.title, TITLE) + TITLE;
        for line in &self.title {
            svg.text((frame.left, y), TITLE, Anchor::Start, 0.0, line);
            y += TITLE * LEADING;
        }
        let mut y = frame.top + h + self.x_tick_height() + LABEL;
        for line in &self.x_label {
            svg.text((frame.left + w / 2.0, y), LABEL, Anchor::Middle, 0.0, line);
            y += LABEL * LEADING;
        }
        let mut x = frame.left - MARK - SPACE - self.y_tick_width() - lines_height(&self.y_label, LABEL)
            + LABEL
            - 6.0;
        for line in &self.y_label {
            svg.text((x, frame.top + h / 2.0), LABEL, Anchor::Middle, -90.0, line);
            x += LABEL * LEADING;
        }
    }

    fn references(&self, svg: &mut Svg, frame: &Frame) {
        let (right, bottom) = (frame.left + frame.size.0, frame.top + frame.size.1);
        for reference in &self.panel.references {
            let at = match reference.axis {
                Side::X => frame.px(reference.at),
                Side::Y => frame.py(reference.at),
            };
            let inside = |v: &f64| match reference.axis {
                Side::X => (frame.left..=right).contains(v),
                Side::Y => (frame.top..=bottom).contains(v),
            };
            let Some(at) = at.filter(inside) else { continue };
            let (a, b) = match reference.axis {
                Side::X => ((at, frame.top), (at, bottom)),
                Side::Y => ((frame.left, at), (right, at)),
            };
            segment(svg, a, b, "rule reference", "#777777", "1.2");
            self.reference_label(svg, frame, reference.axis, at, &reference.label);
        }
    }

    fn reference_label(&self, svg: &mut Svg, frame: &Frame, axis: Side, at: f64, label: &str) {
        if label.is_empty() {
            return;
        }
        let right = frame.left + frame.size.0;
        let below = axis == Side::Y && at < frame.top + TICK + 4.0;
        let (place, anchor) = match axis {
            Side::X if at + font::width(label, TICK) + 8.0 > right => {
                ((at - 4.0, frame.top + TICK + 2.0), Anchor::End)
            }
            Side::X => ((at + 4.0, frame.top + TICK + 2.0), Anchor::Start),
            Side::Y if below => ((right - 4.0, at + TICK + 1.0), Anchor::End),
            Side::Y => ((right - 4.0, at - 4.0), Anchor::End),
        };
        svg.open("g", &[("stroke", GROUND), ("stroke-width", "3"), ("paint-order", "stroke")]);
        svg.text(place, TICK, anchor, 0.0, label);
        svg.close();
    }
}

fn lines_height(lines: &[String], size: f64) -> f64 {
    lines.len() as f64 * size * LEADING
}

fn segment(svg: &mut Svg, a: (f64, f64), b: (f64, f64), class: &str, stroke: &str, width: &str) {
    let (x1, y1, x2, y2) = (px(a.0), px(a.1), px(b.0), px(b.1));
    let mut attributes = vec![("class", class), ("x1", &x1), ("y1", &y1), ("x2", &x2), ("y2", &y2)];
    attributes.extend([("stroke", stroke), ("stroke-width", width)]);
    svg.tag("line", &attributes);
}

/// Takes away labels that would touch the one before.
fn keep_apart(ticks: &mut [Tick], range: &Range, width: f64) {
    let mut order: Vec<usize> = (0..ticks.len()).filter(|i| !ticks[*i].label.is_empty()).collect();
    order.sort_by(|a, b| ticks[*a].at.total_cmp(&ticks[*b].at));
    let mut free = f64::NEG_INFINITY;
    for i in order {
        let (place, half) =
            (range.place(ticks[i].at).unwrap_or(0.0) * width, font::width(&ticks[i].label, TICK) / 2.0);
        if place - half < free {
            ticks[i].label.clear();
        } else {
            free = place + half + APART;
        }
    }
}

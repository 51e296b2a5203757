//! Filled marks: stacked accounts, bars and boxes.

use super::marks::{Frame, Look, whiskers};
use super::spec::{Mark, Panel, Series};
use super::svg::{Svg, points, px};
use crate::stats::quantile;
use std::iter::zip;

/// Share of a category's slot that its bars fill.
const FILL: f64 = 0.8;

/// Distributions with no more values show each of them.
const FEW: usize = 20;

/// Fraction of the golden ratio: its multiples modulo 1 spread evenly.
const GOLDEN: f64 = 0.618_033_988_749_895;

/// Sums of the negative and of the positive parts at each x of the stack.
pub(super) fn heights(panel: &Panel) -> Vec<(f64, f64)> {
    let mut sums: Vec<(f64, f64)> = Vec::new();
    for series in panel.series.iter().filter(|s| s.mark == Mark::Stack) {
        sums.resize(series.y.len(), (0.0, 0.0));
        for (sum, y) in zip(&mut sums, &series.y) {
            let y = if y.is_finite() { *y } else { 0.0 };
            *sum = (sum.0 + y.min(0.0), sum.1 + y.max(0.0));
        }
    }
    sums
}

/// Where the next account of the stack begins.
pub(super) struct Stack {
    ends: Vec<(f64, f64)>,
    bars: bool,
}

impl Stack {
    pub(super) fn of(panel: &Panel) -> Stack {
        let n = heights(panel).len();
        Stack { ends: vec![(0.0, 0.0); n], bars: !panel.x.categories.is_empty() }
    }

    /// Draws the account between what is stacked already and what then is: once below 0 and once above.
    pub(super) fn draw(&mut self, svg: &mut Svg, series: &Series, frame: &Frame, look: Look<'_>) {
        let before = self.ends.clone();
        for (end, y) in zip(&mut self.ends, &series.y) {
            let y = if y.is_finite() { *y } else { 0.0 };
            *end = (end.0 + y.min(0.0), end.1 + y.max(0.0));
        }
        let sides: [fn(&(f64, f64)) -> f64; 2] = [|e| e.0, |e| e.1];
        for side in sides {
            let (from, to): (Vec<f64>, Vec<f64>) =
                (before.iter().map(side).collect(), self.ends.iter().map(side).collect());
            if from == to {
                continue;
            }
            if self.bars {
                for (x, (a, b)) in zip(&series.x, zip(&from, &to)).filter(|(_, (a, b))| a != b) {
                    rect(svg, frame, look, (*x, 0.5 * FILL), (*a, *b));
                }
            } else {
                area(svg, frame, look, &series.x, (&from, &to));
            }
        }
    }
}

fn area(svg: &mut Svg, frame: &Frame, look: Look<'_>, x: &[f64], (from, to): (&[f64], &[f64])) {
    let edge = |y: &[f64]| -> Vec<(f64, f64)> {
        zip(x, y).filter_map(|(x, y)| Some((frame.px(*x)?, frame.py(*y)?))).collect()
    };
    let outline: Vec<_> = edge(to).into_iter().chain(edge(from).into_iter().rev()).collect();
    look.filled(svg, "polygon", &[("points", &points(&outline))]);
}

/// A bar around `x` with `half` its width, in units of the axis.
fn rect(svg: &mut Svg, frame: &Frame, look: Look<'_>, (x, half): (f64, f64), (a, b): (f64, f64)) {
    let ends = (frame.px(x - half), frame.px(x + half), frame.py(a), frame.py(b));
    if let (Some(l), Some(r), Some(a), Some(b)) = ends {
        let [x, y, w, h] = [l, a.min(b), r - l, (a - b).abs()].map(px);
        look.filled(svg, "rect", &[("x", &x), ("y", &y), ("width", &w), ("height", &h)]);
    }
}

/// Middle of the k-th of n bars at a category, and half its width.
fn slot(category: f64, (k, n): (usize, usize)) -> (f64, f64) {
    let width = FILL / n as f64;
    (category + (k as f64 + 0.5) * width - FILL / 2.0, 0.46 * width)
}

pub(super) fn draw_bars(
    svg: &mut Svg,
    series: &Series,
    frame: &Frame,
    look: Look<'_>,
    place: (usize, usize),
) {
    let base = frame.y.ends().0.max(0.0);
    for (x, y) in zip(&series.x, &series.y).filter(|(_, y)| y.is_finite()) {
        rect(svg, frame, look, slot(*x, place), (base, *y));
    }
    let unit = frame.px(1.0).unwrap_or(0.0) - frame.px(0.0).unwrap_or(0.0);
    let dark = Look { style: super::Style { color: super::layout::INK, ..look.style }, ..look };
    whiskers(svg, series, frame, dark, slot(0.0, place).0 * unit);
}

pub(super) fn draw_boxes(
    svg: &mut Svg,
    series: &Series,
    frame: &Frame,
    look: Look<'_>,
    place: (usize, usize),
) {
    let mut categories: Vec<f64> = series.x.clone();
    categories.sort_by(f64::total_cmp);
    categories.dedup();
    for category in categories {
        let here = zip(&series.x, &series.y).filter(|(x, y)| **x == category && frame.py(**y).is_some());
        let mut values: Vec<f64> = here.map(|(_, y)| *y).collect();
        values.sort_by(f64::total_cmp);
        if !values.is_empty() {
            draw_box(svg, &values, frame, look, slot(category, place));
        }
    }
}

fn draw_box(svg: &mut Svg, values: &[f64], frame: &Frame, look: Look<'_>, (middle, half): (f64, f64)) {
    let [q1, q2, q3] = [0.25, 0.5, 0.75].map(|p| quantile(values, p));
    let reach = 1.5 * (q3 - q1);
    let within = || values.iter().copied().filter(|v| (q1 - reach..=q3 + reach).contains(v));
    let (low, high) = (within().fold(q1, f64::min), within().fold(q3, f64::max));
    let (Some(l), Some(m), Some(r)) = (frame.px(middle - half), frame.px(middle), frame.px(middle + half))
    else {
        return;
    };
    let [low_px, q1_px, q2_px, q3_px, high_px] =
        [low, q1, q2, q3, high].map(|v| frame.py(v).unwrap_or(frame.top));
    let stroke = [("stroke", look.style.color), ("stroke-width", "1.4")];
    let cap = (r - l) / 4.0;
    let d = format!(
        "M{m},{}V{}M{m},{}V{}M{},{}h{w}M{},{}h{w}",
        px(q1_px),
        px(low_px),
        px(q3_px),
        px(high_px),
        px(m - cap),
        px(low_px),
        px(m - cap),
        px(high_px),
        m = px(m),
        w = px(2.0 * cap),
    );
    svg.tag("path", &[&[("d", &*d), ("fill", "none")], &stroke[..]].concat());
    let [x, y, w, h] = [l, q3_px, r - l, q1_px - q3_px].map(px);
    let body = [("x", &*x), ("y", &*y), ("width", &*w), ("height", &*h), ("fill", look.style.color)];
    svg.tag("rect", &[&body[..], &[("fill-opacity", "0.25")], &stroke[..]].concat());
    let median = format!("M{},{}H{}", px(l), px(q2_px), px(r));
    svg.tag("path", &[("d", &*median), ("stroke", look.style.color), ("stroke-width", "2.6")]);
    for (i, v) in values.iter().enumerate().filter(|(_, v)| values.len() <= FEW || !(low..=high).contains(v))
    {
        let spread = if values.len() <= FEW { (i as f64 * GOLDEN).fract() - 0.5 } else { 0.0 };
        let place = [("cx", px(m + 0.6 * spread * (r - l))), ("cy", px(frame.py(*v).unwrap_or(frame.top)))];
        let [cx, cy] = [&place[0], &place[1]].map(|(k, v)| (*k, v.as_str()));
        svg.tag("circle", &[cx, cy, ("r", "1.9"), ("fill", look.style.color), ("fill-opacity", "0.8")]);
    }
}

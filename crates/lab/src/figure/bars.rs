//! Filled marks: stacked accounts, bars and boxes.

use super::layout::{GROUND, INK};
use super::marks::{Frame, Look, whiskers};
use super::spec::{Mark, Panel, Series};
use super::svg::{Svg, points, px};
use crate::stats::quantile;
use std::iter::zip;

/// Share of a category's slot that its bars fill.
const FILL: f64 = 0.8;

/// Distributions with no more values show each of them beside a narrower box.
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
        for lower in [true, false] {
            let side = |e: &(f64, f64)| if lower { e.0 } else { e.1 };
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
    let dark = Look { style: super::Style { color: INK, ..look.style }, ..look };
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
    let few = values.len() <= FEW;
    let right = if few { middle + 0.1 * half } else { middle + half };
    let [Some(l), Some(r), Some(end)] = [middle - half, right, middle + half].map(|x| frame.px(x)) else {
        return;
    };
    let m = (l + r) / 2.0;
    let down = |v: f64| frame.py(v).unwrap_or(frame.top);
    reach_lines(svg, look, (m, (r - l) / 4.0), [low, q1, q3, high].map(down));
    let [x, y, w, h] = [l, down(q3), r - l, down(q1) - down(q3)].map(px);
    look.filled(svg, "rect", &[("x", &x), ("y", &y), ("width", &w), ("height", &h)]);
    let median = format!("M{},{}H{}", px(l), px(down(q2)), px(r));
    for (stroke, width) in [(GROUND, "4.4"), (INK, "2")] {
        svg.tag("path", &[("d", &median), ("stroke", stroke), ("stroke-width", width)]);
    }
    for (i, v) in values.iter().enumerate().filter(|(_, v)| few || !(low..=high).contains(v)) {
        let x = if few { r + 5.0 + (i as f64 * GOLDEN).fract() * (end - r - 7.0).max(0.0) } else { m };
        let (cx, cy) = (px(x), px(down(*v)));
        let ink = [("fill", look.style.color), ("stroke", GROUND), ("stroke-width", "0.6")];
        svg.tag("circle", &[&[("cx", &*cx), ("cy", &*cy), ("r", "2.1")], &ink[..]].concat());
    }
}

/// Whiskers from the box to the last values within reach, with caps of `cap` on both sides.
fn reach_lines(svg: &mut Svg, look: Look<'_>, (middle, cap): (f64, f64), [low, q1, q3, high]: [f64; 4]) {
    let arm = |from: f64, to: f64| {
        let (m, l, r) = (px(middle), px(middle - cap), px(middle + cap));
        format!("M{m},{}V{}M{l},{}H{r}", px(from), px(to), px(to))
    };
    let d = arm(q1, low) + &arm(q3, high);
    let stroke = [("fill", "none"), ("stroke", look.style.color), ("stroke-width", "1.4")];
    svg.tag("path", &[&[("d", &*d)], &stroke[..]].concat());
}

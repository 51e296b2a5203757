//! Series between the axes: lines with bands, points with whiskers; [`super::bars`] has the filled kinds.

use super::axes::Face;
use super::bars;
use super::layout::GROUND;
use super::scale::Range;
use super::spec::{Figure, Mark, Panel, Scale, Series, Side};
use super::style::{Marker, Style};
use super::svg::{Svg, points, px};

/// Opacity of a band.
pub(super) const BAND: &str = "0.18";

/// Markers on a line with more points than `MANY`.
const MARKERS: f64 = 8.0;
const MANY: usize = 24;

/// The place between the axes of one panel.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    pub(super) x: Range,
    pub(super) y: Range,
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) size: (f64, f64),
}

impl Frame {
    // Far outside is outside: keeps numbers short.
    pub(super) fn px(&self, x: f64) -> Option<f64> {
        self.x.place(x).map(|p| self.left + p.clamp(-9.0, 10.0) * self.size.0)
    }

    pub(super) fn py(&self, y: f64) -> Option<f64> {
        self.y.place(y).map(|p| self.down(p))
    }

    fn down(&self, place: f64) -> f64 {
        self.top + (1.0 - place.clamp(-9.0, 10.0)) * self.size.1
    }

    fn at(&self, x: f64, y: f64) -> Option<(f64, f64)> {
        Some((self.px(x)?, self.py(y)?))
    }

    /// Both ends of the interval at i, the lower one at the axis if it has no place.
    fn interval(&self, series: &Series, i: usize) -> Option<(f64, f64, f64)> {
        let (low, high) = (*series.low.get(i)?, *series.high.get(i)?);
        Some((self.px(series.x[i])?, self.down(self.y.place_low(low)?), self.py(high)?))
    }

    pub(super) fn rect(&self, svg: &mut Svg, grow: f64, more: &[(&str, &str)]) {
        let [x, y, w, h] =
            [self.left - grow, self.top - grow, self.size.0 + 2.0 * grow, self.size.1 + 2.0 * grow].map(px);
        svg.tag("rect", &[&[("x", &*x), ("y", &*y), ("width", &*w), ("height", &*h)], more].concat());
    }
}

/// Ranges of both axes of a panel, from everything that it shows.
pub(super) fn ranges(panel: &Panel) -> (Range, Range) {
    let all = |f: fn(&Series) -> [&[f64]; 3]| {
        panel.series.iter().flat_map(move |s| f(s).into_iter().flatten().copied()).collect::<Vec<f64>>()
    };
    let filled = |s: &Series| matches!(s.mark, Mark::Stack | Mark::Bar);
    let marked = |side| panel.references.iter().filter(move |r| r.axis == side).map(|r| r.at);
    let mut x = all(|s| [&s.x, &[], &[]]);
    x.extend(marked(Side::X));
    let mut y = all(|s| if s.mark == Mark::Stack { [&[], &[], &[]] } else { [&s.y, &s.low, &s.high] });
    y.extend(marked(Side::Y));
    y.extend(bars::heights(panel).into_iter().flat_map(|(a, b)| [a, b]));
    let base = panel.series.iter().any(filled);
    if base {
        y.push(0.0);
    }
    let areas = panel.series.iter().any(|s| s.mark == Mark::Stack);
    let margin = if areas { 0.0 } else { 0.03 };
    (Range::of(&panel.x, x.into_iter(), margin, false), Range::of(&panel.y, y.into_iter(), 0.05, base))
}

/// Counts of numbers that could not be drawn: said under the panels, never passed over.
#[derive(Default)]
pub(super) struct Undrawn {
    missing: usize,
    not_positive: usize,
    outside: usize,
}

impl Undrawn {
    pub(super) fn of(faces: &[Face<'_>]) -> Undrawn {
        let mut counts = Undrawn::default();
        for face in faces {
            for series in &face.panel.series {
                for (x, y) in series.x.iter().zip(&series.y) {
                    counts.point(face, *x, *y);
                }
            }
        }
        counts
    }

    fn point(&mut self, face: &Face<'_>, x: f64, y: f64) {
        let inside = |p: f64| (-1e-9..=1.0 + 1e-9).contains(&p);
        let log = |v: f64, scale| v <= 0.0 && scale == Scale::Log;
        match (face.x.place(x), face.y.place(y)) {
            (Some(a), Some(b)) if inside(a) && inside(b) => {}
            (Some(_), Some(_)) => self.outside += 1,
            _ if log(x, face.panel.x.scale) || log(y, face.panel.y.scale) => self.not_positive += 1,
            _ => self.missing += 1,
        }
    }

    /// A sentence, or nothing if all was drawn.
    pub(super) fn note(&self) -> String {
        let parts: Vec<String> = [
            (self.missing, "missing or not finite"),
            (self.not_positive, "not positive on a logarithmic axis"),
            (self.outside, "outside the axes"),
        ]
        .into_iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, what)| format!("{n} {what}"))
        .collect();
        if parts.is_empty() { String::new() } else { format!("Values not drawn: {}.", parts.join(", ")) }
    }
}

/// A style at work in one drawing.
#[derive(Clone, Copy)]
pub(super) struct Look<'a> {
    pub(super) style: Style,
    pub(super) id: &'a str,
}

impl Look<'_> {
    pub(super) fn line(&self, svg: &mut Svg, points: &str) {
        let mut attributes = vec![("points", points), ("fill", "none"), ("stroke", self.style.color)];
        attributes.extend([("stroke-width", "1.8"), ("stroke-linejoin", "round")]);
        if !self.style.dash.is_empty() {
            attributes.push(("stroke-dasharray", self.style.dash));
        }
        svg.tag("polyline", &attributes);
    }

    pub(super) fn marker(&self, svg: &mut Svg, (x, y): (f64, f64)) {
        let path =
            |shape: &[(f64, f64)]| points(&shape.iter().map(|(dx, dy)| (x + dx, y + dy)).collect::<Vec<_>>());
        let filled = [("fill", self.style.color), ("stroke", GROUND), ("stroke-width", "0.8")];
        let mut polygon = |shape: &[(f64, f64)]| {
            svg.tag("polygon", &[&[("points", &*path(shape))], &filled[..]].concat());
        };
        let stroke = [("fill", "none"), ("stroke", self.style.color), ("stroke-width", "1.8")];
        match self.style.marker {
            Marker::Circle => {
                let place = [("cx", &*px(x)), ("cy", &*px(y)), ("r", "3.4")];
                svg.tag("circle", &[&place[..], &filled[..]].concat());
            }
            Marker::Square => polygon(&[(-3.2, -3.2), (3.2, -3.2), (3.2, 3.2), (-3.2, 3.2)]),
            Marker::Triangle => polygon(&[(0.0, -4.4), (4.0, 3.0), (-4.0, 3.0)]),
            Marker::TriangleDown => polygon(&[(0.0, 4.4), (4.0, -3.0), (-4.0, -3.0)]),
            Marker::Diamond => polygon(&[(0.0, -4.4), (4.4, 0.0), (0.0, 4.4), (-4.4, 0.0)]),
            Marker::Cross => cross(svg, (x, y), [(-3.2, -3.2), (-3.2, 3.2)], &stroke),
            Marker::Plus => cross(svg, (x, y), [(-4.0, 0.0), (0.0, -4.0)], &stroke),
        }
    }

    /// A closed shape in the colour, with the hatching of the style in the colour of the ground over it.
    pub(super) fn filled(&self, svg: &mut Svg, shape: &str, place: &[(&str, &str)]) {
        let plain = [
            ("fill", self.style.color),
            ("fill-opacity", "0.85"),
            ("stroke", GROUND),
            ("stroke-width", "0.6"),
        ];
        svg.tag(shape, &[place, &plain[..]].concat());
        if self.style.hatch > 0 {
            let pattern = format!("url(#{}-hatch{})", self.id, self.style.hatch);
            svg.tag(shape, &[place, &[("fill", &*pattern)]].concat());
        }
    }

    fn whisker(&self, svg: &mut Svg, (x, low, high): (f64, f64, f64)) {
        let (l, r) = (px(x - 3.0), px(x + 3.0));
        let (x, low, high) = (px(x), px(low), px(high));
        let d = format!("M{x},{low}V{high}M{l},{low}H{r}M{l},{high}H{r}");
        svg.tag(
            "path",
            &[("d", &d), ("fill", "none"), ("stroke", self.style.color), ("stroke-width", "1.2")],
        );
    }
}

fn cross(svg: &mut Svg, (x, y): (f64, f64), arms: [(f64, f64); 2], stroke: &[(&str, &str)]) {
    let arm = |(dx, dy): (f64, f64)| format!("M{},{}L{},{}", px(x - dx), px(y - dy), px(x + dx), px(y + dy));
    svg.tag("path", &[&[("d", &*arms.map(arm).concat())], stroke].concat());
}

/// The hatchings that the figure uses.
pub(super) fn defs(figure: &Figure, others: &[String], id: &str, svg: &mut Svg) {
    const LINES: [&str; 7] = [
        "",
        "M-2,2L2,-2M0,8L8,0M6,10L10,6",
        "M-2,6L2,10M0,0L8,8M6,-2L10,2",
        "M0,4H8",
        "M4,0V8",
        "M0,8L8,0M0,0L8,8",
        "M2,2h1.6v1.6h-1.6zM6,6h1.6v1.6h-1.6z",
    ];
    let filled = |s: &&Series| matches!(s.mark, Mark::Stack | Mark::Bar | Mark::Box);
    let used = figure.panels.iter().flat_map(|p| &p.series).filter(filled);
    let mut hatches: Vec<usize> =
        used.map(|s| Style::of(&s.style, others).hatch).filter(|h| *h > 0).collect();
    hatches.sort_unstable();
    hatches.dedup();
    for hatch in hatches {
        let name = format!("{id}-hatch{hatch}");
        let size = [("width", "8"), ("height", "8"), ("patternUnits", "userSpaceOnUse")];
        svg.open("pattern", &[&[("id", &*name)], &size[..]].concat());
        let line = [("fill", "none"), ("stroke", GROUND), ("stroke-width", "1.3"), ("stroke-opacity", "0.8")];
        svg.tag("path", &[&[("d", LINES[hatch])], &line[..]].concat());
        svg.close();
    }
}

/// Everything between the axes, the first series at the bottom.
pub(super) fn draw(svg: &mut Svg, panel: &Panel, frame: &Frame, id: &str, others: &[String]) {
    let of = |mark| panel.series.iter().filter(move |s| s.mark == mark).count();
    let (bars, boxes, lines) = (of(Mark::Bar), of(Mark::Box), of(Mark::Line));
    let (mut bar, mut distribution, mut line) = (0, 0, 0);
    let mut stack = bars::Stack::of(panel);
    for series in &panel.series {
        let look = Look { style: Style::of(&series.style, others), id };
        let names = [("class", "series"), ("data-series", &*series.label), ("data-style", &*series.style)];
        svg.open("g", &names);
        match series.mark {
            Mark::Line => {
                draw_line(svg, series, frame, look, (line as f64 + 0.5) / lines as f64);
                line += 1;
            }
            Mark::Scatter => draw_scatter(svg, series, frame, look),
            Mark::Stack => stack.draw(svg, series, frame, look),
            Mark::Bar => {
                bars::draw_bars(svg, series, frame, look, (bar, bars));
                bar += 1;
            }
            Mark::Box => {
                bars::draw_boxes(svg, series, frame, look, (distribution, boxes));
                distribution += 1;
            }
        }
        svg.close();
    }
}

/// Consecutive indices for which there is something.
fn runs<T>(items: impl Iterator<Item = Option<T>>) -> Vec<Vec<T>> {
    let mut runs = vec![Vec::new()];
    for item in items {
        match item {
            Some(item) => runs.last_mut().expect("never empty").push(item),
            None => runs.push(Vec::new()),
        }
    }
    runs.retain(|r| !r.is_empty());
    runs
}

fn draw_line(svg: &mut Svg, series: &Series, frame: &Frame, look: Look<'_>, phase: f64) {
    for run in runs((0..series.low.len()).map(|i| frame.interval(series, i))) {
        let upper = thin(run.iter().map(|(x, _, high)| (*x, *high)).collect());
        let lower = thin(run.iter().map(|(x, low, _)| (*x, *low)).collect());
        let edge: Vec<_> = upper.into_iter().chain(lower.into_iter().rev()).collect();
        let fill = [("fill", look.style.color), ("fill-opacity", BAND)];
        svg.tag("polygon", &[&[("points", &*points(&edge))], &fill[..]].concat());
    }
    let placed = runs(series.x.iter().zip(&series.y).map(|(x, y)| frame.at(*x, *y)));
    let all = series.x.len() <= MANY;
    let step = frame.size.0 / MARKERS;
    let mut next = frame.left + phase * step;
    for run in placed {
        // A point between two gaps has no line, only its marker.
        let alone = run.len() == 1;
        look.line(svg, &points(&thin(run.clone())));
        for point in run {
            if all || alone || point.0 >= next {
                look.marker(svg, point);
                next = next.max(point.0) + step;
            }
        }
    }
}

fn draw_scatter(svg: &mut Svg, series: &Series, frame: &Frame, look: Look<'_>) {
    whiskers(svg, series, frame, look, 0.0);
    for (x, y) in series.x.iter().zip(&series.y) {
        if let Some(point) = frame.at(*x, *y) {
            look.marker(svg, point);
        }
    }
}

/// Intervals, moved by `shift` pixels.
pub(super) fn whiskers(svg: &mut Svg, series: &Series, frame: &Frame, look: Look<'_>, shift: f64) {
    for (x, low, high) in (0..series.low.len()).filter_map(|i| frame.interval(series, i)) {
        look.whisker(svg, (x + shift, low, high));
    }
}

/// At most four points for each half pixel of width: first, lowest, highest and last, which looks the same.
fn thin(run: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let column = |p: &(f64, f64)| (2.0 * p.0).floor();
    let mut out = Vec::new();
    for group in run.chunk_by(|a, b| column(a) == column(b)) {
        if group.len() <= 4 {
            out.extend_from_slice(group);
            continue;
        }
        let extreme = |sign: f64| {
            let by_height = |a: &usize, b: &usize| (sign * group[*a].1).total_cmp(&(sign * group[*b].1));
            (0..group.len()).min_by(by_height).unwrap_or(0)
        };
        let mut keep = vec![0, extreme(1.0), extreme(-1.0), group.len() - 1];
        keep.sort_unstable();
        keep.dedup();
        out.extend(keep.into_iter().map(|i| group[i]));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_extremes() {
        let long: Vec<(f64, f64)> =
            (0..100_000).map(|i| (f64::from(i) * 1e-3, if i == 70_007 { 50.0 } else { 1.0 })).collect();
        let short = thin(long.clone());
        assert!(short.len() <= 4 * 201 && short.contains(&(long[70_007].0, 50.0)), "{}", short.len());
        assert!(short.is_sorted_by(|a, b| a.0 <= b.0));
    }

    #[test]
    fn gaps_split() {
        let split = runs([Some(1), None, None, Some(2), Some(3), None].into_iter());
        assert_eq!(split, [vec![1], vec![2, 3]]);
    }
}

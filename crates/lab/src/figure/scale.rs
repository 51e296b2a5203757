//! From numbers to places on an axis, and which places are labelled: 1-2-5 steps (Heckbert, Graphics Gems, 1990),
//! decades on logarithmic axes.

use super::spec::{Axis, Scale};

/// An axis with its ends decided.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    scale: Scale,
    /// Ends, transformed.
    ends: (f64, f64),
}

/// A place with a mark on the axis; without a label it is a minor one.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    pub(super) at: f64,
    pub(super) label: String,
}

impl Scale {
    /// The number on a linear axis; none if it has no place.
    fn transform(self, v: f64) -> Option<f64> {
        let t = match self {
            Scale::Linear => v,
            Scale::Log if v <= 0.0 => return None,
            Scale::Log => v.log10(),
            Scale::Symlog { linear } => v.signum() * (v.abs() / linear).ln_1p() / std::f64::consts::LN_10,
        };
        t.is_finite().then_some(t)
    }

    fn inverse(self, t: f64) -> f64 {
        match self {
            Scale::Linear => t,
            Scale::Log => 10f64.powf(t),
            Scale::Symlog { linear } => t.signum() * linear * (10f64.powf(t.abs()) - 1.0),
        }
    }
}

impl Range {
    /// Ends from the data with a margin of `pad` of the length, unless the axis states them. An end at 0 that `from_zero`
    /// declares to be a base gets no margin.
    pub(super) fn of(axis: &Axis, data: impl Iterator<Item = f64>, pad: f64, from_zero: bool) -> Range {
        if !axis.categories.is_empty() {
            return Range { scale: Scale::Linear, ends: (-0.5, axis.categories.len() as f64 - 0.5) };
        }
        let scale = axis.scale;
        let found = data.filter_map(|v| scale.transform(v)).fold(None, |ends: Option<(f64, f64)>, t| {
            Some(ends.map_or((t, t), |(a, b)| (a.min(t), b.max(t))))
        });
        let (lo, hi) = found.unwrap_or((0.0, 1.0));
        let margin = match hi - lo {
            0.0 if scale == Scale::Linear && lo != 0.0 => 0.1 * lo.abs(),
            0.0 => 0.5,
            length => pad * length,
        };
        let end = |fixed: Option<f64>, t: f64, by: f64| match fixed.and_then(|v| scale.transform(v)) {
            Some(t) => t,
            None if from_zero && t == 0.0 => t,
            None => t + by,
        };
        let (a, b) = (end(axis.min, lo, -margin), end(axis.max, hi, margin));
        // One stated end may lie beyond all the data.
        Range { scale, ends: if a < b { (a, b) } else { (a.min(b) - 0.5, a.max(b) + 0.5) } }
    }

    /// The smallest range that holds both; they are of one scale.
    pub(super) fn union(self, other: Range) -> Range {
        let ends = (self.ends.0.min(other.ends.0), self.ends.1.max(other.ends.1));
        Range { ends, ..self }
    }

    /// Share of the way from the lower to the upper end; none without a place, beyond [0, 1] outside.
    pub(super) fn place(&self, v: f64) -> Option<f64> {
        let (a, b) = self.ends;
        self.scale.transform(v).map(|t| (t - a) / (b - a))
    }

    /// As [`Range::place`], with numbers below every place of a logarithmic axis at its lower end.
    pub(super) fn place_low(&self, v: f64) -> Option<f64> {
        if self.scale == Scale::Log && v <= 0.0 { Some(0.0) } else { self.place(v) }
    }

    /// Lower and upper end as numbers.
    pub(super) fn ends(&self) -> (f64, f64) {
        (self.scale.inverse(self.ends.0), self.scale.inverse(self.ends.1))
    }

    /// `linear`, `log` or `symlog:0.001`.
    pub(super) fn word(&self) -> String {
        match self.scale {
            Scale::Linear => "linear".into(),
            Scale::Log => "log".into(),
            Scale::Symlog { linear } => format!("symlog:{linear}"),
        }
    }

    /// Marks for an axis with room for about `room` labels.
    pub(super) fn ticks(&self, axis: &Axis, room: usize) -> Vec<Tick> {
        if !axis.categories.is_empty() {
            let tick = |(i, name): (usize, &String)| Tick { at: i as f64, label: name.clone() };
            return axis.categories.iter().enumerate().map(tick).collect();
        }
        let mut ticks = match (axis.ticks.is_empty(), self.scale) {
            (false, _) => labelled(&axis.ticks),
            (_, Scale::Linear) => self.even(room),
            (_, Scale::Log) => self.decades(room),
            (_, Scale::Symlog { linear }) => self.signed_decades(linear, room),
        };
        ticks.retain(|t| self.place(t.at).is_some_and(|p| (-1e-9..=1.0 + 1e-9).contains(&p)));
        ticks
    }

    fn even(&self, room: usize) -> Vec<Tick> {
        let (a, b) = self.ends();
        let step = nice_step((b - a) / room.max(2) as f64);
        let (from, to) = ((a / step - 1e-9).ceil() as i64, (b / step + 1e-9).floor() as i64);
        let at: Vec<f64> = (from..=to).map(|i| i as f64 * step).collect();
        let labels = even_labels(&at, step);
        at.into_iter().zip(labels).map(|(at, label)| Tick { at, label }).collect()
    }

    fn decades(&self, room: usize) -> Vec<Tick> {
        let (a, b) = self.ends;
        let (first, last) = ((a - 1e-9).ceil() as i32, (b + 1e-9).floor() as i32);
        if last - first < 1 {
            return self.within_decade(room);
        }
        let stride = (last - first + 1).div_euclid(room.max(2) as i32 + 1) + 1;
        let plain = first >= -3 && last <= 4;
        let mut ticks = Vec::new();
        for k in first - 1..=last {
            let label = if k.rem_euclid(stride) == 0 { power(k, plain) } else { String::new() };
            ticks.push(Tick { at: 10f64.powi(k), label });
            if stride == 1 {
                ticks
                    .extend((2..10).map(|m| Tick { at: f64::from(m) * 10f64.powi(k), label: String::new() }));
            }
        }
        ticks
    }

    /// Labels on a logarithmic axis that holds at most one power of ten.
    fn within_decade(&self, room: usize) -> Vec<Tick> {
        let (a, b) = self.ends;
        let steps =
            (a.floor() as i32..=b.ceil() as i32).flat_map(|k| [1.0, 2.0, 5.0].map(|m| m * 10f64.powi(k)));
        let (low, high) = self.ends();
        let at: Vec<f64> = steps.filter(|v| (low..=high).contains(v)).collect();
        if at.len() >= 3 { labelled(&at) } else { self.even(room) }
    }

    fn signed_decades(&self, linear: f64, room: usize) -> Vec<Tick> {
        let (a, b) = self.ends();
        let first = (linear.log10() - 1e-9).ceil() as i32;
        let last = (a.abs().max(b.abs()).log10() + 1e-9).floor() as i32;
        if last < first {
            return self.even(room);
        }
        let sides = if a < 0.0 && b > 0.0 { 2 } else { 1 };
        let stride = ((last - first + 1) * sides).div_euclid(room.max(3) as i32) + 1;
        let plain = first >= -2 && last <= 3;
        let mut ticks = vec![Tick { at: 0.0, label: "0".into() }];
        for k in first..=last {
            let shown = (last - k) % stride == 0;
            for sign in [1.0, -1.0] {
                let minus = if sign < 0.0 { "−" } else { "" };
                let label = if shown { format!("{minus}{}", power(k, plain)) } else { String::new() };
                ticks.push(Tick { at: sign * 10f64.powi(k), label });
            }
        }
        ticks
    }
}

/// 1, 2 or 5 times a power of ten, at least `rough`.
fn nice_step(rough: f64) -> f64 {
    let unit = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().find(|m| m * unit >= rough * (1.0 - 1e-9));
    step.unwrap_or(10.0) * unit
}

fn even_labels(at: &[f64], step: f64) -> Vec<String> {
    let largest = at.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    let exponent = if largest > 0.0 { (largest * (1.0 + 1e-9)).log10().floor() as i32 } else { 0 };
    let factor = if (-3..5).contains(&exponent) { 0 } else { exponent };
    let decimals = (factor - (step * (1.0 + 1e-9)).log10().floor() as i32).max(0) as usize;
    let write = |v: &f64| match (v, factor) {
        (v, _) if v.abs() < 0.5 * step => "0".to_owned(),
        (v, 0) => minus(format!("{v:.decimals$}")),
        (v, n) => minus(format!("{:.decimals$}×{}", v / 10f64.powi(n), power(n, false))),
    };
    at.iter().map(write).collect()
}

fn labelled(at: &[f64]) -> Vec<Tick> {
    at.iter().map(|v| Tick { at: *v, label: number(*v) }).collect()
}

/// A number as a reader writes it: 0.05, 4096, 3×10⁻⁷.
pub(super) fn number(v: f64) -> String {
    if v == 0.0 || (1e-3..1e5).contains(&v.abs()) {
        return minus(v.to_string());
    }
    let text = format!("{v:e}");
    match text.split_once('e').and_then(|(m, e)| Some((m, e.parse().ok()?))) {
        Some(("1", e)) => power(e, false),
        Some((m, e)) => minus(format!("{m}×{}", power(e, false))),
        None => text,
    }
}

fn power(k: i32, plain: bool) -> String {
    if plain { 10f64.powi(k).to_string() } else { format!("10{}", superscript(k)) }
}

fn superscript(k: i32) -> String {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let raise = |c: char| c.to_digit(10).map_or('⁻', |d| DIGITS[d as usize]);
    k.to_string().chars().map(raise).collect()
}

fn minus(text: String) -> String {
    text.replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(scale: Scale, min: f64, max: f64) -> (Axis, Range) {
        let axis = Axis::new("q", "").scale(scale).limits(min, max);
        let range = Range::of(&axis, std::iter::empty(), 0.0, false);
        (axis, range)
    }

    fn labels(scale: Scale, min: f64, max: f64, room: usize) -> Vec<String> {
        let (axis, range) = axis(scale, min, max);
        let ticks = range.ticks(&axis, room);
        ticks.into_iter().map(|t| t.label).filter(|l| !l.is_empty()).collect()
    }

    #[test]
    fn labels_are_round_and_few() {
        assert_eq!(labels(Scale::Linear, 0.0, 1.0, 5), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(Scale::Linear, -2e-7, 2e-7, 4), ["−2×10⁻⁷", "−1×10⁻⁷", "0", "1×10⁻⁷", "2×10⁻⁷"]);
        assert_eq!(labels(Scale::Linear, 0.0, 60_000.0, 3), ["0", "20000", "40000", "60000"]);
        assert_eq!(labels(Scale::Log, 1e-3, 1e2, 8), ["0.001", "0.01", "0.1", "1", "10", "100"]);
        assert_eq!(labels(Scale::Log, 1e-8, 1e-2, 4), ["10⁻⁸", "10⁻⁶", "10⁻⁴", "10⁻²"]);
        assert_eq!(labels(Scale::Log, 0.03, 0.6, 5), ["0.05", "0.1", "0.2", "0.5"]);
        let symlog = labels(Scale::Symlog { linear: 1e-6 }, -1e-4, 1e-4, 9);
        assert_eq!(symlog.len(), 7, "{symlog:?}");
        assert!(symlog.contains(&"−10⁻⁴".to_owned()));
    }

    #[test]
    fn places_invert() {
        for scale in [Scale::Linear, Scale::Log, Scale::Symlog { linear: 0.1 }] {
            let (_, range) = axis(scale, 0.5, 20.0);
            let (a, b) = range.ends();
            // Two transcendental functions there and back: a few units in the last place.
            assert!((a - 0.5).abs() < 1e-12 && (b - 20.0).abs() < 1e-12, "{scale:?}: {a} {b}");
            assert!(
                range.place(0.5).unwrap().abs() < 1e-12 && (range.place(20.0).unwrap() - 1.0).abs() < 1e-12
            );
        }
        assert_eq!(axis(Scale::Log, 1.0, 2.0).1.place(0.0), None);
        assert_eq!(axis(Scale::Linear, 1.0, 2.0).1.place(f64::NAN), None);
        let odd = Scale::Symlog { linear: 0.1 };
        assert_eq!(odd.transform(-3.0), odd.transform(3.0).map(|t| -t));
    }

    #[test]
    fn numbers_read_well() {
        for (v, text) in [(4096.0, "4096"), (-0.05, "−0.05"), (3e-7, "3×10⁻⁷"), (1e6, "10⁶"), (0.0, "0")]
        {
            assert_eq!(number(v), text);
        }
    }
}

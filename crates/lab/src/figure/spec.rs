//! The specification of a figure.

use super::{FigureError, missing};
use serde::{Deserialize, Serialize};

/// A picture of one or several panels with one common key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Figure {
    /// Above the panels; may be empty.
    pub title: String,
    /// What is shown, with how many seeds and which band; for the page around the picture.
    pub caption: String,
    /// Panels side by side before a new row is begun; 0 for a choice by their number.
    pub columns: usize,
    /// Whether all panels use the same y range.
    pub share_y: bool,
    /// Width of one panel between its axes, in pixels; 0 for a choice by the number of columns.
    pub panel_width: f64,
    /// Height of one panel between its axes, in pixels; 0 for three quarters of the width, or less.
    pub panel_height: f64,
    /// The panels in reading order.
    pub panels: Vec<Panel>,
    /// What a reader of the bare numbers must not miss: the last column of the CSV. Empty if there is nothing.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub remark: String,
}

/// One pair of axes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Panel {
    /// Above the axes; may be empty.
    pub title: String,
    /// Horizontal.
    pub x: Axis,
    /// Vertical.
    pub y: Axis,
    /// What is drawn, the first at the bottom.
    pub series: Vec<Series>,
    /// Straight lines to compare with.
    pub references: Vec<Reference>,
}

/// What an axis measures and how it is divided.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Axis {
    /// Quantity.
    pub label: String,
    /// Its unit, written in brackets after the label; empty if it has none.
    pub unit: String,
    /// How numbers become places.
    pub scale: Scale,
    /// Lower end; from the data if absent.
    pub min: Option<f64>,
    /// Upper end; from the data if absent.
    pub max: Option<f64>,
    /// Labelled places; chosen if empty.
    pub ticks: Vec<f64>,
    /// Names instead of numbers: the value i stands at the i-th name, and the scale is linear.
    pub categories: Vec<String>,
}

/// How numbers become places on an axis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Scale {
    /// Proportional.
    #[default]
    Linear,
    /// By the logarithm; numbers <= 0 have no place.
    Log,
    /// By `sign(v) log10(1 + |v| / linear)`: like a logarithm on both sides of 0, proportional within it.
    Symlog {
        /// Magnitude below which it is about proportional.
        linear: f64,
    },
}

/// How a series is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// A line with markers, and the band from `low` to `high`; missing points break it.
    #[default]
    Line,
    /// Markers with whiskers from `low` to `high`.
    Scatter,
    /// An account stacked on the other `Stack` series of the panel: positive parts up, negative parts down. Areas on a
    /// numeric axis (all series must have the same `x`), bars on one with categories. Heights add up by eye on a linear
    /// y axis only.
    Stack,
    /// Bars from 0 side by side at the categories, with whiskers from `low` to `high`.
    Bar,
    /// Distributions: all y of the same x as quartile box, whiskers to the last value within 1.5 interquartile ranges
    /// (Tukey 1977) and the values beyond as points; with 20 values or fewer every value is drawn.
    Box,
}

/// Numbers with a name and a look.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Series {
    /// In the key; series of one label share an entry.
    pub label: String,
    /// A rule's registry word, an account of the ledger, or any other word: see [`super::Style::of`].
    pub style: String,
    /// How it is drawn.
    pub mark: Mark,
    /// Places along x.
    #[serde(with = "missing")]
    pub x: Vec<f64>,
    /// Values, one per x; NaN is a missing one.
    #[serde(with = "missing")]
    pub y: Vec<f64>,
    /// Lower ends of the interval around y; empty for none.
    #[serde(with = "missing")]
    pub low: Vec<f64>,
    /// Upper ends of the interval around y; empty for none.
    #[serde(with = "missing")]
    pub high: Vec<f64>,
}

/// A straight line across the panel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// The axis on which `at` is measured: `y` gives a horizontal line.
    pub axis: Side,
    /// Where.
    pub at: f64,
    /// Written along it; may be empty.
    #[serde(default)]
    pub label: String,
}

/// One of the two axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Horizontal.
    X,
    /// Vertical.
    Y,
}

impl Axis {
    /// A linear axis; `unit` may be empty.
    pub fn new(label: impl Into<String>, unit: impl Into<String>) -> Axis {
        Axis { label: label.into(), unit: unit.into(), ..Axis::default() }
    }

    /// With this scale.
    pub fn scale(self, scale: Scale) -> Axis {
        Axis { scale, ..self }
    }

    /// Between these ends.
    pub fn limits(self, min: f64, max: f64) -> Axis {
        Axis { min: Some(min), max: Some(max), ..self }
    }

    /// With labels at these places.
    pub fn ticks(self, ticks: &[f64]) -> Axis {
        Axis { ticks: ticks.to_vec(), ..self }
    }

    /// With names at 0, 1, 2, ...
    pub fn categories<T: Into<String>>(self, names: impl IntoIterator<Item = T>) -> Axis {
        Axis { categories: names.into_iter().map(Into::into).collect(), ..self }
    }

    /// Label with its unit.
    pub fn text(&self) -> String {
        if self.unit.is_empty() { self.label.clone() } else { format!("{} ({})", self.label, self.unit) }
    }
}

impl Series {
    /// A series of `mark` without an interval.
    pub fn new(
        mark: Mark,
        style: impl Into<String>,
        label: impl Into<String>,
        x: Vec<f64>,
        y: Vec<f64>,
    ) -> Series {
        Series { label: label.into(), style: style.into(), mark, x, y, ..Series::default() }
    }

    /// With the interval from `low` to `high` around each y.
    pub fn band(self, low: Vec<f64>, high: Vec<f64>) -> Series {
        Series { low, high, ..self }
    }

    fn check(&self) -> Result<(), String> {
        let n = self.x.len();
        let fits = |v: &[f64], optional: bool| v.len() == n || (optional && v.is_empty());
        if !fits(&self.y, false) || !fits(&self.low, true) || !fits(&self.high, true) {
            let [y, low, high] = [&self.y, &self.low, &self.high].map(Vec::len);
            return Err(format!("{n} x, {y} y, {low} low and {high} high: must be as many"));
        }
        if self.low.len() != self.high.len() {
            return Err("has one end of an interval without the other".into());
        }
        Ok(())
    }
}

impl Panel {
    /// Adds the sum of the `Stack` series, as a line or, at categories, as points.
    pub fn with_total(mut self, label: &str) -> Panel {
        let stacked = || self.series.iter().filter(|s| s.mark == Mark::Stack);
        let x = stacked().next().map(|s| s.x.clone()).unwrap_or_default();
        let sum = |i: usize| stacked().filter_map(|s| s.y.get(i)).sum();
        let y = (0..x.len()).map(sum).collect();
        let mark = if self.x.categories.is_empty() { Mark::Line } else { Mark::Scatter };
        self.series.push(Series::new(mark, "total", label, x, y));
        self
    }

    fn check(&self) -> Result<(), String> {
        for (name, axis) in [("x", &self.x), ("y", &self.y)] {
            axis.check().map_err(|m| format!("{name} axis: {m}"))?;
        }
        if !self.y.categories.is_empty() {
            return Err("y axis: categories stand on the x axis only".into());
        }
        for series in &self.series {
            series.check().map_err(|m| format!("series {:?}: {m}", series.label))?;
            let named = !self.x.categories.is_empty();
            if matches!(series.mark, Mark::Bar | Mark::Box) && !named {
                return Err(format!(
                    "series {:?}: bars and boxes need categories on the x axis",
                    series.label
                ));
            }
            let place = |x: &f64| x.fract() == 0.0 && (0.0..self.x.categories.len() as f64).contains(x);
            if named && !series.x.iter().all(place) {
                return Err(format!("series {:?}: an x is not the number of a category", series.label));
            }
        }
        let mut stacks = self.series.iter().filter(|s| s.mark == Mark::Stack);
        if let Some(first) = stacks.next() {
            if stacks.any(|s| s.x != first.x) {
                return Err("stacked series must have the same x".into());
            }
            if self.y.scale == Scale::Log {
                return Err("stacked series need a linear or symlog y axis".into());
            }
        }
        Ok(())
    }
}

impl Axis {
    fn check(&self) -> Result<(), String> {
        let ends = [self.min, self.max].into_iter().flatten();
        for end in ends.chain(self.ticks.iter().copied()) {
            if !end.is_finite() || (self.scale == Scale::Log && end <= 0.0) {
                return Err(format!("{end} has no place on it"));
            }
        }
        match (self.min, self.max, self.scale) {
            (Some(a), Some(b), _) if a >= b => {
                Err(format!("its lower end {a} is not below its upper end {b}"))
            }
            (_, _, Scale::Symlog { linear }) if linear.is_nan() || linear <= 0.0 => {
                Err(format!("symlog needs a linear part > 0, got {linear}"))
            }
            (_, _, scale) if !self.categories.is_empty() && scale != Scale::Linear => {
                Err("categories need a linear scale".into())
            }
            _ => Ok(()),
        }
    }
}

impl Figure {
    /// Whether it can be drawn: lengths agree, limits are in order, stacks share their x.
    ///
    /// # Errors
    /// Naming panel and series.
    pub fn check(&self) -> Result<(), FigureError> {
        let wrong = |message| FigureError::Spec { figure: self.title.clone(), message };
        if self.panels.is_empty() {
            return Err(wrong("has no panel".into()));
        }
        for (i, panel) in self.panels.iter().enumerate() {
            panel.check().map_err(|m| wrong(format!("panel {} {:?}: {m}", i + 1, panel.title)))?;
        }
        Ok(())
    }
}

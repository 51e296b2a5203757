//! Draws one figure of every kind from made-up numbers: `cargo run -p realign-lab --example figures -- DIR`.

use realign_lab::figure::{self, Axis, Figure, Mark, Panel, Reference, Scale, Series, Side};
use realign_tensor::Rng;
use std::path::PathBuf;

const RULES: [(&str, &str); 4] =
    [("bp", "BP"), ("fa", "FA"), ("sign_fa", "sign-FA"), ("adafa", "adaFA (our reconstruction)")];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "target/figures".into()));
    let all = [("lines", lines()), ("accounts", accounts()), ("widths", widths()), ("points", points())];
    for (stem, figure) in all {
        for path in figure::write(&figure, &dir, stem)? {
            println!("{}", path.display());
        }
    }
    Ok(())
}

fn band(series: Series, by: f64) -> Series {
    let (low, high) = series.y.iter().map(|y| (y * (1.0 - by), y * (1.0 + by))).unzip();
    series.band(low, high)
}

/// Loss on log-log axes and alignment on a linear one.
fn lines() -> Figure {
    let steps: Vec<f64> = (0..60).map(|i| (1.0 + f64::from(i) * 0.5).powf(2.2)).collect();
    let loss = |rate: f64| steps.iter().map(|t| 2.3 / (1.0 + rate * t)).collect();
    let angle = |rate: f64| steps.iter().map(|t| 90.0 * (-rate * t / 400.0).exp() + 8.0).collect();
    let series = |f: &dyn Fn(f64) -> Vec<f64>| {
        RULES
            .iter()
            .enumerate()
            .map(|(k, (word, label))| {
                band(Series::new(Mark::Line, *word, *label, steps.clone(), f(0.2 / (1.0 + k as f64))), 0.12)
            })
            .collect()
    };
    Figure {
        title: "Training loss and alignment of four learning rules".into(),
        caption: "Mean of 5 seeds with its 95 % interval.".into(),
        panels: vec![
            Panel {
                title: "loss on the train split".into(),
                x: Axis::new("step", "").scale(Scale::Log),
                y: Axis::new("cross-entropy", "nat").scale(Scale::Log),
                series: series(&loss),
                ..Panel::default()
            },
            Panel {
                title: "weight angle ∠(W₂ᵀ, B₂)".into(),
                x: Axis::new("step", ""),
                y: Axis::new("weight angle", "degrees").limits(0.0, 100.0),
                series: series(&angle),
                references: vec![Reference { axis: Side::Y, at: 90.0, label: "no alignment".into() }],
            },
        ],
        ..Figure::default()
    }
}

/// Stacked accounts of a ledger, with areas and with bars.
fn accounts() -> Figure {
    let steps: Vec<f64> = (0..40).map(|i| f64::from(i) * 25.0).collect();
    let account = |word: &str, f: &dyn Fn(f64) -> f64| {
        Series::new(Mark::Stack, word, word, steps.clone(), steps.iter().map(|t| f(t / 1000.0)).collect())
    };
    let areas = Panel {
        title: "layer 1".into(),
        x: Axis::new("step", ""),
        y: Axis::new("change of Σₖ Pₖ since step 0", ""),
        series: vec![
            account("reader", &|t| 0.8e-3 * t),
            account("writer", &|t| 0.5e-3 * t * t),
            account("optimizer", &|t| -0.9e-3 * t * (1.0 - 0.3 * t)),
            account("path", &|t| 0.1e-3 * (6.0 * t).sin()),
            account("residual", &|_| 1e-7),
        ],
        ..Panel::default()
    }
    .with_total("sum of accounts");
    let bars =
        |word: &str, y: [f64; 3]| Series::new(Mark::Stack, word, word, vec![0.0, 1.0, 2.0], y.to_vec());
    let by_layer = Panel {
        title: "whole run, by layer".into(),
        x: Axis::new("layer", "").categories(["1", "2", "3"]),
        y: Axis::new("change of Σₖ Pₖ", "").scale(Scale::Symlog { linear: 1e-5 }),
        series: vec![
            bars("reader", [8e-4, 3e-4, 2e-5]),
            bars("writer", [5e-4, -1e-4, 1e-3]),
            bars("optimizer", [-6e-4, -2e-4, -4e-5]),
        ],
        ..Panel::default()
    }
    .with_total("sum of accounts");
    Figure {
        title: "Ledger of a run with momentum".into(),
        caption: "Positive accounts stand above 0, negative ones below.".into(),
        panels: vec![areas, by_layer],
        ..Figure::default()
    }
}

/// Bars and boxes at widths.
fn widths() -> Figure {
    let rng = Rng::new(3);
    let names = ["64", "256", "1024", "4096"];
    let bars = RULES.iter().enumerate().map(|(k, (word, label))| {
        let y = [0.90, 0.93, 0.95, 0.96].map(|a| a - 0.012 * k as f64).to_vec();
        let (low, high) = y.iter().map(|a| (a - 0.008, a + 0.008)).unzip();
        Series::new(Mark::Bar, *word, *label, vec![0.0, 1.0, 2.0, 3.0], y).band(low, high)
    });
    let boxes = RULES[1..].iter().enumerate().map(|(k, (word, label))| {
        let mut rng = rng.child(word);
        let n = if k == 0 { 12 } else { 300 };
        let x: Vec<f64> = (0..4 * n).map(|i| f64::from(i % 4)).collect();
        let y = x.iter().map(|c| 0.2 * (c + k as f64) + 0.1 * rng.normal()).collect();
        Series::new(Mark::Box, *word, *label, x, y)
    });
    Figure {
        title: "Clean test accuracy and alignment of hidden units by width".into(),
        caption: "Bars: mean of 5 seeds with the 95 % interval; boxes: hidden units.".into(),
        panels: vec![
            Panel {
                x: Axis::new("width", "units").categories(names),
                y: Axis {
                    min: Some(0.8),
                    max: Some(1.0),
                    ..Axis::new("accuracy on clean test labels", "share")
                },
                series: bars.collect(),
                ..Panel::default()
            },
            Panel {
                x: Axis::new("width", "units").categories(names),
                y: Axis::new("cos(W₂ᵀ, B₂) of a hidden unit", ""),
                series: boxes.collect(),
                references: vec![Reference { axis: Side::Y, at: 0.0, label: String::new() }],
                ..Panel::default()
            },
        ],
        ..Figure::default()
    }
}

/// Facets with points, long names, gaps and numbers that have no place.
fn points() -> Figure {
    let panel = |i: usize| {
        let mut rng = Rng::new(i as u64);
        let series = RULES.iter().map(|(word, label)| {
            let x: Vec<f64> = (0..8).map(|k| 10f64.powf(-3.0 + 0.4 * f64::from(k))).collect();
            let y: Vec<f64> =
                x.iter().map(|x| x.powf(0.9 + 0.1 * i as f64) * (0.3 * rng.normal()).exp()).collect();
            let y: Vec<f64> =
                y.iter().enumerate().map(|(j, y)| if i == 2 && j == 3 { f64::NAN } else { *y }).collect();
            let mark = if i.is_multiple_of(2) { Mark::Scatter } else { Mark::Line };
            band(Series::new(mark, *word, *label, x, y), 0.25)
        });
        Panel {
            title: format!("hidden layer {} of a network with residual connections", i + 1),
            x: Axis::new("learning rate η", "").scale(Scale::Log),
            y: Axis::new("drift of P relative to the exchanged amount", "").scale(Scale::Log),
            series: series.collect(),
            references: vec![Reference { axis: Side::X, at: 0.01, label: "chosen η".into() }],
        }
    };
    Figure {
        title: "Drift against learning rate in every hidden layer, with a title that is long enough to need two lines".into(),
        caption: "Five facets with one y range.".into(),
        share_y: true,
        panels: (0..5).map(panel).collect(),
        ..Figure::default()
    }
}

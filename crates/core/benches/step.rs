/*!
One training step of three MLP shapes beside the machine's peak: `cargo bench -p realign --bench step [-- --quick]`.

Peak: fused multiply-adds on registers, nothing else. Share: operations of the products alone (2 per multiply-add) over time over peak.
Steps and peak take turns in one process, and one thread is timed by its processor time, so that neither the clock frequency
nor other programs enter the shares; two threads can only be timed by the clock on the wall, which needs an idle machine. A turn is one
step to bring the caches back to this run, then several timed steps.
Prints the table of docs/performance.md.
*/
#![allow(missing_docs)]

#[path = "../tests/common/mod.rs"]
mod common;
mod machine;

use common::Case;
use machine::{operations, peak, thread_seconds, wall_seconds};
use realign::tensor::ops::{Accum, MatMut, MatRef, gemm};
use realign::tensor::{DType, Par, Rng};
use realign::train::BatchSize;
use std::hint::black_box;

const SHAPES: [(&[usize], usize); 3] =
    [(&[784, 512, 10], 64), (&[784, 4096, 10], 128), (&[784, 1024, 1024, 10], 128)];

const OPTIMIZERS: [(&str, &str); 3] = [
    ("sgd", "name = \"sgd\""),
    ("momentum, decay", "name = \"sgd\"\nmomentum = 0.9\nweight_decay = 1e-4"),
    ("adam", "name = \"adam\""),
];

const RULES: [&str; 4] = ["bp", "fa", "sign_fa", "adafa"];

/// Timed calls per turn.
const CALLS: u32 = 4;

fn main() {
    let quick = std::env::args().any(|a| a == "--quick");
    let rounds = if quick { 9 } else { 41 };
    println!(
        "| network, batch | rule, optimizer | ms per step | GFLOP/s | share of peak | share of peak, slowest half |"
    );
    println!("|---|---|---|---|---|---|");
    for (widths, batch) in SHAPES {
        one_thread(widths, batch, rounds);
    }
    println!("\n| network, batch | wall time of 1 thread / of 2 |\n|---|---|");
    for (widths, batch) in SHAPES {
        two_threads(widths, batch, rounds);
    }
}

fn name(widths: &[usize], batch: usize) -> String {
    format!("{}, {batch}", widths.iter().map(ToString::to_string).collect::<Vec<_>>().join("-"))
}

fn case(widths: &[usize], batch: usize, rule: &str, optimizer: &str) -> Case {
    Case {
        widths: widths.to_vec(),
        dtype: DType::F32,
        n: 8 * batch,
        batch: BatchSize::Size(batch),
        optimizer: optimizer.into(),
        lr: 1e-3,
        ..Case::rule(rule)
    }
}

/// Something timed again and again, in turns with others.
struct Line<'a> {
    label: String,
    operations: f64,
    run: Box<dyn FnMut() + 'a>,
    /// Of one call, the mean of each turn.
    seconds: Vec<f64>,
}

impl<'a> Line<'a> {
    fn new(label: impl Into<String>, operations: f64, run: impl FnMut() + 'a) -> Self {
        Line { label: label.into(), operations, run: Box::new(run), seconds: Vec::new() }
    }

    fn quantile(&self, q: f64) -> f64 {
        let mut s = self.seconds.clone();
        s.sort_by(f64::total_cmp);
        s[((s.len() - 1) as f64 * q) as usize]
    }
}

/// Every line one turn per round; the first round warms up and does not count.
fn take_turns(lines: &mut [Line<'_>], rounds: usize, clock: fn() -> f64) {
    for round in 0..=rounds {
        for line in &mut *lines {
            (line.run)();
            let start = clock();
            (0..CALLS).for_each(|_| (line.run)());
            let seconds = clock() - start;
            if round > 0 {
                line.seconds.push(seconds / f64::from(CALLS));
            }
        }
    }
}

fn one_thread(widths: &[usize], batch: usize, rounds: usize) {
    let n = 256;
    let mut rng = Rng::new(0);
    let (a, b) = (rng.normal_tensor([n, n], 1.0, DType::F32), rng.normal_tensor([n, n], 1.0, DType::F32));
    let mut y = vec![0f32; n * n];
    let mut lines = vec![
        Line::new("peak", peak(), || {
            peak();
        }),
        Line::new("product 256 x 256 x 256", 2.0 * (n * n * n) as f64, || {
            let (a, b) = (MatRef::new(a.as_slice::<f32>(), n, n), MatRef::new(b.as_slice::<f32>(), n, n));
            gemm(MatMut::new(black_box(&mut y), n, n), Accum::Replace, a, b, 1.0, Par::Seq);
        }),
    ];
    for (optimizer, spec) in OPTIMIZERS {
        for rule in if optimizer == "sgd" { &RULES[..] } else { &RULES[..2] } {
            let mut trainer = case(widths, batch, rule, spec).trainer();
            let operations = operations(trainer.net(), batch);
            lines.push(Line::new(format!("{rule}, {optimizer}"), operations, move || {
                trainer.train_step();
            }));
        }
    }
    take_turns(&mut lines, rounds, thread_seconds);
    // The best time of each: whatever else the machine does can only add to it. The median beside it shows how much it did.
    let rate = |line: &Line<'_>, q| line.operations / line.quantile(q);
    for line in &lines[1..] {
        println!(
            "| {} | {} | {:.3} | {:.1} | {:.0} % | {:.0} % |",
            name(widths, batch),
            line.label,
            1e3 * line.quantile(0.0),
            1e-9 * rate(line, 0.0),
            100.0 * rate(line, 0.0) / rate(&lines[0], 0.0),
            100.0 * rate(line, 0.5) / rate(&lines[0], 0.0),
        );
    }
    println!("| {} | (peak) | | {:.1} | | |", name(widths, batch), 1e-9 * rate(&lines[0], 0.0));
}

fn two_threads(widths: &[usize], batch: usize, rounds: usize) {
    let mut lines: Vec<Line<'_>> = [Par::Seq, Par::Threads(2)]
        .into_iter()
        .map(|par| {
            let mut trainer = Case { par, ..case(widths, batch, "fa", OPTIMIZERS[0].1) }.trainer();
            Line::new("", 0.0, move || {
                trainer.train_step();
            })
        })
        .collect();
    take_turns(&mut lines, 4 * rounds, wall_seconds);
    println!("| {} | {:.2} |", name(widths, batch), lines[0].quantile(0.0) / lines[1].quantile(0.0));
}

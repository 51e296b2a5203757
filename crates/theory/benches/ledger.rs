//! What the ledger costs: training steps of 784-1000-10, batch 64, f32, plain SGD under `fa`, without it, with it at every step, and with sampled
//! books at every 10th step. `cargo bench -p realign-theory --bench ledger`.
//!
//! The three trainers take turns of ten steps each, so that whatever else the machine does falls on all of them alike; the figure is the median over the
//! rounds of the ratio within a round.
#![allow(missing_docs)]

#[path = "../../core/tests/common/mod.rs"]
mod common;

use common::Case;
use realign::tensor::DType;
use realign::train::{BatchSize, Trainer};
use std::time::Instant;

const ROUNDS: usize = 300;
const STEPS: usize = 10;

fn trainer(ledger: Option<&str>, widths: &[usize], batch: usize) -> Trainer {
    let probes =
        ledger.map(|mode| ("10 steps".parse().unwrap(), format!("name = \"ledger\"\nmode = \"{mode}\"")));
    Case {
        widths: widths.to_vec(),
        bias: false,
        dtype: DType::F32,
        n: 8 * batch,
        batch: BatchSize::Size(batch),
        lr: 1e-3,
        steps: u64::MAX / 2,
        probes: probes.into_iter().collect(),
        build_probe: realign_theory::probes::build,
        ..Case::rule("fa")
    }
    .trainer()
}

fn main() {
    for (widths, batch) in [(vec![784, 1000, 10], 64), (vec![784, 1024, 1024, 10], 128)] {
        let mut trainers = [None, Some("continuous"), Some("sampled")].map(|l| trainer(l, &widths, batch));
        let mut ratios = [const { Vec::new() }; 3];
        for round in 0..ROUNDS {
            let times = trainers.each_mut().map(|t| {
                let start = Instant::now();
                (0..STEPS).for_each(|_| {
                    t.train_step();
                });
                start.elapsed().as_secs_f64()
            });
            // The first rounds warm caches and make the ledger's buffers.
            if round >= ROUNDS / 10 {
                ratios.iter_mut().zip(times).for_each(|(r, t)| r.push(t / times[0]));
            }
        }
        let quantile = |v: &mut Vec<f64>, q: f64| {
            v.sort_by(f64::total_cmp);
            v[(q * (v.len() - 1) as f64) as usize]
        };
        println!(
            "{widths:?} batch {batch}: time of a step with the ledger / without, median (quartiles) of {} rounds",
            ratios[1].len()
        );
        for (name, r) in ["every step", "every 10th step"].iter().zip(&mut ratios[1..]) {
            println!(
                "  {name}: {:.3} ({:.3} to {:.3})",
                quantile(r, 0.5),
                quantile(r, 0.25),
                quantile(r, 0.75)
            );
        }
    }
}

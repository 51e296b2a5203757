//! Throughput of a sweep: 16 runs of 784-512-10 (batch 64, f32, plain SGD under `fa`) two at a time against one run on one thread, in steps per second of
//! wall time, everything from making the data to the last file included. `cargo bench -p realign-lab --bench sweep`.
//!
//! The two take turns, so that whatever else the machine does falls on both; the figure is the median over the rounds of the ratio within a round. It
//! needs two idle cores to mean anything.
#![allow(missing_docs)]

use realign_data::Dirs;
use realign_lab::{Out, RunOptions, Silent, Spec, run_all};
use realign_tensor::Par;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

const ROUNDS: usize = 5;
const RUNS: usize = 16;
const STEPS: usize = 1000;

fn spec(seeds: usize) -> Spec {
    let text = format!(
        "name = 'bench'\n[data]\nname = 'gaussians'\ndim = 784\nclasses = 10\ntrain_size = 6400\ntest_size = 100\n\
         [network]\nwidths = [784, 512, 10]\n[rule]\nname = 'fa'\n[optimizer]\nlr = 0.01\n\
         [train]\nsteps = {STEPS}\nbatch = 64\ncheckpoint = 'end'\n[[probes]]\nname = 'accuracy'\nevery = 'end'\n\
         [grid]\nseed = '0..{seeds}'\n"
    );
    Spec::parse(&text, Path::new("bench.toml"), &[]).unwrap_or_else(|e| panic!("{e}"))
}

/// Steps per second of all runs of a spec on `threads` threads.
fn rate(spec: &Spec, threads: usize) -> f64 {
    let temp = tempfile::tempdir().expect("a folder");
    let options = RunOptions {
        out: Out::Root(temp.path().to_path_buf()),
        dirs: Dirs::default(),
        par: Par::threads(1),
        command_line: vec![],
    };
    let runs = spec.runs();
    let start = Instant::now();
    let ended = run_all(&runs, &options, threads, &mut Silent, &AtomicBool::new(false));
    let seconds = start.elapsed().as_secs_f64();
    let steps: u64 =
        ended.into_iter().map(|r| r.expect("made").unwrap_or_else(|e| panic!("{e}")).steps).sum();
    steps as f64 / seconds
}

fn main() {
    let (one, many) = (spec(1), spec(RUNS));
    let mut ratios = Vec::new();
    for round in 0..ROUNDS {
        // Before and after, so that a drift of the machine cancels.
        let (before, sweep, after) = (rate(&one, 1), rate(&many, 2), rate(&one, 1));
        let single = (before + after) / 2.0;
        let ratio = sweep / single;
        println!(
            "round {round}: one run {single:.0} steps/s, {RUNS} runs two at a time {sweep:.0} steps/s, ratio {ratio:.2}"
        );
        ratios.push(ratio);
    }
    ratios.sort_by(f64::total_cmp);
    println!("median ratio of {ROUNDS} rounds: {:.2}", ratios[ROUNDS / 2]);
}

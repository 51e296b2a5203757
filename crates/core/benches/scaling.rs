/*!
Time of a training step against width, depth and batch, beside what a model of two constants predicts: `benches/peers/scaling.py` runs it and draws
the figure. One JSON object per point.

The model: operations of the products over the peak of fused multiply-adds, plus bytes that the step must touch over the bandwidth of one pass
(`a = a + x b`) over as many bytes as the step's own buffers take. Both constants are measured in this process, in turns with the steps; nothing is fitted. One
thread, f32, plain SGD under `fa`, timed by its processor time. Options: `--rounds N` (9), `--quick` (fewer points, 3 rounds).
*/
#![allow(missing_docs)]

#[path = "../tests/common/mod.rs"]
mod common;
mod machine;

use common::Case;
use machine::{Memory, operations, peak, thread_seconds};
use realign::network::Network;
use realign::tensor::DType;
use realign::train::BatchSize;

/// A turn of each of the three takes about so long, after one call that does not count.
const TURN_SECONDS: f64 = 0.03;
const INPUTS: usize = 784;
const OUTPUTS: usize = 10;

struct Point {
    panel: &'static str,
    x: usize,
    widths: Vec<usize>,
    batch: usize,
}

/// Width at one hidden layer, depth at width 512, batch at width 1024.
fn points(quick: bool) -> Vec<Point> {
    let net = |hidden: &[usize]| [&[INPUTS], hidden, &[OUTPUTS]].concat();
    let powers = |last: u32| (0..=last).step_by(if quick { 2 } else { 1 }).map(|p| 1 << p);
    let width = powers(8).map(|p| 64 * p).map(|x| Point { panel: "width", x, widths: net(&[x]), batch: 128 });
    let depth = powers(4).map(|x| Point { panel: "depth", x, widths: net(&vec![512; x]), batch: 128 });
    let batch = powers(10).map(|x| Point { panel: "batch", x, widths: net(&[1024]), batch: x });
    width.chain(depth).chain(batch).collect()
}

/// Bytes read and written by a step in f32. Per weight: read by the forward product and by the update, written by the update, and B read where an error is
/// carried. Per entry of a layer's input: read by the product and by the update. Per entry of its output: written, activated in place (2), and its error
/// written, made one of the pre-activation (3, with the activation) and read by the update and by the next error.
fn bytes(net: &Network, batch: usize) -> f64 {
    let of = |&node: &realign::network::NodeId| {
        let w = net.weight(node);
        let weights = w.numel() * if net.carries(node) { 4 } else { 3 };
        weights + batch * (2 * w.cols() + 9 * w.rows())
    };
    4.0 * net.weighted().iter().map(of).sum::<usize>() as f64
}

/// Bytes of the buffers of a step: W and B, values and errors.
fn buffers(net: &Network, batch: usize) -> usize {
    let of = |&node: &realign::network::NodeId| {
        let w = net.weight(node);
        w.numel() * if net.carries(node) { 2 } else { 1 } + batch * (w.cols() + 2 * w.rows())
    };
    4 * net.weighted().iter().map(of).sum::<usize>()
}

/// Seconds per call over one turn.
fn turn(calls: usize, mut call: impl FnMut()) -> f64 {
    call();
    let start = thread_seconds();
    (0..calls).for_each(|_| call());
    (thread_seconds() - start) / calls as f64
}

/// Calls of a turn.
fn calls(mut call: impl FnMut()) -> usize {
    call();
    let seconds = turn(1, call);
    ((TURN_SECONDS / seconds.max(1e-9)) as usize).clamp(1, 100_000)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn measure(point: &Point, rounds: usize) -> serde_json::Value {
    let Point { panel, x, widths, batch } = point;
    let mut trainer = Case {
        widths: widths.clone(),
        dtype: DType::F32,
        n: 2 * batch,
        batch: BatchSize::Size(*batch),
        lr: 1e-3,
        steps: u64::MAX / 2,
        ..Case::rule("fa")
    }
    .trainer();
    let (operations, bytes) = (operations(trainer.net(), *batch), bytes(trainer.net(), *batch));
    let mut memory = Memory::new(buffers(trainer.net(), *batch));
    let passed = memory.pass();
    let made = peak();
    let mut step = || {
        trainer.train_step();
    };
    let mut pass = || {
        memory.pass();
    };
    let mut chain = || {
        peak();
    };
    let (steps, passes, chains) = (calls(&mut step), calls(&mut pass), calls(&mut chain));
    let mut seconds = [const { Vec::new() }; 3];
    for _ in 0..rounds {
        seconds[0].push(turn(steps, &mut step));
        seconds[1].push(turn(chains, &mut chain));
        seconds[2].push(turn(passes, &mut pass));
    }
    let [seconds, peak, bandwidth] = seconds.each_mut().map(|s| median(s));
    let (peak, bandwidth) = (made / peak, passed / bandwidth);
    serde_json::json!({
        "panel": panel, "x": x, "widths": widths, "batch": batch, "seconds": seconds, "operations": operations, "bytes": bytes,
        "peak": peak, "bandwidth": bandwidth, "model": operations / peak + bytes / bandwidth,
    })
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let quick = arguments.iter().any(|a| a == "--quick");
    let given = arguments.iter().position(|a| a == "--rounds").and_then(|i| arguments.get(i + 1));
    let rounds = given.map_or(if quick { 3 } else { 9 }, |n| n.parse().expect("--rounds takes a number"));
    for point in points(quick) {
        println!("{}", measure(&point, rounds));
    }
}

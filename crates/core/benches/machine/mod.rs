//! What the machine can do, measured in the process that measures a step: clocks, the peak of fused multiply-adds, a pass over memory; and what a step
//! asks of it.
#![allow(dead_code, unreachable_pub, missing_docs, unsafe_code)] // every benchmark uses its own part

use realign::network::Network;
use realign::tensor::{DType, Par, Tensor, ops};
use std::hint::black_box;
use std::time::Instant;

/// Seconds by the clock on the wall.
pub fn wall_seconds() -> f64 {
    std::thread_local! { static START: Instant = Instant::now(); }
    START.with(Instant::elapsed).as_secs_f64()
}

/// Processor time of this thread.
#[cfg(unix)]
pub fn thread_seconds() -> f64 {
    seconds(rustix::time::ClockId::ThreadCPUTime)
}
#[cfg(not(unix))]
pub fn thread_seconds() -> f64 {
    wall_seconds()
}

/// Processor time of all threads of this process.
#[cfg(unix)]
pub fn process_seconds() -> f64 {
    seconds(rustix::time::ClockId::ProcessCPUTime)
}
#[cfg(not(unix))]
pub fn process_seconds() -> f64 {
    wall_seconds()
}

#[cfg(unix)]
fn seconds(clock: rustix::time::ClockId) -> f64 {
    let t = rustix::time::clock_gettime(clock);
    t.tv_sec as f64 + 1e-9 * t.tv_nsec as f64
}

/// Operations of the products of one step, 2 per multiply-add: forward, update and, where an error is carried below the layer, error; each
/// for every entry of the weight, position (of a convolution) and example. Batch norm has no product.
pub fn operations(net: &Network, batch: usize) -> f64 {
    let of = |&node: &realign::network::NodeId| {
        let positions = match (net.weight(node).shape().rank(), net.nodes()[node.0].shape.dims()) {
            (4, [_, height, width]) => height * width,
            (2, _) => 1,
            _ => return 0,
        };
        let products = if net.carries(node) { 3 } else { 2 };
        2 * batch * net.weight(node).numel() * positions * products
    };
    net.weighted().iter().map(of).sum::<usize>() as f64
}

/// One pass `a = a + x b` over two buffers that take `bytes` together; answers the bytes read and written, 3 entries of 4 bytes for every entry of `a`.
pub struct Memory {
    a: Tensor,
    b: Tensor,
}

impl Memory {
    pub fn new(bytes: usize) -> Self {
        let n = (bytes / 8).max(1);
        let filled = |v| Tensor::from_f64([n], &vec![v; n], DType::F32);
        Memory { a: filled(0.0), b: filled(1.0) }
    }

    pub fn pass(&mut self) -> f64 {
        ops::axpy(&mut self.a, &self.b, black_box(1e-3));
        12.0 * self.a.numel() as f64
    }
}

/// Calls of [`peak`] of every thread in [`peak_of`]: some 6 ms on a core of 100 GFLOP/s.
const CALLS: usize = 160;

/// Operations of `threads` threads that make [`peak`] side by side.
pub fn peak_of(threads: usize) -> f64 {
    let calls = || (0..CALLS).map(|_| peak()).sum::<f64>();
    let mut done = vec![0.0; threads.max(1)];
    Par::threads(threads).each_run(&mut done, 1, |_, d| d[0] = calls());
    done.iter().sum()
}

const CHAINS: usize = 24;
const LINKS: usize = 20_000;

/// Independent chains of fused multiply-adds on registers; returns the number of operations.
pub fn peak() -> f64 {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::is_x86_feature_detected;
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: just seen to be there.
            return unsafe { peak_avx512() };
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: just seen to be there.
            return unsafe { peak_avx2() };
        }
    }
    // NEON is always there on aarch64; elsewhere this is the peak of plain code.
    peak_lanes::<4>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn peak_avx512() -> f64 {
    use std::arch::x86_64::*;
    let (a, b) = (_mm512_set1_ps(black_box(0.999)), _mm512_set1_ps(black_box(0.001)));
    let mut chains = [_mm512_set1_ps(1.0); CHAINS];
    for _ in 0..LINKS {
        chains.iter_mut().for_each(|c| *c = _mm512_fmadd_ps(*c, a, b));
    }
    black_box(chains);
    (2 * 16 * CHAINS * LINKS) as f64
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn peak_avx2() -> f64 {
    use std::arch::x86_64::*;
    let (a, b) = (_mm256_set1_ps(black_box(0.999)), _mm256_set1_ps(black_box(0.001)));
    let mut chains = [_mm256_set1_ps(1.0); CHAINS / 2];
    for _ in 0..LINKS {
        chains.iter_mut().for_each(|c| *c = _mm256_fmadd_ps(*c, a, b));
    }
    black_box(chains);
    (2 * 8 * (CHAINS / 2) * LINKS) as f64
}

fn peak_lanes<const LANES: usize>() -> f64 {
    let (a, b) = (black_box(0.999f32), black_box(0.001f32));
    let mut chains = [[1f32; LANES]; CHAINS];
    for _ in 0..LINKS {
        chains.iter_mut().flatten().for_each(|c| *c = c.mul_add(a, b));
    }
    black_box(chains);
    (2 * LANES * CHAINS * LINKS) as f64
}

//! One training step of the three MLP shapes of docs/performance.md under bp and fa, beside the machine's measured peak.
//! `cargo bench -p realign --bench step`. Throughput is in floating-point operations of the products alone (2 per multiply-add).
#![allow(missing_docs)]

#[path = "../tests/common/mod.rs"]
mod common;

use common::Case;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use realign::tensor::DType;
use realign::tensor::ops::{Accum, MatMut, MatRef, gemm};
use realign::tensor::{Par, Rng};
use realign::train::BatchSize;
use std::hint::black_box;

/// The peak that the step is compared with: a square product that stays in the second-level cache.
fn peak(c: &mut Criterion) {
    let n = 256;
    let mut rng = Rng::new(0);
    let (a, b) = (rng.normal_tensor([n, n], 1.0, DType::F32), rng.normal_tensor([n, n], 1.0, DType::F32));
    let mut y = vec![0f32; n * n];
    let mut group = c.benchmark_group("peak");
    group.throughput(Throughput::Elements(2 * (n * n * n) as u64));
    group.bench_function("gemm 256", |bench| {
        bench.iter(|| {
            let (a, b) = (MatRef::new(a.as_slice::<f32>(), n, n), MatRef::new(b.as_slice::<f32>(), n, n));
            gemm(MatMut::new(black_box(&mut y), n, n), Accum::Replace, a, b, 1.0, Par::Seq);
        });
    });
    group.finish();
}

fn steps(c: &mut Criterion) {
    for (widths, batch) in
        [(vec![784, 512, 10], 64), (vec![784, 4096, 10], 128), (vec![784, 1024, 1024, 10], 128)]
    {
        let name = widths.iter().map(ToString::to_string).collect::<Vec<_>>().join("-");
        let mut group = c.benchmark_group(format!("{name} b{batch}"));
        // Forward, update and, above the first layer, error: 2 flops per weight and example each.
        let products = |i: usize, w: &[usize]| 2 * batch * w[0] * w[1] * (if i == 0 { 2 } else { 3 });
        let flops: usize = widths.windows(2).enumerate().map(|(i, w)| products(i, w)).sum();
        group.throughput(Throughput::Elements(flops as u64));
        for rule in ["bp", "fa"] {
            let case = Case {
                widths: widths.clone(),
                dtype: DType::F32,
                n: 8 * batch,
                batch: BatchSize::Size(batch),
                lr: 1e-3,
                ..Case::rule(rule)
            };
            let mut trainer = case.trainer();
            group.bench_function(rule, |bench| bench.iter(|| trainer.train_step()));
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(std::time::Duration::from_secs(3));
    targets = peak, steps
}
criterion_main!(benches);

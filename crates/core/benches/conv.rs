//! One training step of convolutional networks under bp and fa: a stack 3-32-32-64(s2)-64-64(s2)-64 on 32x32 at batch 64, BioTorch's
//! LeNet for CIFAR at batch 128, ResNet-20 at batch 64. `cargo bench -p realign --bench conv`. Throughput is in examples.
#![allow(missing_docs)]

#[path = "../tests/common/mod.rs"]
mod common;

use common::images::Images;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use realign::layer::{Conv2d, Dense, GlobalAvgPool, activation};
use realign::network::{Builder, Network};
use realign::tensor::ops::Window;
use realign::tensor::{DType, Shape};

type Net = (&'static str, &'static str, Option<fn(DType) -> Network>, usize);

const NETS: [Net; 3] = [
    ("stack b64", "", Some(stack), 64),
    ("lenet b128", "model = \"lenet\"", None, 128),
    ("resnet20 b64", "model = \"resnet20\"", None, 64),
];

fn stack(dtype: DType) -> Network {
    let mut b = Builder::new(Shape::new(&[3, 32, 32]), dtype);
    let mut h = b.input();
    for (outputs, stride) in [(32, 1), (32, 1), (64, 2), (64, 1), (64, 2), (64, 1)] {
        let conv = Conv2d::new(b.shape(h), outputs, Window::square(3, stride, 1), 1, true, dtype);
        h = b.layer(h, conv.expect("fits"));
        h = b.pointwise(h, activation(&"relu".into()).expect("known"));
    }
    let pool = GlobalAvgPool::new(b.shape(h)).expect("an image");
    h = b.layer(h, pool);
    h = b.layer(h, Dense::new(64, 10, true, dtype));
    b.finish(h)
}

fn steps(c: &mut Criterion) {
    for (name, network, custom, batch) in NETS {
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Elements(batch as u64));
        for rule in ["bp", "fa"] {
            let case = Images {
                dtype: DType::F32,
                input: vec![3, 32, 32],
                classes: 10,
                n: 4 * batch,
                batch,
                lr: 1e-3,
                custom,
                ..Images::of(network).rule(rule)
            };
            let mut trainer = case.trainer();
            group.bench_function(rule, |bench| bench.iter(|| trainer.train_step()));
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).measurement_time(std::time::Duration::from_secs(3));
    targets = steps
}
criterion_main!(benches);

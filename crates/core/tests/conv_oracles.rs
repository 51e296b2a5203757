//! The oracles of theory.md for convolution, pooling, batch norm and residual joins: layers against naive loops and formulas,
//! gradients against finite differences, the balance identity per channel.

#![allow(missing_docs)]
mod common;

use common::images::{Images, Seen as Look, draw, examples, look};
use realign::init::Feedback;
use realign::layer::batch_norm::{Backward, EPS, MOMENTUM};
use realign::layer::{
    AvgPool, BatchNorm, Conv2d, Dense, Flatten, GlobalAvgPool, Layer, MaxPool, PadShortcut, Pass, Seen,
};
use realign::network::{Builder, Network, NodeId};
use realign::tensor::ops::{Accum, Window};
use realign::tensor::{DType, Par, Rng, Shape, Tensor};

/// Error relative to the largest entry that was wanted.
fn gap(got: &[f64], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    let scale = want.iter().fold(1e-3f64, |m, v| m.max(v.abs()));
    got.iter().zip(want).fold(0.0, |m, (a, b)| f64::max(m, (a - b).abs() / scale))
}

/// The definition as six loops: (y, dx, G) for these images, filters and errors; `m` carries the error.
struct Naive {
    y: Vec<f64>,
    dx: Vec<f64>,
    g: Vec<f64>,
}

fn naive(x: &Tensor, w: &Tensor, m: &Tensor, delta: &[f64], window: Window, groups: usize) -> Naive {
    let ([n, c, h, wd], [o, cg, kh, kw]) = (dims(x), dims(w));
    let (s, p) = (window.stride, window.padding);
    let (oh, ow) = ((h + 2 * p - kh) / s + 1, (wd + 2 * p - kw) / s + 1);
    let mut out = Naive { y: vec![0.0; n * o * oh * ow], dx: vec![0.0; x.numel()], g: vec![0.0; w.numel()] };
    for e in 0..n {
        for k in 0..o {
            for (i, j) in (0..oh * ow).map(|q| (q / ow, q % ow)) {
                let at = ((e * o + k) * oh + i) * ow + j;
                for (ci, u, v) in (0..cg * kh * kw).map(|t| (t / (kh * kw), t / kw % kh, t % kw)) {
                    let (Some(r), Some(q)) = ((i * s + u).checked_sub(p), (j * s + v).checked_sub(p)) else {
                        continue;
                    };
                    if r >= h || q >= wd {
                        continue;
                    }
                    let from = ((e * c + k / (o / groups) * cg + ci) * h + r) * wd + q;
                    let tap = ((k * cg + ci) * kh + u) * kw + v;
                    out.y[at] += w.at(tap) * x.at(from);
                    out.dx[from] += m.at(tap) * delta[at];
                    out.g[tap] += delta[at] * x.at(from);
                }
            }
        }
    }
    out
}

fn dims(t: &Tensor) -> [usize; 4] {
    t.shape().dims().try_into().unwrap()
}

fn pass(par: Par) -> Pass<'static> {
    Pass { par, noise: None }
}

/// Sums of at most 300 products of size O(1) in another order: relative error below 300 eps, 1e-13 in f64 and 4e-5 in f32.
#[test]
fn convolution_equals_naive_loops() {
    let mut rng = Rng::new(7);
    let kernels = [[1, 1], [3, 3], [2, 3], [5, 4]];
    for (dtype, bound) in [(DType::F64, 1e-12), (DType::F32, 1e-4)] {
        for (stride, padding, kernel) in (0..36).map(|i| (1 + i % 3, i / 3 % 3, kernels[i / 9])) {
            for (groups, channels, outputs) in [(1, 3, 4), (2, 4, 6), (3, 3, 3)] {
                for size in [[7, 6], [6, 11]] {
                    let window = Window { kernel, stride, padding };
                    let input = Shape::new(&[channels, size[0], size[1]]);
                    let mut layer = Conv2d::new(input, outputs, window, groups, true, dtype).unwrap();
                    let out = layer.output_shape(input).unwrap();
                    let mut normal = |shape: Shape| rng.normal_tensor(shape, 1.0, dtype);
                    let (x, delta) = (normal(input.batched(3)), normal(out.batched(3)));
                    let (w, m) =
                        (normal(layer.weight().unwrap().shape()), normal(layer.weight().unwrap().shape()));
                    let bias = normal(Shape::new(&[outputs]));
                    layer.params_mut().0.unwrap().copy_from(&w);
                    layer.params_mut().1.unwrap().copy_from(&bias);
                    let want = naive(&x, &w, &m, &delta.to_f64_vec(), window, groups);
                    let what = format!(
                        "{dtype} stride {stride} padding {padding} kernel {kernel:?} groups {groups}"
                    );

                    let mut y = delta.clone();
                    layer.forward(&x, &mut y, &mut Tensor::empty(dtype), pass(Par::Seq));
                    let area = out.numel() / outputs;
                    let plain = y
                        .to_f64_vec()
                        .iter()
                        .enumerate()
                        .map(|(i, v)| v - bias.at(i / area % outputs))
                        .collect::<Vec<_>>();
                    assert!(gap(&plain, &want.y) < bound, "{what} forward");

                    let (aux, mut dx) = (Tensor::empty(dtype), x.clone());
                    let seen = Seen { x: &x, aux: &aux, sums: &[] };
                    layer.error_back(Some(&m), seen, &delta, &mut dx, Accum::Replace, Par::Seq);
                    assert!(gap(&dx.to_f64_vec(), &want.dx) < bound, "{what} error");
                    layer.error_back(Some(&m), seen, &delta, &mut dx, Accum::Add, Par::Seq);
                    let twice: Vec<f64> = want.dx.iter().map(|v| 2.0 * v).collect();
                    assert!(gap(&dx.to_f64_vec(), &twice) < bound, "{what} added error");

                    let mut g = w.zeros_like();
                    layer.weight_grad(seen, &delta, 0..outputs, g.slice_mut(), Par::Seq);
                    assert!(gap(&g.to_f64_vec(), &want.g) < bound, "{what} update");
                    // Some rows only, across the border of two groups.
                    let mut some = Tensor::zeros([outputs - 2, w.cols()], dtype);
                    layer.weight_grad(seen, &delta, 1..outputs - 1, some.slice_mut(), Par::Seq);
                    let rows = &want.g[w.cols()..(outputs - 1) * w.cols()];
                    assert!(gap(&some.to_f64_vec(), rows) < bound, "{what} rows");
                    let mut gb = bias.zeros_like();
                    layer.bias_grad(seen, &delta, &mut gb, Par::Seq);
                    let sums: Vec<f64> = (0..outputs)
                        .map(|k| {
                            (0..3 * area).map(|i| delta.at((i / area * outputs + k) * area + i % area)).sum()
                        })
                        .collect();
                    assert!(gap(&gb.to_f64_vec(), &sums) < bound, "{what} bias");
                }
            }
        }
    }
}

/// Large enough for several blocks of rows, several partial sums and every code path of wide images; against the same loops.
#[test]
fn large_convolutions_equal_naive_loops_for_any_number_of_threads() {
    let mut rng = Rng::new(8);
    for (input, outputs, kernel, stride, padding) in [
        ([16, 32, 32], 33, 3, 1, 1),
        ([24, 20, 36], 16, 5, 2, 2),
        ([40, 9, 9], 70, 3, 1, 0),
        ([17, 8, 8], 20, 3, 1, 1),
    ] {
        let window = Window::square(kernel, stride, padding);
        let mut layer = Conv2d::new(Shape::new(&input), outputs, window, 1, false, DType::F32).unwrap();
        let out = layer.output_shape(Shape::new(&input)).unwrap();
        let x = rng.normal_tensor(Shape::new(&input).batched(11), 1.0, DType::F32);
        let delta = rng.normal_tensor(out.batched(11), 1.0, DType::F32);
        let w = rng.normal_tensor(layer.weight().unwrap().shape(), 1.0, DType::F32);
        layer.params_mut().0.unwrap().copy_from(&w);
        let want = naive(&x, &w, &w, &delta.to_f64_vec(), window, 1);
        let mut first: Option<[Tensor; 3]> = None;
        for par in [Par::Seq, Par::Threads(2), Par::Threads(3)] {
            let (mut y, mut dx, mut g, aux) =
                (delta.zeros_like(), x.zeros_like(), w.zeros_like(), Tensor::empty(DType::F32));
            layer.forward(&x, &mut y, &mut Tensor::empty(DType::F32), pass(par));
            let seen = Seen { x: &x, aux: &aux, sums: &[] };
            layer.error_back(Some(&w), seen, &delta, &mut dx, Accum::Replace, par);
            layer.weight_grad(seen, &delta, 0..outputs, g.slice_mut(), par);
            // Sums of up to 10,000 products with entries of size 1, relative to a largest entry of a few hundred.
            assert!(
                gap(&y.to_f64_vec(), &want.y) < 1e-5,
                "{input:?} forward {}",
                gap(&y.to_f64_vec(), &want.y)
            );
            assert!(gap(&dx.to_f64_vec(), &want.dx) < 1e-5, "{input:?} error");
            assert!(gap(&g.to_f64_vec(), &want.g) < 1e-5, "{input:?} update");
            let first = first.get_or_insert_with(|| [y.clone(), dx.clone(), g.clone()]);
            assert!(*first == [y, dx, g], "{input:?} {par:?}");
        }
    }
}

/// Every layer between a convolution below and a dense read-out above.
fn sandwiches(dtype: DType) -> Vec<(&'static str, Network)> {
    let input = Shape::new(&[2, 7, 6]);
    let mut out = Vec::new();
    let mut add = |name: &'static str, middle: &dyn Fn(&mut Builder, NodeId) -> NodeId| {
        let mut b = Builder::new(input, dtype);
        let from = b.input();
        let conv = Conv2d::new(input, 4, Window::square(3, 1, 1), 1, true, dtype).unwrap();
        let h = b.layer(from, conv);
        let h = middle(&mut b, h);
        let flat = b.pointwise(h, Box::new(Flatten));
        let features = b.shape(flat).numel();
        let top = b.layer(flat, Dense::new(features, 3, true, dtype));
        out.push((name, b.finish(top)));
    };
    add("conv2d", &|b, h| {
        let window = Window { kernel: [3, 2], stride: 2, padding: 1 };
        let conv = Conv2d::new(b.shape(h), 6, window, 2, true, dtype).unwrap();
        b.layer(h, conv)
    });
    add("max_pool", &|b, h| {
        let pool = MaxPool::new(b.shape(h), Window::square(3, 2, 1)).unwrap();
        b.layer(h, pool)
    });
    add("avg_pool", &|b, h| {
        let pool = AvgPool::new(b.shape(h), Window::square(3, 2, 1)).unwrap();
        b.layer(h, pool)
    });
    add("global_avg_pool", &|b, h| {
        let pool = GlobalAvgPool::new(b.shape(h)).unwrap();
        b.layer(h, pool)
    });
    add("pad_shortcut", &|b, h| {
        let pad = PadShortcut::new(b.shape(h), 7, 2).unwrap();
        b.layer(h, pad)
    });
    add("batch_norm", &|b, h| b.layer(h, BatchNorm::new(4, true, Backward::Exact, dtype)));
    add("batch_norm without affine", &|b, h| b.layer(h, BatchNorm::new(4, false, Backward::Exact, dtype)));
    out
}

const MODELS: [&str; 8] = [
    "model = \"convnet\"\nwidth = 3\ndepth = 3\nstages = 2",
    "model = \"convnet\"\nwidth = 3\ndepth = 2\nstages = 2\ndownsample = \"max_pool\"\nactivation = \"tanh\"",
    "model = \"convnet\"\nwidth = 2\ndepth = 3\nstages = 3\ndownsample = \"avg_pool\"\nactivation = \"leaky_relu\"",
    "model = \"convnet\"\nwidth = 3\ndepth = 3\nstages = 2\nbatch_norm = true\nbias = false",
    "model = \"convnet\"\nwidth = 3\ndepth = 2\nstages = 1\nbatch_norm = true\naffine = false",
    "model = \"resnet20\"\nwidth = 2\nbatch_norm = false\nbias = true",
    "model = \"resnet20\"\nwidth = 2",
    "model = \"resnet20\"\nwidth = 2\nshortcut = \"B\"",
];

/// Oracle 1. Central differences with h = 1e-6 in f64: truncation h² f'''/6 ~ 1e-12 times the third derivative, rounding 1e-16/h = 1e-10 of a
/// loss of size 1; relative to gradients of size 1e-3 and more: 1e-6.
#[test]
fn gradients_equal_finite_differences() {
    for training in [false, true] {
        for (name, mut net) in sandwiches(DType::F64) {
            let case = Images { input: vec![2, 7, 6], ..Images::of("") };
            check_differences(&case, &mut net, training, 1, name);
        }
        for model in MODELS {
            let case = Images::of(model);
            check_differences(&case, &mut case.network(), training, 7, model);
        }
    }
    let case = Images { input: vec![3, 22, 24], ..Images::of("model = \"lenet\"") };
    check_differences(&case, &mut case.network(), true, 997, "lenet");
}

fn check_differences(case: &Images, net: &mut Network, training: bool, every: usize, what: &str) {
    draw(net, 5);
    let (x, labels) = examples(case, 5);
    // In evaluation batch norm uses its running statistics: give them something to hold.
    for _ in 0..3 {
        let trace = look(case, net, &x, &labels, true).trace;
        net.absorb(&trace);
    }
    let grads = look(case, net, &x, &labels, training).grads;
    let h = 1e-6;
    for node in net.weighted().to_vec() {
        for parameter in 0..2 {
            let g = if parameter == 0 { grads.weight(node) } else { grads.bias(node) };
            let Some(g) = g else { continue };
            let largest = g.to_f64_vec().iter().fold(1e-3f64, |m, v| m.max(v.abs()));
            for i in (0..g.numel()).step_by(every) {
                let mut at = |shift: f64| {
                    shifted(net, node, parameter, i, shift);
                    let loss = look(case, net, &x, &labels, training).loss;
                    shifted(net, node, parameter, i, -shift);
                    loss
                };
                let slope = (at(h) - at(-h)) / (2.0 * h);
                let gap = (slope - g.at(i)).abs() / largest;
                assert!(gap < 1e-6, "{what} node {} [{parameter}][{i}]: {slope} against {}", node.0, g.at(i));
            }
        }
    }
}

fn shifted(net: &mut Network, node: NodeId, parameter: usize, i: usize, shift: f64) {
    let (w, b) = net.layer_mut(node).params_mut();
    let p = if parameter == 0 { w.unwrap() } else { b.unwrap() };
    p.set(i, p.at(i) + shift);
}

/// Pooling against its definition, padding included.
#[test]
fn pooling_equals_its_definition() {
    let (size, window) = ([5, 7], Window { kernel: [3, 2], stride: 2, padding: 1 });
    let x = Rng::new(2).normal_tensor([2, 3, 5, 7], 1.0, DType::F64);
    let input = Shape::new(&[3, 5, 7]);
    let (max, avg) = (MaxPool::new(input, window).unwrap(), AvgPool::new(input, window).unwrap());
    let out = max.output_shape(input).unwrap();
    assert_eq!(out.dims(), [3, 3, 4]);
    let mut ys = [Tensor::zeros(out.batched(2), DType::F64), Tensor::zeros(out.batched(2), DType::F64)];
    max.forward(&x, &mut ys[0], &mut Tensor::empty(DType::F64), pass(Par::Seq));
    avg.forward(&x, &mut ys[1], &mut Tensor::empty(DType::F64), pass(Par::Threads(2)));
    for (plane, i, j) in (0..6 * 12usize).map(|k| (k / 12, k / 4 % 3, k % 4)) {
        let inside = (0..6usize).filter_map(|t| {
            let (r, q) = ((2 * i + t / 2).checked_sub(1)?, (2 * j + t % 2).checked_sub(1)?);
            (r < size[0] && q < size[1]).then(|| x.at((plane * 5 + r) * 7 + q))
        });
        let inside: Vec<f64> = inside.collect();
        let at = (plane * 3 + i) * 4 + j;
        assert_eq!(ys[0].at(at), inside.iter().fold(f64::NEG_INFINITY, |m, v| m.max(*v)));
        assert!((ys[1].at(at) - inside.iter().sum::<f64>() / 6.0).abs() < 1e-15);
    }
}

/// A diverged activation must not be hidden by the maximum.
#[test]
fn max_pool_passes_nan_on() {
    let pool = MaxPool::new(Shape::new(&[1, 2, 2]), Window::square(2, 2, 0)).unwrap();
    for at in 0..4 {
        let mut x = Tensor::from_f64([1, 1, 2, 2], &[1.0, 4.0, 3.0, 2.0], DType::F32);
        x.set(at, f64::NAN);
        let mut y = Tensor::zeros([1, 1, 1, 1], DType::F32);
        pool.forward(&x, &mut y, &mut Tensor::empty(DType::F32), pass(Par::Seq));
        assert!(y.at(0).is_nan(), "{at}");
    }
}

/// Batch norm against its formula: training statistics, running statistics over three batches, evaluation, the error with the
/// statistics taken for constants.
#[test]
fn batch_norm_equals_its_formula() {
    let (n, c, area) = (4, 3, 6);
    let root = Rng::new(4);
    let mut rng = root.child("numbers");
    for affine in [true, false] {
        let mut layer = BatchNorm::new(c, affine, Backward::FrozenStats, DType::F64);
        let (gamma, beta) =
            (rng.normal_tensor([c], 1.0, DType::F64), rng.normal_tensor([c], 1.0, DType::F64));
        if let (Some(w), Some(b)) = layer.params_mut() {
            w.copy_from(&gamma);
            b.copy_from(&beta);
        }
        let of = |t: &Tensor, k: usize, neutral: f64| if affine { t.at(k) } else { neutral };
        let (mut mean, mut var) = (vec![0.0; c], vec![1.0; c]);
        let mut aux = Tensor::empty(DType::F64);
        for step in 0..3 {
            let x = rng.normal_tensor([n, c, 2, 3], 2.0, DType::F64);
            let delta = rng.normal_tensor([n, c, 2, 3], 1.0, DType::F64);
            let index = |k: usize| (0..n * area).map(move |i| (i / area * c + k) * area + i % area);
            let m: Vec<f64> = (0..c).map(|k| index(k).map(|i| x.at(i)).sum::<f64>() / 24.0).collect();
            let v: Vec<f64> =
                (0..c).map(|k| index(k).map(|i| (x.at(i) - m[k]).powi(2)).sum::<f64>() / 24.0).collect();
            let (mut y, mut dx) = (x.zeros_like(), x.zeros_like());
            layer.forward(&x, &mut y, &mut aux, pass(Par::Seq));
            let close = |y: &Tensor, mean: &[f64], var: &[f64]| {
                (0..c).all(|k| {
                    index(k).all(|i| {
                        let want = of(&gamma, k, 1.0) * (x.at(i) - mean[k]) / (var[k] + EPS).sqrt()
                            + of(&beta, k, 0.0);
                        (y.at(i) - want).abs() < 1e-13
                    })
                })
            };
            assert!(close(&y, &mean, &var), "evaluation {step}");
            layer.forward(&x, &mut y, &mut aux, Pass { par: Par::Threads(2), noise: Some(&root) });
            assert!(close(&y, &m, &v), "training {step}");
            let seen = Seen { x: &x, aux: &aux, sums: &[] };
            layer.error_back(None, seen, &delta, &mut dx, Accum::Replace, Par::Seq);
            for k in 0..c {
                let factor = of(&gamma, k, 1.0) / (v[k] + EPS).sqrt();
                assert!(index(k).all(|i| (dx.at(i) - factor * delta.at(i)).abs() < 1e-14));
                mean[k] = (1.0 - MOMENTUM) * mean[k] + MOMENTUM * m[k];
                var[k] = (1.0 - MOMENTUM) * var[k] + MOMENTUM * v[k] * 24.0 / 23.0;
            }
            layer.absorb(seen);
            let held: Vec<Vec<f64>> = layer.buffers().iter().map(|(_, t)| t.to_f64_vec()).collect();
            assert!(gap(&held[0], &mean) < 1e-14 && gap(&held[1], &var) < 1e-14, "running {step}");
        }
    }
}

/// Per channel, the writer's <G_l[k,:], W_l[k,:]> + g_b b and the reader's <G_{l+1}[:,k], M_{l+1}[:,k]> over all taps.
fn sides(net: &Network, l: &Look, writer: NodeId, reader: NodeId) -> (Vec<f64>, Vec<f64>) {
    (written(net, l, writer), read(net, l, reader, net.weight(writer).rows()))
}

fn written(net: &Network, l: &Look, node: NodeId) -> Vec<f64> {
    let (w, g) = (net.weight(node), l.grads.weight(node).unwrap());
    let own = |k: usize| (k * w.cols()..(k + 1) * w.cols()).map(|i| w.at(i) * g.at(i)).sum::<f64>();
    let bias = net.layer(node).bias().map(|b| (b, l.grads.bias(node).unwrap()));
    (0..w.rows()).map(|k| own(k) + bias.map_or(0.0, |(b, g)| b.at(k) * g.at(k))).collect()
}

fn read(net: &Network, l: &Look, node: NodeId, units: usize) -> Vec<f64> {
    let m = l.feedback.at(node).unwrap_or(net.weight(node));
    let (g, taps) = (l.grads.weight(node).unwrap(), m.cols() / units);
    let mut out = vec![0.0; units];
    (0..m.numel()).for_each(|i| out[i % m.cols() / taps] += m.at(i) * g.at(i));
    out
}

const CARRYING: [&str; 5] = ["bp", "fa", "sign_fa", "adafa", "tracking"];

/// Oracle 3 per channel, through strides, padding, pooling, flatten: rounding of sums of ~1,000 products, 1e-12 of the largest
/// side. Oracle 10: tanh breaks it at O(1).
#[test]
fn balance_holds_per_channel() {
    let stack = "model = \"convnet\"\nwidth = 4\ndepth = 4\nstages = 2";
    for rule in CARRYING {
        for downsample in ["stride", "max_pool", "avg_pool"] {
            for (activation, holds) in
                [("relu", true), ("leaky_relu", true), ("identity", true), ("tanh", false)]
            {
                let text = format!("{stack}\ndownsample = \"{downsample}\"\nactivation = \"{activation}\"");
                let worst = imbalance(&Images { batch: 5, ..Images::of(&text).rule(rule) });
                assert_eq!(worst < 1e-12, holds, "{rule} {downsample} {activation}: {worst}");
                assert!(holds || worst > 1e-2, "{rule} {activation}: {worst}");
            }
        }
        for input in [vec![1, 28, 28], vec![1, 32, 32], vec![3, 24, 22]] {
            let worst = imbalance(&Images { input, ..Images::of("model = \"lenet\"").rule(rule) });
            assert!(worst < 1e-12, "lenet {rule}: {worst}");
        }
    }
}

fn imbalance(case: &Images) -> f64 {
    let mut net = case.network();
    draw(&mut net, 3);
    let (x, labels) = examples(case, 6);
    let l = look(case, &net, &x, &labels, true);
    let pairs = net.weighted().windows(2);
    let worst = pairs.map(|p| {
        let (a, b) = sides(&net, &l, p[0], p[1]);
        gap_in(&a, &b)
    });
    worst.fold(0.0, f64::max)
}

/// Gap relative to the larger side.
fn gap_in(a: &[f64], b: &[f64]) -> f64 {
    let scale = a.iter().chain(b).fold(f64::MIN_POSITIVE, |m, v| m.max(v.abs()));
    a.iter().zip(b).fold(0.0, |m, (a, b)| f64::max(m, (a - b).abs() / scale))
}

/// Flatten between channels and a dense read-out of all positions, and groups in the writer.
#[test]
fn balance_holds_through_flatten() {
    for (name, mut net) in sandwiches(DType::F64).into_iter().take(4) {
        draw(&mut net, 3);
        let case = Images { input: vec![2, 7, 6], ..Images::of("").rule("fa") };
        let (x, labels) = examples(&case, 6);
        let l = look(&case, &net, &x, &labels, true);
        let [.., writer, reader] = net.weighted() else { panic!() };
        let (a, b) = sides(&net, &l, *writer, *reader);
        assert!(gap_in(&a, &b) < 1e-12, "{name}: {a:?} {b:?}");
    }
}

/// Batch norm between the filters and the ReLU: the plain law breaks (oracle 10), and instead, per channel,
/// gamma G_gamma + beta G_beta = <G, M> of the reader and <G, W> = gamma G_gamma eps / (var + eps) of the filters below.
#[test]
fn balance_moves_to_the_affine_part_of_batch_norm() {
    for rule in CARRYING {
        let text = "model = \"convnet\"\nwidth = 4\ndepth = 3\nstages = 2\nbatch_norm = true\nbias = false";
        let case = Images::of(text).rule(rule);
        let mut net = case.network();
        draw(&mut net, 3);
        let (x, labels) = examples(&case, 6);
        let l = look(&case, &net, &x, &labels, true);
        for triple in net.weighted().windows(3).filter(|t| net.layer(t[1]).kind() == "batch_norm") {
            let [conv, norm, reader] = [triple[0], triple[1], triple[2]];
            let (affine, readers) = sides(&net, &l, norm, reader);
            assert!(gap_in(&affine, &readers) < 1e-12, "{rule}: {affine:?} {readers:?}");
            let below = written(&net, &l, conv);
            assert!(gap_in(&below, &readers) > 1e-2, "{rule}: the plain law must break");
            let (gamma, g) = (net.weight(norm), l.grads.weight(norm).unwrap());
            let variance = &l.trace.seen(&net, norm).aux.as_slice::<f64>()[2 * gamma.numel()..];
            let mut largest = 0.0f64;
            for k in 0..gamma.numel() {
                let (size, want) = (gamma.at(k) * g.at(k), gamma.at(k) * g.at(k) * EPS / (variance[k] + EPS));
                // The left side is what is left of sums of size gamma G_gamma: rounding relative to those.
                assert!(
                    (below[k] - want).abs() < 1e-12 * (size.abs() + 1e-2),
                    "{rule} {k}: {} {want}",
                    below[k]
                );
                largest = largest.max(want.abs());
            }
            assert!(largest > 1e-9, "{rule}: too small to see");
        }
    }
}

/// Residual stream of one stage: only the sum over all writers equals the sum over all readers; a single pair does not.
#[test]
fn balance_of_a_residual_stream_is_a_sum() {
    for rule in CARRYING {
        let case = Images::of("model = \"resnet20\"\nwidth = 3\nbatch_norm = false\nbias = true").rule(rule);
        let mut net = case.network();
        draw(&mut net, 3);
        let (x, labels) = examples(&case, 6);
        let l = look(&case, &net, &x, &labels, true);
        // Layers in order: stem, three blocks of two, then stages two and three, dense. Last stage: six convolutions before the
        // dense layer; its stream is written by the second of each block and, through the shortcut, by the stage below.
        let w = net.weighted();
        for block in 0..9 {
            let (a, b) = sides(&net, &l, w[1 + 2 * block], w[2 + 2 * block]);
            assert!(gap_in(&a, &b) < 1e-12, "{rule} inside block {block}");
        }
        // Every channel of the whole net's stream, carried on by padding: channel k of stage one is channel k + 1 of stage two (3 to 6
        // channels) and k + 1 + 3 of stage three (6 to 12).
        let mut total = vec![0.0; 3];
        let mut size = 0.0f64;
        let mut count = |side: Vec<f64>, first: usize, sign: f64| {
            (0..3).for_each(|k| {
                total[k] += sign * side[k + first];
                size = size.max(side[k + first].abs());
            });
        };
        count(written(&net, &l, w[0]), 0, 1.0);
        for (stage, first) in [(0, 0), (1, 1), (2, 4)] {
            for block in 0..3 {
                let at = 1 + 6 * stage + 2 * block;
                // The first block of a stage reads the stream of the stage below.
                let (units, from) = if block == 0 && stage > 0 {
                    (3 << (stage - 1), [0, 0, 1][stage])
                } else {
                    (3 << stage, first)
                };
                count(read(&net, &l, w[at], units), from, -1.0);
                count(written(&net, &l, w[at + 1]), first, 1.0);
            }
        }
        count(read(&net, &l, w[19], 12), 4, -1.0);
        assert!(total.iter().all(|t| t.abs() < 1e-11 * size), "{rule}: {total:?} of {size}");
        let (a, b) = sides(&net, &l, w[6], w[19]);
        assert!(a.len() != b.len() || gap_in(&a, &b) > 1e-2, "{rule}: a single pair must break");
    }
}

/// What carries an error is the filter's own business: none for batch norm, none below the first weight.
#[test]
fn feedback_has_the_filters_shapes() {
    let case = Images::of("model = \"resnet20\"\nwidth = 2").rule("fa");
    let t = case.trainer();
    let (net, feedback): (&Network, &Feedback) = (t.net(), t.feedback());
    for &node in net.weighted() {
        let norm = net.layer(node).kind() == "batch_norm";
        let b = feedback.at(node);
        assert_eq!(b.is_some(), !norm && node != net.weighted()[0]);
        assert!(b.is_none_or(|b| b.shape() == net.weight(node).shape()));
    }
}

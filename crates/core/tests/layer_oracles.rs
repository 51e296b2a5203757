//! Layers without a carrying matrix against their definitions as naive loops: pooling, the padded shortcut, sums, what batch norm reads of
//! its error; and dropout by finite
//! differences over every activation.

#![allow(missing_docs)]
mod common;

use common::images::{Images, draw, examples, look};
use realign::layer::batch_norm::Backward;
use realign::layer::{
    ACTIVATIONS, AvgPool, BatchNorm, Conv2d, GlobalAvgPool, Layer, MaxPool, PadShortcut, Pass, Seen,
};
use realign::network::{Builder, Errors, Trace, sweep};
use realign::tensor::ops::{Accum, Window};
use realign::tensor::{DType, Par, Rng, Shape, Tensor};
use realign::train::Grads;

/// What a layer should make of an input: for every output entry of one example, the inputs it reads with their factors.
type Taps = Vec<Vec<(usize, f64)>>;

/// Windows of every plane, padding left out; `share` is the factor of an entry.
fn windows([channels, h, w]: [usize; 3], window: Window, share: f64) -> Taps {
    let ([kh, kw], s, p) = (window.kernel, window.stride, window.padding);
    let (oh, ow) = ((h + 2 * p - kh) / s + 1, (w + 2 * p - kw) / s + 1);
    let mut taps = Vec::new();
    for (c, i, j) in (0..channels * oh * ow).map(|o| (o / (oh * ow), o / ow % oh, o % ow)) {
        let inside = (0..kh * kw).filter_map(|t| {
            let (r, q) = ((i * s + t / kw).checked_sub(p)?, (j * s + t % kw).checked_sub(p)?);
            (r < h && q < w).then_some(((c * h + r) * w + q, share))
        });
        taps.push(inside.collect());
    }
    taps
}

/// Forward, and the error replaced and added, against the taps, for every number of threads; `max` takes the largest of the taps instead of
/// their sum. Sums of at most 42 products of size 1: 50 eps, 2e-14 in f64 and 1e-5 in f32.
fn check(layer: &dyn Layer, input: [usize; 3], taps: &Taps, max: bool, dtype: DType, what: &str) {
    let bound = if dtype == DType::F64 { 2e-14 } else { 1e-5 };
    let (rows, shape) = (3, Shape::new(&input));
    let out = layer.output_shape(shape).unwrap();
    assert_eq!(out.numel(), taps.len(), "{what}");
    let mut rng = Rng::new(11);
    let x = rng.normal_tensor(shape.batched(rows), 1.0, dtype);
    let delta = rng.normal_tensor(out.batched(rows), 1.0, dtype);
    let before = rng.normal_tensor(shape.batched(rows), 1.0, dtype);
    let (mut y, mut dx) = (vec![0.0; delta.numel()], vec![0.0; x.numel()]);
    for (e, (o, taps)) in (0..rows).flat_map(|e| taps.iter().enumerate().map(move |t| (e, t))) {
        let of = |i: usize| x.at(e * shape.numel() + i);
        let largest = taps.iter().copied().reduce(|a, b| if of(b.0) > of(a.0) { b } else { a });
        let read: Vec<(usize, f64)> = if max { largest.into_iter().collect() } else { taps.clone() };
        let at = e * out.numel() + o;
        for (i, factor) in read {
            y[at] += factor * of(i);
            dx[e * shape.numel() + i] += factor * delta.at(at);
        }
    }
    let near = |got: &Tensor, want: &dyn Fn(usize) -> f64, step: &str| {
        for i in 0..got.numel() {
            assert!((got.at(i) - want(i)).abs() < bound, "{what} {step} [{i}]: {} {}", got.at(i), want(i));
        }
    };
    for par in [Par::Seq, Par::Threads(2), Par::Threads(3)] {
        // Whatever lay there before must not show.
        let (mut got, mut aux, mut back) = (delta.clone(), Tensor::empty(dtype), before.clone());
        layer.forward(&x, &mut got, &mut aux, Pass { par, noise: None });
        near(&got, &|i| y[i], "forward");
        let seen = Seen { x: &x, aux: &aux, sums: &[] };
        layer.error_back(None, seen, &delta, &mut back, Accum::Replace, par);
        near(&back, &|i| dx[i], "error");
        back.copy_from(&before);
        layer.error_back(None, seen, &delta, &mut back, Accum::Add, par);
        near(&back, &|i| before.at(i) + dx[i], "added error");
    }
}

/// Every kernel, stride and padding of PyTorch's range (padding at most half the kernel), in images that windows do and do not fill.
#[test]
fn pooling_equals_naive_loops() {
    for dtype in [DType::F64, DType::F32] {
        for (kernel, stride) in
            [[1, 1], [2, 2], [3, 3], [3, 2], [2, 3]].into_iter().flat_map(|k| (1..=3).map(move |s| (k, s)))
        {
            for padding in 0..=kernel[0].min(kernel[1]) / 2 {
                for input in [[2, 7, 6], [3, 5, 17], [1, 4, 33]] {
                    let window = Window { kernel, stride, padding };
                    let (shape, what) = (Shape::new(&input), format!("{dtype} {window:?} {input:?}"));
                    let share = 1.0 / (kernel[0] * kernel[1]) as f64;
                    let max = MaxPool::new(shape, window).unwrap();
                    check(&max, input, &windows(input, window, 1.0), true, dtype, &format!("max {what}"));
                    let avg = AvgPool::new(shape, window).unwrap();
                    check(&avg, input, &windows(input, window, share), false, dtype, &format!("avg {what}"));
                }
            }
        }
        for input in [[4, 1, 1], [3, 6, 7], [2, 1, 9]] {
            let [_, h, w] = input;
            let whole = Window { kernel: [h, w], stride: 1, padding: 0 };
            let pool = GlobalAvgPool::new(Shape::new(&input)).unwrap();
            let taps = windows(input, whole, 1.0 / (h * w) as f64);
            check(&pool, input, &taps, false, dtype, &format!("global {dtype} {input:?}"));
        }
    }
}

/// Channel c of the input is channel c + (new - old) / 2, every s-th pixel of it; the others are zero.
#[test]
fn the_padded_shortcut_equals_its_definition() {
    for dtype in [DType::F64, DType::F32] {
        for (stride, channels) in (1..=3).flat_map(|s| [3, 4, 6, 7].map(|c| (s, c))) {
            let [old, h, w] = [3, 7, 6];
            let pad = PadShortcut::new(Shape::new(&[old, h, w]), channels, stride).unwrap();
            let (oh, ow, first) = ((h - 1) / stride + 1, (w - 1) / stride + 1, (channels - old) / 2);
            let tap = |o: usize| {
                let (c, i, j) = (o / (oh * ow), o / ow % oh, o % ow);
                let inside = (first..first + old).contains(&c);
                let at = || (((c - first) * h + i * stride) * w + j * stride, 1.0);
                inside.then(at).into_iter().collect()
            };
            let taps = (0..channels * oh * ow).map(tap).collect();
            check(&pad, [old, h, w], &taps, false, dtype, &format!("pad {dtype} {stride} {channels}"));
        }
    }
}

/// y = h + h + pool(h): the sum of its inputs, and the error of a fork is the sum over its readers; every number is a small multiple of 1/4, so
/// sums are exact.
#[test]
fn add_sums_forward_and_shares_the_error() {
    for dtype in [DType::F64, DType::F32] {
        let shape = Shape::new(&[2, 2, 2]);
        let mut b = Builder::new(shape, dtype);
        // One filter of 1 by 1 per channel, so that there is a weight below to send the error to.
        let conv = Conv2d::new(shape, 2, Window::square(1, 1, 0), 2, false, dtype).unwrap();
        let h = b.layer(b.input(), conv);
        let pool = b.layer(h, AvgPool::new(shape, Window { kernel: [1, 1], stride: 1, padding: 0 }).unwrap());
        let sum = b.add(&[h, h, pool]);
        let mut net = b.finish(sum);
        for k in 0..2 {
            net.layer_mut(h).params_mut().0.unwrap().set(k, [0.5, -2.0][k]);
        }
        let x = Tensor::from_f64([1, 2, 2, 2], &[1.0, 2.0, 3.0, 4.0, -1.0, 0.5, 0.0, 8.0], dtype);
        let mut trace = Trace::new(&net, 1);
        trace.input_mut(1).copy_from(&x);
        net.forward(&mut trace, Pass { par: Par::Seq, noise: None });
        let w = [0.5, -2.0];
        for i in 0..8 {
            assert_eq!(trace.output(&net).at(i), 3.0 * w[i / 4] * x.at(i), "{dtype} {i}");
        }
        let mut errors = Errors::new(&net, 1);
        let delta = Tensor::from_f64([1, 2, 2, 2], &[1.0, -1.0, 0.25, 2.0, 3.0, 0.5, -4.0, 1.0], dtype);
        errors.signal_mut(&net, 1).copy_from(&delta);
        sweep(&net, &trace, &mut errors, |n| net.weight(n), Par::Seq);
        for i in 0..8 {
            assert_eq!(errors.delta(&net, h).unwrap().at(i), 3.0 * delta.at(i), "{dtype} {i}");
        }
    }
}

/// Gap relative to the largest entry that was wanted.
fn gap(got: &[f64], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    let scale = want.iter().fold(f64::MIN_POSITIVE, |m, v| m.max(v.abs()));
    got.iter().zip(want).fold(0.0, |m, (a, b)| f64::max(m, (a - b).abs() / scale))
}

/// Sums of delta and of delta (x - mean) per channel of a batch norm, as loops over examples and positions.
fn sums_of_error(x: &Tensor, delta: &Tensor, channels: usize) -> [Vec<f64>; 2] {
    let area = x.cols() / channels;
    let of = |k: usize, f: &dyn Fn(usize) -> f64| -> f64 {
        (0..x.rows() * area).map(|i| f((i / area * channels + k) * area + i % area)).sum()
    };
    let plain = (0..channels).map(|k| of(k, &|i| delta.at(i))).collect();
    let mean = |k: usize| of(k, &|i| x.at(i)) / (x.rows() * area) as f64;
    let along =
        (0..channels).map(|k| (mean(k), k)).map(|(m, k)| of(k, &|i| delta.at(i) * (x.at(i) - m))).collect();
    [plain, along]
}

/// A sweep leaves both sums of every batch norm, of one below which no error is needed as well; what they are used for comes out to the same
/// bits as without them, and they end with the pass.
#[test]
fn the_sums_of_batch_norm_are_read_once_per_pass() {
    for (dtype, bound) in [(DType::F64, 1e-13), (DType::F32, 1e-5)] {
        for (backward, affine) in
            [Backward::Exact, Backward::FrozenStats].into_iter().flat_map(|b| [(b, true), (b, false)])
        {
            let mut b = Builder::new(Shape::new(&[2, 5, 4]), dtype);
            let low = b.layer(b.input(), BatchNorm::new(2, true, backward, dtype));
            let conv = Conv2d::new(b.shape(low), 3, Window::square(3, 1, 1), 1, false, dtype).unwrap();
            let h = b.layer(low, conv);
            let norm = b.layer(h, BatchNorm::new(3, affine, backward, dtype));
            let mut net = b.finish(norm);
            draw(&mut net, 5);
            let (mut trace, mut errors) = (Trace::new(&net, 6), Errors::new(&net, 6));
            let root = Rng::new(8);
            let mut rng = root.child("numbers");
            trace.input_mut(6).copy_from(&rng.normal_tensor([6, 2, 5, 4], 2.0, dtype));
            net.forward(&mut trace, Pass { par: Par::Seq, noise: Some(&root) });
            errors.signal_mut(&net, 6).copy_from(&rng.normal_tensor([6, 3, 5, 4], 1.0, dtype));
            let what = format!("{dtype} {backward:?} {affine}");

            // Before a sweep nobody has read anything; directions of the top are right all the same.
            let mut before = Grads::default();
            before.compute(&net, &trace, &errors, |_| true, Par::Seq);
            assert!(errors.seen(&net, &trace, norm).sums.is_empty(), "{what}");
            sweep(&net, &trace, &mut errors, |n| net.weight(n), Par::Threads(2));
            let mut after = Grads::default();
            after.compute(&net, &trace, &errors, |_| true, Par::Seq);
            for node in [low, norm].into_iter().filter(|n| net.layer(*n).weight().is_some()) {
                let (seen, delta) = (errors.seen(&net, &trace, node), errors.delta(&net, node).unwrap());
                let [plain, along] = sums_of_error(seen.x, delta, net.weight(node).numel());
                assert!(gap(seen.sums, &[&plain[..], &along].concat()) < bound, "{what}");
                let inverse = &seen.aux.as_slice::<f64>()[plain.len()..];
                let along: Vec<f64> = along.iter().zip(inverse).map(|(a, i)| a * i).collect();
                assert!(gap(&after.weight(node).unwrap().to_f64_vec(), &along) < bound, "{what}");
                assert!(gap(&after.bias(node).unwrap().to_f64_vec(), &plain) < bound, "{what}");
            }
            let bits = |g: &Grads| (g.weight(norm).cloned(), g.bias(norm).cloned());
            assert!(bits(&before) == bits(&after), "{what}");
            errors.signal_mut(&net, 6);
            assert!(errors.seen(&net, &trace, norm).sums.is_empty(), "{what}");
        }
    }
}

/// Oracle 1 for dropout on every activation, with the mask of one step held: dropout must not spoil the output that an activation computes its
/// derivative from. Central differences with h = 1e-6 in f64: truncation 1e-12, rounding 1e-10 of a loss of size 1, relative to gradients of
/// size 1e-3 and more.
#[test]
fn dropout_keeps_gradients_exact_on_every_activation() {
    for activation in ACTIVATIONS {
        let text = format!("widths = [128, 9, 8, 3]\nactivation = \"{}\"\ndropout = 0.4", activation.name);
        let case = Images::of(&text);
        let mut net = case.network();
        draw(&mut net, 5);
        let (x, labels) = examples(&case, 5);
        let grads = look(&case, &net, &x, &labels, true).grads;
        for node in net.weighted().to_vec() {
            let g = grads.weight(node).unwrap();
            let largest = g.to_f64_vec().iter().fold(1e-3f64, |m, v| m.max(v.abs()));
            for i in (0..g.numel()).step_by(7) {
                let mut at = |shift: f64| {
                    let old = net.weight(node).at(i);
                    net.layer_mut(node).params_mut().0.unwrap().set(i, old + shift);
                    let loss = look(&case, &net, &x, &labels, true).loss;
                    net.layer_mut(node).params_mut().0.unwrap().set(i, old);
                    loss
                };
                let slope = (at(1e-6) - at(-1e-6)) / 2e-6;
                let gap = (slope - g.at(i)).abs() / largest;
                assert!(gap < 1e-6, "{} node {} [{i}]: {slope} against {}", activation.name, node.0, g.at(i));
            }
        }
    }
}

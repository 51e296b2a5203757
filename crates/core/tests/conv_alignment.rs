//! Alignment of convolutional networks: angles and effective ranks of the probes against naive computations from one backward pass, zero vectors, and
//! the scales of sign-FA in closed form.
#![allow(missing_docs)]
mod common;

use common::images::{Images, Seen, look};
use common::{bundle, table};
use realign::data::{Features, Targets};
use realign::layer::{Conv2d, Dense, GlobalAvgPool};
use realign::network::{Builder, Network};
use realign::rules;
use realign::tensor::ops::Window;
use realign::tensor::{DType, Shape, Tensor};
use realign::train::Row;

const NETS: [&str; 3] = [
    "model = \"convnet\"\nwidth = 3\ndepth = 3\nstages = 2",
    "model = \"convnet\"\nwidth = 3\ndepth = 2\nstages = 2\nbatch_norm = true",
    "model = \"resnet20\"\nwidth = 2",
];

/// One step on all examples, with these probes before it.
fn case(network: &str, rule: &str, probes: &[&str]) -> Images {
    let probes = probes.iter().map(|p| ("1 step".parse().unwrap(), (*p).into())).collect();
    Images { probes, n: 7, batch: 7, steps: 1, ..Images::of(network).rule(rule) }
}

/// The rows before the first step, and the same backward pass made by hand for the rule and for backpropagation.
fn first(case: &Images) -> (Vec<Row>, Network, Seen, Seen) {
    let net = case.trainer();
    let data = bundle(case.n, case.input.iter().product(), case.classes, case.seed).train;
    let (Features::F64(x), Targets::Classes { labels, .. }) = (&data.features, &data.targets) else {
        panic!()
    };
    let x = Tensor::from_f64(Shape::new(&case.input).batched(case.n), x, DType::F64);
    let bp = Images { rule: "name = \"bp\"".into(), ..case.clone() };
    let (own, reference) = (look(case, net.net(), &x, labels, true), look(&bp, net.net(), &x, labels, true));
    let mut rows = case.run(None).1.rows;
    rows.retain(|r| r.step == 0);
    (rows, case.network(), own, reference)
}

fn find(rows: &[Row], probe: &str, name: &str, layer: Option<usize>) -> Option<f64> {
    let mut found =
        rows.iter().filter(|r| r.probe == probe && r.name == name && r.layer == layer && r.unit.is_none());
    let value = found.next().map(|r| r.value);
    assert!(found.next().is_none(), "{probe} {name} {layer:?} twice");
    value
}

fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// Cosines to 1e-12: sums of a few thousand products in another order.
#[test]
fn angles_of_every_layer_and_of_the_whole_net() {
    for network in NETS {
        for rule in ["bp", "fa", "sign_fa", "adafa"] {
            let case = case(network, rule, &["name = \"error_angle\"", "name = \"update_angle\""]);
            let (rows, net, own, bp) = first(&case);
            let (mut all, mut all_bp) = ([vec![], vec![]], [vec![], vec![]]);
            for (i, &node) in net.weighted().iter().enumerate() {
                let of = |s: &Seen| {
                    let (d, g) = (s.errors.delta(&net, node).unwrap(), s.grads.weight(node).unwrap());
                    [d.to_f64_vec(), g.to_f64_vec()]
                };
                let (ours, theirs) = (of(&own), of(&bp));
                for (k, probe) in ["error_angle", "update_angle"].into_iter().enumerate() {
                    let got = find(&rows, probe, "angle", Some(i)).unwrap().to_radians().cos();
                    assert!(
                        (got - cosine(&ours[k], &theirs[k])).abs() < 1e-12,
                        "{network} {rule} {probe} {i}"
                    );
                    all[k].extend_from_slice(&ours[k]);
                    all_bp[k].extend_from_slice(&theirs[k]);
                }
            }
            for (k, probe) in ["error_angle", "update_angle"].into_iter().enumerate() {
                let got = find(&rows, probe, "angle", None).unwrap();
                let want = cosine(&all[k], &all_bp[k]);
                assert!((got.to_radians().cos() - want).abs() < 1e-12, "{network} {rule} {probe}");
                assert!(rule != "fa" || got > 20.0, "{network} {probe}: {got} is no test");
            }
        }
    }
}

/// With B = 0 no error passes a weight: hidden layers have vectors without direction and are counted, and the angle of the whole net is that of the rest.
#[test]
fn zero_vectors_are_counted_and_not_averaged() {
    for network in NETS {
        let probes = [
            "name = \"error_angle\"",
            "name = \"update_angle\"\nper_unit = true",
            "name = \"effective_rank\"",
        ];
        let case = Images { feedback: "name = \"zeros\"".into(), ..case(network, "fa", &probes) };
        let (rows, net, own, bp) = first(&case);
        let top = net.weighted().len() - 1;
        for i in 0..top {
            for probe in ["error_angle", "update_angle"] {
                assert_eq!(find(&rows, probe, "angle", Some(i)), None, "{network} {probe} {i}");
                assert_eq!(find(&rows, probe, "zero_vectors", Some(i)), Some(1.0), "{network} {probe} {i}");
            }
            let units = rows.iter().filter(|r| r.layer == Some(i) && r.unit.is_some());
            assert!(units.clone().count() > 0 && units.into_iter().all(|r| r.name == "zero_vectors"));
            assert_eq!(find(&rows, "effective_rank", "effective_rank", Some(i)), None);
            assert_eq!(find(&rows, "effective_rank", "zero_vectors", Some(i)), Some(7.0));
        }
        assert!(find(&rows, "error_angle", "angle", Some(top)).unwrap() < 1e-5);
        let norm = |s: &Seen, all: bool| {
            let nodes = &net.weighted()[if all { 0 } else { top }..];
            nodes.iter().flat_map(|&n| s.grads.weight(n).unwrap().to_f64_vec()).map(|g| g * g).sum::<f64>()
        };
        // Only the top is shared: cos = ‖G_top‖ / ‖gradient‖.
        let want = (norm(&own, false) / norm(&bp, true)).sqrt();
        let got = find(&rows, "update_angle", "angle", None).unwrap();
        assert!((got.to_radians().cos() - want).abs() < 1e-12 && want < 0.999, "{network}: {got}");
    }
}

/// Squared singular values by one-sided Jacobi rotations of the rows.
fn squared_singular_values(delta: &Tensor) -> Vec<f64> {
    let mut rows: Vec<Vec<f64>> = delta.to_f64_vec().chunks(delta.cols()).map(<[f64]>::to_vec).collect();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    for _ in 0..60 {
        for i in 1..rows.len() {
            for j in 0..i {
                let (p, q, r) = (dot(&rows[i], &rows[i]), dot(&rows[j], &rows[j]), dot(&rows[i], &rows[j]));
                let angle = 0.5 * (2.0 * r).atan2(p - q);
                let (s, c) = angle.sin_cos();
                for k in 0..rows[i].len() {
                    let (a, b) = (rows[i][k], rows[j][k]);
                    (rows[i][k], rows[j][k]) = (c * a + s * b, c * b - s * a);
                }
            }
        }
    }
    rows.iter().map(|r| dot(r, r)).collect()
}

/// The probe against an independent decomposition, for the rule and for backpropagation: to 1e-8, the singular values of errors that the batch's mean
/// has taken out being zero to rounding only.
#[test]
fn effective_rank_of_every_layer() {
    for network in NETS {
        let case = case(network, "fa", &["name = \"effective_rank\"\nreference = true"]);
        let (rows, net, own, bp) = first(&case);
        for (i, &node) in net.weighted().iter().enumerate() {
            for (seen, names) in [
                (&own, ["effective_rank", "participation_ratio"]),
                (&bp, ["bp_effective_rank", "bp_participation_ratio"]),
            ] {
                let square = squared_singular_values(seen.errors.delta(&net, node).unwrap());
                let sum: f64 = square.iter().map(|s| s.sqrt()).sum();
                let entropy: f64 =
                    square.iter().map(|s| s.sqrt() / sum).filter(|p| *p > 0.0).map(|p| -p * p.ln()).sum();
                let squares: f64 = square.iter().sum();
                let want = [entropy.exp(), squares * squares / square.iter().map(|s| s * s).sum::<f64>()];
                for (name, want) in names.into_iter().zip(want) {
                    let got = find(&rows, "effective_rank", name, Some(i)).unwrap();
                    assert!(
                        (got - want).abs() < 1e-8 && got < 7.0 + 1e-8,
                        "{network} {i} {name}: {got} {want}"
                    );
                }
            }
        }
    }
}

/// 3x3 filters from 2 to 8 channels, 1x1 filters from 8 to 2, 2x2 filters in 2 groups from 2 to 4, and a dense layer of 4 inputs and 5 outputs.
#[test]
fn scales_of_sign_fa_have_their_closed_forms() {
    let image = Shape::new(&[2, 6, 6]);
    let mut b = Builder::new(image, DType::F64);
    let mut h = b.input();
    // Nothing is carried through the lowest layer, so one more lies below.
    for (outputs, size, groups) in [(2, 1, 1), (8, 3, 1), (2, 1, 1), (4, 2, 2)] {
        let window = Window::square(size, 1, 0);
        h = b.layer(h, Conv2d::new(b.shape(h), outputs, window, groups, false, DType::F64).unwrap());
    }
    let pool = GlobalAvgPool::new(b.shape(h)).unwrap();
    h = b.layer(h, pool);
    h = b.layer(h, Dense::new(4, 5, false, DType::F64));
    let mut net = b.finish(h);
    common::images::draw(&mut net, 2);
    // xiao: √(2/(9·8)), √(2/2), √(2/(4·4)), 1/√4; biotorch: √(2/(18 + 72)), √(2/(8 + 2)), √(2/(4 + 16)), √(2/(4 + 5)).
    let cases: [(&str, [f64; 4]); 3] = [
        ("\"xiao\"", [1.0 / 6.0, 1.0, 0.125f64.sqrt(), 0.5]),
        ("\"biotorch\"", [1.0 / 45f64.sqrt(), 0.2f64.sqrt(), 0.1f64.sqrt(), 2f64.sqrt() / 3.0]),
        ("0.7", [0.7; 4]),
    ];
    for (scale, want) in cases {
        let rule = rules::build(table(&format!("name = \"sign_fa\"\nscale = {scale}"))).unwrap();
        let root = realign::tensor::Rng::new(0);
        let feedback = common::drawn(rule.as_ref(), &net, "name = \"xavier_uniform\"", &root);
        for (i, (&node, want)) in net.weighted()[1..].iter().zip(want).enumerate() {
            let (m, w) = (feedback.get(node).to_f64_vec(), net.weight(node).to_f64_vec());
            for (m, w) in m.iter().zip(w) {
                assert!((m - want * w.signum()).abs() < 1e-15, "{scale} layer {i}: {m} {want}");
            }
        }
    }
}

/// Filters in groups that read the channels of filters and are read by others.
fn grouped(dtype: DType) -> Network {
    let mut b = Builder::new(Shape::new(&[2, 8, 8]), dtype);
    let mut h = b.input();
    for (outputs, groups) in [(4, 1), (6, 2), (6, 3)] {
        let window = Window::square(3, 1, 1);
        h = b.layer(h, Conv2d::new(b.shape(h), outputs, window, groups, true, dtype).unwrap());
        h = b.pointwise(h, realign::layer::activation(&toml::Value::from("relu")).unwrap());
    }
    h = b.layer(h, GlobalAvgPool::new(b.shape(h)).unwrap());
    h = b.layer(h, Dense::new(6, 3, true, dtype));
    b.finish(h)
}

/// ‖W[:,k]‖² of every input channel k by the geometry of grouped filters.
fn read_squares(w: &Tensor, channels: usize) -> Vec<f64> {
    let mut out = vec![0.0; channels];
    let dims = w.shape().dims().to_vec();
    let (own, taps) =
        if dims.len() == 4 { (dims[1], dims[2] * dims[3]) } else { (channels, dims[1] / channels) };
    let per_group = dims[0] / (channels / own);
    for (o, ci, t) in (0..w.numel()).map(|i| (i / (own * taps), i / taps % own, i % taps)) {
        out[o / per_group * own + ci] += w.at((o * own + ci) * taps + t).powi(2);
    }
    out
}

/// An aligned start of grouped filters meets its condition unit by unit, (1 + margin) N_k <= ‖W_{l+1}[:,k]‖², with equality to rounding where rows
/// had to be shrunk, and the probe counts the units of every channel.
#[test]
fn an_aligned_start_knows_which_channels_a_group_reads() {
    for rule in ["fa", "sign_fa", "bp"] {
        let case = Images {
            custom: Some(grouped),
            feedback: "name = \"aligned\"\nmargin = 0.25".into(),
            ..case("", rule, &["name = \"aligned_units\""])
        };
        let t = case.trainer();
        let net = t.net();
        for pair in net.weighted().windows(2) {
            let (w, b) = (net.weight(pair[0]), net.layer(pair[0]).bias().unwrap());
            let norm = |k: usize| {
                (0..w.cols()).map(|j| w.at(k * w.cols() + j).powi(2)).sum::<f64>() + b.at(k).powi(2)
            };
            let squares = read_squares(net.weight(pair[1]), w.rows());
            let slack: Vec<f64> = (0..w.rows()).map(|k| 1.0 - 1.25 * norm(k) / squares[k]).collect();
            assert!(slack.iter().all(|s| *s > -1e-12), "{rule} {}: {slack:?}", pair[0].0);
            assert!(
                slack.iter().any(|s| s.abs() < 1e-12),
                "{rule} {}: nothing was shrunk: {slack:?}",
                pair[0].0
            );
        }
        let rows = case.run(None).1.rows;
        for (layer, units) in [(0, 4.0), (1, 6.0), (2, 6.0)] {
            let of = |name: &str| {
                rows.iter().find(|r| r.step == 0 && r.layer == Some(layer) && r.name == name).map(|r| r.value)
            };
            assert_eq!(
                (of("units"), of("misaligned"), of("zero_vectors")),
                (Some(units), Some(0.0), None),
                "{rule} {layer}"
            );
            assert!(rule == "sign_fa" || (of("min_cosine").unwrap() - 1.0).abs() < 1e-12, "{rule} {layer}");
        }
    }
}

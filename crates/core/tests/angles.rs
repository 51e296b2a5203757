//! The angle probes on layers of several blocks: against naive sums, and bit for bit against sums over whole tensors, for every number of threads.
#![allow(missing_docs)]
mod common;

use common::{Case, Memory};
use realign::network::Network;
use realign::tensor::{DType, Par, Tensor, ops};
use realign::train::{BatchSize, Row, Trainer};

/// Two blocks of an odd number of entries at the bottom, one at the other layers.
fn case(rule: &str, dtype: DType, threads: usize) -> Case {
    let texts = [
        "name = \"update_angle\"\nper_unit = true",
        "name = \"error_angle\"",
        "name = \"weight_angle\"\nper_unit = true",
    ];
    Case {
        widths: vec![301, 502, 33, 5],
        n: 12,
        batch: BatchSize::Size(12),
        steps: 1,
        dtype,
        par: Par::threads(threads),
        probes: texts.map(|p| ("1 step".parse().unwrap(), p.into())).to_vec(),
        ..Case::rule(rule)
    }
}

fn rows(case: &Case) -> Vec<Row> {
    let mut sink = Memory::default();
    case.trainer().run(&mut sink).unwrap();
    sink.rows.retain(|r| r.step == 0);
    sink.rows
}

fn find(rows: &[Row], probe: &str, name: &str, layer: Option<usize>, unit: Option<usize>) -> Option<f64> {
    let mut all = rows
        .iter()
        .filter(|r| (r.probe.as_ref(), r.name.as_ref(), r.layer, r.unit) == (probe, name, layer, unit));
    let found = all.next().map(|r| r.value);
    assert!(all.next().is_none(), "{probe} {name} {layer:?} {unit:?} twice");
    found
}

/// Update directions of a rule on the first batch, as tensors.
fn directions(rule: &str, dtype: DType) -> (Vec<Tensor>, Trainer) {
    let mut t = case(rule, dtype, 1).trainer();
    t.look_at_batch();
    t.compute_grads();
    let nodes = t.net().weighted().to_vec();
    let found = t.compute_grads();
    let tensors = nodes.iter().map(|&n| found.weight(n).unwrap().clone()).collect();
    (tensors, t)
}

/// Degrees from three passes.
fn degrees(a: &Tensor, b: &Tensor) -> f64 {
    let cosine = ops::dot(a, b) / (ops::norm_sq(a) * ops::norm_sq(b)).sqrt();
    cosine.clamp(-1.0, 1.0).acos().to_degrees()
}

fn naive(a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

fn row(t: &Tensor, k: usize) -> Tensor {
    Tensor::from_f64([t.cols()], &t.to_f64_vec()[k * t.cols()..(k + 1) * t.cols()], t.dtype())
}

#[test]
fn update_angles_are_those_of_whole_tensors() {
    for dtype in [DType::F32, DType::F64] {
        for rule in ["bp", "fa", "sign_fa", "frozen"] {
            let all = rows(&case(rule, dtype, 1));
            for threads in [2, 3] {
                assert!(rows(&case(rule, dtype, threads)) == all, "{rule} {dtype}, {threads} threads");
            }
            if rule == "frozen" {
                assert_eq!(find(&all, "update_angle", "angle", Some(0), None), None);
                assert_eq!(find(&all, "update_angle", "angle", Some(2), None), Some(0.0));
                continue;
            }
            let ((own, _), (truth, _)) = (directions(rule, dtype), directions("bp", dtype));
            for (l, (g, t)) in own.iter().zip(&truth).enumerate() {
                let got = find(&all, "update_angle", "angle", Some(l), None).unwrap();
                assert!(got == degrees(g, t), "{rule} {dtype} layer {l}: {got}");
                // 150,000 terms: rounding of some 1e-13 at most.
                assert!((got.to_radians().cos() - naive(&g.to_f64_vec(), &t.to_f64_vec())).abs() < 1e-11);
                assert!((got == 0.0) == (rule == "bp" || l == 2), "{rule} {l}: {got} is no test");
                for k in 0..g.rows() {
                    let (g, t) = (row(g, k), row(t, k));
                    match find(&all, "update_angle", "angle", Some(l), Some(k)) {
                        Some(got) => assert!(got == degrees(&g, &t), "{rule} {dtype} {l} {k}: {got}"),
                        None => assert!(ops::norm_sq(&g) * ops::norm_sq(&t) == 0.0, "{rule} {l} {k}"),
                    }
                }
            }
        }
    }
}

fn weights(t: &Trainer) -> impl Iterator<Item = (usize, &Tensor, Option<&Tensor>)> {
    let net: &Network = t.net();
    net.weighted().iter().enumerate().map(move |(l, &n)| (l, net.weight(n), t.feedback().at(n)))
}

/// Feedback three times as long as the weights, and weights without a length.
#[test]
fn the_ratio_is_that_of_feedback_to_weights() {
    let scaled = Case { feedback: "name = \"equal\"\nscale = 3.0".into(), ..case("fa", DType::F64, 1) };
    let ratio = find(&rows(&scaled), "weight_angle", "ratio", Some(1), None).unwrap();
    assert!((ratio - 3.0).abs() < 1e-14, "{ratio}");
    let empty = Case { weight: "name = \"zeros\"".into(), ..case("fa", DType::F64, 1) };
    let all = rows(&empty);
    assert_eq!(find(&all, "weight_angle", "ratio", Some(1), None), None);
    assert_eq!(find(&all, "weight_angle", "zero_vectors", Some(1), None), Some(1.0));
}

#[test]
fn weight_angles_are_those_of_whole_tensors() {
    for dtype in [DType::F32, DType::F64] {
        let (all, trainer) = (rows(&case("fa", dtype, 2)), case("fa", dtype, 1).trainer());
        for (l, w, b) in weights(&trainer) {
            let Some(b) = b else {
                assert!(l == 0 && !all.iter().any(|r| r.probe == "weight_angle" && r.layer == Some(0)));
                continue;
            };
            assert_eq!(find(&all, "weight_angle", "angle", Some(l), None), Some(degrees(w, b)));
            let norm = |t: &Tensor| t.to_f64_vec().iter().map(|x| x * x).sum::<f64>().sqrt();
            let ratio = find(&all, "weight_angle", "ratio", Some(l), None).unwrap();
            // Sums of some 10,000 squares.
            assert!((ratio / (norm(b) / norm(w)) - 1.0).abs() < 1e-13, "{l}: {ratio}");
            for k in 0..w.rows() {
                let got = find(&all, "weight_angle", "angle", Some(l), Some(k));
                assert_eq!(got, Some(degrees(&row(w, k), &row(b, k))));
            }
        }
    }
}

//! Certificates do not judge rounding: angles of vectors that are zero but for it, and losses that cannot fall further.
#![allow(missing_docs)]

mod certificate_case;

use certificate_case::Case;
use realign::tensor::{DType, Tensor, linalg};
use realign_theory::certify::{Precision, UnitRow, Verdict, check};
use realign_theory::dominance::Sample;

/// Units whose cosine is large enough, by hand: errors of softmax sum to 0 over the outputs, so W and c sign(W) are projected by taking off their means, and a
/// column of equal signs has nothing left. κ is the ratio of the largest to the least non-zero eigenvalue of A_k A_kᵀ.
fn by_hand(case: &Case, classes: usize, n: usize) -> usize {
    let t = case.trainer();
    let (first, last) = (t.net().weighted()[0], t.net().weighted()[1]);
    let (w1, w2) = (t.net().weight(first), t.net().weight(last));
    let (units, d) = (case.hidden, 6);
    let mut x = Tensor::zeros([n, d], DType::F64);
    t.data().train.gather(&(0..n).collect::<Vec<_>>(), &mut x);
    let labels = t.data().train.labels().unwrap();
    let mut a = vec![vec![0.0; classes * d]; units];
    for i in 0..n {
        let z: Vec<f64> =
            (0..units).map(|k| (0..d).map(|j| w1.at(k * d + j) * x.at(i * d + j)).sum()).collect();
        let out = |c: usize| (0..units).map(|k| w2.at(c * units + k) * z[k].max(0.0)).sum::<f64>().exp();
        let total: f64 = (0..classes).map(out).sum();
        for c in 0..classes {
            let e = out(c) / total - f64::from(labels[i] as usize == c);
            for k in (0..units).filter(|k| z[*k] > 0.0) {
                (0..d).for_each(|j| a[k][c * d + j] += e * x.at(i * d + j) / n as f64);
            }
        }
    }
    let dot = |p: &[f64], q: &[f64]| p.iter().zip(q).map(|(u, v)| u * v).sum::<f64>();
    let centred = |column: &[f64]| {
        let mean = column.iter().sum::<f64>() / classes as f64;
        column.iter().map(|v| v - mean).collect::<Vec<f64>>()
    };
    let holds = |k: &usize| {
        let column: Vec<f64> = (0..classes).map(|c| w2.at(c * units + k)).collect();
        let signs: Vec<f64> = column.iter().map(|w| w.signum()).collect();
        if signs.iter().all(|s| *s == signs[0]) {
            return false;
        }
        let s = linalg::singular_values(&Tensor::from_f64([classes, d], &a[*k], DType::F64));
        let kappa = (s[0] / s[classes - 2]).powi(2);
        let (w, m) = (centred(&column), centred(&signs));
        dot(&w, &m) / (dot(&w, &w) * dot(&m, &m)).sqrt() > (kappa - 1.0) / (kappa + 1.0)
    };
    (0..units).filter(holds).count()
}

/// sign_fa with cross-entropy over 14 seeds in f64 and four in f32: the count is that of the hand, and columns of equal signs are among the units.
#[test]
fn columns_of_equal_signs_have_no_angle() {
    let mut equal = 0;
    for (seed, dtype) in (0..14).map(|s| (s, DType::F64)).chain((0..4).map(|s| (s, DType::F32))) {
        let data = "name = 'gaussians'\nclasses = 3\ndim = 6\ntrain_size = 60\ntest_size = 1";
        let case = Case {
            rule: "name = 'sign_fa'",
            data,
            loss: "cross_entropy",
            hidden: 15,
            weight: "name = 'xavier_uniform'",
            feedback: "name = 'xavier_uniform'",
            seed,
            dtype,
            ..Case::default()
        };
        let t = case.trainer();
        let w2 = t.net().weight(t.net().weighted()[1]);
        equal +=
            (0..15).filter(|k| (0..3).map(|c| w2.at(c * 15 + k).signum()).sum::<f64>().abs() == 3.0).count();
        let want = by_hand(&case, 3, 60);
        let c = case.certificate();
        assert_eq!(c.units.unwrap().holding, want, "{seed} {dtype}: {:?}", c.conditions);
        let contributing = c.notes.iter().find(|n| n.contains("units do contribute positively")).unwrap();
        let contributing: usize = contributing.split(' ').next().unwrap().parse().unwrap();
        assert!(contributing >= want, "{seed}: what holds contributes");
    }
    assert!(equal > 18, "a fourth of the columns of three signs are equal: {equal} of 270");
}

/// The floor of a squared loss, from its formula by plain loops, and a near miss on both sides. The samples fall as e^{−alpha t} far below what f64 holds of
/// outputs of order 1 and then stand at a floor: a little below it they are under their bound, a little above it not.
#[test]
fn a_loss_at_its_floor_is_under_its_bound_and_one_above_is_not() {
    let data = "name = 'teacher'\ndim = 12\noutputs = 1\ntrain_size = 8\ntest_size = 1";
    let weight = "name = 'xavier_uniform'";
    let case = Case { data, loss: "mse", hidden: 60, weight, lr: 0.01, ..Case::default() };
    let (c, t) = (case.certificate(), case.trainer());
    assert_eq!(c.verdict, Verdict::GuaranteedForTheFlow);
    let (w1, w2) = (t.net().weight(t.net().weighted()[0]), t.net().weight(t.net().weighted()[1]));
    let mut x = Tensor::zeros([8, 12], DType::F64);
    t.data().train.gather(&(0..8).collect::<Vec<_>>(), &mut x);
    let sum = |i: usize, k: usize| (0..12).map(|j| (w1.at(k * 12 + j) * x.at(i * 12 + j)).abs()).sum::<f64>();
    let size = |i: usize| (0..60).map(|k| w2.at(k).abs() * sum(i, k)).sum::<f64>();
    let size = (0..8).map(size).fold(0.0, f64::max);
    let roundoff = 0.5f64.powi(53);
    let (once, per_step) = (80.0 * roundoff * size, 4.0 * roundoff * size);
    let (alpha, eta, steps) = (0.8f64, 0.01, 20_000u64);
    let damped = f64::min(steps as f64, 1.0 / (1.0 - (-0.5 * alpha * eta).exp()));
    let floor = 0.5 * (once + per_step * damped).powi(2);
    assert!(floor > 1e-32 && floor < 1e-22, "{floor}");

    let p = Precision::of(t.net(), &t.data().train, None);
    let passed = |last: f64, p: &Precision| {
        let loss = |s: u64| if s == steps { last } else { (-alpha * eta * s as f64).exp() };
        let samples: Vec<Sample> = [0, 100, steps]
            .map(|step| Sample { step, time: eta * step as f64, loss: loss(step), inner: alpha * loss(step) })
            .to_vec();
        let units = [UnitRow { step: 0, misaligned: 0.0, unguarded: 0.0 }];
        check(&c, &units, &samples, p).passed
    };
    assert_eq!(passed(0.999 * floor, &p), Some(true));
    assert_eq!(passed(1.001 * floor, &p), Some(false));
    assert_eq!(passed(0.999 * floor, &Precision::default()), Some(false), "without a floor it was NOT under");
    // What the integrator may leave is of second order in its tolerance: rtol |θ| + atol in every entry.
    let flow = Precision::of(t.net(), &t.data().train, Some((1e-8, 1e-10)));
    assert!(flow.once > 1e-8 * size && flow.once < 1e-7 * size + 1e-6, "{flow:?}");
    let floor = 0.5 * flow.once.powi(2);
    assert_eq!((passed(0.999 * floor, &flow), passed(1.001 * floor, &flow)), (Some(true), Some(false)));
}

//! Golden runs, checked against an independent program: plain loops over `Vec<f64>` that start from the tensors of the
//! step-0 checkpoint and know nothing of the engine. Any other program can replay a run in the same way.
#![allow(missing_docs)]
mod common;

use common::{Case, Memory, bundle};
use realign::checkpoint::Checkpoint;
use realign::data::{Features, Targets};
use realign::probes::Every;
use realign::train::BatchSize;

type Matrix = Vec<Vec<f64>>;

fn matrix(c: &Checkpoint, name: &str) -> Option<Matrix> {
    let t = c.get(name)?;
    Some(t.to_f64_vec().chunks(t.cols()).map(<[f64]>::to_vec).collect())
}

/// Full-batch training of a two-layer ReLU net with biases under softmax cross-entropy; returns the losses.
fn replay(rule: &str, c: &Checkpoint, x: &Matrix, y: &[u32], lr: f64, steps: usize) -> Vec<f64> {
    let (mut w1, mut w2) = (matrix(c, "layers.0.weight").unwrap(), matrix(c, "layers.1.weight").unwrap());
    let (mut b1, mut b2) = (vec![0.0; w1.len()], vec![0.0; w2.len()]);
    let mut feedback = matrix(c, "layers.1.feedback");
    let scale = (2.0 / (w2[0].len() + w2.len()) as f64).sqrt();
    let mut losses = Vec::new();
    for _ in 0..steps {
        let (mut g1, mut g2) =
            (vec![vec![0.0; w1[0].len()]; w1.len()], vec![vec![0.0; w2[0].len()]; w2.len()]);
        let (mut gb1, mut gb2, mut loss) = (vec![0.0; w1.len()], vec![0.0; w2.len()], 0.0);
        for (x, &label) in x.iter().zip(y) {
            let h: Vec<f64> = (0..w1.len()).map(|k| (dot(&w1[k], x) + b1[k]).max(0.0)).collect();
            let z: Vec<f64> = (0..w2.len()).map(|j| dot(&w2[j], &h) + b2[j]).collect();
            let total: f64 = z.iter().map(|v| v.exp()).sum();
            loss += (total.ln() - z[label as usize]) / y.len() as f64;
            let e: Vec<f64> = (0..z.len())
                .map(|j| (z[j].exp() / total - f64::from(j == label as usize)) / y.len() as f64)
                .collect();
            for j in 0..z.len() {
                gb2[j] += e[j];
                (0..h.len()).for_each(|k| g2[j][k] += e[j] * h[k]);
            }
            for k in 0..h.len() {
                let carried: f64 = (0..z.len())
                    .map(|j| {
                        let m = match rule {
                            "bp" => w2[j][k],
                            "sign_fa" => scale * w2[j][k].signum(),
                            _ => feedback.as_ref().unwrap()[j][k],
                        };
                        m * e[j]
                    })
                    .sum();
                let delta = if h[k] > 0.0 { carried } else { 0.0 };
                gb1[k] += delta;
                (0..x.len()).for_each(|i| g1[k][i] += delta * x[i]);
            }
        }
        losses.push(loss);
        descend(&mut w1, &g1, lr);
        descend(&mut w2, &g2, lr);
        b1.iter_mut().zip(&gb1).for_each(|(b, g)| *b -= lr * g);
        b2.iter_mut().zip(&gb2).for_each(|(b, g)| *b -= lr * g);
        if let ("adafa", Some(f)) = (rule, feedback.as_mut()) {
            descend(f, &g2, lr);
        }
        if let ("tracking", Some(f)) = (rule, feedback.as_mut()) {
            for (f, w) in f.iter_mut().flatten().zip(w2.iter().flatten()) {
                *f += 0.01 * (w - *f);
            }
        }
    }
    losses
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

fn descend(w: &mut Matrix, g: &Matrix, lr: f64) {
    w.iter_mut().flatten().zip(g.iter().flatten()).for_each(|(w, g)| *w -= lr * g);
}

/// 60 steps at a rate that halves the loss. Sums are added in another order: 1e-15 per step, grown at most a hundredfold by the
/// dynamics; bound 1e-11.
#[test]
fn naive_loops_from_the_first_checkpoint_give_the_same_losses() {
    for rule in ["bp", "fa", "sign_fa", "adafa", "tracking"] {
        let case = Case {
            widths: vec![6, 11, 3],
            batch: BatchSize::Full,
            n: 30,
            lr: 0.5,
            steps: 60,
            probes: vec![(Every::Steps(1), "name = \"accuracy\"\nsplits = [\"train\"]".into())],
            checkpoint: Every::End,
            ..Case::rule(rule)
        };
        let mut sink = Memory::default();
        case.trainer().run(&mut sink).unwrap();
        let losses: Vec<f64> = sink.rows.iter().filter(|r| r.name == "loss").map(|r| r.value).collect();
        let data = bundle(30, 6, 3, case.seed).train;
        let (Features::F64(x), Targets::Classes { labels, .. }) = (&data.features, &data.targets) else {
            panic!()
        };
        let x: Matrix = x.chunks(6).map(<[f64]>::to_vec).collect();
        let want = replay(rule, &sink.checkpoints[0], &x, labels, 0.5, 61);
        assert_eq!(losses.len(), 61);
        assert!(losses[60] < 0.8 * losses[0], "{rule} does not learn: {} to {}", losses[0], losses[60]);
        let worst = losses.iter().zip(&want).fold(0.0f64, |m, (a, b)| m.max((a - b).abs()));
        assert!(worst < 1e-11, "{rule}: {worst}");
    }
}

//! Feedback weights that follow the weights' own increments move with them, block by block: bit for bit the formula entry by entry.
#![allow(missing_docs)]
mod common;

use common::Case;
use realign::tensor::{DType, Par, Tensor};
use realign::train::BatchSize;

fn case(threads: usize) -> Case {
    Case {
        rule: "name = \"adafa\"\nkappa = 0.7\ndecay = 0.3".into(),
        optimizer: "name = \"sgd\"\nweight_decay = 0.02".into(),
        // The middle layer has three blocks and a B.
        widths: vec![20, 501, 602, 4],
        dtype: DType::F32,
        n: 12,
        batch: BatchSize::Size(12),
        steps: 3,
        par: Par::threads(threads),
        ..Case::default()
    }
}

#[test]
fn feedback_follows_the_increments_bit_for_bit() {
    let f = |t: &Tensor| t.as_slice::<f32>().to_vec();
    let mut ends: Vec<Vec<u8>> = Vec::new();
    for threads in 1..4 {
        let mut trainer = case(threads).trainer();
        for step in 0..3 {
            let nodes = trainer.net().weighted().to_vec();
            trainer.look_at_batch();
            let g: Vec<Vec<f32>> = {
                let grads = trainer.compute_grads();
                nodes.iter().map(|&n| f(grads.weight(n).unwrap())).collect()
            };
            let before: Vec<_> = nodes.iter().map(|&n| trainer.feedback().at(n).map(f)).collect();
            trainer.train_step();
            let (eta, kept, kappa) = (0.1f32, (1.0f64 - 0.1 * 0.3) as f32, 0.7f32);
            for (i, &node) in nodes.iter().enumerate() {
                let Some(b) = &before[i] else {
                    assert_eq!(i, 0);
                    continue;
                };
                let want: Vec<f32> =
                    b.iter().zip(&g[i]).map(|(b, g)| b * kept + kappa * -(eta * g)).collect();
                assert!(f(trainer.feedback().get(node)) == want, "layer {i}, step {step}, {threads} threads");
            }
        }
        ends.push(trainer.checkpoint().to_bytes());
    }
    assert!(ends.windows(2).all(|e| e[0] == e[1]));
}

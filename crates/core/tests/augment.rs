//! Augmented training batches: drawn by step from the run's tree, so that a resumed run makes the same ones.

mod common;

use common::{Case, Memory, table};
use realign::data::{Dirs, load, parse_config};
use realign::init::named_parameters;
use realign::train::{BatchSize, Every, Trainer};
use realign_tensor::Rng;

fn trainer(augment: &str) -> Trainer {
    let case = Case {
        widths: vec![784, 6, 10],
        batch: BatchSize::Size(8),
        steps: 9,
        checkpoint: Every::Steps(4),
        ..Case::default()
    };
    let data = table(&format!("name = \"digits\"\ntrain_size = 30\ntest_size = 5\n{augment}"));
    let mut setup = case.setup();
    setup.data = load(&parse_config(data).unwrap(), 1, &Dirs::default()).unwrap();
    Trainer::new(setup).unwrap()
}

fn weights(trainer: &Trainer) -> Vec<Vec<f64>> {
    named_parameters(trainer.net()).into_iter().map(|(_, t)| t.to_f64_vec()).collect()
}

const ON: &str = "augment = { pad = 2, flip = true }";

#[test]
fn a_resumed_run_makes_the_same_batches() {
    let mut whole = trainer(ON);
    let mut memory = Memory::default();
    whole.run(&mut memory).unwrap();
    let checkpoint = memory.checkpoints.iter().find(|c| c.step == 4).unwrap();
    let mut resumed = trainer(ON);
    resumed.restore(checkpoint).unwrap();
    resumed.run(&mut Memory::default()).unwrap();
    assert_eq!(weights(&whole), weights(&resumed));
    // Without augmentation the run is another one.
    let mut plain = trainer("");
    plain.run(&mut Memory::default()).unwrap();
    assert_ne!(weights(&whole), weights(&plain));
}

/// A batch that is held for several steps (as `check` does at smaller rates) is the same one each time, crops and mirrors included.
#[test]
fn a_held_batch_is_changed_once() {
    let mut trainer = trainer(ON);
    // What the network saw, by its input of the last pass: with W fixed by restoring it, the loss tells.
    let start = trainer.checkpoint();
    let first = trainer.step_on(0).unwrap();
    let step = trainer.step();
    let mut held = start.clone();
    held.step = step;
    trainer.restore(&held).unwrap();
    assert_eq!(trainer.step_on(0).unwrap(), first);
    trainer.restore(&held).unwrap();
    assert_ne!(trainer.step_on(1).unwrap(), first);
}

/// The first batch seen by the network is what the definition gives: the branch "augment" of the run's seed at step 0.
#[test]
fn batches_come_from_the_branch_augment_at_the_step() {
    let mut trainer = trainer(ON);
    let order = {
        let mut order: Vec<usize> = (0..30).collect();
        Rng::new(1).child("batches").at(0).shuffle(&mut order);
        order
    };
    let mut x = realign_tensor::Tensor::zeros([8, 784], realign_tensor::DType::F64);
    trainer.data().gather_train(&order[..8], &mut x, &Rng::new(1).child("augment").at(0));
    let labels: Vec<u32> = order[..8].iter().map(|&i| trainer.data().train.labels().unwrap()[i]).collect();
    let loss = realign::loss::build(table("name = \"cross_entropy\"")).unwrap();
    let expected = common::batch_loss(trainer.net(), loss.as_ref(), &x, &labels);
    let found = trainer.look_at_batch();
    // The same operations in the same order, apart from how the batch is scored.
    assert!((found - expected).abs() <= 1e-12 * expected.abs(), "{found} {expected}");
}

//! Scores of whole splits: those of the weights as they are, also where a probe has scored the split before.
#![allow(missing_docs)]
mod common;

use common::{Case, Memory, batch_loss, bundle};
use realign::data::{Features, Targets};
use realign::probes::Every;
use realign::tensor::{DType, Tensor};
use realign::train::Trainer;

/// Mean loss over the test split by one pass over all of it: another order of a sum of 40 numbers.
fn close(trainer: &mut Trainer, case: &Case) -> f64 {
    let data = bundle(case.n, case.widths[0], case.classes(), case.seed).test.unwrap();
    let (Features::F64(x), Targets::Classes { labels, .. }) = (&data.features, &data.targets) else {
        panic!()
    };
    let x = Tensor::from_f64([case.n, case.widths[0]], x, DType::F64);
    let want = batch_loss(trainer.net(), trainer.loss(), &x, labels);
    let end = trainer.evaluate_final();
    let got = end.test_loss.unwrap();
    assert!((got - want).abs() < 1e-13, "{got} {want}");
    assert!(end.val_loss.is_none() && end.val_accuracy.is_none());
    // The train split of this bundle is the same examples.
    assert_eq!((end.train_loss, end.train_accuracy), (end.test_loss, end.test_accuracy));
    got
}

#[test]
fn the_end_is_scored_on_the_weights_of_the_end() {
    let case =
        Case { probes: vec![(Every::Steps(7), "name = \"accuracy\"".into())], steps: 21, ..Case::default() };
    let (mut trainer, mut sink) = (case.trainer(), Memory::default());
    trainer.run(&mut sink).unwrap();
    let measured = sink.rows.iter().rfind(|r| r.step == 21 && r.name == "loss").unwrap().value;
    assert_eq!(close(&mut trainer, &case), measured);
    // Weights that moved, and weights taken from elsewhere, are scored anew.
    let saved = trainer.checkpoint();
    trainer.train_step();
    assert!(close(&mut trainer, &case) != measured);
    trainer.restore(&saved).unwrap();
    assert_eq!(close(&mut trainer, &case), measured);
}

//! Oracles 4 and 10 for convolutional networks: the books close whatever the optimizer does, also with grouped filters, strides of 3 and every
//! loss; and Adam and clipping break the plain law.
#![allow(missing_docs)]

#[path = "../../core/tests/common/mod.rs"]
mod common;

use common::images::Images;
use common::{Memory, table};
use realign::layer::{AvgPool, BatchNorm, Conv2d, Dense, Flatten, MaxPool, activation, batch_norm::Backward};
use realign::loss::LOSSES;
use realign::network::{Builder, Network};
use realign::optim::{self, Clip};
use realign::rules::RULES;
use realign::tensor::{DType, Shape, ops::Window};
use realign::train::Trainer;
use realign_theory::ledger::{Audit, LayerAudit};

/// Every geometry in one net: filters in two groups that read and write, strides 1 to 3, padding, both pools, batch norm between filters, and a
/// read-out of all positions.
fn grouped(dtype: DType) -> Network {
    let mut b = Builder::new(Shape::new(&[2, 14, 13]), dtype);
    let act = |name: &str| activation(&toml::Value::from(name)).unwrap();
    let mut h = b.input();
    for (outputs, kernel, stride, padding, groups) in [(4, 3, 1, 1, 1), (6, 3, 2, 1, 2), (6, 2, 1, 1, 3)] {
        let window = Window::square(kernel, stride, padding);
        h = b.layer(h, Conv2d::new(b.shape(h), outputs, window, groups, true, dtype).unwrap());
        h = b.pointwise(h, act("leaky_relu"));
    }
    h = b.layer(h, MaxPool::new(b.shape(h), Window::square(3, 2, 1)).unwrap());
    h = b.layer(h, Conv2d::new(b.shape(h), 8, Window::square(1, 1, 0), 2, true, dtype).unwrap());
    h = b.layer(h, BatchNorm::new(8, true, Backward::Exact, dtype));
    h = b.pointwise(h, act("relu"));
    h = b.layer(h, Conv2d::new(b.shape(h), 4, Window::square(3, 3, 2), 4, false, dtype).unwrap());
    h = b.pointwise(h, act("relu"));
    h = b.layer(h, AvgPool::new(b.shape(h), Window::square(2, 1, 1)).unwrap());
    h = b.pointwise(h, Box::new(Flatten));
    let features = b.shape(h).numel();
    h = b.layer(h, Dense::new(features, 3, true, dtype));
    b.finish(h)
}

fn case(rule: &str, steps: u64) -> Images {
    Images {
        custom: Some(grouped),
        input: vec![2, 14, 13],
        probes: vec![("1 epoch".parse().unwrap(), "name = \"ledger\"".into())],
        build_probe: realign_theory::probes::build,
        lr: 0.01,
        steps,
        ..Images::of("").rule(rule)
    }
}

fn audit(case: &Images, schedule: &str, clip: Clip) -> Audit {
    let mut setup = case.setup();
    (setup.schedule, setup.clip) = (optim::schedule(table(schedule)).unwrap(), clip);
    let mut memory = Memory::default();
    Trainer::new(setup).unwrap().run(&mut memory).unwrap();
    Audit::from_rows(&memory.rows)
}

const CONSTANT: &str = "name = \"constant\"";

/// The bound of the issue: 1e-10 of what was exchanged, residual and path.
fn closes(audit: &Audit, what: &str) {
    assert!(audit.closed && audit.layers.len() == 6, "{what}: {audit:#?}");
    for l in &audit.layers {
        let worst = l.relative_residual.abs().max(l.relative_path.abs());
        assert!(l.homogeneous && worst <= 1e-10, "{what}: {l:#?}");
    }
}

/// Oracle 4: every rule with a thousand steps of what moves weights in other ways than plain steps.
#[test]
fn books_close_over_a_thousand_steps_whatever_the_optimizer_does() {
    let optimizers = [
        ("name = \"sgd\"\nmomentum = 0.8\nnesterov = true\nweight_decay = 0.001", 0.005),
        ("name = \"adam\"\nweight_decay = 0.01", 0.001),
        ("name = \"adamw\"\nweight_decay = 0.01", 0.001),
    ];
    for (i, rule) in RULES.iter().map(|r| r.name).filter(|r| *r != "shallow").enumerate() {
        // Each optimizer with half of the rules: the audits of ledger.rs pair all of them on dense layers.
        let (optimizer, lr) = optimizers[i % 3];
        let case = Images { optimizer: optimizer.into(), lr, ..case(rule, 1000) };
        let schedule = "name = \"cosine\"\nwarmup = 10";
        for clip in [Clip::Layer(0.5), Clip::Global(0.5)] {
            closes(&audit(&case, schedule, clip), &format!("{rule} {optimizer} {clip:?}"));
        }
    }
}

/// Oracle 3 for every loss and rule, step by step.
#[test]
fn books_close_for_every_loss() {
    for loss in LOSSES.iter().map(|l| l.name).filter(|l| *l != "logistic") {
        for rule in ["bp", "fa", "sign_fa", "adafa", "tracking", "frozen"] {
            let case = Images { loss: loss.into(), ..case(rule, 20) };
            closes(&audit(&case, CONSTANT, Clip::None), &format!("{rule} {loss}"));
        }
    }
}

/// Oracle 10: the optimizer account is of the size of the exchange, so the plain law is broken; the books still close.
#[test]
fn adam_and_clipping_break_the_plain_law_of_channels() {
    let share = |l: &LayerAudit, account: &str| l.unit_by_unit[account] / l.exchanged;
    for rule in ["bp", "fa", "sign_fa", "adafa"] {
        let plain = audit(&case(rule, 60), CONSTANT, Clip::None);
        assert!(plain.layers.iter().all(|l| l.adaptive == 0.0 && l.clipping == 0.0), "{rule}: {plain:#?}");
        let adam = Images { optimizer: "name = \"adam\"".into(), lr: 0.003, ..case(rule, 60) };
        let adam = audit(&adam, CONSTANT, Clip::None);
        let broken = adam.layers.iter().filter(|l| share(l, "adaptive") > 0.05).count();
        assert!(adam.closed && broken >= 4, "{rule}: {adam:#?}");
        let clipped = audit(&case(rule, 60), CONSTANT, Clip::Layer(0.01));
        assert!(clipped.closed, "{rule}: {clipped:#?}");
        assert!(clipped.layers.iter().any(|l| share(l, "clipping") > 0.05), "{rule}: {clipped:#?}");
    }
}

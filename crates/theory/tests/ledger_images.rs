//! The ledger of convolutional networks: books per channel, residual streams with padded shortcuts, batch norm's affine part.
#![allow(missing_docs)]

#[path = "../../core/tests/common/mod.rs"]
mod common;

use common::images::Images;
use realign::streams::streams;
use realign_theory::ledger::Audit;

fn audit(network: &str, rule: &str) -> (Images, Audit) {
    let case = Images {
        probes: vec![("1 epoch".parse().unwrap(), "name = \"ledger\"".into())],
        build_probe: realign_theory::probes::build,
        optimizer: "name = \"sgd\"\nmomentum = 0.9\nweight_decay = 0.001".into(),
        lr: 0.01,
        steps: 60,
        ..Images::of(network).rule(rule)
    };
    let (_, memory) = case.run(None);
    (case, Audit::from_rows(&memory.rows))
}

/// Books close to 1e-10 of the exchanged amount, and so do the paths of every stream that is homogeneous by declaration. With batch norm those are
/// the streams that gamma and beta write; what the filters below write has no law of this kind.
#[test]
fn books_close_for_convolutional_networks() {
    for rule in ["bp", "fa", "sign_fa", "adafa", "tracking"] {
        for network in [
            "model = \"convnet\"\nwidth = 3\ndepth = 4\nstages = 2",
            "model = \"convnet\"\nwidth = 3\ndepth = 3\nstages = 2\ndownsample = \"max_pool\"\nbatch_norm = true",
            "model = \"resnet20\"\nwidth = 2\nbatch_norm = false\nbias = true",
            "model = \"resnet20\"\nwidth = 2\nbatch_norm = false\nbias = true\nshortcut = \"B\"",
            "model = \"resnet20\"\nwidth = 2",
        ] {
            let (case, audit) = audit(network, rule);
            assert!(audit.closed, "{rule} {network}: {audit:#?}");
            let lawful = streams(&case.network()).iter().filter(|s| s.homogeneous).count();
            let homogeneous = || audit.layers.iter().filter(|l| l.homogeneous);
            assert!(lawful > 0 && homogeneous().count() >= lawful, "{rule} {network}: {audit:#?}");
            for l in &audit.layers {
                assert!(l.relative_residual.abs() <= 1e-10, "{rule} {network}: {l:#?}");
                assert!(!l.homogeneous || l.relative_path.abs() <= 1e-10, "{rule} {network}: {l:#?}");
            }
        }
    }
}

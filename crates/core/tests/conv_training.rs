//! Convolutional networks in training: equal feedback is backpropagation, bits depend on the seed alone, runs resume exactly,
//! every rule trains every model, models have the published sizes, and wrong options are refused.

#![allow(missing_docs)]
mod common;

use common::images::Images;
use common::{Memory, table};
use realign::checkpoint::Checkpoint;
use realign::model::{self, MODELS};
use realign::rules::{self, RULES};
use realign::tensor::{DType, Par, Shape};

const NETS: [&str; 4] = [
    "model = \"convnet\"\nwidth = 4\ndepth = 3\nstages = 2",
    "model = \"convnet\"\nwidth = 4\ndepth = 2\nstages = 2\ndownsample = \"max_pool\"\nbatch_norm = true\nbias = false",
    "model = \"resnet20\"\nwidth = 4",
    "model = \"resnet20\"\nwidth = 4\nbatch_norm = false\nbias = true\nshortcut = \"B\"",
];

/// Oracle 2: FA with B = W is BP bit for bit; with feedback that follows W exactly it stays so.
#[test]
fn equal_feedback_is_backpropagation_bit_for_bit() {
    for dtype in [DType::F32, DType::F64] {
        for net in NETS {
            let of = |rule: &str, steps: u64| {
                let case = Images { dtype, feedback: "name = \"equal\"".into(), ..Images::of(net) };
                let mut t = Images { rule: rule.into(), ..case }.trainer();
                (0..steps).for_each(|_| {
                    t.train_step();
                });
                let net = t.net();
                net.weighted().iter().map(|&n| net.weight(n).clone()).collect::<Vec<_>>()
            };
            for rule in ["fa", "adafa", "tracking"] {
                assert!(of("name = \"bp\"", 1) == of(&format!("name = \"{rule}\""), 1), "{rule} {net}");
            }
            assert!(of("name = \"bp\"", 6) == of("name = \"tracking\"\nrho = 1.0", 6), "{net}");
            assert!(of("name = \"bp\"", 2) != of("name = \"fa\"", 2), "{net}: the test can fail");
        }
    }
}

#[test]
fn bits_depend_on_the_seed_and_on_nothing_else() {
    for rule in RULES {
        for net in NETS {
            let optimizer = "name = \"sgd\"\nmomentum = 0.9\nweight_decay = 0.01".to_string();
            let case = Images { dtype: DType::F32, batch: 10, optimizer, ..Images::of(net).rule(rule.name) };
            let one = case.bits(3);
            for par in [Par::Seq, Par::Threads(2), Par::Threads(3)] {
                assert!(one == Images { par, ..case.clone() }.bits(3), "{} {net} {par:?}", rule.name);
            }
            assert!(one != Images { seed: 2, ..case }.bits(3), "{} {net}", rule.name);
        }
    }
}

/// Stopped anywhere and resumed: the same rows, the same weights, the same running statistics.
#[test]
fn resume_is_bit_exact_with_running_statistics() {
    for (rule, net) in [("adafa", NETS[1]), ("fa", NETS[2]), ("sign_fa", NETS[3])] {
        let every = |e: &str| e.parse().unwrap();
        let case = Images {
            dtype: DType::F32,
            optimizer: "name = \"adam\"".into(),
            lr: 0.01,
            probes: vec![
                (every("2 steps"), "name = \"accuracy\"".into()),
                (every("3 steps"), "name = \"update_angle\"".into()),
            ],
            ..Images::of(net).rule(rule)
        };
        let (t, whole) = case.run(None);
        let end = t.checkpoint();
        let statistics = end.tensors.iter().filter(|(n, _)| n.contains("running_")).count();
        assert_eq!(statistics > 0, net != NETS[3], "{net}");
        for stop in [1, 5, 10] {
            let (_, mut first) = case.run(Some(stop));
            let saved = Checkpoint::from_bytes(&first.checkpoints[0].to_bytes()).unwrap();
            let (mut second, mut t) = (Memory::default(), case.trainer());
            t.restore(&saved).unwrap();
            t.run(&mut second).unwrap();
            assert!(t.checkpoint().to_bytes() == end.to_bytes(), "{rule} stopped at {stop}");
            first.rows.extend(second.rows);
            assert!(first.rows == whole.rows, "{rule} stopped at {stop}");
        }
    }
}

/// A checkpoint names batch norm's tensors as PyTorch does, and one without its statistics is refused.
#[test]
fn checkpoints_name_batch_norms_tensors() {
    let mut t =
        Images::of("model = \"convnet\"\nwidth = 2\ndepth = 1\nstages = 1\nbatch_norm = true").trainer();
    let mut c = t.checkpoint();
    for (name, dims) in [
        ("layers.0.weight", &[2, 2, 3, 3][..]),
        ("layers.0.bias", &[2]),
        ("layers.1.weight", &[2]),
        ("layers.1.bias", &[2]),
        ("layers.1.running_mean", &[2]),
        ("layers.1.running_var", &[2]),
        ("layers.2.weight", &[3, 2]),
    ] {
        assert_eq!(c.get(name).unwrap_or_else(|| panic!("{name}")).shape().dims(), dims, "{name}");
    }
    c.tensors.retain(|(n, _)| n != "layers.1.running_var");
    assert!(t.restore(&c).unwrap_err().to_string().contains("layers.1.running_var is missing"));
    let plain = "model = \"convnet\"\nwidth = 2\ndepth = 1\nstages = 1\nbatch_norm = true\naffine = false";
    let c = Images::of(plain).trainer().checkpoint();
    assert!(c.get("nodes.2.running_mean").is_some() && c.get("layers.1.weight").unwrap().rows() == 3);
}

/// Every rule makes steps on every model; what it trains moves, what it does not train stays.
#[test]
fn every_rule_trains_every_model() {
    for rule in RULES {
        for (net, input) in [
            (NETS[0], [2, 8, 8]),
            (NETS[1], [2, 8, 8]),
            (NETS[2], [2, 8, 8]),
            ("model = \"lenet\"", [1, 28, 28]),
        ] {
            let case = Images { input: input.to_vec(), dtype: DType::F32, ..Images::of(net).rule(rule.name) };
            let (mut t, built) = (case.trainer(), rules::build(table(&case.rule)).unwrap());
            let before = t.checkpoint();
            let losses: Vec<f64> = (0..2).map(|_| t.train_step()).collect();
            assert!(losses.iter().all(|l| l.is_finite()), "{} {net}", rule.name);
            let after = t.checkpoint();
            for (i, &node) in t.net().weighted().iter().enumerate() {
                let name = format!("layers.{i}.weight");
                let moved = before.get(&name) != after.get(&name);
                assert_eq!(moved, built.trains(t.net(), node), "{} {net} {name}", rule.name);
            }
            let last = t.evaluate_final();
            assert!(last.test_accuracy.is_some() && last.train_loss.unwrap().is_finite());
        }
    }
}

/// A convnet learns ten random images by heart under BP, with and without batch norm: 60 steps bring the loss below a tenth.
#[test]
fn backpropagation_fits_a_few_images() {
    for net in [NETS[0], NETS[1], NETS[2]] {
        let case = Images {
            n: 10,
            batch: 10,
            lr: 0.2,
            optimizer: "name = \"sgd\"\nmomentum = 0.9".into(),
            ..Images::of(net)
        };
        let mut t = case.trainer();
        let losses: Vec<f64> = (0..60).map(|_| t.train_step()).collect();
        assert!(losses[59] < 0.1 * losses[0], "{net}: {} to {}", losses[0], losses[59]);
    }
}

/// Published sizes; for LeNet and ResNet-18 the sums are written out.
#[test]
fn parameter_counts_are_the_reference_implementations() {
    let count = |text: &str, input: [usize; 3], classes: usize| {
        let rule = rules::build(table("name = \"bp\"")).unwrap();
        let net = model::build(table(text), Shape::new(&input), classes, DType::F32, rule.as_ref()).unwrap();
        net.parameter_count()
    };
    let conv = |i: usize, o: usize, k: usize| i * o * k * k + o;
    let dense = |i: usize, o: usize| i * o + o;
    let mnist = conv(1, 6, 5) + conv(6, 16, 5) + conv(16, 120, 5) + dense(120, 84) + dense(84, 10);
    assert_eq!(mnist, 61_706);
    assert_eq!(count("model = \"lenet\"", [1, 28, 28], 10), mnist);
    assert_eq!(count("model = \"lenet\"", [1, 32, 32], 10), mnist);
    let cifar = conv(3, 32, 3) + conv(32, 64, 3) + conv(64, 128, 3) + dense(128, 256) + dense(256, 10);
    assert_eq!(cifar, 128_842);
    assert_eq!(count("model = \"lenet\"", [3, 32, 32], 10), cifar);
    assert_eq!(count("model = \"lenet\"\nform = \"cifar\"", [3, 64, 64], 10), cifar);
    // He et al. say 0.27 million; Idelbayev's option A, and option B as in chenyaofo's models.
    assert_eq!(count("model = \"resnet20\"", [3, 32, 32], 10), 269_722);
    assert_eq!(count("model = \"resnet20\"\nshortcut = \"B\"", [3, 32, 32], 10), 272_474);
    assert_eq!(count("model = \"resnet20\"\nbatch_norm = false", [3, 32, 32], 10), 269_722 - 2 * 688);
    // torchvision's ResNet-18 has 11,689,512 with a 7x7 stem (9,408) and 1,000 classes (513,000).
    let body = 11_689_512 - 9_408 - 513_000 + 3 * 64 * 9;
    assert_eq!(count("model = \"resnet18\"", [3, 64, 64], 200), body + dense(512, 200));
    assert_eq!(count("model = \"resnet18\"", [3, 32, 32], 10), 11_173_962);
    let stack = conv(3, 32, 3)
        + conv(32, 32, 3)
        + conv(32, 64, 3)
        + conv(64, 64, 3)
        + conv(64, 128, 3)
        + conv(128, 128, 3);
    assert_eq!(count("model = \"convnet\"", [3, 32, 32], 10), stack + dense(128, 10));
}

#[test]
fn the_shallow_baseline_reads_the_image() {
    let t = Images::of(NETS[2]).rule("shallow").trainer();
    assert_eq!(t.net().weighted().len(), 1);
    assert_eq!(t.net().weight(t.net().weighted()[0]).shape().dims(), [3, 128]);
}

#[test]
fn wrong_options_and_images_are_refused_with_their_key() {
    let fails = |text: &str, input: &[usize], key: &str, words: &[&str]| {
        let rule = rules::build(table("name = \"bp\"")).unwrap();
        let e = model::build(table(text), Shape::new(input), 3, DType::F32, rule.as_ref()).err();
        let e = e.unwrap_or_else(|| panic!("{text}: accepted"));
        assert_eq!(e.key, key, "{text}: {e}");
        words.iter().for_each(|w| assert!(e.message.contains(w), "{text}: {e}"));
    };
    let image = [3, 8, 8];
    fails("model = \"convnet\"", &[64], "model", &["images", "64"]);
    fails("model = \"convnett\"", &image, "model", &["did you mean \"convnet\"", "resnet20"]);
    fails("model = \"convnet\"\ndepht = 3", &image, "depht", &["did you mean \"depth\""]);
    fails("model = \"convnet\"\ndepth = 2", &image, "depth", &["stages (3)", "got 2"]);
    fails("model = \"convnet\"\nwidth = 0", &image, "width", &["an integer from 1 to 65536", "got 0"]);
    fails("model = \"convnet\"\nstages = 6\ndownsample = \"max_pool\"", &image, "stages", &["does not fit"]);
    fails("model = \"convnet\"\ndownsample = \"none\"", &image, "downsample", &["max_pool"]);
    fails("model = \"convnet\"\nactivation = \"rely\"", &image, "activation.name", &["relu"]);
    fails("model = \"lenet\"\nform = \"mnist\"", &[1, 30, 30], "form", &["28x28 or 32x32"]);
    fails("model = \"lenet\"", &[3, 8, 8], "model", &["does not fit"]);
    fails("model = \"resnet20\"\nshortcut = \"C\"", &image, "shortcut", &["A", "B"]);
    fails(
        "model = \"resnet18\"\nnorm_backward = \"none\"",
        &image,
        "norm_backward",
        &["exact", "frozen_stats"],
    );
}

/// Every option shown to users is accepted with its shown default.
#[test]
fn documented_defaults_are_accepted() {
    for m in MODELS {
        let text: String = m
            .options
            .iter()
            .filter(|o| !o.default.is_empty())
            .map(|o| format!("{} = {}\n", o.name, o.default))
            .collect();
        let widths = if m.name == "mlp" { "widths = [4, 3]\n" } else { "" };
        assert!(m.make(table(&format!("{text}{widths}"))).is_ok(), "{}: {text}", m.name);
        assert!(!m.summary.is_empty() && !m.formula.is_empty(), "{}", m.name);
    }
}

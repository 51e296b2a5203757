//! Both errors of the audit: right programs that it accuses and faults of 1 % that it misses, on a fixed sample of random settings and on the cases that once
//! went wrong. `cargo run --release -p realign-theory --example audit_rates -- 10000` measures both at length; docs/theory.md has the figures.
#![allow(missing_docs)]

mod rates;

use rates::common::{Case, Memory, table};
use rates::plants::Plant;
use rates::settings::Setting;
use rates::shares::Shares;
use rates::{honest, planted};
use realign::data::{DataConfig, Dirs};
use realign::tensor::DType;
use realign::train::{BatchSize, Setup, Trainer};
use realign_theory::ledger::{Audit, Verdict};

/// None of the right programs is accused, and of the faults that rounding can neither make nor hide (they move the books by more than four times what it can, judged
/// from the definition: [`rates::judge`]) at least 99 % are found, as of all.
#[test]
fn the_audit_accuses_no_right_program_and_finds_faults_of_one_percent() {
    let (mut closed, mut found, mut all) = (0, 0, 0);
    for seed in 0..300 {
        let setting = Setting::draw(1_000_000 + seed);
        let right = honest(&setting);
        assert!(right.alarms.is_empty(), "{:?} in {}", right.alarms, setting.describe());
        closed += right.closed;
        for fault in planted(&setting).iter().filter(|f| f.margin > 4.0) {
            (found, all) = (found + usize::from(fault.found), all + 1);
        }
    }
    // The sample is worth something only if most settings say something.
    assert!(closed > 300 && all > 300, "{closed} streams closed, {all} faults");
    assert!(100 * found >= 99 * all, "{found} of {all}");
}

/// Digits as in experiments/quickstart.toml, where momentum and a high rate make losses of 100: softmax saturates, and errors become subnormal.
fn saturated(seed: u64, dtype: DType, rule: &str) -> Setup {
    let mut config = DataConfig::new("digits").unwrap();
    config.subset = Some(640);
    let case = Case {
        widths: vec![784, 64, 10],
        dtype,
        optimizer: "name = \"sgd\"\nmomentum = 0.9".into(),
        lr: 0.1,
        batch: BatchSize::Size(64),
        steps: 40,
        seed,
        ..Case::rule(rule)
    };
    let mut setup = case.setup();
    setup.data = realign::data::load(&config, seed, &Dirs { data_dir: None }).unwrap();
    setup
}

fn audit(mut setup: Setup) -> (Audit, [f64; 2]) {
    let shares = Shares::default();
    let ledger = realign_theory::probes::build(table("name = \"ledger\"\nunits = \"never\"")).unwrap();
    let every = "1 step".parse().unwrap();
    setup.probes = vec![(every, ledger), (every, Box::new(shares.clone()))];
    let mut memory = Memory::default();
    Trainer::new(setup).unwrap().run(&mut memory).unwrap();
    (Audit::from_rows(&memory.rows), shares.largest())
}

fn is_open(audit: &Audit, account: &str) -> bool {
    audit.layers.iter().any(|l| matches!(l.verdict, Verdict::Open { account: a, .. } if a == account))
}

/// The errors of a saturated softmax are subnormal, where rounding is no share of anything: a right backward pass closes, with room to spare, and one
/// that is 1 % off is found there too.
#[test]
fn a_saturated_softmax_closes_and_hides_no_fault() {
    for dtype in [DType::F32, DType::F64] {
        for (seed, rule) in [(1, "fa"), (2, "fa"), (3, "sign_fa")] {
            let (right, shares) = audit(saturated(seed, dtype, rule));
            assert!(right.closed, "{dtype} {rule} {seed}: {right:#?}");
            assert!(shares.iter().all(|s| *s < 0.5), "{dtype} {rule} {seed}: {shares:?}");
        }
        for plant in [Plant::Backward(1), Plant::Update(0)] {
            let mut setup = saturated(0, dtype, "fa");
            plant.put(&mut setup);
            assert!(is_open(&audit(setup).0, plant.account()), "{dtype}: {plant:?}");
        }
    }
}

/// Where the smallest numbers begin: feedback of 1e-38 makes f32 errors subnormal, and books that then claim to know the path would be wrong; at 1e-25 nothing is
/// lost, and a fault of 1 % is found although the path is some 1e-27 of a unit.
#[test]
fn small_is_not_lost_and_lost_is_no_fault() {
    let case = |scale: f64| Case {
        dtype: DType::F32,
        feedback: format!("name = \"xavier_uniform\"\nscale = {scale:?}"),
        widths: vec![20, 16, 4],
        ..Case::rule("fa")
    };
    for scale in [1e-44, 1e-41, 1e-38, 1e-35, 1e-25, 1.0] {
        let (right, _) = audit(case(scale).setup());
        assert!(
            right.layers.iter().all(|l| !matches!(l.verdict, Verdict::Open { .. })),
            "{scale}: {right:#?}"
        );
        let mut setup = case(scale).setup();
        Plant::Backward(1).put(&mut setup);
        let found = is_open(&audit(setup).0, "path");
        // Below 1e-41 the factor 1.01 itself is lost.
        assert!(found || scale < 1e-35, "{scale}");
        assert!(!found || scale > 1e-42, "{scale}");
    }
}

/// A run whose numbers overflow explodes; that is a result and no fault of the program. Its books end where the numbers do.
#[test]
fn a_run_that_explodes_is_not_accused() {
    for (dtype, lr) in [(DType::F32, 1e20), (DType::F64, 1e160)] {
        for rule in ["bp", "fa", "sign_fa", "adafa"] {
            let case = Case { dtype, lr, loss: "mse".into(), ..Case::rule(rule) };
            let (exploded, _) = audit(case.setup());
            for l in &exploded.layers {
                assert!(!matches!(l.verdict, Verdict::Open { .. }), "{dtype} {rule}: {l:#?}");
            }
        }
    }
}

/// A decay that takes all of a large weight away in one step leaves books whose history is 1e12 times what they are about.
#[test]
fn large_books_may_become_small() {
    for dtype in [DType::F32, DType::F64] {
        for rule in ["bp", "fa", "sign_fa"] {
            let case = Case {
                dtype,
                weight: "name = \"xavier_uniform\"\nscale = 1e6".into(),
                optimizer: "name = \"sgd\"\nweight_decay = 1e6".into(),
                lr: 1e-6,
                loss: "cross_entropy".into(),
                ..Case::rule(rule)
            };
            let (audit, _) = audit(case.setup());
            assert!(
                audit.layers.iter().all(|l| !matches!(l.verdict, Verdict::Open { .. })),
                "{dtype} {rule}: {audit:#?}"
            );
        }
    }
}

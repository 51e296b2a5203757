//! The published figures of docs/results, computed again from the committed runs alone, in whole numbers where they are counts.
//!
//! Expected literals are scipy's on the same counts: `scipy.stats.spearmanr` on rounded counts, `scipy.stats.t.ppf(.975, 2) * std(ddof=1) / 3**.5` on means.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn results() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/results/robertson2024")
}

type Rows = Vec<BTreeMap<String, String>>;

fn rows(path: &str) -> Rows {
    let mut reader = csv::Reader::from_path(results().join(path)).unwrap();
    reader.deserialize().map(|r| r.unwrap()).collect()
}

/// One run: right answers of `of` test images.
struct Run {
    rule: String,
    classes: i64,
    draw: i64,
    seed: i64,
    right: i64,
    of: i64,
}

/// Test images per class.
fn runs(set: &str, name: &str, per_class: i64) -> Vec<Run> {
    let all = rows(&format!("{set}/runs.csv"));
    let of_set = all.iter().filter(|r| r.get("name").is_none_or(|n| n == name));
    of_set
        .map(|r| {
            let whole = |key: &str| r[key].parse::<i64>().unwrap();
            let (seed, of) = (whole("seed"), per_class * whole("data.classes"));
            let draw = r["data.seed"].parse().unwrap_or(seed);
            let right = r["test_accuracy"].parse::<f64>().unwrap() * of as f64;
            assert!((right - right.round()).abs() < 1e-6, "{right} of {of}");
            Run {
                rule: r["rule"].clone(),
                classes: whole("data.classes"),
                draw,
                seed,
                right: right.round() as i64,
                of,
            }
        })
        .collect()
}

/// Mid-ranks times two, exactly: how many are smaller twice, how many are equal, and one.
fn ranks(v: &[i64]) -> Vec<i64> {
    let count = |x: i64| v.iter().map(|y| 2 * i64::from(*y < x) + i64::from(*y == x)).sum::<i64>() + 1;
    v.iter().map(|x| count(*x)).collect()
}

fn spearman(x: &[i64], y: &[i64]) -> f64 {
    let (x, y, n) = (ranks(x), ranks(y), x.len() as i64);
    let dot =
        |a: &[i64], b: &[i64]| a.iter().zip(b).map(|(a, b)| (a - n - 1) * (b - n - 1)).sum::<i64>() as f64;
    dot(&x, &y) / (dot(&x, &x) * dot(&y, &y)).sqrt()
}

fn claim(set: &str, quantity: &str) -> [f64; 3] {
    let all = rows(&format!("{set}/claims.csv"));
    let found = all.iter().find(|r| r["quantity"] == quantity && r["verdict"] != "NOT RUN").unwrap();
    ["measured", "low", "high"].map(|k| found[k].parse().unwrap())
}

/// Gaps in whole test images of one common number, so that equal ones are equal.
fn gaps(runs: &[Run], rule: &str, common: i64) -> (Vec<i64>, Vec<i64>) {
    let of = |name: &str| runs.iter().filter(move |r| r.rule == name).collect::<Vec<_>>();
    let bp = of("bp");
    let key = |r: &Run| (r.classes, r.draw, r.seed);
    let gap = |r: &&Run| {
        let other = bp.iter().find(|b| key(b) == key(r)).unwrap();
        (r.classes, (other.right - r.right) * (common / r.of))
    };
    of(rule).iter().map(gap).unzip()
}

#[test]
fn rank_correlations_of_the_gap_tie_equal_gaps() {
    // 50 test images a class in Tiny-ImageNet, 100 in CIFAR-100; 1000 and 6000 are multiples of all their sizes.
    for (set, name, per_class, common, rho, low, high) in [
        (
            "tiny-imagenet",
            "robertson2024-tiny",
            50,
            1000,
            0.614_841_544_946_500_5,
            0.163_373_048_7,
            0.853_387_055_1,
        ),
        (
            "cifar100",
            "robertson2024-cifar100",
            100,
            6000,
            0.800_026_656_892_480_2,
            0.513_831_033_1,
            0.925_983_413_3,
        ),
    ] {
        let (n, gap) = gaps(&runs(set, name, per_class), "fa", common);
        assert!((spearman(&n, &gap) - rho).abs() < 1e-12, "{set}: the literal is scipy's");
        let [measured, from, to] = claim(set, "gap_rho.fa");
        assert!((measured - rho).abs() < 1e-12, "{set}: {measured}");
        assert!((from - low).abs() < 1e-8 && (to - high).abs() < 1e-8, "{set}: {from} to {to}");
    }
}

/// Percent by draw of bp and sign_fa on 10 classes: an interval of three draws, not of nine runs.
#[test]
fn intervals_are_over_draws_of_classes() {
    for (set, name, per_class, rule, half) in [
        ("cifar100", "robertson2024-cifar100", 100, "bp", 7.773_053_5),
        ("tiny-imagenet", "robertson2024-tiny", 50, "bp", 8.366_679),
    ] {
        let all = runs(set, name, per_class);
        let mut draws: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
        for r in all.iter().filter(|r| r.rule == rule && r.classes == 10) {
            draws.entry(r.draw).or_default().push(100.0 * r.right as f64 / r.of as f64);
        }
        let means: Vec<f64> = draws.values().map(|d| d.iter().sum::<f64>() / d.len() as f64).collect();
        let mean = means.iter().sum::<f64>() / 3.0;
        let sd = (means.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / 2.0).sqrt();
        // Student's t with two degrees of freedom: 0.95 sqrt(2 / (1 - 0.95²)).
        let own = 0.95 * (2.0 / (1.0 - 0.95_f64.powi(2))).sqrt() * sd / 3.0_f64.sqrt();
        assert!((own - half).abs() < 1e-3, "{set}: {own}");
        let table = if set == "cifar100" { "table2" } else { "table3" };
        let row = rows(&format!("{set}/tables/{table}.csv")).into_iter().find(|r| r["rule"] == rule).unwrap();
        let number = |key: &str| row[key].parse::<f64>().unwrap();
        assert!((number("n = 10") - mean).abs() < 1e-9);
        assert!((number("n = 10_high") - number("n = 10") - own).abs() < 1e-6, "{set}");
        let details = rows(&format!("{set}/tables/{table}-details.csv"));
        let detail = details.iter().find(|r| r["rule"] == rule && r["classes"] == "10").unwrap();
        assert_eq!((&*detail["done"], &*detail["n"]), ("9", "3"));
    }
}

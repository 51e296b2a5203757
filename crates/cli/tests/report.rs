//! The report of a folder of runs: what is averaged and what is not, what cannot be read, what is said of rates that are too high; and tables that fit
//! the screen. Means are computed here from the runs' summary.json.

mod common;

use common::{failure, realign, stdout};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const TINY: &str = "name = 'tiny'\nseed = 0\n[data]\nname = 'digits'\nsubset = 200\ntest_size = 200\n[network]\nwidths = [784, 16, 10]\n[rule]\nname = 'fa'\n\
                    [optimizer]\nlr = 0.05\n[train]\nsteps = 4\nbatch = 50\n";

/// Runs the spec with these overrides into `dir/pool`; stdout.
fn run(dir: &Path, overrides: &[&str]) -> String {
    let spec = dir.join("tiny.toml");
    fs::write(&spec, TINY).unwrap();
    stdout(realign().arg("run").arg(spec).args(overrides).arg("--out").arg(dir.join("pool")))
}

fn report(dir: &Path) -> (i32, String) {
    failure(realign().arg("report").arg(dir.join("pool")))
}

/// Rows of a table of the report by their first cell, cells by head. No cell of these tables holds a comma but the widths'.
fn rows(dir: &Path) -> BTreeMap<String, BTreeMap<String, String>> {
    let text = fs::read_to_string(dir.join("pool/tables/runs-tiny.csv")).unwrap();
    let cells = |line: &str| -> Vec<String> {
        let mut out = vec![String::new()];
        let mut quoted = false;
        for c in line.chars() {
            match c {
                '"' => quoted = !quoted,
                ',' if !quoted => out.push(String::new()),
                c => out.last_mut().unwrap().push(c),
            }
        }
        out
    };
    let mut lines = text.lines();
    let head = cells(lines.next().unwrap());
    let row = |line: &str| {
        let row = cells(line);
        (row[0].clone(), head.iter().cloned().zip(row).collect())
    };
    lines.map(row).collect()
}

/// (resolved spec, summary, directory) of every run.
fn runs(dir: &Path) -> Vec<(String, Value, PathBuf)> {
    let all = fs::read_dir(dir.join("pool")).unwrap().map(|e| e.unwrap().path());
    let mut all: Vec<PathBuf> = all.filter(|p| p.join("spec.toml").is_file()).collect();
    all.sort();
    let read = |p: PathBuf| {
        let text = fs::read_to_string(p.join("summary.json")).unwrap();
        (fs::read_to_string(p.join("spec.toml")).unwrap(), serde_json::from_str(&text).unwrap(), p)
    };
    all.into_iter().map(read).collect()
}

/// Test accuracies in percent of the runs whose spec has all these lines.
fn accuracies(dir: &Path, lines: &[&str]) -> Vec<f64> {
    let has = |spec: &str| lines.iter().all(|l| spec.lines().any(|s| s == *l));
    let all = runs(dir).into_iter().filter(|r| has(&r.0));
    all.map(|r| 100.0 * r.1["test_accuracy"].as_f64().unwrap()).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[track_caller]
fn assert_mean(row: &BTreeMap<String, String>, n: usize, expected: &[f64]) {
    assert_eq!((row["runs"].as_str(), expected.len()), (n.to_string().as_str(), n), "{row:?}");
    let got: f64 = row["test accuracy (%)"].parse().unwrap();
    // Two ways to add a handful of numbers below 100.
    assert!((got - mean(expected)).abs() < 1e-9, "{got} {expected:?}");
}

#[test]
fn settings_are_named_and_only_seeds_are_averaged() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    run(dir, &["rule=bp", "data.label_noise=0,0.9", "seed=0,1"]);
    run(dir, &["rule=bp,fa", "network.widths=[784,16,10],[784,20,10]", "seed=0"]);
    run(dir, &["rule=bp", "data.subset=100,200", "optimizer.lr=0.02,0.05", "seed=0"]);
    assert_eq!(report(dir).0, 0);
    let rows = rows(dir);
    let plain = ["label_noise = 0.0", "subset = 200", "widths = [784, 16, 10]", "lr = 0.05", "name = \"bp\""];
    let label = |noise, subset, widths, lr| {
        format!(
            "data.label_noise={noise} data.subset={subset} network.widths=[784,{widths},10] optimizer.lr={lr}"
        )
    };
    let expected = [
        (format!("bp {}", label("0", 200, 16, "0.05")), 2, plain),
        (
            format!("bp {}", label("0.9", 200, 16, "0.05")),
            2,
            ["label_noise = 0.9", plain[1], plain[2], plain[3], plain[4]],
        ),
        (
            format!("bp {}", label("0", 200, 20, "0.05")),
            1,
            [plain[0], plain[1], "widths = [784, 20, 10]", plain[3], plain[4]],
        ),
        (
            format!("fa {}", label("0", 200, 16, "0.05")),
            1,
            [plain[0], plain[1], plain[2], plain[3], "name = \"fa\""],
        ),
        (
            format!("bp {}", label("0", 100, 16, "0.02")),
            1,
            [plain[0], "subset = 100", plain[2], "lr = 0.02", plain[4]],
        ),
    ];
    for (label, n, lines) in &expected {
        let row = rows.get(label).unwrap_or_else(|| panic!("no row {label}: {:?}", rows.keys()));
        assert_mean(row, *n, &accuracies(dir, lines));
    }
    assert_eq!(rows.len(), 8, "{:?}", rows.keys());
    let total: usize = rows.values().map(|r| r["runs"].parse::<usize>().unwrap()).sum();
    assert_eq!(total, runs(dir).len());
    // The figure has the same lines.
    let figure = fs::read_to_string(dir.join("pool/figures/runs-tiny.csv")).unwrap();
    assert!(expected.iter().all(|(label, ..)| figure.contains(label)), "{figure}");
}

/// bp at its own rate and fa at another one are compared seed by seed; not across label noise, nor where bp was run at two other rates.
#[test]
fn differences_to_bp_are_of_runs_that_share_all_but_the_rule() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    run(dir, &["rule=bp,fa", "+per_rule.bp.optimizer.lr=0.02", "seed=0..3", "data.label_noise=0,0.5"]);
    run(dir, &["rule=sign_fa", "seed=1..4", "data.label_noise=0"]);
    run(dir, &["rule=adafa", "seed=0,1", "data.label_noise=0.25"]);
    assert_eq!(report(dir).0, 0);
    let rows = rows(dir);
    let of = |rule: &str, noise: &str| {
        let name = if rule == "adafa" { "adafa (our reconstruction)" } else { rule };
        let label = format!(
            "{name} data.label_noise={noise} optimizer.lr={}",
            if rule == "bp" { "0.02" } else { "0.05" }
        );
        rows.get(&label).unwrap_or_else(|| panic!("no row {label}: {:?}", rows.keys()))
    };
    let accuracy = |rule: &str, noise: &str, seed: u64| {
        let lines =
            [format!("name = \"{rule}\""), format!("label_noise = {noise}"), format!("seed = {seed}")];
        let found = accuracies(dir, &lines.each_ref().map(String::as_str));
        assert_eq!(found.len(), 1);
        found[0]
    };
    for (rule, noise, line, seeds) in
        [("fa", "0", "0.0", 0..3), ("fa", "0.5", "0.5", 0..3), ("sign_fa", "0", "0.0", 1..3)]
    {
        let expected: Vec<f64> = seeds.map(|s| accuracy(rule, line, s) - accuracy("bp", line, s)).collect();
        let row = of(rule, noise);
        let got: f64 = row["test accuracy − bp (points)"].parse().unwrap();
        assert!((got - mean(&expected)).abs() < 1e-9, "{rule} {noise}: {got} {expected:?}");
        assert_eq!(row["pairs"], expected.len().to_string());
    }
    assert_eq!((of("adafa", "0.25")["pairs"].as_str(), of("bp", "0")["pairs"].as_str()), ("0", "0"));
    // Now bp has two rates, neither of them fa's: which one would be meant?
    run(dir, &["rule=bp", "optimizer.lr=0.01", "seed=0..3", "data.label_noise=0"]);
    report(dir);
    let rows = self::rows(dir);
    assert_eq!(rows["fa data.label_noise=0 optimizer.lr=0.05"]["pairs"], "0");
    assert_eq!(rows["fa data.label_noise=0.5 optimizer.lr=0.05"]["pairs"], "3");
    // And one of them is fa's.
    run(dir, &["rule=bp", "optimizer.lr=0.05", "seed=0..3", "data.label_noise=0"]);
    report(dir);
    assert_eq!(self::rows(dir)["fa data.label_noise=0 optimizer.lr=0.05"]["pairs"], "3");
}

#[test]
fn a_run_made_twice_counts_once_and_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    run(dir, &["seed=0,1"]);
    // How often a run is saved makes another run directory and the same result.
    run(dir, &["seed=0,1", "+train.checkpoint='2 steps'"]);
    assert_eq!(runs(dir).len(), 4);
    let (code, stderr) = report(dir);
    assert_eq!(
        (code, stderr.matches("DUPLICATE").count(), stderr.matches("equal results").count()),
        (0, 2, 2),
        "{stderr}"
    );
    let rows = rows(dir);
    assert_eq!(rows.keys().collect::<Vec<_>>(), ["fa"]);
    assert_mean(&rows["fa"], 2, &accuracies(dir, &["checkpoint = \"2 steps\""]));
    // A copy with another result is told as that.
    let (_, mut summary, path) = runs(dir).remove(3);
    summary["test_accuracy"] = 0.123.into();
    fs::write(path.join("summary.json"), summary.to_string()).unwrap();
    assert_eq!(report(dir).1.matches("DIFFERENT results").count(), 1);
}

#[test]
fn what_is_damaged_is_left_out_counted_and_named_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    run(dir, &["rule=bp", "seed=0..5"]);
    assert_eq!(report(dir).0, 0);
    let all = runs(dir);
    let name = |i: usize| all[i].2.file_name().unwrap().to_string_lossy().into_owned();
    // Line 3 of the summary loses its colon: the key ends in column 10, and where the colon is looked for, a quote stands in column 13.
    let path = all[0].2.join("summary.json");
    let text = fs::read_to_string(&path).unwrap().replace("\"status\": ", "\"status\"  ");
    fs::write(&path, text).unwrap();
    // The second row has no number.
    let path = all[1].2.join("metrics.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let bad = [&[lines[0], "{\"step\":0,\"epoch\":oh}"], &lines[2..]].concat().join("\n") + "\n";
    fs::write(&path, bad).unwrap();
    fs::write(all[2].2.join("spec.toml"), "name = 'tiny'\nseed = x\n").unwrap();
    let (code, stderr) = report(dir);
    assert_eq!(code, 1, "{stderr}");
    for (i, place) in [
        (0, "summary.json: damaged at line 3, column 13"),
        (1, "metrics.jsonl: damaged at line 2, column 19"),
        (2, "spec.toml:2"),
    ] {
        assert!(
            stderr.contains(&format!("1 RUN LEFT OUT of every mean and figure: {}: {place}", name(i))),
            "{stderr}"
        );
    }
    let rows = rows(dir);
    let kept: Vec<f64> = all[3..].iter().map(|r| 100.0 * r.1["test_accuracy"].as_f64().unwrap()).collect();
    assert_mean(&rows["bp"], 2, &kept);
    assert_eq!(
        rows["bp"]["note"], "2 runs left out: damaged",
        "the third has no readable spec and so no group"
    );
    let page = fs::read_to_string(dir.join("pool/report.html")).unwrap();
    assert!(
        (0..3).all(|i| page.contains(&name(i))) && page.contains("Runs left out because a file is damaged")
    );
    let json: Value = serde_json::from_slice(
        &realign().arg("report").arg(dir.join("pool")).arg("--json").output().unwrap().stdout,
    )
    .unwrap();
    assert_eq!(json["left_out"].as_array().unwrap().len(), 3);
    assert_eq!((&json["counts"][0]["done"], &json["counts"][0]["damaged"]), (&2.into(), &2.into()));

    // The table of results has a row for each, and says why figures are missing.
    let (code, stderr) = failure(realign().args(["sweep", "collect", "--metrics"]).arg(dir.join("pool")));
    assert!(code == 1 && stderr.matches("1 run left out").count() == 3, "{stderr}");
    let csv = fs::read_to_string(dir.join("pool/results.csv")).unwrap();
    assert_eq!(
        (csv.lines().count(), csv.matches(",damaged,").count(), csv.matches(",done,").count()),
        (6, 3, 2),
        "{csv}"
    );
    let status = stdout(realign().args(["sweep", "status"]).arg(dir.join("pool")));
    assert!(status.contains("5 runs: 4 done, 1 damaged"), "{status}");
}

/// A damaged summary is mended by the command that made the run: it goes on from the last checkpoint, to the same numbers.
#[test]
fn a_damaged_summary_is_made_again_by_the_same_command() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    run(dir, &["seed=0,1"]);
    let before = runs(dir);
    fs::write(before[0].2.join("summary.json"), "{").unwrap();
    run(dir, &["seed=0,1"]);
    let timeless = |mut v: Value| {
        v["seconds"] = 0.into();
        v
    };
    assert_eq!(timeless(runs(dir)[0].1.clone()), timeless(before[0].1.clone()));
    assert_eq!(report(dir).0, 0);
}

/// Rows before the first step say where the loss began: 784-16-10 at a rate of 1000 ends far above it.
#[test]
fn a_loss_that_ends_above_its_start_is_told_in_the_table_and_the_report() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let table = run(dir, &["rule=bp", "optimizer.lr=0.05,1000", "seed=0,1"]);
    let high = runs(dir).into_iter().filter(|r| r.0.contains("lr = 1000.0"));
    let ends: Vec<f64> = high.map(|r| r.1["train_loss"].as_f64().unwrap()).collect();
    assert!(ends.len() == 2 && ends.iter().all(|l| *l > 1e3), "{ends:?}");
    assert_eq!(table.matches("done, loss rose").count(), 2, "{table}");
    assert!(
        table.contains("loss rose: 2 of 4 runs") && table.contains("the rate may be too high"),
        "{table}"
    );
    report(dir);
    let rows = rows(dir);
    assert_eq!(
        rows["bp optimizer.lr=1000"]["note"],
        "train loss above its start in 2 of 2: the rate may be too high"
    );
    assert_eq!(rows["bp optimizer.lr=0.05"]["note"], "–");
    let page = fs::read_to_string(dir.join("pool/report.html")).unwrap();
    assert!(page.contains("above its start at"), "also in the text");
    let one = stdout(
        realign()
            .arg("run")
            .arg(dir.join("tiny.toml"))
            .args(["optimizer.lr=1000"])
            .arg("--out")
            .arg(dir.join("one")),
    );
    assert!(one.contains("the rate may be too high"), "{one}");
}

#[test]
fn numbers_of_exploding_runs_have_exponents() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let table = run(dir, &["rule=bp,fa", "optimizer.lr=1e6", "seed=0"]);
    report(dir);
    let page = fs::read_to_string(dir.join("pool/tables/runs-tiny.md")).unwrap();
    for text in [table, page] {
        let digits = |word: &str| word.chars().filter(char::is_ascii_digit).count();
        let numbers = text.split([' ', '|']).filter(|w| w.parse::<f64>().is_ok());
        assert!(numbers.clone().any(|w| w.contains('e')), "{text}");
        assert!(numbers.clone().all(|w| digits(w) <= 10), "{text}");
    }
}

#[test]
fn tables_fit_the_screen() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let name = "a-rather-long-name-of-an-experiment-that-somebody-thought-of-on-a-friday-afternoon-and-kept";
    let text = TINY
        .replace("name = 'tiny'", &format!("name = '{name}'"))
        .replace("784, 16, 10", "784, 9, 8, 7, 6, 7, 8, 9, 10");
    let spec = dir.join("long.toml");
    fs::write(&spec, text).unwrap();
    let pool = dir.join("pool");
    let overrides = ["rule=bp,sign_fa", "data.label_noise=0,0.9", "optimizer.lr=0.001,1e7"];
    let go = |columns: Option<&str>, more: &[&str]| {
        let mut command = realign();
        command.arg("run").arg(&spec).args(overrides).args(more).arg("--out").arg(&pool);
        columns.map(|c| command.env("COLUMNS", c));
        stdout(command.env_remove(if columns.is_none() { "COLUMNS" } else { "_" }))
    };
    let status =
        |columns: &str| stdout(realign().args(["sweep", "status"]).arg(&pool).env("COLUMNS", columns));
    let fits = |text: &str, width: usize| {
        assert!(text.lines().all(|l| l.chars().count() <= width), "{width}:\n{text}");
    };
    fits(&go(None, &[]), 80);
    for width in [40, 60, 80, 100, 300] {
        let table = go(Some(&width.to_string()), &[]);
        fits(&table, width);
        fits(&status(&width.to_string()), width);
        fits(&go(Some(&width.to_string()), &["--dry-run"]), width);
        let joined: String = table.split_whitespace().collect();
        assert_eq!(joined.matches(name).count(), 8, "every run is named:\n{table}");
        assert_eq!(joined.matches("data.label_noise=0.9").count(), 4, "{table}");
    }
}

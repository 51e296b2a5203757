//! Runs, listings and the commands that the README shows.

mod common;

use common::{TINY, assert_same, failure, realign, root, small_mnist, spec, stdout};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const KEYS: [&str; 12] = [
    "run",
    "status",
    "steps",
    "epochs",
    "seconds",
    "train_loss",
    "train_accuracy",
    "val_accuracy",
    "test_loss",
    "test_accuracy",
    "weight_angle",
    "update_angle",
];

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn json_is_exactly_one_object_with_the_promised_keys() {
    let dir = tempfile::tempdir().unwrap();
    let spec = spec(dir.path(), TINY);
    let out = dir.path().join("run");
    let text = stdout(realign().arg("run").arg(&spec).arg("--out").arg(&out).arg("--json"));
    let report: Value = serde_json::from_str(&text).expect("one object and nothing else");
    assert_eq!(keys(&report), BTreeSet::from(KEYS));
    assert_eq!(report["status"], "done");
    assert_eq!(report["run"], out.to_str().unwrap());
    assert_eq!(report["epochs"], 3.0);
    for file in
        ["spec.toml", "env.json", "data.json", "metrics.jsonl", "metrics.parquet", "summary.json", "STATUS"]
    {
        assert!(out.join(file).is_file(), "{file}");
    }
    assert!(out.join("checkpoints/step_0.safetensors").is_file());
    // Again: nothing runs twice, and the answer is the same.
    let rows = fs::metadata(out.join("metrics.jsonl")).unwrap().modified().unwrap();
    assert_eq!(stdout(realign().arg("run").arg(&spec).arg("--out").arg(&out).arg("--json")), text);
    assert_eq!(fs::metadata(out.join("metrics.jsonl")).unwrap().modified().unwrap(), rows);
}

#[test]
fn a_grid_is_one_object_or_one_table() {
    let dir = tempfile::tempdir().unwrap();
    let grid = format!("{TINY}[grid]\n\"rule.name\" = [\"bp\", \"fa\", \"sign_fa\", \"adafa\"]\n");
    let spec = spec(dir.path(), &grid);
    let out = dir.path().join("runs");
    let run = |more: &[&str]| stdout(realign().arg("run").arg(&spec).arg("--out").arg(&out).args(more));
    let planned = run(&["--dry-run"]);
    assert_eq!(planned.lines().count(), 4);
    assert!(!out.exists(), "a dry run writes nothing");
    let report: Value = serde_json::from_str(&run(&["--json", "--quiet"])).unwrap();
    assert_eq!(keys(&report), BTreeSet::from(["runs"]));
    let rules: Vec<&str> =
        report["runs"].as_array().unwrap().iter().map(|r| r["rule"].as_str().unwrap()).collect();
    assert_eq!(rules, ["bp", "fa", "sign_fa", "adafa"]);
    assert!(report["runs"].as_array().unwrap().iter().all(|r| keys(r).is_superset(&BTreeSet::from(KEYS))));
    let table = run(&[]);
    for word in ["bp", "sign_fa", "test acc", "angle(W,B)", "done"] {
        assert!(table.contains(word), "{word} not in\n{table}");
    }
    assert!(run(&["--dry-run"]).contains("done"));
}

#[test]
fn divergence_is_a_result() {
    let dir = tempfile::tempdir().unwrap();
    let spec = spec(dir.path(), TINY);
    let out = dir.path().join("run");
    let mut command = realign();
    command
        .arg("run")
        .arg(&spec)
        .args(["optimizer.lr=1e30", "train.epochs=20", "--json"])
        .arg("--out")
        .arg(&out);
    let report: Value = serde_json::from_str(&stdout(&mut command)).unwrap();
    assert_eq!(report["status"], "diverged");
}

#[test]
fn progress_is_a_line_per_epoch_and_quiet_is_quiet() {
    let dir = tempfile::tempdir().unwrap();
    let spec = spec(dir.path(), TINY);
    let stderr = |out: &str, more: &[&str]| {
        failure(realign().arg("run").arg(&spec).arg("--out").arg(dir.path().join(out)).args(more)).1
    };
    let loud = stderr("a", &[]);
    assert_eq!(loud.lines().filter(|l| l.contains("epoch ")).count(), 3, "{loud}");
    assert_eq!(stderr("b", &["--quiet"]), "");
}

#[test]
fn bits_do_not_depend_on_threads() {
    let dir = tempfile::tempdir().unwrap();
    let spec = spec(dir.path(), TINY);
    for n in ["1", "2"] {
        let out = dir.path().join(n);
        // Wide enough for the products to be split.
        let wide = ["network.widths=[8,400,300,2]", "data.train_size=600", "train.batch=200"];
        stdout(
            realign()
                .arg("run")
                .arg(&spec)
                .args(wide)
                .args(["--quiet", "--threads", n])
                .arg("--out")
                .arg(&out),
        );
    }
    assert_same(&dir.path().join("1"), &dir.path().join("2"));
}

#[test]
fn every_listing_speaks_both_languages_and_knows_its_entries() {
    for kind in
        ["rules", "probes", "layers", "losses", "models", "inits", "datasets", "optimizers", "schedules"]
    {
        let items: Value = serde_json::from_str(&stdout(realign().args([kind, "--json"]))).unwrap();
        let items = items.as_array().unwrap();
        let text = stdout(realign().arg(kind));
        assert_eq!(text.lines().count(), items.len(), "{kind}");
        for item in items {
            let name = item["name"].as_str().unwrap();
            let page = stdout(realign().args([kind, name]));
            assert!(page.starts_with(name), "{kind} {name}");
        }
        let (code, stderr) = failure(realign().args([kind, "nonsense"]));
        assert_eq!(code, 2);
        assert!(stderr.contains("unknown") && stderr.contains("known:"), "{stderr}");
    }
    let page = stdout(realign().args(["rules", "adafa"]));
    for word in ["reconstruction", "kappa", "decay", "@inproceedings"] {
        assert!(page.contains(word), "{word}");
    }
}

#[test]
fn every_rule_has_its_page() {
    let rules: Value = serde_json::from_str(&stdout(realign().args(["rules", "--json"]))).unwrap();
    for rule in rules.as_array().unwrap() {
        let page = root().join(format!("docs/rules/{}.md", rule["name"].as_str().unwrap()));
        let text = fs::read_to_string(&page).unwrap_or_else(|e| panic!("{}: {e}", page.display()));
        for option in rule["options"].as_array().unwrap() {
            assert!(
                text.contains(&format!("`{}`", option["name"].as_str().unwrap())),
                "{option} in {}",
                page.display()
            );
        }
    }
}

#[test]
fn completions_and_manual_pages() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(stdout(realign().args(["completions", shell])).contains("realign"));
    }
    assert!(stdout(realign().arg("man")).contains(".TH realign"));
    let dir = tempfile::tempdir().unwrap();
    stdout(realign().args(["man", "--out"]).arg(dir.path()));
    assert!(dir.path().join("realign-run.1").is_file());
}

#[test]
fn exit_codes_are_in_the_help() {
    for args in [&["--help"][..], &["run", "--help"]] {
        let help = stdout(realign().args(args));
        assert!(help.contains("75  stopped by SIGINT"), "{help}");
    }
}

#[test]
fn a_reader_that_went_away_is_no_panic() {
    let binary = env!("CARGO_BIN_EXE_realign");
    let script =
        format!("set -o pipefail; '{binary}' completions bash | true; '{binary}' rules --json | head -c 1");
    let output = std::process::Command::new("bash").args(["-c", &script]).output().unwrap();
    assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"));
}

/// Each shell line of the README and the quickstart that starts the program, on tiny settings.
#[test]
fn the_commands_of_the_readme_work() {
    let dir = tempfile::tempdir().unwrap();
    small_mnist(&dir.path().join("data"));
    fs::write(dir.path().join("first.toml"), first_spec()).unwrap();
    let (mut done, mut fence) = (0, false);
    let pages = ["README.md", "docs/quickstart.md"].map(|p| fs::read_to_string(root().join(p)).unwrap());
    for line in pages.iter().flat_map(|p| p.lines()) {
        if line.starts_with("```") {
            fence = line == "```sh";
            continue;
        }
        let words: Vec<&str> = line.split('#').next().unwrap().split_whitespace().collect();
        let words = match &words[..] {
            ["cargo", "run", "--release", "--", rest @ ..] | ["realign", rest @ ..] if fence => rest,
            _ => continue,
        };
        command_of_the_readme(dir.path(), words);
        done += 1;
    }
    assert!(done >= 12, "{done} commands found");
}

fn first_spec() -> String {
    let page = fs::read_to_string(root().join("docs/quickstart.md")).unwrap();
    let (_, rest) = page.split_once("```toml\n").unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

fn command_of_the_readme(dir: &Path, words: &[&str]) {
    let mut command = realign();
    command.current_dir(dir);
    let path = |word: &str| {
        if word.starts_with("experiments/") { root().join(word).into_os_string() } else { word.into() }
    };
    command.args(words.iter().map(|w| path(w)));
    match words {
        ["run", rest @ ..] => {
            command.args([
                "train.epochs=1",
                "train.batch=16",
                "data.subset=30",
                "data.validation=10",
                "--data-dir",
                "data",
                "--quiet",
            ]);
            if !rest.iter().any(|w| w.starts_with("network.widths")) {
                command.arg("network.widths=[784,12,10]");
            }
            if !rest.contains(&"data.name=mnist") {
                command.args(["data.train_size=100", "data.test_size=50"]);
            }
            command.assert().success();
        }
        // No network in tests: a mirror that refuses, which is a failure and no mistake.
        ["data", "fetch", ..] => {
            drop(command.args(["--mirror", "http://127.0.0.1:9/", "--data-dir", "fresh"]).assert().code(1));
        }
        ["data", "verify", ..] => drop(command.args(["--data-dir", "data"]).assert().code(1)),
        ["data", "show", _, "--out", png] => {
            command.args(["--data-dir", "data"]).assert().success();
            assert!(fs::read(dir.join(png)).unwrap().starts_with(b"\x89PNG"));
        }
        // One experiment of many: the whole quick profile is what `reproduce.rs` and a user's patience are for.
        ["reproduce", ..] => {
            fs::create_dir_all(dir.join("none")).unwrap();
            command.args(["--only", "min-norm", "--quiet", "--data-dir", "none"]).assert().success();
        }
        ["audit" | "check", ..] => {
            command.args([
                "network.widths=[784,12,10]",
                "train.batch=16",
                "data.train_size=100",
                "data.test_size=50",
            ]);
            if words[0] == "audit" {
                command.arg("--quiet");
            }
            let status = command.assert().get_output().status;
            // A hundred examples are too few for a slope; the books close on any number.
            assert!(
                status.success() || (words[0] == "check" && status.code() == Some(1)),
                "{words:?}: {status}"
            );
        }
        ["cite", ..] => assert!(stdout(&mut command).contains("robertson2024")),
        _ => drop(command.assert().success()),
    }
}

#[test]
fn data_list_tells_what_is_there() {
    let dir = tempfile::tempdir().unwrap();
    small_mnist(dir.path());
    let text = stdout(realign().args(["data", "list", "--data-dir"]).arg(dir.path()));
    let line = |name: &str| text.lines().find(|l| l.starts_with(name)).unwrap();
    assert!(line("digits").contains("built in"));
    assert!(line("mnist").contains("on disk"));
    assert!(line("fashion_mnist").contains("not here"));
    let list: Value = serde_json::from_str(&stdout(realign().args(["data", "list", "--json"]))).unwrap();
    assert!(list.as_array().unwrap().iter().any(|d| d["name"] == "teacher" && d["state"] == "built in"));
}

//! What `audit` and `check` call a run, and with which exit code they end.
#![allow(missing_docs)]

mod common;

use common::{TINY, realign, spec, stdout};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// Exit code, stdout and stderr.
fn run(command: &str, file: &Path, more: &[&str]) -> (i32, String, String) {
    let dir = tempfile::tempdir().unwrap();
    let mut c = realign();
    c.arg(command).arg(file).args(more).current_dir(dir.path());
    if command == "audit" {
        c.arg("--quiet");
    }
    let output = c.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn tiny(dir: &Path) -> PathBuf {
    spec(dir, &TINY.replace("momentum = 0.9\n", ""))
}

/// The verdict line of an audit says whether closed books are good news, and the exit code whether anything was shown.
#[test]
fn an_audit_says_what_closed_books_mean() {
    let dir = tempfile::tempdir().unwrap();
    let file = tiny(dir.path());
    for (overrides, code, words) in [
        (&["optimizer.lr=0.001"][..], 0, "CLOSED, P WAS CONSERVED: it drifted by "),
        (&["+optimizer.momentum=0.9"][..], 0, "CLOSED, P WAS NOT CONSERVED: it drifted by "),
        (
            &["network.activation=tanh", "+init.weight.scale=4"][..],
            0,
            "CLOSED, P WAS NOT CONSERVED: the path, which is not homogeneous, moved ",
        ),
        (&["rule.name=frozen"][..], 1, "CLOSED, BUT NOTHING WAS EXCHANGED"),
        (&["optimizer.lr=1e-9"][..], 1, "NO STATEMENT: rounding is a fair part of what was exchanged"),
    ] {
        let (got, text, error) = run("audit", &file, overrides);
        assert!(got == code && text.contains(words), "{overrides:?}: {got}\n{text}{error}");
    }
    let (_, text, _) = run("audit", &file, &["optimizer.lr=1e30"]);
    assert!(text.contains("THE RUN DIVERGED: the loss was not finite at step"), "{text}");
    assert!(!text.contains("DOES NOT CLOSE") && !text.contains("CONSERVED"), "{text}");
}

/// A step too large to show the order is no broken law: another verdict, another exit code, and the rate that it names holds.
#[test]
fn a_step_too_large_is_not_a_broken_law() {
    let dir = tempfile::tempdir().unwrap();
    let file = tiny(dir.path());
    let large = ["optimizer.lr=1.5", "train.batch=24", "rule.name=bp", "--law", "bp"];
    let (code, text, told) = run("check", &file, &large);
    assert!(
        code == 3 && text.contains("STEP TOO LARGE: the law is not refuted; try lr <= "),
        "{code}\n{text}"
    );
    assert!(!text.contains("BROKEN") && told.contains("the same check once more at lr "), "{text}{told}");
    let (code, object, _) = run("check", &file, &[&large[..], &["--json"]].concat());
    let report: Value = serde_json::from_str(&object).unwrap();
    assert!(code == 3 && report["step_too_large"] == true && report["holds"] == false, "{report:#}");
    let layers = report["laws"][0]["layers"].as_array().unwrap();
    let rates =
        layers.iter().filter(|l| l["verdict"] == "step_too_large").map(|l| l["try_lr"].as_f64().unwrap());
    let lr = format!("optimizer.lr={:e}", rates.fold(f64::INFINITY, f64::min));
    let (code, text, _) = run("check", &file, &[&[lr.as_str()], &large[1..]].concat());
    assert!(code == 0 && text.contains("HOLDS") && !text.contains("STEP"), "{lr}: {code}\n{text}");
    let (code, text, _) =
        run("check", &file, &["optimizer.lr=1.5", "network.activation=tanh", "--law", "fa", "--force"]);
    assert!(code == 1 && text.contains("BROKEN") && !text.contains("STEP TOO LARGE"), "{code}\n{text}");
    let (code, text, _) = run("check", &file, &["optimizer.lr=1e-300"]);
    assert!(code == 1 && text.contains("UNDECIDED: nothing was exchanged"), "{code}\n{text}");
}

/// The examples of `check` that the README and `--help` show do what they say there.
#[test]
fn examples_of_check_hold() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let help = stdout(realign().args(["check", "--help"]));
    let examples = readme
        .lines()
        .chain(help.lines())
        .map(str::trim)
        .filter(|l| l.starts_with("realign check experiments/"));
    let mut seen = 0;
    for line in examples {
        let words: Vec<&str> = line.split(" #").next().unwrap().split_whitespace().skip(2).collect();
        let (code, text, _) = run("check", &root.join(words[0]), &words[1..]);
        // The one that is forced is there to break.
        let forced = words.contains(&"--force");
        assert!(code == i32::from(forced) && text.contains("BROKEN") == forced, "{line}: {code}\n{text}");
        seen += 1;
    }
    assert_eq!(seen, 5);
}

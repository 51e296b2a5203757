//! `realign laws` and `realign check`, and runs of a flow.
#![allow(missing_docs)]
mod common;

use common::{TINY, failure, realign, spec, stdout};
use serde_json::Value;

const PLAIN: [&str; 3] = ["optimizer.momentum=0", "optimizer.lr=0.02", "train.batch=24"];

#[test]
fn laws_are_listed_and_shown() {
    let list = stdout(realign().arg("laws"));
    assert!(list.lines().count() >= 8 && list.contains("heavy_ball"));
    let page = stdout(realign().args(["laws", "contraction"]));
    assert!(page.contains("Assumptions") && page.contains("Kolen & Pollack 1994"));
    let all: Value = serde_json::from_str(&stdout(realign().args(["laws", "--json"]))).unwrap();
    assert_eq!(all["laws"][0]["order"], "first");
    let (code, error) = failure(realign().args(["laws", "heavy_bal"]));
    assert!(code == 2 && error.contains("did you mean \"heavy_ball\""), "{error}");
}

#[test]
fn a_law_that_holds_and_one_that_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let file = spec(dir.path(), TINY);
    let check = |more: &[&str]| {
        let mut c = realign();
        c.arg("check").arg(&file).args(PLAIN).args(more).arg("--json");
        let output = c.output().unwrap();
        (output.status.code().unwrap(), serde_json::from_slice::<Value>(&output.stdout).unwrap())
    };
    let (code, report) = check(&[]);
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(report["laws"][0]["name"], "fa");
    assert_eq!(report["steps"], serde_json::json!([12, 24, 48]));
    assert_eq!(report["laws"][0]["layers"].as_array().unwrap().len(), 2);
    let (code, report) = check(&["network.activation=tanh"]);
    assert!(code == 1 && report["laws"].as_array().unwrap().is_empty());
    assert!(report["refused"][0]["why"].as_str().unwrap().contains("tanh"));
    let (code, report) = check(&["network.activation=tanh", "--law", "fa", "--force"]);
    assert!(code == 1 && report["laws"][0]["layers"][0]["verdict"] == "broken");
    let (code, report) = check(&["rule.name=sign_fa", "train.epochs=1"]);
    let verdicts: Vec<&str> = report["laws"][0]["layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|l| l["verdict"].as_str().unwrap())
        .collect();
    assert!(
        code == i32::from(verdicts.iter().any(|v| *v != "holds")) && !verdicts.contains(&"broken"),
        "{report:#}"
    );
    let (code, report) = check(&["rule.name=bp,adafa", "--law", "contraction"]);
    assert!(code == 1 && report["runs"][1]["holds"] == true && report["runs"][0]["holds"] == false);
}

/// Numbers of any size stay short: 1e30 is an absurd rate, not 31 digits.
#[test]
fn large_numbers_are_scientific() {
    let dir = tempfile::tempdir().unwrap();
    let file = spec(dir.path(), TINY);
    let output = realign().arg("check").arg(&file).args(PLAIN).arg("optimizer.lr=1e30").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("eta = 1e30") && !text.contains("0000000000"), "{text}");
}

/// An audit says how the training ended: books that close up to a divergence are not those of a whole run.
#[test]
fn an_audit_tells_the_outcome() {
    let dir = tempfile::tempdir().unwrap();
    let file = spec(dir.path(), TINY);
    let audit = |rate: &str| {
        let mut c = realign();
        c.arg("audit").arg(&file).arg(rate).args(["--json", "--out"]).arg(dir.path().join("audit"));
        serde_json::from_slice::<Value>(&c.output().unwrap().stdout).unwrap()
    };
    let done = audit("optimizer.lr=0.01");
    assert_eq!((&done["outcome"], &done["outcome_step"]), (&Value::from("done"), &Value::Null));
    let diverged = audit("optimizer.lr=1e30");
    assert_eq!(diverged["outcome"], "diverged");
    assert!(diverged["outcome_step"].as_u64().is_some_and(|s| s > 0), "{diverged:#}");
}

#[test]
fn a_flow_runs_from_a_spec_and_is_checked() {
    let dir = tempfile::tempdir().unwrap();
    let text = TINY
        .replace("name = \"sgd\"\nlr = 0.1\nmomentum = 0.9", "name = \"flow\"\nt_end = 1.0\nrtol = 1e-10");
    let text = text
        .replace("epochs = 3\nbatch = 20\ndtype = \"f32\"", "steps = 4\nbatch = \"full\"\ndtype = \"f64\"");
    let file = spec(dir.path(), &text);
    let out = dir.path().join("run");
    stdout(realign().arg("run").arg(&file).arg("--out").arg(&out).arg("--quiet"));
    let rows = std::fs::read_to_string(out.join("metrics.jsonl")).unwrap();
    let times: Vec<f64> = rows
        .lines()
        .map(|l| serde_json::from_str::<Value>(l).unwrap())
        .filter(|r| r["probe"] == "flow" && r["name"] == "time")
        .map(|r| r["value"].as_f64().unwrap())
        .collect();
    assert_eq!(times, [0.0, 0.25, 0.5, 0.75, 1.0]);
    let report = stdout(realign().arg("check").arg(&file));
    assert!(
        report.contains("the flow") && report.contains("HOLDS") && !report.contains("BROKEN"),
        "{report}"
    );
    for (override_, word) in [
        ("train.dtype=f32", "train.dtype"),
        ("train.batch=10", "train.batch"),
        ("network.dropout=0.1", "network.dropout"),
        ("+optimizer.lr=0.1", "optimizer.lr"),
        ("optimizer.rtol=0", "optimizer.rtol"),
    ] {
        let (code, error) =
            failure(realign().arg("run").arg(&file).arg(override_).arg("--out").arg(dir.path().join("no")));
        assert!(code == 2 && error.contains(word) && error.contains(override_), "{override_}: {error}");
    }
}

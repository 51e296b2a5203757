//! `realign certify` and `realign dominance`: answers, exit codes, JSON.

mod common;

use common::{SEPARABLE, failure, realign, spec, stdout};
use serde_json::Value;

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("one object and nothing else")
}

#[test]
fn a_guaranteed_run_is_certified_trained_and_checked() {
    let dir = tempfile::tempdir().unwrap();
    // Small enough for its own step condition.
    let spec = spec(dir.path(), &SEPARABLE.replace("lr = 0.05", "lr = 0.001"));
    let text = stdout(realign().arg("certify").arg(&spec));
    assert!(text.starts_with("GUARANTEED AT THIS RATE"), "{text}");
    assert!(text.contains(": <g,F> >= alpha L^2 with alpha = "), "{text}");
    let before = json(&stdout(realign().arg("certify").arg(&spec).arg("--json")));
    assert_eq!(before["verdict"]["answer"], "guaranteed_at_this_rate");
    assert_eq!(before["statement"], "separable_logistic");
    let out = dir.path().join("run");
    realign().arg("run").arg(&spec).arg("--out").arg(&out).arg("-q").assert().success();
    let after = json(&stdout(realign().arg("certify").arg(&out).arg("--json")));
    assert_eq!(after["alpha"], before["alpha"]);
    assert_eq!(after["check"]["passed"], true);
    assert_eq!(after["check"]["misaligned"], 0.0);
    assert_eq!(after["check"]["unit_steps"], 201);
    assert!(after["check"]["bound"]["margin"].as_f64().unwrap() >= -1e-9);

    let text = stdout(realign().arg("dominance").arg(&out));
    assert!(text.contains("fitted beta") && text.contains("<g,F> is never negative"), "{text}");
    let found = json(&stdout(realign().arg("dominance").arg(&out).arg("--json")));
    let betas: Vec<f64> =
        found["fits"].as_array().unwrap().iter().map(|f| f["beta"].as_f64().unwrap()).collect();
    assert_eq!((betas.len(), betas[0], betas[1]), (3, 1.0, 2.0));
    assert_eq!(found["samples"], 201);
}

#[test]
fn what_is_not_guaranteed_exits_with_one() {
    let dir = tempfile::tempdir().unwrap();
    let spec = spec(dir.path(), SEPARABLE);
    let certify = |overrides: &[&str]| {
        let output = realign().arg("certify").arg(&spec).args(overrides).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, text) = certify(&["init.feedback=xavier_uniform", "init.feedback.scale=6.0"]);
    assert!(code == Some(1) && text.starts_with("HOLDS FOR "), "{text}");
    let (code, text) = certify(&["rule.name=tracking"]);
    assert!(
        code == Some(1)
            && text.starts_with("NOT COVERED\nfirst violated: rule: tracking has no conservation law"),
        "{text}"
    );
    let (code, text) = certify(&["optimizer.momentum=0.9"]);
    assert!(code == Some(1) && text.contains("first violated: training"), "{text}");
    let (code, text) = certify(&["data.orthogonal=false", "data.margin=0.2"]);
    assert!(code == Some(1) && text.contains("first violated: linear separability (by "), "{text}");
    let (code, text) = certify(&["--examples", "10"]);
    let sample = "NOT COVERED\nfirst violated: all examples looked at (by 30.000000): on 10 of 40 examples";
    assert!(code == Some(1) && text.starts_with(sample), "{text}");
    let (_, text) = certify(&["--examples", "10", "optimizer.momentum=0.9"]);
    assert!(text.contains("first violated: training") && text.contains("NO   all examples"), "{text}");
    let (code, text) = certify(&["rule.name=fa,frozen", "--json"]);
    let runs = json(&text);
    assert_eq!((code, runs["runs"].as_array().unwrap().len()), (Some(1), 2));
}

/// Where <g,F> is never positive there is no bound, and none is printed.
#[test]
fn no_dominance_prints_no_bound() {
    let dir = tempfile::tempdir().unwrap();
    let spec = spec(dir.path(), SEPARABLE);
    let out = dir.path().join("run");
    realign()
        .arg("run")
        .arg(&spec)
        .arg("init.weight=zeros")
        .arg("--out")
        .arg(&out)
        .arg("-q")
        .assert()
        .success();
    let text = stdout(realign().arg("dominance").arg(&out));
    assert!(text.contains("no bound") && text.contains("no dominance and no bound"), "{text}");
}

#[test]
fn mistakes_exit_with_two_and_say_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let spec = spec(dir.path(), &SEPARABLE.replace("decomposition", "norms"));
    let (code, text) = failure(realign().arg("dominance").arg(dir.path()));
    assert!(code == 2 && text.contains("no metrics.jsonl"), "{text}");
    let out = dir.path().join("run");
    realign().arg("run").arg(&spec).arg("--out").arg(&out).arg("-q").assert().success();
    let (code, text) = failure(realign().arg("dominance").arg(&out));
    assert!(code == 2 && text.contains("add [[probes]] name = \"decomposition\""), "{text}");
    let (code, text) = failure(realign().arg("certify").arg(&out).arg("rule.name=fa"));
    assert!(code == 2 && text.contains("takes no overrides"), "{text}");
    for (wrong, says) in [
        ("init.feedback.margin=0", "a number above 0"),
        ("init.feedback.cosine=1.0", "\"aligned\" has no option \"cosine\""),
    ] {
        let (code, text) = failure(realign().arg("certify").arg(&spec).arg(wrong));
        assert!(code == 2 && text.contains(says), "{text}");
    }
}

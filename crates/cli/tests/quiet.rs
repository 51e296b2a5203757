//! What is printed while runs are made: nothing but the result's place with `-q`, and names that tell runs apart without it.
#![allow(missing_docs)]

mod common;

use common::{TINY, realign, spec};
use std::path::Path;

fn printed(spec: &Path, out: &Path, more: &[&str]) -> (String, String) {
    let done = realign().arg("run").arg(spec).arg("--out").arg(out).args(more).assert().success();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&done.get_output().stdout), text(&done.get_output().stderr))
}

#[test]
fn quiet_prints_where_the_result_is() {
    let dir = tempfile::tempdir().unwrap();
    let (one, many, tuned) = (dir.path().join("one"), dir.path().join("many"), dir.path().join("tuned"));
    let single = spec(dir.path(), TINY);
    assert_eq!(printed(&single, &one, &["-q"]), (format!("{}\n", one.display()), String::new()));
    assert_eq!(
        printed(&single, &many, &["-q", "seed=0..20", "rule.name=fa,bp"]),
        (format!("{}\n", many.display()), String::new())
    );
    // A best rate at the end of its axis is a warning, and in the report; no error.
    let text = TINY.replace("test_size = 32", "test_size = 32\nvalidation = 30")
        + "[grid]\nseed = [0, 1]\n[tune]\n\"optimizer.lr\" = [0.0001, 0.1]\nseeds = [9]\nextend = 0\n";
    let tune = spec(dir.path(), &text);
    assert_eq!(printed(&tune, &tuned, &["-q"]), (format!("{}\n", tuned.display()), String::new()));
    let (text, _) = printed(&tune, &tuned, &["-q", "--json"]);
    assert!(text.starts_with('{') && text.lines().count() == 1);
}

#[test]
fn progress_names_experiment_rule_and_what_varies() {
    let dir = tempfile::tempdir().unwrap();
    let text = TINY.replace("test_size = 32", "test_size = 32\nvalidation = 30")
        + "[grid]\n\"rule.name\" = [\"bp\", \"fa\"]\nseed = [3, 4]\n[tune]\n\"optimizer.lr\" = [0.0125, 0.1]\nseeds = [9]\nextend = 0\n";
    let (_, lines) = printed(&spec(dir.path(), &text), &dir.path().join("out"), &[]);
    let with = |what: &str| lines.lines().filter(|l| l.contains(what)).collect::<Vec<_>>();
    let tuning = with("/4] tuning tiny: ");
    assert_eq!(tuning.len(), 4, "{lines}");
    assert!(tuning.iter().all(|l| l.contains("validation accuracy")), "{lines}");
    assert!(!tuning.iter().any(|l| l.contains("test accuracy")), "{lines}");
    assert_eq!(with(": bp optimizer.lr=0.0125: done").len(), 1, "{lines}");
    for seed in [3, 4] {
        for rule in ["bp", "fa"] {
            let found = with(&format!("/4] tiny: {rule} seed={seed}: done, test accuracy"));
            assert_eq!(found.len(), 1, "{rule} {seed}: {lines}");
        }
    }
}

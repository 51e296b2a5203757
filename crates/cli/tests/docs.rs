//! Statements of the documentation name their tests: every name is the name of a test.
#![allow(missing_docs)]

mod common;

use common::{realign, root, stdout};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const PAGES: [&str; 5] = ["theory.md", "laws.md", "certificates.md", "probes.md", "reproducing.md"];

/// Names of all functions that follow an attribute of a test (or stand in `proptest!`), and of the files of tests.
fn tests_below(dir: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()) {
        if entry.is_dir() && entry.file_name().is_none_or(|n| n != "target") {
            tests_below(&entry, names);
        } else if entry.extension().is_some_and(|e| e == "rs") {
            let text = fs::read_to_string(&entry).unwrap();
            for part in text.split("#[test]").skip(1) {
                let name = part.split_once("fn ").and_then(|(_, rest)| rest.split('(').next());
                names.extend(name.map(str::to_owned));
            }
        }
    }
}

/// Words in backticks with at least three underscores are names of tests, everything after "*Test" in a paragraph as well; files stand at their paths.
#[test]
fn every_test_that_is_named_exists() {
    let mut known = BTreeSet::new();
    tests_below(&root().join("crates"), &mut known);
    assert!(known.len() > 300 && known.contains("every_test_that_is_named_exists"), "{}", known.len());
    let mut found = 0;
    for page in PAGES {
        let text = fs::read_to_string(root().join("docs").join(page)).unwrap();
        for paragraph in text.split("\n\n") {
            let (before, after) = paragraph.split_once("*Test").unwrap_or((paragraph, ""));
            let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            let words = |text: &str| -> Vec<String> {
                let quoted = text.split('`').skip(1).step_by(2);
                quoted.filter(|w| w.chars().all(word)).map(str::to_owned).collect()
            };
            let long = words(before).into_iter().filter(|w| w.matches('_').count() >= 3);
            let named = words(after).into_iter().filter(|w| w.contains('_'));
            for name in long.chain(named) {
                assert!(known.contains(&name), "docs/{page}: no test is called {name}");
                found += 1;
            }
            for path in paragraph
                .split(['(', ' ', ')', ',', ':'])
                .filter(|w| w.starts_with("crates/") && w.ends_with(".rs"))
            {
                assert!(root().join(path).is_file(), "docs/{page}: {path}");
            }
        }
    }
    assert!(found > 50, "{found} tests are named");
}

/// Every law of `realign laws` has its line in docs/laws.md and in docs/theory.md.
#[test]
fn every_law_is_explained() {
    let laws = stdout(realign().arg("laws"));
    for page in ["laws.md", "theory.md"] {
        let text = fs::read_to_string(root().join("docs").join(page)).unwrap();
        for law in laws.lines().filter_map(|l| l.split_whitespace().next()) {
            assert!(text.contains(&format!("| `{law}`")), "docs/{page} says nothing of the law {law}");
        }
    }
}

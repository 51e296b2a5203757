//! Slips in overrides, names and paths end with code 2 and leave nothing behind; ranges are shown where options are listed.

mod common;

use common::{TINY, failure, realign, spec, stdout};
use std::fs;

/// Runs in an empty folder, which must hold nothing but the spec afterwards.
#[track_caller]
fn refused(args: &[&str], words: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let spec = spec(dir.path(), TINY);
    let (code, stderr) =
        failure(realign().current_dir(dir.path()).arg("run").arg(&spec).args(args).arg("-q"));
    assert_eq!(code, 2, "{args:?}: {stderr}");
    for word in words {
        assert!(stderr.contains(word), "\"{word}\" is not in: {stderr}");
    }
    let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["spec.toml"], "{args:?}");
}

#[test]
fn slips_in_overrides() {
    refused(&["optimizer.lr=0.1#0.01"], &["optimizer.lr", "0.1#0.01", "write 0.1 alone"]);
    refused(&["optimizer.nesterov=True"], &["optimizer.nesterov", "write true"]);
    refused(&["seed=008"], &["seed", "write 8"]);
    refused(&["network.widths=8,6,2"], &["network.widths=[8,6,2]"]);
    refused(&["seed=1,2", "seed=3"], &["takes back the override \"seed=1,2\""]);
    refused(&["optimizer.schedule={name=cosine,floor=-1}"], &["floor", "from 0 to 1, got -1"]);
    refused(&["optimizer.schedule={name=step,gamma=nan}"], &["gamma", "above 0, got nan"]);
    refused(&["rule={name=adafa,kappa=0}"], &["rule.kappa", "above 0, got 0"]);
}

#[test]
fn names_that_no_folder_can_hold() {
    let a = |n: usize| "a".repeat(n);
    refused(&[&format!("name={}", a(245))], &["name", "at most 244 bytes"]);
    refused(&["--out", &a(256)], &["--out", "256 bytes"]);
    refused(&["--out", &format!("x/{}/y", a(256))], &["--out", "256 bytes"]);
    refused(&["--out", &vec![a(200); 20].join("/")], &["--out", "the whole path"]);
    refused(&["--out", ""], &["--out", "empty"]);
    // The longest names run.
    let dir = tempfile::tempdir().unwrap();
    let spec = spec(dir.path(), TINY);
    let name = format!("name={}", a(244));
    stdout(realign().current_dir(dir.path()).arg("run").arg(&spec).args([name.as_str(), "-q"]));
    stdout(realign().current_dir(dir.path()).arg("run").arg(&spec).args(["-q", "--out", &a(255)]));
}

#[test]
fn the_contact_sheet_reads_options_as_overrides() {
    let dir = tempfile::tempdir().unwrap();
    for (option, word) in [
        ("train_size=30#40", "write 30 alone"),
        ("train_size=30,40", "one value"),
        ("train_size", "train_size=VALUE"),
        ("normalize=True", "write true"),
    ] {
        let args = ["data", "show", "digits", option, "--out", "x.png"];
        let (code, stderr) = failure(realign().current_dir(dir.path()).args(args));
        assert_eq!(code, 2, "{stderr}");
        assert!(stderr.contains(word), "{word}: {stderr}");
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn listings_show_ranges() {
    for (args, words) in [
        (&["rules", "adafa"][..], &["kappa", "a number above 0", "a number of at least 0"][..]),
        (&["rules", "sign_fa"], &["\"biotorch\", \"xiao\", or a number of at least 0"]),
        (&["schedules", "cosine"], &["floor", "a number from 0 to 1", "an integer of at least 0"]),
        (&["optimizers", "sgd"], &["momentum", "a number from 0 to below 1", "true or false"]),
        (&["inits", "cosine"], &["required", "a number from -1 to 1"]),
        (&["models", "convnet"], &["an integer from 1 to 16"]),
        (&["datasets", "gaussians"], &["label_noise", "a number from 0 to 1"]),
        (&["probes", "ledger"], &["\"continuous\", \"sampled\"", "a cadence"]),
        (&["keys", "optimizer"], &["lr", "a number above 0"]),
        (&["keys", "train"], &["batch", "an integer of at least 1, or \"full\""]),
    ] {
        let page = stdout(realign().args(args));
        for word in words {
            assert!(page.contains(word), "{args:?}: \"{word}\" is not in\n{page}");
        }
    }
    let text = stdout(realign().args(["schedules", "cosine", "--json"]));
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["options"][0]["allowed"], "a number from 0 to 1");
}

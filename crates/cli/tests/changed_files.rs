//! Commands that speak of a run first see that its files are those that it began with.
#![allow(missing_docs)]

mod common;

use common::{TINY, failure, realign, small_mnist, spec, stdout};
use std::fs;
use std::path::{Path, PathBuf};

const PROBES: &str = "[[probes]]\nname = \"decomposition\"\n[[probes]]\nname = \"aligned_units\"\n";

fn made(dir: &Path) -> PathBuf {
    let run = dir.join("run");
    let file = spec(dir, &format!("{TINY}{PROBES}"));
    stdout(realign().arg("run").arg(file).args(["--quiet", "--out"]).arg(&run));
    run
}

/// Exit code and stderr of a command on the run.
fn on(run: &Path, command: &str) -> (i32, String) {
    let mut process = realign();
    match command {
        "audit" => process.args(["audit", "--quiet"]).arg(run),
        "certify" => process.arg("certify").arg(run),
        "dominance" => process.arg("dominance").arg(run),
        "export" => process.arg("export").arg(run).arg("--batches"),
        _ => {
            // As a kill before its last word leaves it: the run goes on from its last checkpoint.
            fs::write(run.join("STATUS"), "running\n").unwrap();
            let _ = fs::remove_file(run.join("summary.json"));
            process.arg("run").arg(run.parent().unwrap().join("spec.toml")).arg("--out").arg(run)
        }
    };
    failure(&mut process)
}

const COMMANDS: [&str; 5] = ["audit", "certify", "dominance", "export", "run"];

/// A damaged run directory is exit code 1, and the file is named.
#[test]
fn a_changed_file_is_refused_by_every_command() {
    let dir = tempfile::tempdir().unwrap();
    let run = made(dir.path());
    for name in ["spec.toml", "data.json", "checkpoints/step_0.safetensors"] {
        let path = run.join(name);
        let good = fs::read(&path).unwrap();
        let mut bad = good.clone();
        // A digit of a number in the text files: what is left is a sound file of another run.
        let digit = good.iter().rposition(u8::is_ascii_digit).unwrap();
        bad[digit] ^= 1;
        fs::write(&path, bad).unwrap();
        for command in COMMANDS {
            let (code, text) = on(&run, command);
            assert!(code == 1 && text.contains(name) && text.contains("SHA-256"), "{command}: {code} {text}");
            assert_eq!(text.matches("error:").count(), 1, "{text}");
        }
        fs::write(&path, good).unwrap();
    }
    for command in COMMANDS {
        let (code, text) = on(&run, command);
        // What they say of a run so short may be good or bad.
        assert!(code < 2 && !text.contains("error:"), "{command}: {code} {text}");
    }
}

#[test]
fn a_run_without_a_manifest_is_read_and_the_reader_told() {
    let dir = tempfile::tempdir().unwrap();
    let run = made(dir.path());
    for command in COMMANDS {
        let _ = fs::remove_file(run.join("manifest.json"));
        let (code, text) = on(&run, command);
        // What they say of a run so short may be good or bad.
        assert!(code < 2 && !text.contains("error:"), "{command}: {code} {text}");
        assert_eq!(
            text.matches("has no manifest.json (an older version made it)").count(),
            1,
            "{command}: {text}"
        );
        assert_eq!(run.join("manifest.json").exists(), command == "run");
    }
}

/// A flipped bit in the last weights was called another program's run.
#[test]
fn a_damaged_last_checkpoint_is_told_as_that() {
    let dir = tempfile::tempdir().unwrap();
    let run = made(dir.path());
    let last = fs::read_dir(run.join("checkpoints")).unwrap().map(|e| e.unwrap().path());
    let last = last.max_by_key(|p| p.file_stem().unwrap().to_str().unwrap()[5..].parse::<u64>().unwrap());
    let last = last.unwrap();
    let mut bytes = fs::read(&last).unwrap();
    let n = bytes.len();
    bytes[n - 3] ^= 4;
    fs::write(&last, bytes).unwrap();
    let (code, text) = on(&run, "audit");
    let name = last.file_name().unwrap().to_str().unwrap();
    assert!(code == 1 && text.contains(name) && text.contains("SHA-256"), "{code} {text}");
}

/// What is said of a run is computed from the data again: from other files it would be about another run.
#[test]
fn other_data_than_the_runs_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    small_mnist(dir.path());
    let text = TINY
        .replace("name = \"gaussians\"\ndim = 8\ntrain_size = 96\ntest_size = 32", "name = \"mnist\"")
        .replace("[8, 6, 5, 2]", "[784, 6, 10]");
    let (file, run) = (spec(dir.path(), &text), dir.path().join("run"));
    let with = |command: &mut assert_cmd::Command| failure(command.arg("--data-dir").arg(dir.path()));
    let (code, said) = with(realign().arg("run").arg(&file).args(["--quiet", "--out"]).arg(&run));
    assert_eq!(code, 0, "{said}");
    let labels = dir.path().join("mnist/train-labels-idx1-ubyte");
    let mut bytes = fs::read(&labels).unwrap();
    bytes[8] ^= 1;
    fs::write(&labels, bytes).unwrap();
    for command in ["audit", "certify", "export"] {
        let mut process = realign();
        process.arg(command).arg(&run);
        if command == "export" {
            process.arg("--data");
        }
        let (code, said) = with(&mut process);
        assert_eq!(code, 2, "{command}: {said}");
        assert!(
            said.contains("was made on other data") && said.contains("train-labels-idx1-ubyte"),
            "{said}"
        );
    }
}

//! Sweeps of several processes: kills, shards, failures, tuning; results are the same whatever happened on the way.
#![cfg(unix)]

mod common;

use common::{TINY, assert_same, failure, realign, spec, stdout};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn grid(steps: u32) -> String {
    TINY.replace("epochs = 3", &format!("steps = {steps}\ncheckpoint = \"50 steps\""))
        .replace("every = \"2 steps\"", "every = \"20 steps\"")
        + "[grid]\n\"rule.name\" = [\"bp\", \"fa\"]\nseed = \"0..4\"\n"
}

fn start(spec: &Path, out: &Path, more: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_realign"))
        .arg("run")
        .arg(spec)
        .args(["--json", "--threads", "2"])
        .args(more)
        .arg("--out")
        .arg(out)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn object(child: Child) -> Value {
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("one object")
}

fn folders(out: &Path) -> Vec<PathBuf> {
    let all = fs::read_dir(out).unwrap().map(|e| e.unwrap().path());
    let mut all: Vec<PathBuf> = all.filter(|p| p.join("STATUS").is_file()).collect();
    all.sort();
    all
}

/// The results without times, and without the folder they lie in.
fn results(out: &Path) -> Vec<String> {
    let text = fs::read_to_string(out.join("results.csv")).unwrap();
    text.lines().map(|l| l.rsplit_once(',').unwrap().0.to_owned()).collect()
}

fn counts(out: &Path) -> BTreeMap<String, u64> {
    let text = stdout(realign().args(["sweep", "status", "--json"]).arg(out));
    let value: Value = serde_json::from_str(&text).unwrap();
    value["counts"].as_object().unwrap().iter().map(|(k, v)| (k.clone(), v.as_u64().unwrap())).collect()
}

#[test]
fn one_of_two_processes_killed_and_started_again_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let spec = spec(dir.path(), &grid(4000));
    let (whole, cut) = (dir.path().join("whole"), dir.path().join("cut"));
    object(start(&spec, &whole, &["-q"]));
    let mut first = start(&spec, &cut, &["-q"]);
    let second = start(&spec, &cut, &["-q"]);
    let begun = Instant::now();
    let under_way = || {
        let all = fs::read_dir(&cut).into_iter().flatten().flatten();
        all.filter(|e| e.path().join("checkpoints").is_dir()).count() >= 3
    };
    while !under_way() && begun.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(2));
    }
    first.kill().unwrap();
    first.wait().unwrap();
    // The second one finds the dead one's claims abandoned and makes those runs too.
    let runs = object(second)["runs"].as_array().unwrap().clone();
    assert_eq!(runs.len(), 8);
    assert!(runs.iter().all(|r| r["status"] == "done"));
    assert_eq!(results(&whole), results(&cut));
    for (a, b) in folders(&whole).iter().zip(folders(&cut)) {
        assert_same(a, &b);
    }
    let claims = fs::read_dir(cut.join(".sweep/claims")).unwrap().count();
    assert_eq!(claims, 0, "finished runs leave no claims behind");
    // Again: nothing runs, and the files are the same bytes, times and all.
    let before = fs::read(cut.join("results.parquet")).unwrap();
    object(start(&spec, &cut, &["-q"]));
    assert!(before == fs::read(cut.join("results.parquet")).unwrap());
}

#[test]
fn all_processes_killed_and_the_sweep_started_again_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let spec = spec(dir.path(), &grid(1500));
    let (whole, cut) = (dir.path().join("whole"), dir.path().join("cut"));
    let begun = Instant::now();
    object(start(&spec, &whole, &["-q"]));
    let length = begun.elapsed().as_millis() as u64;
    for part in [5, 3, 4] {
        let mut child = start(&spec, &cut, &["-q"]);
        std::thread::sleep(Duration::from_millis(length / part));
        let _ = child.kill();
        child.wait().unwrap();
    }
    object(start(&spec, &cut, &["-q"]));
    assert_eq!(results(&whole), results(&cut));
    assert_eq!(counts(&cut), BTreeMap::from([("done".to_owned(), 8)]));
}

/// Two at once share the runs: each is made by exactly one of them.
#[test]
fn two_processes_share_the_runs() {
    let dir = tempfile::tempdir().unwrap();
    let spec = spec(dir.path(), &grid(2000));
    let out = dir.path().join("runs");
    let children = [start(&spec, &out, &["-q"]), start(&spec, &out, &["-q"])];
    let objects = children.map(object);
    assert!(objects.iter().all(|o| o["runs"].as_array().unwrap().len() == 8), "both know all results");
    assert_eq!(objects[0]["runs"], objects[1]["runs"]);
    // A run made twice would have been started by both: `env.json` is written at each start and never by a reader.
    assert_eq!(folders(&out).len(), 8);
    assert_eq!(results(&out).len(), 9);
}

#[test]
fn shards_make_every_run_exactly_once() {
    let dir = tempfile::tempdir().unwrap();
    let spec = spec(dir.path(), &grid(40));
    let mut seen = BTreeSet::new();
    let out = dir.path().join("runs");
    for i in 0..3 {
        let before: BTreeSet<PathBuf> =
            if i == 0 { BTreeSet::new() } else { folders(&out).into_iter().collect() };
        let value = object(start(&spec, &out, &["-q", "--shard", &format!("{i}/3")]));
        let made: BTreeSet<PathBuf> =
            value["runs"].as_array().unwrap().iter().map(|r| r["run"].as_str().unwrap().into()).collect();
        let now: BTreeSet<PathBuf> = folders(&out).into_iter().collect();
        assert_eq!(
            now.difference(&before).cloned().collect::<BTreeSet<_>>(),
            made,
            "its own runs and no others"
        );
        assert!(seen.is_disjoint(&made));
        seen.extend(made);
        let expected: BTreeMap<String, u64> = [("done", seen.len()), ("queued", 8 - seen.len())]
            .into_iter()
            .filter(|c| c.1 > 0)
            .map(|(k, n)| (k.to_owned(), n as u64))
            .collect();
        assert_eq!(counts(&out), expected, "the manifest knows the runs of all parts");
        assert_eq!(results(&out).len(), 9, "queued runs are rows too");
    }
    assert_eq!(seen.len(), 8);
    let (code, stderr) = failure(realign().arg("run").arg(&spec).args(["--shard", "3/3"]));
    assert_eq!(code, 2);
    assert!(stderr.contains("0/4"), "{stderr}");
}

/// One run of four needs more examples than there are; its error is told, the others are made.
#[test]
fn a_failed_run_stops_no_other_and_can_be_retried() {
    let dir = tempfile::tempdir().unwrap();
    let text = format!("{TINY}[grid]\n\"train.batch\" = [20, 500, 30]\n");
    let spec = spec(dir.path(), &text);
    let out = dir.path().join("runs");
    let run = || {
        let output = realign().arg("run").arg(&spec).arg("--out").arg(&out).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, stderr) = run();
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("train.batch=500") && stderr.contains("1 failed"), "{stderr}");
    assert_eq!(counts(&out), BTreeMap::from([("done".to_owned(), 2), ("failed".to_owned(), 1)]));
    let rows = results(&out);
    let failed: Vec<&String> = rows.iter().filter(|r| r.contains(",failed,")).collect();
    assert_eq!((rows.len(), failed.len()), (4, 1), "{rows:?}");
    assert!(failed[0].contains("batch larger than the data"), "{failed:?}");
    let table = stdout(realign().args(["sweep", "status"]).arg(&out));
    assert!(table.contains("batch larger") && table.contains("3 runs: 2 done, 1 failed"), "{table}");
    let retried = stdout(realign().args(["sweep", "retry"]).arg(&out));
    assert!(retried.contains("1 failed runs can be made again"), "{retried}");
    assert_eq!(counts(&out), BTreeMap::from([("done".to_owned(), 2), ("queued".to_owned(), 1)]));
    assert_eq!(run().0, 2, "tried again, failed again");
}

#[test]
fn diverged_runs_are_rows() {
    let dir = tempfile::tempdir().unwrap();
    let text =
        format!("{}[grid]\n\"optimizer.lr\" = [0.1, 1e30]\n", TINY.replace("epochs = 3", "epochs = 20"));
    let spec = spec(dir.path(), &text);
    let out = dir.path().join("runs");
    stdout(realign().arg("run").arg(&spec).arg("-q").arg("--out").arg(&out));
    let rows = results(&out);
    let header: Vec<&str> = rows[0].split(',').collect();
    for column in [
        "id",
        "rule",
        "seed",
        "status",
        "optimizer.lr",
        "steps",
        "test_accuracy",
        "weight_angle.1",
        "accuracy.test",
    ] {
        assert!(header.contains(&column), "{column}: {header:?}");
    }
    assert!(rows[1].contains(",done,") && rows[2].contains(",diverged,"), "{rows:?}");
    let text = stdout(realign().args(["sweep", "collect", "--metrics", "--json"]).arg(&out));
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["rows"], 2);
    let lines: usize = folders(&out)
        .iter()
        .map(|d| fs::read_to_string(d.join("metrics.jsonl")).unwrap().lines().count())
        .sum();
    assert_eq!(value["metrics"]["rows"], lines);
}

#[test]
fn a_run_directory_deleted_in_mid_sweep_is_told_and_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let spec = spec(dir.path(), &grid(8000));
    let out = dir.path().join("runs");
    let child = start(&spec, &out, &["-q"]);
    let begun = Instant::now();
    let victim = loop {
        let mut all = fs::read_dir(&out).into_iter().flatten().flatten().map(|e| e.path());
        if let Some(dir) = all.find(|p| p.join("checkpoints/step_50.safetensors").exists()) {
            break dir;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "no checkpoint after a minute");
        std::thread::sleep(Duration::from_millis(1));
    };
    // Renamed away first: removing file by file would race with the run's own writes.
    fs::rename(&victim, dir.path().join("gone")).unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("was deleted while the run was at work"), "{stderr}");
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(value["runs"].as_array().unwrap().len(), 7, "the others are made");
    object(start(&spec, &out, &["-q"]));
    assert_eq!(counts(&out), BTreeMap::from([("done".to_owned(), 8)]));
}

#[test]
fn a_grid_that_explodes_is_refused_with_its_count() {
    let dir = tempfile::tempdir().unwrap();
    let spec = spec(dir.path(), TINY);
    for (overrides, count) in [
        (vec!["seed=0..2000", "optimizer.lr=logspace(0.001,1,100)"], "200000 runs"),
        (vec!["seed=0..100001"], "100001 values"),
    ] {
        let (code, stderr) = failure(realign().arg("run").arg(&spec).arg("--dry-run").args(overrides));
        assert_eq!(code, 2, "{stderr}");
        assert!(stderr.contains(count), "{stderr}");
    }
}

#[test]
fn a_folder_without_a_sweep_is_told() {
    let dir = tempfile::tempdir().unwrap();
    for command in ["status", "retry", "collect"] {
        let (code, stderr) = failure(realign().args(["sweep", command]).arg(dir.path()));
        assert_eq!(code, 2, "{stderr}");
        assert!(stderr.contains("is no sweep"), "{stderr}");
    }
}

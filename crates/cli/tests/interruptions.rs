//! Kills, signals and two processes at once: nothing is lost and nothing changes.
#![cfg(unix)]

mod common;

use common::{TINY, assert_same, failure, realign, spec, stdout};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Long enough to be interrupted, with Adam, dropout and moving feedback to lose.
fn long() -> String {
    TINY.replace("name = \"fa\"", "name = \"adafa\"")
        .replace("name = \"sgd\"\nlr = 0.1\nmomentum = 0.9", "name = \"adam\"\nlr = 0.001")
        .replace("activation = \"relu\"", "activation = \"relu\"\ndropout = 0.1")
        .replace("[8, 6, 5, 2]", "[8, 64, 48, 2]")
        .replace("epochs = 3", "steps = 6000\ncheckpoint = \"150 steps\"")
        .replace("every = \"2 steps\"", "every = \"7 steps\"")
}

fn start(spec: &Path, out: &Path, more: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_realign"))
        .arg("run")
        .arg(spec)
        .args(["--quiet", "--json"])
        .args(more)
        .arg("--out")
        .arg(out)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Until training has begun and a checkpoint after step 0 is there.
fn under_way(out: &Path) {
    let begun = Instant::now();
    loop {
        let count = fs::read_dir(out.join("checkpoints")).map_or(0, |d| d.flatten().count());
        if count >= 2 {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "no checkpoint after a minute");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args(["-s", name, &child.id().to_string()]).status().unwrap().success());
}

#[test]
fn killed_at_random_points_and_resumed_gives_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let spec = spec(dir.path(), &long());
    let (whole, cut) = (dir.path().join("whole"), dir.path().join("cut"));
    let begun = Instant::now();
    assert!(start(&spec, &whole, &[]).wait().unwrap().success());
    let length = begun.elapsed().as_millis() as u64;
    // Kills fall within a window that shrinks whenever a run was faster than its kill: how long a run takes is up to the machine's other work.
    let (mut hits, mut tries, mut seed) = (0, 0, u64::from(std::process::id()));
    let mut window = (length / 4).max(20);
    while hits < 8 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut child = start(&spec, &cut, &[]);
        std::thread::sleep(Duration::from_millis(1 + (seed >> 33) % window));
        // SIGKILL; it may have ended by itself.
        let _ = child.kill();
        if child.wait().unwrap().success() {
            fs::remove_dir_all(&cut).unwrap();
            window = (window / 2).max(5);
        } else {
            hits += 1;
        }
        tries += 1;
        assert!(tries < 100, "nearly every run was over before its kill");
    }
    stdout(realign().arg("run").arg(&spec).arg("--quiet").arg("--out").arg(&cut));
    assert_same(&whole, &cut);
}

#[test]
fn signals_write_a_checkpoint_and_end_with_75() {
    let dir = tempfile::tempdir().unwrap();
    let spec = spec(dir.path(), &long());
    let whole = dir.path().join("whole");
    assert!(start(&spec, &whole, &[]).wait().unwrap().success());
    for name in ["TERM", "INT", "USR1"] {
        let out = dir.path().join(name);
        let child = start(&spec, &out, &[]);
        under_way(&out);
        signal(&child, name);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(75), "{name}");
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["status"], "stopped");
        let checkpoint = out.join(format!("checkpoints/step_{}.safetensors", report["steps"]));
        assert!(checkpoint.is_file(), "{}", checkpoint.display());
        stdout(realign().arg("run").arg(&spec).arg("--quiet").arg("--out").arg(&out));
        let rows = |dir: &Path| fs::read(dir.join("metrics.jsonl")).unwrap();
        assert!(rows(&out) == rows(&whole), "{name}: other rows");
        let last = "checkpoints/step_6000.safetensors";
        assert!(
            fs::read(out.join(last)).unwrap() == fs::read(whole.join(last)).unwrap(),
            "{name}: other weights"
        );
    }
}

#[test]
fn a_stopped_grid_ends_with_75_and_resumes() {
    let dir = tempfile::tempdir().unwrap();
    let spec = spec(dir.path(), &format!("{}[grid]\nseed = \"0..6\"\n", long()));
    let out = dir.path().join("runs");
    let child = start(&spec, &out, &["--threads", "2"]);
    let begun = Instant::now();
    while fs::read_dir(&out).map_or(0, |d| d.flatten().count()) < 2
        && begun.elapsed() < Duration::from_secs(60)
    {
        std::thread::sleep(Duration::from_millis(2));
    }
    signal(&child, "TERM");
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(75));
    let text = stdout(realign().arg("run").arg(&spec).args(["--quiet", "--json"]).arg("--out").arg(&out));
    let report: Value = serde_json::from_str(&text).unwrap();
    let runs = report["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 6);
    assert!(runs.iter().all(|r| r["status"] == "done"));
}

#[test]
fn two_processes_on_one_run_directory() {
    let dir = tempfile::tempdir().unwrap();
    let spec = spec(dir.path(), &long().replace("steps = 6000", "steps = 2000000"));
    let out = dir.path().join("run");
    let mut first = start(&spec, &out, &[]);
    under_way(&out);
    let (code, stderr) = failure(realign().arg("run").arg(&spec).arg("--quiet").arg("--out").arg(&out));
    first.kill().unwrap();
    first.wait().unwrap();
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("in use by another process"), "{stderr}");
}

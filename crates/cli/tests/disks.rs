//! Disks that are full at any point of a run, or cannot be written at all: code 2, nothing half-written, and the same
//! run once there is room.
//!
//! The disks are small memory file systems in a mount namespace of their own, which Linux grants to root and mostly to
//! users too; where it does not, these tests say so and check nothing.
#![cfg(target_os = "linux")]

mod common;

use common::{TINY, spec};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// Runs a shell script where `mount` is allowed, with `R` (the program), `S` (a spec) and `M` (an empty folder);
/// `None` where there is no such place. The script's lines are handed back.
fn with_mounts(dir: &Path, text: &str, script: &str) -> Option<Vec<String>> {
    let disk = dir.join("disk");
    std::fs::create_dir(&disk).unwrap();
    let run = |script: &str| {
        Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", script])
            .env("R", env!("CARGO_BIN_EXE_realign"))
            .env("S", spec(dir, text))
            .env("M", &disk)
            .output()
    };
    let allowed = run("mount -t tmpfs -o size=8k tmpfs \"$M\"");
    if !allowed.is_ok_and(|o| o.status.success()) {
        eprintln!("not checked: no file system can be mounted here");
        return None;
    }
    let output = run(script).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    Some(text.lines().map(str::to_owned).collect())
}

/// One run with checkpoints of several pages and a table of rows of several pages.
fn pages() -> String {
    TINY.replace("[8, 6, 5, 2]", "[8, 64, 48, 2]")
        .replace("epochs = 3", "epochs = 40")
        .replace("every = \"2 steps\"", "every = \"1 steps\"")
}

/// Prints code, STATUS, leftovers and complaint of a run on `$M/run`.
const TRY: &str = r#"
try() {
    words=$("$R" run "$S" --quiet --out "$M/run" 2>&1 >/dev/null); code=$?
    status=$(cat "$M/run/STATUS" 2>/dev/null || echo none)
    left=$(find "$M/run" -name '*.tmp' | wc -l)
    rows=0; [ -s "$M/run/metrics.jsonl" ] && rows=$(tail -c 1 "$M/run/metrics.jsonl" | wc -l) || rows=1
    echo "$code|$status|$left|$rows|$words"
}
same() {
    for f in metrics.jsonl metrics.parquet checkpoints/step_0.safetensors checkpoints/step_200.safetensors; do
        cmp -s "$M/run/$f" "$W/$f" || echo "other $f"
    done
}
"#;

/// A line of `try` for a disk that was too small; hands back the file that did not fit.
fn refused(line: &str) -> String {
    let parts: Vec<&str> = line.splitn(5, '|').collect();
    let [code, status, left, rows, words] = parts[..] else { panic!("{line}") };
    assert_eq!(code, "2", "{line}");
    assert!(words.starts_with("error: cannot ") && words.contains("No space left"), "{line}");
    assert!(["none", "failed"].contains(&status), "{line}");
    assert_eq!((left, rows), ("0", "1"), "a file half-written, or a row: {line}");
    let path = words.split(':').nth(1).unwrap_or_default().rsplit('/').next().unwrap_or_default();
    path.to_owned()
}

#[test]
fn a_disk_that_fills_up_at_any_moment() {
    let dir = tempfile::tempdir().unwrap();
    let script = format!(
        "{TRY}
        W=\"$M/../whole\"; \"$R\" run \"$S\" --quiet --out \"$W\" >/dev/null || exit 1
        for size in 4 8 12 16 20 24 40 64 80 108 120 160 200 240; do
            mount -t tmpfs -o size=${{size}}k tmpfs \"$M\" || exit 1
            try
            mount -o remount,size=2m \"$M\" || exit 1
            try; same
            umount \"$M\"
        done"
    );
    let Some(lines) = with_mounts(dir.path(), &pages(), &script) else { return };
    let mut files = BTreeSet::new();
    let mut lines = lines.iter().peekable();
    while let Some(line) = lines.next() {
        files.insert(refused(line));
        assert_eq!(lines.next().map(String::as_str), Some("0|done|0|1|"), "after: {line}");
        assert!(lines.peek().is_none_or(|l| !l.starts_with("other")), "{:?} after: {line}", lines.peek());
    }
    for file in ["metrics.jsonl", "step_0.safetensors", "step_5.safetensors"] {
        assert!(files.contains(file), "no disk was full at {file}: {files:?}");
    }
}

/// What is written after training: the run resumes at its last step, so only that is left to write.
#[test]
fn a_disk_that_fills_up_at_the_very_end() {
    let dir = tempfile::tempdir().unwrap();
    let script = format!(
        "{TRY}
        W=\"$M/../whole\"; \"$R\" run \"$S\" --quiet --out \"$W\" >/dev/null || exit 1
        mount -t tmpfs -o size=1m tmpfs \"$M\" || exit 1
        cp -r \"$W\" \"$M/run\"
        for free in 4 8 12 16 20 24 28 32 36 40; do
            rm -f \"$M/run/metrics.parquet\" \"$M/run/summary.json\" \"$M/fill\"
            echo running > \"$M/run/STATUS\"
            cat /dev/zero > \"$M/fill\" 2>/dev/null
            truncate -s -${{free}}k \"$M/fill\"
            try
        done
        rm -f \"$M/fill\"; try; same"
    );
    let Some(lines) = with_mounts(dir.path(), &pages(), &script) else { return };
    assert_eq!(lines.last().map(String::as_str), Some("0|done|0|1|"));
    let full: BTreeSet<String> =
        lines.iter().filter(|l| !l.starts_with("0|done")).map(|l| refused(l)).collect();
    for file in ["metrics.parquet", "summary.json"] {
        assert!(full.contains(file), "no disk was full at {file}: {full:?}");
    }
}

#[test]
fn a_disk_that_cannot_be_written() {
    let dir = tempfile::tempdir().unwrap();
    let script = format!(
        "{TRY}
        mount -t tmpfs -o size=1m tmpfs \"$M\" && mount -o remount,ro \"$M\" || exit 1
        try
        mount -o remount,rw \"$M\" && try && mount -o remount,ro \"$M\" || exit 1
        try
        mount -o remount,rw \"$M\" && echo running > \"$M/run/STATUS\" && mount -o remount,ro \"$M\" || exit 1
        try"
    );
    let Some(lines) = with_mounts(dir.path(), TINY, &script) else { return };
    let [new, made, read, resumed] = &lines[..] else { panic!("{lines:?}") };
    assert!(new.starts_with("2|none|") && new.contains("Read-only"), "{new}");
    assert_eq!(made, "0|done|0|1|");
    assert_eq!(read, "0|done|0|1|", "a finished run is only read");
    assert!(resumed.starts_with("2|running|") && resumed.contains("Read-only"), "{resumed}");
}

/// A sweep on a full disk starts nothing new, tells which runs failed and how many were not made, and goes on once there is room.
#[test]
fn a_sweep_on_a_disk_that_fills_up() {
    let dir = tempfile::tempdir().unwrap();
    let script = "
        mount -t tmpfs -o size=300k tmpfs \"$M\" || exit 1
        go() { \"$R\" run \"$S\" --quiet --threads 2 --out \"$M/sweep\" 2>&1 >/dev/null; echo \"code $?\"; }
        go
        \"$R\" sweep status \"$M/sweep\" | tail -n 1
        mount -o remount,size=8m \"$M\" || exit 1
        go
        \"$R\" sweep status \"$M/sweep\" | tail -n 1
        wc -l < \"$M/sweep/results.csv\"
        find \"$M/sweep\" -name '*.tmp' | wc -l";
    let spec = pages() + "[grid]\nseed = \"0..12\"\n";
    let Some(lines) = with_mounts(dir.path(), &spec, script) else { return };
    let first = lines.iter().position(|l| l.starts_with("code ")).unwrap();
    let told = lines[..first].join("\n");
    assert_eq!(lines[first], "code 2", "{lines:?}");
    assert!(told.contains("run seed=") && told.contains("No space left"), "{told}");
    assert!(told.contains("were not made here") && !told.contains("results.csv"), "{told}");
    assert!(
        lines[first + 1].contains("failed") && lines[first + 1].contains("queued"),
        "{}",
        lines[first + 1]
    );
    assert_eq!(lines[first + 2..], ["code 0", "12 runs: 12 done", "13", "0"]);
}

//! Runs and their store from outside: resume after a stop and after a kill at any moment, locks, strangers, damage.

use parquet::file::reader::{FileReader, SerializedFileReader};
use realign::checkpoint::Checkpoint;
use realign::train::Progress;
use realign_data::Dirs;
use realign_lab::store::read_metrics;
use realign_lab::{
    LabError, Observer, Out, RunOptions, RunReport, RunSpec, Silent, Spec, Status, StoreError, run, run_all,
};
use realign_tensor::Par;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

const TEXT: &str = r#"name = "t"
[data]
name = "gaussians"
train_size = 120
test_size = 40
validation = 20
[network]
widths = [20, 8, 2]
dropout = 0.2
[rule]
name = "adafa"
[optimizer]
name = "adam"
lr = 0.01
[train]
epochs = 6
batch = 16
checkpoint = "5 steps"
[[probes]]
name = "accuracy"
every = "3 steps"
[[probes]]
name = "update_angle"
every = "2 steps"
"#;

fn spec(overrides: &[&str]) -> RunSpec {
    let overrides: Vec<String> = overrides.iter().map(|o| (*o).to_owned()).collect();
    Spec::parse(TEXT, Path::new("t.toml"), &overrides).unwrap_or_else(|e| panic!("{e}")).runs().remove(0)
}

fn options(dir: &Path) -> RunOptions {
    RunOptions {
        out: Out::Dir(dir.to_path_buf()),
        dirs: Dirs::default(),
        par: Par::threads(1),
        command_line: vec!["test".into()],
    }
}

fn go(spec: &RunSpec, dir: &Path) -> Result<RunReport, LabError> {
    run(spec, &options(dir), &mut Silent, &AtomicBool::new(false))
}

/// Acts after given steps: sets the stop flag, or copies the run directory as a kill would leave it.
struct At<'a> {
    stop: Option<(u64, &'a AtomicBool)>,
    copy: Option<(u64, &'a Path, &'a Path)>,
}

impl Observer for At<'_> {
    fn progress(&mut self, _run: &RunSpec, p: &Progress) {
        if let Some((step, flag)) = self.stop.filter(|s| s.0 == p.step) {
            flag.store(step > 0, Ordering::Relaxed);
        }
        if let Some((_, from, to)) = self.copy.filter(|c| c.0 == p.step) {
            copy(from, to);
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn checkpoints(dir: &Path) -> Vec<(u64, PathBuf)> {
    let step = |p: &Path| p.file_stem()?.to_str()?.strip_prefix("step_")?.parse().ok();
    let all = fs::read_dir(dir.join("checkpoints")).unwrap().map(|e| e.unwrap().path());
    let mut all: Vec<(u64, PathBuf)> = all.filter_map(|p| Some((step(&p)?, p))).collect();
    all.sort();
    all
}

fn weights(dir: &Path) -> Checkpoint {
    Checkpoint::from_bytes(&fs::read(&checkpoints(dir).last().unwrap().1).unwrap()).unwrap()
}

fn same(a: &Path, b: &Path) {
    assert_eq!(
        fs::read_to_string(a.join("metrics.jsonl")).unwrap(),
        fs::read_to_string(b.join("metrics.jsonl")).unwrap()
    );
    assert!(weights(a) == weights(b), "weights differ");
    let read = |d: &Path| fs::read_to_string(d.join("STATUS")).unwrap();
    assert_eq!(read(a), read(b));
}

#[test]
fn a_finished_run_holds_every_file_and_is_not_made_twice() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("run");
    let report = go(&spec(&[]), &dir).unwrap();
    assert_eq!((report.status, report.steps, report.epochs), (Status::Done, 42, 6.0));
    assert!(
        report.test_accuracy.unwrap() > 0.5
            && report.val_accuracy.is_some()
            && report.weight_angle.len() == 2
    );
    assert_eq!((report.weight_angle[0], report.weight_angle[1].is_some()), (None, true));
    for file in [
        "spec.toml",
        "overrides.txt",
        "env.json",
        "data.json",
        "manifest.json",
        "metrics.jsonl",
        "metrics.parquet",
        "summary.json",
        "STATUS",
    ] {
        assert!(dir.join(file).is_file(), "{file}");
    }
    assert_eq!(fs::read_to_string(dir.join("spec.toml")).unwrap(), spec(&[]).to_toml());
    let env: serde_json::Value = serde_json::from_slice(&fs::read(dir.join("env.json")).unwrap()).unwrap();
    assert_eq!(env["jpeg_decoder"], realign_data::JPEG_DECODER);
    assert_eq!(checkpoints(&dir).iter().map(|c| c.0).collect::<Vec<_>>(), [0, 40, 42]);
    let rows = read_metrics(&dir.join("metrics.jsonl")).unwrap();
    let parquet = SerializedFileReader::new(fs::File::open(dir.join("metrics.parquet")).unwrap()).unwrap();
    assert_eq!(parquet.metadata().file_metadata().num_rows(), rows.len() as i64);
    assert!(rows.len() > 100);
    let json = serde_json::to_value(&report).unwrap();
    let keys: Vec<&String> = json.as_object().unwrap().keys().collect();
    assert_eq!(keys.len(), 12);
    fs::write(dir.join("metrics.jsonl"), "left alone").unwrap();
    assert_eq!(go(&spec(&[]), &dir).unwrap(), report);
    assert_eq!(fs::read_to_string(dir.join("metrics.jsonl")).unwrap(), "left alone");
}

/// A checkpoint belongs to its data: on other files under the same name the run is not continued; where they lie does not matter.
#[test]
fn a_run_does_not_go_on_with_other_data() {
    let temp = tempfile::tempdir().unwrap();
    let data = |folder: &str, shade: u8| {
        let dir = temp.path().join(folder).join("cifar-100-binary");
        fs::create_dir_all(&dir).unwrap();
        let record = |k: u8| [&[0, k % 2][..], &[shade + 40 * (k % 2) + k; 3072]].concat();
        let records: Vec<u8> = (0..20).flat_map(record).collect();
        ["train.bin", "test.bin"].iter().for_each(|name| fs::write(dir.join(name), &records).unwrap());
    };
    data("one", 10);
    data("two", 11);
    data("moved", 10);
    let words =
        ["data={name=cifar100}", "network.widths=[3072,3,2]", "train.batch=5", "train.checkpoint=2 steps"];
    let spec = spec(&words);
    let start = |folder: &str, dir: &Path, stop: Option<u64>| {
        let flag = AtomicBool::new(false);
        let mut observer = At { stop: stop.map(|s| (s, &flag)), copy: None };
        let dirs = Dirs { data_dir: Some(temp.path().join(folder)) };
        run(&spec, &RunOptions { dirs, ..options(dir) }, &mut observer, &flag)
    };
    let (whole, cut) = (temp.path().join("whole"), temp.path().join("cut"));
    start("one", &whole, None).unwrap();
    assert_eq!(start("one", &cut, Some(5)).unwrap().status, Status::Stopped);
    let before = fs::read(cut.join("data.json")).unwrap();
    let error = start("two", &cut, None).unwrap_err();
    let LabError::Store(e) = &error else { panic!("{error}") };
    assert!(matches!(e, StoreError::OtherData { .. }) && e.is_usage(), "{e}");
    assert!(e.to_string().contains("two/cifar-100-binary/train.bin: SHA-256 was"), "{e}");
    assert_eq!(fs::read(cut.join("data.json")).unwrap(), before);
    start("moved", &cut, None).unwrap();
    same(&whole, &cut);
}

#[test]
fn stopping_anywhere_changes_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let whole = temp.path().join("whole");
    go(&spec(&[]), &whole).unwrap();
    for step in [1, 5, 6, 13, 35, 41] {
        let dir = temp.path().join(format!("stop{step}"));
        let flag = AtomicBool::new(false);
        let report =
            run(&spec(&[]), &options(&dir), &mut At { stop: Some((step, &flag)), copy: None }, &flag)
                .unwrap();
        assert_eq!((report.status, report.steps), (Status::Stopped, step));
        assert_eq!(go(&spec(&[]), &dir).unwrap().status, Status::Done);
        same(&whole, &dir);
    }
}

#[test]
fn a_kill_anywhere_changes_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let whole = temp.path().join("whole");
    go(&spec(&[]), &whole).unwrap();
    for step in [1, 2, 4, 5, 9, 10, 17, 30, 42] {
        let (dir, dead) = (temp.path().join(format!("live{step}")), temp.path().join(format!("dead{step}")));
        let mut observer = At { stop: None, copy: Some((step, &dir, &dead)) };
        run(&spec(&[]), &options(&dir), &mut observer, &AtomicBool::new(false)).unwrap();
        // A write cut in the middle, of a row and of a checkpoint.
        let mut text = fs::read_to_string(dead.join("metrics.jsonl")).unwrap();
        text.push_str("{\"step\":4,\"epo");
        fs::write(dead.join("metrics.jsonl"), text).unwrap();
        fs::write(dead.join("checkpoints/.step_99.safetensors.tmp"), "half").unwrap();
        assert_eq!(fs::read_to_string(dead.join("STATUS")).unwrap(), "running\n");
        assert_eq!(go(&spec(&[]), &dead).unwrap().status, Status::Done);
        same(&whole, &dead);
    }
}

#[test]
fn a_damaged_checkpoint_falls_back_to_the_one_before() {
    let temp = tempfile::tempdir().unwrap();
    let (whole, dir) = (temp.path().join("whole"), temp.path().join("run"));
    go(&spec(&[]), &whole).unwrap();
    for damage in 0..3 {
        let _ = fs::remove_dir_all(&dir);
        let flag = AtomicBool::new(false);
        run(&spec(&[]), &options(&dir), &mut At { stop: Some((23, &flag)), copy: None }, &flag).unwrap();
        let all = checkpoints(&dir);
        assert_eq!(all.iter().map(|c| c.0).collect::<Vec<_>>(), [0, 20, 23]);
        let newest = &all[2].1;
        let mut bytes = fs::read(newest).unwrap();
        let n = bytes.len();
        match damage {
            0 => bytes.truncate(n - 7),
            1 => bytes[n - 5] ^= 4,
            _ => all.iter().for_each(|(_, p)| fs::write(p, "nothing").unwrap()),
        }
        if damage < 2 {
            fs::write(newest, bytes).unwrap();
        }
        assert_eq!(go(&spec(&[]), &dir).unwrap().status, Status::Done);
        same(&whole, &dir);
    }
}

/// A resumed run must not go on without the rows that were there: it goes back to where it has them all.
#[test]
fn lost_rows_are_made_again() {
    let temp = tempfile::tempdir().unwrap();
    let (whole, dir) = (temp.path().join("whole"), temp.path().join("run"));
    go(&spec(&[]), &whole).unwrap();
    for lose in [1, 200, u64::MAX] {
        let _ = fs::remove_dir_all(&dir);
        let flag = AtomicBool::new(false);
        run(&spec(&[]), &options(&dir), &mut At { stop: Some((23, &flag)), copy: None }, &flag).unwrap();
        let rows = dir.join("metrics.jsonl");
        let length = fs::metadata(&rows).unwrap().len();
        let file = fs::OpenOptions::new().write(true).open(&rows).unwrap();
        file.set_len(length.saturating_sub(lose)).unwrap();
        assert_eq!(go(&spec(&[]), &dir).unwrap().status, Status::Done);
        same(&whole, &dir);
    }
}

#[test]
fn strangers_and_neighbours_are_refused() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("run");
    go(&spec(&[]), &dir).unwrap();
    let e = go(&spec(&["seed=1"]), &dir).unwrap_err();
    assert!(
        matches!(&e, LabError::Store(StoreError::OtherSpec { difference, .. }) if difference.contains("seed = 0")),
        "{e}"
    );
    assert!(e.is_usage());
    let other = temp.path().join("mine");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("thesis.tex"), "years").unwrap();
    let e = go(&spec(&[]), &other).unwrap_err();
    assert!(e.to_string().contains("thesis.tex"), "{e}");
    assert_eq!(fs::read_dir(&other).unwrap().count(), 1);
    let file = temp.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(go(&spec(&[]), &file).unwrap_err().is_usage());
}

#[test]
fn two_processes_on_one_directory_are_told() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("run");
    fs::create_dir(&dir).unwrap();
    let lock = fs::File::create(dir.join("run.lock")).unwrap();
    lock.lock().unwrap();
    let e = go(&spec(&[]), &dir).unwrap_err();
    assert!(matches!(e, LabError::Store(StoreError::Locked(_))), "{e}");
    drop(lock);
    go(&spec(&[]), &dir).unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_and_the_run_resumes() {
    let temp = tempfile::tempdir().unwrap();
    let (whole, dir) = (temp.path().join("whole"), temp.path().join("run"));
    go(&spec(&[]), &whole).unwrap();
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("spec.toml"), spec(&[]).to_toml()).unwrap();
    std::os::unix::fs::symlink("/dev/full", dir.join("metrics.jsonl")).unwrap();
    let e = go(&spec(&[]), &dir).unwrap_err();
    assert!(e.to_string().contains("metrics.jsonl") && e.to_string().contains("No space left"), "{e}");
    assert_eq!(fs::read_to_string(dir.join("STATUS")).unwrap(), "failed\n");
    assert!(!dir.join("summary.json").exists());
    fs::remove_file(dir.join("metrics.jsonl")).unwrap();
    assert_eq!(go(&spec(&[]), &dir).unwrap().status, Status::Done);
    same(&whole, &dir);
}

#[test]
fn what_only_the_data_can_tell_has_its_line() {
    let temp = tempfile::tempdir().unwrap();
    let cases = [
        ("train.batch=500", "train.batch"),
        ("network.widths=[20,8,3]", "network.widths"),
        ("network.widths=[21,8,2]", "network.widths"),
    ];
    for (text, key) in cases {
        let dir = temp.path().join("run");
        match go(&spec(&[text]), &dir).unwrap_err() {
            LabError::Spec(e) => {
                assert_eq!((e.key.as_str(), e.to_string().starts_with("override")), (key, true), "{e}");
            }
            other => panic!("{other}"),
        }
        assert!(!dir.exists(), "nothing may be written");
    }
}

#[test]
fn divergence_is_a_result() {
    let temp = tempfile::tempdir().unwrap();
    let report = go(
        &spec(&["optimizer=sgd", "optimizer.lr=1e30", "rule=bp", "loss.name=mse"]),
        &temp.path().join("run"),
    )
    .unwrap();
    assert_eq!(report.status, Status::Diverged);
    assert!(report.steps < 42 && report.test_accuracy.is_none());
}

#[test]
fn many_runs_side_by_side_are_the_same_runs() {
    let temp = tempfile::tempdir().unwrap();
    let runs = Spec::parse(TEXT, Path::new("t.toml"), &["rule=bp,fa,sign_fa,adafa".into()]).unwrap().runs();
    let go = |name: &str, threads| {
        let options = RunOptions { out: Out::Root(temp.path().join(name)), ..options(temp.path()) };
        let reports = run_all(&runs, &options, threads, &mut Silent, &AtomicBool::new(false));
        reports.into_iter().map(|r| r.unwrap().unwrap().test_loss).collect::<Vec<_>>()
    };
    assert_eq!(go("one", 1), go("three", 3));
    for run in &runs {
        same(&temp.path().join("one").join(run.folder()), &temp.path().join("three").join(run.folder()));
    }
}

//! What a run began with cannot be changed unseen: spec, record of the data, first weights, and the list of them.

use realign_data::Dirs;
use realign_lab::store::verify;
use realign_lab::{LabError, Out, RunOptions, RunReport, RunSpec, Silent, Spec, Status, StoreError, run};
use realign_tensor::Par;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

const TEXT: &str = r#"name = "t"
[data]
name = "gaussians"
dim = 8
train_size = 60
test_size = 20
subset = 40
[network]
widths = [8, 5, 2]
[rule]
name = "fa"
[optimizer]
lr = 0.01
[train]
epochs = 3
batch = 10
"#;

const FILES: [&str; 4] = ["spec.toml", "data.json", "checkpoints/step_0.safetensors", "manifest.json"];

fn spec() -> RunSpec {
    Spec::parse(TEXT, Path::new("t.toml"), &[]).unwrap_or_else(|e| panic!("{e}")).runs().remove(0)
}

fn go(dir: &Path) -> Result<RunReport, LabError> {
    let options = RunOptions {
        out: Out::Dir(dir.to_path_buf()),
        dirs: Dirs::default(),
        par: Par::threads(1),
        command_line: vec!["test".into()],
    };
    run(&spec(), &options, &mut Silent, &AtomicBool::new(false))
}

/// A run as a kill before its last word leaves it: it goes on from its last checkpoint.
fn unfinished(temp: &tempfile::TempDir) -> PathBuf {
    let dir = temp.path().join("run");
    go(&dir).unwrap();
    fs::write(dir.join("STATUS"), "running\n").unwrap();
    fs::remove_file(dir.join("summary.json")).unwrap();
    dir
}

fn damaged(error: &StoreError) -> &Path {
    let StoreError::Damaged { path, message } = error else { panic!("{error}") };
    assert!(!error.is_usage() && !message.is_empty());
    path
}

/// Every byte of the small files, every 31st of the weights: a flipped bit is found and the file named; the untouched run is in order.
#[test]
fn a_flipped_bit_is_found_wherever_it_is() {
    let temp = tempfile::tempdir().unwrap();
    let dir = unfinished(&temp);
    assert_eq!(verify(&dir).unwrap(), Vec::<String>::new());
    for name in FILES {
        let path = dir.join(name);
        let good = fs::read(&path).unwrap();
        let stride = if good.len() > 2000 { 31 } else { 1 };
        for at in (0..good.len()).step_by(stride) {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&path, bad).unwrap();
            let error = verify(&dir).expect_err(&format!("byte {at} of {name}"));
            // What is wrong with a list shows in the list or in what it names.
            assert!(name == "manifest.json" || damaged(&error) == path, "byte {at}: {error}");
        }
        fs::write(&path, &good).unwrap();
    }
    verify(&dir).unwrap();
}

/// A run does not go on over a changed file, says which, and goes on as if nothing had been when the file is back.
#[test]
fn a_run_goes_on_only_where_nothing_was_changed() {
    let temp = tempfile::tempdir().unwrap();
    let dir = unfinished(&temp);
    let rows = fs::read(dir.join("metrics.jsonl")).unwrap();
    for name in FILES {
        let path = dir.join(name);
        let good = fs::read(&path).unwrap();
        let mut bad = good.clone();
        let at = good.len() / 2;
        bad[at] ^= 1;
        fs::write(&path, &bad).unwrap();
        let error = go(&dir).unwrap_err();
        let LabError::Store(error) = &error else { panic!("{error}") };
        assert!(name == "manifest.json" || damaged(error) == path, "{error}");
        assert_eq!(fs::read(&path).unwrap(), bad, "the evidence stays");
        fs::write(&path, &good).unwrap();
    }
    assert_eq!(go(&dir).unwrap().status, Status::Done);
    assert_eq!(fs::read(dir.join("metrics.jsonl")).unwrap(), rows);
}

/// The spec of another run is another matter than a changed one: the first is the user's choice of folder.
#[test]
fn another_spec_is_told_from_a_changed_one() {
    let temp = tempfile::tempdir().unwrap();
    let dir = unfinished(&temp);
    let other = Spec::parse(TEXT, Path::new("t.toml"), &["seed=1".into()]).unwrap().runs().remove(0);
    let options = RunOptions {
        out: Out::Dir(dir.clone()),
        dirs: Dirs::default(),
        par: Par::threads(1),
        command_line: Vec::new(),
    };
    let error = run(&other, &options, &mut Silent, &AtomicBool::new(false)).unwrap_err();
    assert!(matches!(&error, LabError::Store(StoreError::OtherSpec { .. })) && error.is_usage(), "{error}");
}

/// An older version wrote no manifest and listed every index: such a run goes on, is told of, and has a manifest afterwards. An unreadable record is no
/// old record.
#[test]
fn a_run_of_an_older_version_goes_on() {
    let temp = tempfile::tempdir().unwrap();
    let dir = unfinished(&temp);
    let rows = fs::read(dir.join("metrics.jsonl")).unwrap();
    let path = dir.join("data.json");
    let mut record: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    record.as_object_mut().unwrap().remove("format");
    let spelled = |list: &serde_json::Value| -> serde_json::Value {
        let part = |v: &serde_json::Value| match v.as_array() {
            Some(pair) => (pair[0].as_u64().unwrap()..=pair[1].as_u64().unwrap()).collect(),
            None => vec![v.as_u64().unwrap()],
        };
        list.as_array().unwrap().iter().flat_map(part).collect::<Vec<u64>>().into()
    };
    for key in ["train_indices", "test_indices"] {
        record[key] = spelled(&record[key]);
    }
    let old = serde_json::to_string_pretty(&record).unwrap();
    fs::remove_file(dir.join("manifest.json")).unwrap();
    fs::write(&path, &old[..old.len() / 2]).unwrap();
    let error = go(&dir).unwrap_err();
    let LabError::Store(error) = &error else { panic!("{error}") };
    assert_eq!(damaged(error), path);
    fs::write(&path, &old).unwrap();
    let notes = verify(&dir).unwrap();
    assert!(
        notes.len() == 1 && notes[0].contains("has no manifest.json (an older version made it)"),
        "{notes:?}"
    );
    assert_eq!(go(&dir).unwrap().status, Status::Done);
    assert_eq!(fs::read(dir.join("metrics.jsonl")).unwrap(), rows);
    assert_eq!(fs::read_to_string(&path).unwrap(), old);
    assert_eq!(verify(&dir).unwrap(), Vec::<String>::new());
}

/// Weights may be removed to save room; nothing else may be missing.
#[test]
fn removed_first_weights_are_told_and_other_files_missed() {
    let temp = tempfile::tempdir().unwrap();
    let dir = unfinished(&temp);
    fs::remove_file(dir.join(FILES[2])).unwrap();
    let notes = verify(&dir).unwrap();
    assert!(notes.len() == 1 && notes[0].contains("step_0.safetensors is no longer there"), "{notes:?}");
    fs::remove_file(dir.join("data.json")).unwrap();
    assert_eq!(damaged(&verify(&dir).unwrap_err()), dir.join("data.json"));
}

//! Tuning sees no test example: nothing of the test split is computed, told or stored, and training is the same to the bit.

use realign_data::Dirs;
use realign_lab::sweep::{Crew, Stage, run_sweep};
use realign_lab::{Observer, Out, RunOptions, RunReport, RunSpec, Silent, Spec, run};
use realign_tensor::Par;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// Every probe and figure that could look at test examples, asked for by name.
const TEXT: &str = r#"name = "t"
[data]
name = "gaussians"
dim = 6
train_size = 80
test_size = 20
validation = 30
[network]
widths = [6, 4, 2]
[rule]
name = "fa"
[optimizer]
lr = 0.1
[train]
epochs = 2
batch = 10
[[probes]]
name = "accuracy"
splits = ["train", "validation", "test"]
every = "1 epoch"
[grid]
seed = [0, 1]
[tune]
"optimizer.lr" = [0.01, 0.1]
seeds = [100]
extend = 0
"#;

fn options(out: Out) -> RunOptions {
    RunOptions { out, dirs: Dirs::default(), par: Par::threads(1), command_line: vec![] }
}

/// What an observer is told of each run.
#[derive(Default)]
struct Told(Vec<(Stage, u64, RunReport)>, Option<Stage>);

impl Observer for Told {
    fn begins(&mut self, _runs: &[RunSpec], stage: Stage) {
        self.1 = Some(stage);
    }
    fn ended(&mut self, run: &RunSpec, report: &RunReport) {
        self.0.push((self.1.unwrap(), run.seed(), report.clone()));
    }
}

fn folders(dir: &Path) -> Vec<PathBuf> {
    let all = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
    all.filter(|p| p.join("spec.toml").is_file()).collect()
}

/// All tensors of a checkpoint as they lie in the file; the header before them also counts the bytes of rows, which differ.
fn tensors(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    assert!(bytes.len() > 8 + header, "no tensors");
    bytes[8 + header..].to_vec()
}

#[test]
fn tuning_has_no_test_examples() {
    let temp = tempfile::tempdir().unwrap();
    let spec = Spec::parse(TEXT, Path::new("t.toml"), &[]).unwrap();
    let mut told = Told::default();
    let stop = AtomicBool::new(false);
    let root = options(Out::Root(temp.path().to_path_buf()));
    run_sweep(&spec, &root, &Crew::new(1), &mut told, &stop).unwrap();
    assert_eq!(told.0.len(), 4);
    for (stage, seed, report) in &told.0 {
        let tuning = *seed == 100;
        assert_eq!(*stage == Stage::Tuning, tuning);
        assert_eq!(report.test_accuracy.is_none() && report.test_loss.is_none(), tuning, "seed {seed}");
        assert!(report.val_accuracy.is_some() && report.train_loss.is_some());
    }
    let tune = temp.path().join("tune");
    for dir in folders(&tune) {
        let read = |name: &str| fs::read_to_string(dir.join(name)).unwrap();
        let rows = read("metrics.jsonl");
        assert!(rows.contains("\"validation\"") && !rows.contains("\"test\""), "{rows}");
        let summary: serde_json::Value = serde_json::from_str(&read("summary.json")).unwrap();
        assert!(summary["test_accuracy"].is_null() && summary["test_loss"].is_null(), "{summary}");
        let data: serde_json::Value = serde_json::from_str(&read("data.json")).unwrap();
        assert!(data["test_indices"].is_null(), "{data}");
        let results = fs::read_to_string(tune.join("results.csv")).unwrap();
        assert!(!results.contains(".test"), "a column of the test split: {results}");
        let at = |line: &str, i: usize| line.split(',').nth(i).unwrap().to_owned();
        let mut lines = results.lines();
        let head: Vec<&str> = lines.next().unwrap().split(',').collect();
        for (i, _) in head.iter().enumerate().filter(|(_, h)| h.starts_with("test_")) {
            assert!(lines.clone().all(|l| at(l, i).is_empty()), "{results}");
        }

        // The same run with its test examples: other rows, the same weights and training rows.
        let own = Spec::load(&dir.join("spec.toml"), &[]).unwrap().runs().remove(0);
        let whole = temp.path().join("whole").join(own.folder());
        let report = run(&own, &options(Out::Dir(whole.clone())), &mut Silent, &stop).unwrap();
        assert!(report.test_accuracy.is_some());
        let trained = |rows: &str| {
            rows.lines().filter(|l| !l.contains("\"test\"")).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(trained(&rows), trained(&fs::read_to_string(whole.join("metrics.jsonl")).unwrap()));
        for file in fs::read_dir(dir.join("checkpoints")).unwrap().flatten() {
            let other = whole.join("checkpoints").join(file.file_name());
            assert!(tensors(&file.path()) == tensors(&other), "{:?}", file.file_name());
        }
    }
    assert_eq!(folders(&tune).len(), 2);
}

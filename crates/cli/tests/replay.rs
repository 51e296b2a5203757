//! Another program replays a run: `examples/replay.py`, the numpy of docs/reproducing.md, and what `realign export` writes.
#![allow(missing_docs)]

mod common;
#[path = "common/python.rs"]
mod python;

use common::{failure, realign, root, spec, stdout};
use realign::tensor::Rng;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// A minibatch run whose last batch of an epoch is smaller, with momentum and biases that move.
const RUN: &str = r#"name = "replay"
seed = 5
[data]
name = "gaussians"
dim = 12
classes = 3
margin = 0.7
train_size = 101
test_size = 20
[network]
widths = [12, 9, 7, 3]
[init.bias]
name = "torch_default"
[rule]
name = "fa"
[optimizer]
lr = 0.05
momentum = 0.9
[train]
epochs = 6
batch = 16
dtype = "f64"
"#;

/// Makes a run and exports `flags` of it.
fn made(dir: &Path, text: &str, overrides: &[&str], flags: &[&str]) -> PathBuf {
    let run = dir.join("run");
    let file = spec(dir, text);
    stdout(realign().arg("run").arg(&file).args(overrides).args(["--quiet", "--out"]).arg(&run));
    stdout(realign().arg("export").arg(&run).args(flags));
    run
}

/// From the files and the page alone: on vectors and on pixels, over more than one epoch, to 1e-9 (sums are added in another order: some 1e-15 a step).
#[test]
fn the_script_ends_at_the_last_checkpoint() {
    let Some(python) = python::with_numpy() else { return };
    let script = root().join("examples/replay.py");
    let text = fs::read_to_string(&script).unwrap();
    assert!(text.lines().count() <= 60, "{} lines", text.lines().count());
    assert!(text.contains(&page_blocks()[0].replace("import numpy as np\n\n", "")), "the page's random tree");
    let pixels = ["data={name=digits,train_size=150,test_size=10,subset=90}", "network.widths=[784,20,10]"];
    for (overrides, steps) in [(&[][..], 42), (&pixels[..], 36)] {
        let dir = tempfile::tempdir().unwrap();
        let run = made(dir.path(), RUN, overrides, &["--data"]);
        let replay = || python.command().arg(&script).arg(&run).output().unwrap();
        let done = replay();
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(done.status.success(), "{said}{}", String::from_utf8_lossy(&done.stderr));
        assert!(said.starts_with(&format!("{steps} steps")), "{said}");
        // The script can say no: another seed is another order of the batches.
        let file = run.join("spec.toml");
        let other = fs::read_to_string(&file).unwrap().replace("seed = 5", "seed = 6");
        fs::write(&file, other).unwrap();
        let done = replay();
        assert!(!done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    }
}

/// The blocks of numpy on the page, in order.
fn page_blocks() -> Vec<String> {
    let page = fs::read_to_string(root().join("docs/reproducing.md")).unwrap();
    let blocks = page.split("```python\n").skip(1);
    blocks.map(|b| b.split_once("```").unwrap().0.to_owned()).collect()
}

/// Runs the page's numpy and then `more`, which prints one JSON value.
fn page_says(python: &python::Python, more: &str, arguments: &[&Path]) -> Value {
    let code =
        format!("{}\nimport json, sys, tomllib\nfrom pathlib import Path\n{more}", page_blocks().concat());
    let done = python.command().args(["-c", &code]).args(arguments).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&done.stdout).unwrap()
}

/// Words, orders and bounded numbers to the bit, uniforms too; normals to a last digit of libm.
#[test]
fn the_pages_numpy_draws_what_the_program_draws() {
    let Some(python) = python::with_numpy() else { return };
    let said = page_says(
        &python,
        r#"
def node(seed): return at(child(root(seed), "a longer näme"), 3 + 2**40)
print(json.dumps([{"words": words(node(s), 11).tolist(), "uniform": uniform(node(s), 6).tolist(),
    "normal": normal(node(s), 7).tolist(), "order": permutation(node(s), 1000).tolist(),
    "below": below(node(s), [2, 7, 10**6, 2**53]), "short": positions([0, 1, [3, 6], 9])}
    for s in (0, 1, 2**63 - 1)]))"#,
        &[],
    );
    for (seed, said) in [0, 1, (1 << 63) - 1].into_iter().zip(said.as_array().unwrap()) {
        let node = || Rng::new(seed).child("a longer näme").at(3 + (1 << 40));
        let many = |n: usize, draw: &dyn Fn(&mut Rng) -> Value| {
            let mut rng = node();
            Value::from((0..n).map(|_| draw(&mut rng)).collect::<Vec<_>>())
        };
        assert_eq!(said["words"], many(11, &|r| json!(r.next_u32())));
        assert_eq!(said["uniform"], many(6, &|r| json!(r.uniform())));
        assert_eq!(said["order"], json!(node().permutation(1000)));
        let mut rng = node();
        assert_eq!(said["below"], json!([2, 7, 1_000_000, 1 << 53].map(|n: usize| rng.below(n))));
        assert_eq!(said["short"], json!([0, 1, 3, 4, 5, 6, 9]));
        let mut rng = node();
        for z in said["normal"].as_array().unwrap() {
            let (z, own) = (z.as_f64().unwrap(), rng.normal());
            assert!((z - own).abs() <= 1e-14 * (1.0 + own.abs()), "{z} {own}");
        }
    }
}

/// Everything that chance decides in training, in one run: batches, crops, mirrors, masks, label noise, a schedule, decay.
const CHANCE: &str = r#"name = "chance"
seed = 3
[data]
name = "digits"
train_size = 60
test_size = 8
classes = 4
validation = 5
label_noise = 0.3
augment = { pad = 3, flip = true }
[network]
widths = [784, 11, 9, 4]
dropout = 0.3
[rule]
name = "fa"
[optimizer]
lr = 0.03
momentum = 0.8
weight_decay = 0.01
schedule = { name = "cosine", floor = 0.1 }
[train]
epochs = 4
batch = 6
dtype = "f64"
"#;

/// The exported lines are those that the page's numpy draws, first weights and feedback too; and a replay with them ends at the last checkpoint to 1e-9.
#[test]
fn augmentation_and_dropout_are_replayed_from_the_exports() {
    let Some(python) = python::with_numpy() else { return };
    let dir = tempfile::tempdir().unwrap();
    let run = made(dir.path(), CHANCE, &[], &["--data", "--batches"]);
    let script = fs::read_to_string(root().join("crates/cli/tests/common/chance.py")).unwrap();
    let said = page_says(&python, &script, &[&run]);
    let number = |key: &str| said[key].as_f64().unwrap_or_else(|| panic!("{said}"));
    assert_eq!(said["lines"], said["steps"], "{said}");
    assert!(number("steps") >= 12.0 && number("moved") > 0.01, "{said}");
    assert!(number("start") < 1e-15, "{said}");
    assert!(number("end") < 1e-9, "{said}");
    assert!(number("crops") > 20.0 && number("mirrors") > 20.0, "{said}");
}

/// The indices are those of `data.json`, each epoch has every one of them once, and full batches say so in a word.
#[test]
fn exported_batches_hold_every_example_once_an_epoch() {
    let dir = tempfile::tempdir().unwrap();
    let subset = ["data.subset=50", "train.epochs=3", "optimizer.schedule={name=step,milestones=[0.5]}"];
    let run =
        made(dir.path(), RUN, &subset, &["--batches", "--out", dir.path().join("out").to_str().unwrap()]);
    assert!(!run.join("export").exists());
    let lines = fs::read_to_string(dir.path().join("out/batches.jsonl")).unwrap();
    let lines: Vec<Value> = lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len(), 12);
    let data: Value = serde_json::from_slice(&fs::read(run.join("data.json")).unwrap()).unwrap();
    let whole = positions(&data["train_indices"]);
    assert_eq!(whole.len(), 50);
    let mut orders = Vec::new();
    for (epoch, lines) in lines.chunks(4).enumerate() {
        let sizes: Vec<usize> = lines.iter().map(|l| l["examples"].as_array().unwrap().len()).collect();
        assert_eq!(sizes, [16, 16, 16, 2]);
        assert!(
            lines
                .iter()
                .all(|l| l["epoch"] == epoch && l.get("augment").is_none() && l.get("dropout").is_none())
        );
        let order: Vec<u64> = lines.iter().flat_map(|l| positions(&l["examples"])).collect();
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, whole);
        orders.push(order);
    }
    assert!(orders[0] != orders[1] && orders[1] != orders[2]);
    let rates: Vec<f64> = lines.iter().map(|l| l["lr"].as_f64().unwrap()).collect();
    let want: Vec<f64> = (0..12).map(|t| if t < 6 { 0.05 } else { 0.05 * 0.1 }).collect();
    assert_eq!(rates, want);

    let dir = tempfile::tempdir().unwrap();
    let run = made(dir.path(), RUN, &["train.batch=full", "~train.epochs", "+train.steps=5"], &["--batches"]);
    let lines = fs::read_to_string(run.join("export/batches.jsonl")).unwrap();
    assert_eq!(lines.matches("\"examples\":\"all\"").count(), 5, "{lines}");
}

fn positions(list: &Value) -> Vec<u64> {
    let one = |v: &Value| v.as_u64().unwrap();
    let part = |v: &Value| match v.as_array() {
        Some(pair) => (one(&pair[0])..=one(&pair[1])).collect::<Vec<_>>(),
        None => vec![one(v)],
    };
    list.as_array().unwrap().iter().flat_map(part).collect()
}

/// A run that diverged has made fewer steps than it was to make: no more are exported.
#[test]
fn steps_that_were_not_made_are_not_exported() {
    let dir = tempfile::tempdir().unwrap();
    let wild = ["optimizer.lr=1e200", "loss=mse", "rule=bp"];
    let run = made(dir.path(), RUN, &wild, &["--batches"]);
    let summary: Value = serde_json::from_slice(&fs::read(run.join("summary.json")).unwrap()).unwrap();
    assert_eq!(summary["status"], "diverged");
    let lines = fs::read_to_string(run.join("export/batches.jsonl")).unwrap();
    assert_eq!(lines.lines().count() as u64, summary["steps"].as_u64().unwrap());
}

#[test]
fn what_cannot_be_exported_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (code, text) = failure(realign().arg("export").arg(dir.path()).arg("--batches"));
    assert!(code == 2 && text.contains("is no run directory"), "{text}");
    let (code, text) = failure(realign().arg("export").arg(dir.path()));
    assert!(code == 2 && text.contains("--batches") && text.contains("--data"), "{text}");
}

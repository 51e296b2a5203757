//! `realign audit`: what it prints, writes and answers, for specs and for runs of the past.
#![allow(missing_docs)]

mod common;

use common::{TINY, failure, realign, spec, stdout};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Exit code and stdout of an audit of `target` into `out`.
fn audit(target: &Path, out: &Path, more: &[&str]) -> (i32, String) {
    let output =
        realign().arg("audit").arg(target).args(more).arg("--quiet").arg("--out").arg(out).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

const ACCOUNTS: [&str; 11] = [
    "reader",
    "writer",
    "decay",
    "momentum",
    "adaptive",
    "clipping",
    "eps",
    "plasticity",
    "unwatched",
    "path",
    "residual",
];

/// The text names every figure and says in plain words what broke the plain law, with shares that follow from the accounts.
#[test]
fn the_text_says_what_broke_the_plain_law() {
    let dir = tempfile::tempdir().unwrap();
    let file = spec(dir.path(), TINY);
    let out = dir.path().join("audit");
    let heavy = ["optimizer.weight_decay=1e-2"];
    let (code, text) = audit(&file, &out, &heavy);
    assert_eq!(code, 0, "{text}");
    for word in [
        "units written by layer 0: CLOSED",
        "units written by layer 1: CLOSED",
        "opening balance",
        "writer",
        "optimizer: decay",
        "optimizer: momentum",
        "must vanish",
        "closing balance",
        "exchanged |ΔΦ|",
        "exchanged |Δ½‖W‖²|",
        "drift ΔP",
        "predicted by writer",
        "- momentum: ",
        "- weight decay: ",
        "- finite steps of the writing weights: ",
    ] {
        assert!(text.contains(word), "{word} not in\n{text}");
    }
    let report: Value =
        serde_json::from_str(&audit(&file, &out, &[&heavy[..], &["--json"]].concat()).1).unwrap();
    let layer = &report["layers"][0];
    let of = |name: &str| layer["unit_by_unit"][name].as_f64().unwrap();
    let movement: f64 = ["reader", "writer", "decay", "momentum"].iter().map(|a| of(a)).sum();
    let share = format!("- momentum: {:.0} % of all movement", 100.0 * of("momentum") / movement);
    assert!(text.contains(&share), "{share} not in\n{text}");
    // The allowances of path and residual stand beside them, in the text, the object and the table.
    for name in ["allowance", "path_allowance"] {
        let allows = format!("rounding allows {:.1e}", layer[name].as_f64().unwrap());
        assert!(text.contains(&allows), "{allows} not in\n{text}");
    }
    let (_, text) = audit(&file, &out, &["network.activation=tanh"]);
    assert!(
        text.contains("not homogeneous: allowed") && text.contains("- a path that is not homogeneous: "),
        "{text}"
    );
}

/// One object with every figure per layer; the CSV has the same numbers, which add up: opening + accounts = closing. The figure comes in every format.
#[test]
fn numbers_and_figures_are_written_and_add_up() {
    let dir = tempfile::tempdir().unwrap();
    let file = spec(dir.path(), TINY);
    let out = dir.path().join("audit");
    let (code, text) = audit(&file, &out, &["train.dtype=f64", "rule.name=adafa", "--json"]);
    let report: Value = serde_json::from_str(&text).expect("one object and nothing else");
    assert!(code == 0 && report["closed"] == true && report["rule"] == "adafa");
    let csv = fs::read_to_string(out.join("audit.csv")).unwrap();
    let lines: Vec<Vec<&str>> = csv.lines().map(|l| l.split(',').collect()).collect();
    let layers = report["layers"].as_array().unwrap();
    assert_eq!((layers.len(), lines.len()), (2, 3));
    for (line, layer) in lines[1..].iter().zip(layers) {
        let column = |name: &str| line[lines[0].iter().position(|c| *c == name).unwrap()];
        let number = |name: &str| column(name).parse::<f64>().unwrap();
        assert_eq!((column("verdict"), &layer["verdict"]), ("closed", &Value::from("closed")));
        for name in ACCOUNTS.iter().chain(&["opening", "closing", "drift", "exchanged_phi", "exchanged_norm"])
        {
            assert_eq!(Some(number(name)), layer[name].as_f64(), "{name}");
        }
        for name in ["allowance", "path_allowance"] {
            assert!(Some(number(name)) == layer[name].as_f64() && number(name) > 0.0, "{name}");
        }
        for (name, value) in layer["unit_by_unit"].as_object().unwrap() {
            assert_eq!(Some(number(&format!("abs_{name}"))), value.as_f64(), "{name}");
        }
        assert_eq!(column("finding"), layer["finding"].as_str().unwrap());
        for name in ["predicted", "relative_drift", "relative_path", "relative_residual"] {
            assert!(layer[name].is_f64(), "{name}");
        }
        let sum: f64 = ACCOUNTS.iter().map(|a| number(a)).sum();
        // Twelve f64 numbers of order 1 and below.
        assert!((number("opening") + sum - number("closing")).abs() < 1e-13, "{line:?}");
        assert!((number("closing") - number("opening") - number("drift")).abs() < 1e-13, "{line:?}");
    }
    let svg = fs::read_to_string(out.join("accounts.svg")).unwrap();
    for word in ["training step", "weight²", "writer: −½‖dW‖²", "optimizer: momentum", "measured drift of P"]
    {
        assert!(svg.contains(word), "{word}");
    }
    assert!(fs::read(out.join("accounts.png")).unwrap().starts_with(b"\x89PNG"));
    assert!(fs::read(out.join("accounts.pdf")).unwrap().starts_with(b"%PDF"));
    assert!(fs::read_to_string(out.join("accounts.csv")).unwrap().starts_with("panel,series"));
}

/// A run of the past is made again: the books are those of the spec, the weights those of the run, and a run whose weights are others is no such run.
#[test]
fn a_run_of_the_past_is_audited_and_recognised() {
    let dir = tempfile::tempdir().unwrap();
    let file = spec(dir.path(), TINY);
    let run = dir.path().join("run");
    stdout(realign().arg("run").arg(&file).arg("--quiet").arg("--out").arg(&run));
    let text = stdout(realign().arg("audit").arg(&run).arg("--quiet"));
    assert!(text.contains("the weights equal the run's last checkpoint bit for bit"), "{text}");
    assert!(run.join("audit/audit.csv").is_file(), "below the run where --out is not given");
    let (code, error) = failure(realign().arg("audit").arg(&run).arg("optimizer.lr=0.1"));
    assert!(code == 2 && error.contains("overrides go with a spec"), "{error}");
    let checkpoint = run.join("checkpoints/step_15.safetensors");
    let other = dir.path().join("other");
    stdout(realign().arg("run").arg(&file).args(["seed=1", "--quiet", "--out"]).arg(&other));
    let own = fs::read(&checkpoint).unwrap();
    fs::copy(other.join("checkpoints/step_15.safetensors"), &checkpoint).unwrap();
    let (code, text) = audit(&run, &dir.path().join("audit"), &[]);
    assert!(code == 1 && text.contains("MADE AGAIN WITH OTHER WEIGHTS"), "{text}");
    fs::write(&checkpoint, own).unwrap();
    let mut bytes = fs::read(&checkpoint).unwrap();
    // The lowest bit of the first number behind the header: a bias of the first layer.
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    bytes[8 + header] ^= 1;
    fs::write(&checkpoint, bytes).unwrap();
    let (code, error) = failure(realign().arg("audit").arg(&run).arg("--quiet"));
    assert!(code == 1 && error.contains("step_15.safetensors"), "{error}");
}

/// Exit code 1 where nothing can be said: steps lost in the rounding of f32, and a network without hidden units.
#[test]
fn no_statement_is_no_success() {
    let dir = tempfile::tempdir().unwrap();
    let file = spec(dir.path(), TINY);
    let out = dir.path().join("audit");
    let (code, text) = audit(&file, &out, &["optimizer.lr=1e-9", "optimizer.momentum=0"]);
    assert!(
        code == 1 && text.contains("NO STATEMENT: rounding is a fair part of what was exchanged"),
        "{text}"
    );
    let (code, text) = audit(&file, &out, &["network.widths=[8,2]"]);
    assert!(code == 1 && text.contains("there are no books to keep"), "{text}");
}

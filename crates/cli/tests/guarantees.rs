//! What `realign certify` says of steps and of worth: FOR THE FLOW, AT THIS RATE, VACUOUS, and their exit codes.

mod common;

use common::{SEPARABLE, realign, spec, stdout};
use serde_json::Value;
use std::path::Path;

fn certify(spec: &Path, overrides: &[&str]) -> (Option<i32>, String) {
    let output = realign().arg("certify").arg(spec).args(overrides).output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("one object and nothing else")
}

/// A rate of 500 diverges under every rule: the guarantee is the flow's, the exit code 1, and the note is the same for all. At half of the rate that the
/// note names it is AT THIS RATE, exit code 0; above it not.
#[test]
fn a_rate_is_part_of_the_guarantee() {
    let dir = tempfile::tempdir().unwrap();
    let spec = spec(dir.path(), SEPARABLE);
    for rule in ["fa", "sign_fa", "adafa", "bp"] {
        let rule = format!("rule.name={rule}");
        let (code, text) = certify(&spec, &[&rule, "optimizer.lr=500"]);
        assert!(code == Some(1) && text.starts_with("GUARANTEED FOR THE FLOW"), "{text}");
        assert!(text.contains("\nsteps: NOT guaranteed at rate 500; rates up to "), "{text}");
        let found = json(&certify(&spec, &[&rule, "optimizer.lr=500", "--json"]).1);
        assert_eq!(found["verdict"]["answer"], "guaranteed_for_the_flow");
        assert_eq!((&found["covers_training"], &found["steps"]["holds"]), (&false.into(), &false.into()));
        let largest = found["steps"]["largest_lr"].as_f64().unwrap();
        for (share, code, word) in
            [(0.99, 0, "GUARANTEED AT THIS RATE"), (1.01, 1, "GUARANTEED FOR THE FLOW")]
        {
            let lr = format!("optimizer.lr={:e}", share * largest);
            let (found, text) = certify(&spec, &[&rule, &lr]);
            assert!(found == Some(code) && text.starts_with(word), "{rule} {lr}: {text}");
        }
    }
}

/// The flow has no steps: exit code 0. Its bound is 1/(1 + alpha L0 t) of L(0), so it halves the loss from t = 1/(alpha L0) on.
#[test]
fn a_flow_is_guaranteed_and_its_worth_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let flow = SEPARABLE.replace("lr = 0.05", "name = \"flow\"\nt_end = 0.001");
    let spec = spec(dir.path(), &flow);
    let (code, text) = certify(&spec, &[]);
    assert!(code == Some(0) && text.starts_with("GUARANTEED FOR THE FLOW, VACUOUS: <g,F> >= "), "{text}");
    assert!(text.contains("steps: none, the run is the flow itself"), "{text}");
    let found = json(&certify(&spec, &["--json"]).1);
    let half = 1.0 / (found["alpha"].as_f64().unwrap() * found["initial_loss"].as_f64().unwrap());
    for (share, vacuous) in [(0.99, true), (1.01, false)] {
        let time = format!("optimizer.t_end={}", share * half);
        let (code, text) = certify(&spec, &[&time]);
        assert_eq!((code, text.contains("VACUOUS")), (Some(0), vacuous), "{text}");
        let reach = json(&certify(&spec, &[&time, "--json"]).1)["reach"].clone();
        assert!((reach["share"].as_f64().unwrap() - 1.0 / (1.0 + share)).abs() < 1e-9, "{reach}");
        assert_eq!(reach["vacuous"], vacuous);
    }
}

/// A flow with squared loss that ends at the floor of its integrator: a loss of 1e-20 is under e^{−alpha t}, and `dominance` says the same, and where alpha is from.
#[test]
fn a_loss_at_the_floor_of_the_integrator_is_under_its_bound() {
    let dir = tempfile::tempdir().unwrap();
    let text = SEPARABLE
        .replace("name = \"gaussians\"\northogonal = true\ndim = 6\nmargin = 0.5\ntrain_size = 40", TEACHER)
        .replace("widths = [6, 12, 1]", "widths = [6, 40, 1]")
        .replace("class_means", "xavier_uniform")
        .replace("logistic", "mse")
        .replace("lr = 0.05", "name = \"flow\"\nt_end = 200")
        .replace("steps = 200", "steps = 50");
    let probes = "[[probes]]\nname = \"decomposition\"\nevery = \"1 step\"\n[[probes]]\nname = \"aligned_units\"\nevery = \"1 step\"\n";
    let spec = spec(dir.path(), &format!("{text}{probes}"));
    let out = dir.path().join("run");
    realign().arg("run").arg(&spec).arg("--out").arg(&out).arg("-q").assert().success();
    let found = json(&stdout(realign().arg("certify").arg(&out).arg("--json")));
    let bound = &found["check"]["bound"];
    assert_eq!((&found["check"]["passed"], &bound["holds"]), (&true.into(), &true.into()), "{bound}");
    let rows = std::fs::read_to_string(out.join("metrics.jsonl")).unwrap();
    let last =
        rows.lines().map(json).rfind(|r| r["probe"] == "decomposition" && r["name"] == "loss").unwrap();
    let (loss, reach) = (last["value"].as_f64().unwrap(), bound["reach"]["loss"].as_f64().unwrap());
    assert!(loss > 10.0 * reach, "the loss {loss} must stand on its floor, above its bound {reach}");
    assert!(loss <= bound["floor"].as_f64().unwrap());
    let text = stdout(realign().arg("dominance").arg(&out));
    assert!(text.contains("of this same run: its bounds describe the run, they predict nothing"), "{text}");
    let found = json(&stdout(realign().arg("dominance").arg(&out).arg("--json")));
    assert_eq!((&found["alpha_from"], &found["fits"][0]["holds"]), (&"this run".into(), &true.into()));
}

const TEACHER: &str = "name = \"teacher\"\ndim = 6\noutputs = 1\ntrain_size = 4";

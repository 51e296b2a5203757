//! `optimizer.name = "flow"`: the integrated flow against small steps of SGD, its bits, and what it refuses.
#![allow(missing_docs)]
mod common;

use common::{Case, Memory};
use realign::checkpoint::Checkpoint;
use realign::optim::Clip;
use realign::probes::Every;
use realign::tensor::DType;
use realign::train::{BatchSize, Outcome};

fn flow(rule: &str, t_end: f64, more: &str) -> Case {
    Case {
        rule: rule.into(),
        optimizer: format!("name = \"flow\"\nt_end = {t_end}\nrtol = 1e-11\natol = 1e-13\n{more}"),
        activation: "tanh".into(),
        batch: BatchSize::Full,
        widths: vec![5, 6, 4, 3],
        n: 20,
        lr: 0.0,
        steps: 4,
        ..Case::default()
    }
}

fn end(case: &Case) -> Checkpoint {
    let mut trainer = case.trainer();
    assert_eq!(trainer.run(&mut Memory::default()).unwrap(), Outcome::Done);
    trainer.checkpoint()
}

/// Euler steps of eta, eta/2 and eta/4 extrapolated twice differ from the flow by O(eta³): with eta = 1/64 over time 1, and second and third
/// derivatives of order one, 64⁻³ = 4e-6; 1e-5 is asked for. The unextrapolated steps are 1e-3 away, so the comparison can fail.
#[test]
fn the_flow_is_the_limit_of_small_steps() {
    let cases = [
        ("name = \"bp\"", "name = \"bp\"", 0.0),
        ("name = \"fa\"", "name = \"fa\"", 0.3),
        ("name = \"adafa\"\nkappa = 0.5\ndecay = 0.2", "name = \"adafa\"\nkappa = 0.5\ndecay = 0.2", 0.2),
        // rho is a share per step under SGD and a rate per unit of time in the flow.
        ("name = \"tracking\"\nrho = 0.5", "name = \"tracking\"\nrho = RATE", 0.0),
    ];
    for (rule, stepped, decay) in cases {
        let limit = end(&flow(rule, 1.0, &format!("weight_decay = {decay}")));
        let euler = |steps: u64| {
            let lr = 1.0 / steps as f64;
            end(&Case {
                rule: stepped.replace("RATE", &format!("{}", 0.5 * lr)),
                optimizer: format!("name = \"sgd\"\nweight_decay = {decay}"),
                lr,
                steps,
                ..flow(rule, 1.0, "")
            })
        };
        let runs = [euler(64), euler(128), euler(256)];
        let (mut plain, mut best) = (0.0f64, 0.0f64);
        for (name, tensor) in &limit.tensors {
            for (i, want) in tensor.to_f64_vec().into_iter().enumerate() {
                let [a, b, c] = runs.each_ref().map(|r| r.get(name).unwrap().at(i));
                let (ab, bc) = (2.0 * b - a, 2.0 * c - b);
                plain = plain.max((a - want).abs());
                best = best.max(((4.0 * bc - ab) / 3.0 - want).abs());
            }
        }
        assert!(plain > 3e-4, "{rule}: nothing to extrapolate: {plain}");
        assert!(best < 1e-5, "{rule}: {best}");
    }
}

/// The same end to the error of the integrator however many output points there are; and the time is in the rows.
#[test]
fn output_points_do_not_change_the_flow() {
    let case = flow("name = \"fa\"", 5.0, "");
    let (few, many) = (end(&case), end(&Case { steps: 23, ..case.clone() }));
    for (name, t) in &few.tensors {
        let worst =
            (0..t.numel()).fold(0.0f64, |m, i| m.max((t.at(i) - many.get(name).unwrap().at(i)).abs()));
        assert!(worst < 1e-9, "{name}: {worst}");
    }
    let mut sink = Memory::default();
    let probes = vec![(Every::Steps(2), "name = \"norms\"".into())];
    Case { probes, ..case }.trainer().run(&mut sink).unwrap();
    let times: Vec<f64> =
        sink.rows.iter().filter(|r| r.probe == "flow" && r.name == "time").map(|r| r.value).collect();
    assert_eq!(times, [0.0, 2.5, 5.0]);
}

#[test]
fn a_resumed_flow_has_the_same_bits() {
    for rule in ["name = \"adafa\"\ndecay = 0.1", "name = \"sign_fa\""] {
        let case = Case { activation: "relu".into(), checkpoint: Every::Steps(1), ..flow(rule, 2.0, "") };
        let mut sink = Memory::default();
        case.trainer().run(&mut sink).unwrap();
        let mut again = case.trainer();
        again.restore(&sink.checkpoints[2]).unwrap();
        again.run(&mut Memory::default()).unwrap();
        assert_eq!(again.checkpoint(), *sink.checkpoints.last().unwrap());
    }
}

/// Weights and the loss of a flow that meets jumps: the loss of BP falls all the way (dL/dt = -|g|²) and the run ends.
#[test]
fn a_flow_passes_jumps_of_the_field() {
    let case = Case {
        activation: "relu".into(),
        optimizer: "name = \"flow\"\nt_end = 10.0\nmin_step = 1e-4".into(),
        probes: vec![(Every::Steps(1), "name = \"accuracy\"\nsplits = [\"train\"]".into())],
        ..flow("name = \"bp\"", 10.0, "")
    };
    let mut sink = Memory::default();
    assert_eq!(case.trainer().run(&mut sink).unwrap(), Outcome::Done);
    let losses: Vec<f64> = sink.rows.iter().filter(|r| r.name == "loss").map(|r| r.value).collect();
    assert_eq!(losses.len(), 5);
    assert!(losses.windows(2).all(|w| w[1] < w[0]), "{losses:?}");
}

#[test]
fn a_flow_refuses_noise_batches_and_single_precision() {
    let case = flow("name = \"fa\"", 1.0, "");
    let refused = |case: Case| {
        let made = std::panic::catch_unwind(|| case.trainer());
        made.err().and_then(|e| e.downcast_ref::<String>().cloned()).expect("refused")
    };
    assert!(refused(Case { dtype: DType::F32, ..case.clone() }).contains("train.dtype"));
    assert!(refused(Case { batch: BatchSize::Size(10), ..case.clone() }).contains("train.batch"));
    assert!(refused(Case { network: "dropout = 0.5".into(), ..case.clone() }).contains("network.dropout"));
    assert!(refused(Case { clip: Clip::Global(1.0), ..case }).contains("optimizer.clip"));
}

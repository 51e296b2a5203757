//! Every figure of an audit against training replayed in plain loops, and what the verdicts are called.
#![allow(missing_docs)]

#[path = "../../core/tests/common/mod.rs"]
mod common;

use common::{Case, Memory};
use realign::data::{Features, Targets};
use realign::train::{BatchSize, Row};
use realign_theory::laws::State;
use realign_theory::ledger::{Audit, Finding, LayerAudit, Verdict};

const ETA: f64 = 0.1;
const MU: f64 = 0.5;
const LAMBDA: f64 = 0.02;
/// The constant of sign_fa.
const C: f64 = 0.4;
const WIDTHS: [usize; 3] = [7, 9, 4];

fn case(rule: &str, activation: &str) -> Case {
    let rule = if rule == "sign_fa" {
        format!("name = \"sign_fa\"\nscale = {C}")
    } else {
        format!("name = \"{rule}\"")
    };
    Case {
        rule,
        activation: activation.into(),
        widths: WIDTHS.to_vec(),
        optimizer: format!("name = \"sgd\"\nmomentum = {MU}\nweight_decay = {LAMBDA}"),
        lr: ETA,
        n: 12,
        batch: BatchSize::Full,
        steps: 25,
        probes: vec![("end".parse().unwrap(), "name = \"ledger\"".into())],
        build_probe: realign_theory::probes::build,
        ..Case::default()
    }
}

fn rows(case: &Case) -> Vec<Row> {
    let mut memory = Memory::default();
    case.trainer().run(&mut memory).unwrap();
    memory.rows
}

type Matrix = Vec<Vec<f64>>;

/// Accounts of one unit over the run, by name.
const NAMES: [&str; 8] = ["phi", "norm", "reader", "writer", "decay", "momentum", "path", "drift"];

/// A net of two layers trained in plain loops: the accounts of every hidden unit, by their definitions in docs/theory.md.
struct Replay {
    w: [Matrix; 2],
    b: [Vec<f64>; 2],
    vw: [Matrix; 2],
    vb: [Vec<f64>; 2],
    feedback: Option<Matrix>,
    x: Matrix,
    labels: Vec<usize>,
    rule: String,
    activation: String,
    units: Vec<[f64; 8]>,
}

fn matrix(v: &[f64], cols: usize) -> Matrix {
    v.chunks(cols).map(<[f64]>::to_vec).collect()
}

impl Replay {
    fn new(case: &Case, rule: &str) -> Replay {
        let state = State::of(&case.trainer());
        let train = case.setup().data.train;
        let (Features::F64(x), Targets::Classes { labels, .. }) = (train.features, train.targets) else {
            panic!()
        };
        let w = [0, 1].map(|l| matrix(&state.layers[l].weight, WIDTHS[l]));
        let b = [0, 1].map(|l| state.layers[l].bias.clone());
        Replay {
            vw: [0, 1].map(|l: usize| vec![vec![0.0; WIDTHS[l]]; WIDTHS[l + 1]]),
            vb: [0, 1].map(|l: usize| vec![0.0; WIDTHS[l + 1]]),
            w,
            b,
            feedback: state.layers[1].feedback.as_ref().map(|f| matrix(f, WIDTHS[1])),
            x: matrix(&x, WIDTHS[0]),
            labels: labels.iter().map(|l| *l as usize).collect(),
            rule: rule.into(),
            activation: case.activation.clone(),
            units: vec![[0.0; 8]; WIDTHS[1]],
        }
    }

    fn carried(&self) -> Matrix {
        match self.rule.as_str() {
            "bp" => self.w[1].clone(),
            "sign_fa" => self.w[1].iter().map(|r| r.iter().map(|w| C * w.signum()).collect()).collect(),
            _ => self.feedback.clone().unwrap(),
        }
    }

    fn phi(&self, k: usize) -> f64 {
        let column = || self.w[1].iter().map(|r| r[k]);
        match self.rule.as_str() {
            "bp" => column().map(|w| 0.5 * w * w).sum(),
            "sign_fa" => column().map(|w| C * w.abs()).sum(),
            _ => column().zip(self.feedback.as_ref().unwrap()).map(|(w, b)| w * b[k]).sum(),
        }
    }

    fn norm(&self, k: usize) -> f64 {
        0.5 * (self.w[0][k].iter().map(|w| w * w).sum::<f64>() + self.b[0][k] * self.b[0][k])
    }

    /// Update directions of weights and biases, lower layer first.
    fn directions(&self, m: &Matrix) -> ([Matrix; 2], [Vec<f64>; 2]) {
        let [inputs, hidden, outputs] = WIDTHS;
        let mut g = [vec![vec![0.0; inputs]; hidden], vec![vec![0.0; hidden]; outputs]];
        let mut gb = [vec![0.0; hidden], vec![0.0; outputs]];
        let n = self.x.len() as f64;
        for (x, label) in self.x.iter().zip(&self.labels) {
            let line = |w: &Matrix, b: &[f64], x: &[f64]| -> Vec<f64> {
                w.iter().zip(b).map(|(r, b)| r.iter().zip(x).map(|(w, x)| w * x).sum::<f64>() + b).collect()
            };
            let z = line(&self.w[0], &self.b[0], x);
            let (h, slope): (Vec<f64>, Vec<f64>) = z
                .iter()
                .map(|z| match self.activation.as_str() {
                    "relu" => (z.max(0.0), f64::from(u8::from(*z > 0.0))),
                    "tanh" => (z.tanh(), 1.0 - z.tanh() * z.tanh()),
                    _ => {
                        let s = 1.0 / (1.0 + (-z).exp());
                        (s, s * (1.0 - s))
                    }
                })
                .unzip();
            let out = line(&self.w[1], &self.b[1], &h);
            let top = out.iter().fold(f64::MIN, |m, o| m.max(*o));
            let sum: f64 = out.iter().map(|o| (o - top).exp()).sum();
            let e: Vec<f64> = (0..outputs)
                .map(|j| ((out[j] - top).exp() / sum - f64::from(u8::from(j == *label))) / n)
                .collect();
            for j in 0..outputs {
                gb[1][j] += e[j];
                (0..hidden).for_each(|k| g[1][j][k] += e[j] * h[k]);
            }
            for k in 0..hidden {
                let delta = slope[k] * (0..outputs).map(|j| m[j][k] * e[j]).sum::<f64>();
                gb[0][k] += delta;
                (0..inputs).for_each(|i| g[0][k][i] += delta * x[i]);
            }
        }
        (g, gb)
    }

    fn step(&mut self) {
        let [inputs, hidden, outputs] = WIDTHS;
        let m = self.carried();
        let (g, gb) = self.directions(&m);
        let before: Vec<[f64; 2]> = (0..hidden).map(|k| [self.phi(k), self.norm(k)]).collect();
        for k in 0..hidden {
            let own = &mut self.units[k];
            for j in 0..outputs {
                own[4] += m[j][k] * -ETA * LAMBDA * self.w[1][j][k];
                own[5] += m[j][k] * -ETA * MU * self.vw[1][j][k];
                own[6] -= ETA * g[1][j][k] * m[j][k];
            }
            let row = |i: usize| {
                if i < inputs {
                    (self.w[0][k][i], self.vw[0][k][i], g[0][k][i])
                } else {
                    (self.b[0][k], self.vb[0][k], gb[0][k])
                }
            };
            for (w, v, g) in (0..=inputs).map(row) {
                own[4] -= w * -ETA * LAMBDA * w;
                own[5] -= w * -ETA * MU * v;
                own[6] += ETA * g * w;
            }
        }
        let old = self.w.clone();
        let mut moved = vec![0.0; hidden];
        for l in 0..2 {
            for r in 0..WIDTHS[l + 1] {
                for i in 0..WIDTHS[l] {
                    let v = MU * self.vw[l][r][i] + g[l][r][i] + LAMBDA * self.w[l][r][i];
                    self.vw[l][r][i] = v;
                    self.w[l][r][i] -= ETA * v;
                    moved[if l == 0 { r } else { 0 }] += if l == 0 { (ETA * v).powi(2) } else { 0.0 };
                }
                let v = MU * self.vb[l][r] + gb[l][r] + LAMBDA * self.b[l][r];
                self.vb[l][r] = v;
                self.b[l][r] -= ETA * v;
                moved[if l == 0 { r } else { 0 }] += if l == 0 { (ETA * v).powi(2) } else { 0.0 };
            }
        }
        for k in 0..hidden {
            let along: f64 = (0..outputs).map(|j| m[j][k] * (self.w[1][j][k] - old[1][j][k])).sum();
            let (phi, norm) = (self.phi(k) - before[k][0], self.norm(k) - before[k][1]);
            let own = &mut self.units[k];
            own[0] += phi;
            own[1] += norm;
            own[2] += phi - along;
            own[3] -= 0.5 * moved[k];
            own[7] += phi - norm;
        }
    }

    /// Sum over units, and sum over units of absolute values.
    fn sums(&self, name: &str) -> [f64; 2] {
        let i = NAMES.iter().position(|n| *n == name).unwrap();
        [self.units.iter().map(|u| u[i]).sum(), self.units.iter().map(|u| u[i].abs()).sum()]
    }
}

fn replayed(rule: &str, activation: &str) -> (Replay, LayerAudit) {
    let case = case(rule, activation);
    let mut replay = Replay::new(&case, rule);
    (0..case.steps).for_each(|_| replay.step());
    let mut audit = Audit::from_rows(&rows(&case));
    assert!(audit.closed && audit.layers.len() == 1, "{rule} {activation}: {audit:#?}");
    (replay, audit.layers.remove(0))
}

/// Sums, sums of absolute values, the exchange, shares of it and shares of all movement: all from plain loops. 1e-11: 25 steps of sums of a hundred f64.
#[test]
fn every_figure_equals_a_replay_in_plain_loops() {
    for rule in ["fa", "bp", "sign_fa"] {
        for activation in ["relu", "tanh", "sigmoid"] {
            let (replay, l) = replayed(rule, activation);
            let same = |name: &str, got: f64, want: f64| {
                assert!((got - want).abs() < 1e-11, "{rule} {activation} {name}: {got} {want}");
            };
            let nets =
                [l.signed_phi, l.signed_norm, l.reader, l.writer, l.decay, l.momentum, l.path, l.drift];
            for (name, net) in NAMES.iter().zip(nets) {
                let [sum, size] = replay.sums(name);
                same(name, net, sum);
                same(name, l.unit_by_unit[name], size);
            }
            let exchanged = replay.sums("phi")[1].max(replay.sums("norm")[1]);
            same("exchange", l.exchanged, exchanged);
            same("exchanged_phi", l.exchanged_phi, replay.sums("phi")[1]);
            same("exchanged_norm", l.exchanged_norm, replay.sums("norm")[1]);
            same("relative_drift", l.relative_drift, replay.sums("drift")[1] / exchanged);
            same("relative_path", l.relative_path, replay.sums("path")[1] / exchanged);
            same("opening", l.opening + replay.sums("drift")[0], l.closing);
            assert_eq!((l.units, l.still_units), (WIDTHS[1], 0));
            // Causes with their shares of all movement, the largest first.
            let words = [
                ("finite steps of the writing weights", "writer"),
                ("finite steps of the reading weights", "reader"),
                ("a path that is not homogeneous", "path"),
                ("weight decay", "decay"),
                ("momentum", "momentum"),
            ];
            let size =
                |name: &str| if name == "path" && activation == "relu" { 0.0 } else { replay.sums(name)[1] };
            let all: f64 = words.iter().map(|w| size(w.1)).sum();
            let mut shares: Vec<(f64, &str)> =
                words.iter().map(|(w, name)| (100.0 * size(name) / all, *w)).filter(|s| s.0 > 0.5).collect();
            shares.sort_by(|a, b| b.0.total_cmp(&a.0));
            assert_eq!(l.causes.len(), shares.len(), "{:?} {shares:?}", l.causes);
            for (cause, (share, words)) in l.causes.iter().zip(shares) {
                assert!(
                    cause.starts_with(&format!("{words}: {share:.0} % of all movement")),
                    "{cause} {share} {words}"
                );
            }
            // Whether P was conserved, by the definition.
            let most = replay.sums("drift")[1].max(replay.sums("path")[1]) / exchanged;
            let want = if most <= 0.1 { Finding::Conserved } else { Finding::NotConserved };
            assert_eq!(l.finding, Some(want), "{rule} {activation}: {most}");
        }
    }
}

/// Units whose paths cancel in the sum: unit by unit the path is the largest cause, in the sums it is not. By hand: units +3 and -2.5 of path, -1 and -1 of writer.
#[test]
fn a_cause_that_cancels_over_units_is_named_all_the_same() {
    let audit = made(&[
        ("path", 0.5),
        ("writer", -2.0),
        ("abs_path", 5.5),
        ("abs_writer", 2.0),
        ("abs_drift", 5.5),
        ("abs_phi", 11.0),
        ("abs_norm", 6.0),
    ]);
    let l = &audit.layers[0];
    assert_eq!(
        l.causes[0],
        "a path that is not homogeneous: 73 % of all movement, raises P in some units and lowers it in others"
    );
    assert_eq!(l.causes[1], "finite steps of the writing weights: 27 % of all movement, lowers P");
    assert_eq!((l.relative_path, l.relative_drift), (0.5, 0.5));
    assert_eq!(l.finding, Some(Finding::NotConserved));
}

/// An audit of rows as the ledger writes them.
fn made(values: &[(&'static str, f64)]) -> Audit {
    let always = [("units", 2.0), ("tolerance", 1e-11), ("allowance", 1e-9), ("path_allowance", 1e-9)];
    let row = |&(name, value): &(&'static str, f64)| Row {
        step: 9,
        epoch: 1.0,
        probe: "ledger".into(),
        name: name.into(),
        split: None,
        layer: Some(0),
        unit: None,
        value,
    };
    Audit::from_rows(&always.iter().chain(values).map(row).collect::<Vec<_>>())
}

/// Both sides of every bound: drift and path at a tenth of the exchange, one unit that moved, rounding at a hundredth of the exchange.
#[test]
fn findings_have_their_limits() {
    let finding = |values: &[(&'static str, f64)]| made(values).layers[0].finding;
    let (held, moved) = (Some(Finding::Conserved), Some(Finding::NotConserved));
    assert_eq!(finding(&[("abs_phi", 1.0), ("abs_drift", 0.0999)]), held);
    assert_eq!(finding(&[("abs_phi", 1.0), ("abs_drift", 0.1001)]), moved);
    // A drift that something else happens to balance is not conservation.
    assert_eq!(finding(&[("abs_phi", 1.0), ("abs_drift", 0.01), ("abs_path", 0.0999)]), held);
    assert_eq!(finding(&[("abs_phi", 1.0), ("abs_drift", 0.01), ("abs_path", 0.1001)]), moved);
    assert_eq!(finding(&[("still_units", 2.0)]), Some(Finding::NothingExchanged));
    assert_eq!(finding(&[("still_units", 1.0), ("abs_norm", 1e-3)]), held);
    // What batch norm reads has only its own norm to be compared with.
    let below = |drift| {
        finding(&[("normalized", 1.0), ("opening_norm", 10.0), ("abs_norm", drift), ("abs_drift", drift)])
    };
    assert_eq!((below(0.99), below(1.01)), (held, moved));
    let verdict = |residual| made(&[("abs_phi", 1e-8), ("abs_residual", residual)]).layers[0].verdict;
    assert_eq!((verdict(0.9e-10), verdict(1.1e-10)), (Verdict::Closed, Verdict::Undecided));
    // Residuals that cancel over the units do not close.
    let cancel = made(&[("abs_phi", 1.0), ("residual", 0.0), ("abs_residual", 1e-3)]);
    assert_eq!(cancel.layers[0].verdict, Verdict::Open { step: None, unit: None, account: "residual" });
}

/// What a run is called: a rule that freezes the hidden layers, units that are dead, a run that diverges, tanh far from the origin, and small plain steps.
#[test]
fn runs_are_called_what_they_are() {
    let plain = |rule: &str, activation: &str| Case {
        optimizer: "name = \"sgd\"".into(),
        lr: 0.01,
        ..case(rule, activation)
    };
    let found = |case: &Case| {
        let audit = Audit::from_rows(&rows(case));
        (audit.closed, audit.conclusive, audit.layers[0].finding)
    };
    assert_eq!(found(&plain("fa", "relu")), (true, true, Some(Finding::Conserved)));
    assert_eq!(found(&plain("frozen", "relu")), (true, false, Some(Finding::NothingExchanged)));
    let still = Case { lr: 0.0, ..plain("fa", "relu") };
    assert_eq!(found(&still), (true, false, Some(Finding::NothingExchanged)));
    let far = Case {
        weight: "name = \"xavier_uniform\"\nscale = 3.0".into(),
        lr: 0.05,
        steps: 100,
        ..plain("fa", "tanh")
    };
    let (closed, _, finding) = found(&far);
    assert!(closed && finding == Some(Finding::NotConserved));
    let wild = Case {
        lr: 1e200,
        steps: 6,
        probes: vec![("1 step".parse().unwrap(), "name = \"ledger\"".into())],
        ..plain("bp", "identity")
    };
    let audit = Audit::of_diverged(&rows(&wild));
    assert!(audit.layers.len() == 1 && audit.layers[0].finding == Some(Finding::Diverged), "{audit:#?}");
    assert!(
        !audit.closed && audit.layers[0].verdict == Verdict::Undecided,
        "no row of finite numbers: {audit:#?}"
    );
}

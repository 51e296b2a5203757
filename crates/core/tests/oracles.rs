//! The oracles of docs/theory.md over whole registries: identities that any implementation must meet.

#![allow(missing_docs)]
mod common;

use common::{Case, Memory, batch_loss, errors_of, table};
use realign::init::WeightInit;
use realign::layer::ACTIVATIONS;
use realign::loss::{self, LOSSES};
use realign::network::Network;
use realign::optim::Clip;
use realign::rules::RULES;
use realign::tensor::{DType, Par, Rng, Tensor, ops};
use realign::train::{BatchSize, Grads};

fn drawn(case: &Case) -> (Network, Tensor, Vec<u32>) {
    let mut net = case.network();
    let bias = case.bias.then(|| table("name = \"lecun_normal\""));
    WeightInit::parse(Some(table(&case.weight)), bias).unwrap().apply(&mut net, &Rng::new(case.seed));
    let mut rng = Rng::new(99);
    let x = rng.normal_tensor([6, case.widths[0]], 1.0, case.dtype);
    let labels = (0..6).map(|_| rng.below(case.classes()) as u32).collect();
    (net, x, labels)
}

fn grads_of(case: &Case, net: &Network, x: &Tensor, labels: &[u32]) -> Grads {
    let (trace, errors, _) = errors_of(case, net, x, labels);
    let mut grads = Grads::default();
    grads.compute(net, &trace, &errors, |_| true, Par::Seq);
    grads
}

/// Oracle 1. Central differences in f64 with h = 1e-6: truncation h² ~ 1e-12, rounding eps/h ~ 2e-10 of the loss. The largest
/// entry of a gradient here is ~0.1, so 1e-7 relative to it is 50 times the error of the difference itself.
#[test]
fn bp_equals_finite_differences_for_every_loss_and_activation() {
    for activation in ACTIVATIONS {
        for l in LOSSES {
            for network in ["", "residual = true"] {
                let widths = if network.is_empty() { vec![5, 6, 4, 3] } else { vec![5, 6, 6, 3] };
                let case = Case {
                    loss: l.name.into(),
                    activation: activation.name.into(),
                    network: network.into(),
                    widths,
                    ..Case::rule("bp")
                };
                check_differences(&case);
            }
        }
    }
}

fn check_differences(case: &Case) {
    let (mut net, x, labels) = drawn(case);
    let grads = grads_of(case, &net, &x, &labels);
    let loss = loss::build(table(&format!("name = \"{}\"", case.loss))).unwrap();
    let h = 1e-6;
    for node in net.weighted().to_vec() {
        for parameter in 0..2 {
            let g = if parameter == 0 {
                grads.weight(node).unwrap().clone()
            } else {
                grads.bias(node).unwrap().clone()
            };
            let largest = g.to_f64_vec().iter().fold(1e-3f64, |m, v| m.max(v.abs()));
            for i in 0..g.numel() {
                let mut at = |shift: f64| {
                    let (w, b) = net.layer_mut(node).params_mut();
                    let p = if parameter == 0 { w.unwrap() } else { b.unwrap() };
                    let old = p.at(i);
                    p.set(i, old + shift);
                    let value = batch_loss(&net, loss.as_ref(), &x, &labels);
                    let (w, b) = net.layer_mut(node).params_mut();
                    (if parameter == 0 { w.unwrap() } else { b.unwrap() }).set(i, old);
                    value
                };
                let slope = (at(h) - at(-h)) / (2.0 * h);
                let gap = (slope - g.at(i)).abs() / largest;
                assert!(
                    gap < 1e-7,
                    "{} {} node {} [{i}]: {slope} against {}",
                    case.activation,
                    case.loss,
                    node.0,
                    g.at(i)
                );
            }
        }
    }
}

/// Oracle 2, second half: whatever carries the error, the read-out sees the same signal: the same bits under every rule.
#[test]
fn the_top_update_is_bps_under_every_rule() {
    for dtype in [DType::F32, DType::F64] {
        for l in LOSSES {
            let bp = Case { loss: l.name.into(), dtype, ..Case::rule("bp") };
            let (net, x, labels) = drawn(&bp);
            let top = *net.weighted().last().unwrap();
            let want = grads_of(&bp, &net, &x, &labels);
            for rule in RULES.iter().filter(|r| r.name != "shallow") {
                let case = Case { loss: l.name.into(), dtype, ..Case::rule(rule.name) };
                assert!(
                    grads_of(&case, &net, &x, &labels).weight(top) == want.weight(top),
                    "{} {}",
                    rule.name,
                    l.name
                );
            }
        }
    }
}

/// Oracle 2, first half: FA with B = W takes BP's first step bit for bit; rules whose feedback then follows W exactly
/// (tracking at rho = 1) stay BP for good.
#[test]
fn equal_feedback_is_backpropagation_bit_for_bit() {
    for dtype in [DType::F32, DType::F64] {
        for activation in ACTIVATIONS {
            for l in LOSSES {
                let base = Case {
                    dtype,
                    loss: l.name.into(),
                    activation: activation.name.into(),
                    ..Case::default()
                };
                let of = |rule: &str, steps: u64| {
                    let case =
                        Case { rule: rule.into(), feedback: "name = \"equal\"".into(), ..base.clone() };
                    let mut t = case.trainer();
                    (0..steps).for_each(|_| {
                        t.train_step();
                    });
                    let net = t.net();
                    net.weighted().iter().map(|&n| net.weight(n).clone()).collect::<Vec<_>>()
                };
                // Every rule that keeps feedback weights of its own; the others have no B to set.
                let without = ["bp", "sign_fa", "frozen", "shallow"];
                for rule in RULES.iter().map(|r| r.name).filter(|r| !without.contains(r)) {
                    assert!(
                        of("name = \"bp\"", 1) == of(&format!("name = \"{rule}\""), 1),
                        "{rule} {} {}",
                        activation.name,
                        l.name
                    );
                }
                assert!(of("name = \"bp\"", 9) == of("name = \"tracking\"\nrho = 1.0", 9));
            }
        }
    }
}

/// Oracle 3: <G_l[k,:], W_l[k,:]> + gb b = <G_{l+1}[:,k], M_{l+1}[:,k]> per unit for every rule that carries the error, every loss, and
/// every homogeneous activation; relative to the size of the sums, rounding of ~100 products: 1e-12 in f64, 1e-4 in f32.
/// Oracle 10: tanh and sigmoid must break it at O(1).
#[test]
fn balance_holds_on_homogeneous_paths_and_breaks_elsewhere() {
    for (dtype, bound) in [(DType::F64, 1e-12), (DType::F32, 1e-4)] {
        // Every rule but the baselines, which carry no error.
        for rule in RULES.iter().map(|r| r.name).filter(|r| !["frozen", "shallow"].contains(r)) {
            for l in LOSSES {
                for activation in ACTIVATIONS {
                    let case = Case {
                        dtype,
                        loss: l.name.into(),
                        activation: activation.name.into(),
                        ..Case::rule(rule)
                    };
                    let worst = imbalance(&case);
                    let homogeneous = !["tanh", "sigmoid"].contains(&activation.name);
                    assert_eq!(homogeneous, (activation.build)(toml::Table::new()).unwrap().homogeneous());
                    if homogeneous {
                        assert!(worst < bound, "{rule} {} {}: {worst}", l.name, activation.name);
                    } else {
                        assert!(worst > 1e-2, "{rule} {} {}: {worst}", l.name, activation.name);
                    }
                }
            }
        }
    }
}

fn imbalance(case: &Case) -> f64 {
    let (net, x, labels) = drawn(case);
    let (trace, errors, feedback) = errors_of(case, &net, &x, &labels);
    let mut grads = Grads::default();
    grads.compute(&net, &trace, &errors, |_| true, Par::Seq);
    let mut worst = 0.0f64;
    for pair in net.weighted().windows(2) {
        let (lower, upper) = (pair[0], pair[1]);
        let units = net.weight(lower).rows();
        let (mut written, mut read) = (vec![0.0; units], vec![0.0; units]);
        ops::dot_rows(grads.weight(lower).unwrap(), net.weight(lower), &mut written);
        ops::dot_cols(
            grads.weight(upper).unwrap(),
            feedback.at(upper).unwrap_or(net.weight(upper)),
            &mut read,
        );
        let scale = written.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        for k in 0..units {
            let bias = grads.bias(lower).unwrap().at(k) * net.layer(lower).bias().unwrap().at(k);
            worst = worst.max((written[k] + bias - read[k]).abs() / scale);
        }
    }
    worst
}

/// Oracle 6: with equal decay of W and B, B - kappa W shrinks by exactly 1 - eta lambda per step, whatever the batch. Entries are O(1) and
/// 50 steps are made: rounding stays below 1e-13.
#[test]
fn kolen_pollack_contracts_exactly() {
    for (kappa, decay) in [(1.0, 0.0), (1.0, 0.2), (0.5, 0.3)] {
        let case = Case {
            rule: format!("name = \"adafa\"\nkappa = {kappa:?}\ndecay = {decay:?}"),
            optimizer: format!("name = \"sgd\"\nweight_decay = {decay:?}"),
            ..Case::default()
        };
        let mut t = case.trainer();
        let gap = |t: &realign::train::Trainer| {
            let node = t.net().weighted()[1];
            let mut d = t.feedback().get(node).clone();
            ops::axpy(&mut d, t.net().weight(node), -kappa);
            d.to_f64_vec()
        };
        let start = gap(&t);
        for step in 1..=50 {
            t.train_step();
            let factor = (1.0 - case.lr * decay).powi(step);
            let worst = gap(&t).iter().zip(&start).fold(0.0f64, |m, (a, b)| m.max((a - factor * b).abs()));
            assert!(worst < 1e-13, "kappa {kappa} decay {decay} step {step}: {worst}");
        }
    }
}

/// Oracle 7: closed-form angles. 300 x 400 entries: the standard deviation of a sample cosine is below 1/sqrt(120,000) = 0.003, that is 0.2
/// degrees or less; bound 0.5.
#[test]
fn initial_angles_are_the_closed_forms() {
    for (rule, weight, degrees) in [
        ("sign_fa", "xavier_uniform", 30.0),
        ("sign_fa", "xavier_normal", (2.0 / std::f64::consts::PI).sqrt().acos().to_degrees()),
        ("fa", "xavier_uniform", 90.0),
        ("adafa", "kaiming_normal", 90.0),
        ("tracking", "lecun_uniform", 90.0),
    ] {
        let case =
            Case { weight: format!("name = \"{weight}\""), widths: vec![5, 400, 300, 3], ..Case::rule(rule) };
        let angle = case.trainer().evaluate_final().weight_angle[1].unwrap();
        assert!((angle - degrees).abs() < 0.5, "{rule} {weight}: {angle} against {degrees}");
    }
    for cosine in [-0.5, 0.0, 0.8, 1.0f64] {
        let case = Case { feedback: format!("name = \"cosine\"\ncosine = {cosine:?}"), ..Case::default() };
        let angle = case.trainer().evaluate_final().weight_angle[1].unwrap();
        // acos loses half the digits near 0: 1e-5 degrees.
        assert!((angle - cosine.acos().to_degrees()).abs() < 1e-5, "{angle}");
    }
}

fn all_bits(case: &Case, steps: u64) -> Vec<u8> {
    let mut t = case.trainer();
    (0..steps).for_each(|_| {
        t.train_step();
    });
    t.checkpoint().to_bytes()
}

/// Same seed, same bits; another number of threads, the same bits; another seed, other bits. Widths are large enough for several
/// row blocks and for the products' parallel path.
#[test]
fn bits_depend_on_the_seed_and_on_nothing_else() {
    let optimizers = ["name = \"sgd\"", "name = \"sgd\"\nmomentum = 0.9\nweight_decay = 0.01"];
    for rule in RULES {
        for (dtype, optimizer) in
            [DType::F32, DType::F64].into_iter().flat_map(|d| optimizers.map(|o| (d, o)))
        {
            let case = Case {
                dtype,
                widths: vec![300, 700, 120, 10],
                n: 64,
                batch: BatchSize::Size(32),
                optimizer: optimizer.into(),
                ..Case::rule(rule.name)
            };
            let one = all_bits(&case, 4);
            assert!(one == all_bits(&case, 4), "{}", rule.name);
            assert!(
                one == all_bits(&Case { par: Par::Threads(2), ..case.clone() }, 4),
                "{} threads",
                rule.name
            );
            assert!(
                one == all_bits(&Case { par: Par::Threads(3), ..case.clone() }, 4),
                "{} threads",
                rule.name
            );
            assert!(one != all_bits(&Case { seed: 2, ..case.clone() }, 4), "{} seed", rule.name);
        }
    }
}

/// A run stopped anywhere and resumed from its checkpoint's bytes gives the same rows and the same final bytes.
#[test]
fn resume_is_bit_exact() {
    for (rule, optimizer) in [
        ("adafa", "name = \"adamw\"\nweight_decay = 0.1"),
        ("fa", "name = \"sgd\"\nmomentum = 0.9\nnesterov = true"),
        ("sign_fa", "name = \"adam\""),
    ] {
        for dtype in [DType::F32, DType::F64] {
            let every = |e: &str| e.parse().unwrap();
            let case = Case {
                dtype,
                optimizer: optimizer.into(),
                network: "dropout = 0.3".into(),
                schedule: "name = \"cosine\"\nwarmup = 3".into(),
                clip: Clip::Global(0.5),
                steps: 23,
                probes: vec![
                    (every("3 steps"), "name = \"update_angle\"".into()),
                    (every("log"), "name = \"accuracy\"".into()),
                    (every("2 steps"), "name = \"norms\"".into()),
                ],
                ..Case::rule(rule)
            };
            let mut whole = Memory::default();
            let mut t = case.trainer();
            t.run(&mut whole).unwrap();
            let end = t.checkpoint().to_bytes();
            // The read-out's update is the gradient's at every step.
            let top = whole.rows.iter().filter(|r| r.probe == "update_angle" && r.layer == Some(2));
            assert!(top.clone().count() == 9 && top.into_iter().all(|r| r.value == 0.0), "{rule}");
            for stop in [1, 4, 7, 22] {
                let mut first = Memory { stop_after: Some(stop), ..Memory::default() };
                case.trainer().run(&mut first).unwrap();
                let saved =
                    realign::checkpoint::Checkpoint::from_bytes(&first.checkpoints[0].to_bytes()).unwrap();
                assert_eq!(saved.step, stop);
                let (mut second, mut t) = (Memory::default(), case.trainer());
                t.restore(&saved).unwrap();
                t.run(&mut second).unwrap();
                assert!(t.checkpoint().to_bytes() == end, "{rule} stopped at {stop}");
                first.rows.extend(second.rows);
                assert!(first.rows == whole.rows, "{rule} stopped at {stop}");
            }
        }
    }
}

/// Probes are passive: with every probe at every step the weights have the same bits as without any.
#[test]
fn probes_change_no_bit() {
    for rule in RULES {
        let quiet = Case {
            dtype: DType::F32,
            widths: vec![300, 700, 10],
            n: 64,
            batch: BatchSize::Size(16),
            steps: 5,
            ..Case::rule(rule.name)
        };
        let probes = realign::probes::PROBES
            .iter()
            .map(|p| ("1 step".parse().unwrap(), format!("name = \"{}\"", p.name)));
        let loud = Case { probes: probes.collect(), ..quiet.clone() };
        let run = |case: &Case| {
            let mut t = case.trainer();
            let mut sink = Memory::default();
            t.run(&mut sink).unwrap();
            let layers = t.net().weighted().iter().map(|&n| t.net().weight(n).clone()).collect::<Vec<_>>();
            (layers, sink.rows.len())
        };
        let ((a, none), (b, some)) = (run(&quiet), run(&loud));
        assert!(a == b && none == 0 && some > 0, "{}", rule.name);
    }
}

/// SGD and Adam against their textbook recursions, written out per entry in f64.
#[test]
fn optimizers_follow_their_recursions() {
    let (n, lr, lambda) = (30usize, 0.1, 0.05);
    let mut rng = Rng::new(3);
    let start = rng.normal_tensor([n], 1.0, DType::F64);
    let gs: Vec<Tensor> = (0..5).map(|_| rng.normal_tensor([n], 1.0, DType::F64)).collect();
    type Naive = fn(f64, f64, f64, f64, &mut [f64; 2], i32) -> f64;
    let cases: [(&str, Naive); 4] = [
        ("name = \"sgd\"\nmomentum = 0.9\nweight_decay = 0.05", |w, g, lr, l, m, _| {
            m[0] = 0.9 * m[0] + g + l * w;
            w - lr * m[0]
        }),
        ("name = \"sgd\"\nmomentum = 0.9\nnesterov = true\nweight_decay = 0.05", |w, g, lr, l, m, _| {
            m[0] = 0.9 * m[0] + g + l * w;
            w - lr * (g + l * w + 0.9 * m[0])
        }),
        ("name = \"adam\"\nweight_decay = 0.05", |w, g, lr, l, m, t| {
            let g = g + l * w;
            m[0] = 0.9 * m[0] + 0.1 * g;
            m[1] = 0.999 * m[1] + 0.001 * g * g;
            w - lr * (m[0] / (1.0 - 0.9f64.powi(t))) / ((m[1] / (1.0 - 0.999f64.powi(t))).sqrt() + 1e-8)
        }),
        ("name = \"adamw\"\nweight_decay = 0.05", |w, g, lr, l, m, t| {
            m[0] = 0.9 * m[0] + 0.1 * g;
            m[1] = 0.999 * m[1] + 0.001 * g * g;
            w - lr * l * w
                - lr * (m[0] / (1.0 - 0.9f64.powi(t))) / ((m[1] / (1.0 - 0.999f64.powi(t))).sqrt() + 1e-8)
        }),
    ];
    for (text, naive) in cases {
        let optimizer = realign::optim::build(table(text)).unwrap();
        let (mut w, mut memory) = (start.clone(), [start.zeros_like(), start.zeros_like()]);
        let (mut want, mut state) = (start.to_f64_vec(), vec![[0.0; 2]; n]);
        for (t, g) in gs.iter().enumerate() {
            let count = optimizer.memory().len();
            let mut i = 0;
            let slices = memory.each_mut().map(|m| {
                i += 1;
                (i <= count).then(|| m.slice_mut())
            });
            let at = realign::optim::At { lr, step: t as u64 + 1, clip: 1.0 };
            optimizer.update(at, w.slice_mut(), g.slice(), slices, None);
            for k in 0..n {
                want[k] = naive(want[k], g.at(k), lr, lambda, &mut state[k], t as i32 + 1);
            }
        }
        // A few roundings per step on numbers of size 1.
        let worst = w.to_f64_vec().iter().zip(&want).fold(0.0f64, |m, (a, b)| m.max((a - b).abs()));
        assert!(worst < 1e-13, "{text}: {worst}");
    }
}

/// Every option shown to users is accepted with its shown default, in every registry.
#[test]
fn documented_defaults_are_accepted() {
    fn check<T: ?Sized>(entries: &[realign::registry::Entry<T>]) {
        for e in entries {
            let text: String = e
                .options
                .iter()
                // An option without a default must be given: 1 is allowed for all of these.
                .map(|o| format!("{} = {}\n", o.name, if o.default.is_empty() { "1.0" } else { o.default }))
                .collect();
            assert!(e.make(table(&text)).is_ok(), "{}: {text}", e.name);
            assert!(
                e.make(table("no_such_option = 1")).is_err_and(|e| e.key == "no_such_option"),
                "{}",
                e.name
            );
            assert!(!e.summary.is_empty() && !e.formula.is_empty(), "{}", e.name);
        }
    }
    check(RULES);
    check(LOSSES);
    check(ACTIVATIONS);
    check(realign::optim::OPTIMIZERS);
    check(realign::optim::SCHEDULES);
    check(realign::probes::PROBES);
}

/// Divergence is an outcome with its step, not a panic.
#[test]
fn divergence_is_an_outcome() {
    let case = Case { lr: 1e200, loss: "mse".into(), activation: "identity".into(), ..Case::rule("bp") };
    let outcome = case.trainer().run(&mut Memory::default()).unwrap();
    assert!(
        matches!(outcome, realign::train::Outcome::Diverged { step } if step > 0 && step < 20),
        "{outcome:?}"
    );
}

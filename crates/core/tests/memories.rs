//! Memories of momentum and Adam that die away: after every 64th step none is subnormal, and those that the decay says are below become zero; else, bit for bit,
//! the recursions written out per entry.
#![allow(missing_docs)]

use realign::optim::{At, Optimizer, build};
use realign::tensor::{DType, Rng, Tensor};

/// Weight and memories that an optimizer moves, with or without handing out the increment.
struct Moved {
    optimizer: Box<dyn Optimizer>,
    w: Tensor,
    memory: [Tensor; 2],
    out: Option<Tensor>,
    step: u64,
}

impl Moved {
    fn new(text: &str, w: Tensor, increments: bool) -> Moved {
        let memory = [0; 2].map(|_| w.zeros_like());
        let out = increments.then(|| w.zeros_like());
        Moved { optimizer: build(text.parse().unwrap()).unwrap(), w, memory, out, step: 0 }
    }

    fn step(&mut self, g: &Tensor) {
        let count = self.optimizer.memory().len();
        let [m, v] = &mut self.memory;
        let memory = [(count > 0).then(|| m.slice_mut()), (count > 1).then(|| v.slice_mut())];
        self.step += 1;
        let at = At { lr: 0.01, step: self.step, clip: 1.0 };
        self.optimizer.update(
            at,
            self.w.slice_mut(),
            g.slice(),
            memory,
            self.out.as_mut().map(Tensor::slice_mut),
        );
    }
}

fn smallest(dtype: DType) -> f64 {
    if dtype == DType::F32 { f64::from(f32::MIN_POSITIVE) } else { f64::MIN_POSITIVE }
}

/// After one step with a gradient, zero gradients: a memory x times a factor below 1 per step falls under the smallest normal number after
/// `ln(smallest / x) / ln(factor)` steps and is zero from the next 64th step on. Rounding of each of some thousand products moves that by less than a step.
#[test]
fn memories_without_gradients_end_in_zero() {
    let cases: [(&str, &[f64]); 4] = [
        ("name = \"sgd\"\nmomentum = 0.9", &[0.9]),
        ("name = \"sgd\"\nmomentum = 0.9\nnesterov = true", &[0.9]),
        ("name = \"adam\"\nbeta1 = 0.8\nbeta2 = 0.9", &[0.8, 0.9]),
        ("name = \"adamw\"\nbeta1 = 0.8\nbeta2 = 0.9\nweight_decay = 0.1", &[0.8, 0.9]),
    ];
    for dtype in [DType::F32, DType::F64] {
        for (text, factors) in cases {
            for increments in [false, true] {
                let mut rng = Rng::new(7);
                let mut moved = Moved::new(text, rng.normal_tensor([37], 1.0, dtype), increments);
                let g = rng.normal_tensor([37], 1.0, dtype);
                moved.step(&g);
                let start = moved.memory.each_ref().map(Tensor::to_f64_vec);
                let still = g.zeros_like();
                let lives = |k: usize, i: usize| (smallest(dtype) / start[k][i].abs()).ln() / factors[k].ln();
                for step in 1..8000 {
                    moved.step(&still);
                    for (k, memory) in moved.memory.iter().enumerate().take(factors.len()) {
                        for i in 0..37 {
                            let (x, settled) = (memory.at(i), moved.step.is_multiple_of(64));
                            assert!(
                                !settled || x == 0.0 || x.abs() >= smallest(dtype),
                                "{text} {dtype}: {x:e} after {step}"
                            );
                            let lives = lives(k, i);
                            if (step as f64) < lives - 1.0 || settled && step as f64 > lives + 1.0 {
                                assert_eq!(
                                    x != 0.0,
                                    (step as f64) < lives,
                                    "{text} {dtype} {k} {i} after {step}"
                                );
                            }
                        }
                    }
                }
                assert!(
                    moved.memory.iter().all(|m| m.to_f64_vec().iter().all(|x| *x == 0.0)),
                    "{text} {dtype}"
                );
            }
        }
    }
}

/// No exponent: no number, after every 64th step.
fn kept(t: i32, x: f32) -> f32 {
    if t % 64 != 0 {
        return x;
    }
    f32::from_bits(if x.to_bits() & 0x7f80_0000 == 0 { x.to_bits() & 0x8000_0000 } else { x.to_bits() })
}

/// Entries over the whole range of exponents, so that memories of each kind are on both sides of the border.
#[test]
fn the_update_is_the_formula_bit_for_bit() {
    let (mut rng, n, lr) = (Rng::new(8), 1000, 0.01f32);
    let start = rng.normal_tensor([n], 1.0, DType::F32);
    for increments in [false, true] {
        let mut sgd = Moved::new("name = \"sgd\"\nmomentum = 0.75", start.clone(), increments);
        let mut adam = Moved::new("name = \"adam\"\nbeta1 = 0.75\nbeta2 = 0.5", start.clone(), increments);
        let first: Vec<f32> = start.as_slice::<f32>().to_vec();
        let (mut w, mut velocity) = (first.clone(), vec![0.0f32; n]);
        let (mut u, mut m, mut v) = (first, vec![0.0f32; n], vec![0.0f32; n]);
        let mut vanished = 0;
        for t in 1..=128i32 {
            let mut g = rng.normal_tensor([n], 1.0, DType::F32);
            (0..n).for_each(|i| g.set(i, g.at(i) * 2f64.powi(-(i as i32 % 140) - rng.below(8) as i32)));
            sgd.step(&g);
            adam.step(&g);
            let rate = (0.01 / (1.0 - 0.75f64.powi(t))) as f32;
            let root = (1.0 / (1.0 - 0.5f64.powi(t)).sqrt()) as f32;
            for (i, &g) in g.as_slice::<f32>().iter().enumerate() {
                velocity[i] = 0.75 * velocity[i] + g;
                w[i] -= lr * velocity[i];
                m[i] = 0.75 * m[i] + 0.25 * g;
                v[i] = 0.5 * v[i] + 0.5 * g * g;
                u[i] -= rate * m[i] / (v[i].sqrt() * root + 1e-8);
                [velocity[i], m[i], v[i]] = [velocity[i], m[i], v[i]].map(|x| kept(t, x));
                vanished += usize::from(t % 64 == 0 && v[i] == 0.0);
            }
            assert!(sgd.w.as_slice::<f32>() == w && sgd.memory[0].as_slice::<f32>() == velocity);
            assert!(adam.w.as_slice::<f32>() == u, "{t}");
            assert!(adam.memory[0].as_slice::<f32>() == m && adam.memory[1].as_slice::<f32>() == v);
        }
        assert!((100..1900).contains(&vanished), "{vanished} is no test");
    }
}

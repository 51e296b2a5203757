//! Adam: `m = b1 m + (1-b1) g; v = b2 v + (1-b2) g²; dW = -eta (m/(1-b1^t)) / (√(v/(1-b2^t)) + eps)`, g = clip G + lambda W.
//!
//! After every 64th step an m or v below the smallest normal number of the dtype becomes zero, as in `sgd`.
//!
//! Kingma & Ba, ICLR 2015; decay coupled as in PyTorch's `Adam`. See `adamw` for the decoupled form.

use super::{At, Form, Optimizer, PARTS, settle};
use crate::ConfigError;
use crate::registry::{self, Allowed, Entry, Opt};
use realign_tensor::ops::vectorize;
use realign_tensor::{Element, Slice, SliceMut, dispatch};
use serde::Deserialize;
use toml::Table;

pub(super) const OPTIONS: &[Opt] = &[
    Opt { name: "beta1", default: "0.9", meaning: "memory of the mean", allowed: Allowed::BELOW_ONE },
    Opt { name: "beta2", default: "0.999", meaning: "memory of the square", allowed: Allowed::BELOW_ONE },
    Opt { name: "eps", default: "1e-8", meaning: "added to the root", allowed: Allowed::POSITIVE },
    Opt { name: "weight_decay", default: "0.0", meaning: "λ", allowed: Allowed::NON_NEGATIVE },
];

pub(super) const ENTRY: Entry<dyn Optimizer> = Entry {
    name: "adam",
    summary: "Adam, weight decay coupled.",
    formula: "dW = −η m̂ / (√v̂ + ε)",
    citation: "@inproceedings{kingma2015, author={Kingma, Diederik P. and Ba, Jimmy}, title={Adam: A method for stochastic optimization}, booktitle={ICLR}, year={2015}}",
    options: OPTIONS,
    build: |table| Ok(Box::new(Adam { options: options(table)?, decoupled: false })),
};

pub(super) fn options(table: Table) -> Result<Options, ConfigError> {
    registry::parse(table)
}

/// Settings shared by both forms.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Options {
    beta1: f64,
    beta2: f64,
    eps: f64,
    weight_decay: f64,
}

impl Default for Options {
    fn default() -> Self {
        Options { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0 }
    }
}

/// Adam and AdamW: they differ in where the decay acts.
pub(super) struct Adam {
    pub(super) options: Options,
    pub(super) decoupled: bool,
}

/// The numbers of one step.
struct Factors<T> {
    b1: T,
    b2: T,
    c1: T,
    c2: T,
    eps: T,
    clip: T,
    rate: T,
    root: T,
    coupled: T,
    shrink: T,
}

impl<T: Element> Factors<T> {
    /// Moves one entry and returns the step taken without decoupled decay.
    #[inline(always)]
    fn entry(&self, w: &mut T, g: T, m: &mut T, v: &mut T) -> T {
        let g = self.clip * g + self.coupled * *w;
        *m = self.b1 * *m + self.c1 * g;
        *v = self.b2 * *v + self.c2 * g * g;
        let step = self.rate * *m / (Element::sqrt(*v) * self.root + self.eps);
        *w = *w - self.shrink * *w - step;
        step
    }
}

impl Adam {
    /// How much of the mean and of the square the memories hold by now: 1 - beta^step.
    fn started(&self, at: At) -> (f64, f64) {
        let power = i32::try_from(at.step).unwrap_or(i32::MAX);
        (1.0 - self.options.beta1.powi(power), 1.0 - self.options.beta2.powi(power))
    }

    fn factors<T: Element>(&self, at: At) -> Factors<T> {
        let (o, of) = (&self.options, T::of);
        let (mean, square) = self.started(at);
        Factors {
            b1: of(o.beta1),
            b2: of(o.beta2),
            c1: of(1.0 - o.beta1),
            c2: of(1.0 - o.beta2),
            eps: of(o.eps),
            clip: of(at.clip),
            rate: of(at.lr / mean),
            root: of(1.0 / square.sqrt()),
            coupled: of(if self.decoupled { 0.0 } else { o.weight_decay }),
            shrink: of(if self.decoupled { at.lr * o.weight_decay } else { 0.0 }),
        }
    }

    fn run<T: Element>(&self, at: At, w: &mut [T], g: &[T], m: &mut [T], v: &mut [T], out: Option<&mut [T]>) {
        let f = self.factors::<T>(at);
        match out {
            None => vectorize(
                #[inline(always)]
                || {
                    for (((w, &g), m), v) in w.iter_mut().zip(g).zip(&mut *m).zip(&mut *v) {
                        f.entry(w, g, m, v);
                    }
                },
            ),
            Some(out) => vectorize(
                #[inline(always)]
                || {
                    for ((((w, &g), m), v), d) in w.iter_mut().zip(g).zip(&mut *m).zip(&mut *v).zip(&mut *out)
                    {
                        *d = -f.entry(w, g, m, v);
                    }
                },
            ),
        }
        settle(at, m);
        settle(at, v);
    }
}

impl Optimizer for Adam {
    fn name(&self) -> &'static str {
        if self.decoupled { "adamw" } else { "adam" }
    }

    fn memory(&self) -> &'static [&'static str] {
        &["exp_avg", "exp_avg_sq"]
    }

    fn form(&self) -> Form {
        Form {
            adaptive: true,
            eps: self.options.eps,
            decay_apart: self.decoupled,
            weight_decay: self.options.weight_decay,
            ..Form::default()
        }
    }

    fn update(
        &self,
        at: At,
        w: SliceMut<'_>,
        g: Slice<'_>,
        memory: [Option<SliceMut<'_>>; 2],
        out: Option<SliceMut<'_>>,
    ) {
        let [Some(m), Some(v)] = memory else { panic!("adam needs two memories") };
        dispatch!(g.dtype(), T => self.run::<T>(at, w.get(), g.get(), m.get(), v.get(), out.map(SliceMut::get)));
    }

    fn active(&self, at: At) -> [bool; PARTS.len()] {
        [self.options.weight_decay > 0.0, false, true, at.clip != 1.0]
    }

    fn remainder(&self, at: At, w: &[f64], g: &[f64], memory: [&[f64]; 2], parts: [&mut [f64]; PARTS.len()]) {
        let [decay, _, adaptive, clipping] = parts;
        let (o, eta) = (&self.options, at.lr);
        let coupled = if self.decoupled { 0.0 } else { o.weight_decay };
        let (mean, square) = self.started(at);
        for i in 0..w.len() {
            let used = at.clip * g[i] + coupled * w[i];
            let m = (o.beta1 * memory[0][i] + (1.0 - o.beta1) * used) / mean;
            let v = (o.beta2 * memory[1][i] + (1.0 - o.beta2) * used * used) / square;
            decay[i] = -eta * o.weight_decay * w[i];
            clipping[i] = -eta * (at.clip - 1.0) * g[i];
            adaptive[i] = eta * used - eta * m / (v.sqrt() + o.eps);
        }
    }

    fn gross(&self, at: At, w: &[f64], g: &[f64], memory: [&[f64]; 2], out: &mut [f64]) {
        let o = &self.options;
        let (coupled, apart) = if self.decoupled { (0.0, o.weight_decay) } else { (o.weight_decay, 0.0) };
        let (mean, square) = self.started(at);
        for (i, out) in out.iter_mut().enumerate() {
            let (used, size) = (at.clip * g[i] + coupled * w[i], at.clip * g[i].abs() + coupled * w[i].abs());
            let m = (o.beta1 * memory[0][i].abs() + (1.0 - o.beta1) * size) / mean;
            let v = (o.beta2 * memory[1][i] + (1.0 - o.beta2) * used * used) / square;
            *out = at.lr * (m / (v.sqrt() + o.eps) + apart * w[i].abs());
        }
    }
}

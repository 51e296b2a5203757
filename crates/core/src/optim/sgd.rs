//! Stochastic gradient descent, PyTorch's form: `g = clip G + lambda W; v = mu v + g; dW = -eta v` (Nesterov: `-eta (g + mu v)`).
//!
//! After every 64th step a velocity below the smallest normal number of the dtype becomes zero: that of a unit without gradients would else end in subnormal
//! numbers, which rounding keeps from ever reaching zero and many processors take ten times as long over.
//!
//! Polyak 1964; Nesterov 1983; Sutskever et al. 2013. Without momentum the increment without decay is `-eta clip G` exactly.

use super::{At, Form, Optimizer, PARTS, settle};
use crate::ConfigError;
use crate::registry::{self, Allowed, Entry, Opt};
use realign_tensor::ops::{vectorize, zip_each};
use realign_tensor::{Element, Slice, SliceMut, dispatch};
use serde::Deserialize;

pub(super) const ENTRY: Entry<dyn Optimizer> = Entry {
    name: "sgd",
    summary: "Stochastic gradient descent with momentum, Nesterov's form and weight decay.",
    formula: "g = G + λW, v ← μv + g, dW = −η v",
    citation: "",
    options: &[
        Opt { name: "momentum", default: "0.0", meaning: "μ", allowed: Allowed::BELOW_ONE },
        Opt {
            name: "nesterov",
            default: "false",
            meaning: "look ahead: dW = −η (g + μ v)",
            allowed: Allowed::Flag,
        },
        Opt { name: "weight_decay", default: "0.0", meaning: "λ, coupled", allowed: Allowed::NON_NEGATIVE },
    ],
    build: |table| {
        let o: Sgd = registry::parse(table)?;
        if o.nesterov && o.momentum == 0.0 {
            return Err(ConfigError::new(
                "nesterov",
                "looks ahead along the momentum: write momentum above 0 too, such as 0.9",
            ));
        }
        Ok(Box::new(o))
    },
};

/// See the module's formula.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Sgd {
    momentum: f64,
    nesterov: bool,
    weight_decay: f64,
}

/// The numbers of one step with momentum.
struct Factors<T> {
    clip: T,
    mu: T,
    lambda: T,
    nesterov: bool,
}

impl<T: Element> Factors<T> {
    /// Moves the memory of one entry and returns the direction.
    #[inline(always)]
    fn step(&self, w: T, g: T, v: &mut T) -> T {
        let g = self.clip * g + self.lambda * w;
        *v = self.mu * *v + g;
        if self.nesterov { g + self.mu * *v } else { *v }
    }
}

impl Sgd {
    fn run<T: Element>(&self, at: At, w: &mut [T], g: &[T], v: Option<&mut [T]>, out: Option<&mut [T]>) {
        let (eta, clip) = (T::of(at.lr), T::of(at.clip));
        let (mu, lambda) = (T::of(self.momentum), T::of(self.weight_decay));
        let plain = at.clip == 1.0 && self.weight_decay == 0.0;
        match (v, out) {
            (None, None) if plain => zip_each(
                w,
                g,
                #[inline(always)]
                |w, g| w - eta * g,
            ),
            (None, None) => zip_each(
                w,
                g,
                #[inline(always)]
                |w, g| w - eta * (clip * g + lambda * w),
            ),
            (None, Some(out)) => vectorize(
                #[inline(always)]
                || {
                    for ((w, &g), d) in w.iter_mut().zip(g).zip(&mut *out) {
                        *d = -(eta * (clip * g));
                        // The same arithmetic as without `out`, so that asking for the increment changes no bit.
                        *w = if plain { *w - eta * g } else { *w - eta * (clip * g + lambda * *w) };
                    }
                },
            ),
            (Some(v), out) => {
                let f = Factors { clip, mu, lambda, nesterov: self.nesterov };
                match out {
                    None => vectorize(
                        #[inline(always)]
                        || {
                            w.iter_mut()
                                .zip(g)
                                .zip(&mut *v)
                                .for_each(|((w, &g), v)| *w -= eta * f.step(*w, g, v));
                        },
                    ),
                    Some(out) => vectorize(
                        #[inline(always)]
                        || {
                            for (((w, &g), v), d) in w.iter_mut().zip(g).zip(&mut *v).zip(&mut *out) {
                                let move_by = eta * f.step(*w, g, v);
                                *d = eta * lambda * *w - move_by;
                                *w -= move_by;
                            }
                        },
                    ),
                }
                settle(at, v);
            }
        }
    }
}

impl Optimizer for Sgd {
    fn name(&self) -> &'static str {
        "sgd"
    }

    fn memory(&self) -> &'static [&'static str] {
        if self.momentum > 0.0 { &["momentum"] } else { &[] }
    }

    fn form(&self) -> Form {
        let Sgd { momentum, nesterov, weight_decay } = *self;
        Form { momentum, nesterov, weight_decay, decay_apart: true, ..Form::default() }
    }

    fn is_plain(&self, at: At) -> bool {
        self.momentum == 0.0 && self.weight_decay == 0.0 && at.clip == 1.0
    }

    fn update(
        &self,
        at: At,
        w: SliceMut<'_>,
        g: Slice<'_>,
        [v, _]: [Option<SliceMut<'_>>; 2],
        out: Option<SliceMut<'_>>,
    ) {
        dispatch!(g.dtype(), T => self.run::<T>(at, w.get(), g.get(), v.map(SliceMut::get), out.map(SliceMut::get)));
    }

    fn active(&self, at: At) -> [bool; PARTS.len()] {
        [self.weight_decay > 0.0, self.momentum > 0.0, false, at.clip != 1.0]
    }

    fn remainder(&self, at: At, w: &[f64], g: &[f64], memory: [&[f64]; 2], parts: [&mut [f64]; PARTS.len()]) {
        let [decay, momentum, _, clipping] = parts;
        let (eta, mu, lambda) = (at.lr, self.momentum, self.weight_decay);
        for i in 0..w.len() {
            decay[i] = -eta * lambda * w[i];
            clipping[i] = -eta * (at.clip - 1.0) * g[i];
            if mu > 0.0 {
                let v = mu * memory[0][i];
                let g = at.clip * g[i] + lambda * w[i];
                // v' = mu v + g; dW = -eta v', or -eta (g + mu v') with Nesterov's look ahead.
                momentum[i] = -eta * if self.nesterov { mu * (v + g) } else { v };
            }
        }
    }

    fn gross(&self, at: At, w: &[f64], g: &[f64], memory: [&[f64]; 2], out: &mut [f64]) {
        let Sgd { momentum: mu, weight_decay: lambda, nesterov } = *self;
        vectorize(
            #[inline(always)]
            || {
                for (i, out) in out.iter_mut().enumerate() {
                    let own = at.clip * g[i].abs() + lambda * w[i].abs();
                    let kept = if mu > 0.0 { mu * memory[0][i].abs() } else { 0.0 };
                    *out = at.lr * (own + if nesterov { mu * (own + kept) } else { kept });
                }
            },
        );
    }
}

//! `mlp`: dense layers of the given widths with an activation (and dropout) after every hidden one; with `residual = true` hidden
//! layers of equal width are joined by identity skips: `h = h + phi(W h)`.

use super::{ACTIVATION, BIAS, Model, activation, relu, yes};
use crate::ConfigError;
use crate::layer::{Dense, Dropout, Flatten};
use crate::network::{Builder, Network};
use crate::registry::{self, Allowed, Entry, Opt};
use realign_tensor::{DType, Shape};
use serde::Deserialize;
use toml::Value;

pub(super) const ENTRY: Entry<dyn Model> = Entry {
    name: "mlp",
    summary: "Dense layers of the given widths, an activation after every hidden one.",
    formula: "h_l = φ(W_l h_{l−1} + b_l)",
    citation: "",
    options: &[
        Opt {
            name: "widths",
            default: "",
            meaning: "units per layer, inputs first, outputs last, e.g. [784, 1000, 10]",
            allowed: Allowed::List(2, &Allowed::Size(1, 1 << 34)),
        },
        ACTIVATION,
        BIAS,
        Opt {
            name: "dropout",
            default: "0.0",
            meaning: "probability of dropping a hidden output",
            allowed: Allowed::BELOW_ONE,
        },
        Opt {
            name: "residual",
            default: "false",
            meaning: "identity skips around hidden layers of equal width",
            allowed: Allowed::Flag,
        },
    ],
    build: |table| Ok(Box::new(registry::parse::<Mlp>(table)?)),
};

/// See the module's formula.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mlp {
    widths: Vec<i64>,
    #[serde(default = "relu")]
    activation: Value,
    #[serde(default = "yes")]
    bias: bool,
    #[serde(default)]
    dropout: f64,
    #[serde(default)]
    residual: bool,
}

impl Mlp {
    fn check_ends(&self, input: Shape, outputs: usize) -> Result<(), ConfigError> {
        let fail = |message: String| Err(ConfigError::new("widths", message));
        let (first, last) = (self.widths[0], self.widths[self.widths.len() - 1]);
        if first as usize != input.numel() {
            return fail(format!("starts with {first}, but the data have {} features", input.numel()));
        }
        if last as usize != outputs {
            return fail(format!("ends with {last}, but data and loss need {outputs} outputs"));
        }
        Ok(())
    }
}

impl Model for Mlp {
    fn build(&self, input: Shape, outputs: usize, dtype: DType) -> Result<Network, ConfigError> {
        self.check_ends(input, outputs)?;
        let widths: Vec<usize> = self.widths.iter().map(|w| *w as usize).collect();
        let mut b = Builder::new(input, dtype);
        let mut h = b.input();
        if input.rank() > 1 {
            h = b.pointwise(h, Box::new(Flatten));
        }
        for (i, pair) in widths.windows(2).enumerate() {
            let below = h;
            h = b.layer(h, Dense::new(pair[0], pair[1], self.bias, dtype));
            if i + 2 == widths.len() {
                break;
            }
            h = b.pointwise(h, activation(&self.activation)?);
            if self.residual && i > 0 && pair[0] == pair[1] {
                h = b.add(&[h, below]);
            }
            if self.dropout > 0.0 {
                h = b.pointwise(h, Box::new(Dropout::new(self.dropout, i as u64)));
            }
        }
        Ok(b.finish(h))
    }
}

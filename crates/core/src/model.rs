//! Networks by name. `mlp`: dense layers of the given widths with an activation (and dropout) after every hidden one; with
//! `residual = true` hidden layers of equal width are joined by identity skips: `h = h + phi(W h)`.

use crate::ConfigError;
use crate::layer::{self, Dense, Dropout, Flatten};
use crate::network::{Builder, Network};
use crate::registry::{self, Opt, suggest};
use crate::rules::Rule;
use realign_tensor::{DType, Shape};
use serde::Deserialize;
use toml::{Table, Value};

/// A model as listed to users.
pub struct ModelInfo {
    /// Registry word.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// Options beside `model`.
    pub options: &'static [Opt],
}

/// All models by name.
pub static MODELS: &[ModelInfo] = &[ModelInfo {
    name: "mlp",
    summary: "Dense layers of the given widths, an activation after every hidden one.",
    options: &[
        Opt {
            name: "widths",
            default: "",
            meaning: "units per layer, inputs first, outputs last, e.g. [784, 1000, 10]",
        },
        Opt {
            name: "activation",
            default: "\"relu\"",
            meaning: "a name of `realign layers`, or a table with its options",
        },
        Opt { name: "bias", default: "true", meaning: "whether layers have a bias" },
        Opt {
            name: "dropout",
            default: "0.0",
            meaning: "probability of dropping a hidden output, 0 <= p < 1",
        },
        Opt {
            name: "residual",
            default: "false",
            meaning: "identity skips around hidden layers of equal width",
        },
    ],
}];

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

fn relu() -> Value {
    Value::from("relu")
}

fn yes() -> bool {
    true
}

/// Builds the network of a `[network]` table for these examples; `rule` may restructure it (see [`Rule::widths`]).
pub fn build(
    mut table: Table,
    input: Shape,
    outputs: usize,
    dtype: DType,
    rule: &dyn Rule,
) -> Result<Network, ConfigError> {
    let known: Vec<&str> = MODELS.iter().map(|m| m.name).collect();
    let model = match table.remove("model") {
        None => "mlp".to_string(),
        Some(Value::String(s)) => s,
        Some(other) => return Err(ConfigError::new("model", format!("expected a string, got {other}"))),
    };
    if !known.contains(&model.as_str()) {
        return Err(ConfigError::new(
            "model",
            format!("unknown model \"{model}\"{}", suggest(&model, &known)),
        ));
    }
    let options: Vec<&str> = MODELS[0].options.iter().map(|o| o.name).collect();
    if let Some(key) = table.keys().find(|k| !options.contains(&k.as_str())) {
        return Err(ConfigError::new(
            key,
            format!("\"{model}\" has no option \"{key}\"{}", suggest(key, &options)),
        ));
    }
    let mlp: Mlp = registry::parse(table)?;
    mlp.check(input, outputs)?;
    mlp.build(input, dtype, rule)
}

impl Mlp {
    fn check(&self, input: Shape, outputs: usize) -> Result<(), ConfigError> {
        let fail = |key: &str, message: String| Err(ConfigError::new(key, message));
        if self.widths.len() < 2 {
            return fail("widths", format!("needs at least inputs and outputs, got {:?}", self.widths));
        }
        if let Some(w) = self.widths.iter().find(|w| **w < 1) {
            return fail("widths", format!("every width must be at least 1, got {w}"));
        }
        if self.widths[0] as usize != input.numel() {
            return fail(
                "widths",
                format!("starts with {}, but the data have {} features", self.widths[0], input.numel()),
            );
        }
        let last = self.widths[self.widths.len() - 1];
        if last as usize != outputs {
            return fail("widths", format!("ends with {last}, but data and loss need {outputs} outputs"));
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return fail("dropout", format!("must be in 0 <= dropout < 1, got {}", self.dropout));
        }
        Ok(())
    }

    fn build(&self, input: Shape, dtype: DType, rule: &dyn Rule) -> Result<Network, ConfigError> {
        let widths: Vec<usize> = rule.widths(&self.widths.iter().map(|w| *w as usize).collect::<Vec<_>>());
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
            h = b.pointwise(h, layer::activation(&self.activation).map_err(|e| e.under("activation"))?);
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

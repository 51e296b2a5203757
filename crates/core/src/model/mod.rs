/*!
Networks by name. A model turns its options into a [`Network`] for examples of a given shape; parameter counts equal those of the
implementations that anchors are taken from (asserted in tests). Adding one is one file here and one word in the registry line.
*/

mod convnet;
mod lenet;
mod mlp;
mod resnet;

use crate::ConfigError;
use crate::layer::batch_norm::Backward;
use crate::layer::{self, BatchNorm, Conv2d, Dense, Flatten, Pointwise};
use crate::network::{Builder, Network, NodeId};
use crate::registry::{Allowed, Entry, Opt, suggest};
use crate::rules::Rule;
use realign_tensor::ops::Window;
use realign_tensor::{DType, Shape};
use toml::{Table, Value};

/// A network before the data are known.
pub trait Model: Send + Sync {
    /// The network for examples of shape `input` and so many outputs, all weights zero.
    ///
    /// # Errors
    /// If the examples do not fit.
    fn build(&self, input: Shape, outputs: usize, dtype: DType) -> Result<Network, ConfigError>;
}

/// All models by name.
pub static MODELS: &[Entry<dyn Model>] =
    &[mlp::ENTRY, lenet::ENTRY, convnet::ENTRY, resnet::RESNET20, resnet::RESNET18];

const ACTIVATION: Opt = Opt {
    name: "activation",
    default: "\"relu\"",
    meaning: "after every hidden layer",
    allowed: layer::ACTIVATION,
};
const BIAS: Opt =
    Opt { name: "bias", default: "true", meaning: "whether layers have a bias", allowed: Allowed::Flag };
const AFFINE: Opt = Opt {
    name: "affine",
    default: "true",
    meaning: "whether batch norm scales and shifts (γ, β)",
    allowed: Allowed::Flag,
};
/// Channels of the first stage: no network has more, a slip of the fingers does.
const WIDTH: Allowed = Allowed::Size(1, 1 << 16);
const BACKWARD: Opt = Opt {
    name: "norm_backward",
    default: "\"exact\"",
    meaning: "error through batch norm; \"frozen_stats\": statistics are constants",
    allowed: layer::batch_norm::BACKWARD,
};

/// Reads the options of a `[network]` table, without the data; the model is named by the key `model` (default `mlp`).
///
/// # Errors
/// If the model or an option is unknown or out of range.
pub fn parse(mut table: Table) -> Result<Box<dyn Model>, ConfigError> {
    let known: Vec<&str> = MODELS.iter().map(|m| m.name).collect();
    let name = match table.remove("model") {
        None => "mlp".to_string(),
        Some(Value::String(s)) => s,
        Some(other) => {
            return Err(ConfigError::new("model", format!("expected a word in quotes, got {other}")));
        }
    };
    let entry = MODELS.iter().find(|m| m.name == name).ok_or_else(|| {
        ConfigError::new("model", format!("unknown model \"{name}\"{}", suggest(&name, &known)))
    })?;
    entry.make(table)
}

/// Builds the network of a `[network]` table for these examples; `rule` may replace it by a read-out of the input.
///
/// # Errors
/// As [`parse`], and if the examples do not fit.
pub fn build(
    table: Table,
    input: Shape,
    outputs: usize,
    dtype: DType,
    rule: &dyn Rule,
) -> Result<Network, ConfigError> {
    let net = parse(table)?.build(input, outputs, dtype)?;
    Ok(if rule.readout_only() { readout(&net, outputs, dtype) } else { net })
}

/// A linear read-out of the input, with a bias if the read-out of `net` has one.
fn readout(net: &Network, outputs: usize, dtype: DType) -> Network {
    let input = net.input_shape();
    let bias = net.weighted().last().is_some_and(|&n| net.layer(n).bias().is_some());
    let mut b = Builder::new(input, dtype);
    let mut h = b.input();
    if input.rank() > 1 {
        h = b.pointwise(h, Box::new(Flatten));
    }
    let h = b.layer(h, Dense::new(input.numel(), outputs, bias, dtype));
    b.finish(h)
}

fn relu() -> Value {
    Value::from("relu")
}

fn yes() -> bool {
    true
}

fn activation(value: &Value) -> Result<Box<dyn Pointwise>, ConfigError> {
    layer::activation(value).map_err(|e| e.under("activation"))
}

/// Refuses examples that are no images.
fn needs_images(model: &str, input: Shape) -> Result<(), ConfigError> {
    if input.rank() == 3 {
        return Ok(());
    }
    let message = format!("\"{model}\" reads images (channels x height x width), but the data are {input}");
    Err(ConfigError::new("model", message))
}

/// What the blocks of convolutional models have in common.
struct Blocks<'a> {
    activation: &'a Value,
    bias: bool,
    norm: Option<Norm>,
    dtype: DType,
}

/// Options of batch norm.
#[derive(Clone, Copy)]
struct Norm {
    affine: bool,
    backward: Backward,
}

impl Blocks<'_> {
    /// Convolution, and batch norm where the model has it. `what` is the option to blame if the image is too small.
    fn conv(
        &self,
        b: &mut Builder,
        from: NodeId,
        outputs: usize,
        window: Window,
        what: &str,
    ) -> Result<NodeId, ConfigError> {
        let conv = Conv2d::new(b.shape(from), outputs, window, 1, self.bias, self.dtype)
            .map_err(|e| ConfigError::new(what, e))?;
        let z = b.layer(from, conv);
        Ok(match self.norm {
            Some(n) => b.layer(z, BatchNorm::new(outputs, n.affine, n.backward, self.dtype)),
            None => z,
        })
    }

    /// The same with the activation on top.
    fn active(
        &self,
        b: &mut Builder,
        from: NodeId,
        outputs: usize,
        window: Window,
        what: &str,
    ) -> Result<NodeId, ConfigError> {
        let z = self.conv(b, from, outputs, window, what)?;
        Ok(b.pointwise(z, activation(self.activation)?))
    }
}

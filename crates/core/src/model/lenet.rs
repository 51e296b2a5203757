/*!
`lenet`: the two small networks of BioTorch's benchmarks (Sanfiz & Akrout 2021), ReLU and biases throughout, no padding but on 28x28.

```text
mnist  conv5 1-6, max pool 2, conv5 6-16, max pool 2, conv5 16-120, dense 120-84, dense 84-outputs     61,706 parameters
cifar  conv3 3-32, max pool 2, conv3 32-64, max pool 2, conv3 64-128, global average, dense 128-256, dense 256-outputs    128,842
```

`form = "auto"` takes `mnist` for one channel and `cifar` otherwise. BioTorch resizes MNIST to 32x32; here a 28x28 image is
padded by two pixels in the first convolution instead, as in LeCun et al. 1998.
*/

use super::{ACTIVATION, BIAS, Blocks, Model, activation, needs_images, relu, yes};
use crate::ConfigError;
use crate::layer::{Dense, Flatten, GlobalAvgPool, MaxPool};
use crate::network::{Builder, Network, NodeId};
use crate::registry::{self, Allowed, Entry, Opt};
use realign_tensor::ops::Window;
use realign_tensor::{DType, Shape};
use serde::Deserialize;
use toml::Value;

pub(super) const ENTRY: Entry<dyn Model> = Entry {
    name: "lenet",
    summary: "BioTorch's LeNet in its MNIST and CIFAR forms: three convolutions, two dense layers.",
    formula: "conv, pool, conv, pool, conv, dense, dense",
    citation: "@article{sanfiz2021, author={Sanfiz, Albert Jim{\\'e}nez and Akrout, Mohamed}, title={Benchmarking the accuracy and robustness of feedback alignment algorithms}, journal={arXiv:2108.13446}, year={2021}}",
    options: &[
        Opt {
            name: "form",
            default: "\"auto\"",
            meaning: "\"auto\": mnist for one channel, cifar otherwise",
            allowed: Allowed::Word(&["auto", "mnist", "cifar"]),
        },
        ACTIVATION,
        BIAS,
    ],
    build: |table| Ok(Box::new(registry::parse::<LeNet>(table)?)),
};

#[derive(Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Form {
    #[default]
    Auto,
    Mnist,
    Cifar,
}

/// See the module's description.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LeNet {
    #[serde(default)]
    form: Form,
    #[serde(default = "relu")]
    activation: Value,
    #[serde(default = "yes")]
    bias: bool,
}

impl Model for LeNet {
    fn build(&self, input: Shape, outputs: usize, dtype: DType) -> Result<Network, ConfigError> {
        needs_images("lenet", input)?;
        let mnist = match self.form {
            Form::Auto => input.dims()[0] == 1,
            form => form == Form::Mnist,
        };
        if mnist && !matches!(input.dims()[1..], [28, 28] | [32, 32]) {
            let message = format!("\"mnist\" needs images of 28x28 or 32x32, the data are {input}");
            return Err(ConfigError::new("form", message));
        }
        let (kernel, channels, hidden) = if mnist { (5, [6, 16, 120], 84) } else { (3, [32, 64, 128], 256) };
        let blocks = Blocks { activation: &self.activation, bias: self.bias, norm: None, dtype };
        let mut b = Builder::new(input, dtype);
        let mut h = b.input();
        for (i, &c) in channels.iter().enumerate() {
            let padding = if mnist && i == 0 && input.dims()[1..] == [28, 28] { 2 } else { 0 };
            h = blocks.active(&mut b, h, c, Window::square(kernel, 1, padding), "model")?;
            if i < 2 {
                let pool = MaxPool::new(b.shape(h), Window::square(2, 2, 0));
                h = b.layer(h, pool.map_err(|e| ConfigError::new("model", e))?);
            }
        }
        h = if mnist { b.pointwise(h, Box::new(Flatten)) } else { global(&mut b, h)? };
        let features = b.shape(h).numel();
        h = b.layer(h, Dense::new(features, hidden, self.bias, dtype));
        h = b.pointwise(h, activation(&self.activation)?);
        h = b.layer(h, Dense::new(hidden, outputs, self.bias, dtype));
        Ok(b.finish(h))
    }
}

fn global(b: &mut Builder, h: NodeId) -> Result<NodeId, ConfigError> {
    let pool = GlobalAvgPool::new(b.shape(h)).map_err(|e| ConfigError::new("model", e))?;
    Ok(b.layer(h, pool))
}

/*!
`convnet`: a plain stack of 3x3 convolutions with padding 1, global average pooling and a dense read-out. `depth` convolutions
are spread evenly over `stages`; every stage after the first has twice the channels and half the resolution:

```text
channels of stage s (from 0) = width 2^s
```

With `downsample = "stride"` the first convolution of a stage has stride 2; `"max_pool"` and `"avg_pool"` put a 2x2 pool before it.
*/

use super::{ACTIVATION, AFFINE, BACKWARD, BIAS, Blocks, Model, Norm, WIDTH, needs_images, relu, yes};
use crate::ConfigError;
use crate::layer::batch_norm::Backward;
use crate::layer::{AvgPool, Dense, GlobalAvgPool, MaxPool};
use crate::network::{Builder, Network, NodeId};
use crate::registry::{self, Allowed, Entry, Opt};
use realign_tensor::ops::Window;
use realign_tensor::{DType, Shape};
use serde::Deserialize;
use toml::Value;

pub(super) const ENTRY: Entry<dyn Model> = Entry {
    name: "convnet",
    summary: "Plain stack of 3x3 convolutions, global average pooling, dense read-out.",
    formula: "h_l = φ(W_l ∗ h_{l−1} + b_l)",
    citation: "",
    options: &[
        Opt {
            name: "depth",
            default: "6",
            meaning: "number of convolutions, at least `stages`",
            allowed: Allowed::Size(1, 10_000),
        },
        Opt {
            name: "width",
            default: "32",
            meaning: "channels of the first stage; doubled at every further stage",
            allowed: WIDTH,
        },
        Opt {
            name: "stages",
            default: "3",
            meaning: "number of resolutions, halved from stage to stage",
            allowed: Allowed::Size(1, 16),
        },
        Opt {
            name: "downsample",
            default: "\"stride\"",
            meaning: "what halves the resolution between stages",
            allowed: Allowed::Word(&["stride", "max_pool", "avg_pool"]),
        },
        ACTIVATION,
        BIAS,
        Opt {
            name: "batch_norm",
            default: "false",
            meaning: "batch norm after every convolution",
            allowed: Allowed::Flag,
        },
        AFFINE,
        BACKWARD,
    ],
    build: |table| {
        let model: ConvNet = registry::parse(table)?;
        if model.depth < model.stages {
            let message =
                format!("must be at least the number of stages ({}), got {}", model.stages, model.depth);
            return Err(ConfigError::new("depth", message));
        }
        Ok(Box::new(model))
    },
};

#[derive(Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Downsample {
    #[default]
    Stride,
    MaxPool,
    AvgPool,
}

/// See the module's description.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConvNet {
    #[serde(default = "six")]
    depth: i64,
    #[serde(default = "thirty_two")]
    width: i64,
    #[serde(default = "three")]
    stages: i64,
    #[serde(default)]
    downsample: Downsample,
    #[serde(default = "relu")]
    activation: Value,
    #[serde(default = "yes")]
    bias: bool,
    #[serde(default)]
    batch_norm: bool,
    #[serde(default = "yes")]
    affine: bool,
    #[serde(default)]
    norm_backward: Backward,
}

fn six() -> i64 {
    6
}

fn thirty_two() -> i64 {
    32
}

fn three() -> i64 {
    3
}

impl ConvNet {
    fn pool(&self, b: &mut Builder, h: NodeId) -> Result<NodeId, ConfigError> {
        let (shape, window) = (b.shape(h), Window::square(2, 2, 0));
        let fail = |e| ConfigError::new("stages", e);
        Ok(match self.downsample {
            Downsample::Stride => h,
            Downsample::MaxPool => b.layer(h, MaxPool::new(shape, window).map_err(fail)?),
            Downsample::AvgPool => b.layer(h, AvgPool::new(shape, window).map_err(fail)?),
        })
    }
}

impl Model for ConvNet {
    fn build(&self, input: Shape, outputs: usize, dtype: DType) -> Result<Network, ConfigError> {
        needs_images("convnet", input)?;
        let norm = self.batch_norm.then_some(Norm { affine: self.affine, backward: self.norm_backward });
        let blocks = Blocks { activation: &self.activation, bias: self.bias, norm, dtype };
        let (depth, stages) = (self.depth as usize, self.stages as usize);
        let mut b = Builder::new(input, dtype);
        let mut h = b.input();
        for stage in 0..stages {
            let layers = (stage + 1) * depth / stages - stage * depth / stages;
            for i in 0..layers {
                let first = i == 0 && stage > 0;
                if first {
                    h = self.pool(&mut b, h)?;
                }
                let stride = if first && self.downsample == Downsample::Stride { 2 } else { 1 };
                let channels = (self.width as usize) << stage;
                h = blocks.active(&mut b, h, channels, Window::square(3, stride, 1), "stages")?;
            }
        }
        let pool = GlobalAvgPool::new(b.shape(h)).map_err(|e| ConfigError::new("model", e))?;
        h = b.layer(h, pool);
        let features = b.shape(h).numel();
        h = b.layer(h, Dense::new(features, outputs, self.bias, dtype));
        Ok(b.finish(h))
    }
}

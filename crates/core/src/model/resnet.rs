/*!
Residual networks of basic blocks, `h = phi(norm(W2 * phi(norm(W1 * x))) + shortcut(x))` (He, Zhang, Ren & Sun, CVPR 2016), with global
average pooling and a dense read-out.

```text
resnet20  the CIFAR form: 3x3 stem, 3 stages of 3 blocks with 16, 32, 64 channels. shortcut = "A" (subsample, pad with zeros):
          269,722 parameters for 3 channels and 10 classes; "B" (1x1 convolutions): 272,474
resnet18  4 stages of 2 blocks with 64, 128, 256, 512 channels, shortcut "B"; for 64x64 images (and smaller) the stem is a 3x3
          convolution of stride 1 without pooling: 11,173,962 parameters for 10 classes, 11,271,432 for 200
```

Counts with batch norm and convolutions without bias, the default. Without batch norm nothing replaces it: consider a smaller
learning rate or initial scale.
*/

use super::{ACTIVATION, AFFINE, BACKWARD, Blocks, Model, Norm, WIDTH, activation, needs_images, relu, yes};
use crate::ConfigError;
use crate::layer::batch_norm::Backward;
use crate::layer::{Dense, GlobalAvgPool, PadShortcut};
use crate::network::{Builder, Network, NodeId};
use crate::registry::{self, Allowed, Entry, Opt};
use realign_tensor::ops::Window;
use realign_tensor::{DType, Shape};
use serde::Deserialize;
use toml::{Table, Value};

const CITATION: &str = "@inproceedings{he2016, author={He, Kaiming and Zhang, Xiangyu and Ren, Shaoqing and Sun, Jian}, title={Deep residual learning for image recognition}, booktitle={CVPR}, year={2016}}";
const FORMULA: &str = "h = φ(W₂ ∗ φ(W₁ ∗ x) + shortcut(x))";
const NORM: Opt = Opt {
    name: "batch_norm",
    default: "true",
    meaning: "batch norm after every convolution",
    allowed: Allowed::Flag,
};
const BIAS: Opt = Opt {
    name: "bias",
    default: "false",
    meaning: "whether convolutions have a bias",
    allowed: Allowed::Flag,
};

const fn shortcut(default: &'static str) -> Opt {
    let meaning =
        "\"A\": subsampled and padded with channels of zeros, no parameters; \"B\": 1x1 convolution";
    Opt { name: "shortcut", default, meaning, allowed: Allowed::Word(&["A", "B"]) }
}

const fn width(default: &'static str) -> Opt {
    let meaning = "channels of the first stage; doubled at every further stage";
    Opt { name: "width", default, meaning, allowed: WIDTH }
}

pub(super) const RESNET20: Entry<dyn Model> = Entry {
    name: "resnet20",
    summary: "ResNet-20 in the CIFAR form of He et al., as in BioTorch.",
    formula: FORMULA,
    citation: CITATION,
    options: &[width("16"), shortcut("\"A\""), ACTIVATION, BIAS, NORM, AFFINE, BACKWARD],
    build: |table| ResNet::parse("resnet20", table, &[3, 3, 3], (16, Shortcut::A)),
};

pub(super) const RESNET18: Entry<dyn Model> = Entry {
    name: "resnet18",
    summary: "ResNet-18 for images of 64x64 and smaller: 3x3 stem of stride 1, no pooling after it.",
    formula: FORMULA,
    citation: CITATION,
    options: &[width("64"), shortcut("\"B\""), ACTIVATION, BIAS, NORM, AFFINE, BACKWARD],
    build: |table| ResNet::parse("resnet18", table, &[2, 2, 2, 2], (64, Shortcut::B)),
};

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
enum Shortcut {
    A,
    B,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    width: Option<i64>,
    shortcut: Option<Shortcut>,
    #[serde(default = "relu")]
    activation: Value,
    #[serde(default)]
    bias: bool,
    #[serde(default = "yes")]
    batch_norm: bool,
    #[serde(default = "yes")]
    affine: bool,
    #[serde(default)]
    norm_backward: Backward,
}

/// See the module's description.
struct ResNet {
    name: &'static str,
    /// Blocks per stage.
    stages: &'static [usize],
    width: usize,
    shortcut: Shortcut,
    options: Options,
}

impl ResNet {
    fn parse(
        name: &'static str,
        table: Table,
        stages: &'static [usize],
        (width, shortcut): (i64, Shortcut),
    ) -> Result<Box<dyn Model>, ConfigError> {
        let options: Options = registry::parse(table)?;
        let (width, shortcut) = (options.width.unwrap_or(width), options.shortcut.unwrap_or(shortcut));
        Ok(Box::new(ResNet { name, stages, width: width as usize, shortcut, options }))
    }

    /// One basic block.
    fn block(
        &self,
        blocks: &Blocks<'_>,
        b: &mut Builder,
        x: NodeId,
        channels: usize,
        stride: usize,
    ) -> Result<NodeId, ConfigError> {
        let h = blocks.active(b, x, channels, Window::square(3, stride, 1), "model")?;
        let h = blocks.conv(b, h, channels, Window::square(3, 1, 1), "model")?;
        let same = stride == 1 && b.shape(x) == b.shape(h);
        let skip = match self.shortcut {
            _ if same => x,
            Shortcut::A => {
                let pad = PadShortcut::new(b.shape(x), channels, stride);
                b.layer(x, pad.map_err(|e| ConfigError::new("shortcut", e))?)
            }
            Shortcut::B => blocks.conv(b, x, channels, Window::square(1, stride, 0), "model")?,
        };
        let sum = b.add(&[h, skip]);
        Ok(b.pointwise(sum, activation(&self.options.activation)?))
    }
}

impl Model for ResNet {
    fn build(&self, input: Shape, outputs: usize, dtype: DType) -> Result<Network, ConfigError> {
        needs_images(self.name, input)?;
        let o = &self.options;
        let norm = o.batch_norm.then_some(Norm { affine: o.affine, backward: o.norm_backward });
        let blocks = Blocks { activation: &o.activation, bias: o.bias, norm, dtype };
        let mut b = Builder::new(input, dtype);
        let from = b.input();
        let mut h = blocks.active(&mut b, from, self.width, Window::square(3, 1, 1), "model")?;
        for (stage, &count) in self.stages.iter().enumerate() {
            for i in 0..count {
                let stride = if i == 0 && stage > 0 { 2 } else { 1 };
                h = self.block(&blocks, &mut b, h, self.width << stage, stride)?;
            }
        }
        let pool = GlobalAvgPool::new(b.shape(h)).map_err(|e| ConfigError::new("model", e))?;
        h = b.layer(h, pool);
        let features = b.shape(h).numel();
        h = b.layer(h, Dense::new(features, outputs, true, dtype));
        Ok(b.finish(h))
    }
}

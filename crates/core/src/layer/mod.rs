/*!
Layers. A layer owns parameters and nothing else: no caches, no mode flags, no rule.

Two kinds. A [`Layer`] maps one buffer to another and may have a weight; its backward step takes the carrying
matrix as an argument, `error_back(weight, ...)`: W makes it backpropagation, B feedback alignment. A [`Pointwise`] layer
acts on its buffer in place (activations, dropout, flatten) and its derivative is computed from its own output.
*/

mod avg_pool;
pub mod batch_norm;
mod conv2d;
mod dense;
mod dropout;
mod flatten;
mod global_avg_pool;
mod identity;
mod leaky_relu;
mod max_pool;
mod pad_shortcut;
mod relu;
mod sigmoid;
mod tanh;

pub use avg_pool::AvgPool;
pub use batch_norm::BatchNorm;
pub use conv2d::Conv2d;
pub use dense::Dense;
pub use dropout::Dropout;
pub use flatten::Flatten;
pub use global_avg_pool::GlobalAvgPool;
pub use max_pool::MaxPool;
pub use pad_shortcut::PadShortcut;

use crate::ConfigError;
use crate::registry::{Allowed, Entry, Opt};
use realign_tensor::ops::{self, Accum, Planes};
use realign_tensor::{DType, Par, Rng, Shape, SliceMut, Tensor};
use std::ops::Range;

/// How a pass is made.
#[derive(Clone, Copy)]
pub struct Pass<'a> {
    /// Threads of an operation.
    pub par: Par,
    /// The noise stream of this training step; `None` in evaluation, where noise layers do nothing and batch norm
    /// uses its running statistics.
    pub noise: Option<&'a Rng>,
}

impl Pass<'_> {
    /// Whether this is the pass of a training step.
    pub fn training(&self) -> bool {
        self.noise.is_some()
    }
}

/// What a layer saw in the forward pass, and what it took of the error that reached it.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    /// Its input, examples x features.
    pub x: &'a Tensor,
    /// What it left for its own backward step (empty for most layers).
    pub aux: &'a Tensor,
    /// What [`Layer::sums`] made of the error in this backward pass; empty for most layers, and wherever nobody has asked for it yet.
    pub sums: &'a [f64],
}

/// Entries of a block of G that stay in the second-level cache until they are applied.
const BLOCK: usize = 128 * 1024;

/// A layer from one buffer to another.
pub trait Layer: Send + Sync {
    /// Registry word.
    fn kind(&self) -> &'static str;

    /// Shape of one output example for one input example, or why the input does not fit.
    fn output_shape(&self, input: Shape) -> Result<Shape, String>;

    /// Writes the output; `aux` is this layer's own scratch, kept until the backward step.
    fn forward(&self, x: &Tensor, y: &mut Tensor, aux: &mut Tensor, pass: Pass<'_>);

    /// What the error at the input and the update directions of this layer all need of `delta`, taken in one reading (batch norm: sums per
    /// channel) into `out`, which is empty. A sweep asks once for every layer that an error reached and hands it on as [`Seen::sums`].
    fn sums(&self, _seen: Seen<'_>, _delta: &Tensor, _out: &mut Vec<f64>, _par: Par) {}

    /// Error at the input, carried by `weight` standing in for W (ignored by layers without one): replaces or is added
    /// to `dx`.
    fn error_back(
        &self,
        weight: Option<&Tensor>,
        seen: Seen<'_>,
        delta: &Tensor,
        dx: &mut Tensor,
        accum: Accum,
        par: Par,
    );

    /// Rows `rows` of the update direction G = deltaᵀ x into `g`. The mean over the batch is already in `delta`.
    fn weight_grad(
        &self,
        _seen: Seen<'_>,
        _delta: &Tensor,
        _rows: Range<usize>,
        _g: SliceMut<'_>,
        _par: Par,
    ) {
    }

    /// Adds `alpha` times rows `rows` of G to `w`, these rows of the weight, with the bits of [`Layer::weight_grad`] in blocks of at least
    /// `smallest` rows followed by `w + alpha g`. Layers or sizes for which there is no such short way do nothing and answer false.
    fn add_weight_grad(
        &self,
        _w: SliceMut<'_>,
        _alpha: f64,
        _seen: Seen<'_>,
        _delta: &Tensor,
        _rows: Range<usize>,
        _smallest: usize,
    ) -> bool {
        false
    }

    /// How many of `rows` rows of G, each of `cols` entries, are made and applied at a time: an even number of blocks where there are
    /// several, so that two threads share them evenly.
    fn block_rows(&self, rows: usize, cols: usize) -> usize {
        let blocks = (rows * cols).div_ceil(BLOCK).max(1);
        rows.div_ceil(if blocks > 1 { blocks.next_multiple_of(2) } else { 1 }).max(8)
    }

    /// Update direction of the bias into `g`.
    fn bias_grad(&self, _seen: Seen<'_>, _delta: &Tensor, _g: &mut Tensor, _par: Par) {}

    /// The weight W, outputs first.
    fn weight(&self) -> Option<&Tensor> {
        None
    }

    /// The bias b.
    fn bias(&self) -> Option<&Tensor> {
        None
    }

    /// Both parameters, writable: (W, b).
    fn params_mut(&mut self) -> (Option<&mut Tensor>, Option<&mut Tensor>) {
        (None, None)
    }

    /// (fan_in, fan_out) of the weight, for initialisers.
    fn fans(&self) -> (usize, usize) {
        (0, 0)
    }

    /// Whether the weight is a matrix that carries the error: initialisers draw it and rules may put another in its place. A layer
    /// with other parameters (batch norm) trains them and sends the error back in its own way under every rule.
    fn carried(&self) -> bool {
        self.weight().is_some()
    }

    /// For a layer that reads its input through statistics of the batch and not by a matrix (batch norm): how it sends the error back. The
    /// units below end there; those above are its own.
    fn statistics(&self) -> Option<batch_norm::Backward> {
        None
    }

    /// For a layer with [`Layer::statistics`] that are differentiated: the sum of error at the input times input over examples and
    /// positions, per channel, in closed form from `delta` at the output, parameters and statistics. `out` is made to fit.
    fn balance(&self, _seen: Seen<'_>, _delta: &Tensor, _out: &mut Vec<f64>, _par: Par) {}

    /// For a layer with [`Layer::statistics`] that are differentiated: squares of the gross sizes of what its passes round, per channel, before
    /// anything cancels. `below`: the error at the input times the input; `above`: delta times the output, less the size of
    /// the parameters. Both are made to fit.
    fn gross(
        &self,
        _seen: Seen<'_>,
        _delta: &Tensor,
        _below: &mut Vec<f64>,
        _above: &mut Vec<f64>,
        _par: Par,
    ) {
    }

    /// Takes what the training pass left into the layer's own statistics, after the step.
    fn absorb(&mut self, _seen: Seen<'_>) {}

    /// State beside the parameters that must survive a resume, by name.
    fn buffers(&self) -> Vec<(&'static str, &Tensor)> {
        Vec::new()
    }

    /// The same, writable.
    fn buffers_mut(&mut self) -> Vec<(&'static str, &mut Tensor)> {
        Vec::new()
    }

    /// Channels of zeros that it puts before and after those of its input.
    fn padding(&self) -> [usize; 2] {
        [0, 0]
    }

    /// Whether it keeps the balance identity: positively homogeneous of degree 1 in its input, or, if it has a weight, linear in its own
    /// parameters.
    fn homogeneous(&self) -> bool {
        true
    }
}

/// A layer that works in place on the buffer of its input.
pub trait Pointwise: Send + Sync {
    /// Registry word.
    fn kind(&self) -> &'static str;

    /// Shape of one output example.
    fn output_shape(&self, input: Shape) -> Shape {
        input
    }

    /// Applies the layer to `y` in place.
    fn forward(&self, y: &mut Tensor, aux: &mut Tensor, pass: Pass<'_>);

    /// Turns the error at the output into the error at the input, in place; `y` is the layer's output.
    fn error_back(&self, y: &Tensor, aux: &Tensor, delta: &mut Tensor, par: Par);

    /// Whether phi(a z) = a phi(z) for a > 0.
    fn homogeneous(&self) -> bool;

    /// The stream that this layer draws from in a training step, given the step's noise; `None` if it draws nothing.
    fn draws(&self, _noise: &Rng) -> Option<Rng> {
        None
    }
}

macro_rules! activations {
    ($($module:ident),*) => {
        /// All activations by name.
        pub static ACTIVATIONS: &[Entry<dyn Pointwise>] = &[$($module::ENTRY),*];
    };
}
activations!(relu, leaky_relu, tanh, sigmoid, identity);

/// A layer as listed to users.
pub struct Description {
    /// Registry word.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// Forward formula.
    pub formula: &'static str,
    /// Its options in a spec.
    pub options: &'static [Opt],
}

/// Every layer there is, activations included, for listings.
pub fn descriptions() -> Vec<Description> {
    let fixed = [
        dense::DESCRIPTION,
        conv2d::DESCRIPTION,
        avg_pool::DESCRIPTION,
        max_pool::DESCRIPTION,
        global_avg_pool::DESCRIPTION,
        batch_norm::DESCRIPTION,
        dropout::DESCRIPTION,
        flatten::DESCRIPTION,
        crate::network::ADD,
        pad_shortcut::DESCRIPTION,
    ];
    let activations = ACTIVATIONS.iter().map(|e| Description {
        name: e.name,
        summary: e.summary,
        formula: e.formula,
        options: e.options,
    });
    fixed.into_iter().chain(activations).collect()
}

/// An activation from its spec: a name, or a table with name and options.
pub fn activation(value: &toml::Value) -> Result<Box<dyn Pointwise>, ConfigError> {
    let table = match value {
        toml::Value::String(s) => {
            [("name".to_string(), toml::Value::String(s.clone()))].into_iter().collect()
        }
        toml::Value::Table(t) => t.clone(),
        other => {
            let message = format!(
                "expected a name in quotes, or a table like {{ name = \"leaky_relu\", slope = 0.1 }}, got {other}"
            );
            return Err(ConfigError::new("", message));
        }
    };
    crate::registry::build(ACTIVATIONS, "activation", table)
}

/// An activation, as written in a spec.
pub(crate) const ACTIVATION: Allowed =
    Allowed::Form("a name of `realign layers`, or a table with it and its options", |v| {
        activation(v).map(drop).map_err(Into::into)
    });

/// Channels and (height, width) of an image's shape.
fn image(shape: Shape) -> Result<(usize, [usize; 2]), String> {
    match *shape.dims() {
        [channels, height, width] => Ok((channels, [height, width])),
        _ => Err(format!("expected an image, channels x height x width, got {shape}")),
    }
}

/// Shape after a window has slid over every channel, or why the input does not fit.
fn pooled(p: &Planes, input: Shape) -> Result<Shape, String> {
    if image(input)? == (p.channels, p.size) {
        Ok(Shape::new(&[p.channels, p.out()[0], p.out()[1]]))
    } else {
        Err(format!("expected {}x{}x{}, got {input}", p.channels, p.size[0], p.size[1]))
    }
}

/// Gives `aux` this shape and dtype; allocates only at first and above the largest number of rows seen.
fn fit(aux: &mut Tensor, shape: Shape, dtype: DType) {
    let rows = shape.dims()[0];
    if aux.dtype() == dtype && aux.shape().with_rows(rows) == shape {
        aux.set_rows(rows);
    } else {
        *aux = Tensor::zeros(shape, dtype);
    }
}

/// Update direction of one bias per channel: the sum of its errors.
fn channel_bias_grad(delta: &Tensor, g: &mut Tensor, par: Par) {
    ops::with_scratch::<f64, _>(g.numel(), |sums| {
        ops::channel_sums(delta, sums, par);
        sums.iter().enumerate().for_each(|(c, &s)| g.set(c, s));
    });
}

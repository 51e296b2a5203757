/*!
Layers. A layer owns parameters and nothing else: no caches, no mode flags, no rule.

Two kinds. A [`Layer`] maps one buffer to another and may have a weight; its backward step takes the carrying
matrix as an argument, `error_back(weight, ...)`: W makes it backpropagation, B feedback alignment. A [`Pointwise`] layer
acts on its buffer in place (activations, dropout, flatten) and its derivative is computed from its own output.
*/

mod dense;
mod dropout;
mod flatten;
mod identity;
mod leaky_relu;
mod relu;
mod sigmoid;
mod tanh;

pub use dense::Dense;
pub use dropout::Dropout;
pub use flatten::Flatten;

use crate::ConfigError;
use crate::registry::{Entry, Opt};
use realign_tensor::{Par, Rng, Shape, SliceMut, Tensor, ops::Accum};
use std::ops::Range;

/// How a pass is made.
#[derive(Clone, Copy)]
pub struct Pass<'a> {
    /// Threads for the products.
    pub par: Par,
    /// The noise stream of this training step; `None` in evaluation, where noise layers do nothing.
    pub noise: Option<&'a Rng>,
}

/// What a layer saw in the forward pass.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    /// Its input, examples x features.
    pub x: &'a Tensor,
    /// What it left for its own backward step (empty for most layers).
    pub aux: &'a Tensor,
}

/// A layer from one buffer to another.
pub trait Layer: Send + Sync {
    /// Registry word.
    fn kind(&self) -> &'static str;

    /// Shape of one output example for one input example, or why the input does not fit.
    fn output_shape(&self, input: Shape) -> Result<Shape, String>;

    /// Writes the output; `aux` is this layer's own scratch, kept until the backward step.
    fn forward(&self, x: &Tensor, y: &mut Tensor, aux: &mut Tensor, pass: Pass<'_>);

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

    /// Update direction of the bias into `g`.
    fn bias_grad(&self, _delta: &Tensor, _g: &mut Tensor) {}

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

    /// Whether the map without parameters of its own, or its linear part, is positively homogeneous of degree 1 in its
    /// input, so that the balance identity holds across it.
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
    fn error_back(&self, y: &Tensor, aux: &Tensor, delta: &mut Tensor);

    /// Whether phi(a z) = a phi(z) for a > 0.
    fn homogeneous(&self) -> bool;
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
    let fixed = [dense::DESCRIPTION, dropout::DESCRIPTION, flatten::DESCRIPTION, crate::network::ADD];
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
            return Err(ConfigError::new("", format!("expected a name or a table with name, got {other}")));
        }
    };
    crate::registry::build(ACTIVATIONS, "activation", table)
}

/*!
Initial values of W, b and B.

Every layer draws from its own branch of the random tree ("init" or "feedback", then the layer's number), so W and
B do not depend on the rule, and B is independent of W unless asked to be `equal` to it, at a prescribed cosine, or `aligned`.
*/

mod class_means;
mod draws;
mod feedback;

pub use class_means::{WEIGHTS, class_labels};
pub use draws::{Draw, INITS, InitInfo, SCALE};
pub use feedback::{FEEDBACKS, Feedback, FeedbackInit, feedback_options};

use crate::ConfigError;
use crate::network::Network;
use realign_data::Dataset;
use realign_tensor::{Rng, Tensor};
use toml::Table;

/// How W and b start.
#[derive(Clone, Debug)]
pub struct WeightInit {
    /// Distribution of W.
    pub weight: Draw,
    /// Distribution of b.
    pub bias: Draw,
    /// Whether one hidden unit per class starts along its class mean.
    pub class_means: bool,
}

impl Default for WeightInit {
    fn default() -> Self {
        WeightInit { weight: Draw::named("xavier_uniform"), bias: Draw::named("zeros"), class_means: false }
    }
}

impl WeightInit {
    /// Reads `weight` and `bias` tables of `[init]`; the bias follows the weight only for `torch_default`.
    pub fn parse(mut weight: Option<Table>, bias: Option<Table>) -> Result<Self, ConfigError> {
        let class_means = weight.as_mut().is_some_and(class_means::take);
        let weight = weight
            .map_or(Ok(Draw::named("xavier_uniform")), |t| Draw::parse(t).map_err(|e| e.under("weight")))?;
        let implied = if weight.name() == "torch_default" { "torch_default" } else { "zeros" };
        let bias = bias.map_or(Ok(Draw::named(implied)), |t| Draw::parse(t).map_err(|e| e.under("bias")))?;
        Ok(WeightInit { weight, bias, class_means })
    }

    /// Draws every parameter of `net` from the branch "init" of the run's random tree.
    pub fn apply(&self, net: &mut Network, root: &Rng) {
        let branch = root.child("init");
        for (i, node) in net.weighted().to_vec().into_iter().enumerate() {
            let layer = net.layer_mut(node);
            let (fans, rng) = (layer.fans(), branch.at(i as u64));
            // Other parameters (batch norm's) start where the layer put them.
            if !layer.carried() {
                continue;
            }
            if let (Some(w), bias) = layer.params_mut() {
                w.copy_from(&self.weight.draw(w.shape(), fans, w.dtype(), &mut rng.child("weight")));
                if let Some(b) = bias {
                    b.copy_from(&self.bias.draw(b.shape(), fans, b.dtype(), &mut rng.child("bias")));
                }
            }
        }
    }
}

impl WeightInit {
    /// Starts one hidden unit per class along its class mean, if asked to; after [`WeightInit::apply`].
    ///
    /// # Errors
    /// If the data have no classes or the first layer too few units.
    pub fn place(&self, net: &mut Network, data: &Dataset) -> Result<(), ConfigError> {
        if self.class_means { class_means::place(net, data, &self.weight) } else { Ok(()) }
    }
}

/// The named tensors of a network, PyTorch's names: `layers.<i>.weight`, `layers.<i>.bias`.
pub fn named_parameters(net: &Network) -> Vec<(String, &Tensor)> {
    let mut out = Vec::new();
    for (i, &node) in net.weighted().iter().enumerate() {
        let layer = net.layer(node);
        out.extend(layer.weight().map(|t| (format!("layers.{i}.weight"), t)));
        out.extend(layer.bias().map(|t| (format!("layers.{i}.bias"), t)));
    }
    out
}

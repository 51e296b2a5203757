/*!
Feedback weights B and how they start.

B_l has the shape of W_l and exists where an error is carried through layer l (not below the first weight). It is drawn
by any law of [`super::INITS`], independent of W; or `equal` to W; or at a prescribed `cosine` c to W with the norm of W:
`B = ||W|| (c W/||W|| + √(1-c²) N⊥/||N⊥||)`, N⊥ a normal matrix made orthogonal to W; or `aligned`: B = scale W, and rows of hidden
layers are shrunk until the aligned condition of [`crate::rules::Alignment`] holds for every unit (the trainer does that, see `train/start.rs`).
*/

use super::draws::{Draw, INITS, SCALE};
use crate::ConfigError;
use crate::network::{Network, NodeId};
use crate::registry::{self, Allowed, Opt, suggest};
use realign_tensor::{Rng, Tensor, ops};
use serde::Deserialize;
use toml::{Table, Value};

/// The feedback weights of a network, by node.
#[derive(Clone, Default)]
pub struct Feedback {
    tensors: Vec<Option<Tensor>>,
}

impl Feedback {
    /// No feedback weights at all.
    pub fn none() -> Self {
        Feedback::default()
    }

    /// One tensor for every node through which an error is carried, made by `make`.
    pub fn per_layer(net: &Network, mut make: impl FnMut(usize, NodeId) -> Tensor) -> Self {
        let mut tensors: Vec<Option<Tensor>> = net.nodes().iter().map(|_| None).collect();
        for (i, &node) in net.weighted().iter().enumerate() {
            if net.carries(node) {
                tensors[node.0] = Some(make(i, node));
            }
        }
        Feedback { tensors }
    }

    /// B at `node`, if there is one.
    pub fn at(&self, node: NodeId) -> Option<&Tensor> {
        self.tensors.get(node.0).and_then(Option::as_ref)
    }

    /// B at `node`, writable.
    pub fn at_mut(&mut self, node: NodeId) -> Option<&mut Tensor> {
        self.tensors.get_mut(node.0).and_then(Option::as_mut)
    }

    /// B at `node`.
    ///
    /// # Panics
    /// If the rule made none there.
    #[track_caller]
    pub fn get(&self, node: NodeId) -> &Tensor {
        self.at(node).unwrap_or_else(|| panic!("no feedback weights at node {}", node.0))
    }
}

/// How B starts.
#[derive(Clone, Debug)]
pub enum FeedbackInit {
    /// Independent of W.
    Draw(Draw),
    /// B = scale W.
    Equal {
        /// Factor on every entry.
        scale: f64,
    },
    /// cos(W, B) = cosine and ||B|| = scale ||W|| in every layer.
    Cosine {
        /// The cosine, -1 to 1.
        cosine: f64,
        /// Factor on the norm.
        scale: f64,
    },
    /// B = scale W, with (1 + margin) N_k <= min(‖W_{l+1}[:,k]‖², 2 budget_k) for every hidden unit k.
    Aligned {
        /// Factor on every entry.
        scale: f64,
        /// Room that is left to the law.
        margin: f64,
    },
}

/// Names beyond [`INITS`], what they mean and which options they take.
pub const FEEDBACKS: &[(&str, &str, &[Opt])] = &[
    ("equal", "B = scale · W", &[SCALE]),
    ("cosine", "cos(W, B) = cosine, ‖B‖ = scale · ‖W‖", COSINE),
    (
        "aligned",
        "B = scale · W, and hidden rows are shrunk until (1 + margin)(‖W_l[k,:]‖² + b_l[k]²) ≤ min(‖W_{l+1}[:,k]‖², 2 budget_k) \
         for every unit k: the law then keeps every unit aligned",
        ALIGNED,
    ),
];

const COSINE: &[Opt] =
    &[SCALE, Opt { name: "cosine", default: "", meaning: "cos(W, B)", allowed: Allowed::between(-1.0, 1.0) }];
const ALIGNED: &[Opt] = &[
    SCALE,
    Opt {
        name: "margin",
        default: "0.5",
        meaning: "room left above the aligned condition",
        allowed: Allowed::POSITIVE,
    },
];

/// The options of a feedback initialiser beside its name.
pub fn feedback_options(name: &str) -> &'static [Opt] {
    FEEDBACKS.iter().find(|f| f.0 == name).map_or(&[SCALE], |f| f.2)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    #[serde(default = "one")]
    scale: f64,
    cosine: Option<f64>,
    #[serde(default = "half")]
    margin: f64,
}

fn half() -> f64 {
    0.5
}

fn one() -> f64 {
    1.0
}

impl Default for FeedbackInit {
    fn default() -> Self {
        FeedbackInit::Draw(Draw::named("xavier_uniform"))
    }
}

impl FeedbackInit {
    /// Reads `{ name = "...", scale = 1.0, cosine = 0.5 }`.
    pub fn parse(table: Table) -> Result<Self, ConfigError> {
        let name = match table.get("name") {
            Some(Value::String(s)) => s.clone(),
            _ => return Draw::parse(table).map(FeedbackInit::Draw),
        };
        if !FEEDBACKS.iter().any(|f| f.0 == name) {
            let known: Vec<&str> =
                INITS.iter().map(|i| i.name).chain(FEEDBACKS.iter().map(|f| f.0)).collect();
            return if known.contains(&name.as_str()) {
                Draw::parse(table).map(FeedbackInit::Draw)
            } else {
                Err(ConfigError::new(
                    "name",
                    format!("unknown feedback initialiser \"{name}\"{}", suggest(&name, &known)),
                ))
            };
        }
        let rest: Table = table.into_iter().filter(|(k, _)| k != "name").collect();
        registry::check(&name, feedback_options(&name), &rest)?;
        let Options { scale, cosine, margin } = registry::parse(rest)?;
        Ok(match (name.as_str(), cosine) {
            ("equal", _) => FeedbackInit::Equal { scale },
            ("aligned", _) => FeedbackInit::Aligned { scale, margin },
            (_, Some(cosine)) => FeedbackInit::Cosine { cosine, scale },
            (_, None) => unreachable!("its options were checked"),
        })
    }

    /// Makes B for every layer that carries an error, from the branch "feedback" of the run's random tree.
    pub fn make(&self, net: &Network, root: &Rng) -> Feedback {
        let branch = root.child("feedback");
        Feedback::per_layer(net, |i, node| {
            let mut rng = branch.at(i as u64);
            let (w, fans) = (net.weight(node), net.layer(node).fans());
            match self {
                FeedbackInit::Draw(draw) => draw.draw(w.shape(), fans, w.dtype(), &mut rng),
                FeedbackInit::Equal { scale } | FeedbackInit::Aligned { scale, .. } => scaled(w, *scale),
                FeedbackInit::Cosine { cosine, scale } => at_cosine(w, *cosine, *scale, &mut rng),
            }
        })
    }
}

fn scaled(w: &Tensor, scale: f64) -> Tensor {
    let mut b = w.clone();
    ops::scale(&mut b, scale);
    b
}

fn at_cosine(w: &Tensor, cosine: f64, scale: f64, rng: &mut Rng) -> Tensor {
    let wide = w.cast(realign_tensor::DType::F64);
    let norm = ops::norm_sq(&wide).sqrt();
    let mut n = rng.normal_tensor(w.shape(), 1.0, realign_tensor::DType::F64);
    if norm > 0.0 {
        let along = ops::dot(&n, &wide) / (norm * norm);
        ops::axpy(&mut n, &wide, -along);
    }
    let rest = ops::norm_sq(&n).sqrt();
    ops::scale(&mut n, scale * norm * (1.0 - cosine * cosine).max(0.0).sqrt() / rest.max(f64::MIN_POSITIVE));
    ops::axpy(&mut n, &wide, scale * cosine);
    n.cast(w.dtype())
}

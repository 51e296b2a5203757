//! Sign feedback alignment (uniform sign, sign-symmetry): `M_l = c sign(W_l(t))`, sign(0) = 0.
//!
//! Liao, Leibo & Poggio, AAAI 2016; Xiao et al. 2018; Moskovitz et al. 2018. Conserved per hidden unit by the flow:
//! c‖W_{l+1}[:,k]‖₁ − ½‖W_l[k,:]‖², with jumps at sign flips only. The scale c by name: `biotorch` √(2/(fan_in+fan_out));
//! `xiao` as in the code of Xiao et al., √(2/(height width C_out)) of a convolution's filters (their initial standard deviation there) and
//! 1/√fan_in of a dense layer; or a number.

use super::{Feedback, InitCx, Potential, Rule, entrywise, sweep_feedback};
use crate::ConfigError;
use crate::network::{Errors, Network, NodeId, Trace};
use crate::registry::{Allowed, Entry, Opt};
use realign_tensor::{Par, Tensor, ops};
use toml::Value;

pub(super) const ENTRY: Entry<dyn Rule> = Entry {
    name: "sign_fa",
    summary: "Sign-FA: the error is carried by the signs of the forward weights times a constant.",
    formula: "δ_l = φ'(z_l) ∘ (c sign(W_{l+1})ᵀ δ_{l+1})",
    citation: "@inproceedings{liao2016, author={Liao, Qianli and Leibo, Joel Z. and Poggio, Tomaso}, title={How important is weight symmetry in backpropagation?}, booktitle={AAAI}, year={2016}}",
    options: &[Opt {
        name: "scale",
        default: "\"biotorch\"",
        meaning: "c: \"biotorch\" √(2/(fan_in+fan_out)); \"xiao\" √(2/(k·k·C_out)) for k x k filters and 1/√fan_in for dense layers; or a number",
        allowed: Allowed::Either(&[Allowed::Word(&["biotorch", "xiao"]), Allowed::NON_NEGATIVE]),
    }],
    build: |table| {
        let scale = match table.get("scale") {
            Some(Value::Float(c)) => Scale::Number(*c),
            Some(Value::Integer(c)) => Scale::Number(*c as f64),
            Some(Value::String(s)) if s == "xiao" => Scale::Xiao,
            _ => Scale::Biotorch,
        };
        Ok(Box::new(SignFa { scale }))
    },
};

enum Scale {
    Biotorch,
    Xiao,
    Number(f64),
}

/// See the module's formula.
pub struct SignFa {
    scale: Scale,
}

impl SignFa {
    /// c for the layer at `node`.
    pub fn scale(&self, net: &Network, node: NodeId) -> f64 {
        let (fan_in, fan_out) = net.layer(node).fans();
        match self.scale {
            Scale::Biotorch => (2.0 / (fan_in + fan_out) as f64).sqrt(),
            // fan_out of filters is height x width x C_out, whatever the groups.
            Scale::Xiao if net.weight(node).shape().rank() == 4 => (2.0 / fan_out as f64).sqrt(),
            Scale::Xiao => (1.0 / fan_in as f64).sqrt(),
            Scale::Number(c) => c,
        }
    }

    fn refresh(&self, net: &Network, node: NodeId, m: &mut Tensor, par: Par) {
        ops::sign_scaled(m, net.weight(node), self.scale(net, node), par);
    }
}

impl Rule for SignFa {
    fn name(&self) -> &'static str {
        "sign_fa"
    }

    fn feedback(&self, cx: &InitCx<'_>) -> Result<Feedback, ConfigError> {
        Ok(Feedback::per_layer(cx.net, |_, node| {
            let mut m = cx.net.weight(node).zeros_like();
            self.refresh(cx.net, node, &mut m, Par::Seq);
            m
        }))
    }

    fn errors(&self, net: &Network, b: &mut Feedback, trace: &Trace, errors: &mut Errors, par: Par) {
        for &node in net.weighted() {
            if let Some(m) = b.at_mut(node) {
                self.refresh(net, node, m, par);
            }
        }
        sweep_feedback(net, b, trace, errors, par);
    }

    fn sign_scale(&self, net: &Network, node: NodeId) -> Option<f64> {
        Some(self.scale(net, node))
    }

    fn potential(&self, net: &Network, node: NodeId) -> Option<Box<dyn Potential>> {
        // c as the carrying matrix holds it, rounded to the training dtype.
        let c = net.dtype().round(self.scale(net, node));
        let sign = |w: f64| if w == 0.0 { 0.0 } else { w.signum() };
        entrywise("c‖W‖₁", move |_, _, x| c * x.abs(), move |w, _| c * sign(w))
    }
}

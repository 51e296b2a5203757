//! Backpropagation: `M_l = W_l`. G is the gradient of the loss.
//!
//! Rumelhart, Hinton & Williams, Nature 323 (1986). Conserved per hidden unit by the flow: ½‖W_{l+1}[:,k]‖² − ½‖W_l[k,:]‖².

use super::{Feedback, Potential, Rule, entrywise};
use crate::network::{Errors, Network, NodeId, Trace, sweep};
use crate::registry::Entry;
use realign_tensor::Par;

pub(super) const ENTRY: Entry<dyn Rule> = Entry {
    name: "bp",
    summary: "Backpropagation: the error is carried by the transpose of the forward weights.",
    formula: "δ_l = φ'(z_l) ∘ (W_{l+1}ᵀ δ_{l+1})",
    citation: "@article{rumelhart1986, author={Rumelhart, David E. and Hinton, Geoffrey E. and Williams, Ronald J.}, title={Learning representations by back-propagating errors}, journal={Nature}, volume={323}, pages={533--536}, year={1986}}",
    options: &[],
    build: |_| Ok(Box::new(Bp)),
};

/// See the module's formula.
pub struct Bp;

impl Rule for Bp {
    fn name(&self) -> &'static str {
        "bp"
    }

    fn errors(&self, net: &Network, _: &mut Feedback, trace: &Trace, errors: &mut Errors, par: Par) {
        sweep(net, trace, errors, |node| net.weight(node), par);
    }

    fn potential(&self, _: &Network, _: NodeId) -> Option<Box<dyn Potential>> {
        entrywise("½‖W‖²", |_, _, x| 0.5 * x * x, |w, _| w)
    }
}

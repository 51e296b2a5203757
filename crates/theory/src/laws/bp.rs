//! Backpropagation: layers stay balanced, `½‖W_{l+1}[:,k]‖² - ½(‖W_l[k,:]‖² + b²)` is conserved per hidden unit.

use super::{Info, Order, balance::Balance};

const INFO: Info = Info {
    name: "bp",
    statement: "½‖W_{l+1}[:,k]‖² − ½(‖W_l[k,:]‖² + b_l[k]²) stays what it is, for every hidden unit k",
    assumptions: &[
        "rule bp",
        "everything between the two layers positively homogeneous (ReLU, leaky ReLU, linear, dropout)",
        "SGD or flow without momentum and weight decay, the same rate for all layers",
    ],
    order: Order::First,
    account: "½‖dW_{l+1}[:,k]‖² − ½‖dW_l[k,:]‖² − ½db² per step",
    citation: "Du, Hu & Lee, NeurIPS 2018",
};

pub(super) static LAW: Balance = Balance { rule: "bp", info: &INFO, kinks: false };

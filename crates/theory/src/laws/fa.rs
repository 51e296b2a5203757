//! FA: `<W_{l+1}[:,k], B[:,k]> - ½(‖W_l[k,:]‖² + b²)` is conserved per hidden unit; under plain SGD it only falls.

use super::{Info, Order, ROBERTSON, balance::Balance};

const INFO: Info = Info {
    name: "fa",
    statement: "<W_{l+1}[:,k], B_{l+1}[:,k]> − ½(‖W_l[k,:]‖² + b_l[k]²) stays what it is, for every hidden unit k",
    assumptions: &[
        "rule fa: B fixed",
        "everything between the two layers positively homogeneous (ReLU, leaky ReLU, linear, dropout)",
        "SGD or flow without momentum and weight decay, the same rate for all layers",
    ],
    order: Order::First,
    account: "−½‖dW_l[k,:]‖² − ½db² per step: it only falls",
    citation: ROBERTSON,
};

pub(super) static LAW: Balance = Balance { rule: "fa", info: &INFO, kinks: false };

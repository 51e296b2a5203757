//! Sign-FA: `c‖W_{l+1}[:,k]‖₁ - ½(‖W_l[k,:]‖² + b²)` is conserved per hidden unit, through flips of signs.

use super::{Info, Order, ROBERTSON, balance::Balance};

const INFO: Info = Info {
    name: "sign_fa",
    statement: "c‖W_{l+1}[:,k]‖₁ − ½(‖W_l[k,:]‖² + b_l[k]²) stays what it is, for every hidden unit k",
    assumptions: &[
        "rule sign_fa",
        "everything between the two layers positively homogeneous (ReLU, leaky ReLU, linear, dropout)",
        "SGD or flow without momentum and weight decay, the same rate for all layers",
    ],
    order: Order::First,
    account: "2c Σ|w'| over entries that flipped sign − ½‖dW_l[k,:]‖² − ½db² per step",
    citation: ROBERTSON,
};

pub(super) static LAW: Balance = Balance { rule: "sign_fa", info: &INFO, kinks: true };

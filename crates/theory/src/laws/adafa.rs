//! Adaptive FA, OUR RECONSTRUCTION (Kolen-Pollack form): `‖B[:,k]‖²/(2 kappa) - ½(‖W_l[k,:]‖² + b²)` is conserved per hidden unit.

use super::{Info, Order, balance::Balance};

const INFO: Info = Info {
    name: "adafa",
    statement: "‖B_{l+1}[:,k]‖²/(2κ) − ½(‖W_l[k,:]‖² + b_l[k]²) stays what it is, for every hidden unit k",
    assumptions: &[
        "rule adafa (our reconstruction, Kolen-Pollack form) without decay",
        "everything between the two layers positively homogeneous (ReLU, leaky ReLU, linear, dropout)",
        "SGD or flow without momentum and weight decay, the same rate for all layers",
    ],
    order: Order::First,
    account: "(κ/2)‖dW_{l+1}[:,k]‖² − ½‖dW_l[k,:]‖² − ½db² per step",
    citation: "derived for this project; Kolen & Pollack 1994",
};

pub(super) static LAW: Balance = Balance { rule: "adafa", info: &INFO, kinks: false };

//! AdamW: Adam with decoupled decay, `dW = -eta lambda W - eta m̂/(√v̂ + eps)`. Loshchilov & Hutter, ICLR 2019.

use super::Optimizer;
use super::adam::{Adam, OPTIONS, options};
use crate::registry::Entry;

pub(super) const ENTRY: Entry<dyn Optimizer> = Entry {
    name: "adamw",
    summary: "Adam with decoupled weight decay.",
    formula: "dW = −ηλW − η m̂ / (√v̂ + ε)",
    citation: "@inproceedings{loshchilov2019, author={Loshchilov, Ilya and Hutter, Frank}, title={Decoupled weight decay regularization}, booktitle={ICLR}, year={2019}}",
    options: OPTIONS,
    build: |table| Ok(Box::new(Adam { options: options(table)?, decoupled: true })),
};

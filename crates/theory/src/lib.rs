/*!
What the theory of feedback alignment says about a run: conserved potentials and the ledger that explains every change of them,
the decomposition of progress into alignment and norms, and certificates of convergence.

Statements and notation: `docs/theory.md`.
*/

pub mod certify;
pub mod dominance;
pub mod laws;
pub mod ledger;
pub mod number;
pub mod probes;

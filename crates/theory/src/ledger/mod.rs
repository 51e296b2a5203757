/*!
The conservation ledger. For ONE step of any optimizer, with M = grad Phi, dW = −eta G + R and
`P_k = Phi_k(W_{l+1}) − ½(‖W_l[k,:]‖² + b_l[k]²)`, exactly:

```text
P_k(t+1) − P_k(t) =   D_Phi(W_{l+1}(t+1), W_{l+1}(t))_k                          reader      >= 0
                    − ½‖dW_l[k,:]‖² − ½db²                                       writer      <= 0
                    + <M[:,k], R_{l+1}[:,k]> − <W_l[k,:], R_l[k,:]> − b R_b       optimizer   decay, momentum, adaptive, clipping
                    − eta (<G_{l+1}[:,k], M[:,k]> − <G_l[k,:], W_l[k,:]> − g_b b)  path        0 if everything between is homogeneous
                    + eta Σ balance_k                                            eps         of batch norm that reads the units: gamma G_gamma eps / (var + eps)
                    + [Phi_{t+1} − Phi_t](W_{l+1}(t+1))_k                        plasticity  feedback weights that moved by themselves
                    + residual                                                   rounding, or a wrong update
```

In a residual stream P_k sums over all readers and all writers. What batch norm reads has no Phi: P_k = −½‖W_l[k,:]‖², and the account eps takes
from the path what is known in closed form (`realign::layer::Layer::balance`). Books are kept in f64 from what the step really did, whatever the training
dtype. docs/theory.md proves it in three lines; Robertson & Koyejo (ICML 2024) state the limit eta -> 0, R = 0. This module does the sums
([`books`]), says what rounding may add to them (`rounding`), the probe keeps them during a run ([`probe`]), and the audit judges them ([`audit`]).
*/

pub mod audit;
pub mod books;
pub mod probe;
mod rounding;

pub use audit::{Audit, Finding, LayerAudit, Verdict};
pub use books::{Accounts, Books, StepOfUnit};

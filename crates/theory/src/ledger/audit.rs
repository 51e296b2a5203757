/*!
The audit: what the books of a run say, layer by layer, and whether they close.

Books are closed when, in every step and every unit, the residual is at rounding, and the path account too wherever everything between the
weights declares itself homogeneous; and when the residual of the whole run is at rounding of what was exchanged. Otherwise the
audit names the first step, unit and account. An audit is made from the rows of the probe `ledger` alone.
*/

use super::books::{Accounts, Opening};
use super::probe::{NAMES, NO_LAW};
use realign::optim::PARTS;
use realign::train::{NoLaw, Row};
use serde::Serialize;

/// What the books of one stream say.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// Every change has a named cause.
    Closed,
    /// They do not close; first at this step and unit (`None`: only the sum over the run is off).
    Open {
        /// Training step, from 0.
        step: Option<u64>,
        /// Unit of the layer.
        unit: Option<usize>,
        /// `path` (a wrong backward pass) or `residual` (a wrong update).
        account: &'static str,
    },
    /// Rounding is a fair part of what was exchanged (steps lost to the training dtype), or numbers overflowed: the books neither close nor stay open.
    Undecided,
    /// There is no law to audit.
    NoLaw {
        /// Why.
        reason: &'static str,
    },
}

/// The books of one hidden stream, named by the lowest layer that writes it.
#[derive(Clone, Debug, Serialize)]
pub struct LayerAudit {
    /// Weighted layer, from 0 at the bottom.
    pub layer: usize,
    /// Whether the path must balance.
    pub homogeneous: bool,
    /// Whether statistics (batch norm) read the units: then their part of P is −½‖W‖² alone, and there is no Phi to exchange with.
    pub normalized: bool,
    /// P summed over units when the books were opened.
    pub opening: f64,
    /// P summed over units at the end.
    pub closing: f64,
    /// |change of Phi|, e.g. of <W, B>.
    pub exchanged_phi: f64,
    /// |change of ½‖W‖²|.
    pub exchanged_norm: f64,
    /// Closing less opening.
    pub drift: f64,
    /// The drift relative to the larger exchanged amount.
    pub relative_drift: f64,
    /// The drift the plain law predicts for plain steps of this size: the writer account.
    pub predicted: f64,
    /// What all accounts but path and residual explain.
    pub explained: f64,
    /// Reader account.
    pub reader: f64,
    /// Writer account.
    pub writer: f64,
    /// Optimizer account, part decay.
    pub decay: f64,
    /// Optimizer account, part momentum.
    pub momentum: f64,
    /// Optimizer account, part adaptive scaling.
    pub adaptive: f64,
    /// Optimizer account, part clipping.
    pub clipping: f64,
    /// Path account.
    pub path: f64,
    /// Account of the eps of statistics that read the units (batch norm).
    pub eps: f64,
    /// Plasticity account.
    pub plasticity: f64,
    /// Steps that were not watched.
    pub unwatched: f64,
    /// What no account explains.
    pub residual: f64,
    /// The residual relative to the larger exchanged amount.
    pub relative_residual: f64,
    /// The path relative to the larger exchanged amount.
    pub relative_path: f64,
    /// The verdict.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Causes of the drift in plain words, the largest first.
    pub causes: Vec<String>,
}

/// All layers of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Audit {
    /// Whether every layer with a law is closed and there is at least one.
    pub closed: bool,
    /// Layer by layer, bottom to top.
    pub layers: Vec<LayerAudit>,
}

impl Audit {
    /// Reads the last rows of the probe `ledger`.
    pub fn from_rows(rows: &[Row]) -> Audit {
        let last = rows.iter().filter(|r| r.probe == "ledger" && r.unit.is_none());
        let step = last.clone().map(|r| r.step).max().unwrap_or(0);
        let last: Vec<&Row> = last.filter(|r| r.step == step).collect();
        let mut numbers: Vec<usize> = last.iter().filter_map(|r| r.layer).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let layers: Vec<LayerAudit> = numbers.into_iter().map(|l| LayerAudit::from_rows(&last, l)).collect();
        let lawful = || layers.iter().filter(|l| !matches!(l.verdict, Verdict::NoLaw { .. }));
        Audit { closed: lawful().count() > 0 && lawful().all(|l| l.verdict == Verdict::Closed), layers }
    }
}

impl LayerAudit {
    fn from_rows(rows: &[&Row], layer: usize) -> LayerAudit {
        let find =
            |name: &str| rows.iter().find(|r| r.layer == Some(layer) && r.name == name).map(|r| r.value);
        let get = |name: &str| find(name).unwrap_or(0.0);
        let a = Accounts::from_array(&NAMES.map(get));
        let overflow = find("overflow_step").is_some();
        let first = find("open_step").map(|step| Opening {
            step: step as u64,
            unit: get("open_unit") as usize,
            path: get("open_path") == 1.0,
        });
        let opening = get("opening_phi") - get("opening_norm");
        let exchanged = a.phi.abs().max(a.norm.abs());
        let share = |x: f64| if exchanged > 0.0 { x / exchanged } else { 0.0 };
        let [decay, momentum, adaptive, clipping] = a.optimizer;
        LayerAudit {
            layer,
            homogeneous: get("homogeneous") == 1.0,
            normalized: get("normalized") == 1.0,
            opening,
            closing: opening + a.drift(),
            exchanged_phi: a.phi.abs(),
            exchanged_norm: a.norm.abs(),
            drift: a.drift(),
            relative_drift: share(a.drift()),
            predicted: a.writer,
            explained: a.explained(),
            reader: a.reader,
            writer: a.writer,
            decay,
            momentum,
            adaptive,
            clipping,
            path: a.path,
            eps: a.eps,
            plasticity: a.plasticity,
            unwatched: a.unwatched,
            residual: a.residual,
            relative_residual: share(a.residual),
            relative_path: share(a.path),
            verdict: match verdict(no_law(get("no_law")), first, &a, get("tolerance"), exchanged) {
                Verdict::Closed if overflow => Verdict::Undecided,
                found => found,
            },
            causes: causes(&a),
        }
    }
}

/// Share of the exchange above which a residual that rounding excuses leaves nothing to say.
const BLUR: f64 = 0.01;

/// The reason of a row `no_law` in words.
fn no_law(code: f64) -> Option<&'static str> {
    Some(match NO_LAW.get((code as usize).checked_sub(1)?)? {
        NoLaw::Potential => "the rule states no potential here",
        NoLaw::Statistics => {
            "batch statistics read these units, and the backward pass takes them for constants (frozen_stats): neither a matrix nor the scale of the rows balances their update"
        }
    })
}

fn verdict(
    no_law: Option<&'static str>,
    first: Option<Opening>,
    a: &Accounts,
    tolerance: f64,
    exchanged: f64,
) -> Verdict {
    if let Some(reason) = no_law {
        return Verdict::NoLaw { reason };
    }
    let account = |path| if path { "path" } else { "residual" };
    match first {
        Some(o) => Verdict::Open { step: Some(o.step), unit: Some(o.unit), account: account(o.path) },
        None if a.residual.abs() <= a.allowance && a.residual.abs() > BLUR * exchanged => Verdict::Undecided,
        None if a.residual.abs() <= (tolerance * exchanged).max(a.allowance) => Verdict::Closed,
        None => Verdict::Open { step: None, unit: None, account: account(false) },
    }
}

/// Accounts below this share of all movement are not worth a sentence.
const MENTION: f64 = 0.005;

fn causes(a: &Accounts) -> Vec<String> {
    let mut named = vec![
        ("finite steps of the writing weights", a.writer),
        ("finite steps of the reading weights", a.reader),
        // Within the allowance it is rounding and no cause.
        ("a path that is not homogeneous", if a.path_is_open() { a.path } else { 0.0 }),
        ("eps of batch norm, which leaves a little to the scale of the rows below", a.eps),
        ("feedback weights that moved by themselves", a.plasticity),
        ("steps that were not watched", a.unwatched),
    ];
    let words = ["weight decay", "momentum", "adaptive scaling", "clipping"];
    debug_assert_eq!(words.len(), PARTS.len());
    named.extend(words.into_iter().zip(a.optimizer));
    let all: f64 = named.iter().map(|n| n.1.abs()).sum();
    named.retain(|n| n.1.abs() > MENTION * all);
    named.sort_by(|x, y| y.1.abs().total_cmp(&x.1.abs()));
    let sign = |x: f64| if x < 0.0 { "lowers" } else { "raises" };
    named
        .iter()
        .map(|(w, x)| format!("{w}: {:.0} % of all movement, {} P", 100.0 * x.abs() / all, sign(*x)))
        .collect()
}

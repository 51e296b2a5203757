/*!
The audit: what the books of a run say, layer by layer, and whether they close.

Books are closed when, in every step and every unit, the residual is at rounding, and the path account too wherever everything between the
weights declares itself homogeneous; and when the residual of the whole run is at rounding of what was exchanged. Otherwise the
audit names the first step, unit and account. Closed books say that every change has a named cause, and no more: whether P was conserved, moved (and by what), or
whether nothing happened at all is the [`Finding`]. An audit is made from the rows of the probe `ledger` alone.

Units may cancel, so amounts are compared unit by unit: the *exchange* of a layer is the larger of Σ|ΔPhi_k| and Σ|Δ½‖W_k‖²| over its units k, an account
is so much of the exchange as Σ|account_k| is of it, and so much of all movement as Σ|account_k| is of the same sum over all accounts.
*/

use super::books::{Accounts, Opening};
use super::probe::{ABSOLUTE, NAMES, NO_LAW};
use realign::train::{NoLaw, Row};
use serde::Serialize;
use std::collections::BTreeMap;

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

/// What happened to P in books that close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// Drift and path are at most [`SMALL`] of the exchange, unit by unit.
    Conserved,
    /// P moved by more; the causes say why.
    NotConserved,
    /// No unit moved: frozen by the rule, dead, or at rate 0. That the books close says nothing.
    NothingExchanged,
    /// The run diverged; the books are those of the steps before.
    Diverged,
}

/// Share of the exchange that drift and path may reach while P counts as conserved.
pub const SMALL: f64 = 0.1;

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
    /// Units.
    pub units: usize,
    /// Units that did not move.
    pub still_units: usize,
    /// Σ over units of |change of Phi|, e.g. of <W, B>.
    pub exchanged_phi: f64,
    /// Σ over units of |change of ½‖W‖²|.
    pub exchanged_norm: f64,
    /// Change of Phi, summed over units.
    pub signed_phi: f64,
    /// Change of ½‖W‖², summed over units.
    pub signed_norm: f64,
    /// The exchange: the larger of the two sums of absolute values.
    pub exchanged: f64,
    /// Closing less opening.
    pub drift: f64,
    /// Σ over units of |drift|, relative to the exchange.
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
    /// Σ over units of |residual|, relative to the exchange.
    pub relative_residual: f64,
    /// Σ over units of |path|, relative to the exchange.
    pub relative_path: f64,
    /// How much rounding may have added to the residual, summed over steps and units.
    pub allowance: f64,
    /// How much rounding may have added to the path, summed over steps and units.
    pub path_allowance: f64,
    /// Σ over units of |.| of every account, of phi, norm and drift.
    pub unit_by_unit: BTreeMap<&'static str, f64>,
    /// The verdict.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// The step from which sums leave the range of numbers; the books end before it.
    pub overflow: Option<u64>,
    /// What happened to P, where the books close.
    pub finding: Option<Finding>,
    /// What moved P in plain words, the largest first, with its share of all movement.
    pub causes: Vec<String>,
}

/// All layers of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Audit {
    /// Whether every layer with a law is closed and there is at least one.
    pub closed: bool,
    /// Whether anything was exchanged in a layer with a law: else closed books say nothing.
    pub conclusive: bool,
    /// Steps that the books cover.
    pub steps: u64,
    /// Layer by layer, bottom to top.
    pub layers: Vec<LayerAudit>,
}

impl Audit {
    /// Reads the last rows of the probe `ledger`.
    pub fn from_rows(rows: &[Row]) -> Audit {
        let step = of_layers(rows).map(|r| r.step).max().unwrap_or(0);
        Audit::at(rows, step)
    }

    /// The audit of a run that diverged: of the last rows that are numbers, because beyond them there is nothing to account for.
    pub fn of_diverged(rows: &[Row]) -> Audit {
        let whole = |step: u64| of_layers(rows).filter(|r| r.step == step).all(|r| r.value.is_finite());
        let booked = of_layers(rows).filter(|r| r.name == "phi").map(|r| r.step);
        let last = booked.clone().filter(|s| whole(*s)).max();
        let mut audit = Audit::at(rows, last.or_else(|| booked.max()).unwrap_or(0));
        for layer in audit.layers.iter_mut().filter(|l| !matches!(l.verdict, Verdict::NoLaw { .. })) {
            if last.is_none() {
                layer.verdict = Verdict::Undecided;
            }
            // A fault that shows in finite numbers stays a fault.
            if !matches!(layer.verdict, Verdict::Open { .. }) {
                layer.finding = Some(Finding::Diverged);
            }
        }
        audit.judged()
    }

    fn at(rows: &[Row], step: u64) -> Audit {
        let last: Vec<&Row> = of_layers(rows).filter(|r| r.step == step).collect();
        let mut numbers: Vec<usize> = last.iter().filter_map(|r| r.layer).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let layers: Vec<LayerAudit> = numbers.into_iter().map(|l| LayerAudit::from_rows(&last, l)).collect();
        Audit { closed: false, conclusive: false, steps: step, layers }.judged()
    }

    fn judged(self) -> Audit {
        let lawful = || self.layers.iter().filter(|l| !matches!(l.verdict, Verdict::NoLaw { .. }));
        let closed = lawful().count() > 0 && lawful().all(|l| l.verdict == Verdict::Closed);
        let conclusive = lawful().any(|l| l.finding != Some(Finding::NothingExchanged));
        Audit { closed, conclusive, ..self }
    }
}

/// The rows of layers, not of units.
fn of_layers(rows: &[Row]) -> impl Iterator<Item = &Row> + Clone {
    rows.iter().filter(|r| r.probe == "ledger" && r.unit.is_none())
}

impl LayerAudit {
    fn from_rows(rows: &[&Row], layer: usize) -> LayerAudit {
        let find =
            |name: &str| rows.iter().find(|r| r.layer == Some(layer) && r.name == name).map(|r| r.value);
        let get = |name: &str| find(name).unwrap_or(0.0);
        let a = Accounts::from_array(&NAMES.map(get));
        let overflow = find("overflow_step").map(|step| step as u64);
        let first = find("open_step").map(|step| Opening {
            step: step as u64,
            unit: get("open_unit") as usize,
            path: get("open_path") == 1.0,
        });
        let sizes = Sizes(ABSOLUTE.iter().map(|name| (&name["abs_".len()..], get(name))).collect());
        let exchanged = sizes.of("phi").max(sizes.of("norm"));
        let share = |name: &str| if exchanged > 0.0 { sizes.of(name) / exchanged } else { 0.0 };
        let opening = get("opening_phi") - get("opening_norm");
        let [decay, momentum, adaptive, clipping] = a.optimizer;
        let mut own = LayerAudit {
            layer,
            homogeneous: get("homogeneous") == 1.0,
            normalized: get("normalized") == 1.0,
            opening,
            closing: opening + a.drift(),
            units: get("units") as usize,
            still_units: get("still_units") as usize,
            exchanged_phi: sizes.of("phi"),
            exchanged_norm: sizes.of("norm"),
            signed_phi: a.phi,
            signed_norm: a.norm,
            exchanged,
            drift: a.drift(),
            relative_drift: share("drift"),
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
            relative_residual: share("residual"),
            relative_path: share("path"),
            allowance: a.allowance,
            path_allowance: a.path_allowance,
            verdict: match verdict(no_law(get("no_law")), first, &sizes, &a, get("tolerance")) {
                Verdict::Closed if overflow.is_some() => Verdict::Undecided,
                found => found,
            },
            overflow,
            finding: None,
            causes: causes(&a, &sizes),
            unit_by_unit: sizes.0,
        };
        own.finding = (own.verdict == Verdict::Closed).then(|| own.found(get("opening_norm")));
        own
    }

    /// What happened to P in books that close. Units that batch norm reads have nothing to exchange their norm with: it counts beside what it was.
    fn found(&self, opening_norm: f64) -> Finding {
        let beside = if self.normalized { opening_norm } else { self.exchanged };
        let most = self.unit_by_unit["drift"].max(self.unit_by_unit["path"]);
        if self.still_units == self.units {
            Finding::NothingExchanged
        } else if most <= SMALL * beside {
            Finding::Conserved
        } else {
            Finding::NotConserved
        }
    }
}

/// Sums over units of absolute values.
struct Sizes(BTreeMap<&'static str, f64>);

impl Sizes {
    fn of(&self, name: &str) -> f64 {
        self.0.get(name).copied().unwrap_or(0.0)
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
    sizes: &Sizes,
    a: &Accounts,
    tolerance: f64,
) -> Verdict {
    if let Some(reason) = no_law {
        return Verdict::NoLaw { reason };
    }
    let account = |path| if path { "path" } else { "residual" };
    let (residual, exchanged) = (sizes.of("residual"), sizes.of("phi").max(sizes.of("norm")));
    match first {
        Some(o) => Verdict::Open { step: Some(o.step), unit: Some(o.unit), account: account(o.path) },
        None if residual <= a.allowance && residual > BLUR * exchanged => Verdict::Undecided,
        None if residual <= (tolerance * exchanged).max(a.allowance) => Verdict::Closed,
        None => Verdict::Open { step: None, unit: None, account: account(false) },
    }
}

/// Accounts below this share of all movement are not worth a sentence.
const MENTION: f64 = 0.005;

/// Share of an account's movement that must have one sign for the account to raise or lower P.
const ONE_WAY: f64 = 0.9;

/// Accounts that move P, by the names of their rows.
const CAUSES: [(&str, &str); 10] = [
    ("writer", "finite steps of the writing weights"),
    ("reader", "finite steps of the reading weights"),
    ("path", "a path that is not homogeneous"),
    ("eps", "eps of batch norm, which leaves a little to the scale of the rows below"),
    ("plasticity", "feedback weights that moved by themselves"),
    ("unwatched", "steps that were not watched"),
    ("decay", "weight decay"),
    ("momentum", "momentum"),
    ("adaptive", "adaptive scaling"),
    ("clipping", "clipping"),
];

fn causes(a: &Accounts, sizes: &Sizes) -> Vec<String> {
    let net = a.to_array();
    let net = |name: &str| NAMES.iter().position(|n| *n == name).map_or(0.0, |i| net[i]);
    let size = |name: &str| match sizes.of(name) {
        // Within the allowance it is rounding and no cause.
        path if name == "path" && path <= a.path_allowance => 0.0,
        size => size,
    };
    let mut named: Vec<_> = CAUSES.iter().map(|(name, words)| (*words, size(name), net(name))).collect();
    let all: f64 = named.iter().map(|n| n.1).sum();
    named.retain(|n| n.1 > MENTION * all);
    named.sort_by(|x, y| y.1.total_cmp(&x.1));
    let way = |size: f64, net: f64| match net {
        net if net <= -ONE_WAY * size => "lowers P",
        net if net >= ONE_WAY * size => "raises P",
        _ => "raises P in some units and lowers it in others",
    };
    let percent = |size: f64| 100.0 * size / all;
    named
        .iter()
        .map(|(w, s, net)| format!("{w}: {:.0} % of all movement, {}", percent(*s), way(*s, *net)))
        .collect()
}

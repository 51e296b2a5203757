/*!
A law against training: runs at eta, eta/2 and eta/4 with equal eta * steps, the slope of log drift against log eta, and a verdict per law and layer.

The drift is the sum over steps of the law's defect, entry by entry, then `Σ|drift|` over the entries of a layer. A defect is of order eta² and there are
1/eta steps, so the drift of a first-order law has slope 1; an exact law has none but rounding; what breaks at leading order has slope 0.
For the slope to be well defined all rates must follow the same limit: a batch that the first run uses for one step is held for two and four
steps by the others. Beside the slope, the defect of every step is compared with the law's account, its closed form: an identity up to
rounding. A flow is run once; its drift must be within the integrator's tolerance.

Runs are made in whatever dtype the setups have; slopes mean something in f64 only, because rounding of f32 weights moves the quantities as well.
*/

use super::judge::{judge, settle};
use super::{Jumps, LAWS, Law, Order, Prediction, Setting, Sides, State, WhyNot};
use realign::optim::Schedule;
use realign::train::{Every, Length, Setup, Trainer};
use serde::Serialize;

/// What is checked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// Only this law.
    pub law: Option<&'a str>,
    /// Also laws whose assumptions fail: they should break.
    pub force: bool,
}

/// The outcome for all laws.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Learning rates, the first as in the setup; empty for a flow.
    pub rates: Vec<f64>,
    /// Steps (output points of a flow) at each.
    pub steps: Vec<u64>,
    /// Laws that were checked.
    pub laws: Vec<LawReport>,
    /// Laws that do not apply, and why.
    pub refused: Vec<Refused>,
    /// Integration steps of a flow that had the smallest size allowed: 0 unless the solution slides along kinks; `None` without a flow.
    pub rough_steps: Option<u64>,
    /// Whether a run lost its loss to infinity.
    pub diverged: bool,
    /// Smaller rates at which the check was made again, because the order did not show.
    pub tried: Vec<f64>,
}

/// How far a check is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Learning rate of the check that is being made: smaller than the setup's where the order did not show there.
    pub lr: f64,
    /// Number of the run at this rate, from 1, and how many there are.
    pub run: [u64; 2],
    /// Steps of this run done, and how many there are.
    pub step: [u64; 2],
}

/// A law that says nothing here.
#[derive(Clone, Debug, Serialize)]
pub struct Refused {
    /// Its name.
    pub name: &'static str,
    /// The assumption that fails.
    pub why: WhyNot,
}

/// One law.
#[derive(Clone, Debug, Serialize)]
pub struct LawReport {
    /// Its name.
    pub name: &'static str,
    /// What it says.
    pub statement: &'static str,
    /// Order of its drift.
    pub order: Order,
    /// Why it should not apply, if it was forced.
    pub forced: Option<WhyNot>,
    /// Layer by layer.
    pub layers: Vec<LayerReport>,
}

/// What a measurement says of a law.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It holds, to its order.
    Holds,
    /// It does not: what it says of single steps is off, or its drift does not go to 0 with the rate.
    Broken,
    /// It is not refuted: every step is as its account says, but at this rate the order does not show.
    StepTooLarge,
    /// It cannot be told: the drift is made of too few jumps, is within the error of a flow that slides along kinks, or nothing was exchanged.
    Undecided,
}

/// One law at the units that one layer writes.
#[derive(Clone, Debug, Serialize)]
pub struct LayerReport {
    /// The layer, counted from 0 at the input.
    pub layer: usize,
    /// Predicted from the initial state: value of the quantity at start and end.
    pub predicted: Prediction,
    /// Measured at the end, at the first rate.
    pub measured: f64,
    /// Σ|change| of the two sides at the first rate: what was exchanged.
    pub exchanged: [f64; 2],
    /// Σ|drift| at every rate.
    pub drift: Vec<f64>,
    /// Σ|drift| that the accounts of the steps add up to, at every rate; empty for a flow, which has no steps.
    pub account: Vec<f64>,
    /// Σ|drift - account|, the largest over the rates.
    pub residual: Option<f64>,
    /// Slope of log drift against log eta; `None` for a flow or without drift.
    pub slope: Option<f64>,
    /// The slope the law declares; `None` where there should be no drift.
    pub expected: Option<f64>,
    /// Where the step is too large: a rate to try.
    pub try_lr: Option<f64>,
    /// The slope at [`LayerReport::try_lr`], if it was found to hold there.
    pub slope_there: Option<f64>,
    /// Whether it holds.
    pub verdict: Verdict,
    /// Why, in words.
    pub reason: String,
}

impl Report {
    /// Whether anything was checked, and all of it holds.
    pub fn holds(&self) -> bool {
        let mut layers = self.laws.iter().flat_map(|l| &l.layers).peekable();
        !self.diverged && layers.peek().is_some() && layers.all(|l| l.verdict == Verdict::Holds)
    }

    /// Whether all that keeps it from holding are steps that are too large.
    pub fn step_too_large(&self) -> bool {
        let verdicts = || self.laws.iter().flat_map(|l| &l.layers).map(|l| l.verdict);
        let allowed = |v| matches!(v, Verdict::Holds | Verdict::StepTooLarge);
        verdicts().any(|v| v == Verdict::StepTooLarge) && verdicts().all(allowed)
    }
}

/// Smaller rates at which a check is made again at most; each costs as much as the check. Those at which the run diverges cost little and do not count.
pub const TRIES: usize = 4;
/// Rates at which the run diverged that are tried at most.
const DIVERGING: usize = 14;

/// Checks every law that applies, and tells `watch` after every step. `make` gives the setup of the run anew each time; its probes and checkpoints are left out.
///
/// # Errors
/// If a setup cannot be made, or a run cannot be made from it.
pub fn check<E: From<realign::Error>>(
    options: Options<'_>,
    mut watch: impl FnMut(Progress),
    mut make: impl FnMut() -> Result<Setup, E>,
) -> Result<Report, E> {
    let setup = make()?;
    let (setting, lr) = (Setting::of(&setup), setup.lr);
    let form = setting.form;
    let mut active: Vec<(&dyn Law, Option<WhyNot>)> = Vec::new();
    let mut refused: Vec<Refused> = Vec::new();
    for law in LAWS.iter().filter(|l| options.law.is_none_or(|name| name == l.info().name)) {
        match law.applies(&setting) {
            Ok(()) => active.push((*law, None)),
            Err(why) if options.force && can_be_forced(*law, &setting) => active.push((*law, Some(why))),
            Err(why) => refused.push(Refused { name: law.info().name, why }),
        }
    }
    let laws: Vec<&dyn Law> = active.iter().map(|a| a.0).collect();
    let mut first = Some(setup);
    let mut round = |rate: f64| -> Result<Vec<Run>, E> {
        let divisors: &[u64] = if form.flow.is_some() { &[1] } else { &[1, 2, 4] };
        let mut runs = Vec::new();
        for &divisor in divisors.iter().filter(|_| !laws.is_empty()) {
            let mut setup = match first.take() {
                Some(setup) => setup,
                None => make()?,
            };
            setup.lr = rate;
            let number = [runs.len() as u64 + 1, divisors.len() as u64];
            let tell = |step| watch(Progress { lr: rate, run: number, step });
            runs.push(run(setup, divisor, &laws, tell)?);
        }
        Ok(runs)
    };
    let verdicts = |runs: &[Run], rate: f64| -> Vec<LawReport> {
        let report = |(i, (law, forced)): (usize, &(&dyn Law, Option<WhyNot>))| {
            let tallies: Vec<&Tally> = runs.iter().map(|r| &r.tallies[i]).collect();
            judge(law.info(), forced.clone(), &tallies, form, rate)
        };
        active.iter().enumerate().map(report).collect()
    };
    let runs = round(lr)?;
    let mut reports = verdicts(&runs, lr);
    let tried = search::<E>(&mut reports, |rate| {
        let runs = round(rate)?;
        Ok((verdicts(&runs, rate), runs.iter().all(|r| r.diverged)))
    })?;
    let rates = runs.iter().filter(|_| form.flow.is_none()).map(|r| lr / r.divisor as f64).collect();
    Ok(Report {
        rates,
        steps: runs.iter().map(|r| r.steps).collect(),
        rough_steps: form.flow.map(|_| runs.iter().map(|r| r.rough_steps).sum()),
        diverged: runs.iter().any(|r| r.diverged),
        laws: reports,
        refused,
        tried,
    })
}

/// Makes the check again at smaller rates while a law's steps are too large and no rate is known at which it holds; returns the rates.
fn search<E>(
    reports: &mut [LawReport],
    mut again: impl FnMut(f64) -> Result<(Vec<LawReport>, bool), E>,
) -> Result<Vec<f64>, E> {
    let (mut tried, mut counted, mut diverging) = (Vec::new(), 0, 0);
    while counted < TRIES && diverging < DIVERGING {
        let open = reports.iter().flat_map(|l| &l.layers).filter(|l| l.is_open());
        let Some(rate) = open.filter_map(|l| l.try_lr).min_by(f64::total_cmp) else { break };
        let (found, diverged) = again(rate)?;
        tried.push(rate);
        if diverged {
            diverging += 1;
        } else {
            counted += 1;
        }
        for (law, found) in reports.iter_mut().zip(found) {
            for (layer, found) in law.layers.iter_mut().zip(found.layers).filter(|(l, _)| l.is_open()) {
                settle(layer, &found, rate, counted == TRIES);
            }
        }
    }
    Ok(tried)
}

impl LayerReport {
    /// Whether its steps are too large and no rate is known at which it holds.
    fn is_open(&self) -> bool {
        self.verdict == Verdict::StepTooLarge && self.slope_there.is_none()
    }
}

/// A law can be measured outside its assumptions where its two sides exist: the rule at least must be its own.
fn can_be_forced(law: &dyn Law, s: &Setting) -> bool {
    match law.info().name {
        "contraction" => matches!(s.plasticity, realign::rules::Plasticity::Follows { .. }),
        "linear" => {
            ["fa", "bp", "adafa"].contains(&s.rule) && s.streams.iter().all(|st| st.writers.len() == 1)
        }
        "weight_decay" | "heavy_ball" => s.rule == "fa",
        name => s.rule == name,
    }
}

/// One run and its drifts.
struct Run {
    divisor: u64,
    steps: u64,
    rough_steps: u64,
    diverged: bool,
    tallies: Vec<Tally>,
}

/// Of one law: where it began, what each step left over, where it ended.
pub(super) struct Tally {
    pub(super) start: Vec<Sides>,
    pub(super) end: Vec<Sides>,
    pub(super) predicted: Vec<Prediction>,
    pub(super) measured: Vec<f64>,
    pub(super) drift: Vec<Vec<f64>>,
    pub(super) account: Vec<Vec<f64>>,
    pub(super) jumps: Vec<Jumps>,
    /// The largest that the two sides together have been: what rounding is measured by.
    pub(super) peak: Vec<f64>,
    pub(super) rough_steps: u64,
    pub(super) diverged: bool,
}

/// A schedule whose steps are held like the batches.
struct Held {
    schedule: Box<dyn Schedule>,
    hold: u64,
}

impl Schedule for Held {
    fn factor(&self, step: u64, total: u64) -> f64 {
        self.schedule.factor(step / self.hold, total / self.hold)
    }
}

/// A flow is looked at at least so often, so that one sees how far it is.
const POINTS: u64 = 50;

fn run<E: From<realign::Error>>(
    mut setup: Setup,
    divisor: u64,
    laws: &[&dyn Law],
    mut watch: impl FnMut([u64; 2]),
) -> Result<Run, E> {
    let base = setup.plan.steps(setup.data.train.len());
    let more = if setup.optimizer.form().flow.is_some() { POINTS.div_ceil(base.max(1)) } else { 1 };
    let (divisor, steps) = (divisor * more, base * divisor * more);
    setup.lr /= divisor as f64;
    setup.schedule = Box::new(Held { schedule: setup.schedule, hold: divisor });
    setup.plan.length = Length::Steps(steps);
    setup.plan.checkpoint = Every::Never;
    setup.probes.clear();
    let setting = Setting::of(&setup);
    let hold = if setting.form.momentum > 0.0 { 1 } else { divisor };
    let mut trainer = Trainer::new(setup)?;
    let mut before = State::of(&trainer);
    let mut tallies: Vec<Tally> = laws.iter().map(|l| Tally::open(*l, &setting, &before, steps)).collect();
    let (mut diverged, mut rough_steps) = (false, 0);
    for step in 0..steps {
        let loss = trainer.step_on(step / hold)?;
        if !loss.is_finite() {
            diverged = true;
            break;
        }
        let after = State::of(&trainer);
        for (law, tally) in laws.iter().zip(&mut tallies) {
            tally.add(*law, &setting, &before, &after);
        }
        before = after;
        rough_steps += trainer.rough_steps();
        watch([step + 1, steps]);
    }
    for (law, tally) in laws.iter().zip(&mut tallies) {
        (tally.rough_steps, tally.diverged) = (rough_steps, diverged);
        tally.measured = tally.end.iter().map(|s| law.value(s)).collect();
    }
    Ok(Run { divisor, steps, rough_steps, diverged, tallies })
}

impl Tally {
    fn open(law: &dyn Law, setting: &Setting, state: &State, steps: u64) -> Tally {
        let start = law.sides(setting, state);
        let zeros: Vec<Vec<f64>> = start.iter().map(|s| vec![0.0; s.plus.len()]).collect();
        Tally {
            end: start.clone(),
            predicted: law.predict(setting, &start, steps),
            measured: Vec::new(),
            jumps: vec![Jumps::default(); start.len()],
            peak: start.iter().map(Sides::size).collect(),
            rough_steps: 0,
            diverged: false,
            drift: zeros.clone(),
            account: zeros,
            start,
        }
    }

    fn add(&mut self, law: &dyn Law, setting: &Setting, before: &State, after: &State) {
        let (new, r) = (law.sides(setting, after), law.recursion(setting));
        for ((old, new), drift) in self.end.iter().zip(&new).zip(&mut self.drift) {
            for (k, d) in drift.iter_mut().enumerate() {
                *d += r.alpha * new.plus[k] - new.minus[k] - r.gamma * (old.plus[k] - old.minus[k]);
            }
        }
        for (sum, account) in self.account.iter_mut().zip(law.account(setting, before, after)) {
            sum.iter_mut().zip(account).for_each(|(s, a)| *s += a);
        }
        for (sum, jumps) in self.jumps.iter_mut().zip(law.jumps(setting, before, after)) {
            sum.add(jumps);
        }
        self.peak.iter_mut().zip(&new).for_each(|(peak, sides)| *peak = peak.max(sides.size()));
        self.end = new;
    }
}

/*!
A law against training: runs at eta, eta/2 and eta/4 with equal eta * steps, the slope of log drift against log eta, and a verdict per law and layer.

The drift is the sum over steps of the law's defect, entry by entry, then `Σ|drift|` over the entries of a layer. A defect is of order eta² and there are
1/eta steps, so the drift of a first-order law has slope 1; an exact law has none but rounding; what breaks at leading order has slope 0.
For the slope to be well defined all rates must follow the same limit: a batch that the first run uses for one step is held for two and four
steps by the others. Beside the slope, the defect of every step is compared with the law's account, its closed form: an identity up to
rounding. A flow is run once; its drift must be within the integrator's tolerance.

Runs are made in whatever dtype the setups have; slopes mean something in f64 only, because rounding of f32 weights moves the quantities as well.
*/

use super::{Info, Jumps, LAWS, Law, Order, Prediction, Setting, Sides, State, WhyNot};
use realign::optim::Form;
use realign::train::{Every, Length, Setup, Trainer};
use serde::Serialize;

/// How far a slope may be from the law's order.
const SLOPE: f64 = 0.1;
/// Rounding allowed in an identity, relative to the sizes of its two sides (f64, sums of up to 10⁶ terms over up to 10⁵ steps).
const ROUNDING: f64 = 1e-10;

/// So many standard errors off, a slope that jumps blur is wrong.
const ERRORS: f64 = 3.0;

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
}

/// How far a check is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Number of the run, from 1, and how many there are.
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
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It holds, to its order.
    Holds,
    /// It does not.
    Broken,
    /// Too little happened to tell: the drift is made of too few jumps.
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
    /// Σ|drift - account| at the first rate.
    pub residual: Option<f64>,
    /// Slope of log drift against log eta; `None` for a flow or without drift.
    pub slope: Option<f64>,
    /// The slope the law declares; `None` where there should be no drift.
    pub expected: Option<f64>,
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
}

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
    let divisors: &[u64] = if form.flow.is_some() { &[1] } else { &[1, 2, 4] };
    let mut runs = Vec::new();
    let mut first = Some(setup);
    for &divisor in divisors.iter().filter(|_| !laws.is_empty()) {
        let setup = match first.take() {
            Some(setup) => setup,
            None => make()?,
        };
        let number = [runs.len() as u64 + 1, divisors.len() as u64];
        runs.push(run(setup, divisor, &laws, |step| watch(Progress { run: number, step }))?);
    }
    let rates = divisors.iter().filter(|_| form.flow.is_none()).map(|d| lr / *d as f64).collect();
    let report = |(i, (law, forced)): (usize, (&dyn Law, Option<WhyNot>))| {
        let tallies: Vec<&Tally> = runs.iter().map(|r| &r.tallies[i]).collect();
        judge(law.info(), forced, &tallies, form)
    };
    Ok(Report {
        rates,
        steps: runs.iter().map(|r| r.steps).collect(),
        rough_steps: form.flow.map(|_| runs.iter().map(|r| r.rough_steps).sum()),
        diverged: runs.iter().any(|r| r.diverged),
        laws: active.into_iter().enumerate().map(report).collect(),
        refused,
    })
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
    steps: u64,
    rough_steps: u64,
    diverged: bool,
    tallies: Vec<Tally>,
}

/// Of one law: where it began, what each step left over, where it ended.
struct Tally {
    start: Vec<Sides>,
    end: Vec<Sides>,
    predicted: Vec<Prediction>,
    measured: Vec<f64>,
    drift: Vec<Vec<f64>>,
    account: Vec<Vec<f64>>,
    jumps: Vec<Jumps>,
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
    setup.plan.length = Length::Steps(steps);
    setup.plan.checkpoint = Every::Never;
    setup.probes.clear();
    let setting = Setting::of(&setup);
    let mut trainer = Trainer::new(setup)?;
    let mut before = State::of(&trainer);
    let mut tallies: Vec<Tally> = laws.iter().map(|l| Tally::open(*l, &setting, &before, steps)).collect();
    let (mut diverged, mut rough_steps) = (false, 0);
    for step in 0..steps {
        let loss = trainer.step_on(step / divisor)?;
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
        tally.measured = tally.end.iter().map(|s| law.value(s)).collect();
    }
    Ok(Run { steps, rough_steps, diverged, tallies })
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
        self.end = new;
    }
}

fn total(v: &[f64]) -> f64 {
    v.iter().map(|x| x.abs()).sum()
}

fn gap(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum()
}

fn judge(info: &'static Info, forced: Option<WhyNot>, runs: &[&Tally], form: Form) -> LawReport {
    let layers = (0..runs[0].start.len()).map(|i| layer(info.order, runs, i, form)).collect();
    LawReport { name: info.name, statement: info.statement, order: info.order, forced, layers }
}

fn layer(order: Order, runs: &[&Tally], i: usize, form: Form) -> LayerReport {
    let (first, start, end) = (runs[0], &runs[0].start[i], &runs[0].end[i]);
    let drift: Vec<f64> = runs.iter().map(|r| total(&r.drift[i])).collect();
    let stepped = form.flow.is_none();
    let account: Vec<f64> = runs.iter().filter(|_| stepped).map(|r| total(&r.account[i])).collect();
    let exchanged = [gap(&start.plus, &end.plus), gap(&start.minus, &end.minus)];
    let size = [start, end].iter().map(|s| total(&s.plus) + total(&s.minus)).fold(0.0, f64::max);
    let residual = gap(&first.drift[i], &first.account[i]);
    let slope = (runs.len() > 1 && drift.iter().all(|d| *d > ROUNDING * size)).then(|| slope(&drift));
    let is = |holds| if holds { Verdict::Holds } else { Verdict::Broken };
    let (verdict, reason) = match (form.flow, order) {
        (Some(flow), _) => {
            // Each step may err by rtol; what adds up over a run stays within a hundred of them.
            let (relative, allowed) = (drift[0] / size.max(f64::MIN_POSITIVE), (100.0 * flow.rtol).max(1e-8));
            (is(relative <= allowed), format!("drift {relative:.1e} of the two sides, {allowed:.0e} allowed"))
        }
        (None, Order::Exact) => {
            let relative = drift.iter().fold(0.0f64, |m, d| m.max(*d)) / size.max(f64::MIN_POSITIVE);
            (
                is(relative <= ROUNDING),
                format!("off by {relative:.1e} of the two sides, {ROUNDING:.0e} allowed"),
            )
        }
        (None, Order::First) => {
            let jumps: Vec<Jumps> = runs.iter().map(|r| r.jumps[i]).collect();
            first_order(slope, residual / size.max(f64::MIN_POSITIVE), noise(&drift, &jumps), jumps[0].count)
        }
    };
    LayerReport {
        layer: start.layer,
        predicted: first.predicted[i],
        measured: first.measured[i],
        exchanged,
        residual: stepped.then_some(residual),
        slope,
        expected: (stepped && order == Order::First).then_some(1.0),
        verdict: if drift.iter().all(|d| d.is_finite()) { verdict } else { Verdict::Broken },
        reason,
        drift,
        account,
    }
}

/// `residual` is relative to the two sides, `noise` the standard error of the slope that comes from `jumps` jumps.
fn first_order(slope: Option<f64>, residual: f64, noise: f64, jumps: u64) -> (Verdict, String) {
    use Verdict::{Broken, Holds, Undecided};
    let closes = residual <= ROUNDING;
    match slope {
        None if closes => (Holds, "no drift beyond rounding".into()),
        None => (Broken, "no drift at some rate, though the accounts say so".into()),
        Some(s) if !closes => {
            (Broken, format!("slope {s:.3}, but {residual:.1e} of the two sides is not in the accounts"))
        }
        Some(s) if (s - 1.0).abs() <= SLOPE => {
            (Holds, format!("slope {s:.3}, every step as its account says"))
        }
        Some(s) if (s - 1.0).abs() <= SLOPE + ERRORS * noise => {
            let why = "too few to tell the order: make the run longer or the net wider";
            (
                Undecided,
                format!(
                    "slope {s:.2} ± {noise:.2} from {jumps} flips of signs, {why}; every step is as its account says"
                ),
            )
        }
        Some(s) => (Broken, format!("slope {s:.3} instead of 1")),
    }
}

/// Standard error of the slope if the jumps in the drift are spread evenly between nothing and their largest possible size: the standard deviation of
/// such a jump is half its root mean square. The slope of three points a factor 2 apart is that of the outer two.
fn noise(drift: &[f64], jumps: &[Jumps]) -> f64 {
    let relative = |i: usize| 0.25 * jumps[i].squares / (drift[i] * drift[i]).max(f64::MIN_POSITIVE);
    let last = drift.len() - 1;
    (relative(0) + relative(last)).sqrt() / (last.max(1) as f64 * std::f64::consts::LN_2)
}

/// Least squares of log drift against log eta; successive runs halve eta.
fn slope(drift: &[f64]) -> f64 {
    let n = drift.len() as f64;
    let x: Vec<f64> = (0..drift.len()).map(|i| -(i as f64) * std::f64::consts::LN_2).collect();
    let y: Vec<f64> = drift.iter().map(|d| d.ln()).collect();
    let (mx, my) = (x.iter().sum::<f64>() / n, y.iter().sum::<f64>() / n);
    let (top, bottom) = x
        .iter()
        .zip(&y)
        .fold((0.0, 0.0), |(t, b), (x, y)| (t + (x - mx) * (y - my), b + (x - mx) * (x - mx)));
    top / bottom
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_of_powers() {
        assert!((slope(&[8.0, 4.0, 2.0]) - 1.0).abs() < 1e-15);
        assert!((slope(&[3.0, 3.0, 3.0])).abs() < 1e-15);
        assert!((slope(&[16.0, 4.0, 1.0]) - 2.0).abs() < 1e-15);
    }
}

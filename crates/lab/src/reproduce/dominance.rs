//! Alignment dominance: <g,F>/L^beta, the bound that it implies and the measured loss, in the guaranteed case and outside it.

use super::Experiment;
use super::analysis::{Found, Run, band, estimate, extreme, rules, thin, words};
use crate::figure::{Axis, Figure, Mark, Panel, Reference, Scale, Series, Side};
use crate::table::{Cell, Column, Table};
use crate::{LabError, theory};
use realign_data::Dirs;
use realign_tensor::Par;
use realign_theory::certify::{Certificate, Reach, Verdict};
use realign_theory::dominance::{Sample, bound, fit, samples};

/// Points of a curve.
const POINTS: usize = 80;

/// One of the starts that are compared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    Guaranteed,
    Random,
    Opposed,
}

const CASES: [(Case, &str); 3] = [
    (Case::Guaranteed, "guaranteed: aligned start"),
    (Case::Random, "not covered: random B"),
    (Case::Opposed, "not covered: B opposed to W"),
];

struct Course<'a> {
    run: &'a Run,
    case: Case,
    samples: Vec<Sample>,
    cosines: Vec<f64>,
    misaligned: f64,
    certificate: Certificate,
}

impl<'a> Course<'a> {
    fn of(run: &'a Run) -> Result<Course<'a>, LabError> {
        let word = |key: &str| run.spec.get(key).and_then(toml::Value::as_str).unwrap_or_default().to_owned();
        let case = match word("init.feedback.name").as_str() {
            "aligned" => Case::Guaranteed,
            "cosine" => Case::Opposed,
            _ => Case::Random,
        };
        let whole = |r: &&crate::store::Stored| r.probe == "decomposition" && r.layer.is_none();
        let rows = run.rows.iter().filter(whole);
        let found = samples(rows.map(|r| (r.step, r.name.as_str(), r.value.unwrap_or(f64::NAN))));
        let curve = |probe: &str, name: &str| {
            run.curve(probe, name, None, None).into_iter().map(|p| p.2).collect::<Vec<f64>>()
        };
        Ok(Course {
            run,
            case,
            samples: found,
            cosines: curve("decomposition", "cosine"),
            misaligned: curve("aligned_units", "misaligned").into_iter().fold(f64::NAN, f64::max),
            certificate: theory::certificate(
                &run.spec,
                Some(&run.dir),
                &Dirs::default(),
                Par::threads(1),
                None,
            )?,
        })
    }

    /// Largest loss over the bound certified before training; `NaN` without one.
    fn over_bound(&self) -> f64 {
        let c = &self.certificate;
        let (true, Some(beta), Some(alpha), Some(first)) =
            (c.verdict.guaranteed(), c.beta, c.alpha, self.samples.first())
        else {
            return f64::NAN;
        };
        let ratio = |s: &Sample| s.loss / bound(beta, alpha, first.loss, s.time - first.time);
        self.samples.iter().map(ratio).fold(f64::NAN, f64::max)
    }

    fn beta(&self) -> f64 {
        let found = realign_theory::dominance::dominance(&self.samples);
        found.and_then(|d| d.slope).map_or(f64::NAN, |s| s.beta)
    }
}

pub(super) fn analyse(_: &Experiment, runs: &[Run]) -> Result<Found, LabError> {
    let courses: Vec<Course<'_>> =
        runs.iter().filter(|r| r.is_done()).map(Course::of).collect::<Result<_, _>>()?;
    let mut found = Found {
        text: vec![
            "Two-layer ReLU networks with one output, logistic loss, full-batch steps, orthogonally separable data. If ⟨g, F⟩ ≥ α L^β along training, the loss obeys a bound. \
             In the guaranteed case (aligned start, one unit per class along its mean) α for β = 2 is certified before training; otherwise the certificate says NOT COVERED, which \
             says nothing against a run. The conditions are our derivation (docs/certificates.md); the paper's own may differ. adafa is our reconstruction."
                .into(),
        ],
        ..Found::default()
    };
    if courses.is_empty() {
        return Ok(found);
    }
    found.text.extend(worth(&courses));
    let rules = rules(runs);
    for rule in &rules {
        let of = |case| courses.iter().filter(move |c| c.run.rule() == *rule && c.case == case);
        let mut put = |key: &str, e| {
            found.measured.insert(format!("{key}.{rule}"), e);
        };
        let sure = |f: &dyn Fn(&Course<'_>) -> f64| of(Case::Guaranteed).map(f).collect::<Vec<f64>>();
        put("misaligned_worst", extreme(&sure(&|c| c.misaligned), f64::max));
        put("bound_worst", extreme(&sure(&|c| c.over_bound()), f64::max));
        put("beta", estimate(&sure(&|c| c.beta())));
        let least = |c: &Course<'_>| c.cosines.iter().copied().fold(f64::NAN, f64::min);
        put("uphill", extreme(&of(Case::Opposed).map(least).collect::<Vec<_>>(), f64::max));
    }
    found.figures.push(("dominance-loss".into(), loss_figure(&courses, &rules)));
    found.figures.push(("dominance-ratio".into(), ratio_figure(&courses, &rules)));
    found.tables.push(("dominance".into(), table(&courses, &rules)));
    Ok(found)
}

/// What the certificates of the guaranteed case are about, and how far their bounds get within the runs.
fn worth(courses: &[Course<'_>]) -> Option<String> {
    let sure: Vec<&Certificate> =
        courses.iter().map(|c| &c.certificate).filter(|c| c.verdict.guaranteed()).collect();
    let reach: Vec<Reach> = sure.iter().filter_map(|c| c.reach).collect();
    let least = reach.iter().map(|r| r.share).reduce(f64::min)?;
    let stepwise = sure.iter().filter(|c| c.verdict == Verdict::GuaranteedAtThisRate).count();
    let vacuous = reach.iter().filter(|r| r.vacuous).count();
    Some(format!(
        "The certificates are about the flow; for {stepwise} of {} runs they also cover steps of the run's own rate. Within the run the best of the bounds falls to {:.1} % \
         of the loss at the start; {vacuous} of {} do not halve it (VACUOUS): they are true, and say little about how fast the loss falls.",
        sure.len(),
        100.0 * least,
        reach.len()
    ))
}

fn curves<'a>(
    courses: &'a [Course<'a>],
    rule: &'a str,
    case: Case,
) -> impl Iterator<Item = &'a Course<'a>> + 'a {
    courses.iter().filter(move |c| c.run.rule() == rule && c.case == case)
}

fn loss_figure(courses: &[Course<'_>], rules: &[&str]) -> Figure {
    let panel = |(case, title): &(Case, &str)| {
        let mut series = Vec::new();
        for rule in rules {
            let losses: Vec<Vec<(f64, f64)>> = curves(courses, rule, *case)
                .map(|c| thin(&c.samples.iter().map(|s| (s.time, s.loss)).collect::<Vec<_>>(), POINTS))
                .collect();
            let (x, y, low, high) = band(&losses);
            let low = low.iter().zip(&y).map(|(l, y)| if *l > 0.0 { *l } else { *y }).collect();
            series.push(Series::new(Mark::Line, *rule, words(rule), x, y).band(low, high));
        }
        if *case == Case::Guaranteed {
            series.extend(bounds(courses));
        }
        Panel {
            title: (*title).to_owned(),
            x: Axis::new("time η·t", ""),
            y: Axis::new("loss L", "nats").scale(Scale::Log),
            series,
            ..Panel::default()
        }
    };
    Figure {
        title: "Loss and its bounds".into(),
        caption: "Mean loss over seeds with its 95 % interval (t); in the guaranteed case also the bounds 1/(1/L(0) + αt), means over runs of all rules, with the α certified before \
                  training (a worst case, so far above the loss) and with the α measured along it. Where nothing is certified there is no bound."
            .into(),
        share_y: true,
        panels: CASES.iter().filter(|(case, _)| courses.iter().any(|c| c.case == *case)).map(panel).collect(),
        ..Figure::default()
    }
}

/// The bound certified before training and, to see how careful that is, the one that the least measured <g,F>/L² implies; means over all runs.
fn bounds(courses: &[Course<'_>]) -> Vec<Series> {
    let of: Vec<&Course<'_>> = courses.iter().filter(|c| c.certificate.alpha.is_some()).collect();
    let curve = |c: &Course<'_>, alpha: f64| {
        let first = c.samples[0];
        let at = |s: &Sample| (s.time, bound(2.0, alpha, first.loss, s.time - first.time));
        thin(&c.samples.iter().map(at).collect::<Vec<_>>(), POINTS)
    };
    let certified: Vec<Vec<(f64, f64)>> =
        of.iter().map(|c| curve(c, c.certificate.alpha.unwrap_or(0.0))).collect();
    let measured: Vec<Vec<(f64, f64)>> = of.iter().map(|c| curve(c, fit(&c.samples, 2.0).alpha)).collect();
    // Words with a look of their own that no rule has.
    let line = |word: &str, label: &str, curves: &[Vec<(f64, f64)>]| {
        let (x, y, _, _) = band(curves);
        Series::new(Mark::Line, word, label, x, y)
    };
    vec![
        line("plasticity", "bound certified before training", &certified),
        line("measured", "bound from the least measured ⟨g, F⟩/L²", &measured),
    ]
}

fn ratio_figure(courses: &[Course<'_>], rules: &[&str]) -> Figure {
    let panel = |(case, title): &(Case, &str)| {
        let series = |rule: &&str| {
            let of: Vec<Vec<(f64, f64)>> = curves(courses, rule, *case)
                .map(|c| {
                    let ratio: Vec<(f64, f64)> =
                        c.samples.iter().map(|s| (s.time, s.inner / s.loss.powi(2))).collect();
                    thin(&ratio, POINTS)
                })
                .collect();
            let (x, y, low, high) = band(&of);
            Series::new(Mark::Line, *rule, words(rule), x, y).band(low, high)
        };
        Panel {
            title: (*title).to_owned(),
            x: Axis::new("time η·t", ""),
            y: Axis::new("⟨g, F⟩ / L²", "").scale(Scale::Symlog { linear: 1.0 }),
            series: rules.iter().map(series).collect(),
            references: vec![Reference { axis: Side::Y, at: 0.0, label: String::new() }],
        }
    };
    Figure {
        title: "Alignment dominance with β = 2".into(),
        caption: "⟨g, F⟩/L² during training: its least value so far is the α that dominance with β = 2 allows; below 0 the update goes uphill. Mean over seeds with its 95 % interval (t)."
            .into(),
        share_y: true,
        panels: CASES.iter().filter(|(case, _)| courses.iter().any(|c| c.case == *case)).map(panel).collect(),
        ..Figure::default()
    }
}

fn table(courses: &[Course<'_>], rules: &[&str]) -> Table {
    let heads = [
        "case",
        "rule",
        "certified",
        "most units misaligned",
        "fitted β",
        "least ⟨g,F⟩/L²",
        "largest loss / bound",
        "steps with ⟨g,F⟩ < 0 (%)",
        "final loss",
    ];
    let mut rows = Vec::new();
    for (case, title) in CASES {
        for rule in rules {
            let of: Vec<&Course<'_>> = curves(courses, rule, case).collect();
            if of.is_empty() {
                continue;
            }
            let all = |f: &dyn Fn(&Course<'_>) -> f64| of.iter().map(|c| f(c)).collect::<Vec<f64>>();
            let sure = of.iter().filter(|c| c.certificate.verdict.guaranteed()).count();
            let uphill = |c: &Course<'_>| {
                100.0 * c.samples.iter().filter(|s| s.inner < 0.0).count() as f64 / c.samples.len() as f64
            };
            rows.push(vec![
                title.into(),
                words(rule).as_str().into(),
                format!("{sure} of {}", of.len()).as_str().into(),
                Cell::from(extreme(&all(&|c| c.misaligned), f64::max)),
                Cell::from(estimate(&all(&|c| c.beta()))),
                Cell::from(estimate(&all(&|c| fit(&c.samples, 2.0).alpha))),
                Cell::from(extreme(&all(&|c| c.over_bound()), f64::max)),
                Cell::from(estimate(&all(&uphill))),
                Cell::from(estimate(&all(&|c| c.samples.last().map_or(f64::NAN, |s| s.loss)))),
            ]);
        }
    }
    Table {
        caption:
            "Mean over seeds with 95 % interval (t); most and largest over all seeds. A dash: no certificate, or no such quantity."
                .into(),
        columns: heads.map(Column::new).to_vec(),
        rows,
    }
}

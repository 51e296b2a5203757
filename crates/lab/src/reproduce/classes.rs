//! Tables 2 and 3: test accuracy by rule and number of classes, the paired difference to backpropagation, and alignment beside it.
//!
//! Gap of a rule: accuracy of bp minus its own, same classes and seed. Lost share: the gap over what bp gains over chance, 1/n, so that it does not
//! shrink just because two classes leave little to lose. Runs that diverged or failed have no accuracy and are counted.

use super::Experiment;
use super::analysis::{Found, Levelled, Run, band_crossed, correlation, rules, words};
use super::conv::{End, INTERVAL, Outcome, class_counts, mean, mean_pairs, outcomes, pairs};
use crate::LabError;
use crate::figure::{Axis, Figure, Mark, Panel, Scale, Series};
use crate::store::Status;
use crate::table::{Best, Cell, Column, Table};

pub(super) fn analyse(experiment: &Experiment, runs: &[Run]) -> Result<Found, LabError> {
    let all = outcomes(runs);
    let mut found = Found { text: text(), ..Found::default() };
    if all.is_empty() {
        return Ok(found);
    }
    let (rules, counts) = (rules(runs), class_counts(&all));
    for rule in &rules {
        measure(&all, rule, &counts, &mut found);
    }
    let id = experiment.id;
    found.figures.push((format!("{id}-classes"), figure(&all, &rules)));
    found.tables.push((id.to_owned(), accuracies(&all, &rules, &counts)));
    found.tables.push((format!("{id}-details"), details(runs, &all, &rules, &counts)));
    Ok(found)
}

fn text() -> Vec<String> {
    vec![
        "Classes are drawn by seed out of those at hand, so a draw of all of them is the same for every seed. All rules see the same classes, W, B, batches and augmentation for a seed, \
         so differences to bp are paired. Each rule's rate is the best of three on held-out train images of CIFAR-100, draws of classes and seeds that are not shown \
         here, the same trials for every rule; the rest of the recipe is common to all, and nothing was tuned on Tiny-ImageNet (the experiment's file says what was tried). \
         frozen trains the read-out only, on random hidden layers. adafa is our reconstruction."
            .into(),
        "Runs of one draw of classes resemble each other, and so do runs of one seed: an interval is over the means per draw or per seed, whichever is wider, and n counts these means, not \
         runs. With few classes draw and seed change together, with all classes at hand there is one draw and the interval is over seeds. Rank correlations are over runs, so their \
         intervals are too narrow."
            .into(),
    ]
}

fn measure(all: &[Outcome<'_>], rule: &str, counts: &[u64], found: &mut Found) {
    let mut put = |key: String, e| {
        found.measured.insert(key, e);
    };
    for n in counts {
        put(format!("accuracy.{rule}.{n}"), mean(of(all, rule, *n), |o| o.accuracy));
    }
    for other in ["bp", "fa", "frozen"].into_iter().filter(|o| *o != rule) {
        let paired = pairs(all, rule, other);
        let better = |f: &dyn Fn(u64) -> bool| {
            let kept = paired.iter().copied().filter(|(o, _)| f(o.classes));
            mean_pairs(kept, |o, b| o.accuracy - b.accuracy)
        };
        put(format!("over_{other}.{rule}"), better(&|_| true));
        put(format!("over_{other}.{rule}.most"), better(&|n| counts.last() == Some(&n)));
        for n in counts {
            put(format!("over_{other}.{rule}.{n}"), better(&|m| m == *n));
        }
    }
    let gaps = pairs(all, rule, "bp");
    let n: Vec<f64> = gaps.iter().map(|(o, _)| o.classes as f64).collect();
    put(format!("gap_rho.{rule}"), correlation(&n, &gaps.iter().map(|g| gap(*g)).collect::<Vec<_>>()));
    put(format!("lost_rho.{rule}"), correlation(&n, &gaps.iter().map(|g| lost(*g)).collect::<Vec<_>>()));
}

fn gap((o, bp): (&Outcome<'_>, &Outcome<'_>)) -> f64 {
    bp.accuracy - o.accuracy
}

fn lost((o, bp): (&Outcome<'_>, &Outcome<'_>)) -> f64 {
    1.0 - o.gain() / bp.gain()
}

/// The curves of a rule: here one point per run, with its draw and seed.
type Points<'p> = &'p dyn Fn(&str) -> Vec<Levelled>;

/// Under frozen only the read-out has an update, that of bp.
fn update(o: &Outcome<'_>) -> f64 {
    if o.rule() == "frozen" { f64::NAN } else { o.update_at(End::Last) }
}

fn figure(all: &[Outcome<'_>], rules: &[&str]) -> Figure {
    let ticks: Vec<f64> = class_counts(all).iter().map(|n| *n as f64).collect();
    let x = || Axis::new("classes n", "").scale(Scale::Log).ticks(&ticks);
    // An interval of few runs may leave what an accuracy can be.
    let panel = |title: &str, y: Axis, most: f64, points: Points<'_>| {
        let series = |rule: &&str| {
            let finite = |c: &Levelled| c.1.iter().all(|p| p.1.is_finite());
            let kept: Vec<_> = points(rule).into_iter().filter(finite).collect();
            let (x, y, low, mut high) = band_crossed(&kept);
            high.iter_mut().for_each(|v| *v = v.min(most));
            Series::new(Mark::Line, *rule, words(rule), x, y).band(low, high)
        };
        let series = rules.iter().map(series).filter(|s| !s.x.is_empty()).collect();
        Panel { title: title.into(), x: x(), y, series, ..Panel::default() }
    };
    let each = |rule: &str, f: &dyn Fn(&Outcome<'_>) -> f64| {
        let of = all.iter().filter(|o| o.rule() == rule);
        of.map(|o| (o.levels(), vec![(o.classes as f64, f(o))])).collect::<Vec<_>>()
    };
    let paired = |rule: &str, f: fn((&Outcome<'_>, &Outcome<'_>)) -> f64| {
        let of = if rule == "bp" { Vec::new() } else { pairs(all, rule, "bp") };
        of.into_iter().map(|p| (p.0.levels(), vec![(p.0.classes as f64, 100.0 * f(p))])).collect::<Vec<_>>()
    };
    Figure {
        title: "Accuracy and alignment against the number of classes".into(),
        caption: format!(
            "Gap: accuracy of bp minus that of the rule, same classes and seed. Lost share: gap over bp's gain over chance, 1/n. cos(update, gradient): over all weights, last recorded \
             step; 1 under bp by definition, none under frozen, which has no hidden update. Line: mean; band: {INTERVAL}, cut at 100 % and 1."
        ),
        columns: 2,
        panels: vec![
            panel("test accuracy", Axis::new("accuracy", "%"), 100.0, &|r| each(r, &|o| 100.0 * o.accuracy)),
            panel("gap to bp", Axis::new("gap", "points"), f64::INFINITY, &|r| paired(r, gap)),
            panel("share of bp's gain that is lost", Axis::new("lost share", "%"), f64::INFINITY, &|r| {
                paired(r, lost)
            }),
            panel(
                "alignment at the end",
                Axis::new("cos(update, gradient)", "").limits(-0.1, 1.05),
                1.0,
                &|r| each(r, &update),
            ),
        ],
        ..Figure::default()
    }
}

fn of<'b, 'a>(all: &'b [Outcome<'a>], rule: &'b str, n: u64) -> impl Iterator<Item = &'b Outcome<'a>> {
    all.iter().filter(move |o| o.rule() == rule && o.classes == n)
}

fn accuracies(all: &[Outcome<'_>], rules: &[&str], counts: &[u64]) -> Table {
    let row = |rule: &&str| {
        let cell = |n: &u64| Cell::from(mean(of(all, rule, *n), |o| 100.0 * o.accuracy));
        std::iter::once(words(rule).as_str().into()).chain(counts.iter().map(cell)).collect()
    };
    let heads = counts.iter().map(|n| Column::new(format!("n = {n}")).best(Best::Highest));
    Table {
        caption: format!(
            "Test accuracy (%) by rule and number of classes n; mean with {INTERVAL}. The table of details says over how many."
        ),
        columns: std::iter::once(Column::new("rule")).chain(heads).collect(),
        rows: rules.iter().map(row).collect(),
    }
}

fn details(runs: &[Run], all: &[Outcome<'_>], rules: &[&str], counts: &[u64]) -> Table {
    let mut rows = Vec::new();
    for rule in rules {
        for n in counts {
            let asked: Vec<&Run> =
                runs.iter().filter(|r| r.rule() == *rule && r.number("data.classes") as u64 == *n).collect();
            if asked.is_empty() {
                continue;
            }
            let with = |s: Status| asked.iter().filter(|r| r.status == Some(s)).count().to_string();
            let all_of = |f: &dyn Fn(&Outcome<'_>) -> f64| mean(of(all, rule, *n), f);
            let accuracy = all_of(&|o| 100.0 * o.accuracy);
            let paired = pairs(all, rule, "bp").into_iter().filter(|p| p.0.classes == *n);
            let over_bp = mean_pairs(paired, |o, bp| -100.0 * gap((o, bp)));
            rows.push(vec![
                words(rule).as_str().into(),
                n.to_string().as_str().into(),
                with(Status::Done).as_str().into(),
                with(Status::Diverged).as_str().into(),
                with(Status::Failed).as_str().into(),
                accuracy.n.to_string().as_str().into(),
                Cell::from(accuracy),
                if *rule == "bp" { "–".into() } else { Cell::from(over_bp) },
                Cell::from(all_of(&|o| o.weight_at(End::Last))),
                Cell::from(all_of(&update)),
            ]);
        }
    }
    let heads = [
        "rule",
        "classes",
        "done",
        "diverged",
        "failed",
        "n",
        "test accuracy (%)",
        "minus bp, paired (points)",
        "cos(W, B)",
        "cos(update, gradient)",
    ];
    Table {
        caption: format!(
            "Runs by how they ended; mean over those that are done with {INTERVAL}; n: how many such means. Cosines at the last recorded step: cos(W, B) averaged over the layers that carry \
             an error, the update over all weights."
        ),
        columns: heads.map(Column::new).to_vec(),
        rows,
    }
}

#[cfg(test)]
mod tests {
    use super::super::conv::tests::{run, spec};
    use super::*;

    /// bp is right on 0.9, 0.8, 0.7 of the images of 2, 5, 10 classes; fa loses 0.1, 0.2, 0.3 of them: the gap grows with n, rho = 1.
    #[test]
    fn gaps_are_paired_and_counted_by_hand() {
        let mut runs = Vec::new();
        for (i, n) in [2, 5, 10].into_iter().enumerate() {
            let bp = 0.9 - 0.1 * i as f64;
            for seed in 0..2 {
                let shift = 0.01 * seed as f64;
                runs.push(run(spec("bp", n, seed, seed), Some(bp + shift), 0.0, 1.0));
                let fa = bp - 0.1 * (i + 1) as f64 + shift;
                runs.push(run(spec("fa", n, seed, seed), Some(fa), 0.1, 0.3));
            }
        }
        runs.push(run(spec("fa", 10, 7, 7), None, 0.1, 0.3));
        let experiment = Experiment { id: "table2", parts: Vec::new() };
        let found = analyse(&experiment, &runs).unwrap();
        let mean = |key: &str| found.measured[key].mean.unwrap();
        assert!((mean("over_bp.fa") + 0.2).abs() < 1e-9 && (mean("over_bp.fa.most") + 0.3).abs() < 1e-9);
        assert!((mean("over_bp.fa.5") + 0.2).abs() < 1e-9 && (mean("accuracy.bp.2") - 0.905).abs() < 1e-9);
        assert!((mean("gap_rho.fa") - 1.0).abs() < 1e-9);
        // A run that diverged is missing from the mean and counted in the table.
        assert_eq!((found.measured["accuracy.fa.10"].n, found.measured["accuracy.fa.10"].missing), (2, 1));
        let (heads, cells) = found.tables[1].1.cells();
        let last = cells.last().unwrap();
        // Two of the three runs of fa are done, of two draws.
        let cell = |head: &str| last[heads.iter().position(|h| h == head).unwrap()].as_str();
        assert_eq!((cell("rule"), cell("classes"), cell("done"), cell("diverged")), ("fa", "10", "2", "1"));
        assert_eq!(cell("n"), "2");
    }
}

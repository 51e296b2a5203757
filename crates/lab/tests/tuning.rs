//! Tuning: what is refused, what is chosen, that axes grow fairly, that nothing is tuned twice, and that a sweep is the same
//! after any interruption.

use realign_data::Dirs;
use realign_lab::sweep::{Crew, Sweep, run_sweep, status};
use realign_lab::{Observer, Out, RunOptions, RunReport, RunSpec, Silent, Spec};
use realign_tensor::Par;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use toml::Value;

const TEXT: &str = r#"name = "t"
[data]
name = "gaussians"
dim = 6
train_size = 80
test_size = 20
validation = 30
[network]
widths = [6, 4, 2]
[rule]
name = "bp"
[optimizer]
lr = 0.1
[train]
epochs = 2
batch = 10
[grid]
"rule.name" = ["bp", "fa"]
seed = "0..3"
[tune]
"optimizer.lr" = "logspace(0.00001, 0.001, 3)"
seeds = "100..102"
metric = "val_loss"
extend = 2
"#;

fn parse(text: &str, overrides: &[&str]) -> Result<Spec, String> {
    let overrides: Vec<String> = overrides.iter().map(|o| (*o).to_owned()).collect();
    Spec::parse(text, Path::new("t.toml"), &overrides).map_err(|e| e.to_string())
}

fn options(dir: &Path) -> RunOptions {
    RunOptions {
        out: Out::Root(dir.to_path_buf()),
        dirs: Dirs::default(),
        par: Par::threads(1),
        command_line: vec![],
    }
}

fn go(spec: &Spec, dir: &Path, observer: &mut (dyn Observer + Send), stop: &AtomicBool) -> Sweep {
    run_sweep(spec, &options(dir), &Crew::new(2), observer, stop).unwrap_or_else(|e| panic!("{e}"))
}

fn plain(spec: &Spec, dir: &Path) -> Sweep {
    go(spec, dir, &mut Silent, &AtomicBool::new(false))
}

fn lr(run: &RunSpec) -> f64 {
    run.get("optimizer.lr").and_then(Value::as_float).unwrap()
}

#[test]
fn what_cannot_be_tuned_fairly_is_refused() {
    for (overrides, words) in [
        (vec!["data.validation=0"], vec!["data.validation"]),
        (vec!["~data.validation"], vec!["validation examples"]),
        (vec!["tune.seeds=2..5"], vec!["tune.seeds", "seed 2"]),
        (vec!["~tune.seeds"], vec!["tune.seeds", "missing"]),
        (vec!["tune.metric=test_accuracy"], vec!["tune.metric", "val_accuracy"]),
        (vec!["tune.metric=val_acuracy"], vec!["val_accuracy"]),
        (vec!["tune.extend=-1"], vec!["tune.extend"]),
        (vec!["tune.per=[network.bias]"], vec!["tune.per", "no axis"]),
        (vec!["tune.seed=[100]"], vec!["cannot be tuned"]),
        (vec!["tune.optimiser.lr=[1,2]"], vec!["optimizer"]),
        (vec!["tune.rule=bp,fa"], vec!["cannot be tuned"]),
        (vec!["++per_rule.fa.seed=7"], vec!["seed"]),
        (vec!["~tune.optimizer.lr"], vec!["nothing to tune"]),
    ] {
        match parse(TEXT, &overrides) {
            // A seed of one rule is no axis of the grid; the grid's axis wins over it.
            Ok(spec) if overrides[0].contains("per_rule") => assert_eq!(spec.runs().len(), 6),
            Ok(_) => panic!("{overrides:?} was accepted"),
            Err(e) => words.iter().for_each(|w| assert!(e.contains(w), "{overrides:?}: {e}")),
        }
    }
    let both = TEXT.replace("seed = \"0..3\"", "seed = \"0..3\"\n\"optimizer.lr\" = [1.0, 2.0]");
    assert!(parse(&both, &[]).unwrap_err().contains("either tuned or compared"));
    let unpaired = TEXT.replace("seed = \"0..3\"", "").replace("[tune]", "[per_rule.fa]\nseed = 7\n[tune]");
    assert!(parse(&unpaired, &[]).unwrap_err().contains("same seeds"));
    // A value on the command line replaces tuning.
    for overrides in [&["optimizer.lr=0.5"], &["~tune"]] {
        assert!(parse(TEXT, overrides).unwrap().tune().is_none());
    }
}

/// On an easy problem with far too small rates the largest wins: the axis has to grow upwards, for both rules alike.
#[test]
fn axes_grow_for_all_rules_and_choices_reach_the_runs() {
    let temp = tempfile::tempdir().unwrap();
    let spec = parse(TEXT, &[]).unwrap();
    let sweep = plain(&spec, temp.path());
    let tuned = sweep.tuned.unwrap();
    let tried: Vec<f64> = tuned.axes[0].1.iter().map(|v| v.as_float().unwrap()).collect();
    assert_eq!(tried, [0.00001, 0.0001, 0.001, 0.01, 0.1], "two further values at the upper end, none below");
    for rule in ["bp", "fa"] {
        let own: Vec<_> = tuned.trials.iter().filter(|t| t.rule == rule).collect();
        assert_eq!(own.len(), 5, "equal budgets");
        assert!(own.iter().all(|t| t.scores.len() == 2 && t.diverged == 0), "both tuning seeds");
        // The choice, worked out again from the runs' own rows.
        let best = own.iter().min_by(|a, b| a.mean().unwrap().total_cmp(&b.mean().unwrap())).unwrap();
        let chosen = tuned.chosen.iter().find(|c| c.choice.rule == rule).unwrap();
        assert_eq!(chosen.choice.values, best.values);
        let value = chosen.choice.values["optimizer.lr"].as_float().unwrap();
        let runs: Vec<&RunSpec> = sweep.runs.iter().filter(|r| r.rule() == rule).collect();
        assert_eq!(runs.iter().map(|r| r.seed()).collect::<Vec<_>>(), [0, 1, 2]);
        assert!(runs.iter().all(|r| lr(r) == value));
        assert_eq!(chosen.edges.contains_key("optimizer.lr"), value == 0.1);
    }
    assert_eq!(tuned.warnings().len(), tuned.chosen.iter().filter(|c| !c.edges.is_empty()).count());
    let seeds: BTreeSet<u64> =
        status(&temp.path().join("tune")).unwrap().runs.iter().map(|r| r.run.seed).collect();
    assert_eq!(seeds, BTreeSet::from([100, 101]));
    let curve = fs::read_to_string(temp.path().join("tune/sensitivity.csv")).unwrap();
    assert_eq!(curve.lines().count(), 11);
    assert!(curve.starts_with("rule,optimizer.lr,metric,runs,diverged,mean,min,max,chosen\n"), "{curve}");
    assert_eq!(curve.matches(",true").count(), 2);

    // The report shows the same curves and warns of the same ends.
    let report = realign_lab::report::folder(temp.path()).unwrap();
    assert!(tuned.warnings().iter().all(|w| report.warnings.contains(w)));
    let section = report.sections.iter().find(|s| s.id == "tuning").unwrap();
    let panel = &section.figures[0].1.panels[0];
    for series in &panel.series {
        let own: Vec<_> = tuned.trials.iter().filter(|t| t.rule == series.label).collect();
        assert_eq!(series.x, tried);
        assert_eq!(series.y, own.iter().map(|t| t.mean().unwrap()).collect::<Vec<_>>());
        assert!(
            (0..5).all(|i| own[i].scores.contains(&series.low[i]) && own[i].scores.contains(&series.high[i]))
        );
    }
    assert_eq!((panel.series.len(), section.tables[0].1.rows.len()), (2, 2));
    let page = fs::read_to_string(realign_lab::report::write(&report, temp.path()).unwrap()).unwrap();
    assert!(page.contains("id=\"tuning-sensitivity\""));
    let results = fs::read_to_string(temp.path().join("results.csv")).unwrap();
    assert!(results.lines().next().unwrap().contains("loss.validation"));
    assert_eq!(results.lines().count(), 7);
}

/// Counts starts, and stops everything at the given one.
struct Count<'a>(usize, Option<(usize, &'a AtomicBool)>);

impl Observer for Count<'_> {
    fn started(&mut self, _run: &RunSpec, _step: u64, _steps: u64) {
        self.0 += 1;
        if let Some((_, stop)) = self.1.filter(|s| s.0 == self.0) {
            stop.store(true, Ordering::Relaxed);
        }
    }
    fn ended(&mut self, _run: &RunSpec, _report: &RunReport) {}
}

fn without_times(dir: &Path) -> Vec<String> {
    let text = fs::read_to_string(dir.join("results.csv")).unwrap();
    text.lines().map(|l| l.rsplit_once(',').unwrap().0.to_owned()).collect()
}

#[test]
fn nothing_is_tuned_twice_and_interruptions_change_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let (whole, cut) = (temp.path().join("whole"), temp.path().join("cut"));
    let spec = parse(TEXT, &[]).unwrap();
    let mut count = Count(0, None);
    go(&spec, &whole, &mut count, &AtomicBool::new(false));
    assert_eq!(count.0, 2 * 5 * 2 + 6);
    let mut again = Count(0, None);
    assert!(go(&spec, &whole, &mut again, &AtomicBool::new(false)).tuned.is_some());
    assert_eq!(again.0, 0);
    for at in [1, 9, 3, 2] {
        let stop = AtomicBool::new(false);
        let sweep = go(&spec, &cut, &mut Count(0, Some((at, &stop))), &stop);
        assert!(
            sweep.unfinished || sweep.ended.iter().any(|e| !matches!(e, Some(Ok(r)) if r.status.is_final()))
        );
    }
    plain(&spec, &cut);
    assert_eq!(without_times(&whole), without_times(&cut));
    assert!(fs::read(whole.join("tune.json")).unwrap() == fs::read(cut.join("tune.json")).unwrap());
    // Another question is another choice.
    let other = parse(TEXT, &["tune.extend=0"]).unwrap();
    assert_eq!(plain(&other, &whole).tuned.unwrap().axes[0].1.len(), 3);
}

#[test]
fn values_that_diverge_are_not_chosen_and_stay_in_the_curve() {
    let temp = tempfile::tempdir().unwrap();
    let text = TEXT
        .replace("\"logspace(0.00001, 0.001, 3)\"", "[0.01, 1e30]")
        .replace("rule.name\" = [\"bp\", \"fa\"]", "rule.name\" = [\"bp\"]");
    let text = text.replace("[train]", "[loss]\nname = \"mse\"\n[train]").replace("epochs = 2", "epochs = 9");
    let tuned = plain(&parse(&text, &["tune.extend=0"]).unwrap(), temp.path()).tuned.unwrap();
    assert_eq!(tuned.chosen[0].choice.values["optimizer.lr"], Value::Float(0.01));
    assert_eq!(tuned.trials[1].diverged, 2);
    assert_eq!(tuned.trials[1].mean(), None);
    let all = parse(&text.replace("[0.01, 1e30]", "[1e30, 1e31]"), &["tune.extend=0"]).unwrap();
    let error = run_sweep(&all, &options(temp.path()), &Crew::new(2), &mut Silent, &AtomicBool::new(false));
    let error = error.err().unwrap();
    assert!(error.is_usage() && error.to_string().contains("diverged with every value"), "{error}");
}

#[test]
fn an_axis_of_the_grid_can_have_its_own_choice() {
    let temp = tempfile::tempdir().unwrap();
    let text =
        TEXT.replace("seed = \"0..3\"", "seed = \"0..2\"\n\"network.widths\" = [[6, 2, 2], [6, 8, 2]]");
    let spec = parse(&text, &["tune.per=[network.widths]", "tune.extend=0"]).unwrap();
    let sweep = plain(&spec, temp.path());
    let tuned = sweep.tuned.unwrap();
    assert_eq!((tuned.chosen.len(), tuned.trials.len()), (4, 12));
    assert_eq!(sweep.runs.len(), 8);
    for run in &sweep.runs {
        let widths = run.get("network.widths").unwrap();
        let own = tuned
            .chosen
            .iter()
            .find(|c| c.choice.rule == run.rule() && c.choice.per["network.widths"] == *widths);
        assert_eq!(own.unwrap().choice.values["optimizer.lr"].as_float(), Some(lr(run)));
    }
}

//! Specs from outside: every kind of mistake with its line and key, overrides, grids, ids.

use realign_lab::{Place, RunSpec, Spec, SpecError};
use std::path::Path;

const GOOD: &str = r#"name = "t"
seed = 3
[data]
name = "gaussians"
[network]
widths = [20, 8, 2]
[rule]
name = "fa"
[loss]
name = "cross_entropy"
[optimizer]
name = "sgd"
lr = 0.1
[train]
epochs = 2
batch = 50
"#;

fn parse(text: &str, overrides: &[&str]) -> Result<Spec, SpecError> {
    let overrides: Vec<String> = overrides.iter().map(|o| (*o).to_owned()).collect();
    Spec::parse(text, Path::new("x.toml"), &overrides)
}

fn runs(text: &str, overrides: &[&str]) -> Vec<RunSpec> {
    parse(text, overrides).unwrap_or_else(|e| panic!("{e}")).runs()
}

fn word(run: &RunSpec, key: &str) -> String {
    run.get(key).map(ToString::to_string).unwrap_or_default()
}

/// Replaces one line of the good spec; the mistake must be reported at that line and key.
#[test]
fn every_mistake_has_its_line_and_key() {
    let cases: &[(&str, &str, usize, &str, &str)] = &[
        ("seed = 3", "sed = 3", 2, "sed", "did you mean \"seed\""),
        ("seed = 3", "seed = -1", 2, "seed", "at least 0"),
        ("seed = 3", "seed = \"a\"", 2, "seed", "string"),
        ("name = \"t\"", "name = \"a/b\"", 1, "name", "folder"),
        ("name = \"gaussians\"", "name = \"gausians\"", 4, "data.name", "gaussians"),
        (
            "name = \"gaussians\"",
            "name = \"gaussians\"\nsubst = 3",
            5,
            "data.subst",
            "did you mean \"subset\"",
        ),
        ("name = \"gaussians\"", "name = \"gaussians\"\nlabel_noise = 2.0", 5, "data.label_noise", "0 to 1"),
        ("widths = [20, 8, 2]", "widths = [20, -8, 2]", 6, "network.widths", "at least 1"),
        ("widths = [20, 8, 2]", "widths = 8", 6, "network.widths", ""),
        (
            "widths = [20, 8, 2]",
            "widths = [20, 8, 2]\nactivation = \"rellu\"",
            7,
            "network.activation",
            "relu",
        ),
        ("widths = [20, 8, 2]", "width = [20, 8, 2]", 6, "network.width", "did you mean \"widths\""),
        ("name = \"fa\"", "name = \"sing_fa\"", 8, "rule.name", "did you mean \"sign_fa\""),
        ("name = \"fa\"", "name = \"adafa\"\nkapa = 1", 9, "rule.kapa", "did you mean \"kappa\""),
        ("name = \"cross_entropy\"", "name = \"cross\"", 10, "loss.name", "cross_entropy"),
        ("lr = 0.1", "lrr = 0.1", 13, "optimizer.lrr", "did you mean \"lr\""),
        ("lr = 0.1", "lr = \"big\"", 13, "optimizer.lr", "number"),
        ("lr = 0.1", "lr = -0.1", 13, "optimizer.lr", "above 0"),
        ("lr = 0.1", "lr = 0.1\nmomentum = true", 14, "optimizer.momentum", ""),
        ("lr = 0.1", "lr = 0.1\nschedule = { name = \"cosin\" }", 14, "optimizer.schedule.name", "cosine"),
        ("lr = 0.1", "lr = 0.1\nclip = 3", 14, "optimizer.clip", "global"),
        ("lr = 0.1", "", 11, "optimizer.lr", "missing"),
        ("epochs = 2", "epochs = 0", 15, "train.epochs", "at least 1"),
        ("epochs = 2", "epochs = 2\nsteps = 5", 16, "train.steps", "not both"),
        ("epochs = 2", "", 14, "train.epochs", "missing"),
        ("batch = 50", "batch = \"half\"", 16, "train.batch", "full"),
        ("batch = 50", "dtype = \"f46\"", 16, "train.dtype", "did you mean \"f64\""),
        ("batch = 50", "checkpoint = \"often\"", 16, "train.checkpoint", "epoch"),
        ("batch = 50", "checkpoint = \"never\"", 16, "train.checkpoint", "end"),
        ("batch = 50", "threads = 2", 16, "train.threads", "known"),
        ("batch = 50", "[[probes]]\nname = \"acuracy\"", 17, "probes.0.name", "accuracy"),
        (
            "batch = 50",
            "[[probes]]\nname = \"accuracy\"\nevry = \"1 epoch\"",
            18,
            "probes.0.evry",
            "did you mean \"every\"",
        ),
        ("batch = 50", "[grid]\nsed = [1]", 17, "grid.sed", "did you mean \"seed\""),
        ("batch = 50", "[grid]\nseed = []", 17, "grid.seed", "empty"),
        ("batch = 50", "[grid]\nseed = \"9..3\"", 17, "grid.seed", "no values"),
        ("batch = 50", "[grid]\n\"rule.name\" = [\"bp\", \"fba\"]", 17, "rule.name", "unknown rule"),
        ("batch = 50", "[per_rule.faa]\nseed = 3", 16, "per_rule.faa", "did you mean \"fa\""),
        ("batch = 50", "[per_rule.fa]\n\"optimizer.lr\" = \"x\"", 17, "optimizer.lr", "number"),
        ("batch = 50", "[init]\nweight = { name = \"xavier\" }", 17, "init.weight.name", "xavier_"),
        ("batch = 50", "[init]\nfeedback = { name = \"equal\", cosine = 0.5 }", 17, "init.feedback", ""),
    ];
    for (from, to, line, key, hint) in cases {
        let text = GOOD.replacen(from, to, 1);
        let e = parse(&text, &[]).err().unwrap_or_else(|| panic!("accepted: {to}"));
        assert_eq!(e.line(), Some(*line), "{to}: {e}");
        assert!(e.key == *key || (*key == "init.feedback" && e.key.starts_with(key)), "{to}: {e}");
        assert!(e.to_string().starts_with(&format!("x.toml:{line}: {}", e.key)), "{e}");
        assert!(e.message.contains(hint), "{to}: wanted {hint} in: {e}");
    }
}

#[test]
fn missing_sections_and_syntax() {
    for section in ["data", "network", "rule", "optimizer", "train"] {
        let text = GOOD.replace(&format!("[{section}]\n"), "");
        assert!(parse(&text, &[]).is_err());
        let e = parse(GOOD, &[&format!("~{section}")]).unwrap_err();
        assert_eq!(e.key, section);
        assert!(e.message.contains("missing section"), "{e}");
    }
    let e = parse(&GOOD.replace("seed = 3", "seed = = 3"), &[]).unwrap_err();
    assert_eq!(e.line(), Some(2));
    let e = Spec::load(Path::new("no/such.toml"), &[]).unwrap_err();
    assert_eq!(e.place, Place::File);
    assert!(e.to_string().starts_with("no/such.toml: cannot read"), "{e}");
}

#[test]
fn mistakes_in_overrides_name_the_override() {
    for (text, key) in [
        ("optimizer.lrr=1", "optimizer.lrr"),
        ("rule=faa", "rule.name"),
        ("+seed=4", "seed"),
        ("~optimizer.nothing", "optimizer.nothing"),
        ("rule.name=bp,faa", "rule.name"),
        ("network.widths.7=3", "network.widths.7"),
        ("seed.x=3", "seed.x"),
        ("nonsense", "nonsense"),
        ("grid=3", "grid"),
        ("grid={seed: [1, 2]}", "grid"),
        ("grid=a,b", "grid"),
        ("grid.seed=[]", "seed"),
        ("per_rule=a,b", "per_rule"),
        ("per_rule.fa.optimizer.lr=1,2", "per_rule.fa.optimizer.lr"),
        ("grid.sed=[1]", "sed"),
        ("~seed=4", "seed"),
        ("network.widths=[20,1000000000,1000000000,2]", "network.widths"),
        ("train.epochs=9223372036854775807", "train.epochs"),
        ("init.feedback.cosine=2", "init.feedback.cosine"),
        ("optimizer.clip.global=-1", "optimizer.clip"),
        ("optimizer.schedule.warmup=-1", "optimizer.schedule.warmup"),
    ] {
        let e = parse(GOOD, &[text]).err().unwrap_or_else(|| panic!("accepted: {text}"));
        assert_eq!(e.key, key, "{e}");
        assert!(e.to_string().starts_with(&format!("override \"{text}\": ")), "{e}");
    }
}

/// Options of a part that the file does not mention belong to the usual one.
#[test]
fn options_alone_keep_the_usual_name() {
    let name = |text: &str, key: &str| word(&runs(GOOD, &[text])[0], key);
    assert_eq!(name("init.feedback.scale=2", "init.feedback.name"), "\"xavier_uniform\"");
    assert_eq!(name("init.weight.scale=0.5", "init.weight.name"), "\"xavier_uniform\"");
    assert_eq!(name("optimizer.schedule.warmup=5", "optimizer.schedule.name"), "\"constant\"");
    assert_eq!(name("~seed=3", "seed"), "0");
}

#[test]
fn overrides_win_over_grid_and_per_rule() {
    let text = format!(
        "{GOOD}[per_rule.bp]\n\"optimizer.lr\" = 0.5\n[per_rule.fa]\noptimizer.lr = 0.25\n[grid]\n\"rule.name\" = [\"bp\", \"fa\"]\nseed = \"0..3\"\n"
    );
    let rates = |o: &[&str]| {
        runs(&text, o)
            .iter()
            .map(|r| format!("{} {} {}", r.rule(), r.seed(), word(r, "optimizer.lr")))
            .collect::<Vec<_>>()
    };
    assert_eq!(rates(&[]), ["bp 0 0.5", "bp 1 0.5", "bp 2 0.5", "fa 0 0.25", "fa 1 0.25", "fa 2 0.25"]);
    assert_eq!(rates(&["rule=fa", "seed=7"]), ["fa 7 0.25"]);
    assert_eq!(rates(&["seed=7", "optimizer.lr=0.1"]), ["bp 7 0.1", "fa 7 0.1"]);
    assert_eq!(rates(&["seed=7", "rule=bp", "optimizer.lr=0.1,1"]), ["bp 7 0.1", "bp 7 1.0"]);
    assert_eq!(rates(&["~grid"]), ["fa 3 0.25"]);
    assert_eq!(rates(&["~grid.seed"]), ["bp 3 0.5", "fa 3 0.25"]);
    assert_eq!(rates(&["seed=7", "rule=bp,bp"]), ["bp 7 0.5"]);
}

#[test]
fn axes_keep_the_order_of_the_file() {
    let text = format!(
        "{GOOD}[grid]\nseed = [5, 4]\n\"data.label_noise\" = [0.0, 0.2]\n\"network.widths\" = [[20, 4, 2]]\n"
    );
    let labels: Vec<String> = runs(&text, &[]).iter().map(|r| r.label().to_owned()).collect();
    let widths = "network.widths=[20, 4, 2]";
    assert_eq!(labels[0], format!("seed=5 data.label_noise=0.0 {widths}"));
    assert_eq!(labels[1], format!("seed=5 data.label_noise=0.2 {widths}"));
    assert_eq!(labels.len(), 4);
}

/// Changing how a spec resolves changes every id and orphans stored runs: do it knowingly.
#[test]
fn ids_are_stable_and_mean_the_resolved_spec() {
    let run = &runs(GOOD, &[])[0];
    let same = [
        &["seed=3"][..],
        &["optimizer.momentum=0"],
        &["train.dtype=f32"],
        &["init.feedback=xavier_uniform"],
        &["train.checkpoint=1 epoch"],
    ];
    for overrides in same {
        assert_eq!(runs(GOOD, overrides)[0].id(), run.id(), "{overrides:?}");
    }
    assert_ne!(runs(GOOD, &["seed=4"])[0].id(), run.id());
    assert_eq!(run.id(), "afd5b4340c");
    let again = &runs(run.to_toml(), &[])[0];
    assert_eq!(again.to_toml(), run.to_toml());
    assert_eq!(run.folder(), format!("t-{}", run.id()));
}

#[test]
fn shipped_experiments_load() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments");
    for (file, n) in [
        ("quickstart.toml", 4),
        ("mnist.toml", 12),
        ("anchors/akrout2019-mnist.toml", 3),
        ("anchors/akrout2019-mnist-short.toml", 3),
    ] {
        let spec = Spec::load(&root.join(file), &[]).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(spec.runs().len(), n, "{file}");
    }
    let spec = Spec::load(&root.join("quickstart.toml"), &["data.name=mnist".into()])
        .unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(word(&spec.runs()[1], "data.name"), "\"mnist\"");
}

/// A table from the command line is the whole section: neither the file's keys in it nor its axes are left, and its mistakes are the override's.
#[test]
fn a_table_takes_the_place_of_a_section() {
    let text = GOOD.replace("name = \"gaussians\"", "name = \"gaussians\"\nmargin = 2.0")
        + "[grid]\ndata.dim = [20, 20]\nseed = [1, 2]\n";
    let found = runs(&text, &["data={name=glyphs, classes=3}", "network={model=lenet}"]);
    assert_eq!(found.len(), 2);
    for run in &found {
        assert_eq!((word(run, "data.name"), word(run, "data.classes")), ("\"glyphs\"".into(), "3".into()));
        assert_eq!(
            (word(run, "data.margin"), word(run, "network.model")),
            (String::new(), "\"lenet\"".into())
        );
        assert_eq!(word(run, "network.widths"), "");
    }
    let both = runs(GOOD, &["data={name=glyphs,classes=3},{name=digits}", "network={model=lenet}"]);
    assert_eq!(both.iter().map(|r| word(r, "data.name")).collect::<Vec<_>>(), ["\"glyphs\"", "\"digits\""]);
    let e = parse(GOOD, &["data={name=glyps}"]).unwrap_err();
    assert_eq!((e.key.as_str(), e.place), ("data.name", Place::Override("data={name=glyps}".into())));
    assert!(e.message.contains("glyphs"), "{}", e.message);
    let e = parse(GOOD, &["data={classes=3}"]).unwrap_err();
    assert!(e.to_string().contains("data.name: missing; known data sets"), "{e}");
}

//! The range of every key of a spec, stated by hand: what lies just inside runs, what lies just outside is refused with key, value and
//! what is allowed.

use realign_lab::{PLAIN_KEYS, Spec, SpecError};
use std::path::Path;

const GOOD: &str = r#"name = "t"
[data]
name = "glyphs"
validation = 20
[network]
model = "convnet"
[rule]
name = "fa"
[optimizer]
lr = 0.1
[train]
epochs = 2
batch = 50
"#;

fn parse(overrides: &[&str]) -> Result<Spec, SpecError> {
    let overrides: Vec<String> = overrides.iter().map(|o| (*o).to_owned()).collect();
    Spec::parse(GOOD, Path::new("x.toml"), &overrides)
}

/// Key, what goes with it, values that run, values that are refused.
type Row = (&'static str, &'static [&'static str], &'static [&'static str], &'static [&'static str]);

const MLP: &[&str] = &["network={model=mlp,widths=[784,10]}"];
const ADAM: &[&str] = &["optimizer.name=adam"];
const FLOW: &[&str] = &["optimizer={name=flow,t_end=1}"];
const COSINE: &[&str] = &["optimizer.schedule=cosine"];
const STEP: &[&str] = &["optimizer.schedule=step"];
const LEAKY: &[&str] = &["network={model=mlp,widths=[784,10],activation={name=leaky_relu}}"];
const TUNE: &[&str] = &["tune.seeds=9", "tune.optimizer.lr=[0.1, 1]"];

const ROWS: &[Row] = &[
    ("seed", &[], &["0", "9223372036854775807"], &["-1", "0.5", "008", "9223372036854775808"]),
    ("optimizer.lr", &[], &["1e-300", "1e300", "1"], &["0", "-1e-300", "1e999"]),
    ("optimizer.momentum", &[], &["0", "0.9999999999999999"], &["1", "-1e-300"]),
    ("optimizer.weight_decay", &[], &["0", "1e300"], &["-1e-300"]),
    ("optimizer.beta1", ADAM, &["0", "0.9999999999999999"], &["1", "-1e-300"]),
    ("optimizer.beta2", ADAM, &["0", "0.9999999999999999"], &["1", "-1e-300"]),
    ("optimizer.eps", ADAM, &["1e-300"], &["0", "-1"]),
    ("optimizer.t_end", FLOW, &["1e-300", "1e300"], &["0", "-1"]),
    ("optimizer.rtol", FLOW, &["1e-300"], &["0"]),
    ("optimizer.atol", FLOW, &["1e-300"], &["0"]),
    ("optimizer.min_step", FLOW, &["1e-300", "1"], &["0", "1.0000000000000002"]),
    ("optimizer.clip.global", &[], &["1e-300", "1e300", "1"], &["0", "-1"]),
    ("optimizer.clip.layer", &[], &["1e-300"], &["0", "-1"]),
    ("optimizer.schedule.floor", COSINE, &["0", "1"], &["-1e-300", "1.0000000000000002", "-1"]),
    ("optimizer.schedule.gamma", STEP, &["1e-300", "1", "2"], &["0", "-10"]),
    (
        "optimizer.schedule.milestones",
        STEP,
        &["[]", "[0, 1]", "[0.5]"],
        &["[-1e-300]", "[1.0000000000000002]", "[0.5, nan]", "0.5"],
    ),
    ("optimizer.schedule.warmup", &[], &["0", "1000000000000000"], &["-1", "0.5", "1000000000000001"]),
    ("rule.kappa", &["rule.name=adafa"], &["1e-300", "1e300"], &["0", "-1"]),
    ("rule.decay", &["rule.name=adafa"], &["0", "1e300"], &["-1e-300"]),
    ("rule.rho", &["rule.name=tracking"], &["0", "1"], &["-1e-300", "1.0000000000000002"]),
    ("rule.scale", &["rule.name=sign_fa"], &["0", "2", "xiao"], &["-1e-300", "xioa"]),
    ("init.weight.scale", &[], &["-1e300", "0", "1e300"], &[]),
    ("init.bias.scale", &[], &["-1e300", "0", "1e300"], &[]),
    ("init.feedback.scale", &["init.feedback=equal"], &["-1e300", "0", "1e300"], &[]),
    (
        "init.feedback.cosine",
        &["init.feedback.name=cosine"],
        &["-1", "1"],
        &["-1.0000000000000002", "1.0000000000000002"],
    ),
    ("init.feedback.margin", &["init.feedback.name=aligned"], &["1e-300"], &["0", "-1"]),
    ("network.depth", &["network.stages=1"], &["1", "10000"], &["0", "10001", "1.5"]),
    ("network.width", &[], &["1", "65536"], &["0", "65537", "-1"]),
    ("network.stages", &["network.depth=16"], &["1", "16"], &["0", "17"]),
    ("network.widths", &["network.model=mlp"], &["[1, 1]"], &["[0, 1]", "[1]", "[]", "1", "[1.5, 2]"]),
    ("network.dropout", MLP, &["0", "0.9999999999999999"], &["1", "-1e-300"]),
    ("network.activation.slope", LEAKY, &["0", "0.9999999999999999"], &["1", "-1e-300"]),
    ("data.label_noise", &[], &["0", "1"], &["-1e-300", "1.0000000000000002"]),
    ("data.subset", &[], &["1", "100000000"], &["0", "100000001", "-1", "0.5"]),
    ("data.validation", &[], &["1"], &["0", "-1"]),
    ("data.seed", &[], &["0"], &["-1", "0.5"]),
    ("data.augment.pad", &[], &["0", "1024"], &["-1", "1025", "0.5"]),
    ("data.train_size", &[], &["1"], &["0"]),
    ("train.epochs", &["~train.steps=1"], &["1", "1000000000"], &["0", "1000000001", "0.5"]),
    ("train.steps", &["~train.epochs"], &["1", "1000000000000000"], &["0", "1000000000000001"]),
    ("train.batch", &[], &["1", "full"], &["0", "-1", "half", "0.5"]),
    ("tune.extend", TUNE, &["0", "20"], &["-1", "21", "0.5"]),
];

#[test]
fn just_inside_and_just_outside() {
    for (key, with, good, bad) in ROWS {
        let with: Vec<&str> = with.iter().copied().filter(|w| *w != "~train.steps=1").collect();
        let run = |value: &str| {
            let text = format!("{key}={value}");
            let all: Vec<&str> = with.iter().copied().chain([text.as_str()]).collect();
            parse(&all)
        };
        for value in *good {
            run(value).unwrap_or_else(|e| panic!("{key}={value} is refused: {e}"));
        }
        for value in bad.iter().copied().chain(["nan", "inf", "-inf", "true", "[[1]]"]) {
            let e = run(value).err().unwrap_or_else(|| panic!("{key}={value} runs"));
            assert!(e.key.starts_with(key) || key.starts_with(&e.key), "{key}={value}: {e}");
            let said = e.to_string();
            assert!(said.contains("expected") || said.contains("unknown word"), "{key}={value}: {said}");
            assert!(said.starts_with(&format!("override \"{key}={value}\": ")), "{said}");
        }
    }
}

/// The reported ones, word for word.
#[test]
fn schedules_refuse_nonsense() {
    for (text, want) in [
        ("optimizer.schedule={name=cosine,floor=-1}", "a number from 0 to 1, got -1"),
        ("optimizer.schedule={name=cosine,floor=nan}", "a number from 0 to 1, got nan"),
        ("optimizer.schedule={name=cosine,floor=inf}", "a number from 0 to 1, got inf"),
        ("optimizer.schedule={name=step,gamma=-10}", "a number above 0, got -10"),
        ("optimizer.schedule={name=step,gamma=nan}", "a number above 0, got nan"),
        ("optimizer.schedule={name=step,gamma=inf}", "a number above 0, got inf"),
        ("rule={name=adafa,kappa=0}", "a number above 0, got 0"),
    ] {
        let e = parse(&[text]).unwrap_err();
        assert!(e.to_string().contains(want), "{e}");
    }
}

/// Values of axes and of `[tune]` are values of runs: none of them is found out after the first run.
#[test]
fn axes_and_tuned_values_keep_to_the_ranges() {
    for text in ["optimizer.lr=0.1,nan", "grid.optimizer.momentum=[0.5, 1]", "optimizer.lr=range(0,2)"] {
        assert!(parse(&[text]).unwrap_err().message.contains("expected a number"), "{text}");
    }
    for tuned in ["[0.1, inf]", "[0.1, 0]", "[-0.1, 1]", "[0.1, x]"] {
        let text = format!("tune.optimizer.lr={tuned}");
        let e = parse(&["tune.seeds=9", &text]).unwrap_err();
        assert!(e.message.contains("expected a number above 0"), "{e}");
    }
    parse(&["tune.seeds=9", "tune.optimizer.lr=[0.1, 1]"]).unwrap_or_else(|e| panic!("{e}"));
}

/// 255 bytes is what folders take: 244 of a name, a dash and ten digits.
#[test]
fn the_longest_name() {
    let named = |n: usize, letter: &str| parse(&[&format!("name={}", letter.repeat(n))]);
    assert_eq!(named(244, "a").unwrap().runs()[0].folder().len(), 255);
    let e = named(245, "a").unwrap_err();
    assert!(e.message.contains("at most 244 bytes, these are 245"), "{e}");
    assert!(named(122, "ä").is_ok() && named(123, "ä").is_err());
}

#[test]
fn plain_keys_have_good_defaults() {
    for (section, options) in PLAIN_KEYS {
        for option in *options {
            if let Ok(default) = option.default.parse::<toml::Value>() {
                option.allowed.check(option.name, &default).unwrap_or_else(|e| panic!("{section}: {e}"));
            }
        }
    }
}

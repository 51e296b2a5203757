//! Mistakes as people make them: each message says what to write.

use realign_lab::{Spec, SpecError};
use std::path::Path;

const GOOD: &str = r#"name = "t"
seed = 3
[data]
name = "gaussians"
[network]
widths = [20, 8, 2]
[rule]
name = "fa"
[optimizer]
lr = 0.1
[train]
epochs = 2
batch = 50
"#;

fn parse(text: &str, overrides: &[&str]) -> Result<Spec, SpecError> {
    let overrides: Vec<String> = overrides.iter().map(|o| (*o).to_owned()).collect();
    Spec::parse(text, Path::new("x.toml"), &overrides)
}

/// An override and what its message must say.
#[test]
fn slips_in_overrides() {
    for (text, cure) in [
        ("optimizer.lr=0.1#0.01", "write 0.1 alone"),
        ("optimizer.lr=0.1 # slow", "write 0.1 alone"),
        ("optimizer.lr=0.1\nseed=4", "each as an argument of its own"),
        ("optimizer.nesterov=True", "write true"),
        ("network.bias=no", "write false"),
        ("network.residual=1", "write true"),
        ("network.residual=\"true\"", "write true"),
        ("seed=008", "write 8"),
        ("seed=3.0", "write 3"),
        ("seed=\"3\"", "write 3"),
        ("seed=1e3", "write 1000"),
        ("seed=99999999999999999999", "integer of at least 0"),
        ("seed=-1", "an integer of at least 0, got -1"),
        ("seed=one", "an integer of at least 0"),
        ("seed=", "no value"),
        ("seed", "write seed=VALUE"),
        ("seed:4", "write seed=4"),
        ("optimizer.lr='0.1'", "write 0.1, without quotes"),
        ("optimizer.lr=\"0,1\"", "write 0.1, without quotes"),
        ("optimizer.lr=fast", "a number above 0, got \"fast\""),
        ("optimizer.lr=0", "a number above 0, got 0"),
        ("optimizer.lr=1e999", "a number above 0, got inf"),
        ("network.widths=20,16,2", "one list is network.widths=[20,16,2]"),
        ("network.widths=20-16-2", "write a list in brackets: [20, 16, 2]"),
        ("network.widths=\"20 16 2\"", "write a list in brackets: [20, 16, 2]"),
        ("network.widths=20", "write a list in brackets: [20, ...]"),
        ("network.widths=[20,16,2", "not closed"),
        ("network.widths=[20,16.0,2]", "write 16"),
        ("network.widths=[20,sixteen,2]", "\"sixteen\" is not"),
        ("network.activation=rellu", "did you mean \"relu\""),
        ("network.activation=0.1", "a name in quotes, or a table"),
        ("network.activation={leaky_relu}", "no key=value"),
        ("network.dropout=1", "from 0 to below 1, got 1"),
        ("network.dropout=50%", "a number from 0 to below 1, got \"50%\""),
        ("network={model=mlp,widths=[20,2],widths=[20,3]}", "given twice"),
        ("network.model=lennet", "did you mean \"lenet\""),
        ("rule=FA", "did you mean \"fa\""),
        ("rule=bp,", "write bp alone"),
        ("rule=3", "a word in quotes, got 3"),
        ("rule={scale=1}", "known: bp, fa"),
        ("rule.kappa=1", "it takes none"),
        ("\"rule.name\"=bp", "write rule.name without quotes"),
        ("loss=crossentropy", "did you mean \"cross_entropy\""),
        ("optimizer=Adam", "did you mean \"adam\""),
        ("optimizer.clip=1", "{ global = c }"),
        ("optimizer.clip={global=0}", "c > 0, got"),
        ("optimizer.schedule=cosin", "did you mean \"cosine\""),
        ("optimizer.nesterov=true", "write momentum above 0"),
        ("train.batch=all", "known: full"),
        ("train.batch=2.5", "an integer of at least 1"),
        ("train.epochs=0.5", "an integer of at least 1, got 0.5"),
        ("train.dtype=float64", "known: f32, f64"),
        ("train.dtype=64", "\"f32\", \"f64\""),
        ("train.checkpoint=10", "a cadence in quotes"),
        ("train.checkpoint=never", "the least is \"end\""),
        ("data=gausians", "did you mean \"gaussians\""),
        ("data.classes=[0,1]", "an integer from 2"),
        ("data.subset=0.5", "an integer of at least 1, got 0.5"),
        ("data.label_noise=20", "a number from 0 to 1, got 20"),
        ("data.normalize=False", "write false"),
        ("data.orthogonal=yes", "write true"),
        ("probes=accuracy", "a list of tables"),
        ("init.feedback=cosine", "missing: cos(W, B)"),
        ("init.weight=xavier", "xavier_uniform"),
        ("init.weight.scale=1/2", "a finite number, got \"1/2\""),
        ("name=a b", "letters, digits"),
        ("name=7", "a name in quotes"),
    ] {
        let e = parse(GOOD, &[text]).err().unwrap_or_else(|| panic!("accepted: {text}"));
        let said = e.to_string();
        assert!(said.contains(cure), "wanted {cure} in: {said}");
        assert!(said.starts_with(&format!("override \"{text}\": ")), "{said}");
    }
}

/// A line in place of `seed = 3`, and what its message must say.
#[test]
fn slips_in_files() {
    for (line, cure) in [
        ("seed = True", "write seed = true"),
        ("seed = 008", "write seed = 8"),
        ("seed = three", "write seed = \"three\", with quotes"),
        ("seed = 1,2", "[1, 2] for a list"),
        ("seed: 3", "in place of \":\""),
        ("seed =", "a value after it"),
        ("seed = .5", "write seed = 0.5"),
        ("seed = 99999999999999999999", "at most 9223372036854775807"),
        ("seed = 3\nseed = 4", "duplicate key"),
        ("seed = “3”", "straight quotes"),
        ("seed = '3'", "write 3"),
        ("seed = 3.0", "write 3"),
        ("seed = nan", "an integer of at least 0, got nan"),
    ] {
        let e =
            parse(&GOOD.replace("seed = 3", line), &[]).err().unwrap_or_else(|| panic!("accepted: {line}"));
        let said = e.to_string();
        assert!(said.contains(cure), "wanted {cure} in: {said}");
        let at = if line.contains('\n') { 3 } else { 2 };
        assert!(said.starts_with(&format!("x.toml:{at}: ")), "{said}");
    }
}

/// Two overrides of which one would silently not hold.
#[test]
fn overrides_that_take_back_others() {
    for pair in [
        ["seed=1,2", "seed=3"],
        ["grid.seed=[1,2]", "seed=3"],
        ["seed=3", "grid.seed=[1,2]"],
        ["seed=1,2", "~grid"],
        ["seed=1,2", "~grid.seed"],
        ["seed=1", "~seed"],
        ["seed=1", "seed=null"],
        ["data.dim=20", "data={name=gaussians}"],
        ["optimizer.lr=0.1", "~optimizer"],
    ] {
        let e = parse(GOOD, &pair).err().unwrap_or_else(|| panic!("accepted: {pair:?}"));
        let want = format!("takes back the override \"{}\"", pair[0]);
        assert!(e.message.contains(&want), "{pair:?}: {e}");
    }
    let last = parse(GOOD, &["seed=1", "seed=2"]).unwrap_or_else(|e| panic!("{e}")).runs();
    assert_eq!((last.len(), last[0].seed()), (1, 2), "of two values of one key the last holds");
    for pair in [
        ["rule=fa", "rule.name=bp"],
        ["+optimizer.momentum=0.5", "++optimizer.momentum=0.9"],
        ["seed=1", "seed=1"],
        ["~seed", "seed=2"],
        ["data={name=gaussians}", "data.dim=20"],
        ["rule=sign_fa", "rule.scale=1"],
        ["seed=1,2", "optimizer.lr=0.1,0.2"],
        ["network.widths=[20,4,2]", "network.widths.1=5"],
    ] {
        parse(GOOD, &pair).unwrap_or_else(|e| panic!("{pair:?}: {e}"));
    }
}

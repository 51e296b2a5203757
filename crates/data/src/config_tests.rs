use super::*;

fn parse(text: &str) -> Result<DataConfig, ConfigError> {
    parse_config(text.parse().unwrap())
}

#[test]
fn every_default_is_allowed_and_complete() {
    for entry in registry() {
        let config = DataConfig::new(entry.name).unwrap();
        for doc in entry.options {
            let value = config.options.get(doc.name).unwrap();
            let shown = value.as_str().map_or(value.to_string(), str::to_owned);
            assert_eq!(shown, doc.default, "{} {}", entry.name, doc.name);
        }
        assert_eq!((config.label_noise, config.normalize, config.seed), (0.0, true, None));
    }
}

#[test]
fn a_config_survives_toml_and_json() {
    let text = "name = 'mnist'\nsubset = 4000\nclasses = [1, 7]\nlabel_noise = 0.2\nvalidation = 5\nseed = 3";
    for config in [parse(text).unwrap(), parse("name='gaussians'\nclasses=4\northogonal=true").unwrap()] {
        let as_toml = toml::to_string(&config).unwrap();
        assert_eq!(toml::from_str::<DataConfig>(&as_toml).unwrap(), config, "{as_toml}");
        let as_json = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<DataConfig>(&as_json).unwrap(), config, "{as_json}");
    }
}

/// What the user wrote, the key that the error must name, and a part of what it must say.
#[test]
fn bad_tables_are_named() {
    for (text, key, part) in [
        ("subset = 1", "name", "missing; known data sets: digits"),
        ("name = 3", "name", "got 3"),
        ("name = 'mnits'", "name", "did you mean \"mnist\"?"),
        ("name = 'mnist'\nsubst = 4", "subst", "did you mean \"subset\"?"),
        ("name = 'mnist'\ntrain_size = 4", "train_size", "data set \"mnist\" has no option \"train_size\""),
        ("name = 'mnist'\nsubset = -4", "subset", "an integer of at least 1, got -4"),
        ("name = 'mnist'\nsubset = 0", "subset", "at least 1"),
        ("name = 'mnist'\nsubset = 1.5", "subset", "got 1.5"),
        ("name = 'mnist'\nsubset = 'all'", "subset", "got \"all\""),
        ("name = 'mnist'\nlabel_noise = 1.5", "label_noise", "a number from 0 to 1, got 1.5"),
        ("name = 'mnist'\nlabel_noise = nan", "label_noise", "got nan"),
        ("name = 'mnist'\nlabel_noise = -0.1", "label_noise", "got -0.1"),
        ("name = 'mnist'\nnormalize = 'yes'", "normalize", "true or false"),
        ("name = 'mnist'\nclasses = 11", "classes", "11 classes asked for; data set \"mnist\" has 10"),
        ("name = 'mnist'\nclasses = [1, 10]", "classes", "no class 10"),
        ("name = 'mnist'\nclasses = [1, 1]", "classes", "different labels"),
        ("name = 'mnist'\nclasses = []", "classes", "got []"),
        ("name = 'mnist'\nclasses = 0", "classes", "at least 1"),
        ("name = 'mnist'\nseed = -1", "seed", "at least 0"),
        ("name = 'teacher'\nkind = 'netwrk'", "kind", "did you mean \"network\"?"),
        ("name = 'teacher'\nkind = 1", "kind", "one of the words"),
        ("name = 'gaussians'\nclasses = [0, 1]", "classes", "an integer from 2"),
        ("name = 'digits'\ntrain_size = 0", "train_size", "at least 1"),
    ] {
        let error = parse(text).unwrap_err();
        assert_eq!(error.key, key, "{text}: {error}");
        assert!(error.message.contains(part), "{text}: {error}");
    }
}

/// 10^8 examples of 10^6 numbers are 800 TB: more than any machine this runs on, so it must be refused, not tried.
#[test]
fn data_that_do_not_fit_in_memory_are_refused() {
    for text in ["name = 'gaussians'\ndim = 1000000", "name = 'teacher'\ndim = 1000000"] {
        let config = parse_config(format!("{text}\ntrain_size = 100000000").parse().unwrap()).unwrap();
        let error = crate::load(&config, 0, &crate::Dirs::default()).unwrap_err().to_string();
        assert!(error.starts_with("data.train_size: 100000000 examples of 1000000 values"), "{error}");
    }
}

#[test]
fn augmentation_is_written_out_whole() {
    let config = parse("name = 'glyphs'\naugment = { flip = true }\nclasses = 10").unwrap();
    assert_eq!(config.augment, Some(Augment { pad: 0, flip: true }));
    let text = toml::to_string(&config).unwrap();
    assert!(text.contains("pad = 0") && text.contains("flip = true"), "{text}");
    assert_eq!(toml::from_str::<DataConfig>(&text).unwrap(), config);
    for (text, key) in [("augment = 4", "augment"), ("augment = { pad = 'x' }", "augment.pad")] {
        assert_eq!(parse(&format!("name = 'glyphs'\n{text}")).unwrap_err().key, key);
    }
}

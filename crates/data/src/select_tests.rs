use crate::{Bundle, DataConfig, Dataset, Dirs, Features, load, parse_config};

fn digits(text: &str) -> Bundle {
    let config: DataConfig = format!("name='digits'\ntrain_size=400\ntest_size=100\n{text}").parse_into();
    load(&config, 7, &Dirs::default()).unwrap()
}

fn error(text: &str) -> String {
    let config: DataConfig = format!("name='digits'\ntrain_size=400\ntest_size=100\n{text}").parse_into();
    load(&config, 7, &Dirs::default()).unwrap_err().to_string()
}

trait ParseInto {
    fn parse_into(&self) -> DataConfig;
}

impl ParseInto for String {
    fn parse_into(&self) -> DataConfig {
        parse_config(self.parse().unwrap()).unwrap()
    }
}

fn image(set: &Dataset, i: usize) -> &[u8] {
    let Features::U8 { pixels, .. } = &set.features else { panic!("images") };
    &pixels[i * 784..][..784]
}

/// The record alone is enough to find every example of the run in the whole set, with its label.
fn assert_replayable(bundle: &Bundle) {
    let whole = digits("");
    let record = &bundle.record;
    let check = |set: &Dataset, source: &Dataset, indices: &[usize]| {
        assert_eq!(set.len(), indices.len());
        for (k, &i) in indices.iter().enumerate() {
            assert_eq!(image(set, k), image(source, i));
            let change = record.changed_labels.iter().find(|c| c.index == i && set.name.ends_with("train"));
            let original = record.kept_classes.binary_search(&source.labels().unwrap()[i]).unwrap() as u32;
            let label = set.labels().unwrap()[k];
            match change {
                Some(c) => assert_eq!((c.from, c.to), (original, label)),
                None => assert_eq!(label, original),
            }
        }
    };
    check(&bundle.train, &whole.train, &record.train_indices);
    let test = whole.test.as_ref().unwrap();
    check(bundle.test.as_ref().unwrap(), test, record.test_indices.as_ref().unwrap());
    if let Some(validation) = &bundle.validation {
        check(validation, &whole.train, &record.validation_indices);
    }
}

#[test]
fn everything_at_once_can_be_replayed_from_the_record() {
    for text in [
        "",
        "classes = 4",
        "classes = [9, 2]\nvalidation = 20",
        "subset = 50\nlabel_noise = 0.3",
        "classes = 3\nsubset = 40\nlabel_noise = 0.5\nvalidation = 30",
    ] {
        assert_replayable(&digits(text));
    }
}

#[test]
fn classes_are_renumbered_in_ascending_order() {
    let bundle = digits("classes = [9, 2, 5]");
    assert_eq!(bundle.record.kept_classes, [2, 5, 9]);
    assert_eq!(bundle.class_names, ["2", "5", "9"]);
    assert_eq!((bundle.train.len(), bundle.train.classes()), (120, Some(3)));
    assert_eq!(bundle.test.unwrap().len(), 30);
}

#[test]
fn drawn_classes_depend_on_the_seed_and_nothing_else() {
    let kept = |text: &str| digits(text).record.kept_classes;
    let base = kept("classes = 4");
    assert_eq!(base.len(), 4);
    assert_eq!(base, kept("classes = 4\nsubset = 5\nlabel_noise = 0.5\nvalidation = 9"));
    assert!((0..5).any(|s| kept(&format!("classes = 4\nseed = {s}")) != base));
}

#[test]
fn the_seed_of_the_data_beats_that_of_the_run() {
    assert_eq!(digits("").record.seed, 7);
    let (a, b) = (digits("seed = 3"), digits("seed = 7"));
    assert_eq!(a.record.seed, 3);
    assert_ne!(a.train, b.train);
    assert_eq!(b.train, digits("").train);
}

#[test]
fn a_subset_grows_and_validation_is_disjoint() {
    let (small, large) = (digits("subset = 30").record, digits("subset = 90").record);
    assert!(small.train_indices.iter().all(|i| large.train_indices.contains(i)));
    let held = digits("validation = 100");
    let (train, validation) = (&held.record.train_indices, &held.record.validation_indices);
    assert_eq!((train.len(), validation.len()), (300, 100));
    let mut all = [train.clone(), validation.clone()].concat();
    all.sort_unstable();
    assert_eq!(all, (0..400).collect::<Vec<_>>());
    // The test set is the same, whatever is held out.
    assert_eq!(held.test, digits("").test);
}

#[test]
fn one_option_does_not_disturb_the_draws_of_another() {
    let plain = digits("validation = 40").record;
    assert_eq!(plain.validation_indices, digits("validation = 40\nsubset = 9").record.validation_indices);
    assert_eq!(
        digits("subset = 60").record.train_indices,
        digits("subset = 60\nlabel_noise = 0.4").record.train_indices
    );
}

#[test]
fn label_noise_changes_exactly_that_many_labels() {
    let bundle = digits("label_noise = 0.25\nvalidation = 50");
    let clean = bundle.clean_train_labels.as_ref().unwrap();
    let noisy = bundle.train.labels().unwrap();
    let changed = clean.iter().zip(noisy).filter(|(a, b)| a != b).count();
    assert_eq!(changed, (0.25f64 * 350.0).round() as usize);
    assert_eq!(bundle.record.changed_labels.len(), changed);
    assert!(digits("").clean_train_labels.is_none());
    // All labels change at 1, none at 0.
    let all = digits("label_noise = 1.0");
    assert!(all.clean_train_labels.unwrap().iter().zip(all.train.labels().unwrap()).all(|(a, b)| a != b));
}

/// Each of the 9 other labels has the same chance. Chi-square with 9 x 10 - 10 = 80 degrees of freedom given the row sums:
/// below 130 with probability 0.9996.
#[test]
fn label_noise_is_symmetric() {
    let config = "name='digits'\ntrain_size=20000\ntest_size=1\nlabel_noise=0.9".to_owned().parse_into();
    let bundle = load(&config, 1, &Dirs::default()).unwrap();
    let mut counts = [[0f64; 10]; 10];
    bundle.record.changed_labels.iter().for_each(|c| counts[c.from as usize][c.to as usize] += 1.0);
    let mut chi2 = 0.0;
    for (from, row) in counts.iter().enumerate() {
        let expected = row.iter().sum::<f64>() / 9.0;
        chi2 +=
            (0..10).filter(|&to| to != from).map(|to| (row[to] - expected).powi(2) / expected).sum::<f64>();
        assert_eq!(row[from], 0.0);
    }
    assert!(chi2 < 130.0, "{chi2}");
}

#[test]
fn constants_are_those_of_the_whole_train_set() {
    let (whole, part) = (digits(""), digits("classes = [1]\nsubset = 5"));
    assert_eq!((&whole.record.mean, &whole.record.sd), (&part.record.mean, &part.record.sd));
    let raw = digits("normalize = false");
    assert_eq!((raw.record.mean, raw.record.sd), (vec![0.0], vec![1.0]));
    let Features::U8 { mean, .. } = raw.test.unwrap().features else { panic!("images") };
    assert_eq!(mean, [0.0]);
}

#[test]
fn choices_that_do_not_fit_are_named() {
    for (text, part) in [
        (
            "subset = 401",
            "data.subset: 401 examples asked for; 400 train examples of data set \"digits\" are left",
        ),
        ("validation = 350\nsubset = 51", "data.subset: 51 examples asked for; 50 train"),
        ("validation = 400", "data.validation: 400 examples leave none to train on"),
        ("classes = 1\nlabel_noise = 0.5", "data.label_noise: one class"),
    ] {
        let error = error(text);
        assert!(error.contains(part), "{text}: {error}");
    }
}

#[test]
fn the_record_survives_json() {
    let record = digits("classes = 3\nsubset = 20\nlabel_noise = 0.5\nvalidation = 10").record;
    let text = serde_json::to_string(&record).unwrap();
    assert!(text.contains("\"source\":\"procedural\""), "{text}");
    assert_eq!(serde_json::from_str::<crate::DataRecord>(&text).unwrap(), record);
}

#[test]
fn a_config_changed_by_hand_is_checked_again() {
    let mut config = DataConfig::new("digits").unwrap();
    config.label_noise = 2.0;
    assert!(load(&config, 0, &Dirs::default()).unwrap_err().to_string().contains("data.label_noise"));
    config.name = "digts".to_owned();
    assert!(load(&config, 0, &Dirs::default()).unwrap_err().to_string().contains("did you mean \"digits\"?"));
}

/*!
The options that every data set has, applied in this order:

1. the whole train and test sets are built or read; normalisation constants are those of the whole train set;
2. `classes`: other classes leave train and test; labels are renumbered from 0 in ascending order;
3. `validation`: that many train examples move into the validation set (never test examples);
4. `subset`: that many of the remaining train examples stay;
5. `label_noise`: exactly round(fraction x n) of the n remaining train examples get one of the other kept classes,
   uniformly; validation and test stay clean.

Each choice is a prefix of one random order of the whole train file, filtered by what is still there. So a subset of 100
lies in the subset of 200, and adding noise or a validation set does not reshuffle the other choices. Chosen examples
keep their original order.
*/

use crate::config::{ClassChoice, DataConfig, check_choice};
use crate::load::Bundle;
use crate::registry::{Entry, Raw};
use crate::{ChangedLabel, ConfigError, DataError, DataRecord, Dataset, Features, Targets};
use realign_tensor::Rng;

/// Applies the common options of `config` to a whole data set. `rng` is the sub-tree "data".
pub(crate) fn apply(
    config: &DataConfig,
    entry: &Entry,
    raw: Raw,
    seed: u64,
    rng: &Rng,
) -> Result<Bundle, DataError> {
    if let Some(augment) = &config.augment {
        augment.check(&raw.train)?;
    }
    let Raw { mut train, mut test, source, classes } = raw;
    let there = classes.unwrap_or_else(|| all_classes(entry, &train));
    let kept = kept_classes(config, &train, &there, rng)?;
    let whole = train.len();
    let mut here: Vec<usize> = of_classes(&train, &kept);
    if here.is_empty() {
        let message = format!("no train example of classes {kept:?}");
        return Err(DataError::Unfit { name: entry.name.to_owned(), message });
    }
    let validation_indices = match config.validation {
        Some(n) => split_off(&mut here, n, whole, "validation", rng, entry.name)?,
        None => Vec::new(),
    };
    if let Some(n) = config.subset {
        here = chosen("subset", n, &here, whole, rng, entry.name)?;
    }
    let test_indices = test.as_ref().map(|t| of_classes(t, &kept));
    if test_indices.as_ref().is_some_and(Vec::is_empty) {
        let message = format!("no test example of classes {kept:?}");
        return Err(DataError::Unfit { name: entry.name.to_owned(), message });
    }

    set_normalisation(config.normalize, &mut train);
    test.iter_mut().for_each(|t| set_normalisation(config.normalize, t));
    let validation = config.validation.map(|_| {
        let mut set = train.select(&validation_indices);
        set.name = format!("{}/validation", entry.name);
        set
    });
    let mut train = narrowed(train, &here);
    let mut test = test.zip(test_indices.as_ref()).map(|(t, i)| narrowed(t, i));
    let mut validation = validation;
    for set in [Some(&mut train), validation.as_mut(), test.as_mut()].into_iter().flatten() {
        renumber(set, &kept);
    }
    let clean = train.labels().map(<[u32]>::to_vec);
    let changed_labels = add_noise(config.label_noise, &mut train, &here, whole, rng, entry.name)?;
    let (mean, sd) = match &train.features {
        Features::U8 { mean, sd, .. } => (mean.clone(), sd.clone()),
        Features::F64(_) => (Vec::new(), Vec::new()),
    };
    let name_of = |l: &u32| there.binary_search_by_key(l, |(l, _)| *l).map(|i| there[i].1.clone());
    let class_names: Vec<String> = kept.iter().filter_map(|l| name_of(l).ok()).collect();
    let record = DataRecord {
        name: entry.name.to_owned(),
        source,
        seed,
        train_indices: here,
        validation_indices,
        test_indices,
        changed_labels,
        normalize: config.normalize,
        mean,
        sd,
        kept_classes: kept,
        class_names: class_names.clone(),
    };
    let clean_train_labels = if config.label_noise > 0.0 { clean } else { None };
    Ok(Bundle { train, validation, test, clean_train_labels, class_names, augment: config.augment, record })
}

/// Every label of the data set with its name; empty for real targets.
fn all_classes(entry: &Entry, train: &Dataset) -> Vec<(u32, String)> {
    let name =
        |label: usize| entry.class_names.get(label).map_or_else(|| label.to_string(), |&s| s.to_owned());
    (0..train.classes().unwrap_or(0)).map(|l| (l as u32, name(l))).collect()
}

/// Original labels of the kept classes, ascending; empty for real targets. `there` are the classes that the files hold: a
/// random choice is the beginning of one random order of all classes, filtered by what is there.
fn kept_classes(
    config: &DataConfig,
    train: &Dataset,
    there: &[(u32, String)],
    rng: &Rng,
) -> Result<Vec<u32>, DataError> {
    let Some(n) = train.classes() else {
        let unfit = |key: &str| {
            let message =
                format!("data set \"{}\" has no classes: its targets are real vectors", config.name);
            Err(ConfigError::new(key, message).into())
        };
        return match config {
            DataConfig { classes: Some(_), .. } => unfit("classes"),
            c if c.label_noise > 0.0 => unfit("label_noise"),
            _ => Ok(Vec::new()),
        };
    };
    let is_there = |label: &u32| there.binary_search_by_key(label, |(l, _)| *l).is_ok();
    let Some(choice) = &config.classes else { return Ok(there.iter().map(|(l, _)| *l).collect()) };
    check_choice(choice, n, &config.name)?;
    let mut kept = match choice {
        ClassChoice::List(labels) => labels.clone(),
        ClassChoice::Count(k) => {
            let order = rng.child("classes").permutation(n).into_iter().map(|c| c as u32);
            let kept: Vec<u32> = order.filter(is_there).take(*k).collect();
            if kept.len() < *k {
                let (name, held) = (&config.name, there.len());
                let message =
                    format!("{k} classes asked for; the files of data set \"{name}\" hold {held} of {n}");
                return Err(ConfigError::new("classes", message).into());
            }
            kept
        }
    };
    if let Some(label) = kept.iter().find(|l| !is_there(l)) {
        let held: Vec<String> = there.iter().map(|(l, _)| l.to_string()).collect();
        let message = format!(
            "class {label} is not in the files of data set \"{}\"; they hold {}",
            config.name,
            held.join(", ")
        );
        return Err(ConfigError::new("classes", message).into());
    }
    kept.sort_unstable();
    Ok(kept)
}

/// Positions of the examples of these classes; all of them for real targets.
fn of_classes(set: &Dataset, kept: &[u32]) -> Vec<usize> {
    match set.labels() {
        Some(labels) => (0..labels.len()).filter(|&i| kept.binary_search(&labels[i]).is_ok()).collect(),
        None => (0..set.len()).collect(),
    }
}

/// The first `n` of the random order called `key` that are in `here` (ascending), in ascending order.
fn chosen(
    key: &str,
    n: usize,
    here: &[usize],
    whole: usize,
    rng: &Rng,
    name: &str,
) -> Result<Vec<usize>, ConfigError> {
    if n > here.len() {
        let left = here.len();
        let message =
            format!("{n} examples asked for; {left} train examples of data set \"{name}\" are left");
        return Err(ConfigError::new(key, message));
    }
    let mut is_here = vec![false; whole];
    here.iter().for_each(|&i| is_here[i] = true);
    let order = rng.child(key).permutation(whole);
    let mut first: Vec<usize> = order.into_iter().filter(|&i| is_here[i]).take(n).collect();
    first.sort_unstable();
    Ok(first)
}

/// Moves `n` examples out of `here`; at least one must stay.
fn split_off(
    here: &mut Vec<usize>,
    n: usize,
    whole: usize,
    key: &str,
    rng: &Rng,
    name: &str,
) -> Result<Vec<usize>, ConfigError> {
    let out = chosen(key, n, here, whole, rng, name)?;
    here.retain(|i| out.binary_search(i).is_err());
    if here.is_empty() {
        let message = format!("{n} examples leave none to train on in data set \"{name}\"");
        return Err(ConfigError::new(key, message));
    }
    Ok(out)
}

fn set_normalisation(normalize: bool, set: &mut Dataset) {
    if let (false, Features::U8 { mean, sd, .. }) = (normalize, &mut set.features) {
        mean.fill(0.0);
        sd.fill(1.0);
    }
}

/// Only these examples, without a copy if they are all.
fn narrowed(set: Dataset, indices: &[usize]) -> Dataset {
    if indices.len() == set.len() { set } else { set.select(indices) }
}

fn renumber(set: &mut Dataset, kept: &[u32]) {
    if let Targets::Classes { labels, classes } = &mut set.targets {
        *classes = kept.len();
        for label in labels {
            *label = kept.binary_search(label).expect("only kept classes are left") as u32;
        }
    }
}

/// Changes labels in place; `here` are the original positions of the train examples.
fn add_noise(
    fraction: f64,
    train: &mut Dataset,
    here: &[usize],
    whole: usize,
    rng: &Rng,
    name: &str,
) -> Result<Vec<ChangedLabel>, ConfigError> {
    let Targets::Classes { labels, classes } = &mut train.targets else { return Ok(Vec::new()) };
    if fraction <= 0.0 {
        return Ok(Vec::new());
    }
    if *classes < 2 {
        let message = format!("one class of data set \"{name}\" is kept, so no label can change");
        return Err(ConfigError::new("label_noise", message));
    }
    let n = (fraction * here.len() as f64).round() as usize;
    let noise = rng.child("label_noise");
    let others = noise.child("label");
    let mut changed = Vec::with_capacity(n);
    for index in chosen("label_noise", n, here, whole, rng, name)? {
        let at = here.binary_search(&index).expect("chosen from here");
        let from = labels[at];
        // One of the other classes: draws at or above the own label move up by one.
        let draw = others.at(index as u64).below(*classes - 1) as u32;
        let to = draw + u32::from(draw >= from);
        labels[at] = to;
        changed.push(ChangedLabel { index, from, to });
    }
    Ok(changed)
}

#[cfg(test)]
#[path = "select_tests.rs"]
mod tests;

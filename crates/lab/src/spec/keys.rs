//! The keys of a spec that belong to no registry, with their ranges. What a registry entry takes is declared in the entry.

use super::SpecError;
use super::places::{Places, join};
use realign::ConfigError;
use realign::optim::Clip;
use realign::registry::{Allowed, Opt, suggest};
use realign::train::{Every, MOST_EPOCHS, MOST_STEPS};
use toml::Table;

/// Longest name of an experiment in bytes: with a dash and the ten digits of an id it names folders, and file systems end at 255.
const LONGEST_NAME: usize = 255 - 11;

/// Plain keys at the top.
pub(crate) const TOP: &[Opt] = &[
    Opt {
        name: "name",
        default: "",
        meaning: "name of the experiment; becomes a folder's name",
        allowed: Allowed::Form("a name in quotes: letters, digits, \"-\", \"_\" and \".\"", |value| {
            name(value.as_str()).map_err(|m| ConfigError::new("", format!("{m}, got {value}")).into())
        }),
    },
    Opt {
        name: "seed",
        default: "0",
        meaning: "root of everything random in a run",
        allowed: Allowed::Size(0, i64::MAX as usize),
    },
];

/// Keys of `[optimizer]` beside the optimizer's own.
pub(crate) const OPTIMIZER: &[Opt] = &[
    Opt { name: "lr", default: "", meaning: "the learning rate", allowed: Allowed::POSITIVE },
    Opt {
        name: "clip",
        default: "none",
        meaning: "largest norm of the update directions, over the whole net or per layer",
        allowed: Allowed::Form("{ global = c } or { layer = c } with c > 0", |value| {
            Clip::parse(value).map(drop).map_err(Into::into)
        }),
    },
];

/// Keys of `[train]`.
pub(crate) const TRAIN: &[Opt] = &[
    Opt {
        name: "epochs",
        default: "none",
        meaning: "passes over the train split; either these or steps",
        allowed: Allowed::Size(1, MOST_EPOCHS as usize),
    },
    Opt {
        name: "steps",
        default: "none",
        meaning: "updates; either these or epochs",
        allowed: Allowed::Size(1, MOST_STEPS as usize),
    },
    Opt {
        name: "batch",
        default: "64",
        meaning: "examples per update, or the whole train split",
        allowed: Allowed::Either(&[Allowed::Size(1, i64::MAX as usize), Allowed::Word(&["full"])]),
    },
    Opt {
        name: "dtype",
        default: "\"f32\"",
        meaning: "numbers of 32 or 64 bits",
        allowed: Allowed::Word(&["f32", "f64"]),
    },
    Opt {
        name: "checkpoint",
        default: "\"1 epoch\"",
        meaning: "when weights are kept, beside the first and the last",
        allowed: Allowed::Form(
            "a cadence in quotes: \"10 steps\", \"1 epoch\", \"log\" or \"end\"",
            |value| {
                Every::ALLOWED.check("", value)?;
                match value.as_str().and_then(|s| s.parse().ok()) {
                    Some(Every::Never) => Err(ConfigError::new(
                        "",
                        "a run keeps at least its first and last weights; the least is \"end\"",
                    )
                    .into()),
                    _ => Ok(()),
                }
            },
        ),
    },
];

/// The key that every probe has beside its own.
pub(crate) const PROBE: &[Opt] =
    &[Opt { name: "every", default: "\"1 epoch\"", meaning: "when it measures", allowed: Every::ALLOWED }];

/// Plain keys of `[tune]`.
pub(crate) const TUNE: &[Opt] = &[
    Opt {
        name: "metric",
        default: "\"val_accuracy\"",
        meaning: "what is compared, on the validation split",
        allowed: Allowed::Word(&["val_accuracy", "val_loss"]),
    },
    Opt {
        name: "extend",
        default: "2",
        meaning: "at most so many further values at each end of a geometric grid",
        allowed: Allowed::Size(0, 20),
    },
];

/// All of them by section, as shown to users.
pub const PLAIN: &[(&str, &[Opt])] =
    &[("", TOP), ("optimizer", OPTIMIZER), ("train", TRAIN), ("probes", PROBE), ("tune", TUNE)];

/// The option called `key`.
pub(super) fn find<'a>(options: &'a [Opt], key: &str) -> &'a Opt {
    options.iter().find(|o| o.name == key).unwrap_or_else(|| panic!("no plain key {key}"))
}

/// Checks the plain keys that a table has, and refuses those it must have and has not.
pub(super) fn check(options: &[Opt], table: &Table, path: &str, p: &Places) -> Result<(), SpecError> {
    for option in options {
        match table.get(option.name) {
            Some(value) => {
                option.allowed.check(option.name, value).map_err(|e| p.config(path, e.into()))?;
            }
            None if option.default.is_empty() => {
                let message = format!("missing: {}; give {}", option.meaning, option.allowed);
                return Err(p.error(&join(path, option.name), message));
            }
            None => {}
        }
    }
    Ok(())
}

/// Refuses keys that are none of `known`.
pub(super) fn known(table: &Table, path: &str, known: &[&str], p: &Places) -> Result<(), SpecError> {
    match table.keys().find(|k| !known.contains(&k.as_str())) {
        None => Ok(()),
        Some(key) => Err(p.error(&join(path, key), format!("unknown key \"{key}\"{}", suggest(key, known)))),
    }
}

fn name(name: Option<&str>) -> Result<(), String> {
    let Some(name) = name else {
        return Err("expected a name in quotes (in a shell name='\"7\"')".into());
    };
    if name.is_empty()
        || name.starts_with('.')
        || !name.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c))
    {
        return Err("becomes a folder's name: letters, digits, \"-\", \"_\" and \".\" only".into());
    }
    if name.len() > LONGEST_NAME {
        return Err(format!(
            "becomes a folder's name: at most {LONGEST_NAME} bytes, these are {}",
            name.len()
        ));
    }
    Ok(())
}

//! Data sets that experiments ask for, and the built-in ones that stand in where their files are not found.

use realign_data::Dirs;
use realign_data::fetch::{Presence, presence};
use std::collections::BTreeMap;

/// A data set with its stand-in.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// Its name in a spec.
    pub name: &'static str,
    /// Its name in prose.
    pub words: &'static str,
    /// The built-in set used in its place.
    pub stand_in: &'static str,
    /// What that is, in prose.
    pub stand_in_words: &'static str,
    /// What the stand-in has in common with it and what not.
    pub likeness: &'static str,
}

/// All of them.
pub static SOURCES: &[Source] = &[
    Source {
        name: "mnist",
        words: "MNIST",
        stand_in: "digits",
        stand_in_words: "built-in drawn digits",
        likeness: "They look like handwriting but are made by a program",
    },
    Source {
        name: "cifar100",
        words: "CIFAR-100",
        stand_in: "glyphs",
        stand_in_words: "built-in drawn glyphs",
        likeness: "They are colour pictures of 100 classes and of the same size, but made by a program",
    },
    Source {
        name: "tiny_imagenet",
        words: "Tiny-ImageNet",
        stand_in: "glyphs",
        stand_in_words: "built-in drawn glyphs",
        likeness: "They are colour pictures, but smaller (32x32), of 100 classes and made by a program",
    },
];

/// Which data set is used for each of [`SOURCES`]: itself or its stand-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Supply(Vec<(&'static Source, bool)>);

impl Supply {
    /// Those whose files are found.
    pub fn found(dirs: &Dirs) -> Supply {
        let here = |s: &Source| matches!(presence(s.name, dirs), Ok(Presence::Whole));
        Supply(SOURCES.iter().map(|s| (s, here(s))).collect())
    }

    /// Exactly these.
    pub fn of(names: &[&str]) -> Supply {
        Supply(SOURCES.iter().map(|s| (s, names.contains(&s.name))).collect())
    }

    /// From what [`Supply::words`] gave.
    ///
    /// # Errors
    /// If a data set is missing, or comes from another.
    pub fn parse(words: &BTreeMap<String, String>) -> Result<Supply, String> {
        let one = |s: &'static Source| match words.get(s.name).map(String::as_str) {
            Some(used) if used == s.name => Ok((s, true)),
            Some(used) if used == s.stand_in => Ok((s, false)),
            Some(other) => Err(format!("\"{other}\" stands in for {}; known is {}", s.name, s.stand_in)),
            None => Err(format!("no word on data set {}", s.name)),
        };
        SOURCES.iter().map(one).collect::<Result<_, _>>().map(Supply)
    }

    /// Data set asked for and data set used, by their names in a spec.
    pub fn words(&self) -> BTreeMap<String, String> {
        self.0.iter().map(|(s, _)| (s.name.to_owned(), self.used(s).to_owned())).collect()
    }

    /// Whether the files of `source` are there.
    pub fn has(&self, source: &Source) -> bool {
        self.0.iter().any(|(s, here)| *s == source && *here)
    }

    /// The data set to use for `source`.
    pub fn used(&self, source: &Source) -> &'static str {
        let (known, here) =
            self.0.iter().find(|(s, _)| *s == source).expect("all sources are in every supply");
        if *here { known.name } else { known.stand_in }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_supply_survives_being_written_down() {
        let supply = Supply::of(&["mnist", "tiny_imagenet"]);
        assert_eq!(Supply::parse(&supply.words()).unwrap(), supply);
        assert_eq!(
            SOURCES.iter().map(|s| supply.used(s)).collect::<Vec<_>>(),
            ["mnist", "glyphs", "tiny_imagenet"]
        );
        let mut words = supply.words();
        words.insert("mnist".into(), "glyphs".into());
        assert!(Supply::parse(&words).unwrap_err().contains("digits"));
        words.remove("mnist");
        assert!(Supply::parse(&words).unwrap_err().contains("mnist"));
    }

    #[test]
    fn every_source_and_every_stand_in_is_a_data_set() {
        let known: Vec<&str> = realign_data::registry().iter().map(|e| e.name).collect();
        for s in SOURCES {
            assert!(known.contains(&s.name) && known.contains(&s.stand_in), "{}", s.name);
        }
    }
}

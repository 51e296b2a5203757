//! Where the pictures of an image folder lie: in `<root>/<split>/<class>/`, under exactly one root, and nowhere else.

use super::album::Want;
use crate::picture::kinds::{self, Ending};
use crate::{DataError, files};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Folders of train and of test pictures.
pub(super) const TRAIN: &str = "train";
pub(super) const TESTS: [&str; 4] = ["test", "val", "valid", "validation"];

/// Where a file lies: `<root>/<split>/<class>/<file>`.
pub(super) struct Home<'a> {
    /// "" or a path with a slash at its end.
    pub(super) root: &'a str,
    pub(super) split: &'a str,
    pub(super) class: &'a str,
}

impl Home<'_> {
    /// The home of a file by its path inside, if it has one.
    pub(super) fn of(inside: &str) -> Option<Home<'_>> {
        let (rest, _) = inside.rsplit_once('/')?;
        let (rest, class) = rest.rsplit_once('/')?;
        let split = rest.rsplit_once('/').map_or(rest, |(_, s)| s);
        let root = &rest[..rest.len() - split.len()];
        (split == TRAIN || TESTS.contains(&split)).then_some(Home { root, split, class })
    }
}

/// What was seen on the way through a folder or archive.
#[derive(Default)]
pub(super) struct Layout {
    /// The first picture under each root, and whether there are train pictures.
    roots: BTreeMap<String, (String, bool)>,
    /// Splits that have pictures.
    splits: BTreeSet<String>,
    /// Classes of train with any file.
    classes: BTreeSet<String>,
    /// The first picture that is in no class.
    stray: Option<String>,
}

impl Layout {
    /// What to do with a file; remembers where it lies.
    pub(super) fn want(&mut self, inside: &str) -> Want {
        let home = Home::of(inside);
        if let Some(Home { split: TRAIN, class, .. }) = home {
            self.classes.insert(class.to_owned());
        }
        let name = inside.rsplit('/').next().unwrap_or(inside);
        match (kinds::by_name(name), home) {
            (Ending::Picture, Some(home)) => {
                let first =
                    self.roots.entry(home.root.to_owned()).or_insert_with(|| (inside.to_owned(), false));
                first.1 |= home.split == TRAIN;
                self.splits.insert(home.split.to_owned());
                Want::Picture
            }
            (Ending::Picture, None) => {
                self.stray.get_or_insert_with(|| inside.to_owned());
                Want::Skip
            }
            (Ending::OtherPicture, _) => Want::Refuse(format!(
                "a picture of a kind that is not read ({}): convert it to PNG or move it away",
                kinds::READ
            )),
            (Ending::Archive, Some(_)) => Want::Refuse(
                "an archive among the pictures, which is not opened: unpack it or move it away".to_owned(),
            ),
            (Ending::Unknown, Some(_)) => Want::NoPicture,
            (Ending::Archive | Ending::Unknown, None) => Want::Skip,
        }
    }

    /// The one root under which all pictures lie.
    ///
    /// # Errors
    /// If there are several, or a picture is in no class, or there is no train picture.
    pub(super) fn root(&self) -> Result<String, String> {
        let nearest = |train: bool| {
            let roots = self.roots.iter().filter(|(_, (_, t))| *t || !train);
            roots.map(|(r, _)| r).min_by_key(|r| r.matches('/').count())
        };
        let root = nearest(true).or_else(|| nearest(false));
        let other = self.roots.iter().find(|(r, _)| Some(*r) != root).map(|(_, (picture, _))| picture);
        let expected = format!("expected {}<split>/<class>/<picture>", root.map_or("", String::as_str));
        if let Some(picture) = other {
            return Err(format!(
                "{picture}: a picture of a second set of folders; {expected}: move it out, or give the folder that is meant as data.path"
            ));
        }
        if let Some(stray) = &self.stray {
            return Err(format!(
                "{stray}: a picture in no class; {expected} with a split called {TRAIN} or {}: move it",
                TESTS.join(", ")
            ));
        }
        Ok(root.cloned().unwrap_or_default())
    }

    /// The split of the test pictures, by the option `test`; `None` where none has pictures.
    ///
    /// # Errors
    /// If several could be meant, or the one asked for has no picture.
    pub(super) fn test_split(&self, option: &str) -> Result<Option<&'static str>, String> {
        let there: Vec<&'static str> = TESTS.into_iter().filter(|t| self.splits.contains(*t)).collect();
        if option != "auto" {
            let asked = there.iter().find(|t| **t == option);
            return asked.map(|t| Some(*t)).ok_or_else(|| {
                format!("no picture ({}) in {option}/<class>/, and data.test = \"{option}\"", kinds::READ)
            });
        }
        match there[..] {
            [] => Ok(None),
            [one] => Ok(Some(one)),
            [one, ref others @ ..] => Err(format!(
                "{one}/ and {} have pictures: say which is the test set, as in data.test = \"{one}\"; the other is not read then",
                others.iter().map(|t| format!("{t}/")).collect::<Vec<_>>().join(", ")
            )),
        }
    }

    /// Refuses a class or a folder of test pictures without pictures; `classes` are those that have some.
    ///
    /// # Errors
    /// If there is one, or a folder cannot be listed.
    pub(super) fn no_empty_folder(
        mut self,
        path: &Path,
        root: &str,
        classes: &[String],
    ) -> Result<(), DataError> {
        if path.is_dir() {
            let folders =
                files::list(path, &format!("{root}{TRAIN}"))?.into_iter().filter(|i| i.meta.is_dir());
            self.classes.extend(folders.filter_map(|i| Some(i.inside.rsplit_once('/')?.1.to_owned())));
            let empty = |t: &&str| !self.splits.contains(*t) && path.join(format!("{root}{t}")).is_dir();
            if let Some(test) = TESTS.into_iter().find(empty) {
                let message = format!(
                    "{root}{test}: no picture ({}) in {test}/<class>/: fill it or remove it",
                    kinds::READ
                );
                return Err(DataError::format(path, message));
            }
        }
        match self.classes.iter().find(|c| !classes.contains(c)) {
            Some(class) => Err(DataError::format(
                path,
                format!("{root}{TRAIN}/{class}: no picture ({}) in this class", kinds::READ),
            )),
            None => Ok(()),
        }
    }
}

//! Your own pictures: `<path>/train/<class>/*.png|jpg|jpeg` and `<path>/test/<class>/...` (or `val`, where there is no `test`).
//!
//! Classes are the folders of `train` in alphabetical order, pictures in a class too. All pictures must have the size of the
//! first; where some are grey and others are not, grey ones are expanded to three channels. `path` may also be a `.zip`, `.tar`
//! or `.tar.gz` of such folders. [`crate::decoded`] keeps the result.

use super::album::{self, Album, Want};
use crate::decoded::{Decoded, Split, cached};
use crate::picture::Picture;
use crate::registry::{Allowed, Entry, Kind, OptionDoc, Raw, Request};
use crate::{ConfigError, DataError, Dirs};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub(crate) const ENTRY: Entry = Entry {
    name: "image_folder",
    summary: "your own PNG or JPEG pictures, one folder per class",
    kind: Kind::Real,
    classes: None,
    class_names: &[],
    shape: "channels x height x width",
    citation: "",
    licence: "that of your pictures",
    options: &[OptionDoc {
        name: "path",
        default: "images",
        meaning: "folder (or .zip, .tar, .tar.gz) with train/<class>/ and test/<class>/ or val/<class>/; \
                  looked for here and in the data folders",
        allowed: Allowed::Path,
    }],
    download: None,
    build,
};

fn build(request: &Request<'_>) -> Result<Raw, DataError> {
    let path = find(Path::new(request.options.path("path")), request.dirs)?;
    let decoded = cached(&path, "image_folder", Dirs::cache_dir().as_deref(), || decode(&path))?;
    Ok(decoded.into_raw("image_folder"))
}

fn find(path: &Path, dirs: &Dirs) -> Result<PathBuf, ConfigError> {
    let roots = std::iter::once(PathBuf::new()).chain(dirs.roots());
    let places: Vec<PathBuf> = roots.map(|r| r.join(path)).collect();
    let missing = || {
        let mut places: Vec<String> = places.iter().map(|p| p.display().to_string()).collect();
        places.dedup();
        ConfigError::new("path", format!("no such folder or archive; looked for {}", places.join(", ")))
    };
    places.iter().find(|p| p.exists()).cloned().ok_or_else(missing)
}

const SPLITS: [&str; 3] = ["train", "val", "test"];

/// Split and class of a file in a class.
fn home(inside: &str) -> Option<[&str; 2]> {
    let parts: Vec<&str> = inside.split('/').collect();
    let &[.., split, class, _] = &parts[..] else { return None };
    SPLITS.contains(&split).then_some([split, class])
}

fn is_picture(inside: &str) -> bool {
    let end = inside.rsplit_once('.').map(|(_, e)| e.to_ascii_lowercase());
    end.is_some_and(|e| ["png", "jpg", "jpeg"].contains(&e.as_str()))
}

/// Classes of train with any file, and the first picture that is in no class: what would otherwise be left out without a word.
#[derive(Default)]
struct Seen {
    classes: BTreeSet<String>,
    stray: Option<String>,
}

impl Seen {
    fn want(&mut self, inside: &str) -> Want {
        match home(inside) {
            Some([split, class]) => {
                if split == "train" {
                    self.classes.insert(class.to_owned());
                }
                if is_picture(inside) { Want::Picture } else { Want::Skip }
            }
            None => {
                if is_picture(inside) && inside.split('/').any(|part| SPLITS.contains(&part)) {
                    self.stray.get_or_insert_with(|| inside.to_owned());
                }
                Want::Skip
            }
        }
    }

    /// Complains about what was left out; `classes` are those with pictures.
    fn check(mut self, path: &Path, classes: &[String]) -> Result<(), DataError> {
        if let Some(stray) = self.stray {
            return Err(DataError::format(path, format!("{stray}: a picture in no class; expected <split>/<class>/<picture>")));
        }
        self.classes.extend(folders(&path.join("train"))?);
        match self.classes.iter().find(|c| !classes.contains(c)) {
            Some(class) => Err(DataError::format(path, format!("train/{class}: no picture (.png, .jpg, .jpeg) in this class"))),
            None => Ok(()),
        }
    }
}

/// Names of the folders in `path`, which may be no folder.
fn folders(path: &Path) -> Result<Vec<String>, DataError> {
    let mut names = Vec::new();
    if path.is_dir() {
        let wrap = |e| DataError::io(path, e);
        for entry in std::fs::read_dir(path).map_err(wrap)? {
            let entry = entry.map_err(wrap)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.path().is_dir() && !name.starts_with('.') {
                names.push(name);
            }
        }
    }
    Ok(names)
}

/// A picture in its class, and its path.
struct Shot {
    class: String,
    inside: String,
    picture: Picture,
}

/// Reads and decodes everything.
pub(super) fn decode(path: &Path) -> Result<Decoded, DataError> {
    let seen = RefCell::new(Seen::default());
    let Album { mut pictures, source, .. } = album::read(path, &|inside| seen.borrow_mut().want(inside))?;
    let wrong = |message: String| DataError::format(path, message);
    pictures.sort_by(|a, b| a.0.cmp(&b.0));
    let [mut train, mut val, mut test] = [Vec::new(), Vec::new(), Vec::new()];
    for (inside, picture) in pictures {
        let Some([split, class]) = home(&inside) else { continue };
        let list = match split {
            "train" => &mut train,
            "val" => &mut val,
            _ => &mut test,
        };
        list.push(Shot { class: class.to_owned(), picture, inside });
    }
    let Some(first) = train.first() else {
        return Err(wrong("no picture (.png, .jpg, .jpeg) in train/<class>/".to_owned()));
    };
    let size = (first.picture.height, first.picture.width);
    let (test, split_name) = if test.is_empty() { (val, "val") } else { (test, "test") };
    for shot in train.iter().chain(&test) {
        let (h, w) = (shot.picture.height, shot.picture.width);
        if (h, w) != size {
            let (height, width) = size;
            let message = format!("an image of {h}x{w}, but {} has {height}x{width}: all must have one size", first.inside);
            return Err(wrong(format!("{}: {message}", shot.inside)));
        }
    }
    let colour = train.iter().chain(&test).any(|s| s.picture.channels == 3);
    let mut classes: Vec<String> = train.iter().map(|s| s.class.clone()).collect();
    classes.sort_unstable();
    classes.dedup();
    seen.into_inner().check(path, &classes)?;
    check_classes(&classes, &test, split_name).map_err(wrong)?;
    let shape = [if colour { 3 } else { 1 }, size.0, size.1];
    let test = (!test.is_empty()).then(|| split(test, &classes, colour));
    Ok(Decoded { shape, train: split(train, &classes, colour), test, classes, source })
}

/// Where there is a test set it must have the classes of the train set.
fn check_classes(classes: &[String], test: &[Shot], split: &str) -> Result<(), String> {
    if let Some(shot) = test.iter().find(|s| !classes.contains(&s.class)) {
        let class = &shot.class;
        return Err(format!("{}: class {class} has no folder train/{class}", shot.inside));
    }
    let missing = classes.iter().find(|c| !test.iter().any(|s| s.class == **c));
    match missing {
        Some(class) if !test.is_empty() => Err(format!("no picture of class {class}: {split}/{class} is missing or empty")),
        _ => Ok(()),
    }
}

fn split(mut shots: Vec<Shot>, classes: &[String], colour: bool) -> Split {
    let mut split = Split::default();
    // Alphabetical order of paths may differ from that of classes ("a b/" before "a/").
    shots.sort_by(|a, b| (&a.class, &a.inside).cmp(&(&b.class, &b.inside)));
    for shot in shots {
        split.labels.extend(classes.binary_search(&shot.class).map(|l| l as u32));
        let picture = if colour { shot.picture.expanded() } else { shot.picture };
        split.pixels.extend_from_slice(&picture.pixels);
    }
    split
}

#[cfg(test)]
#[path = "image_folder_tests.rs"]
mod tests;

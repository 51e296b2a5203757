/*!
Your own pictures: `<root>/train/<class>/<picture>` and `<root>/test/<class>/...` (or `val`, `valid`, `validation`).

There is one root: `path`, or one folder somewhere in it. A picture that is elsewhere, or of a kind that is not read, is an error, so
nothing is left out or counted twice in silence. Classes are the folders of `train` in alphabetical order, pictures in a class too.
All pictures must have the size of the first; where some are grey and others are not, grey ones are expanded to three
channels. `path` may also be a `.zip`, `.tar` or `.tar.gz` of such folders. [`crate::decoded`] keeps the result.
*/

use super::album::{self, Album};
use super::layout::{Home, Layout, TESTS};
use crate::decoded::{Decoded, Split, cached};
use crate::picture::{Picture, kinds};
use crate::registry::{Allowed, Entry, Kind, OptionDoc, Raw, Request};
use crate::{ConfigError, DataError, Dirs};
use std::cell::RefCell;
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
    options: &[
        OptionDoc {
            name: "path",
            default: "images",
            meaning: "folder (or .zip, .tar, .tar.gz) with train/<class>/ and test/<class>/ or val/<class>/; \
                      looked for here and in the data folders",
            allowed: Allowed::Path,
        },
        OptionDoc {
            name: "test",
            default: "auto",
            meaning: "the folder of the test pictures; auto = the only one of these that has pictures, and no other is read",
            allowed: Allowed::Word(&["auto", "test", "val", "valid", "validation"]),
        },
    ],
    download: None,
    build,
};

fn build(request: &Request<'_>) -> Result<Raw, DataError> {
    let path = find(Path::new(request.options.path("path")), request.dirs)?;
    let test = request.options.word("test");
    let kind = format!("image_folder-{test}");
    let decoded = cached(&path, &kind, Dirs::cache_dir().as_deref(), || decode(&path, test))?;
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

/// A picture in its class, and its path.
struct Shot {
    class: String,
    inside: String,
    picture: Picture,
}

/// Reads and decodes everything; `test` is the option of that name.
pub(super) fn decode(path: &Path, test: &str) -> Result<Decoded, DataError> {
    let layout = RefCell::new(Layout::default());
    let Album { pictures, source, .. } = album::read(path, &|inside| layout.borrow_mut().want(inside))?;
    let layout = layout.into_inner();
    let wrong = |message: String| DataError::format(path, message);
    let root = layout.root().map_err(wrong)?;
    let test_name = layout.test_split(test).map_err(wrong)?;
    let (mut train, mut test) = (Vec::new(), Vec::new());
    for (inside, picture) in pictures {
        let Some(Home { split, class, .. }) = Home::of(&inside) else { continue };
        let list = match split {
            "train" => &mut train,
            _ if Some(split) == test_name => &mut test,
            _ => continue,
        };
        list.push(Shot { class: class.to_owned(), picture, inside });
    }
    // Alphabetical order of paths may differ from that of classes ("a b/" before "a/").
    [&mut train, &mut test].into_iter().for_each(|l| l.sort_by(|a, b| (&a.class, &a.inside).cmp(&(&b.class, &b.inside))));
    let Some(first) = train.iter().min_by(|a, b| a.inside.cmp(&b.inside)) else {
        return Err(wrong(format!("no picture ({}) in train/<class>/", kinds::READ)));
    };
    let size = (first.picture.height, first.picture.width);
    same_size(first, train.iter().chain(&test)).map_err(wrong)?;
    let colour = train.iter().chain(&test).any(|s| s.picture.channels == 3);
    let mut classes: Vec<String> = train.iter().map(|s| s.class.clone()).collect();
    classes.dedup();
    layout.no_empty_folder(path, &root, &classes)?;
    check_classes(&classes, &test, test_name.unwrap_or(TESTS[0])).map_err(wrong)?;
    let shape = [if colour { 3 } else { 1 }, size.0, size.1];
    let test = (!test.is_empty()).then(|| split(test, &classes, colour));
    Ok(Decoded { shape, train: split(train, &classes, colour), test, classes, source })
}

fn same_size<'a>(first: &Shot, mut shots: impl Iterator<Item = &'a Shot>) -> Result<(), String> {
    let (height, width) = (first.picture.height, first.picture.width);
    match shots.find(|s| (s.picture.height, s.picture.width) != (height, width)) {
        None => Ok(()),
        Some(Shot { inside, picture: Picture { height: h, width: w, .. }, .. }) => {
            let message = format!("an image of {h}x{w}, but {} has {height}x{width}: all must have one size", first.inside);
            Err(format!("{inside}: {message}"))
        }
    }
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

fn split(shots: Vec<Shot>, classes: &[String], colour: bool) -> Split {
    let mut split = Split::default();
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

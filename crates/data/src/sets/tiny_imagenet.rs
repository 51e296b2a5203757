/*!
Tiny-ImageNet: 64 x 64 photographs of 200 classes of ImageNet (Stanford course CS231N, "Tiny ImageNet visual recognition
challenge", 2015), 500 train and 50 validation images each. The labels of the official test images are not public, so the
validation images are the test set here.

Read from the official zip, a `.tar`, `.tar.gz` or `.zip` of the same layout or the unpacked folder; cuts to some of the
classes are read like whole sets. Validation images may also lie in folders of their classes, `val/<class>/`, and the images of
a class without the folder `images` between. All lie beside `wnids.txt`, of which there is one; an image elsewhere is an error. Class k is the k-th of the identifiers in `wnids.txt` in alphabetical order, so a
cut counts its own; names begin with the identifier. Train images come class by class and by their number, validation images by
their number, whatever the order of the archive. Grey images are expanded to three channels. [`crate::decoded`] keeps
the result.
*/

use super::album::{self, Album, Want};
use crate::decoded::{Decoded, Split, cached};
use crate::picture::Picture;
use crate::picture::kinds::{Ending, by_name};
use crate::registry::{Download, Entry, Kind, Raw, RemoteFile, Request};
use crate::{DataError, Dirs, dirs};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

pub(crate) const ENTRY: Entry = Entry {
    name: "tiny_imagenet",
    summary: "photographs of 200 classes: 100,000 train and 10,000 validation images; cuts to fewer classes are read too",
    kind: Kind::Real,
    classes: Some(200),
    class_names: &[],
    shape: "3x64x64",
    citation: "@techreport{le2015tiny,
  author      = {Le, Ya and Yang, Xuan},
  title       = {Tiny {ImageNet} visual recognition challenge},
  institution = {Stanford University, CS231N},
  year        = {2015}
}",
    licence: "ImageNet's terms: non-commercial research and education only",
    options: &[],
    download: Some(DOWNLOAD),
    build,
};

const DOWNLOAD: Download = Download {
    folder: "tiny-imagenet",
    folders: &["tiny-imagenet", "tiny-imagenet-200", "tiny_imagenet", ""],
    mirrors: &["http://cs231n.stanford.edu/"],
    // No SHA-256 is published. The checksums inside the zip are compared whenever it is read.
    files: &[RemoteFile { name: "tiny-imagenet-200.zip", bytes: 248_100_043, sha256: "", unpacked_sha256: "" }],
    layouts: &[
        &["tiny-imagenet-200/"],
        &["tiny-imagenet-200*.tar.gz"],
        &["tiny-imagenet-200*.zip"],
        &["tiny-imagenet-200*.tgz"],
        &["tiny-imagenet-200*.tar"],
        &["wnids.txt", "train/", "val/"],
    ],
};

/// The last of the layouts: the folder that is searched is the set itself.
const INSIDE: usize = 6;

const SIDE: usize = 64;

fn build(request: &Request<'_>) -> Result<Raw, DataError> {
    let download = request.entry.download.as_ref().expect("Tiny-ImageNet has files");
    let found = dirs::find(request.entry, download, request.dirs)?;
    let first = &found.paths[0];
    let path = if found.layout == INSIDE { first.parent().unwrap_or(first) } else { first };
    let path = path.to_path_buf();
    let decoded = cached(&path, "tiny_imagenet", Dirs::cache_dir().as_deref(), || decode(&path))?;
    Ok(decoded.into_raw("tiny_imagenet"))
}

/// Where an image belongs.
#[derive(Clone, Copy)]
enum Place<'a> {
    Train { class: &'a str },
    /// With its class where it lies in a folder of it.
    Validation { class: Option<&'a str> },
}

/// The place of an image, and the path before `train` or `val`.
fn place(inside: &str) -> Option<(&str, Place<'_>)> {
    let parts: Vec<&str> = inside.split('/').collect();
    let (root, place) = match parts[..] {
        [ref root @ .., "train", class, "images", _] => (root, Place::Train { class }),
        [ref root @ .., "val", "images", _] => (root, Place::Validation { class: None }),
        [ref root @ .., "val", class, "images", _] => (root, Place::Validation { class: Some(class) }),
        [ref root @ .., "train", class, _] => (root, Place::Train { class }),
        [ref root @ .., "val", class, _] => (root, Place::Validation { class: Some(class) }),
        _ => return None,
    };
    let length = root.iter().map(|p| p.len() + 1).sum::<usize>();
    is_picture(inside).then_some((&inside[..length], place))
}

fn is_picture(inside: &str) -> bool {
    by_name(inside.rsplit('/').next().unwrap_or(inside)) == Ending::Picture
}

/// The official test images, whose labels are not public.
fn is_unlabelled(inside: &str) -> bool {
    let parts: Vec<&str> = inside.split('/').collect();
    matches!(parts[..], [.., "test", "images", _] | [.., "test", _])
}

fn want(inside: &str, stray: &RefCell<Option<String>>) -> Want {
    match inside.rsplit('/').next() {
        Some("wnids.txt" | "words.txt" | "val_annotations.txt") => Want::Text,
        _ if place(inside).is_some() => Want::Picture,
        Some(file) if by_name(file) == Ending::OtherPicture => {
            Want::Refuse("a picture of a kind that this data set does not have: move it away".to_owned())
        }
        _ if is_picture(inside) && !is_unlabelled(inside) => {
            stray.borrow_mut().get_or_insert_with(|| inside.to_owned());
            Want::Skip
        }
        _ => Want::Skip,
    }
}

/// The path and content of the only text of this name, if there is one.
fn text<'a>(texts: &'a [(String, String)], name: &str) -> Result<Option<(&'a str, &'a str)>, String> {
    let mut found = texts.iter().filter(|(n, _)| n.rsplit('/').next() == Some(name));
    match (found.next(), found.next()) {
        (Some((one, _)), Some((other, _))) => Err(format!("{one} and {other}: one {name} is expected; is the set there twice?")),
        (found, _) => Ok(found.map(|(n, t)| (n.as_str(), t.as_str()))),
    }
}

/// Reads and decodes everything.
pub(super) fn decode(path: &Path) -> Result<Decoded, DataError> {
    let stray = RefCell::new(None);
    let Album { pictures, texts, source } = album::read(path, &|inside| want(inside, &stray))?;
    let wrong = |message: String| DataError::format(path, message);
    let text = |name: &str| text(&texts, name).map_err(wrong);
    let (list, wnids) = text("wnids.txt")?.ok_or_else(|| wrong("no wnids.txt in it".to_owned()))?;
    let root = &list[..list.len() - "wnids.txt".len()];
    if let Some(stray) = stray.into_inner() {
        return Err(wrong(format!("{stray}: an image in no class; expected {root}train/<class>/images/ or {root}val/images/")));
    }
    let classes = identifiers(wnids).map_err(wrong)?;
    let label_of = |class: &str| classes.binary_search(&class).ok().map(|l| l as u32);
    let annotations = match text("val_annotations.txt")? {
        Some((_, lines)) => Some(annotations(lines, &label_of).map_err(wrong)?),
        None => None,
    };
    let mut sorter = Sorter { label_of: &label_of, annotations: annotations.as_ref(), root, train: vec![], validation: vec![] };
    for (inside, picture) in pictures {
        sorter.take(&inside, picture).map_err(|message| wrong(format!("{inside}: {message}")))?;
    }
    let (train, validation) = sorter.sorted(&classes).map_err(wrong)?;
    let names = names(text("words.txt")?.map_or("", |(_, t)| t), &classes);
    Ok(Decoded { classes: names, shape: [3, SIDE, SIDE], train: split(train), test: Some(split(validation)), source })
}

/// Brings images to where they belong.
struct Sorter<'a> {
    label_of: &'a dyn Fn(&str) -> Option<u32>,
    /// Labels of validation images by their file; `None` without that list.
    annotations: Option<&'a BTreeMap<&'a str, u32>>,
    /// The folder of the set, with a slash at its end.
    root: &'a str,
    train: Vec<Numbered>,
    validation: Vec<Numbered>,
}

impl Sorter<'_> {
    fn take(&mut self, inside: &str, picture: Picture) -> Result<(), String> {
        if (picture.height, picture.width) != (SIDE, SIDE) {
            let (h, w) = (picture.height, picture.width);
            return Err(format!("an image of {h}x{w}, expected {SIDE}x{SIDE}"));
        }
        let (root, place) = place(inside).ok_or("an image in no class")?;
        if root != self.root {
            return Err(format!("an image of a second set beside that of {}wnids.txt: move it away", self.root));
        }
        let file = inside.rsplit('/').next().unwrap_or(inside);
        let of_class = |class: &str| (self.label_of)(class).ok_or_else(|| format!("class {class} is not in wnids.txt"));
        match place {
            Place::Train { class } => self.train.push((of_class(class)?, number(file), picture)),
            Place::Validation { class } => {
                let listed = self.annotations.and_then(|a| a.get(file).copied());
                let sorted = class.map(of_class).transpose()?;
                if sorted.is_some() && listed.is_some() && sorted != listed {
                    return Err("val_annotations.txt has another class than the folder that it lies in".to_owned());
                }
                let label = listed.or(sorted.filter(|_| self.annotations.is_none()));
                let label = label.ok_or_else(|| match self.annotations {
                    Some(_) => "has no line in val_annotations.txt".to_owned(),
                    None => "no val_annotations.txt in it, which would say its class".to_owned(),
                })?;
                self.validation.push((label, number(file), picture));
            }
        }
        Ok(())
    }

    /// Train images by class and number, validation images by number.
    fn sorted(mut self, classes: &[&str]) -> Result<(Vec<Numbered>, Vec<Numbered>), String> {
        self.train.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        self.validation.sort_by(|a, b| a.1.cmp(&b.1));
        let twice = self.train.windows(2).find(|w| (w[0].0, &w[0].1) == (w[1].0, &w[1].1));
        if let Some(twice) = twice.or_else(|| self.validation.windows(2).find(|w| w[0].1 == w[1].1)) {
            return Err(format!("{} is there twice", twice[0].1.1));
        }
        let without = |images: &[Numbered]| {
            (0..classes.len()).find(|&c| !images.iter().any(|(l, ..)| *l == c as u32)).map(|c| classes[c])
        };
        if let Some(class) = without(&self.train) {
            return Err(format!("no image of class {class}: train/{class}/images is missing or empty"));
        }
        let n = self.validation.len();
        match self.annotations.map(BTreeMap::len) {
            Some(lines) if lines != n => {
                return Err(format!("val_annotations.txt has {lines} lines, but there are {n} validation images"));
            }
            None if n == 0 => return Err("no val_annotations.txt in it, and no image in val/<class>/".to_owned()),
            _ => {}
        }
        match without(&self.validation) {
            Some(class) if self.annotations.is_none() => {
                Err(format!("no validation image of class {class}: val/{class} is missing or empty"))
            }
            _ => Ok((self.train, self.validation)),
        }
    }
}

/// The identifiers of `wnids.txt` in alphabetical order.
fn identifiers(text: &str) -> Result<Vec<&str>, String> {
    let mut classes: Vec<&str> = text.split_whitespace().collect();
    classes.sort_unstable();
    if classes.is_empty() {
        return Err("wnids.txt is empty".to_owned());
    }
    match classes.windows(2).find(|w| w[0] == w[1]) {
        Some(twice) => Err(format!("wnids.txt has {} twice", twice[0])),
        None => Ok(classes),
    }
}

/// Label by file of `val_annotations.txt`: file, identifier and a box, between tabs.
fn annotations<'a>(
    text: &'a str,
    label_of: &dyn Fn(&str) -> Option<u32>,
) -> Result<BTreeMap<&'a str, u32>, String> {
    let mut labels = BTreeMap::new();
    for (i, line) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
        let place = format!("val_annotations.txt line {}", i + 1);
        let mut fields = line.split('\t');
        let (Some(file), Some(class)) = (fields.next(), fields.next()) else {
            return Err(format!("{place}: expected file and class between tabs, got \"{line}\""));
        };
        let label = label_of(class.trim()).ok_or_else(|| format!("{place}: class {class} is not in wnids.txt"))?;
        if labels.insert(file, label).is_some() {
            return Err(format!("{place}: {file} is there twice"));
        }
    }
    Ok(labels)
}

/// "n01784675 centipede": identifiers with the first of their words in `words.txt`.
fn names(words: &str, classes: &[&str]) -> Vec<String> {
    let words: BTreeMap<&str, &str> = words.lines().filter_map(|l| l.split_once('\t')).collect();
    let first = |c: &&str| words.get(c).and_then(|w| w.split(',').next()).map_or("", str::trim);
    classes.iter().map(|c| format!("{c} {}", first(c)).trim().to_owned()).collect()
}

/// The number at the end of a file's name, `n01784675_12.JPEG`; files without one come last, by name.
fn number(file: &str) -> (u64, String) {
    let stem = file.rsplit_once('.').map_or(file, |(s, _)| s);
    let number = stem.rsplit_once('_').and_then(|(_, n)| n.parse().ok());
    (number.unwrap_or(u64::MAX), file.to_owned())
}

type Numbered = (u32, (u64, String), Picture);

fn split(images: Vec<Numbered>) -> Split {
    let mut split = Split::default();
    split.pixels.reserve_exact(images.len() * 3 * SIDE * SIDE);
    for (label, _, picture) in images {
        split.labels.push(label);
        split.pixels.extend_from_slice(&picture.expanded().pixels);
    }
    split
}

#[cfg(test)]
#[path = "tiny_imagenet_tests.rs"]
mod tests;

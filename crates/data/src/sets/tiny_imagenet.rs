/*!
Tiny-ImageNet: 64 x 64 photographs of 200 classes of ImageNet (Stanford course CS231N, "Tiny ImageNet visual recognition
challenge", 2015), 500 train and 50 validation images each. The labels of the official test images are not public, so the
validation images are the test set here.

Read from the official zip, a `.tar.gz` of the same layout or the unpacked folder `tiny-imagenet-200`; cuts to some of the
classes are read like whole sets. Class k is the k-th of the identifiers in `wnids.txt` in alphabetical order, so a
cut counts its own; names begin with the identifier. Train images come class by class and by their number, validation images by
their number, whatever the order of the archive. Grey images are expanded to three channels. [`crate::decoded`] keeps
the result.
*/

use super::album::{self, Album, Want};
use crate::decoded::{Decoded, Split, cached};
use crate::picture::Picture;
use crate::registry::{Download, Entry, Kind, Raw, RemoteFile, Request};
use crate::{DataError, Dirs, dirs};
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
    layouts: &[&["tiny-imagenet-200/"], &["tiny-imagenet-200*.tar.gz"], &["tiny-imagenet-200*.zip"]],
};

const SIDE: usize = 64;

fn build(request: &Request<'_>) -> Result<Raw, DataError> {
    let download = request.entry.download.as_ref().expect("Tiny-ImageNet has files");
    let path = dirs::find(request.entry, download, request.dirs)?.paths.swap_remove(0);
    let decoded = cached(&path, "tiny_imagenet", Dirs::cache_dir().as_deref(), || decode(&path))?;
    Ok(decoded.into_raw("tiny_imagenet"))
}

/// Where an image belongs.
enum Place<'a> {
    Train { class: &'a str, file: &'a str },
    Validation { file: &'a str },
}

fn place(inside: &str) -> Option<Place<'_>> {
    let parts: Vec<&str> = inside.split('/').collect();
    match parts[..] {
        [.., "train", class, "images", file] if is_jpeg(file) => Some(Place::Train { class, file }),
        [.., "val", "images", file] if is_jpeg(file) => Some(Place::Validation { file }),
        _ => None,
    }
}

fn is_jpeg(file: &str) -> bool {
    file.rsplit_once('.').is_some_and(|(_, e)| e.eq_ignore_ascii_case("jpeg") || e.eq_ignore_ascii_case("jpg"))
}

fn want(inside: &str) -> Want {
    match inside.rsplit('/').next() {
        Some("wnids.txt" | "words.txt" | "val_annotations.txt") => Want::Text,
        _ if place(inside).is_some() => Want::Picture,
        _ => Want::Skip,
    }
}

/// Reads and decodes everything.
pub(super) fn decode(path: &Path) -> Result<Decoded, DataError> {
    let Album { pictures, texts, source } = album::read(path, &want)?;
    let wrong = |message: String| DataError::format(path, message);
    let text = |name: &str| {
        let found = texts.iter().find(|(n, _)| n.rsplit('/').next() == Some(name));
        found.map(|(_, t)| t.as_str()).ok_or_else(|| wrong(format!("no {name} in it")))
    };
    let classes = identifiers(text("wnids.txt")?).map_err(wrong)?;
    let label_of = |class: &str| classes.binary_search(&class).ok().map(|l| l as u32);
    let annotations = annotations(text("val_annotations.txt")?, &label_of).map_err(wrong)?;

    let (mut train, mut validation) = (Vec::new(), Vec::new());
    for (inside, picture) in pictures {
        let wrong = |message: String| DataError::format(path, format!("{inside}: {message}"));
        if (picture.height, picture.width) != (SIDE, SIDE) {
            let (h, w) = (picture.height, picture.width);
            return Err(wrong(format!("an image of {h}x{w}, expected {SIDE}x{SIDE}")));
        }
        match place(&inside) {
            Some(Place::Train { class, file }) => {
                let label = label_of(class);
                let label = label.ok_or_else(|| wrong(format!("class {class} is not in wnids.txt")))?;
                train.push((label, number(file), picture));
            }
            Some(Place::Validation { file }) => {
                let label = annotations.get(file);
                let label = label.ok_or_else(|| wrong("has no line in val_annotations.txt".to_owned()))?;
                validation.push((*label, number(file), picture));
            }
            None => {}
        }
    }
    train.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    validation.sort_by(|a, b| a.1.cmp(&b.1));
    if let Some(label) = (0..classes.len()).find(|&c| !train.iter().any(|(l, ..)| *l == c as u32)) {
        let class = classes[label];
        return Err(wrong(format!("no image of class {class}: train/{class}/images is missing or empty")));
    }
    if validation.len() != annotations.len() {
        let (lines, n) = (annotations.len(), validation.len());
        return Err(wrong(format!("val_annotations.txt has {lines} lines, but there are {n} validation images")));
    }
    let names = names(text("words.txt").unwrap_or(""), &classes);
    Ok(Decoded { classes: names, shape: [3, SIDE, SIDE], train: split(train), test: Some(split(validation)), source })
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

//! What MNIST and its drop-in replacements share: four IDX files, 28 x 28 grey images, ten classes.

use crate::registry::{Raw, Request};
use crate::{DataError, Dataset, Features, Source, SourceFile, Targets, dirs, idx, registry};
use realign_tensor::Shape;
use std::path::Path;

const SIDE: usize = 28;
const CLASSES: usize = 10;

/// Reads train images, train labels, test images, test labels, in this order of the entry's files. `mean` and `sd` are
/// the constants of pixel / 255 over the train images.
pub(crate) fn build(request: &Request<'_>, mean: f32, sd: f32) -> Result<Raw, DataError> {
    let name = request.entry.name;
    let download = request.entry.download.as_ref().expect("an IDX data set has files");
    let paths = dirs::find(request.entry, download, request.dirs)?.paths;
    let mut files = Vec::new();
    let train = split(&paths[0], &paths[1], format!("{name}/train"), (mean, sd), &mut files)?;
    let test = split(&paths[2], &paths[3], format!("{name}/test"), (mean, sd), &mut files)?;
    not_of_another(name, &files)?;
    Ok(Raw::whole(train, Some(test), Source::Files(files)))
}

fn split(
    images: &Path,
    labels: &Path,
    name: String,
    (mean, sd): (f32, f32),
    files: &mut Vec<SourceFile>,
) -> Result<Dataset, DataError> {
    let x = idx::read(images, 3)?;
    if x.dims[1..] != [SIDE, SIDE] {
        let message = format!("images of {}x{}, expected {SIDE}x{SIDE}", x.dims[1], x.dims[2]);
        return Err(DataError::format(images, message));
    }
    let y = idx::read(labels, 1)?;
    if x.dims[0] != y.dims[0] {
        let message = format!("{} labels, but {} images in {}", y.dims[0], x.dims[0], images.display());
        return Err(DataError::format(labels, message));
    }
    if x.dims[0] == 0 {
        return Err(DataError::format(images, "holds no image"));
    }
    if let Some(i) = y.bytes.iter().position(|&l| usize::from(l) >= CLASSES) {
        let message =
            format!("label {} of example {i} is out of range: expected 0 to {}", y.bytes[i], CLASSES - 1);
        return Err(DataError::format(labels, message));
    }
    files.extend([x.source, y.source]);
    Ok(Dataset {
        name,
        features: Features::U8 { pixels: x.bytes, mean: vec![mean], sd: vec![sd] },
        targets: Targets::Classes { labels: y.bytes.into_iter().map(u32::from).collect(), classes: CLASSES },
        example_shape: Shape::new(&[1, SIDE, SIDE]),
    })
}

/// MNIST and Fashion-MNIST use the same file names; a folder of one must not pass for the other.
fn not_of_another(name: &str, files: &[SourceFile]) -> Result<(), DataError> {
    for other in registry().iter().filter(|e| e.name != name) {
        let theirs = other.download.iter().flat_map(|d| d.files);
        for remote in theirs {
            let same = |f: &&SourceFile| f.sha256 == remote.sha256 || f.sha256 == remote.unpacked_sha256;
            if let Some(file) = files.iter().find(same) {
                let message =
                    format!("this is {} of data set \"{}\", not of \"{name}\"", remote.name, other.name);
                return Err(DataError::format(&file.path, message));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "idx_pair_tests.rs"]
mod tests;

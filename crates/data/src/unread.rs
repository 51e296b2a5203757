//! Copies of a data set in a form that is not read, so that "not found" can say what to do with the one that is there.

use crate::archive;
use std::path::{Path, PathBuf};

const NUMPY: &str = "numpy files (.npz of keras) are not read; download the original files";
const TABLE: &str = "tables and files of other programs are not read; download the original files";
const PACKED: &str = "this archive of the set is not read; unpack it here";

/// Endings, with what is to be done with such a file.
const FORMS: [(&[&str], &str); 4] = [
    (&[".npz", ".npy"], NUMPY),
    (&[".csv", ".parquet", ".arrow", ".pt", ".pkl", ".h5", ".hdf5", ".mat", ".tfrecord"], TABLE),
    (&[".xz", ".txz", ".bz2", ".tbz", ".tbz2", ".zst", ".7z", ".rar", ".lz4", ".Z"], archive::CURE),
    (&[".zip", ".tar", ".tar.gz", ".tgz"], PACKED),
];

/// Files of `folder` whose names tell of `set` in one of [`FORMS`], in alphabetical order, with what is to be done.
pub(crate) fn files(folder: &Path, set: &str) -> Vec<(PathBuf, &'static str)> {
    let names = std::fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<String> = names.filter_map(|e| e.ok()?.file_name().into_string().ok()).collect();
    names.sort_unstable();
    let cure = |name: &str| {
        let form = FORMS.iter().find(|(endings, _)| endings.iter().any(|e| name.ends_with(e)))?;
        tells_of(name, set).then_some(form.1)
    };
    names.iter().filter_map(|n| cure(n).map(|c| (folder.join(n), c))).collect()
}

/// Whether a file's name has that of the data set in it, however it is written ("CIFAR-10", "cifar10"), and not that of another.
fn tells_of(name: &str, set: &str) -> bool {
    let bare = |s: &str| s.to_lowercase().replace(['-', '_', ' '], "");
    let (name, set) = (bare(name), bare(set));
    let other = set == "mnist" && name.contains("fashion");
    let longer = |rest: &str| {
        rest.starts_with(|c: char| c.is_ascii_digit()) && set.ends_with(|c: char| c.is_ascii_digit())
    };
    !other && name.split_once(&set).is_some_and(|(_, rest)| !longer(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_of_their_set() {
        for (name, set, expected) in [
            ("mnist.npz", "mnist", true),
            ("MNIST_train.csv", "mnist", true),
            ("fashion-mnist_train.csv", "mnist", false),
            ("fashion-mnist_train.csv", "fashion_mnist", true),
            ("CIFAR-10.zip", "cifar10", true),
            ("cifar-100-python.tar.xz", "cifar10", false),
            ("cifar-100-python.tar.xz", "cifar100", true),
            ("tiny-imagenet-200.tar.bz2", "tiny_imagenet", true),
            ("notes.csv", "mnist", false),
        ] {
            assert_eq!(tells_of(name, set), expected, "{name} {set}");
        }
    }

    #[test]
    fn forms_that_are_there_are_named_with_a_cure() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["mnist.npz", "mnist.tar.xz", "mnist.txt", "other.npz"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let found = files(dir.path(), "mnist");
        assert_eq!(
            found,
            [(dir.path().join("mnist.npz"), NUMPY), (dir.path().join("mnist.tar.xz"), archive::CURE)]
        );
        assert_eq!(files(&dir.path().join("nowhere"), "mnist"), []);
    }
}

use crate::fetch::{FileStatus, verify};
use crate::{Bundle, DataConfig, DataError, Dirs, Features, Source, load};
use std::path::{Path, PathBuf};

/// Writes the four files of a tiny MNIST: `n` train images, 2 test images.
fn write_mnist(folder: &Path, n: u32, labels: &[u8]) {
    std::fs::create_dir_all(folder).unwrap();
    let images = |n: u32| {
        let header = [2051u32, n, 28, 28].iter().flat_map(|w| w.to_be_bytes()).collect::<Vec<u8>>();
        [header, (0..n * 784).map(|i| (i % 256) as u8).collect()].concat()
    };
    let label_file = |labels: &[u8]| {
        let header: Vec<u8> = [2049u32, labels.len() as u32].iter().flat_map(|w| w.to_be_bytes()).collect();
        [header, labels.to_vec()].concat()
    };
    let write = |name: &str, bytes: Vec<u8>| std::fs::write(folder.join(name), bytes).unwrap();
    write("train-images-idx3-ubyte", images(n));
    write("train-labels-idx1-ubyte", label_file(labels));
    write("t10k-images-idx3-ubyte", images(2));
    write("t10k-labels-idx1-ubyte", label_file(&[0, 9]));
}

fn load_from(dir: &Path, name: &str) -> Result<Bundle, DataError> {
    load(&DataConfig::new(name).unwrap(), 0, &Dirs { data_dir: Some(dir.to_path_buf()) })
}

#[test]
fn all_known_folders_are_read() {
    for (sub, name) in [
        ("mnist", "mnist"),
        ("MNIST/raw", "mnist"),
        ("", "mnist"),
        ("fashion-mnist", "fashion_mnist"),
        ("FashionMNIST/raw", "fashion_mnist"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        write_mnist(&dir.path().join(sub), 3, &[5, 0, 7]);
        let bundle = load_from(dir.path(), name).unwrap();
        assert_eq!(bundle.train.labels().unwrap(), [5, 0, 7]);
        assert_eq!(bundle.test.unwrap().labels().unwrap(), [0, 9]);
        let Features::U8 { pixels, .. } = &bundle.train.features else { panic!("images") };
        assert!(pixels.iter().enumerate().all(|(i, &p)| usize::from(p) == i % 256));
        let Source::Files(files) = &bundle.record.source else { panic!("files") };
        assert_eq!(files.len(), 4);
    }
}

/// The name inside the official gzip files, and a folder of the file's name as Kaggle unpacks them; the rest as published.
#[test]
fn names_that_unpacking_makes_are_read() {
    for name in ["train-images.idx3-ubyte", "train-images-idx3-ubyte/train-images-idx3-ubyte"] {
        let dir = tempfile::tempdir().unwrap();
        write_mnist(dir.path(), 3, &[5, 0, 7]);
        let (from, to) = (dir.path().join("train-images-idx3-ubyte"), dir.path().join(name));
        std::fs::rename(&from, dir.path().join("moved")).unwrap();
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::rename(dir.path().join("moved"), to).unwrap();
        std::fs::rename(dir.path().join("t10k-labels-idx1-ubyte"), dir.path().join("t10k-labels.idx1-ubyte"))
            .unwrap();
        assert_eq!(load_from(dir.path(), "mnist").unwrap().train.labels().unwrap(), [5, 0, 7]);
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_in_place_of_a_file_is_named() {
    use crate::files::tests::{in_time, pipe};
    let dir = tempfile::tempdir().unwrap();
    write_mnist(dir.path(), 3, &[5, 0, 7]);
    std::fs::remove_file(dir.path().join("train-labels-idx1-ubyte")).unwrap();
    pipe(&dir.path().join("train-labels-idx1-ubyte"));
    let path = dir.path().to_path_buf();
    let text = in_time(move || load_from(&path, "mnist").unwrap_err().to_string());
    assert!(text.contains("train-labels-idx1-ubyte: a named pipe, not a regular file"), "{text}");
}

#[test]
fn damaged_pairs_are_named() {
    let error = |n: u32, labels: &[u8]| {
        let dir = tempfile::tempdir().unwrap();
        write_mnist(dir.path(), n, labels);
        load_from(dir.path(), "mnist").unwrap_err().to_string()
    };
    let text = error(3, &[1, 10, 2]);
    assert!(text.contains("train-labels-idx1-ubyte: label 10 of example 1 is out of range"), "{text}");
    let text = error(3, &[1, 2]);
    assert!(text.contains("train-labels-idx1-ubyte: 2 labels, but 3 images"), "{text}");
    let text = error(0, &[]);
    assert!(text.contains("holds no image"), "{text}");
}

#[test]
fn missing_files_tell_where_they_were_looked_for() {
    let dir = tempfile::tempdir().unwrap();
    write_mnist(dir.path(), 1, &[0]);
    std::fs::remove_file(dir.path().join("t10k-labels-idx1-ubyte")).unwrap();
    // Another folder of this machine may have the real files: look at the message of the search itself.
    let dirs = Dirs { data_dir: Some(dir.path().to_path_buf()) };
    match load(&DataConfig::new("mnist").unwrap(), 0, &dirs) {
        Ok(bundle) => assert_eq!(bundle.train.len(), 60_000),
        Err(error) => {
            let text = error.to_string();
            assert!(text.contains("realign data fetch mnist"), "{text}");
            assert!(text.contains("(missing t10k-labels-idx1-ubyte.gz)"), "{text}");
            assert!(text.contains(&dir.path().join("MNIST/raw").display().to_string()), "{text}");
        }
    }
}

/// The data folder of this machine, if it has these files.
fn real(name: &str) -> Option<PathBuf> {
    let dir = crate::real_data()?;
    let dirs = Dirs { data_dir: Some(dir.clone()) };
    let there = verify(name, &dirs).unwrap().iter().all(|f| f.status == FileStatus::Good);
    there.then_some(dir)
}

/// Counts per class as published; constants against the pixels, which are rounded to four digits.
#[test]
fn the_real_sets_are_what_is_published() {
    let mnist = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949];
    for (name, counts) in [("mnist", mnist), ("fashion_mnist", [6000; 10])] {
        let Some(dir) = real(name) else { continue };
        let bundle = load_from(&dir, name).unwrap();
        let mut found = [0; 10];
        bundle.train.labels().unwrap().iter().for_each(|&l| found[l as usize] += 1);
        assert_eq!(found, counts);
        assert_eq!(bundle.test.unwrap().len(), 10_000);
        let Features::U8 { pixels, mean, sd } = &bundle.train.features else { panic!("images") };
        let (m, s) = crate::dataset::channel_constants(pixels, 1, 784);
        assert!((m[0] - mean[0]).abs() < 5.1e-5 && (s[0] - sd[0]).abs() < 5.1e-5, "{m:?} {s:?}");
    }
}

#[test]
fn mnist_does_not_pass_for_fashion_mnist() {
    let Some(dir) = real("mnist") else { return };
    let error = load_from(&dir.join("mnist"), "fashion_mnist").unwrap_err().to_string();
    assert!(error.contains("of data set \"mnist\", not of \"fashion_mnist\""), "{error}");
}

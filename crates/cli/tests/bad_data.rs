//! Data that a user may have and that must not be read as something else, in silence or for ever: code 2, the path, a cure.

mod common;

use common::{failure, idx, realign, stdout};
use std::fs;
use std::path::Path;
use std::time::Duration;

fn picture(side: u32, value: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, side, side);
    encoder.set_color(png::ColorType::Grayscale);
    let pixels = vec![value; (side * side) as usize];
    encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
    bytes
}

fn write(dir: &Path, name: &str, bytes: &[u8]) {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Two classes of two train pictures and a test picture each, in `pictures/`.
fn pictures(other: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for class in ["cat", "dog"] {
        for k in ["1", "2"] {
            write(dir.path(), &format!("pictures/train/{class}/{k}.png"), &picture(4, 9));
        }
        write(dir.path(), &format!("pictures/{other}/{class}/1.png"), &picture(4, 7));
    }
    dir
}

/// `data show SET`, below the data folder `dir`, with or without a cache.
fn show(dir: &Path, set: &str, cached: bool) -> assert_cmd::Command {
    let mut command = realign();
    command.timeout(Duration::from_secs(120));
    if cached {
        command.env("XDG_CACHE_HOME", dir.join(".cache"));
    }
    command.args(["data", "show", set, "--data-dir"]).arg(dir).arg("--out").arg(dir.join(".sheet.png"));
    if set == "image_folder" {
        command.arg("path=pictures");
    }
    command
}

#[track_caller]
fn refused(dir: &Path, set: &str, words: &[&str]) {
    for cached in [false, true] {
        let (code, stderr) = failure(&mut show(dir, set, cached));
        assert_eq!(code, 2, "{stderr}");
        assert_eq!(stderr.matches("error:").count(), 1, "{stderr}");
        words.iter().for_each(|w| assert!(stderr.contains(w), "\"{w}\" is not in: {stderr}"));
        assert!(!stderr.contains(|c: char| c.is_control() && c != '\n'), "{stderr:?}");
        assert!(!dir.join(".sheet.png").exists());
    }
}

#[test]
fn image_folders() {
    for (name, words) in [
        ("backup/train/cat/1.png", &["backup/train/cat/1.png", "second set of folders", "move it out"][..]),
        ("old/test/dog/1.png", &["old/test/dog/1.png", "second set of folders"]),
        ("valid/dog/1.png", &["test/ and valid/ have pictures", "data.test = \"test\""]),
        ("figure.png", &["figure.png", "in no class"]),
        ("train/cat/1.webp", &["train/cat/1.webp", "not read", "convert it to PNG"]),
        ("train/cat/1.bmp", &["train/cat/1.bmp", "not read", "convert it to PNG"]),
        ("train/cat/1.tif", &["train/cat/1.tif", "not read", "convert it to PNG"]),
        ("train/cat/1.gif", &["train/cat/1.gif", "not read", "convert it to PNG"]),
        ("train/cat/more.tar.gz", &["train/cat/more.tar.gz", "an archive among the pictures"]),
    ] {
        let dir = pictures("test");
        write(dir.path(), &format!("pictures/{name}"), &picture(4, 1));
        refused(dir.path(), "image_folder", words);
    }
}

#[test]
fn names_of_test_folders_that_users_have() {
    for other in ["test", "val", "valid", "validation"] {
        let dir = pictures(other);
        let text = stdout(&mut show(dir.path(), "image_folder", true));
        assert!(text.contains("cat, dog"), "{text}");
    }
    // With both, the one that is named.
    let dir = pictures("test");
    write(dir.path(), "pictures/val/cat/1.png", &picture(4, 1));
    stdout(show(dir.path(), "image_folder", true).arg("test=test"));
}

#[cfg(unix)]
#[test]
fn pipes_links_and_hidden_files() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let pipe = |path: &Path| {
        assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    };
    let dir = pictures("test");
    let at = |name: &str| dir.path().join("pictures").join(name);
    symlink("nowhere", at("train/dog/.#lock")).unwrap();
    for folder in [".Trash-1000", "lost+found"] {
        fs::create_dir(at(folder)).unwrap();
        fs::set_permissions(at(folder), PermissionsExt::from_mode(0o000)).unwrap();
    }
    for cached in [false, true, true] {
        stdout(&mut show(dir.path(), "image_folder", cached));
    }
    fs::remove_file(dir.path().join(".sheet.png")).unwrap();
    for folder in [".Trash-1000", "lost+found"] {
        fs::set_permissions(at(folder), PermissionsExt::from_mode(0o700)).unwrap();
    }
    symlink("nowhere", at("train/dog/3.png")).unwrap();
    refused(dir.path(), "image_folder", &["train/dog/3.png", "a link that leads nowhere", "remove it"]);
    fs::remove_file(at("train/dog/3.png")).unwrap();
    pipe(&at("train/dog/pipe"));
    refused(dir.path(), "image_folder", &["train/dog/pipe", "a named pipe", "remove it"]);

    let dir = tempfile::tempdir().unwrap();
    for name in [
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
        "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte",
    ] {
        pipe(&dir.path().join(name));
    }
    refused(dir.path(), "mnist", &["train-images-idx3-ubyte", "a named pipe"]);
    pipe(&dir.path().join("cifar-100-binary.tar.gz"));
    refused(dir.path(), "cifar100", &["cifar-100-binary.tar.gz", "a named pipe"]);
    pipe(&dir.path().join("cifar-10-python.tar.gz"));
    refused(dir.path(), "cifar10", &["cifar-10-python.tar.gz", "a named pipe"]);
    pipe(&dir.path().join("tiny-imagenet-200.zip"));
    refused(dir.path(), "tiny_imagenet", &["tiny-imagenet-200.zip", "a named pipe"]);
    pipe(&dir.path().join("pictures"));
    refused(dir.path(), "image_folder", &["pictures", "a named pipe"]);
}

#[test]
fn archives_and_copies_of_other_kinds() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "pictures", b"\xFD7zXZ\0\x1b[2J\x07 and more");
    refused(dir.path(), "image_folder", &["pictures: an xz archive", "unpack it"]);
    write(dir.path(), "pictures", &[0x1B; 2000]);
    refused(dir.path(), "image_folder", &["pictures: damaged or truncated archive"]);
    for (set, name, cure) in [
        ("mnist", "mnist.npz", "download the original files"),
        ("fashion_mnist", "fashion-mnist_train.csv", "download the original files"),
        ("cifar10", "cifar-10-binary.tar.xz", "unpack it"),
        ("tiny_imagenet", "tiny-imagenet-200.tar.bz2", "unpack it"),
        ("mnist", "MNIST.zip", "unpack it"),
    ] {
        write(dir.path(), name, b"x");
        refused(dir.path(), set, &[name, "is there, but", cure]);
    }
}

/// The folder that was named is used or is an error, whatever the environment has.
#[test]
fn a_data_folder_that_is_not_there() {
    let dir = tempfile::tempdir().unwrap();
    common::small_mnist(dir.path());
    let spec = common::spec(dir.path(), common::TINY);
    let spec = spec.to_str().unwrap();
    for args in [
        &["data", "list"][..],
        &["data", "show", "mnist"],
        &["data", "verify", "mnist"],
        &["run", spec],
        &["check", spec],
        &["audit", spec],
        &["reproduce", "robertson2024", "--only", "fig2"],
    ] {
        let mut command = realign();
        command.current_dir(dir.path()).env("REALIGN_DATA", dir.path()).args(args);
        let (code, stderr) = failure(command.arg("--data-dir").arg(dir.path().join("nonexistent")));
        assert_eq!(code, 2, "{args:?}: {stderr}");
        assert!(stderr.contains("nonexistent") && stderr.contains("no such folder"), "{args:?}: {stderr}");
    }
    let mut command = realign();
    let shown = stdout(
        command.current_dir(dir.path()).env("REALIGN_DATA", dir.path()).args(["data", "show", "mnist"]),
    );
    assert!(shown.contains("mnist.png"), "{shown}");
}

#[test]
fn names_inside_official_gzip_files_are_read() {
    let dir = tempfile::tempdir().unwrap();
    for (prefix, n) in [("train", 12u32), ("t10k", 11)] {
        let labels: Vec<u8> = (0..n).map(|i| (i % 10) as u8).collect();
        write(
            dir.path(),
            &format!("{prefix}-images.idx3-ubyte"),
            &idx(&[n, 28, 28], &vec![9; (n * 784) as usize]),
        );
        write(dir.path(), &format!("{prefix}-labels.idx1-ubyte"), &idx(&[n], &labels));
    }
    stdout(&mut show(dir.path(), "mnist", false));
}

/// Class names and file names are shown so that one sees them and the terminal obeys nothing.
#[cfg(unix)]
#[test]
fn names_with_control_characters() {
    let dir = pictures("test");
    for split in ["train", "test"] {
        write(dir.path(), &format!("pictures/{split}/\u{1b}[31mred\u{9b}2J/1.png"), &picture(4, 5));
    }
    let text = stdout(&mut show(dir.path(), "image_folder", true));
    assert!(text.contains("\\u{1b}[31mred\\u{9b}2J, cat, dog"), "{text}");
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
    fs::remove_file(dir.path().join(".sheet.png")).unwrap();
    write(dir.path(), "pictures/train/cat/a\n\u{1b}]0;title\u{7}.gif", b"GIF89a");
    refused(dir.path(), "image_folder", &["train/cat/a\\n\\u{1b}]0;title\\u{7}.gif", "not read"]);
}

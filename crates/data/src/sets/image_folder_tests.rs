use super::*;
use crate::archive::tests::{gz, tar_of, zip_of};
use crate::files::tests::{in_time, pipe};
use crate::picture::tests::{plain_jpeg, png_of};
use crate::{load, parse_config};
use png::ColorType::{Grayscale, Rgb};

fn write(root: &Path, name: &str, bytes: &[u8]) {
    let path = root.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

fn grey(value: u8) -> Vec<u8> {
    png_of(Grayscale, 8, 8, &[value; 64])
}

/// Two classes, two train pictures and one other picture each.
fn folder(other: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, value) in [("train/b/1.png", 30), ("train/a/2.PNG", 20), ("train/a/1.png", 10), ("train/b/0.png", 40)] {
        write(dir.path(), name, &grey(value));
    }
    write(dir.path(), &format!("{other}/a/x.png"), &grey(50));
    write(dir.path(), &format!("{other}/b/x.png"), &grey(60));
    write(dir.path(), "train/a/notes.txt", b"not a picture");
    write(dir.path(), "readme.png.txt", b"");
    dir
}

#[test]
fn grey_pictures_stay_grey_and_colour_expands_them() {
    for other in TESTS {
        let dir = folder(other);
        let decoded = decode(dir.path(), "auto").unwrap();
        assert_eq!((&decoded.classes[..], decoded.shape), (&["a".to_owned(), "b".to_owned()][..], [1, 8, 8]));
        assert_eq!(decoded.train.labels, [0, 0, 1, 1]);
        let firsts: Vec<u8> = decoded.train.pixels.chunks(64).map(|c| c[0]).collect();
        assert_eq!(firsts, [10, 20, 40, 30]);
        let test = decoded.test.unwrap();
        assert_eq!((test.labels, test.pixels[0], test.pixels[64]), (vec![0, 1], 50, 60));
        write(dir.path(), "train/b/2.png", &png_of(Rgb, 8, 8, &[1, 2, 3].repeat(64)));
        write(dir.path(), "train/b/3.jpeg", &plain_jpeg(8, &[77]));
        let decoded = decode(dir.path(), "auto").unwrap();
        assert_eq!(decoded.shape, [3, 8, 8]);
        let firsts: Vec<[u8; 3]> = decoded.train.pixels.chunks(192).map(|c| [c[0], c[64], c[128]]).collect();
        assert_eq!(firsts, [[10; 3], [20; 3], [40; 3], [30; 3], [1, 2, 3], [77; 3]]);
    }
}

#[test]
fn a_test_set_is_optional() {
    let dir = folder("test");
    std::fs::remove_dir_all(dir.path().join("test")).unwrap();
    assert_eq!(decode(dir.path(), "auto").unwrap().test, None);
}

fn error(change: impl Fn(&Path)) -> String {
    let dir = folder("test");
    change(dir.path());
    decode(dir.path(), "auto").unwrap_err().to_string()
}

#[test]
fn what_is_wrong_is_named() {
    let text = error(|d| write(d, "train/b/5.png", &png_of(Grayscale, 9, 8, &[0; 72])));
    assert!(text.contains("train/b/5.png: an image of 8x9, but train/a/1.png has 8x8"), "{text}");
    let text = error(|d| write(d, "train/b/5.jpg", &plain_jpeg(8, &[1])[..90]));
    assert!(text.contains("train/b/5.jpg: damaged JPEG"), "{text}");
    let text = error(|d| std::fs::remove_dir_all(d.join("test/b")).unwrap());
    assert!(text.contains("no picture of class b: test/b is missing or empty"), "{text}");
    let text = error(|d| std::fs::remove_dir_all(d.join("train/b")).unwrap());
    assert!(text.contains("test/b/x.png: class b has no folder train/b"), "{text}");
    // A class that has no picture, or only such as are not read, is not left out in silence; nor is a picture in no class.
    let text = error(|d| std::fs::create_dir(d.join("train/c")).unwrap());
    assert!(text.contains("train/c: no picture (.png, .jpg, .jpeg, .jfif, .jpe) in this class"), "{text}");
    for stray in ["train/1.png", "train/a/images/1.png", "test/1.png", "1.png", "docs/figure.jpg", "Train/a/1.png"] {
        let text = error(|d| write(d, stray, &grey(1)));
        assert!(text.contains(&format!("{stray}: a picture in no class")), "{text}");
    }
    let text = error(|d| std::fs::create_dir(d.join("val")).unwrap());
    assert!(text.contains("val: no picture (.png, .jpg, .jpeg, .jfif, .jpe) in val/<class>/"), "{text}");
    let text = error(|d| std::fs::remove_dir_all(d.join("train")).unwrap());
    assert!(text.contains("no picture (.png, .jpg, .jpeg, .jfif, .jpe) in train/<class>/"), "{text}");
}

#[test]
fn a_path_that_is_nowhere_is_named() {
    let config = parse_config("name = 'image_folder'\npath = 'no/such/pictures'".parse().unwrap()).unwrap();
    let text = load(&config, 0, &Dirs::default()).unwrap_err().to_string();
    assert!(text.starts_with("data.path: no such folder or archive; looked for no/such/pictures"), "{text}");
    let text = parse_config("name = 'image_folder'\npath = 3".parse().unwrap()).unwrap_err().to_string();
    assert!(text.contains("data.path: expected a path in quotes, got 3"), "{text}");
}

#[test]
fn paths_are_looked_for_in_the_data_folders() {
    let dir = folder("test");
    let dirs = Dirs { data_dir: dir.path().parent().map(Path::to_path_buf) };
    let name = dir.path().file_name().unwrap();
    assert_eq!(find(Path::new(name), &dirs).unwrap(), dir.path());
}

/// Two sets of folders are never joined, wherever the second one lies.
#[test]
fn pictures_of_a_second_set_of_folders_are_refused() {
    for second in ["backup/train/a/1.png", "old/test/b/1.png", "test/train/a/1.png", "train/a/val/b/1.png"] {
        let text = error(|d| write(d, second, &grey(1)));
        assert!(text.contains(&format!("{second}: a picture of a second set of folders")), "{text}");
        assert!(text.contains("move it out"), "{text}");
    }
    let files: Vec<(String, Vec<u8>)> = ["x", "y"]
        .iter()
        .flat_map(|top| ["a", "b"].map(|class| (format!("{top}/train/{class}/1.png"), grey(7))))
        .collect();
    let both: Vec<(&str, &[u8])> = files.iter().map(|(n, b)| (n.as_str(), &b[..])).collect();
    let twice = [&both[..2], &both[..1]].concat();
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("archive");
    for bytes in [gz(&tar_of(&both)), zip_of(&both)] {
        std::fs::write(&at, bytes).unwrap();
        let text = decode(&at, "auto").unwrap_err().to_string();
        assert!(text.contains("y/train/a/1.png: a picture of a second set of folders"), "{text}");
    }
    std::fs::write(&at, tar_of(&twice)).unwrap();
    let text = decode(&at, "auto").unwrap_err().to_string();
    assert!(text.contains("entry \"x/train/a/1.png\" is there twice"), "{text}");
    // One set, below another folder, is read; a class may be called like a split.
    std::fs::write(&at, tar_of(&both[..2])).unwrap();
    assert_eq!(decode(&at, "auto").unwrap().train.labels, [0, 1]);
    let dir = folder("test");
    ["train", "test"].iter().for_each(|s| write(dir.path(), &format!("{s}/train/1.png"), &grey(9)));
    let decoded = decode(dir.path(), "auto").unwrap();
    assert_eq!((decoded.classes[2].as_str(), decoded.train.labels.len()), ("train", 5));
}

#[test]
fn files_of_kinds_that_are_not_read_are_named() {
    for name in ["1.webp", "1.BMP", "1.tif", "1.tiff", "1.gif", "1.heic", "1.ppm", "1.svg"] {
        let text = error(|d| write(d, &format!("train/a/{name}"), b"x"));
        assert!(text.contains(&format!("train/a/{name}: a picture of a kind that is not read")), "{text}");
        assert!(text.contains("convert it to PNG"), "{text}");
    }
    let text = error(|d| write(d, "test/a/more.zip", b"PK"));
    assert!(text.contains("test/a/more.zip: an archive among the pictures"), "{text}");
    let text = error(|d| write(d, "train/a/1", &grey(1)));
    assert!(text.contains("train/a/1: a PNG by its content, but not by its name: rename it"), "{text}");
    let text = error(|d| write(d, "train/a/5.jpg", b"RIFF\x10\0\0\0WEBPVP8 "));
    assert!(text.contains("train/a/5.jpg: a WebP picture, neither a JPEG nor a PNG: convert it"), "{text}");
    // JPEGs under all their names, beside files that are no pictures.
    let dir = folder("test");
    ["jfif", "jpe", "JPG"].iter().for_each(|e| write(dir.path(), &format!("train/a/5.{e}"), &plain_jpeg(8, &[70])));
    ["notes.csv", "Thumbs.db", "COPYING"].iter().for_each(|n| write(dir.path(), &format!("train/a/{n}"), b"x"));
    assert_eq!(decode(dir.path(), "auto").unwrap().train.labels, [0, 0, 0, 0, 0, 1, 1]);
}

#[test]
fn the_test_set_is_the_only_one_or_the_one_that_is_named() {
    let dir = folder("val");
    ["a", "b"].iter().for_each(|c| write(dir.path(), &format!("test/{c}/x.png"), &grey(90)));
    let text = decode(dir.path(), "auto").unwrap_err().to_string();
    assert!(text.contains("test/ and val/ have pictures: say which is the test set, as in data.test = \"test\""), "{text}");
    let first = |option: &str| decode(dir.path(), option).unwrap().test.unwrap().pixels[0];
    assert_eq!((first("test"), first("val")), (90, 50));
    let text = decode(dir.path(), "valid").unwrap_err().to_string();
    assert!(text.contains("in valid/<class>/, and data.test = \"valid\""), "{text}");
    let text = parse_config("name = 'image_folder'\ntest = 'dev'".parse().unwrap()).unwrap_err().to_string();
    assert!(text.contains("data.test") && text.contains("validation"), "{text}");
}

/// A pipe would hang for ever.
#[cfg(unix)]
#[test]
fn pipes_and_links_to_nowhere_are_named_or_hidden() {
    let dir = folder("test");
    std::os::unix::fs::symlink("nowhere", dir.path().join("train/b/.#lock")).unwrap();
    pipe(&dir.path().join("train/a/.pipe"));
    assert_eq!(decode(dir.path(), "auto").unwrap().train.labels, [0, 0, 1, 1]);
    pipe(&dir.path().join("train/a/pipe.png"));
    let path = dir.path().to_path_buf();
    let text = in_time(move || decode(&path, "auto").unwrap_err().to_string());
    assert!(text.contains("train/a/pipe.png: a named pipe, not a regular file: remove it"), "{text}");
}

/// The longest name a file system allows is no trouble to the cache.
#[test]
fn long_names_are_cached() {
    let (dir, cache) = (folder("test"), tempfile::tempdir().unwrap());
    let class = "c".repeat(255);
    ["train", "test"].iter().for_each(|s| write(dir.path(), &format!("{s}/{class}/{}.png", "p".repeat(251)), &grey(3)));
    let load = || cached(dir.path(), "image_folder-auto", Some(cache.path()), || decode(dir.path(), "auto")).unwrap();
    let first = load();
    assert_eq!(first.classes[2], class);
    assert_eq!(std::fs::read_dir(cache.path()).unwrap().count(), 1);
    let again = cached(dir.path(), "image_folder-auto", Some(cache.path()), || panic!("decoded again")).unwrap();
    assert_eq!(again, first);
}

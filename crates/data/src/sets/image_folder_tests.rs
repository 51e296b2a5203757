use super::*;
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
    for other in ["test", "val"] {
        let dir = folder(other);
        let decoded = decode(dir.path()).unwrap();
        assert_eq!((&decoded.classes[..], decoded.shape), (&["a".to_owned(), "b".to_owned()][..], [1, 8, 8]));
        assert_eq!(decoded.train.labels, [0, 0, 1, 1]);
        let firsts: Vec<u8> = decoded.train.pixels.chunks(64).map(|c| c[0]).collect();
        assert_eq!(firsts, [10, 20, 40, 30]);
        let test = decoded.test.unwrap();
        assert_eq!((test.labels, test.pixels[0], test.pixels[64]), (vec![0, 1], 50, 60));
        write(dir.path(), "train/b/2.png", &png_of(Rgb, 8, 8, &[1, 2, 3].repeat(64)));
        write(dir.path(), "train/b/3.jpeg", &plain_jpeg(8, &[77]));
        let decoded = decode(dir.path()).unwrap();
        assert_eq!(decoded.shape, [3, 8, 8]);
        let firsts: Vec<[u8; 3]> = decoded.train.pixels.chunks(192).map(|c| [c[0], c[64], c[128]]).collect();
        assert_eq!(firsts, [[10; 3], [20; 3], [40; 3], [30; 3], [1, 2, 3], [77; 3]]);
    }
}

#[test]
fn a_test_set_is_optional() {
    let dir = folder("test");
    std::fs::remove_dir_all(dir.path().join("test")).unwrap();
    assert_eq!(decode(dir.path()).unwrap().test, None);
}

fn error(change: impl Fn(&Path)) -> String {
    let dir = folder("test");
    change(dir.path());
    decode(dir.path()).unwrap_err().to_string()
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
    assert!(text.contains("train/c: no picture (.png, .jpg, .jpeg) in this class"), "{text}");
    let text = error(|d| write(d, "train/c/1.webp", b"RIFF"));
    assert!(text.contains("train/c: no picture (.png, .jpg, .jpeg) in this class"), "{text}");
    for stray in ["train/1.png", "train/a/images/1.png", "test/1.png"] {
        let text = error(|d| write(d, stray, &grey(1)));
        assert!(text.contains(&format!("{stray}: a picture in no class")), "{text}");
    }
    let text = error(|d| std::fs::remove_dir_all(d.join("train")).unwrap());
    assert!(text.contains("no picture (.png, .jpg, .jpeg) in train/<class>/"), "{text}");
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

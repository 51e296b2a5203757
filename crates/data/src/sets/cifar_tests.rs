use super::*;
use crate::archive::tests::{gz, tar_of};
use crate::fetch::{FileStatus, Presence, presence, verify};
use crate::{Bundle, DataConfig, Dirs, load, parse_config};
use std::path::PathBuf;

/// Positions and values in the train pixels of the real cut.
const FIRST: [(usize, u8); 6] = [(0, 255), (1024, 255), (2048, 255), (3072, 48), (4096, 82), (5120, 2)];

/// Record k of a split: labels drawn from `labels`, pixels that tell where they belong.
pub(crate) fn records_of(heads: &[&[u8]], salt: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (k, head) in heads.iter().enumerate() {
        bytes.extend_from_slice(head);
        bytes.extend((0..IMAGE).map(|i| pixel(k, i, salt)));
    }
    bytes
}

pub(crate) fn pixel(record: usize, i: usize, salt: usize) -> u8 {
    ((record * 7919 + i * 31 + i / PLANE * 5 + salt) % 253) as u8
}

fn train() -> Vec<u8> {
    records_of(&[&[4, 30], &[1, 1], &[14, 98], &[4, 30]], 0)
}

fn test() -> Vec<u8> {
    records_of(&[&[14, 98], &[1, 1]], 9)
}

fn dirs(path: &Path) -> Dirs {
    Dirs { data_dir: Some(path.to_path_buf()) }
}

fn config(text: &str) -> DataConfig {
    parse_config(text.parse().unwrap()).unwrap()
}

fn load_from(path: &Path, text: &str) -> Result<Bundle, DataError> {
    load(&config(text), 0, &dirs(path))
}

fn write(path: PathBuf, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

fn pixels(bundle: &Bundle) -> &[u8] {
    let Features::U8 { pixels, .. } = &bundle.train.features else { panic!("images") };
    pixels
}

/// A folder with a CIFAR-100 of four train and two test images, in one of its layouts.
fn written(layout: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let inside: &[(&str, &[u8])] = &[
        ("cifar-100-binary/test.bin", &test()),
        ("cifar-100-binary/fine_label_names.txt", b"apple\n"),
        ("cifar-100-binary/train.bin", &train()),
    ];
    match layout {
        "archive" => write(at("cifar-100/cifar-100-binary.tar.gz"), &gz(&tar_of(inside))),
        "plain" => {
            write(at("cifar-100-binary/train.bin"), &train());
            write(at("cifar-100-binary/test.bin"), &test());
        }
        _ => {
            write(at("cifar-100/cifar-100-binary/train.bin.gz"), &gz(&train()));
            write(at("cifar-100/cifar-100-binary/test.bin.gz"), &gz(&test()));
        }
    }
    dir
}

#[test]
fn every_layout_gives_the_same_examples() {
    for layout in ["archive", "plain", "gzipped"] {
        let dir = written(layout);
        let bundle = load_from(dir.path(), "name = 'cifar100'").unwrap();
        assert_eq!(bundle.record.kept_classes, [1, 30, 98], "{layout}");
        assert_eq!(bundle.class_names, ["aquarium_fish", "dolphin", "woman"]);
        assert_eq!(bundle.record.class_names, bundle.class_names);
        assert_eq!(bundle.train.labels().unwrap(), [1, 0, 2, 1]);
        assert_eq!(bundle.test.as_ref().unwrap().labels().unwrap(), [2, 0]);
        assert_eq!(bundle.train.example_shape.dims(), [3, 32, 32]);
        let expected: Vec<u8> = (0..4).flat_map(|k| (0..IMAGE).map(move |i| pixel(k, i, 0))).collect();
        assert_eq!(pixels(&bundle), expected);
        assert_eq!(presence("cifar100", &dirs(dir.path())).unwrap(), Presence::Whole);
    }
}

#[test]
fn coarse_labels_are_an_option() {
    let dir = written("plain");
    let bundle = load_from(dir.path(), "name = 'cifar100'\nlabels = 'coarse'").unwrap();
    assert_eq!(bundle.record.kept_classes, [1, 4, 14]);
    assert_eq!(bundle.class_names, ["fish", "fruit_and_vegetables", "people"]);
}

#[test]
fn the_five_train_files_of_cifar10_are_joined_in_order() {
    for archive in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let parts: Vec<(String, Vec<u8>)> = (1..=5)
            .map(|k| (format!("data_batch_{k}.bin"), records_of(&[&[k as u8], &[9 - k as u8]], k)))
            .chain([("test_batch.bin".to_owned(), records_of(&[&[3]], 0))])
            .collect();
        if archive {
            // In another order than that of the list.
            let entries: Vec<(&str, &[u8])> = parts.iter().rev().map(|(n, b)| (n.as_str(), &b[..])).collect();
            write(dir.path().join("cifar-10-binary.tar.gz"), &gz(&tar_of(&entries)));
        } else {
            parts.iter().for_each(|(n, b)| write(dir.path().join("cifar-10-batches-bin").join(n), b));
        }
        let bundle = load_from(dir.path(), "name = 'cifar10'\nclasses = [1,2,3,4,5,6,7,8]").unwrap();
        // Labels are renumbered from 0.
        assert_eq!(bundle.train.labels().unwrap(), [0, 7, 1, 6, 2, 5, 3, 4, 4, 3]);
        assert_eq!(pixels(&bundle)[2 * IMAGE], pixel(0, 0, 2));
        assert_eq!(bundle.test.unwrap().len(), 1);
    }
}

fn error(train: &[u8], text: &str) -> String {
    let dir = written("plain");
    write(dir.path().join("cifar-100-binary/train.bin"), train);
    load_from(dir.path(), text).unwrap_err().to_string()
}

#[test]
fn damaged_files_are_named_with_the_place() {
    let whole = train();
    let mut bad_fine = whole.clone();
    bad_fine[2 * 3074 + 1] = 100;
    let mut bad_coarse = whole.clone();
    bad_coarse[3074] = 20;
    let packed = gz(&whole);
    let mut flipped = packed.clone();
    flipped[packed.len() - 6] ^= 1;
    let trailing = [&packed[..], b"more"].concat();
    for (bytes, part) in [
        (&whole[..3 * 3074 + 5], "9227 bytes are 3 records of 3074 bytes and 5 bytes of another"),
        (&records_of(&[&[1], &[2]], 0), "it has the length of a file of CIFAR-10"),
        (&[], "holds no record"),
        (&bad_fine, "fine label 100 of record 2 (byte 6149) is out of range: expected 0 to 99"),
        (&bad_coarse, "coarse label 20 of record 1 (byte 3074) is out of range: expected 0 to 19"),
        (&packed[..packed.len() / 2], "damaged or truncated"),
        (&flipped, "damaged or truncated"),
        (&trailing, "bytes follow the end of the gzip stream"),
    ] {
        let text = error(bytes, "name = 'cifar100'");
        assert!(text.contains("cifar-100-binary/train.bin: ") && text.contains(part), "{part}: {text}");
    }
}

#[test]
fn archives_that_are_incomplete_or_hostile_are_refused() {
    let error = |entries: &[(&str, &[u8])]| {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path().join("cifar-100-binary.tar.gz"), &gz(&tar_of(entries)));
        load_from(dir.path(), "name = 'cifar100'").unwrap_err().to_string()
    };
    let (train, test) = (train(), test());
    let text = error(&[("x/train.bin", &train)]);
    assert!(text.contains("no file test.bin in this archive"), "{text}");
    let text = error(&[("x/train.bin", &train[..9000]), ("x/test.bin", &test)]);
    assert!(text.contains("cifar-100-binary.tar.gz: x/train.bin: truncated"), "{text}");
    let text = error(&[("x/train.bin", &train), ("x/test.bin", &test), ("y/train.bin", &test)]);
    assert!(text.contains("cifar-100-binary.tar.gz: y/train.bin: a second train.bin"), "{text}");
    let text = error(&[("x/train.bin", &train), ("../test.bin", &test)]);
    assert!(text.contains("refused: entry \"../test.bin\""), "{text}");
}

/// Classes are drawn among those that the files hold, from the order that the whole set would use.
#[test]
fn choices_of_a_cut_stay_within_it() {
    let dir = written("plain");
    let kept = |n: usize| {
        load_from(dir.path(), &format!("name = 'cifar100'\nclasses = {n}\nseed = 5"))
            .unwrap()
            .record
            .kept_classes
    };
    let (two, three) = (kept(2), kept(3));
    assert_eq!(three, [1, 30, 98]);
    assert!(two.iter().all(|c| three.contains(c)) && two.len() == 2);
    for (choice, part) in [
        ("4", "4 classes asked for; the files of data set \"cifar100\" hold 3 of 100"),
        ("101", "101 classes asked for; data set \"cifar100\" has 100"),
        ("[1, 2]", "class 2 is not in the files of data set \"cifar100\"; they hold 1, 30, 98"),
    ] {
        let table = format!("name = 'cifar100'\nclasses = {choice}").parse().unwrap();
        let text = match parse_config(table) {
            Ok(config) => load(&config, 0, &dirs(dir.path())).unwrap_err().to_string(),
            Err(error) => error.to_string(),
        };
        assert!(text.starts_with("data.classes: ") && text.contains(part), "{text}");
    }
    let text =
        load_from(dir.path(), "name = 'cifar100'\nlabels = 'coarse'\nclasses = 21").unwrap_err().to_string();
    assert!(text.contains("21 classes asked for; data set \"cifar100\" has 20"), "{text}");
}

/// Test records of other classes than the train records' must not become an accuracy over no examples.
#[test]
fn a_test_set_without_the_classes_of_the_train_set_is_refused() {
    let dir = written("plain");
    write(dir.path().join("cifar-100-binary/test.bin"), &records_of(&[&[2, 9]], 0));
    let text = load_from(dir.path(), "name = 'cifar100'").unwrap_err().to_string();
    assert!(text.contains("\"cifar100\": no test example of classes [1, 30, 98]"), "{text}");
}

#[test]
fn verify_reads_what_it_cannot_compare() {
    let dir = written("gzipped");
    let reports = verify("cifar100", &dirs(dir.path())).unwrap();
    assert_eq!(reports.len(), 2);
    assert!(reports.iter().all(|r| matches!(r.status, FileStatus::Readable { .. }) && r.status.is_good()));
    write(dir.path().join("cifar-100/cifar-100-binary/test.bin.gz"), &gz(&test()[..99]));
    assert!(
        verify("cifar100", &dirs(dir.path())).unwrap_err().to_string().contains("test.bin.gz: truncated")
    );
    let other = written("archive");
    let reports = verify("cifar100", &dirs(other.path())).unwrap();
    assert!(matches!(&reports[..], [r] if matches!(r.status, FileStatus::Bad { .. })));
}

/// The cut of 30 classes: counts, classes and normalisation constants as its README has them.
#[test]
fn the_real_cut_is_what_its_description_says() {
    let Some(dir) = crate::real_data() else { return };
    if !dir.join("cifar-100/cifar-100-binary/train.bin.gz").is_file() {
        return;
    }
    let bundle = load_from(&dir, "name = 'cifar100'").unwrap();
    if bundle.record.kept_classes.len() != 30 {
        return;
    }
    let labels = bundle.train.labels().unwrap();
    assert!((0..30).all(|c| labels.iter().filter(|&&l| l == c).count() == 500));
    assert_eq!(bundle.test.as_ref().unwrap().len(), 3000);
    assert_eq!((bundle.record.kept_classes[0], bundle.class_names[0].as_str()), (5, "bed"));
    assert_eq!((bundle.record.kept_classes[29], bundle.class_names[29].as_str()), (97, "wolf"));
    let expected = [(0.5070, 0.2561), (0.4840, 0.2440), (0.4246, 0.2698)];
    for (c, (mean, sd)) in expected.into_iter().enumerate() {
        // Four digits are given.
        assert!((bundle.record.mean[c] - mean).abs() < 5.1e-5 && (bundle.record.sd[c] - sd).abs() < 5.1e-5);
    }
    // First pixels of red, green and blue of the first two records, read by another program.
    let first = FIRST.iter().map(|&(at, value)| (pixels(&bundle)[at], value));
    first.for_each(|(found, value)| assert_eq!(found, value));
}

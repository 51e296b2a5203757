//! Image data sets from the command line: a run from drawn pictures and from a folder, and what is refused.

mod common;

use common::{failure, realign, spec, stdout};
use serde_json::Value;
use std::fs;
use std::path::Path;

const SPEC: &str = r#"name = "images"
[data]
name = "glyphs"
train_size = 400
test_size = 100
classes = 3
augment = { pad = 4, flip = true }
[network]
model = "mlp"
widths = [3072, 5, 3]
[rule]
name = "bp"
[optimizer]
lr = 0.01
[train]
epochs = 2
batch = 6
"#;

fn with_data(data: &str, widths: &str) -> String {
    let (before, rest) = SPEC.split_once("name = \"glyphs\"").unwrap();
    let (_, after) = rest.split_once("[network]").unwrap();
    format!("{before}{data}\n[network]{after}").replace("[3072, 5, 3]", widths)
}

#[test]
fn a_run_records_classes_and_augmentation() {
    let dir = tempfile::tempdir().unwrap();
    let spec = spec(dir.path(), SPEC);
    for out in ["a", "b"] {
        stdout(realign().arg("run").arg(&spec).args(["--quiet", "--out"]).arg(dir.path().join(out)));
    }
    common::assert_same(&dir.path().join("a"), &dir.path().join("b"));
    let data: Value =
        serde_json::from_str(&fs::read_to_string(dir.path().join("a/data.json")).unwrap()).unwrap();
    let kept = data["kept_classes"].as_array().unwrap();
    let names = data["class_names"].as_array().unwrap();
    assert_eq!((kept.len(), names.len(), data["mean"].as_array().unwrap().len()), (3, 3, 3));
    let resolved = fs::read_to_string(dir.path().join("a/spec.toml")).unwrap();
    assert!(resolved.contains("pad = 4") && resolved.contains("flip = true"), "{resolved}");
    // The record and the listing agree on what class a label is.
    let list: Value = serde_json::from_str(&stdout(realign().args(["data", "list", "--json"]))).unwrap();
    let glyphs = list.as_array().unwrap().iter().find(|d| d["name"] == "glyphs").unwrap();
    assert_eq!(glyphs["class_names"][kept[1].as_u64().unwrap() as usize], names[1]);
}

/// Must end with 2 and one `error:` naming all `words`.
#[track_caller]
fn refused(dir: &Path, text: &str, words: &[&str]) {
    let spec = spec(dir, text);
    let mut command = realign();
    command.env("XDG_CACHE_HOME", dir.join("cache")).arg("run").arg(&spec).arg("--data-dir").arg(dir);
    let (code, stderr) = failure(command.args(["--quiet", "--out"]).arg(dir.join("out")));
    assert_eq!(code, 2, "{stderr}");
    assert_eq!(stderr.matches("error:").count(), 1, "{stderr}");
    words.iter().for_each(|w| assert!(stderr.contains(w), "\"{w}\" is not in: {stderr}"));
}

fn write(dir: &Path, name: &str, bytes: &[u8]) {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn records(labels: &[[u8; 2]]) -> Vec<u8> {
    labels.iter().flat_map(|l| [&l[..], &[7; 3072]].concat()).collect()
}

#[test]
fn damaged_cifar_files() {
    let dir = tempfile::tempdir().unwrap();
    let text = with_data("name = \"cifar100\"", "[3072, 5, 2]");
    let good = records(&[[0, 3], [1, 5], [0, 3], [1, 5], [0, 3], [1, 5]]);
    let check = |train: &[u8], words: &[&str]| {
        write(dir.path(), "cifar-100-binary/train.bin", train);
        write(dir.path(), "cifar-100-binary/test.bin", &good);
        refused(dir.path(), &text, words);
    };
    check(&good[..5000], &["cifar-100-binary/train.bin", "truncated", "3074"]);
    check(&[1; 3073 * 4], &["train.bin", "length of a file of CIFAR-10"]);
    check(&records(&[[0, 3], [1, 100]]), &["train.bin", "fine label 100 of record 1 (byte 3075)", "0 to 99"]);
    write(dir.path(), "cifar-100-binary/train.bin", &good);
    let choice = with_data("name = \"cifar100\"\nclasses = 3", "[3072, 5, 3]");
    refused(dir.path(), &choice, &["spec.toml:4", "data.classes", "3 classes asked for", "hold 2 of 100"]);
    fs::remove_dir_all(dir.path().join("cifar-100-binary")).unwrap();
    refused(dir.path(), &text, &["realign data fetch cifar100"]);
}

#[test]
fn damaged_pictures() {
    let dir = tempfile::tempdir().unwrap();
    let text = with_data("name = \"image_folder\"\npath = \"pictures\"", "[16, 5, 2]");
    let picture = |side: u32| {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, side, side);
        encoder.set_color(png::ColorType::Grayscale);
        let pixels = vec![9; (side * side) as usize];
        encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
        bytes
    };
    for (class, n) in [("cat", 3), ("dog", 3)] {
        (0..n).for_each(|k| write(dir.path(), &format!("pictures/train/{class}/{k}.png"), &picture(4)));
    }
    let spec = spec(dir.path(), &text);
    let mut command = realign();
    command
        .env("XDG_CACHE_HOME", dir.path().join("cache"))
        .arg("run")
        .arg(&spec)
        .arg("--data-dir")
        .arg(dir.path());
    stdout(command.args(["--quiet", "--out"]).arg(dir.path().join("good")));

    write(dir.path(), "pictures/train/dog/8.png", &picture(5));
    refused(dir.path(), &text, &["pictures", "train/dog/8.png: an image of 5x5", "4x4"]);
    write(dir.path(), "pictures/train/dog/8.png", &picture(4)[..40]);
    refused(dir.path(), &text, &["train/dog/8.png", "damaged PNG"]);
    fs::remove_file(dir.path().join("pictures/train/dog/8.png")).unwrap();
    write(dir.path(), "pictures/test/dog/1.png", &picture(4));
    refused(dir.path(), &text, &["no picture of class cat", "test/cat"]);
    let nowhere = text.replace("\"pictures\"", "\"picture\"");
    refused(dir.path(), &nowhere, &["spec.toml:4", "data.path", "no such folder"]);
    let padded = SPEC.replace("pad = 4", "pad = 40");
    refused(dir.path(), &padded, &["spec.toml:7", "data.augment.pad", "32x32"]);
}

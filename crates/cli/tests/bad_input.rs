//! Whatever a user gets wrong ends with code 2, says where, and leaves nothing half-written.

mod common;

use common::{TINY, failure, gzip, idx, realign, small_mnist, spec, stdout};
use std::fs;
use std::path::Path;

/// Runs `spec` with more arguments into `<dir>/out`; must end with 2 and one `error:` naming all `words`.
#[track_caller]
fn refused(dir: &Path, text: &str, args: &[&str], words: &[&str]) {
    let spec = spec(dir, text);
    let out = dir.join("out");
    let (code, stderr) =
        failure(realign().arg("run").arg(&spec).args(args).arg("--quiet").arg("--out").arg(&out));
    assert_eq!(code, 2, "{args:?}: {stderr}");
    assert_eq!(stderr.matches("error:").count(), 1, "{stderr}");
    for word in words {
        assert!(stderr.contains(word), "\"{word}\" is not in: {stderr}");
    }
    assert!(!out.exists(), "{args:?} left {} behind", out.display());
}

#[test]
fn specs_with_mistakes() {
    let dir = tempfile::tempdir().unwrap();
    let check = |from: &str, to: &str, words: &[&str]| {
        assert!(TINY.contains(from), "{from}");
        refused(dir.path(), &TINY.replace(from, to), &[], words);
    };
    check(
        "momentum = 0.9",
        "momentun = 0.9",
        &["spec.toml:19", "optimizer.momentun", "did you mean \"momentum\""],
    );
    check("lr = 0.1", "lr = \"fast\"", &["spec.toml:18", "optimizer.lr", "fast"]);
    check("name = \"fa\"", "name = \"sing_fa\"", &["spec.toml:13", "rule", "did you mean \"sign_fa\""]);
    check("[8, 6, 5, 2]", "[8, -6, 5, 2]", &["spec.toml:10", "network.widths", "-6"]);
    check("[8, 6, 5, 2]", "[9, 6, 5, 2]", &["spec.toml:10", "network.widths", "8 features"]);
    check("batch = 20", "batch = 97", &["spec.toml:22", "train.batch", "97", "96"]);
    check("batch = 20", "batch = 0", &["spec.toml:22", "train.batch"]);
    check("[train]", "[trian]", &["spec.toml:20", "trian", "did you mean \"train\""]);
    check("name = \"gaussians\"", "name = \"gausians\"", &["spec.toml:4", "data", "gaussians"]);
    check("every = \"2 steps\"", "every = \"now and then\"", &["spec.toml:28", "every"]);
    check("dtype = \"f32\"", "dtype = \"f16\"", &["spec.toml:23", "train.dtype", "f16"]);
    check("seed = 0", "seed = = 0", &["spec.toml:2"]);
}

#[test]
fn overrides_with_mistakes() {
    let dir = tempfile::tempdir().unwrap();
    refused(dir.path(), TINY, &["rule.nam=fa"], &["rule.nam"]);
    refused(dir.path(), TINY, &["rule.name=fa2"], &["rule.name=fa2", "unknown rule"]);
    refused(dir.path(), TINY, &["train.epochs=-1"], &["train.epochs"]);
    refused(dir.path(), TINY, &["nonsense"], &["nonsense"]);
}

#[test]
fn arguments_with_mistakes() {
    for args in [&["run"][..], &["runn"], &["run", "x.toml", "--threads", "0"], &["rules", "--jsn"]] {
        let (code, stderr) = failure(realign().args(args));
        assert_eq!(code, 2, "{args:?}");
        assert!(stderr.starts_with("error:"), "{stderr}");
    }
    let (code, stderr) = failure(realign().args(["run", "nowhere.toml"]));
    assert_eq!(code, 2);
    assert!(stderr.contains("nowhere.toml"));
}

#[test]
fn damaged_data_files() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    small_mnist(&data);
    let text = TINY
        .replace("name = \"gaussians\"\ndim = 8\ntrain_size = 96\ntest_size = 32", "name = \"mnist\"")
        .replace("[8, 6, 5, 2]", "[784, 6, 10]");
    let folder = data.join("mnist");
    let data_dir = ["--data-dir", data.to_str().unwrap()];
    stdout(
        realign()
            .arg("run")
            .arg(spec(dir.path(), &text))
            .args(data_dir)
            .arg("--out")
            .arg(dir.path().join("good")),
    );

    let images = folder.join("train-images-idx3-ubyte.gz");
    let whole = fs::read(&images).unwrap();
    let with = |path: &Path, bytes: &[u8], words: &[&str]| {
        let before = fs::read(path).unwrap();
        fs::write(path, bytes).unwrap();
        refused(dir.path(), &text, &data_dir, words);
        fs::write(path, before).unwrap();
    };
    with(&images, &whole[..whole.len() / 2], &["train-images-idx3-ubyte.gz", "truncated"]);
    let mut corrupt = whole.clone();
    let middle = corrupt.len() / 2;
    corrupt[middle..middle + 64].fill(0x55);
    with(&images, &corrupt, &["train-images-idx3-ubyte.gz"]);
    with(&images, &gzip(&idx(&[40, 28, 28], &[0; 100])), &["train-images-idx3-ubyte.gz"]);
    with(&images, b"not a file of images", &["train-images-idx3-ubyte.gz", "magic number"]);
    let labels = folder.join("train-labels-idx1-ubyte");
    with(&labels, &idx(&[40], &[11; 40]), &["train-labels-idx1-ubyte", "11"]);
    with(&labels, &idx(&[39], &[1; 39]), &["39", "40"]);
    with(&labels, &idx(&[40], &[1; 30]), &["train-labels-idx1-ubyte", "30"]);
    fs::remove_file(&labels).unwrap();
    refused(dir.path(), &text, &data_dir, &["train-labels-idx1-ubyte", "realign data fetch mnist"]);
}

#[test]
fn a_file_in_place_of_the_run_directory() {
    let dir = tempfile::tempdir().unwrap();
    let spec = spec(dir.path(), TINY);
    let out = dir.path().join("file");
    fs::write(&out, "precious").unwrap();
    for path in [out.clone(), out.join("below")] {
        let (code, stderr) = failure(realign().arg("run").arg(&spec).arg("--quiet").arg("--out").arg(&path));
        assert_eq!(code, 2, "{stderr}");
        assert!(stderr.contains(path.to_str().unwrap()), "{stderr}");
    }
    assert_eq!(fs::read_to_string(&out).unwrap(), "precious");
}

#[test]
fn directories_of_another_spec_or_of_something_else() {
    let dir = tempfile::tempdir().unwrap();
    let spec = spec(dir.path(), TINY);
    let out = dir.path().join("run");
    let run = |more: &[&str]| {
        failure(realign().arg("run").arg(&spec).args(more).arg("--quiet").arg("--out").arg(&out))
    };
    assert_eq!(run(&[]).0, 0);
    let before = common::result_of(&out);
    let (code, stderr) = run(&["optimizer.lr=0.2"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("another spec") && stderr.contains("lr = 0.2"), "{stderr}");
    assert!(common::result_of(&out) == before, "the other run is untouched");

    let foreign = dir.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("thesis.tex"), "x").unwrap();
    let (code, stderr) = failure(realign().arg("run").arg(&spec).arg("--out").arg(&foreign));
    assert_eq!(code, 2);
    assert!(stderr.contains("thesis.tex"), "{stderr}");
    assert_eq!(fs::read_dir(&foreign).unwrap().count(), 1);
}

/// `/dev/full` is a disk that is always full.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk() {
    let dir = tempfile::tempdir().unwrap();
    let spec = spec(dir.path(), TINY);
    let out = dir.path().join("run");
    stdout(realign().arg("run").arg(&spec).arg("--quiet").arg("--out").arg(&out));
    let text = fs::read(out.join("spec.toml")).unwrap();
    fs::remove_dir_all(&out).unwrap();
    fs::create_dir(&out).unwrap();
    fs::write(out.join("spec.toml"), text).unwrap();
    std::os::unix::fs::symlink("/dev/full", out.join("metrics.jsonl")).unwrap();
    let (code, stderr) = failure(realign().arg("run").arg(&spec).arg("--quiet").arg("--out").arg(&out));
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("metrics.jsonl") && stderr.contains("space"), "{stderr}");
    assert_eq!(fs::read_to_string(out.join("STATUS")).unwrap().trim(), "failed");
    // With room again the same command makes the run.
    fs::remove_file(out.join("metrics.jsonl")).unwrap();
    stdout(realign().arg("run").arg(&spec).arg("--quiet").arg("--out").arg(&out));
    assert_eq!(fs::read_to_string(out.join("STATUS")).unwrap().trim(), "done");

    let output = std::process::Command::new("sh")
        .args(["-c", &format!("'{}' rules > /dev/full", env!("CARGO_BIN_EXE_realign"))])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
}

//! What the tests of the command line share: the binary, a spec that takes milliseconds, and small data files.
#![allow(dead_code, reason = "each test binary uses its own part")]

use assert_cmd::Command;
use flate2::{Compression, write::GzEncoder};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The binary, away from the data and threads of whoever runs the tests.
pub(crate) fn realign() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_realign"));
    command
        .env_remove("REALIGN_DATA")
        .env_remove("SLURM_CPUS_PER_TASK")
        .env("XDG_CACHE_HOME", "/dev/null/none");
    command
}

/// Two orthogonally separable classes, aligned start: everything the convergence statement asks for.
pub(crate) const SEPARABLE: &str = r#"name = "separable"
[data]
name = "gaussians"
orthogonal = true
dim = 6
margin = 0.5
train_size = 40
test_size = 10
[network]
widths = [6, 12, 1]
bias = false
[init]
weight = "class_means"
feedback = "aligned"
[rule]
name = "fa"
[loss]
name = "logistic"
[optimizer]
lr = 0.05
[train]
steps = 200
batch = "full"
dtype = "f64"
[[probes]]
name = "decomposition"
every = "1 step"
[[probes]]
name = "aligned_units"
every = "1 step"
"#;

/// A run of a few milliseconds; append tables or override keys to change it.
pub(crate) const TINY: &str = r#"name = "tiny"
seed = 0
[data]
name = "gaussians"
dim = 8
train_size = 96
test_size = 32
[network]
model = "mlp"
widths = [8, 6, 5, 2]
activation = "relu"
[rule]
name = "fa"
[loss]
name = "cross_entropy"
[optimizer]
name = "sgd"
lr = 0.1
momentum = 0.9
[train]
epochs = 3
batch = 20
dtype = "f32"
[[probes]]
name = "accuracy"
[[probes]]
name = "weight_angle"
every = "2 steps"
[[probes]]
name = "update_angle"
"#;

/// Writes a spec into `dir`.
pub(crate) fn spec(dir: &Path, text: &str) -> PathBuf {
    let path = dir.join("spec.toml");
    fs::write(&path, text).unwrap();
    path
}

/// Stdout of a command that must succeed.
pub(crate) fn stdout(command: &mut Command) -> String {
    String::from_utf8(command.assert().success().get_output().stdout.clone()).unwrap()
}

/// Exit code and stderr of a command.
pub(crate) fn failure(command: &mut Command) -> (i32, String) {
    let output = command.output().unwrap();
    (output.status.code().unwrap_or(-1), String::from_utf8(output.stderr).unwrap())
}

/// An IDX file of unsigned bytes.
pub(crate) fn idx(dims: &[u32], bytes: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, 8, dims.len() as u8];
    dims.iter().for_each(|d| file.extend(d.to_be_bytes()));
    file.extend(bytes);
    file
}

/// `bytes` as a gzip file.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A folder that looks like MNIST, with 40 train and 20 test images of noise.
pub(crate) fn small_mnist(dir: &Path) {
    let folder = dir.join("mnist");
    fs::create_dir_all(&folder).unwrap();
    for (prefix, n) in [("train", 40u32), ("t10k", 20)] {
        let pixels: Vec<u8> = (0..n * 784).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let labels: Vec<u8> = (0..n).map(|i| (i % 10) as u8).collect();
        fs::write(folder.join(format!("{prefix}-images-idx3-ubyte.gz")), gzip(&idx(&[n, 28, 28], &pixels)))
            .unwrap();
        fs::write(folder.join(format!("{prefix}-labels-idx1-ubyte")), idx(&[n], &labels)).unwrap();
    }
}

/// Name and bytes of every checkpoint, and the metric rows: what must not depend on interruptions or threads.
pub(crate) fn result_of(run: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(run.join("checkpoints")).unwrap().map(|e| e.unwrap().path()).collect();
    files.push(run.join("metrics.jsonl"));
    files.sort();
    files
        .iter()
        .map(|p| (p.file_name().unwrap().to_string_lossy().into_owned(), fs::read(p).unwrap()))
        .collect()
}

/// Fails with the name of the first differing file rather than with all bytes.
#[track_caller]
pub(crate) fn assert_same(a: &Path, b: &Path) {
    let (x, y) = (result_of(a), result_of(b));
    let names = |r: &[(String, Vec<u8>)]| r.iter().map(|(n, _)| n.clone()).collect::<Vec<_>>();
    assert_eq!(names(&x), names(&y));
    for ((name, left), (_, right)) in x.iter().zip(&y) {
        assert!(left == right, "{name} differs between {} and {}", a.display(), b.display());
    }
}

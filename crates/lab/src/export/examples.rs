//! `data.safetensors`: the examples of every split as they were used, label noise and renumbered classes included, in the order of `data.json`.

use crate::store::{StoreError, files};
use realign_data::{Bundle, Dataset, Features, Targets};
use safetensors::tensor::{Dtype, View};
use std::borrow::Cow;
use std::io;
use std::path::Path;

/// One tensor of the file.
struct Block<'a> {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Cow<'a, [u8]>,
}

impl View for &Block<'_> {
    fn dtype(&self) -> Dtype {
        self.dtype
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }
    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// Writes all splits.
pub(super) fn write(path: &Path, data: &Bundle) -> Result<(), StoreError> {
    let record = &data.record;
    let nothing = Vec::new();
    let test_indices = record.test_indices.as_ref().unwrap_or(&nothing);
    let mut blocks = split("train", &data.train, &record.train_indices);
    blocks.extend(data.validation.iter().flat_map(|d| split("validation", d, &record.validation_indices)));
    blocks.extend(data.test.iter().flat_map(|d| split("test", d, test_indices)));
    files::write_by(path, |temp| {
        let tensors = blocks.iter().map(|block| (block.name.as_str(), block));
        safetensors::serialize_to_file(tensors, None, temp).map_err(|e| match e {
            safetensors::SafeTensorError::IoError(e) => e,
            other => io::Error::other(other),
        })
    })
}

/// Features, targets and positions of one split.
fn split<'a>(name: &str, set: &'a Dataset, positions: &[usize]) -> Vec<Block<'a>> {
    let examples = set.len();
    let shaped = |one: &[usize]| [&[examples], one].concat();
    let block =
        |what: &str, dtype, shape, bytes| Block { name: format!("{name}.{what}"), dtype, shape, bytes };
    let features = match &set.features {
        Features::U8 { pixels, .. } => {
            block("pixels", Dtype::U8, shaped(set.example_shape.dims()), Cow::Borrowed(&pixels[..]))
        }
        Features::F64(values) => block("inputs", Dtype::F64, shaped(set.example_shape.dims()), reals(values)),
    };
    let targets = match &set.targets {
        Targets::Classes { labels, .. } => {
            block("labels", Dtype::I64, shaped(&[]), integers(labels.iter().map(|l| i64::from(*l))))
        }
        Targets::Values { values, dim } => block("targets", Dtype::F64, shaped(&[*dim]), reals(values)),
    };
    let positions = integers(positions.iter().map(|p| *p as i64));
    vec![features, targets, block("positions", Dtype::I64, shaped(&[]), positions)]
}

fn reals(values: &[f64]) -> Cow<'static, [u8]> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>().into()
}

fn integers(values: impl Iterator<Item = i64>) -> Cow<'static, [u8]> {
    values.flat_map(i64::to_le_bytes).collect::<Vec<u8>>().into()
}

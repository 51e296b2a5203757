//! Checkpoints: everything a run needs to go on with the same bits, as one safetensors file.
//!
//! Tensors carry PyTorch's names and shapes: `layers.<i>.weight`, `.bias`, `.feedback`; optimizer memory is
//! `optimizer.layers.<i>.<parameter>.<memory>`, probe state `probes.<position>.<name>`. Random numbers need no state: they follow from
//! seed and step.

use crate::Error;
use realign_tensor::{DType, Tensor};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::HashMap;

/// A run frozen before training step `step`.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// Number of training steps done.
    pub step: u64,
    /// Named tensors.
    pub tensors: Vec<(String, Tensor)>,
    /// Further facts, as strings; kept by whoever stores the file.
    pub meta: Vec<(String, String)>,
}

impl Checkpoint {
    /// The tensor called `name`.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.tensors.iter().find(|(n, _)| n == name).map(|(_, t)| t)
    }

    /// Safetensors bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let bytes: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = self
            .tensors
            .iter()
            .map(|(name, t)| {
                let dtype = if t.dtype() == DType::F32 { Dtype::F32 } else { Dtype::F64 };
                (name.clone(), dtype, t.shape().dims().to_vec(), t.to_le_bytes())
            })
            .collect();
        let views = bytes.iter().map(|(name, dtype, shape, data)| {
            (name.as_str(), TensorView::new(*dtype, shape.clone(), data).expect("bytes fit the shape"))
        });
        let mut meta: HashMap<String, String> = self.meta.iter().cloned().collect();
        meta.insert("step".into(), self.step.to_string());
        // One entry only keeps the header's bytes the same on every run: hash maps have no order.
        let one = HashMap::from([("realign".to_string(), sorted_json(&meta))]);
        safetensors::serialize(views, Some(one)).expect("named tensors serialise")
    }

    /// Reads safetensors bytes.
    ///
    /// # Errors
    /// If the bytes are damaged or were not written by this program.
    pub fn from_bytes(bytes: &[u8]) -> Result<Checkpoint, Error> {
        let bad = |what: String| Error::Checkpoint(what);
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| bad(e.to_string()))?;
        let json = header
            .metadata()
            .as_ref()
            .and_then(|m| m.get("realign"))
            .ok_or_else(|| bad("not a checkpoint of realign".into()))?;
        let mut meta: std::collections::BTreeMap<String, String> =
            serde_json::from_str(json).map_err(|e| bad(e.to_string()))?;
        let step = meta.remove("step").and_then(|s| s.parse().ok()).ok_or_else(|| bad("no step".into()))?;
        let file = SafeTensors::deserialize(bytes).map_err(|e| bad(e.to_string()))?;
        let mut tensors = Vec::new();
        for (name, view) in file.tensors() {
            let dtype = match view.dtype() {
                Dtype::F32 => DType::F32,
                Dtype::F64 => DType::F64,
                other => return Err(bad(format!("{name}: unsupported dtype {other:?}"))),
            };
            let tensor = Tensor::from_le_bytes(view.shape(), dtype, view.data());
            tensors
                .push((name.clone(), tensor.ok_or_else(|| bad(format!("{name}: wrong number of bytes")))?));
        }
        tensors.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(Checkpoint { step, tensors, meta: meta.into_iter().collect() })
    }
}

fn sorted_json(meta: &HashMap<String, String>) -> String {
    let sorted: std::collections::BTreeMap<_, _> = meta.iter().collect();
    serde_json::to_string(&sorted).expect("strings serialise")
}

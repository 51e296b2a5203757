//! From a checked config to data in memory.

use crate::registry::{Entry, Request};
use crate::{Augment, DataConfig, DataError, DataRecord, Dataset, Dirs, config, entry, select};
use realign_tensor::Rng;

/// A data set ready to train on.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// Examples to train on, label noise included.
    pub train: Dataset,
    /// Examples held out of the train file; `Some` when asked for.
    pub validation: Option<Dataset>,
    /// Test examples; `None` when the data set has none.
    pub test: Option<Dataset>,
    /// Train labels before label noise, in the order of `train`; `Some` when there is label noise.
    pub clean_train_labels: Option<Vec<u32>>,
    /// Name of every class of the run, in label order; empty for real targets.
    pub class_names: Vec<String>,
    /// How images of training batches are changed at random; `None` = not at all.
    pub augment: Option<Augment>,
    /// What was chosen and changed; goes to `data.json`.
    pub record: DataRecord,
}

/// Builds or reads the data set of `config` and applies its options in this order: `normalize` (constants of the whole
/// train set), `classes` (train and test; labels renumbered from 0 in ascending order), `validation` (moved out of train),
/// `subset` (of the train examples left), `label_noise` (exactly round(fraction x n) of the n train examples left;
/// validation and test stay clean). Chosen examples keep their original order, and no option disturbs the draws of
/// another.
///
/// Everything random comes from `Rng::new(config.seed or run_seed).child("data")`.
///
/// # Errors
/// If files are missing or damaged, an option does not fit the data, or the named data folder is none.
pub fn load(config: &DataConfig, run_seed: u64, dirs: &Dirs) -> Result<Bundle, DataError> {
    let entry: &'static Entry = entry(&config.name)?;
    dirs.check()?;
    let config = &config::checked(config)?;
    let seed = config.seed.unwrap_or(run_seed);
    let rng = Rng::new(seed).child("data");
    let request = Request { entry, options: &config.options, rng: rng.child("generate"), dirs };
    let raw = (entry.build)(&request)?;
    select::apply(config, entry, raw, seed, &rng)
}

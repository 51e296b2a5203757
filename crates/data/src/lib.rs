/*!
Data sets by name, from a `[data]` table to tensors.

The cast: an [`Entry`] of the [`registry`] says what a data set is, which options it has and how to build it;
[`parse_config`] turns a `[data]` table into a checked [`DataConfig`]; [`load`] builds or reads the data set, applies
the options that every data set has and hands back a [`Bundle`]: a train
[`Dataset`], perhaps a validation and a test one, and the [`DataRecord`] that lets any other program choose the same
examples again. [`Dataset::gather`] copies a batch, normalised, into a tensor without allocating;
[`Bundle::gather_train`] does so for training, where images may be changed at random ([`Augment`]).

Real data sets are found on disk by [`Dirs`], downloaded by [`fetch::fetch`] and checked by [`fetch::verify`];
[`contact_sheet`] draws a few examples per class as a PNG.

Adding a data set = one file in `sets/` with an `ENTRY` + one word in the registry line of `sets/mod.rs`.

Nothing here prints, and nothing here knows about networks. Everything random comes from
`Rng::new(seed).child("data")` split by purpose, so that one option never disturbs the draws of another.
*/

mod allowed;
mod archive;
mod augment;
mod config;
mod contact;
mod dataset;
mod decoded;
mod dirs;
mod error;
pub mod fetch;
mod files;
mod idx;
mod indices;
mod load;
mod names;
mod picture;
mod record;
mod registry;
mod select;
mod sets;
mod shown;
mod unread;

/// The real data of this machine, for tests: `$REALIGN_DATA`, or a folder beside the project.
#[cfg(test)]
fn real_data() -> Option<std::path::PathBuf> {
    let beside = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let dir = std::env::var_os("REALIGN_DATA").map_or(beside, std::path::PathBuf::from);
    dir.is_dir().then_some(dir)
}

pub use augment::{Augment, View};
pub use config::{ClassChoice, DataConfig, common_options, parse_config};
pub use contact::contact_sheet;
pub use dataset::{Dataset, Features, Targets};
pub use dirs::Dirs;
pub use error::{ConfigError, DataError};
pub use load::{Bundle, load};
pub use names::suggest;
pub use picture::JPEG_DECODER;
pub use record::{ChangedLabel, DataRecord, Source, SourceFile};
pub use registry::{Allowed, Download, Entry, Kind, OptionDoc, RemoteFile, entry, registry};
pub use shown::{shown, shown_lines, shown_path};

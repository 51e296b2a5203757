//! MNIST: handwritten digits (LeCun, Bottou, Bengio & Haffner, "Gradient-based learning applied to document
//! recognition", Proc. IEEE 86, 1998), 60,000 train and 10,000 test images.

use super::idx_pair;
use crate::registry::{Download, Entry, Kind, RemoteFile};

/// Constants of pixel / 255 over the 60,000 train images, as torchvision's examples have them.
const MEAN: f32 = 0.1307;
const SD: f32 = 0.3081;

pub(crate) const ENTRY: Entry = Entry {
    name: "mnist",
    summary: "handwritten digits: 60,000 train and 10,000 test images",
    kind: Kind::Real,
    classes: Some(10),
    class_names: &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
    shape: "1x28x28",
    citation: "@article{lecun1998gradient,
  author  = {LeCun, Yann and Bottou, L{\\'e}on and Bengio, Yoshua and Haffner, Patrick},
  title   = {Gradient-based learning applied to document recognition},
  journal = {Proceedings of the IEEE},
  volume  = {86},
  number  = {11},
  pages   = {2278--2324},
  year    = {1998}
}",
    licence: "usually given as CC BY-SA 3.0 (Yann LeCun and Corinna Cortes); the home page names none",
    options: &[],
    download: Some(DOWNLOAD),
    build: |request| idx_pair::build(request, MEAN, SD),
};

const DOWNLOAD: Download = Download {
    folder: "mnist",
    folders: &["mnist", "MNIST/raw", "MNIST", "raw", ""],
    mirrors: &[
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    ],
    files: &[
        RemoteFile {
            name: "train-images-idx3-ubyte.gz",
            bytes: 9_912_422,
            sha256: "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            unpacked_sha256: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        },
        RemoteFile {
            name: "train-labels-idx1-ubyte.gz",
            bytes: 28_881,
            sha256: "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            unpacked_sha256: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        },
        RemoteFile {
            name: "t10k-images-idx3-ubyte.gz",
            bytes: 1_648_877,
            sha256: "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            unpacked_sha256: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        },
        RemoteFile {
            name: "t10k-labels-idx1-ubyte.gz",
            bytes: 4_542,
            sha256: "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            unpacked_sha256: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        },
    ],
    layouts: &[],
};

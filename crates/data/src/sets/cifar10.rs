/*!
CIFAR-10: small photographs of ten classes (Krizhevsky 2009), 5000 train and 1000 test images per class. Over the whole
train set the mean of pixel / 255 is 0.4914, 0.4822, 0.4465 and its standard deviation 0.2470, 0.2435, 0.2616.
[`super::cifar`] has the format.
*/

use super::cifar::{Format, Labels, build};
use crate::registry::{Download, Entry, Kind, RemoteFile};

pub(crate) const ENTRY: Entry = Entry {
    name: "cifar10",
    summary: "photographs of ten classes: 50,000 train and 10,000 test images",
    kind: Kind::Real,
    classes: Some(10),
    class_names: NAMES,
    shape: "3x32x32",
    citation: "@techreport{krizhevsky2009learning,
  author      = {Krizhevsky, Alex},
  title       = {Learning multiple layers of features from tiny images},
  institution = {University of Toronto},
  year        = {2009}
}",
    licence: "none stated; free use for research with citation is the common reading",
    options: &[],
    download: Some(DOWNLOAD),
    build: |request| build(request, &FORMAT, &Labels { which: 0, names: NAMES }),
};

const NAMES: &[&str] =
    &["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

const FORMAT: Format = Format {
    labels: &[("label", 10)],
    train: &["data_batch_1.bin.gz", "data_batch_2.bin.gz", "data_batch_3.bin.gz", "data_batch_4.bin.gz", "data_batch_5.bin.gz"],
    test: &["test_batch.bin.gz"],
    python_labels: &[b"labels"],
};

const DOWNLOAD: Download = Download {
    folder: "cifar-10",
    folders: &["cifar-10", "cifar10", "cifar-10/cifar-10-batches-bin", "cifar-10-batches-bin", ""],
    mirrors: &["https://www.cs.toronto.edu/~kriz/"],
    files: &[RemoteFile {
        name: "cifar-10-binary.tar.gz",
        bytes: 170_052_171,
        sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        unpacked_sha256: "",
    }],
    layouts: &[
        &["data_batch_1.bin.gz", "data_batch_2.bin.gz", "data_batch_3.bin.gz", "data_batch_4.bin.gz", "data_batch_5.bin.gz", "test_batch.bin.gz"],
        &["cifar-10-python.tar.gz"],
        &["cifar-10-batches-py/data_batch_1", "cifar-10-batches-py/data_batch_2", "cifar-10-batches-py/data_batch_3", "cifar-10-batches-py/data_batch_4", "cifar-10-batches-py/data_batch_5", "cifar-10-batches-py/test_batch"],
        &["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"],
    ],
};

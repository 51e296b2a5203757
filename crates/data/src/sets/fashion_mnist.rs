//! Fashion-MNIST: articles of clothing in MNIST's format (Xiao, Rasul & Vollgraf 2017, arXiv:1708.07747), 60,000 train
//! and 10,000 test images.

use super::idx_pair;
use crate::registry::{Download, Entry, Kind, RemoteFile};

/// Constants of pixel / 255 over the 60,000 train images.
const MEAN: f32 = 0.2860;
const SD: f32 = 0.3530;

pub(crate) const ENTRY: Entry = Entry {
    name: "fashion_mnist",
    summary: "articles of clothing in MNIST's format: 60,000 train and 10,000 test images",
    kind: Kind::Real,
    classes: Some(10),
    class_names: &[
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ],
    shape: "1x28x28",
    citation: "@article{xiao2017fashion,
  author  = {Xiao, Han and Rasul, Kashif and Vollgraf, Roland},
  title   = {Fashion-{MNIST}: a novel image dataset for benchmarking machine learning algorithms},
  journal = {arXiv preprint arXiv:1708.07747},
  year    = {2017}
}",
    licence: "MIT (Zalando SE)",
    options: &[],
    download: Some(DOWNLOAD),
    build: |request| idx_pair::build(request, MEAN, SD),
};

const DOWNLOAD: Download = Download {
    folder: "fashion-mnist",
    folders: &["fashion-mnist", "fashion_mnist", "FashionMNIST/raw", "FashionMNIST", "raw", ""],
    mirrors: &[
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    ],
    files: &[
        RemoteFile {
            name: "train-images-idx3-ubyte.gz",
            bytes: 26_421_880,
            sha256: "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            unpacked_sha256: "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        },
        RemoteFile {
            name: "train-labels-idx1-ubyte.gz",
            bytes: 29_515,
            sha256: "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            unpacked_sha256: "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        },
        RemoteFile {
            name: "t10k-images-idx3-ubyte.gz",
            bytes: 4_422_102,
            sha256: "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            unpacked_sha256: "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        },
        RemoteFile {
            name: "t10k-labels-idx1-ubyte.gz",
            bytes: 5_148,
            sha256: "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            unpacked_sha256: "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        },
    ],
    layouts: &[],
};

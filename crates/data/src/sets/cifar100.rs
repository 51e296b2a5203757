/*!
CIFAR-100: small photographs of 100 fine classes in 20 coarse ones (Krizhevsky 2009), 500 train and 100 test images per
fine class. Over the whole train set the mean of pixel / 255 is 0.5071, 0.4865, 0.4409 and its standard deviation 0.2673,
0.2564, 0.2762. [`super::cifar`] has the format.
*/

use super::cifar::{Format, Labels, build};
use crate::registry::{Allowed, Download, Entry, Kind, OptionDoc, RemoteFile};

pub(crate) const ENTRY: Entry = Entry {
    name: "cifar100",
    summary: "photographs of 100 classes: 50,000 train and 10,000 test images; cuts to fewer classes are read too",
    kind: Kind::Real,
    classes: Some(100),
    class_names: FINE,
    shape: "3x32x32",
    citation: "@techreport{krizhevsky2009learning,
  author      = {Krizhevsky, Alex},
  title       = {Learning multiple layers of features from tiny images},
  institution = {University of Toronto},
  year        = {2009}
}",
    licence: "none stated; free use for research with citation is the common reading",
    options: &[OptionDoc {
        name: "labels",
        default: "fine",
        meaning: "the 100 fine classes or the 20 coarse ones",
        allowed: Allowed::Word(&["fine", "coarse"]),
    }],
    download: Some(DOWNLOAD),
    build: |request| match request.options.word("labels") {
        "coarse" => build(request, &FORMAT, &Labels { which: 0, names: COARSE }),
        _ => build(request, &FORMAT, &Labels { which: 1, names: FINE }),
    },
};

const FORMAT: Format = Format {
    labels: &[("coarse label", 20), ("fine label", 100)],
    train: &["train.bin.gz"],
    test: &["test.bin.gz"],
    python_labels: &[b"coarse_labels", b"fine_labels"],
};

const DOWNLOAD: Download = Download {
    folder: "cifar-100",
    folders: &["cifar-100", "cifar100", "cifar-100/cifar-100-binary", "cifar-100-binary", ""],
    mirrors: &["https://www.cs.toronto.edu/~kriz/"],
    files: &[RemoteFile {
        name: "cifar-100-binary.tar.gz",
        bytes: 168_513_733,
        sha256: "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
        unpacked_sha256: "",
    }],
    layouts: &[
        &["train.bin.gz", "test.bin.gz"],
        &["cifar-100-python.tar.gz"],
        &["cifar-100-python/train", "cifar-100-python/test"],
    ],
};

const FINE: &[&str] = &[
    "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle",
    "bowl", "boy", "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle",
    "chair", "chimpanzee", "clock", "cloud", "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur",
    "dolphin", "elephant", "flatfish", "forest", "fox", "girl", "hamster", "house", "kangaroo", "keyboard",
    "lamp", "lawn_mower", "leopard", "lion", "lizard", "lobster", "man", "maple_tree", "motorcycle",
    "mountain", "mouse", "mushroom", "oak_tree", "orange", "orchid", "otter", "palm_tree", "pear",
    "pickup_truck", "pine_tree", "plain", "plate", "poppy", "porcupine", "possum", "rabbit", "raccoon",
    "ray", "road", "rocket", "rose", "sea", "seal", "shark", "shrew", "skunk", "skyscraper", "snail",
    "snake", "spider", "squirrel", "streetcar", "sunflower", "sweet_pepper", "table", "tank", "telephone",
    "television", "tiger", "tractor", "train", "trout", "tulip", "turtle", "wardrobe", "whale",
    "willow_tree", "wolf", "woman", "worm",
];

const COARSE: &[&str] = &[
    "aquatic_mammals", "fish", "flowers", "food_containers", "fruit_and_vegetables",
    "household_electrical_devices", "household_furniture", "insects", "large_carnivores",
    "large_man-made_outdoor_things", "large_natural_outdoor_scenes", "large_omnivores_and_herbivores",
    "medium_mammals", "non-insect_invertebrates", "people", "reptiles", "small_mammals", "trees",
    "vehicles_1", "vehicles_2",
];

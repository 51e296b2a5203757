use super::super::cifar::{Format, IMAGE};
use super::*;
use crate::archive::tests::{gz, tar_of};
use crate::{DataConfig, Dirs, Features, load};

const CIFAR100: Format = Format {
    labels: &[("coarse label", 20), ("fine label", 100)],
    train: &[],
    test: &[],
    python_labels: &[b"coarse_labels", b"fine_labels"],
};

fn short(text: &[u8]) -> Vec<u8> {
    [&[b'U', text.len() as u8], text].concat()
}

fn long(text: &[u8]) -> Vec<u8> {
    [b"T", &(text.len() as u32).to_le_bytes()[..], text].concat()
}

fn numbers(values: &[u8]) -> Vec<u8> {
    let items: Vec<u8> = values.iter().flat_map(|&v| [b'K', v]).collect();
    [b"]q\x07(", &items[..], b"e"].concat()
}

/// A numpy array of bytes, `n` x `width`, as Python 2 and numpy wrote it into the published files.
fn array(n: u16, width: u16, kind: &[u8], pixels: &[u8]) -> Vec<u8> {
    let size = |v: u16| [b"M", &v.to_le_bytes()[..]].concat();
    [
        b"cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\nq\x03K\x00\x85U\x01bq\x04\x87Rq\x05(K\x01",
        &size(n)[..],
        &size(width),
        b"\x86cnumpy\ndtype\nq\x06",
        &short(kind),
        b"K\x00K\x01\x87Rq\x08(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89",
        &long(pixels),
        b"tb",
    ]
    .concat()
}

fn file(fine: &[u8], coarse: &[u8], data: &[u8]) -> Vec<u8> {
    [
        b"\x80\x02}q\x01(",
        &short(b"batch_label")[..],
        &short(b"training batch 1 of 1"),
        &short(b"fine_labels"),
        &numbers(fine),
        &short(b"coarse_labels"),
        &numbers(coarse),
        &short(b"data"),
        data,
        b"u.",
    ]
    .concat()
}

fn pixels(n: usize) -> Vec<u8> {
    (0..n * IMAGE).map(|i| (i % 251) as u8).collect()
}

fn read_bytes(bytes: &[u8], which: usize) -> Result<Part, DataError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("train");
    std::fs::write(&path, bytes).unwrap();
    read(&path, &CIFAR100, which)
}

#[test]
fn a_file_of_the_python_version_is_read() {
    let bytes = file(&[7, 99], &[0, 19], &array(2, 3072, b"u1", &pixels(2)));
    for (which, labels) in [(0, vec![0, 19]), (1, vec![7, 99])] {
        assert_eq!(read_bytes(&bytes, which).unwrap(), Part { labels, pixels: pixels(2) });
    }
}

#[test]
fn damaged_and_foreign_files_are_named() {
    let good = array(2, 3072, b"u1", &pixels(2));
    let whole = file(&[7, 8], &[0, 1], &good);
    for (bytes, part) in [
        (whole[..whole.len() - 10].to_vec(), "truncated"),
        (whole[..3000].to_vec(), "truncated"),
        (file(&[7, 100], &[0, 1], &good), "fine label 100 of record 1 is out of range: expected 0 to 99"),
        (file(&[7], &[0, 1], &good), "1 labels in \"fine_labels\", but 2 images"),
        (file(&[7, 8], &[0, 1], &array(2, 3071, b"u1", &pixels(2))), "shape [2, 3071]"),
        (file(&[7, 8], &[0, 1], &array(3, 3072, b"u1", &pixels(2))), "shape [3, 3072]"),
        (
            file(&[7, 8], &[0, 1], &array(2, 3072, b"u1", &[&pixels(2)[..], b"more"].concat())),
            "6148 bytes, expected 2 x 3072",
        ),
        (file(&[7, 8], &[0, 1], &array(2, 3072, b"f4", &pixels(2))), "not of bytes"),
        // Python would make these, one inside the other; dropping the last would overflow our stack.
        ([b"\x80\x02)", &[0x85; 1_000_000][..], b"."].concat(), "nested deeper"),
        (
            [b"\x80\x02", &b"]".repeat(100_000)[..], &b"a".repeat(99_999)[..], b"."].concat(),
            "lists of containers",
        ),
        (
            [b"\x80\x02", &b"}K\x00"[..].repeat(100_000)[..], b"}", &b"s".repeat(100_000)[..], b"."].concat(),
            "inside dictionaries",
        ),
        (b"\x80\x02}q\x01.".to_vec(), "no key \"data\""),
        (b"\x80\x02]q\x01.".to_vec(), "no dictionary"),
        (b"Zello".to_vec(), "opcode 0x5a"),
        (Vec::new(), "truncated"),
        (b".".to_vec(), "the stack is empty"),
    ] {
        let text = read_bytes(&bytes, 1).unwrap_err().to_string();
        assert!(text.contains("/train: ") && text.contains(part), "{part}: {text}");
    }
}

/// What would run a command under Python is only refused here.
#[test]
fn calls_are_refused() {
    let text = read_bytes(b"\x80\x02cos\nsystem\nU\x04echo\x85R.", 0).unwrap_err().to_string();
    assert!(text.contains("refused to call os.system"), "{text}");
}

/// The folder that torchvision unpacks, and the archive that it downloads.
#[test]
fn the_forms_of_torchvision_are_found() {
    let array = |n: u16| array(n, 3072, b"u1", &pixels(usize::from(n)));
    let (train, test) = (file(&[3, 5], &[0, 1], &array(2)), file(&[5], &[1], &array(1)));
    for packed in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        if packed {
            let entries: &[(&str, &[u8])] = &[
                ("cifar-100-python/meta", b"x"),
                ("cifar-100-python/test", &test),
                ("cifar-100-python/train", &train),
            ];
            std::fs::write(dir.path().join("cifar-100-python.tar.gz"), gz(&tar_of(entries))).unwrap();
        } else {
            let folder = dir.path().join("cifar-100-python");
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("train"), &train).unwrap();
            std::fs::write(folder.join("test"), &test).unwrap();
        }
        let dirs = Dirs { data_dir: Some(dir.path().to_path_buf()) };
        let bundle = load(&DataConfig::new("cifar100").unwrap(), 0, &dirs).unwrap();
        assert_eq!(bundle.train.labels().unwrap(), [0, 1]);
        assert_eq!(bundle.class_names, ["bear", "bed"]);
        let Features::U8 { pixels: found, .. } = &bundle.train.features else { panic!("images") };
        assert_eq!(*found, pixels(2));
    }
}

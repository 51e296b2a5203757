use super::*;
use crate::Features;
use crate::archive::tests::{gz, tar_of, zip_of};
use crate::picture::tests::plain_jpeg;

type Files = Vec<(String, Vec<u8>)>;

const GREY: [u8; 4] = [10, 60, 110, 160];

/// Two classes with two train images each (the second of the first class grey) and two validation images, in the order of
/// no list.
fn files() -> Files {
    let jpeg = |y: u8| plain_jpeg(64, &[y, 128, 128]);
    let text = |s: &str| s.as_bytes().to_vec();
    [
        ("val/images/val_10.JPEG", jpeg(200)),
        ("val/images/val_9.JPEG", plain_jpeg(64, &[220])),
        ("val/val_annotations.txt", text("val_9.JPEG\tn07\t0\t0\t1\t1\nval_10.JPEG\tn02\t0\t0\t1\t1\n")),
        ("wnids.txt", text("n07\nn02\n")),
        ("words.txt", text("n02\tbrown bear, bruin\nn07\tespresso\nn99\tother\n")),
        ("train/n07/images/n07_10.JPEG", jpeg(GREY[3])),
        ("train/n07/images/n07_2.JPEG", jpeg(GREY[2])),
        ("train/n07/n07_boxes.txt", text("n07_2.JPEG\t0\t0\t1\t1\n")),
        ("train/n02/images/n02_1.JPEG", plain_jpeg(64, &[GREY[1]])),
        ("train/n02/images/n02_0.JPEG", jpeg(GREY[0])),
        ("test/images/test_0.JPEG", b"not looked at".to_vec()),
    ]
    .map(|(name, bytes)| (format!("tiny-imagenet-200/{name}"), bytes))
    .to_vec()
}

fn borrowed(files: &Files) -> Vec<(&str, &[u8])> {
    files.iter().map(|(n, b)| (n.as_str(), &b[..])).collect()
}

/// Decodes a zip of these files.
fn decode_zip(files: &Files) -> Result<Decoded, DataError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tiny-imagenet-200.zip");
    std::fs::write(&path, zip_of(&borrowed(files))).unwrap();
    decode(&path)
}

#[test]
fn every_container_gives_the_same_data() {
    let files = files();
    let expected = decode_zip(&files).unwrap();
    assert_eq!(expected.classes, ["n02 brown bear", "n07 espresso"]);
    assert_eq!(expected.train.labels, [0, 0, 1, 1]);
    // A grey image and a colour one without colour (Cb = Cr = 128) have Y in every channel.
    for (pixels, y) in expected.train.pixels.chunks(3 * 64 * 64).zip(GREY) {
        assert!(pixels.iter().all(|&p| p == y));
    }
    let test = expected.test.as_ref().unwrap();
    assert_eq!((&test.labels[..], test.pixels[0], test.pixels[3 * 64 * 64]), (&[1, 0][..], 220, 200));

    let dir = tempfile::tempdir().unwrap();
    let tar = dir.path().join("tiny.tar.gz");
    std::fs::write(&tar, gz(&tar_of(&borrowed(&files)))).unwrap();
    for (name, bytes) in &files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    for path in [tar, dir.path().join("tiny-imagenet-200")] {
        let found = decode(&path).unwrap();
        assert_eq!(found, Decoded { source: found.source.clone(), ..expected.clone() }, "{}", path.display());
    }
}

/// The message for the files changed by `change`.
fn error(change: impl Fn(&mut Files)) -> String {
    let mut files = files();
    change(&mut files);
    match decode_zip(&files) {
        Ok(_) => panic!("no error"),
        Err(error) => error.to_string(),
    }
}

fn at<'a>(files: &'a mut Files, name: &str) -> &'a mut Vec<u8> {
    &mut files.iter_mut().find(|(n, _)| n.ends_with(name)).unwrap().1
}

fn without(files: &mut Files, part: &str) {
    files.retain(|(n, _)| !n.contains(part));
}

#[test]
fn what_is_wrong_is_named() {
    let text = error(|f| at(f, "n02_1.JPEG").truncate(180));
    assert!(text.contains("tiny-imagenet-200.zip: tiny-imagenet-200/train/n02/images/n02_1.JPEG: damaged JPEG"), "{text}");
    let text = error(|f| *at(f, "val_9.JPEG") = b"GIF89a".to_vec());
    assert!(text.contains("val/images/val_9.JPEG: a GIF, neither a JPEG nor a PNG"), "{text}");
    let text = error(|f| *at(f, "n07_2.JPEG") = plain_jpeg(56, &[1]));
    assert!(text.contains("train/n07/images/n07_2.JPEG: an image of 56x56, expected 64x64"), "{text}");
    let text = error(|f| without(f, "train/n07/images"));
    assert!(text.contains("no image of class n07: train/n07/images is missing or empty"), "{text}");
    let text = error(|f| without(f, "wnids.txt"));
    assert!(text.contains("no wnids.txt in it"), "{text}");
    let text = error(|f| *at(f, "wnids.txt") = b"n02\n".to_vec());
    assert!(text.contains("val_annotations.txt line 1: class n07 is not in wnids.txt"), "{text}");
    let text = error(|f| f.push(("tiny-imagenet-200/train/n50/images/n50_0.JPEG".into(), plain_jpeg(64, &[1]))));
    assert!(text.contains("class n50 is not in wnids.txt"), "{text}");
    let text = error(|f| f.push(("tiny-imagenet-200/val/images/val_3.JPEG".into(), plain_jpeg(64, &[1]))));
    assert!(text.contains("val_3.JPEG: has no line in val_annotations.txt"), "{text}");
    let text = error(|f| without(f, "val_10.JPEG"));
    assert!(text.contains("has 2 lines, but there are 1 validation images"), "{text}");
    let text = error(|f| f.push(("../../evil.JPEG".into(), vec![])));
    assert!(text.contains("refused: entry \"../../evil.JPEG\" leaves the archive's folder"), "{text}");
}

/// The same images with the validation images in folders of their classes, with or without the list, and without the folders
/// "images": the forms that scripts leave behind.
#[test]
fn images_sorted_into_their_classes_are_the_same_data() {
    let expected = decode_zip(&files()).unwrap();
    let moved = |f: &mut Files, from: &str, to: &str| {
        f.iter_mut().for_each(|(n, _)| *n = n.replace(from, to));
    };
    for images in ["/images", ""] {
        for list in [true, false] {
            let mut files = files();
            moved(&mut files, "val/images/val_10", &format!("val/n02{images}/val_10"));
            moved(&mut files, "val/images/val_9", &format!("val/n07{images}/val_9"));
            moved(&mut files, "n07/images", &format!("n07{images}"));
            moved(&mut files, "n02/images", &format!("n02{images}"));
            if !list {
                without(&mut files, "val_annotations.txt");
            }
            let found = decode_zip(&files).unwrap();
            assert_eq!(found, Decoded { source: found.source.clone(), ..expected.clone() }, "{images} {list}");
        }
    }
}

#[test]
fn images_of_a_second_set_are_never_joined() {
    let jpeg = || plain_jpeg(64, &[1]);
    let add = |name: &str, bytes: Vec<u8>| {
        let name = format!("tiny-imagenet-200/{name}");
        error(move |f| f.push((name.clone(), bytes.clone())))
    };
    let text = add("backup/train/n02/images/n02_7.JPEG", jpeg());
    assert!(text.contains("backup/train/n02/images/n02_7.JPEG: an image of a second set"), "{text}");
    let text = add("backup/wnids.txt", b"n02\n".to_vec());
    assert!(text.contains("wnids.txt: one wnids.txt is expected"), "{text}");
    let text = add("train/n02/n02_1.JPEG", jpeg());
    assert!(text.contains("n02_1.JPEG is there twice"), "{text}");
    let text = add("val/n07/val_9.JPEG", jpeg());
    assert!(text.contains("val_9.JPEG is there twice"), "{text}");
    let text = add("val/n02/val_9.JPEG", jpeg());
    assert!(text.contains("val/n02/val_9.JPEG: val_annotations.txt has another class"), "{text}");
    let text = add("more/n02_7.JPEG", jpeg());
    assert!(text.contains("more/n02_7.JPEG: an image in no class"), "{text}");
    let text = add("train/n02/images/n02_7.webp", b"RIFF".to_vec());
    assert!(text.contains("n02_7.webp: a picture of a kind that this data set does not have"), "{text}");
    let text = error(|f| without(f, "val_annotations.txt"));
    assert!(text.contains("no val_annotations.txt in it, which would say its class"), "{text}");
}

/// `--data-dir` may be the folder that holds the set or the set itself, under whatever name.
#[test]
fn the_folder_itself_may_be_named() {
    for at in ["tiny-imagenet-200", "tiny-imagenet", ""] {
        let dir = tempfile::tempdir().unwrap();
        for (name, bytes) in files() {
            let path = dir.path().join(at).join(name.strip_prefix("tiny-imagenet-200/").unwrap());
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        let dirs = crate::Dirs { data_dir: Some(dir.path().to_path_buf()) };
        let bundle = crate::load(&crate::DataConfig::new("tiny_imagenet").unwrap(), 0, &dirs).unwrap();
        assert_eq!(bundle.train.labels().unwrap(), [0, 0, 1, 1], "{at}");
    }
}

/// The cut of 20 classes: counts and constants as its README has them, which come from another decoder. Ours rounds
/// enlarged colour differences up at one half, always, so means may move by up to half a level, 0.002; deviations hardly
/// change.
#[test]
fn the_real_cut_is_what_its_description_says() {
    let Some(path) = crate::real_data().map(|d| d.join("tiny-imagenet/tiny-imagenet-200-20classes.tar.gz")) else {
        return;
    };
    if !path.is_file() {
        return;
    }
    let decoded = decode(&path).unwrap();
    assert_eq!((decoded.classes.len(), decoded.classes[0].as_str()), (20, "n01784675 centipede"));
    let count = |split: &Split, n: usize| {
        (0..20).all(|c| split.labels.iter().filter(|&&l| l == c).count() == n)
    };
    assert!(count(&decoded.train, 500) && count(decoded.test.as_ref().unwrap(), 50));
    // Those with one channel; a few more are grey, but written in colour.
    let grey = album::read(&path, &|inside| want(inside, &RefCell::new(None))).unwrap().pictures.iter().filter(|(_, p)| p.channels == 1).count();
    assert_eq!(grey, 237 + 24);
    let raw = decoded.into_raw("tiny_imagenet");
    let Features::U8 { mean, sd, .. } = &raw.train.features else { panic!("images") };
    for (c, (m, s)) in [(0.4881, 0.2719), (0.4584, 0.2682), (0.4227, 0.2835)].into_iter().enumerate() {
        assert!((mean[c] - m).abs() < 2e-3 && (sd[c] - s).abs() < 2e-4, "{mean:?} {sd:?}");
    }
}

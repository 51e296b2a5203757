use super::super::jpeg_maker::{JFIF, Maker, adobe};
use super::super::markers::Headers;
use crate::picture::Picture;

/// JFIF 1.02, clamped.
fn rgb_of([y, cb, cr]: [u8; 3]) -> [f64; 3] {
    let (y, cb, cr) = (f64::from(y), f64::from(cb) - 128.0, f64::from(cr) - 128.0);
    [y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb].map(|v| v.clamp(0.0, 255.0))
}

/// Decoders convert colours in integers, hence one level.
#[track_caller]
fn assert_pixels(picture: &Picture, what: &str, expected: impl Fn(usize, usize) -> [f64; 3]) {
    let (h, w) = (picture.height, picture.width);
    assert_eq!(picture.pixels.len(), picture.channels * h * w);
    for (k, &p) in picture.pixels.iter().enumerate() {
        let (c, y, x) = (k / (h * w), k / w % h, k % w);
        let expected = expected(y, x)[c];
        assert!((f64::from(p) - expected).abs() <= 1.0, "{what}: channel {c}, {y}, {x}: {p}, not {expected}");
    }
}

/// Bright and dark blocks of one tint.
fn luma_varies(c: usize, row: usize, column: usize) -> u8 {
    [90 + 20 * ((3 * row + column) % 5) as u8, 110, 150][c]
}

/// Tints of one brightness.
fn chroma_varies(c: usize, row: usize, column: usize) -> u8 {
    [130, 100 + 10 * ((row + 2 * column) % 5) as u8, 110 + 8 * ((2 * row + column) % 4) as u8][c]
}

fn flat(c: usize, _: usize, _: usize) -> u8 {
    [120, 90, 170][c]
}

const SCANS: [&[&[usize]]; 5] =
    [&[&[0, 1, 2]], &[&[0], &[1], &[2]], &[&[0], &[1, 2]], &[&[0, 1], &[2]], &[&[2], &[0], &[1]]];

/// All ways to cut a picture into scans, with samplings, restarts and odd sizes: colours are those of the blocks. `finest` are the
/// components that have a sample for every pixel; the others are of one value, so that enlarging them leaves no doubt.
fn check(sampling: [(usize, usize); 3], value: fn(usize, usize, usize) -> u8, finest: &[usize]) {
    for (width, height) in [(16, 16), (64, 64), (13, 21), (1, 1), (37, 50)] {
        for (restart, progressive) in [(0, false), (1, false), (3, false), (0, true), (2, true)] {
            for scans in SCANS {
                let mut maker = Maker::new(width, height, 3, value);
                maker.sampling = sampling.to_vec();
                maker.scans = scans.iter().map(|s| s.to_vec()).collect();
                (maker.restart, maker.progressive) = (restart, progressive);
                let what = format!(
                    "{sampling:?} {width}x{height}, restart {restart}, progressive {progressive}, {scans:?}"
                );
                let picture = Picture::decode(&maker.bytes()).unwrap_or_else(|e| panic!("{what}: {e}"));
                assert_eq!((picture.channels, picture.height, picture.width), (3, height, width), "{what}");
                let at = |c: usize, y: usize, x: usize| {
                    if finest.contains(&c) { value(c, y / 8, x / 8) } else { value(c, 0, 0) }
                };
                assert_pixels(&picture, &what, |y, x| rgb_of([0, 1, 2].map(|c| at(c, y, x))));
            }
        }
    }
}

#[test]
fn every_cut_into_scans_gives_the_colours_of_the_blocks() {
    check([(1, 1), (1, 1), (1, 1)], luma_varies, &[0, 1, 2]);
    for chroma in [
        [(2, 2), (1, 1), (1, 1)],
        [(2, 1), (1, 1), (1, 1)],
        [(1, 2), (1, 1), (1, 1)],
        [(4, 1), (1, 1), (1, 1)],
    ] {
        check(chroma, luma_varies, &[0]);
    }
    check([(2, 2), (2, 1), (1, 2)], luma_varies, &[0]);
    check([(3, 1), (1, 1), (1, 1)], luma_varies, &[0]);
}

#[test]
fn chroma_may_be_sampled_finer_than_luma() {
    check([(1, 1), (2, 1), (2, 1)], chroma_varies, &[1, 2]);
    check([(1, 1), (2, 2), (2, 2)], chroma_varies, &[1, 2]);
    // One of the two alone: neither is finest in both directions, so all are of one value.
    check([(1, 1), (2, 1), (1, 2)], flat, &[]);
    check([(1, 1), (2, 1), (1, 1)], flat, &[]);
}

/// The marker of JFIF means YCbCr; without it Adobe's says what; without both, components called "RGB" are RGB: as in
/// `default_decompress_parms` of libjpeg 6b.
#[test]
fn markers_that_contradict_each_other_are_weighed_as_libjpeg_does() {
    let colour = |c: usize, _: usize, _: usize| [150u8, 100, 140][c];
    for scans in [SCANS[0], SCANS[1]] {
        for (jfif, transform, ids, rgb) in [
            (true, None, [1, 2, 3], false),
            (true, Some(0), [1, 2, 3], false),
            (true, Some(1), [1, 2, 3], false),
            (true, Some(2), [1, 2, 3], false),
            (true, None, *b"RGB", false),
            (true, Some(0), *b"RGB", false),
            (false, None, [1, 2, 3], false),
            (false, None, [0, 1, 2], false),
            (false, None, *b"rgb", false),
            (false, None, [1, 34, 35], false),
            (false, None, *b"RGB", true),
            (false, Some(0), [1, 2, 3], true),
            (false, Some(0), *b"RGB", true),
            (false, Some(1), *b"RGB", false),
            (false, Some(1), [1, 2, 3], false),
        ] {
            let mut maker = Maker::new(24, 16, 3, colour);
            maker.scans = scans.iter().map(|s| s.to_vec()).collect();
            maker.ids = ids.to_vec();
            maker.segments = jfif.then(|| (0xE0, JFIF.to_vec())).into_iter().collect();
            maker.segments.extend(transform.map(|t| (0xEE, adobe(t))));
            let what = format!("JFIF {jfif}, Adobe {transform:?}, {ids:?}, {} scans", scans.len());
            let picture = Picture::decode(&maker.bytes()).unwrap_or_else(|e| panic!("{what}: {e}"));
            let values = [0, 1, 2].map(|c| colour(c, 0, 0));
            assert_pixels(&picture, &what, |_, _| if rgb { values.map(f64::from) } else { rgb_of(values) });
        }
    }
}

/// Ordinary files stay with the decoder that they always had.
#[test]
fn ordinary_files_are_nothing_unusual() {
    let mut maker = Maker::new(24, 16, 3, flat);
    let unusual = |maker: &Maker| Headers::read(&maker.bytes()).map_err(|_| "damaged").unwrap().unusual();
    for sampling in [
        [(1, 1), (1, 1), (1, 1)],
        [(2, 2), (1, 1), (1, 1)],
        [(2, 1), (1, 1), (1, 1)],
        [(4, 2), (1, 1), (2, 1)],
    ] {
        maker.sampling = sampling.to_vec();
        assert_eq!(unusual(&maker), None, "{sampling:?}");
    }
    maker.scans = vec![vec![0], vec![1, 2]];
    assert_eq!(unusual(&maker), Some("several scans"));
    maker.progressive = true;
    assert_eq!(unusual(&maker), None);
    assert_eq!(unusual(&Maker::new(24, 16, 1, flat)), None);
    maker.segments.push((0xEE, adobe(0)));
    assert_eq!(unusual(&maker), Some("markers that contradict each other"));
}

/// 16x16, one scan per component, 4:2:0, all of it red: Y 76, Cb 85, Cr 255.
#[test]
fn a_file_of_three_scans_from_elsewhere_is_red() {
    let path =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/reference/three-scans.jpg");
    let Ok(bytes) = std::fs::read(path) else { return };
    let picture = Picture::decode(&bytes).unwrap();
    assert_eq!((picture.channels, picture.height, picture.width), (3, 16, 16));
    assert_pixels(&picture, "three-scans.jpg", |_, _| rgb_of([76, 85, 255]));
}

#[test]
fn files_of_several_scans_that_are_cut_are_errors() {
    let mut maker = Maker::new(16, 16, 3, luma_varies);
    maker.scans = vec![vec![0], vec![1], vec![2]];
    let bytes = maker.bytes();
    for n in 2..bytes.len() {
        let error = Picture::decode(&bytes[..n]).expect_err(&format!("{n} of {}", bytes.len()));
        assert!(error.contains("damaged JPEG: truncated"), "{n}: {error}");
    }
}

#[test]
fn what_is_not_read_is_named() {
    let error = |change: &dyn Fn(&mut Maker), marker: u8, bits: u8| {
        let mut maker = Maker::new(16, 16, 3, luma_varies);
        change(&mut maker);
        let mut bytes = maker.bytes();
        let at = bytes.windows(2).position(|w| w == [0xFF, 0xC0]).unwrap();
        bytes[at + 1] = marker;
        bytes[at + 4] = bits;
        Picture::decode(&bytes).unwrap_err()
    };
    let all = |m: &mut Maker| m.scans = vec![vec![0, 1, 2]];
    for (marker, bits, part) in [
        (0xC9, 8, "a JPEG that is not read: it is arithmetic-coded; save it"),
        (0xC3, 8, "a JPEG that is not read: it is lossless; save it"),
        (0xC1, 12, "a JPEG that is not read: it has 12 bits per sample"),
    ] {
        let text = error(&all, marker, bits);
        assert!(text.contains(part), "{text}");
    }
    let text = error(&|m| m.scans = vec![vec![0], vec![1]], 0xC0, 8);
    assert!(text.contains("damaged JPEG: no scan holds component 3"), "{text}");
    let text = error(&|m| m.scans = vec![vec![0, 1, 2], vec![1]], 0xC0, 8);
    assert!(text.contains("damaged JPEG: 2 scans hold component 2"), "{text}");
    let four = |m: &mut Maker| {
        *m = Maker { scans: vec![vec![0, 1], vec![2, 3]], ..Maker::new(16, 16, 4, |_, _, _| 9) }
    };
    let text = error(&four, 0xC0, 8);
    assert!(text.contains("four components (CMYK) with several scans; save it"), "{text}");
}

/// Adobe writes inks inverted: a stored 255 is no ink. r = (1 - c)(1 - k), so stored values multiply.
#[test]
fn cmyk_follows_the_plain_formula() {
    let ink = |c: usize, _: usize, _: usize| [200u8, 120, 60, 180][c];
    let mut maker = Maker::new(16, 16, 4, ink);
    maker.segments = vec![(0xEE, adobe(0))];
    let picture = Picture::decode(&maker.bytes()).unwrap();
    let expected = [200.0, 120.0, 60.0].map(|v: f64| v * 180.0 / 255.0);
    assert_eq!(picture.channels, 3);
    assert_pixels(&picture, "CMYK", |_, _| expected);
}

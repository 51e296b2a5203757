use super::super::jpeg_maker::{JFIF, Maker};
use super::*;
use crate::picture::tests::png_of;

/// A TIFF that says `value` with a number of type `kind` (3: 16 bits, 4: 32 bits), after an entry about something else.
pub(crate) fn tiff(little: bool, kind: u16, value: u32) -> Vec<u8> {
    let n16 = |n: u16| if little { n.to_le_bytes() } else { n.to_be_bytes() };
    let n32 = |n: u32| if little { n.to_le_bytes() } else { n.to_be_bytes() };
    let mut out = if little { b"II".to_vec() } else { b"MM".to_vec() };
    out.extend(n16(42));
    out.extend(n32(8));
    out.extend(n16(2));
    for (tag, kind, value) in [(0x010F, 4, 7), (ORIENTATION, kind, value)] {
        out.extend(n16(tag));
        out.extend(n16(kind));
        out.extend(n32(1));
        if kind == 3 { out.extend([n16(value as u16), [0; 2]].concat()) } else { out.extend(n32(value)) }
    }
    out.extend(n32(0));
    out
}

#[test]
fn the_word_of_the_camera_is_found_and_nonsense_is_not_obeyed() {
    for little in [true, false] {
        for kind in [3, 4] {
            for (value, expected) in [(0, 1), (1, 1), (2, 2), (6, 6), (8, 8), (9, 1), (65535, 1)] {
                assert_eq!(orientation(&tiff(little, kind, value)), expected, "{little} {kind} {value}");
            }
        }
        let whole = tiff(little, 3, 6);
        // The value is not there before its last byte.
        for n in 0..whole.len() {
            let expected = if n >= 8 + 2 + 12 + 10 { 6 } else { 1 };
            assert_eq!(orientation(&whole[..n]), expected, "{n}");
        }
    }
    assert_eq!(orientation(b"II*\0\xFF\xFF\xFF\xFF"), 1);
    assert_eq!(orientation(&tiff(true, 2, 6)), 1);
}

/// The eight pictures of the letters abc over def that Exif 2.32 (section 4.6.4) defines by where row 0 and column 0 lie.
const UPRIGHT: [&[&str]; 8] = [
    &["abc", "def"],
    &["cba", "fed"],
    &["fed", "cba"],
    &["def", "abc"],
    &["ad", "be", "cf"],
    &["da", "eb", "fc"],
    &["fc", "eb", "da"],
    &["cf", "be", "ad"],
];

#[test]
fn pictures_are_turned_upright() {
    let letters = |_: usize, row: usize, column: usize| b'a' + (3 * row + column) as u8;
    for (k, upright) in UPRIGHT.iter().enumerate() {
        let mut maker = Maker::new(24, 16, 1, letters);
        let exif = [b"Exif\0\0", &tiff(k % 2 == 0, 3, k as u32 + 1)[..]].concat();
        maker.segments = vec![(0xE0, JFIF.to_vec()), (0xE1, exif)];
        let picture = Picture::decode(&maker.bytes()).unwrap();
        assert_eq!((picture.height, picture.width), (8 * upright.len(), 8 * upright[0].len()));
        for (i, &p) in picture.pixels.iter().enumerate() {
            let (y, x) = (i / picture.width, i % picture.width);
            assert_eq!(p, upright[y / 8].as_bytes()[x / 8], "orientation {}, {y}, {x}", k + 1);
        }
    }
}

/// A PNG has the same in a chunk of its own; every channel is turned.
#[test]
fn pngs_are_turned_too() {
    let plain = png_of(png::ColorType::Rgb, 3, 1, &[1, 2, 3, 4, 5, 6, 7, 8, 9]);
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 3, 1);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().unwrap();
    writer.write_chunk(png::chunk::ChunkType(*b"eXIf"), &tiff(false, 3, 6)).unwrap();
    writer.write_image_data(&[1, 2, 3, 4, 5, 6, 7, 8, 9]).unwrap();
    writer.finish().unwrap();
    assert_eq!(Picture::decode(&plain).unwrap().width, 3);
    let turned = Picture { channels: 3, height: 3, width: 1, pixels: vec![1, 4, 7, 2, 5, 8, 3, 6, 9] };
    assert_eq!(Picture::decode(&bytes).unwrap(), turned);
}

use super::jpeg_maker::Maker;
use super::*;

/// A grey or colour JPEG whose block k, row by row, has the values `blocks[k]` (Y, or Y, Cb, Cr), without any other marker.
pub(crate) fn jpeg_of(blocks: &[Vec<u8>], across: u16, down: u16) -> Vec<u8> {
    let (across, down) = (usize::from(across), usize::from(down));
    let (n, blocks) = (blocks[0].len(), blocks.to_vec());
    let mut maker =
        Maker::new(8 * across, 8 * down, n, move |c, row, column| blocks[row * across + column][c]);
    maker.segments.clear();
    maker.bytes()
}

/// A JPEG of `side` x `side` pixels (a multiple of 8) in one colour (Y, Cb, Cr).
pub(crate) fn plain_jpeg(side: usize, colour: &[u8]) -> Vec<u8> {
    let n = side / 8;
    jpeg_of(&vec![colour.to_vec(); n * n], n as u16, n as u16)
}

pub(crate) fn png_of(color: png::ColorType, width: u32, height: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(color);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(data).unwrap();
    writer.finish().unwrap();
    bytes
}

/// The names in a run's record are those of the crates which are built in.
#[test]
fn the_decoders_are_those_of_the_lock_file() {
    let lock = include_str!("../../../Cargo.lock");
    for decoder in JPEG_DECODER.split(", ") {
        let (name, version) = decoder.split_once(' ').unwrap();
        assert!(lock.contains(&format!("name = \"{name}\"\nversion = \"{version}\"\n")), "{decoder}");
        assert_eq!(lock.matches(&format!("name = \"{name}\"\n")).count(), 1, "{decoder}");
    }
}

#[test]
fn a_grey_jpeg_has_the_values_of_its_blocks() {
    let values = [3u8, 250, 128, 77, 0, 255];
    let blocks: Vec<Vec<u8>> = values.iter().map(|&v| vec![v]).collect();
    let picture = Picture::decode(&jpeg_of(&blocks, 3, 2)).unwrap();
    assert_eq!((picture.channels, picture.height, picture.width), (1, 16, 24));
    for (k, &p) in picture.pixels.iter().enumerate() {
        assert_eq!(p, values[k / 24 / 8 * 3 + k % 24 / 8]);
    }
    let colour = picture.clone().expanded();
    assert_eq!((colour.channels, colour.pixels.len()), (3, 3 * 384));
    assert!(colour.pixels.chunks(384).all(|plane| plane == picture.pixels));
}

/// R = Y + 1.402 (Cr - 128), G = Y - 0.344136 (Cb - 128) - 0.714136 (Cr - 128), B = Y + 1.772 (Cb - 128) (JFIF 1.02);
/// decoders work in integers, hence one level.
#[test]
fn a_colour_jpeg_follows_the_conversion_formula() {
    for [y, cb, cr] in [[100u8, 128, 128], [120, 90, 170], [180, 150, 100]] {
        let picture = Picture::decode(&plain_jpeg(16, &[y, cb, cr])).unwrap();
        assert_eq!((picture.channels, picture.pixels.len()), (3, 768));
        let (y, cb, cr) = (f64::from(y), f64::from(cb) - 128.0, f64::from(cr) - 128.0);
        let expected = [y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb];
        for (k, &p) in picture.pixels.iter().enumerate() {
            assert!((f64::from(p) - expected[k / 256]).abs() <= 1.0, "{k}: {p} {expected:?}");
        }
    }
}

#[test]
fn pngs_are_read_channel_by_channel() {
    let rgb = Picture::decode(&png_of(png::ColorType::Rgb, 2, 1, &[1, 2, 3, 4, 5, 6])).unwrap();
    assert_eq!(rgb, Picture { channels: 3, height: 1, width: 2, pixels: vec![1, 4, 2, 5, 3, 6] });
    let grey = Picture::decode(&png_of(png::ColorType::Grayscale, 1, 2, &[7, 9])).unwrap();
    assert_eq!(grey, Picture { channels: 1, height: 2, width: 1, pixels: vec![7, 9] });
    // An alpha channel is dropped where everything is opaque, and only there.
    let opaque = Picture::decode(&png_of(png::ColorType::Rgba, 1, 1, &[1, 2, 3, 255])).unwrap();
    assert_eq!(opaque.pixels, [1, 2, 3]);
    let error = Picture::decode(&png_of(png::ColorType::Rgba, 1, 1, &[1, 2, 3, 254])).unwrap_err();
    assert!(error.contains("transparent"), "{error}");
}

/// However few bytes are missing; what follows the end does not matter.
#[test]
fn a_jpeg_cut_anywhere_is_an_error() {
    let jpeg = jpeg_of(&[vec![3, 9, 200], vec![250, 128, 1]], 2, 1);
    let whole = Picture::decode(&jpeg).unwrap();
    for n in 2..jpeg.len() {
        let error = Picture::decode(&jpeg[..n]).expect_err(&format!("{n} of {}", jpeg.len()));
        assert!(error.contains("damaged JPEG"), "{n}: {error}");
    }
    assert_eq!(Picture::decode(&[&jpeg[..], b"\n\0"].concat()).unwrap(), whole);
}

#[test]
fn damaged_pictures_are_errors() {
    let jpeg = plain_jpeg(64, &[40, 100, 200]);
    let mut no_table = jpeg.clone();
    no_table[3] = 0xFE;
    let png = png_of(png::ColorType::Rgb, 20, 20, &[9; 1200]);
    let mut flipped = png.clone();
    flipped[45] ^= 1;
    for bytes in [&jpeg[..jpeg.len() / 2], &jpeg[..100], &jpeg[..2], &png[..png.len() / 2], &flipped] {
        let error = Picture::decode(bytes).unwrap_err();
        assert!(error.contains("damaged"), "{error}");
    }
    assert_eq!(Picture::decode(b"").unwrap_err(), "the file is empty");
    assert_eq!(
        Picture::decode(b"GIF89a").unwrap_err(),
        "a GIF, neither a JPEG nor a PNG: convert it to one of them"
    );
    assert_eq!(Picture::decode(b"a text").unwrap_err(), "neither a JPEG nor a PNG");
}

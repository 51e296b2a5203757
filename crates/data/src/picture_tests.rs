use super::*;

/// A baseline JPEG (ITU-T T.81) of constant 8 x 8 blocks, written by hand: every quantiser is 8, so that the DC coefficient
/// of a block of value v, 8 (v - 128), is stored as v - 128, and every AC coefficient is 0. `blocks` holds one value per
/// component (Y, or Y, Cb, Cr) and block, row by row.
pub(crate) fn jpeg_of(blocks: &[Vec<u8>], across: u16, down: u16) -> Vec<u8> {
    let n = blocks[0].len() as u8;
    let mut out = vec![0xFF, 0xD8];
    let mut segment = |marker: u8, content: &[u8]| {
        out.extend([0xFF, marker]);
        out.extend((content.len() as u16 + 2).to_be_bytes());
        out.extend(content);
    };
    segment(0xDB, &[&[0u8][..], &[8; 64]].concat());
    let [h, w] = [(8 * down).to_be_bytes(), (8 * across).to_be_bytes()];
    let parts: Vec<u8> = (1..=n).flat_map(|c| [c, 0x11, 0]).collect();
    segment(0xC0, &[&[8, h[0], h[1], w[0], w[1], n][..], &parts].concat());
    // DC: 12 categories, all of 4 bits. AC: end of block, 2 bits, and an unused symbol.
    segment(0xC4, &[&[0x00, 0, 0, 0, 12][..], &[0; 12], &(0..12).collect::<Vec<u8>>()].concat());
    segment(0xC4, &[&[0x10, 0, 2][..], &[0; 14], &[0x00, 0x01]].concat());
    let scan: Vec<u8> = (1..=n).flat_map(|c| [c, 0]).collect();
    segment(0xDA, &[&[n][..], &scan, &[0, 63, 0]].concat());
    let mut bits = String::new();
    let mut last = vec![0i32; usize::from(n)];
    for block in blocks {
        for (c, &v) in block.iter().enumerate() {
            let dc = i32::from(v) - 128;
            let difference = dc - std::mem::replace(&mut last[c], dc);
            let size = 32 - difference.unsigned_abs().leading_zeros();
            bits += &format!("{size:04b}");
            if size > 0 {
                let value = if difference > 0 { difference } else { difference + (1 << size) - 1 };
                bits += &format!("{value:0width$b}", width = size as usize);
            }
            bits += "00";
        }
    }
    bits.push_str(&"1".repeat((8 - bits.len() % 8) % 8));
    for byte in bits.as_bytes().chunks(8) {
        let byte = byte.iter().fold(0, |n, b| n << 1 | (b - b'0'));
        out.push(byte);
        if byte == 0xFF {
            out.push(0);
        }
    }
    out.extend([0xFF, 0xD9]);
    out
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

/// The name in a run's record is that of the crate which is built in.
#[test]
fn the_decoder_is_the_one_of_the_lock_file() {
    let lock = include_str!("../../../Cargo.lock");
    let (name, version) = JPEG_DECODER.split_once(' ').unwrap();
    assert!(lock.contains(&format!("name = \"{name}\"\nversion = \"{version}\"\n")));
    assert_eq!(lock.matches(&format!("name = \"{name}\"\n")).count(), 1);
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
    assert_eq!(Picture::decode(b"GIF89a").unwrap_err(), "neither a JPEG nor a PNG");
}

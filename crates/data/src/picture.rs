/*!
JPEG (by `zune-jpeg`) and PNG (by `png`) files as bytes, channel by channel.

Grey pictures keep their one channel ([`Picture::expanded`] repeats it); 16-bit PNGs are rounded down to 8 bits; a PNG that is
transparent anywhere is refused, because there is no right colour behind it. JPEG decoders may differ from one another by
a level in some pixels.
*/

use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// Crate and version that decode JPEGs, for the record of a run: another one may give other pixels.
pub const JPEG_DECODER: &str = "zune-jpeg 0.5.15";

/// A decoded picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Picture {
    /// 1 (grey) or 3 (red, green, blue).
    pub(crate) channels: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
    /// channels x height x width.
    pub(crate) pixels: Vec<u8>,
}

impl Picture {
    /// Decodes a file; which format it has is told from its first bytes. The error says what is wrong with it.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Picture, String> {
        match bytes {
            [0xFF, 0xD8, ..] => jpeg(bytes).map_err(|e| format!("damaged JPEG: {e}")),
            [0x89, b'P', b'N', b'G', ..] => png(bytes).map_err(|e| format!("damaged PNG: {e}")),
            [] => Err("the file is empty".to_owned()),
            _ => Err("neither a JPEG nor a PNG".to_owned()),
        }
    }

    /// With three channels.
    pub(crate) fn expanded(self) -> Picture {
        if self.channels == 3 { self } else { Picture { channels: 3, pixels: self.pixels.repeat(3), ..self } }
    }

    /// From pixels that lie channel beside channel; those after the first `keep` are dropped.
    fn from_interleaved(mixed: &[u8], channels: usize, keep: usize, height: usize, width: usize) -> Picture {
        let mut pixels = Vec::with_capacity(keep * height * width);
        (0..keep).for_each(|c| pixels.extend(mixed.iter().skip(c).step_by(channels)));
        Picture { channels: keep, height, width, pixels }
    }
}

/// Whether the last scan has an end-of-image marker (FF D9) after it. Decoders make up what a few missing bytes would have said; and no coded data
/// look like a marker, since a 0 follows every FF in them (ITU-T T.81, B.1.1.5).
fn has_end(bytes: &[u8]) -> bool {
    let last = |marker: u8| bytes.windows(2).rposition(|pair| pair == [0xFF, marker]);
    last(0xD9).is_some_and(|end| last(0xDA).is_none_or(|scan| scan < end))
}

fn jpeg(bytes: &[u8]) -> Result<Picture, String> {
    let options = DecoderOptions::default().set_strict_mode(true);
    let mut decoder = zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|e| e.to_string())?;
    let grey = decoder.input_colorspace() == Some(ColorSpace::Luma);
    let (channels, space) = if grey { (1, ColorSpace::Luma) } else { (3, ColorSpace::RGB) };
    decoder.set_options(options.jpeg_set_out_colorspace(space));
    let mixed = decoder.decode().map_err(|e| e.to_string())?;
    if !has_end(bytes) {
        return Err("truncated: its last scan does not end".to_owned());
    }
    let (width, height) = decoder.dimensions().ok_or("no size")?;
    if mixed.len() != channels * height * width {
        return Err(format!("{} bytes decoded of {channels}x{height}x{width}", mixed.len()));
    }
    Ok(Picture::from_interleaved(&mixed, channels, channels, height, width))
}

fn png(bytes: &[u8]) -> Result<Picture, String> {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
    decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::STRIP_16);
    let mut reader = decoder.read_info().map_err(|e| e.to_string())?;
    let mut mixed = vec![0; reader.output_buffer_size().ok_or("too large")?];
    let info = reader.next_frame(&mut mixed).map_err(|e| e.to_string())?;
    reader.finish().map_err(|e| e.to_string())?;
    mixed.truncate(info.buffer_size());
    let channels = info.color_type.samples();
    let keep = if channels < 3 { 1 } else { 3 };
    if keep < channels && mixed.iter().skip(keep).step_by(channels).any(|&alpha| alpha < 255) {
        return Err("it is transparent in places; put it on a ground first".to_owned());
    }
    Ok(Picture::from_interleaved(&mixed, channels, keep, info.height as usize, info.width as usize))
}

#[cfg(test)]
#[path = "picture_tests.rs"]
pub(crate) mod tests;

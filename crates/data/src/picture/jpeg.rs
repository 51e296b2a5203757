/*!
JPEG files, by `zune-jpeg`, and by `jpeg-decoder` where [`Headers::unusual`] finds what the first one decodes to wrong colours
without an error. [`Headers`] also tells a file that was cut.

Four components (CMYK) become red, green and blue by the plain formula (r = (1 - c)(1 - k)), without a colour profile.
*/

use super::exif::orientation;
use super::markers::{CURE, Colours, Headers};
use super::{Flaw, Picture};
use jpeg_decoder::ColorTransform;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// No picture takes more bytes than this when decoded.
const LIMIT: usize = 1 << 30;

/// Decodes a file, upright. The error says what is wrong with it.
pub(super) fn decode(bytes: &[u8]) -> Result<Picture, Flaw> {
    let headers = Headers::read(bytes)?;
    let picture = match headers.unusual() {
        None => usual(bytes)?,
        Some(what) if headers.components.len() == 4 => {
            return Err(Flaw::Unread(format!("four components (CMYK) with {what}; {CURE}")));
        }
        Some(what) => unusual(bytes, &headers).map_err(|e| format!("{e} (it has {what})"))?,
    };
    Ok(picture.upright(headers.exif.map_or(1, orientation)))
}

fn usual(bytes: &[u8]) -> Result<Picture, String> {
    let options = DecoderOptions::default().set_strict_mode(true);
    let mut decoder = zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|e| e.to_string())?;
    let grey = decoder.input_colorspace() == Some(ColorSpace::Luma);
    let (channels, space) = if grey { (1, ColorSpace::Luma) } else { (3, ColorSpace::RGB) };
    decoder.set_options(options.jpeg_set_out_colorspace(space));
    let mixed = decoder.decode().map_err(|e| e.to_string())?;
    let (width, height) = decoder.dimensions().ok_or("no size")?;
    whole(&mixed, channels, height, width)
}

fn unusual(bytes: &[u8], headers: &Headers<'_>) -> Result<Picture, String> {
    let channels = headers.components.len();
    let mut decoder = jpeg_decoder::Decoder::new(bytes);
    decoder.set_max_decoding_buffer_size(LIMIT);
    if channels == 3 {
        decoder.set_color_transform(match headers.colours() {
            Colours::Rgb => ColorTransform::RGB,
            Colours::YCbCr => ColorTransform::YCbCr,
        });
    }
    let mixed = decoder.decode().map_err(|e| e.to_string())?;
    let info = decoder.info().ok_or("no size")?;
    whole(&mixed, channels, usize::from(info.height), usize::from(info.width))
}

fn whole(mixed: &[u8], channels: usize, height: usize, width: usize) -> Result<Picture, String> {
    if mixed.len() != channels * height * width {
        return Err(format!("{} bytes decoded of {channels}x{height}x{width}", mixed.len()));
    }
    Ok(Picture::from_interleaved(mixed, channels, channels, height, width))
}

#[cfg(test)]
#[path = "jpeg_tests.rs"]
mod tests;

/*!
JPEG ([`jpeg`]) and PNG (by `png`) files as bytes, channel by channel.

Grey pictures keep their one channel ([`Picture::expanded`] repeats it); 16-bit PNGs are rounded down to 8 bits; a PNG that is
transparent anywhere is refused, because there is no right colour behind it, and so is one with several frames. Pictures that say
how they are to be turned are turned ([`exif`]). Colour profiles are not applied. JPEG decoders may differ from one another by a level in
some pixels.
*/

mod exif;
mod jpeg;
#[cfg(test)]
pub(crate) mod jpeg_maker;
pub(crate) mod kinds;
mod markers;

/// Crates and versions that decode JPEGs, for the record of a run: others may give other pixels. The second one is for the files
/// that the first takes for something else.
pub const JPEG_DECODER: &str = "zune-jpeg 0.5.15, jpeg-decoder 0.3.2";

/// Why a file is not decoded.
enum Flaw {
    Damaged(String),
    /// Sound, but of a kind that is not read.
    Unread(String),
}

impl Flaw {
    fn of(self, format: &str) -> String {
        match self {
            Flaw::Damaged(why) => format!("damaged {format}: {why}"),
            Flaw::Unread(why) => format!("a {format} that is not read: {why}"),
        }
    }
}

impl From<String> for Flaw {
    fn from(why: String) -> Flaw {
        Flaw::Damaged(why)
    }
}

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
            [0xFF, 0xD8, ..] => jpeg::decode(bytes).map_err(|flaw| flaw.of("JPEG")),
            [0x89, b'P', b'N', b'G', ..] => png(bytes).map_err(|flaw| flaw.of("PNG")),
            [] => Err("the file is empty".to_owned()),
            _ => Err(match kinds::by_content(bytes) {
                Some(kind) => format!("{kind}, neither a JPEG nor a PNG: convert it to one of them"),
                None => "neither a JPEG nor a PNG".to_owned(),
            }),
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

fn png(bytes: &[u8]) -> Result<Picture, Flaw> {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
    decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::STRIP_16);
    let mut reader = decoder.read_info().map_err(|e| e.to_string())?;
    if let Some(frames) = reader.info().animation_control().map(|a| a.num_frames).filter(|&n| n > 1) {
        return Err(Flaw::Unread(format!("it is animated ({frames} frames); save the one that is meant")));
    }
    let mut mixed = vec![0; reader.output_buffer_size().ok_or_else(|| "too large".to_owned())?];
    let info = reader.next_frame(&mut mixed).map_err(|e| e.to_string())?;
    reader.finish().map_err(|e| e.to_string())?;
    mixed.truncate(info.buffer_size());
    let channels = info.color_type.samples();
    let keep = if channels < 3 { 1 } else { 3 };
    if keep < channels && mixed.iter().skip(keep).step_by(channels).any(|&alpha| alpha < 255) {
        return Err(Flaw::Unread("it is transparent in places; put it on a ground first".to_owned()));
    }
    let turn = reader.info().exif_metadata.as_deref().map_or(1, exif::orientation);
    let (height, width) = (info.height as usize, info.width as usize);
    Ok(Picture::from_interleaved(&mixed, channels, keep, height, width).upright(turn))
}

#[cfg(test)]
#[path = "picture_tests.rs"]
pub(crate) mod tests;

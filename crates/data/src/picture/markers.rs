/*!
The markers of a JPEG (ITU-T T.81, annex B): what its headers say about colours and sampling, and which scans it has. Nothing is
decoded.

A marker is FF and a byte that is neither 0 nor FF. Coded data cannot look like one, since a 0 follows every FF in them (B.1.1.5);
restart markers (D0 to D7) belong to the data.
*/

use super::Flaw;

/// What to do with a JPEG that is not read.
pub(super) const CURE: &str = "save it as an ordinary JPEG or PNG";

/// A component of the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Component {
    pub(super) id: u8,
    /// Sampling factors, 1 to 4: samples of this component per (largest factor) pixels.
    pub(super) across: u8,
    pub(super) down: u8,
}

/// A scan: the components in it and the first of its coefficients.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Scan {
    ids: Vec<u8>,
    first: u8,
}

/// The headers of one picture.
#[derive(Debug, Default)]
pub(super) struct Headers<'a> {
    pub(super) components: Vec<Component>,
    scans: Vec<Scan>,
    progressive: bool,
    jfif: bool,
    /// The colour transform of Adobe's marker: 0 none, 1 YCbCr, 2 YCCK.
    adobe: Option<u8>,
    /// A TIFF with the camera's word on the picture.
    pub(super) exif: Option<&'a [u8]>,
}

/// How three components become red, green and blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colours {
    Rgb,
    YCbCr,
}

impl<'a> Headers<'a> {
    /// Walks over the markers from the start to the end of the picture.
    ///
    /// # Errors
    /// If the picture does not end, has another process than baseline, extended sequential or progressive with Huffman codes, or
    /// its scans do not hold every component (and in a sequential picture hold one twice).
    pub(super) fn read(bytes: &'a [u8]) -> Result<Headers<'a>, Flaw> {
        let mut headers = Headers::default();
        let mut at = 2;
        loop {
            let Some(marker) = next_marker(bytes, &mut at) else { return Err(headers.unended()) };
            match marker {
                0xD9 => break,
                0x01 | 0xD0..=0xD8 => {}
                _ => {
                    let content = segment(bytes, &mut at).ok_or_else(|| headers.unended())?;
                    headers.take(marker, content)?;
                }
            }
        }
        headers.complete()?;
        Ok(headers)
    }

    fn unended(&self) -> Flaw {
        let what = if self.scans.is_empty() { "it has no scan" } else { "its last scan does not end" };
        Flaw::Damaged(format!("truncated: {what}"))
    }

    fn take(&mut self, marker: u8, content: &'a [u8]) -> Result<(), Flaw> {
        match marker {
            0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => self.frame(marker, content)?,
            0xDA => self.scans.push(scan(content).ok_or_else(|| "a scan header that is none".to_owned())?),
            0xE0 if content.starts_with(b"JFIF\0") => self.jfif = true,
            0xE1 if self.exif.is_none() => self.exif = content.strip_prefix(b"Exif\0\0"),
            0xEE if content.starts_with(b"Adobe") => self.adobe = content.get(11).copied().or(self.adobe),
            _ => {}
        }
        Ok(())
    }

    fn frame(&mut self, marker: u8, content: &[u8]) -> Result<(), Flaw> {
        let kind = match marker {
            0xC0..=0xC2 => None,
            0xC3 => Some("lossless"),
            0xC9 | 0xCA => Some("arithmetic-coded"),
            _ => Some("hierarchical or lossless"),
        };
        let &[bits, _, _, _, _, n, ref rest @ ..] = content else {
            return Err("a frame header that is none".to_owned().into());
        };
        if let Some(kind) = kind {
            return Err(Flaw::Unread(format!("it is {kind}; {CURE}")));
        }
        if bits != 8 {
            return Err(Flaw::Unread(format!("it has {bits} bits per sample, expected 8; {CURE}")));
        }
        if !self.components.is_empty() || rest.len() != 3 * usize::from(n) {
            return Err("a second frame, or a frame header of the wrong length".to_owned().into());
        }
        let component = |c: &[u8]| Component { id: c[0], across: c[1] >> 4, down: c[1] & 15 };
        self.components = rest.chunks_exact(3).map(component).collect();
        self.progressive = marker == 0xC2;
        Ok(())
    }

    /// Whether the scans hold the components that the frame has.
    fn complete(&self) -> Result<(), Flaw> {
        if ![1, 3, 4].contains(&self.components.len()) {
            return Err(format!("{} components, expected 1, 3 or 4", self.components.len()).into());
        }
        for component in &self.components {
            let holds = |s: &&Scan| s.first == 0 && s.ids.contains(&component.id);
            match self.scans.iter().filter(holds).count() {
                0 => return Err(format!("no scan holds component {}", component.id).into()),
                n if n > 1 && !self.progressive => {
                    return Err(format!("{n} scans hold component {}", component.id).into());
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// What three components are, as libjpeg decides it and with it most programs: JFIF's marker means YCbCr; without it Adobe's
    /// marker says what; without either, components called "RGB" are RGB and all others YCbCr.
    pub(super) fn colours(&self) -> Colours {
        match (self.jfif, self.adobe) {
            (true, _) => Colours::YCbCr,
            (false, Some(0)) => Colours::Rgb,
            (false, None) if self.called_rgb() => Colours::Rgb,
            _ => Colours::YCbCr,
        }
    }

    fn called_rgb(&self) -> bool {
        self.components.iter().map(|c| c.id).eq(*b"RGB")
    }

    /// Whether something is in it that the usual decoder takes for something else, and what: a sequential picture in several
    /// scans, a component that is sampled finer than the first, factors that are no power of two, or markers that contradict
    /// each other about the colours.
    pub(super) fn unusual(&self) -> Option<&'static str> {
        let first = self.components.first()?;
        let coarse = |c: &Component| c.across > first.across || c.down > first.down;
        let odd = |c: &Component| c.across == 3 || c.down == 3;
        if !self.progressive && self.scans.len() > 1 {
            return Some("several scans");
        }
        if self.components.iter().any(coarse) {
            return Some("a component sampled finer than the first");
        }
        if self.components.iter().any(odd) {
            return Some("a sampling factor of 3");
        }
        (self.components.len() == 3 && self.contradicts()).then_some("markers that contradict each other")
    }

    /// Whether those of JFIF, of Adobe and the components' names do not all say the same.
    fn contradicts(&self) -> bool {
        let adobe = self.adobe.map(|t| if t == 0 { Colours::Rgb } else { Colours::YCbCr });
        let said = [self.jfif.then_some(Colours::YCbCr), adobe, self.called_rgb().then_some(Colours::Rgb)];
        said.into_iter().flatten().any(|c| c != self.colours()) || self.adobe.is_some_and(|t| t > 1)
    }
}

/// The next marker at or after `at`, which moves behind it.
fn next_marker(bytes: &[u8], at: &mut usize) -> Option<u8> {
    loop {
        let from = *at + bytes.get(*at..)?.iter().position(|&b| b == 0xFF)?;
        match *bytes.get(from + 1)? {
            0xFF => *at = from + 1,
            0 => *at = from + 2,
            marker => {
                *at = from + 2;
                return Some(marker);
            }
        }
    }
}

/// The content of the segment at `at`, which moves behind it.
fn segment<'a>(bytes: &'a [u8], at: &mut usize) -> Option<&'a [u8]> {
    let length = usize::from(u16::from_be_bytes([*bytes.get(*at)?, *bytes.get(*at + 1)?]));
    let content = bytes.get(*at + 2..*at + length)?;
    *at += length;
    Some(content)
}

fn scan(content: &[u8]) -> Option<Scan> {
    let n = usize::from(*content.first()?);
    let ids = content.get(1..=2 * n)?.chunks_exact(2).map(|c| c[0]).collect();
    Some(Scan { ids, first: *content.get(2 * n + 1)? })
}

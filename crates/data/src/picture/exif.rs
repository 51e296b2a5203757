/*!
Which way up a picture is, as the camera wrote it down (Exif 2.32, tag 0x0112 of the first directory of a TIFF), and the turn that
makes it upright: pixels are those that a viewer shows.
*/

use super::Picture;

const ORIENTATION: u16 = 0x0112;

/// 1 (upright) to 8; 1 where nothing sensible is said.
pub(super) fn orientation(tiff: &[u8]) -> u8 {
    read(tiff).filter(|o| (1..=8).contains(o)).map_or(1, |o| o as u8)
}

fn read(tiff: &[u8]) -> Option<u32> {
    let little = match tiff.get(..4)? {
        b"II\x2A\0" => true,
        b"MM\0\x2A" => false,
        _ => return None,
    };
    let number = |at: usize, n: usize| -> Option<u32> {
        let bytes = tiff.get(at..at.checked_add(n)?)?.iter();
        let join = |all: u32, &b: &u8| all << 8 | u32::from(b);
        Some(if little { bytes.rev().fold(0, join) } else { bytes.fold(0, join) })
    };
    let directory = number(4, 4)? as usize;
    let entries = number(directory, 2)? as usize;
    let entry = |k: usize| directory + 2 + 12 * k;
    let at = (0..entries).map(entry).find(|&at| number(at, 2) == Some(u32::from(ORIENTATION)))?;
    // Type 3 is a number of 16 bits, 4 one of 32.
    match number(at + 2, 2)? {
        3 => number(at + 8, 2),
        4 => number(at + 8, 4),
        _ => None,
    }
}

impl Picture {
    /// Turned and mirrored from `orientation` to upright.
    pub(super) fn upright(self, orientation: u8) -> Picture {
        if orientation < 2 {
            return self;
        }
        let (h, w) = (self.height, self.width);
        let (height, width) = if orientation < 5 { (h, w) } else { (w, h) };
        // Where the pixel at row y, column x of the upright picture lies.
        let from = |y: usize, x: usize| match orientation {
            2 => (y, w - 1 - x),
            3 => (h - 1 - y, w - 1 - x),
            4 => (h - 1 - y, x),
            5 => (x, y),
            6 => (h - 1 - x, y),
            7 => (h - 1 - x, w - 1 - y),
            _ => (x, w - 1 - y),
        };
        let mut pixels = Vec::with_capacity(self.pixels.len());
        for plane in self.pixels.chunks_exact(h * w) {
            for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
                let (row, column) = from(y, x);
                pixels.push(plane[row * w + column]);
            }
        }
        Picture { channels: self.channels, height, width, pixels }
    }
}

#[cfg(test)]
#[path = "exif_tests.rs"]
pub(super) mod tests;

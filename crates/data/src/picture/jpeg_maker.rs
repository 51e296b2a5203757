//! JPEGs for tests (ITU-T T.81): every block is of one value, so what they decode to is known without a decoder.

use std::rc::Rc;

/// What a file is to be like.
#[derive(Clone)]
pub(crate) struct Maker {
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// Sampling factors of every component, across and down.
    pub(crate) sampling: Vec<(usize, usize)>,
    pub(crate) ids: Vec<u8>,
    /// Which components each scan holds; of a progressive file, each scan of first coefficients.
    pub(crate) scans: Vec<Vec<usize>>,
    /// Units between restart markers; 0 = none.
    pub(crate) restart: usize,
    pub(crate) progressive: bool,
    /// Segments after the start: marker and content.
    pub(crate) segments: Vec<(u8, Vec<u8>)>,
    /// Value of a block, by component, row and column.
    pub(crate) value: Rc<dyn Fn(usize, usize, usize) -> u8>,
}

pub(crate) const JFIF: &[u8] = b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0";

pub(crate) fn adobe(transform: u8) -> Vec<u8> {
    [b"Adobe\0\x64\0\0\0\0", &[transform][..]].concat()
}

impl Maker {
    /// Of `n` components with one sample per pixel, in one scan, with the marker of JFIF.
    pub(crate) fn new(
        width: usize,
        height: usize,
        n: usize,
        value: impl Fn(usize, usize, usize) -> u8 + 'static,
    ) -> Maker {
        Maker {
            width,
            height,
            sampling: vec![(1, 1); n],
            ids: (1..=n as u8).collect(),
            scans: vec![(0..n).collect()],
            restart: 0,
            progressive: false,
            segments: vec![(0xE0, JFIF.to_vec())],
            value: Rc::new(value),
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = vec![0xFF, 0xD8];
        self.segments.iter().for_each(|(marker, content)| segment(&mut out, *marker, content));
        // Every quantiser is 8: the first coefficient of a block of value v, 8 (v - 128), is stored as v - 128.
        segment(&mut out, 0xDB, &[&[0u8][..], &[8; 64]].concat());
        let [h, w] = [self.height, self.width].map(|n| (n as u16).to_be_bytes());
        let parts = self.ids.iter().zip(&self.sampling).flat_map(|(id, (a, b))| [*id, (a << 4 | b) as u8, 0]);
        let frame =
            [&[8, h[0], h[1], w[0], w[1], self.ids.len() as u8][..], &parts.collect::<Vec<u8>>()].concat();
        segment(&mut out, if self.progressive { 0xC2 } else { 0xC0 }, &frame);
        // First coefficients: 12 categories, all of 4 bits. Others: end of block, 2 bits, and an unused symbol.
        segment(
            &mut out,
            0xC4,
            &[&[0x00, 0, 0, 0, 12][..], &[0; 12], &(0..12).collect::<Vec<u8>>()].concat(),
        );
        segment(&mut out, 0xC4, &[&[0x10, 0, 2][..], &[0; 14], &[0x00, 0x01]].concat());
        if self.restart > 0 {
            segment(&mut out, 0xDD, &(self.restart as u16).to_be_bytes());
        }
        let last = if self.progressive { 0 } else { 63 };
        self.scans.iter().for_each(|scan| self.scan(&mut out, scan, (0, last)));
        if self.progressive {
            (0..self.ids.len()).for_each(|c| self.scan(&mut out, &[c], (1, 63)));
        }
        out.extend([0xFF, 0xD9]);
        out
    }

    /// Largest sampling factors.
    fn largest(&self) -> (usize, usize) {
        let largest = |of: fn(&(usize, usize)) -> usize| self.sampling.iter().map(of).max().unwrap();
        (largest(|s| s.0), largest(|s| s.1))
    }

    /// Blocks (component, row, column) of the units of a scan, in order.
    fn units(&self, scan: &[usize]) -> Vec<Vec<(usize, usize, usize)>> {
        let (across, down) = self.largest();
        if let [c] = scan[..] {
            let (a, b) = self.sampling[c];
            let columns = (self.width * a).div_ceil(across).div_ceil(8);
            let rows = (self.height * b).div_ceil(down).div_ceil(8);
            return (0..rows * columns).map(|k| vec![(c, k / columns, k % columns)]).collect();
        }
        let (columns, rows) = (self.width.div_ceil(8 * across), self.height.div_ceil(8 * down));
        let unit = |k: usize| {
            let mut blocks = Vec::new();
            for &c in scan {
                let (a, b) = self.sampling[c];
                let place = |i: usize| (c, k / columns * b + i / a, k % columns * a + i % a);
                blocks.extend((0..a * b).map(place));
            }
            blocks
        };
        (0..rows * columns).map(unit).collect()
    }

    fn scan(&self, out: &mut Vec<u8>, scan: &[usize], (first, last): (u8, u8)) {
        let parts: Vec<u8> = scan.iter().flat_map(|&c| [self.ids[c], 0]).collect();
        segment(out, 0xDA, &[&[scan.len() as u8][..], &parts, &[first, last, 0]].concat());
        let (mut bits, mut before) = (String::new(), vec![0i32; self.ids.len()]);
        for (k, unit) in self.units(scan).into_iter().enumerate() {
            if self.restart > 0 && k > 0 && k % self.restart == 0 {
                flush(out, &mut bits);
                out.extend([0xFF, 0xD0 + ((k / self.restart - 1) % 8) as u8]);
                before.fill(0);
            }
            for (c, row, column) in unit {
                if first == 0 {
                    let dc = i32::from((self.value)(c, row, column)) - 128;
                    bits += &coded(dc - std::mem::replace(&mut before[c], dc));
                }
                if last > 0 {
                    bits += "00";
                }
            }
        }
        flush(out, &mut bits);
    }
}

fn segment(out: &mut Vec<u8>, marker: u8, content: &[u8]) {
    out.extend([0xFF, marker]);
    out.extend((content.len() as u16 + 2).to_be_bytes());
    out.extend(content);
}

fn coded(difference: i32) -> String {
    let size = 32 - difference.unsigned_abs().leading_zeros();
    let value = if difference > 0 { difference } else { difference + (1 << size) - 1 };
    match size {
        0 => "0000".to_owned(),
        _ => format!("{size:04b}{value:0width$b}", width = size as usize),
    }
}

fn flush(out: &mut Vec<u8>, bits: &mut String) {
    bits.push_str(&"1".repeat((8 - bits.len() % 8) % 8));
    for byte in bits.as_bytes().chunks(8) {
        let byte = byte.iter().fold(0, |n, b| n << 1 | (b - b'0'));
        out.push(byte);
        if byte == 0xFF {
            out.push(0);
        }
    }
    bits.clear();
}

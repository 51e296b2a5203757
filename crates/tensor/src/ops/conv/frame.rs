//! Planes copied with the zeros around them, so that the register tiles never ask whether a tap lies inside the image.

use std::ops::Range;

/// How lines of planes are laid out in a frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    /// Planes.
    pub(super) planes: usize,
    /// Height and width of a plane.
    pub(super) size: [usize; 2],
    /// Columns of zeros before a line.
    pub(super) left: usize,
    /// Lines are dealt out into so many parts, columns k, k + parts, ... into part k, so that a stride over columns becomes 1.
    pub(super) parts: usize,
    /// Elements of a part, zeros included.
    pub(super) part: usize,
    /// Lines of a plane in the frame.
    pub(super) lines: usize,
}

impl Frame {
    /// Elements of a line.
    pub(super) fn line(&self) -> usize {
        self.parts * self.part
    }

    /// Elements of a plane of the frame.
    pub(super) fn plane(&self) -> usize {
        self.lines * self.line()
    }

    /// Elements of the frame.
    pub(super) fn len(&self) -> usize {
        self.planes * self.plane()
    }

    /// Offset of column `column` (zeros included) in a line.
    pub(super) fn column(&self, column: usize) -> usize {
        column % self.parts * self.part + column / self.parts
    }

    /// Copies lines `lines` of every plane of `src`, which may lie outside it.
    pub(super) fn fill(&self, dst: &mut [f32], src: &[f32], lines: Range<isize>) {
        crate::ops::vectorize(
            #[inline(always)]
            || self.fill_lines(dst, src, lines.clone()),
        );
    }

    #[inline(always)]
    fn fill_lines(&self, dst: &mut [f32], src: &[f32], lines: Range<isize>) {
        let [height, width] = self.size;
        for k in 0..self.parts {
            // Entry q of part k is column q parts + k - left of the image, zero outside it.
            let first = self.left.saturating_sub(k).div_ceil(self.parts).min(self.part);
            let from = (first * self.parts + k).saturating_sub(self.left).min(width);
            let inside = (width - from).div_ceil(self.parts).min(self.part - first);
            for p in 0..self.planes {
                let (dst, src) = (&mut dst[p * self.plane()..], &src[p * height * width..][..height * width]);
                for (dst, i) in dst.chunks_exact_mut(self.line()).zip(lines.clone()) {
                    let dst = &mut dst[k * self.part..][..self.part];
                    if i < 0 || i as usize >= height {
                        dst.fill(0.0);
                        continue;
                    }
                    let src = &src[i as usize * width + from..][..width - from];
                    let (before, rest) = dst.split_at_mut(first);
                    let (dst, after) = rest.split_at_mut(inside);
                    zero(before);
                    match self.parts {
                        1 => copy(dst, &src[..inside]),
                        2 => copy_second(dst, src),
                        parts => dst.iter_mut().zip(src.iter().step_by(parts)).for_each(|(d, &s)| *d = s),
                    }
                    zero(after);
                }
            }
        }
    }
}

/// Zeros and copies of short runs, by overlapping blocks of fixed length: lines are short, and routines made for long runs cost more than
/// the run.
#[inline(always)]
fn zero(dst: &mut [f32]) {
    match dst.len() {
        0 => {}
        1..4 => {
            // First, middle and last are all there is.
            let n = dst.len();
            (dst[0], dst[n / 2], dst[n - 1]) = (0.0, 0.0, 0.0);
        }
        4..8 => both_ends::<4>(dst, [0.0; 4], [0.0; 4]),
        8..17 => both_ends::<8>(dst, [0.0; 8], [0.0; 8]),
        _ => dst.fill(0.0),
    }
}

#[inline(always)]
fn both_ends<const N: usize>(dst: &mut [f32], first: [f32; N], last: [f32; N]) {
    *dst.first_chunk_mut().expect("long enough") = first;
    *dst.last_chunk_mut().expect("long enough") = last;
}

#[inline(always)]
fn ends<const N: usize>(src: &[f32]) -> ([f32; N], [f32; N]) {
    (*src.first_chunk().expect("long enough"), *src.last_chunk().expect("long enough"))
}

#[inline(always)]
fn copy(dst: &mut [f32], src: &[f32]) {
    let n = src.len();
    match n {
        0 => {}
        1..4 => (dst[0], dst[n / 2], dst[n - 1]) = (src[0], src[n / 2], src[n - 1]),
        4..8 => {
            let (a, b) = ends::<4>(src);
            both_ends(dst, a, b);
        }
        8..16 => {
            let (a, b) = ends::<8>(src);
            both_ends(dst, a, b);
        }
        16..33 => {
            let (a, b) = ends::<16>(src);
            both_ends(dst, a, b);
        }
        33..65 => {
            let (a, b) = ends::<32>(src);
            both_ends(dst, a, b);
        }
        _ => dst.copy_from_slice(src),
    }
}

/// Every second entry, in a form that compiles to vectors.
#[inline(always)]
fn copy_second(dst: &mut [f32], src: &[f32]) {
    let n = dst.len().min(src.len() / 16 * 8);
    let (many, rest) = dst.split_at_mut(n / 8 * 8);
    for (d, s) in many.as_chunks_mut::<8>().0.iter_mut().zip(src.as_chunks::<16>().0) {
        *d = std::array::from_fn(
            #[inline(always)]
            |l| s[2 * l],
        );
    }
    let done = 2 * many.len();
    rest.iter_mut().zip(src[done..].iter().step_by(2)).for_each(|(d, &s)| *d = s);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_where_they_were_dealt() {
        for (width, left, parts, total) in [
            (5usize, 1usize, 1usize, 7usize),
            (5, 0, 1, 4),
            (6, 2, 2, 11),
            (7, 1, 3, 9),
            (2, 4, 3, 10),
            (4, 1, 2, 3),
            (33, 1, 2, 35),
            (40, 9, 2, 60),
            (15, 1, 1, 17),
            (40, 5, 1, 50),
            (70, 20, 1, 100),
        ] {
            let part = total.div_ceil(parts);
            let f = Frame { planes: 2, size: [3, width], left, parts, part, lines: 4 };
            let src: Vec<f32> = (0..2 * 3 * width).map(|v| 1.0 + v as f32).collect();
            let mut dst = vec![f32::NAN; f.len()];
            f.fill(&mut dst, &src, -1..3);
            for p in 0..2 {
                for i in 0..4 {
                    for c in 0..total {
                        let inside = i > 0 && (left..left + width).contains(&c);
                        let want = if inside { src[(p * 3 + i - 1) * width + c - left] } else { 0.0 };
                        let got = dst[p * f.plane() + i * f.line() + f.column(c)];
                        assert_eq!(got, want, "{width} {left} {parts} {total}: {p} {i} {c}");
                    }
                }
            }
        }
    }
}

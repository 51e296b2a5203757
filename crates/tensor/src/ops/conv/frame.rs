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
        for p in 0..self.planes {
            let (dst, src) = (&mut dst[p * self.plane()..], &src[p * height * width..][..height * width]);
            for (dst, i) in dst.chunks_exact_mut(self.line()).zip(lines.clone()) {
                if i < 0 || i as usize >= height {
                    dst.fill(0.0);
                } else {
                    self.deal(dst, &src[i as usize * width..][..width]);
                }
            }
        }
    }

    #[inline(always)]
    fn deal(&self, dst: &mut [f32], src: &[f32]) {
        if self.parts == 1 {
            let (before, rest) = dst.split_at_mut(self.left.min(dst.len()));
            let (inside, after) = rest.split_at_mut(src.len().min(rest.len()));
            before.fill(0.0);
            copy(inside, &src[..inside.len()]);
            return after.fill(0.0);
        }
        for (k, part) in dst.chunks_exact_mut(self.part).enumerate() {
            // Column q parts + k - left of the image, zero outside it.
            let first = self.left.saturating_sub(k).div_ceil(self.parts).min(part.len());
            let (before, rest) = part.split_at_mut(first);
            before.fill(0.0);
            let from = first * self.parts + k - self.left.min(first * self.parts + k);
            let inside = src.len().saturating_sub(from).div_ceil(self.parts).min(rest.len());
            let (inside, after) = rest.split_at_mut(inside);
            let values = src.get(from..).unwrap_or_default().iter().step_by(self.parts);
            inside.iter_mut().zip(values).for_each(|(d, &s)| *d = s);
            after.fill(0.0);
        }
    }
}

/// Lines are short: moving them by sixteens in place costs less than calling a routine made for long runs.
#[inline(always)]
fn copy(dst: &mut [f32], src: &[f32]) {
    let ((dst, dst_rest), (src, src_rest)) = (dst.as_chunks_mut::<16>(), src.as_chunks::<16>());
    dst.iter_mut().zip(src).for_each(|(d, s)| *d = *s);
    dst_rest.iter_mut().zip(src_rest).for_each(|(d, s)| *d = *s);
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

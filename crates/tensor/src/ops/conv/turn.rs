//! Transposes between pixels x channels, which the register tiles make, and channels x pixels, which tensors hold.
#![allow(unsafe_code)] // whole vectors through raw pointers; reaches are checked in `turn`

use super::kernel::Isa;
use crate::ops::with_scratch;

/// Shortest rows that are worth a copy.
const FAR: usize = 64;

/// `dst[c, r] = src[r, c] (+ bias[c])` for r below `rows`, c below `cols`; rows of `src` and `dst` start every `src_row` and `dst_row` elements.
///
/// # Panics
/// If something reaches past its slice.
pub(super) fn turn(
    isa: Isa,
    (dst, dst_row): (&mut [f32], usize),
    (src, src_row): (&[f32], usize),
    [rows, cols]: [usize; 2],
    bias: Option<&[f32]>,
) {
    if rows == 0 || cols == 0 {
        return;
    }
    assert!(
        src.len() >= (rows - 1) * src_row + cols
            && dst.len() >= (cols - 1) * dst_row + rows
            && bias.is_none_or(|b| b.len() >= cols)
            && src_row >= cols
            && dst_row >= rows,
        "turn {rows}x{cols} reaches past its operands"
    );
    #[cfg(target_arch = "x86_64")]
    if isa == Isa::Avx512 {
        // SAFETY: an `Isa` is only handed out where the processor has it, and the reaches were just checked.
        unsafe {
            turn512(
                dst.as_mut_ptr(),
                dst_row,
                src.as_ptr(),
                src_row,
                [rows, cols],
                bias.map(<[f32]>::as_ptr),
            );
        }
        return;
    }
    let _ = isa;
    super::super::vectorize(
        #[inline(always)]
        || {
            for r in (0..rows).step_by(8) {
                for c in (0..cols).step_by(8) {
                    square(dst, dst_row, src, src_row, r..(r + 8).min(rows), c..(c + 8).min(cols), bias);
                }
            }
        },
    );
}

/// [`turn`] into rows that lie far apart: sixteen at a time are made side by side in the cache and then copied, so that every row is
/// written in one go. Strides of whole pages would otherwise have all rows fight for one set of the cache.
pub(super) fn turn_out(
    isa: Isa,
    (dst, dst_row): (&mut [f32], usize),
    (src, src_row): (&[f32], usize),
    [rows, cols]: [usize; 2],
    bias: Option<&[f32]>,
) {
    if rows < FAR {
        return turn(isa, (dst, dst_row), (src, src_row), [rows, cols], bias);
    }
    let line = rows + 16;
    with_scratch(16 * line, |stage| {
        for c in (0..cols).step_by(16) {
            let width = (cols - c).min(16);
            turn(isa, (stage, line), (&src[c..], src_row), [rows, width], bias.map(|b| &b[c..]));
            for (k, made) in stage.chunks_exact(line).enumerate().take(width) {
                dst[(c + k) * dst_row..][..rows].copy_from_slice(&made[..rows]);
            }
        }
    });
}

/// [`turn`] from rows that lie far apart into lines of `width` lanes, zero beyond the rows.
pub(super) fn turn_in(
    isa: Isa,
    (dst, width): (&mut [f32], usize),
    (src, src_row): (&[f32], usize),
    [rows, cols]: [usize; 2],
) {
    if width > rows {
        dst.fill(0.0);
    }
    if cols < FAR {
        return turn(isa, (dst, width), (src, src_row), [rows, cols], None);
    }
    let line = cols + 16;
    with_scratch(16 * line, |stage| {
        for r in (0..rows).step_by(16) {
            let height = (rows - r).min(16);
            for (k, copy) in stage.chunks_exact_mut(line).enumerate().take(height) {
                copy[..cols].copy_from_slice(&src[(r + k) * src_row..][..cols]);
            }
            turn(isa, (&mut dst[r..], width), (stage, line), [height, cols], None);
        }
    });
}

#[inline(always)]
fn square(
    dst: &mut [f32],
    dst_row: usize,
    src: &[f32],
    src_row: usize,
    rows: std::ops::Range<usize>,
    cols: std::ops::Range<usize>,
    bias: Option<&[f32]>,
) {
    let mut tile = [[0f32; 8]; 8];
    if rows.len() == 8 && cols.len() == 8 {
        for (i, line) in tile.iter_mut().enumerate() {
            line.copy_from_slice(&src[(rows.start + i) * src_row + cols.start..][..8]);
        }
        for j in 0..8 {
            let line: [f32; 8] = std::array::from_fn(
                #[inline(always)]
                |i| tile[i][j] + bias.map_or(0.0, |b| b[cols.start + j]),
            );
            dst[(cols.start + j) * dst_row + rows.start..][..8].copy_from_slice(&line);
        }
        return;
    }
    for c in cols {
        for r in rows.clone() {
            dst[c * dst_row + r] = src[r * src_row + c] + bias.map_or(0.0, |b| b[c]);
        }
    }
}

/// Squares of 16 x 16; what is missing at the edges is masked away.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn turn512(
    dst: *mut f32,
    dst_row: usize,
    src: *const f32,
    src_row: usize,
    [rows, cols]: [usize; 2],
    bias: Option<*const f32>,
) {
    use std::arch::x86_64::*;
    let mask = |n: usize| if n >= 16 { !0u16 } else { (1u16 << n) - 1 };
    for r in (0..rows).step_by(16) {
        let (height, down) = ((rows - r).min(16), mask(rows - r));
        for c in (0..cols).step_by(16) {
            let (width, across) = ((cols - c).min(16), mask(cols - c));
            let mut v = [_mm512_setzero_ps(); 16];
            for (i, v) in v.iter_mut().enumerate().take(height) {
                // SAFETY: the caller has checked that row r + i holds cols elements.
                *v = unsafe { _mm512_maskz_loadu_ps(across, src.add((r + i) * src_row + c)) };
            }
            if let Some(bias) = bias {
                // SAFETY: the caller has checked that there are cols of them.
                let b = unsafe { _mm512_maskz_loadu_ps(across, bias.add(c)) };
                v.iter_mut().for_each(|v| *v = _mm512_add_ps(*v, b));
            }
            let v = transposed(v);
            for (j, v) in v.iter().enumerate().take(width) {
                // SAFETY: the caller has checked that row c + j holds rows elements.
                unsafe { _mm512_mask_storeu_ps(dst.add((c + j) * dst_row + r), down, *v) };
            }
        }
    }
}

/// Pairs, then fours, then lanes of 128 bits are interleaved.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn transposed(r: [std::arch::x86_64::__m512; 16]) -> [std::arch::x86_64::__m512; 16] {
    use std::arch::x86_64::*;
    let mut t = r;
    for i in 0..8 {
        t[2 * i] = _mm512_unpacklo_ps(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm512_unpackhi_ps(r[2 * i], r[2 * i + 1]);
    }
    let mut u = t;
    for i in 0..4 {
        let f = |k: usize| _mm512_castps_pd(t[4 * i + k]);
        u[4 * i] = _mm512_castpd_ps(_mm512_unpacklo_pd(f(0), f(2)));
        u[4 * i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(f(0), f(2)));
        u[4 * i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(f(1), f(3)));
        u[4 * i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(f(1), f(3)));
    }
    // Lane l of u[4 i + j] holds column 4 l + j of rows 4 i .. 4 i + 4.
    let mut out = u;
    for j in 0..4 {
        let even = _mm512_shuffle_f32x4::<0x88>(u[j], u[4 + j]);
        let even_low = _mm512_shuffle_f32x4::<0x88>(u[8 + j], u[12 + j]);
        let odd = _mm512_shuffle_f32x4::<0xdd>(u[j], u[4 + j]);
        let odd_low = _mm512_shuffle_f32x4::<0xdd>(u[8 + j], u[12 + j]);
        out[j] = _mm512_shuffle_f32x4::<0x88>(even, even_low);
        out[8 + j] = _mm512_shuffle_f32x4::<0xdd>(even, even_low);
        out[4 + j] = _mm512_shuffle_f32x4::<0x88>(odd, odd_low);
        out[12 + j] = _mm512_shuffle_f32x4::<0xdd>(odd, odd_low);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_finds_its_place_and_nothing_else_is_touched() {
        for isa in Isa::all() {
            for (rows, cols) in [(1, 1), (16, 16), (8, 8), (3, 37), (33, 10), (17, 48), (30, 15), (70, 33)] {
                let (src_row, dst_row) = (cols + 3, rows + 2);
                let src: Vec<f32> = (0..rows * src_row).map(|v| v as f32).collect();
                let bias: Vec<f32> = (0..cols).map(|c| 0.25 * c as f32).collect();
                for with in [None, Some(&bias[..])] {
                    for turn in [turn, turn_out] {
                        let mut out = vec![-1.0; cols * dst_row];
                        turn(isa, (&mut out, dst_row), (&src, src_row), [rows, cols], with);
                        for c in 0..cols {
                            for r in 0..dst_row {
                                let want = src.get(r * src_row + c).map(|v| v + with.map_or(0.0, |b| b[c]));
                                let want = if r < rows { want.unwrap() } else { -1.0 };
                                assert_eq!(out[c * dst_row + r], want, "{isa:?} {rows}x{cols} at {r},{c}");
                            }
                        }
                    }
                }
            }
        }
    }
}

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
    let whole = [rows / 8 * 8, cols / 8 * 8];
    #[cfg(target_arch = "x86_64")]
    if isa == Isa::Avx2 {
        let bias = bias.map(<[f32]>::as_ptr);
        // SAFETY: as above.
        unsafe { turn256(dst.as_mut_ptr(), dst_row, src.as_ptr(), src_row, whole, bias) };
    }
    let _ = isa;
    // What is left of rows and columns.
    for c in 0..cols {
        for r in if c < whole[1] { whole[0] } else { 0 }..rows {
            dst[c * dst_row + r] = src[r * src_row + c] + bias.map_or(0.0, |b| b[c]);
        }
    }
}

/// [`turn`] into rows that lie far apart: sixteen at a time are made side by side in the cache and then copied, so that every row is
/// written in one go. Strides of whole pages would otherwise have all rows fight for one set of the cache; eight at a time do not.
pub(super) fn turn_out(
    isa: Isa,
    (dst, dst_row): (&mut [f32], usize),
    (src, src_row): (&[f32], usize),
    [rows, cols]: [usize; 2],
    bias: Option<&[f32]>,
) {
    if rows < FAR || isa == Isa::Avx2 {
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
    if cols < FAR || isa == Isa::Avx2 {
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

/// Squares of 8 x 8, along whichever side has its rows close together: the eight rows of the other side are then read or written in one go each,
/// and hold their lines of the cache even where they lie whole pages apart.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn turn256(
    dst: *mut f32,
    dst_row: usize,
    src: *const f32,
    src_row: usize,
    [rows, cols]: [usize; 2],
    bias: Option<*const f32>,
) {
    let square = |r: usize, c: usize| {
        // SAFETY: the caller has checked that these rows hold 8 elements each from here on, and that there are 8 biases.
        unsafe {
            let bias = bias.map(|b| b.add(c));
            square256(dst.add(c * dst_row + r), dst_row, src.add(r * src_row + c), src_row, bias);
        }
    };
    if dst_row > src_row {
        (0..cols).step_by(8).for_each(|c| (0..rows).step_by(8).for_each(|r| square(r, c)));
    } else {
        (0..rows).step_by(8).for_each(|r| (0..cols).step_by(8).for_each(|c| square(r, c)));
    }
}

/// One square: pairs, then fours, then halves are interleaved.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn square256(
    dst: *mut f32,
    dst_row: usize,
    src: *const f32,
    src_row: usize,
    bias: Option<*const f32>,
) {
    use std::arch::x86_64::*;
    let mut v = [_mm256_setzero_ps(); 8];
    for (i, v) in v.iter_mut().enumerate() {
        // SAFETY: the caller has checked 8 rows of 8 elements.
        *v = unsafe { _mm256_loadu_ps(src.add(i * src_row)) };
    }
    // SAFETY: the caller has checked that there are 8 of them.
    let bias = bias.map_or(_mm256_setzero_ps(), |b| unsafe { _mm256_loadu_ps(b) });
    let (mut t, mut u) = (v, v);
    for i in 0..4 {
        let (a, b) = (_mm256_add_ps(v[2 * i], bias), _mm256_add_ps(v[2 * i + 1], bias));
        t[2 * i] = _mm256_unpacklo_ps(a, b);
        t[2 * i + 1] = _mm256_unpackhi_ps(a, b);
    }
    for i in 0..2 {
        let f = |k: usize| _mm256_castps_pd(t[4 * i + k]);
        u[4 * i] = _mm256_castpd_ps(_mm256_unpacklo_pd(f(0), f(2)));
        u[4 * i + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(f(0), f(2)));
        u[4 * i + 2] = _mm256_castpd_ps(_mm256_unpacklo_pd(f(1), f(3)));
        u[4 * i + 3] = _mm256_castpd_ps(_mm256_unpackhi_pd(f(1), f(3)));
    }
    // Half h of u[4 i + j] holds column 4 h + j of rows 4 i .. 4 i + 4.
    for j in 0..4 {
        let low = _mm256_permute2f128_ps::<0x20>(u[j], u[4 + j]);
        let high = _mm256_permute2f128_ps::<0x31>(u[j], u[4 + j]);
        // SAFETY: the caller has checked 8 rows of 8 elements.
        unsafe {
            _mm256_storeu_ps(dst.add(j * dst_row), low);
            _mm256_storeu_ps(dst.add((4 + j) * dst_row), high);
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
            for (rows, cols) in [
                (1, 1),
                (16, 16),
                (8, 8),
                (3, 37),
                (33, 10),
                (17, 48),
                (30, 15),
                (70, 33),
                (9, 71),
                (264, 16),
            ] {
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

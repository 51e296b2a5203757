//! The usual maximum, 2x2 windows at stride 2, in AVX-512: sixteen outputs at a time, f32.
#![allow(unsafe_code)] // whole vectors through raw pointers; reaches are checked in `max_pairs`

use super::Planes;
use crate::Element;

/// One plane as in `max_pool`, if this processor and dtype are served.
///
/// # Panics
/// If a slice is shorter than its plane.
pub(super) fn max_pairs<T: Element>(y: &mut [T], arg: &mut [T], x: &[T], p: &Planes) -> bool {
    assert!(y.len() >= p.out_area() && arg.len() >= p.out_area() && x.len() >= p.area());
    #[cfg(target_arch = "x86_64")]
    if T::DTYPE == crate::DType::F32 && std::arch::is_x86_feature_detected!("avx512f") {
        let (y, arg, x) = (y.as_mut_ptr().cast(), arg.as_mut_ptr().cast(), x.as_ptr().cast());
        // SAFETY: T is f32, the instructions are there, and the slices hold their planes.
        unsafe { max512(y, arg, x, p.out(), p.size[1]) };
        return true;
    }
    false
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn max512(y: *mut f32, arg: *mut f32, x: *const f32, [height, out]: [usize; 2], width: usize) {
    use std::arch::x86_64::*;
    let count = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    let even = _mm512_add_epi32(count, count);
    let odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
    let mask = |n: usize| if n >= 16 { !0u16 } else { (1u16 << n) - 1 };
    for i in 0..height {
        for first in (0..out).step_by(16) {
            let n = (out - first).min(16);
            let (mut best, mut at) = (_mm512_setzero_ps(), _mm512_setzero_ps());
            for u in 0..2 {
                let line = (2 * i + u) * width + 2 * first;
                // SAFETY: 2 n entries of line 2 i + u, which the caller has seen to be there.
                let (low, high) = unsafe {
                    let high =
                        _mm512_maskz_loadu_ps(mask((2 * n).saturating_sub(16)), x.wrapping_add(line + 16));
                    (_mm512_maskz_loadu_ps(mask(2 * n), x.add(line)), high)
                };
                for (v, pick) in [even, odd].into_iter().enumerate() {
                    let value = _mm512_permutex2var_ps(low, pick, high);
                    let larger = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(value, best)
                        | _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(value, value)
                        | if u + v == 0 { !0 } else { 0 };
                    let place = _mm512_add_epi32(even, _mm512_set1_epi32((line + v) as i32));
                    best = _mm512_mask_mov_ps(best, larger, value);
                    at = _mm512_mask_mov_ps(at, larger, _mm512_cvtepi32_ps(place));
                }
            }
            // SAFETY: n entries of row i.
            unsafe {
                _mm512_mask_storeu_ps(y.add(i * out + first), mask(n), best);
                _mm512_mask_storeu_ps(arg.add(i * out + first), mask(n), at);
            }
        }
    }
}

/*!
What a step did to a run of weights, in f64: `[‖before‖², ‖after‖², ‖after − before‖², <before, g>]`.

Eight fixed lanes and no fused multiply-add, so every instruction set gives the same bits. For f32 the loop is written in vector instructions: left
to itself the compiler gathers the four sums of one lane into a vector instead of the eight lanes of one sum, and is five times slower.
*/
#![allow(unsafe_code)]

use crate::{Element, Slice};

const LANES: usize = 8;
type Lanes = [[f64; LANES]; 4];

/// See the module's formula.
///
/// # Panics
/// If the lengths differ.
#[track_caller]
pub fn step_sums(before: Slice<'_>, after: Slice<'_>, g: Slice<'_>) -> [f64; 4] {
    assert!(
        before.len() == after.len() && before.len() == g.len(),
        "step_sums of {}, {} and {} elements",
        before.len(),
        after.len(),
        g.len()
    );
    let lanes = match (before, after, g) {
        (Slice::F32(b), Slice::F32(a), Slice::F32(g)) => single(b, a, g),
        (b, a, g) => plain::<f64>(b.get(), a.get(), g.get()),
    };
    lanes.map(|s| ((s[0] + s[4]) + (s[1] + s[5])) + ((s[2] + s[6]) + (s[3] + s[7])))
}

fn single(b: &[f32], a: &[f32], g: &[f32]) -> Lanes {
    #[cfg(target_arch = "x86_64")]
    {
        if std::arch::is_x86_feature_detected!("avx512f") {
            // SAFETY: AVX-512F was just seen to be there, and the lengths are equal.
            return unsafe { x86::avx512(b, a, g) };
        }
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: AVX2 was just seen to be there, and the lengths are equal.
            return unsafe { x86::avx2(b, a, g) };
        }
    }
    plain(b, a, g)
}

/// The definition: element i goes to lane i mod 8.
fn plain<T: Element>(before: &[T], after: &[T], g: &[T]) -> Lanes {
    let mut sums = Lanes::default();
    for (i, ((b, a), g)) in before.iter().zip(after).zip(g).enumerate() {
        add(&mut sums, i % LANES, b.to_f64(), a.to_f64(), g.to_f64());
    }
    sums
}

#[inline(always)]
fn add(sums: &mut Lanes, lane: usize, b: f64, a: f64, g: f64) {
    let d = a - b;
    sums[0][lane] += b * b;
    sums[1][lane] += a * a;
    sums[2][lane] += d * d;
    sums[3][lane] += b * g;
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{LANES, Lanes, add};
    use std::arch::x86_64::*;

    fn tail(sums: &mut Lanes, b: &[f32], a: &[f32], g: &[f32]) {
        let start = b.len() / LANES * LANES;
        for (lane, i) in (start..b.len()).enumerate() {
            add(sums, lane, f64::from(b[i]), f64::from(a[i]), f64::from(g[i]));
        }
    }

    /// Eight lanes in one register.
    ///
    /// # Safety
    /// The processor has AVX-512F; the slices have one length.
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn avx512(b: &[f32], a: &[f32], g: &[f32]) -> Lanes {
        let mut acc = [_mm512_setzero_pd(); 4];
        for i in (0..b.len() / LANES).map(|k| k * LANES) {
            // SAFETY: i + 8 <= the common length.
            let [b, a, g] = unsafe {
                [b.as_ptr().add(i), a.as_ptr().add(i), g.as_ptr().add(i)]
                    .map(|p| _mm512_cvtps_pd(_mm256_loadu_ps(p)))
            };
            let d = _mm512_sub_pd(a, b);
            for (sum, term) in acc.iter_mut().zip([(b, b), (a, a), (d, d), (b, g)]) {
                *sum = _mm512_add_pd(*sum, _mm512_mul_pd(term.0, term.1));
            }
        }
        let mut sums = Lanes::default();
        for (lanes, acc) in sums.iter_mut().zip(acc) {
            // SAFETY: eight f64 fit the array.
            unsafe { _mm512_storeu_pd(lanes.as_mut_ptr(), acc) };
        }
        tail(&mut sums, b, a, g);
        sums
    }

    /// Eight lanes in two registers.
    ///
    /// # Safety
    /// The processor has AVX2; the slices have one length.
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn avx2(b: &[f32], a: &[f32], g: &[f32]) -> Lanes {
        let mut acc = [[_mm256_setzero_pd(); 2]; 4];
        for i in (0..b.len() / LANES).map(|k| k * LANES) {
            for half in 0..2 {
                // SAFETY: i + 8 <= the common length.
                let [b, a, g] = unsafe {
                    [b.as_ptr().add(i + 4 * half), a.as_ptr().add(i + 4 * half), g.as_ptr().add(i + 4 * half)]
                        .map(|p| _mm256_cvtps_pd(_mm_loadu_ps(p)))
                };
                let d = _mm256_sub_pd(a, b);
                for (sum, term) in acc.iter_mut().zip([(b, b), (a, a), (d, d), (b, g)]) {
                    sum[half] = _mm256_add_pd(sum[half], _mm256_mul_pd(term.0, term.1));
                }
            }
        }
        let mut sums = Lanes::default();
        for (lanes, acc) in sums.iter_mut().zip(acc) {
            for (half, acc) in acc.into_iter().enumerate() {
                // SAFETY: each half is four f64 of the array of eight.
                unsafe { _mm256_storeu_pd(lanes.as_mut_ptr().add(4 * half), acc) };
            }
        }
        tail(&mut sums, b, a, g);
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DType, Rng};

    /// Against naive sums (a few ulp of sums of up to 100 terms), and every instruction set against the definition, bit for bit.
    #[test]
    fn every_instruction_set_gives_the_definition() {
        let mut rng = Rng::new(4);
        for n in [0, 1, 7, 8, 9, 31, 100] {
            let [b, a, g] = [0, 1, 2].map(|_| rng.normal_tensor([n], 1.0, DType::F32));
            let [bs, as_, gs] = [&b, &a, &g].map(|t| t.as_slice::<f32>());
            let want = plain(bs, as_, gs);
            assert_eq!(single(bs, as_, gs), want);
            #[cfg(target_arch = "x86_64")]
            if std::arch::is_x86_feature_detected!("avx2") {
                // SAFETY: AVX2 was just seen to be there, and the lengths are equal.
                assert_eq!(unsafe { x86::avx2(bs, as_, gs) }, want);
            }
            let sums = step_sums(b.slice(), a.slice(), g.slice());
            let (b, a, g) = (b.to_f64_vec(), a.to_f64_vec(), g.to_f64_vec());
            let naive = [
                b.iter().map(|x| x * x).sum::<f64>(),
                a.iter().map(|x| x * x).sum(),
                a.iter().zip(&b).map(|(x, y)| (x - y) * (x - y)).sum(),
                b.iter().zip(&g).map(|(x, y)| x * y).sum(),
            ];
            sums.iter().zip(naive).for_each(|(s, n)| assert!((s - n).abs() <= 1e-13 * (1.0 + n.abs())));
        }
    }
}

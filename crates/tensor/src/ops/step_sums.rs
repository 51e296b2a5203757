/*!
What a step did to a run of weights, in f64: `[‖before‖², ‖after‖², ‖after − before‖², <before, g>]`; and the plain step that takes these sums
in the same pass.

Eight fixed lanes. The product of two widened f32 is exact in f64, so a fused multiply-add has the bits of a product and a sum where both
factors are f32; the difference is not one, and its square is rounded before it is added. So every instruction set gives the same bits. For f32 the loop is written in
vector instructions: left to itself the compiler gathers the four sums of one lane into a vector instead of the eight lanes of one sum, and is five
times slower.
*/
#![allow(unsafe_code)]

use super::reduce::{LANES, whole};
use crate::{Element, Slice, SliceMut};

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
    add_up(match (before, after, g) {
        (Slice::F32(b), Slice::F32(a), Slice::F32(g)) => single(b, a, g),
        (b, a, g) => plain::<f64>(b.get(), a.get(), g.get()),
    })
}

/// Makes the plain step `w = w - eta g` and returns its [`step_sums`]: the bits of one after the other, in one pass.
///
/// # Panics
/// If the lengths differ.
#[track_caller]
pub fn plain_step(w: SliceMut<'_>, eta: f64, g: Slice<'_>) -> [f64; 4] {
    assert_eq!(w.len(), g.len(), "step of {} elements along {}", w.len(), g.len());
    add_up(match (w, g) {
        (SliceMut::F32(w), Slice::F32(g)) => single_step(w, eta as f32, g),
        (w, g) => plain_stepped::<f64>(w.get(), eta, g.get()),
    })
}

fn add_up(lanes: Lanes) -> [f64; 4] {
    lanes.each_ref().map(whole)
}

fn single(b: &[f32], a: &[f32], g: &[f32]) -> Lanes {
    #[cfg(target_arch = "x86_64")]
    if let Some(kernel) = x86::kernel::<false>() {
        // Only read without a step.
        let run = x86::Run {
            before: b.as_ptr(),
            after: a.as_ptr().cast_mut(),
            g: g.as_ptr(),
            len: b.len(),
            eta: 0.0,
        };
        // SAFETY: the instructions were seen to be there, and all three slices have this length.
        return unsafe { kernel(run) };
    }
    plain(b, a, g)
}

fn single_step(w: &mut [f32], eta: f32, g: &[f32]) -> Lanes {
    #[cfg(target_arch = "x86_64")]
    if let Some(kernel) = x86::kernel::<true>() {
        let after = w.as_mut_ptr();
        let run = x86::Run { before: after, after, g: g.as_ptr(), len: w.len(), eta };
        // SAFETY: the instructions were seen to be there, both slices have this length, and `w` may be written.
        return unsafe { kernel(run) };
    }
    plain_stepped(w, eta, g)
}

/// The definition: element i goes to lane i mod 8.
fn plain<T: Element>(before: &[T], after: &[T], g: &[T]) -> Lanes {
    let mut sums = Lanes::default();
    for (i, ((b, a), g)) in before.iter().zip(after).zip(g).enumerate() {
        add(&mut sums, i % LANES, b.to_f64(), a.to_f64(), g.to_f64());
    }
    sums
}

/// The same with the step.
fn plain_stepped<T: Element>(w: &mut [T], eta: T, g: &[T]) -> Lanes {
    let mut sums = Lanes::default();
    for (i, (w, g)) in w.iter_mut().zip(g).enumerate() {
        let before = std::mem::replace(w, *w - eta * *g);
        add(&mut sums, i % LANES, before.to_f64(), w.to_f64(), g.to_f64());
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

    /// Three runs of `len` elements; with a step, `after` is written (and may be `before`), else it is read.
    #[derive(Clone, Copy)]
    pub(super) struct Run {
        pub(super) before: *const f32,
        pub(super) after: *mut f32,
        pub(super) g: *const f32,
        pub(super) len: usize,
        pub(super) eta: f32,
    }

    /// The best kernel that this processor has.
    pub(super) fn kernel<const STEP: bool>() -> Option<unsafe fn(Run) -> Lanes> {
        use std::arch::is_x86_feature_detected as has;
        if has!("avx512f") {
            return Some(avx512::<STEP>);
        }
        if has!("avx2") && has!("fma") { Some(avx2::<STEP>) } else { None }
    }

    /// What is left after whole vectors.
    #[inline(always)]
    unsafe fn tail<const STEP: bool>(sums: &mut Lanes, r: Run) {
        for (lane, i) in (r.len / LANES * LANES..r.len).enumerate() {
            // SAFETY: i < len, and the caller's promise.
            let (b, a, g) = unsafe {
                let (b, g) = (*r.before.add(i), *r.g.add(i));
                if STEP {
                    *r.after.add(i) = b - r.eta * g;
                }
                (b, *r.after.add(i), g)
            };
            add(sums, lane, f64::from(b), f64::from(a), f64::from(g));
        }
    }

    /// Eight lanes in one register.
    ///
    /// # Safety
    /// The processor has AVX-512F; `r` points to runs of its length, the second of them writable with a step.
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn avx512<const STEP: bool>(r: Run) -> Lanes {
        let mut acc = [_mm512_setzero_pd(); 4];
        let eta = _mm256_set1_ps(r.eta);
        for i in (0..r.len / LANES).map(|k| k * LANES) {
            // SAFETY: i + 8 <= len.
            let [b, a, g] = unsafe {
                let (b, g) = (_mm256_loadu_ps(r.before.add(i)), _mm256_loadu_ps(r.g.add(i)));
                if STEP {
                    _mm256_storeu_ps(r.after.add(i), _mm256_sub_ps(b, _mm256_mul_ps(eta, g)));
                }
                [b, _mm256_loadu_ps(r.after.add(i)), g].map(|v| _mm512_cvtps_pd(v))
            };
            let d = _mm512_sub_pd(a, b);
            acc[0] = _mm512_fmadd_pd(b, b, acc[0]);
            acc[1] = _mm512_fmadd_pd(a, a, acc[1]);
            acc[2] = _mm512_add_pd(acc[2], _mm512_mul_pd(d, d));
            acc[3] = _mm512_fmadd_pd(b, g, acc[3]);
        }
        let mut sums = Lanes::default();
        for (lanes, acc) in sums.iter_mut().zip(acc) {
            // SAFETY: eight f64 fit the array.
            unsafe { _mm512_storeu_pd(lanes.as_mut_ptr(), acc) };
        }
        // SAFETY: the caller's promise.
        unsafe { tail::<STEP>(&mut sums, r) };
        sums
    }

    /// Eight lanes in two registers.
    ///
    /// # Safety
    /// The processor has AVX2 and FMA; otherwise as above.
    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn avx2<const STEP: bool>(r: Run) -> Lanes {
        let mut acc = [[_mm256_setzero_pd(); 2]; 4];
        let eta = _mm_set1_ps(r.eta);
        for i in (0..r.len / LANES).map(|k| k * LANES) {
            for half in 0..2 {
                let i = i + 4 * half;
                // SAFETY: i + 4 <= len.
                let [b, a, g] = unsafe {
                    let (b, g) = (_mm_loadu_ps(r.before.add(i)), _mm_loadu_ps(r.g.add(i)));
                    if STEP {
                        _mm_storeu_ps(r.after.add(i), _mm_sub_ps(b, _mm_mul_ps(eta, g)));
                    }
                    [b, _mm_loadu_ps(r.after.add(i)), g].map(|v| _mm256_cvtps_pd(v))
                };
                let d = _mm256_sub_pd(a, b);
                acc[0][half] = _mm256_fmadd_pd(b, b, acc[0][half]);
                acc[1][half] = _mm256_fmadd_pd(a, a, acc[1][half]);
                acc[2][half] = _mm256_add_pd(acc[2][half], _mm256_mul_pd(d, d));
                acc[3][half] = _mm256_fmadd_pd(b, g, acc[3][half]);
            }
        }
        let mut sums = Lanes::default();
        for (lanes, acc) in sums.iter_mut().zip(acc) {
            for (half, acc) in acc.into_iter().enumerate() {
                // SAFETY: each half is four f64 of the array of eight.
                unsafe { _mm256_storeu_pd(lanes.as_mut_ptr().add(4 * half), acc) };
            }
        }
        // SAFETY: the caller's promise.
        unsafe { tail::<STEP>(&mut sums, r) };
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DType, Rng, ops};

    /// Against naive sums (a few ulp of sums of up to 100 terms), and every instruction set against the definition, bit for bit. The weights before and
    /// after have exponents far apart, so that their difference and its square are rounded.
    #[test]
    fn every_instruction_set_gives_the_definition() {
        let mut rng = Rng::new(4);
        for n in [0, 1, 7, 8, 9, 31, 100] {
            let [b, mut a, g] = [0, 1, 2].map(|_| rng.normal_tensor([n], 1.0, DType::F32));
            (0..n).for_each(|i| a.set(i, a.at(i) * 2f64.powi(rng.below(80) as i32 - 40)));
            let [bs, as_, gs] = [&b, &a, &g].map(|t| t.as_slice::<f32>());
            let want = plain(bs, as_, gs);
            assert_eq!(single(bs, as_, gs), want);
            #[cfg(target_arch = "x86_64")]
            if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
                let run = x86::Run {
                    before: bs.as_ptr(),
                    after: as_.as_ptr().cast_mut(),
                    g: gs.as_ptr(),
                    len: n,
                    eta: 0.0,
                };
                // SAFETY: AVX2 and FMA were just seen to be there, and the lengths are equal.
                assert_eq!(unsafe { x86::avx2::<false>(run) }, want);
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

    /// The one pass has the bits of a step followed by its sums, in every instruction set and dtype.
    #[test]
    fn a_step_with_its_sums_is_a_step_and_its_sums() {
        let (mut rng, eta) = (Rng::new(5), 0.037);
        for n in [0, 1, 7, 8, 9, 31, 100] {
            for dtype in [DType::F32, DType::F64] {
                let [w, g] = [0, 1].map(|_| rng.normal_tensor([n], 1.0, dtype));
                let mut after = w.clone();
                ops::axpy(&mut after, &g, -eta);
                let sums = step_sums(w.slice(), after.slice(), g.slice());
                let mut moved = w.clone();
                assert_eq!(plain_step(moved.slice_mut(), eta, g.slice()), sums);
                assert!(moved == after);
                #[cfg(target_arch = "x86_64")]
                if dtype == DType::F32
                    && std::arch::is_x86_feature_detected!("avx2")
                    && std::arch::is_x86_feature_detected!("fma")
                {
                    let mut moved = w.clone();
                    let to = moved.as_mut_slice::<f32>().as_mut_ptr();
                    let run = x86::Run {
                        before: to,
                        after: to,
                        g: g.as_slice::<f32>().as_ptr(),
                        len: n,
                        eta: eta as f32,
                    };
                    // SAFETY: AVX2 and FMA were just seen to be there, and the lengths are equal.
                    assert_eq!(add_up(unsafe { x86::avx2::<true>(run) }), sums);
                    assert!(moved == after);
                }
            }
        }
    }
}

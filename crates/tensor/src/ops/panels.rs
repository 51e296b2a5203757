/*!
Register tiles for the products of dense layers on AVX2 with FMA: `C = alpha A B` or `C = C + alpha A B`.

```text
C[r, :] (+)= alpha * sum over k of A[r, k] * panel[k, :]        6 rows of C and A, one panel of 2 vectors, all sums in registers
```

A lies row by row, as weights and errors do. B is packed into panels of two vectors' width, so that the innermost loop reads it in order. At most
[`DEPTH`] terms are added up before alpha times the sum is added to C, each entry is one chain over k: these are the bits of the library's kernel
(asserted by tests here), which serves every other processor. On AVX2 it is the slower one: an operand whose
neighbours along k lie a page apart costs it a cache miss and an address translation each, and it does not fetch ahead.
*/
#![allow(unsafe_code)] // raw pointers inside; every reach is checked against its slice in `product`

use super::conv::Isa;
use super::matmul::{Accum, DEPTH, MatMut, MatRef};
use super::scratch::with_scratch;
use super::transpose::transpose;
use crate::{Element, Par};
use std::ops::Range;

/// Rows of a tile: with two vectors each, 12 of the 16 registers are sums.
const ROWS: usize = 6;

/// Bytes of B that stay in the second-level cache while the rows of A pass by.
const RESIDENT: usize = 192 * 1024;

/// Whether products are made by these tiles.
pub(super) fn usable() -> bool {
    Isa::all().next() == Some(Isa::Avx2)
}

/// Whether this processor has the instructions.
fn available() -> bool {
    Isa::all().any(|isa| isa == Isa::Avx2)
}

/// Columns of a panel: two vectors of 32 bytes.
const fn width<T>() -> usize {
    64 / size_of::<T>()
}

/// B, depth x columns, packed: panels one after the other, each depth x width, the last one filled up with zeros.
#[derive(Clone, Copy)]
pub(super) struct Panels<'a, T> {
    data: &'a [T],
    depth: usize,
    cols: usize,
}

/// Panels that one thread packs at a time: together they take whole runs out of the rows of B.
const TOGETHER: usize = 6;

impl<T: Element> Panels<'_, T> {
    /// Packs `b` for the time of a call.
    pub(super) fn with<R>(b: MatRef<'_, T>, par: Par, f: impl FnOnce(Panels<'_, T>) -> R) -> R {
        let ((depth, cols), width) = (b.shape(), width::<T>());
        with_scratch(cols.div_ceil(width) * depth * width, |room| {
            par.each_stretch(room, TOGETHER * depth * width, |start, room| {
                let first = start / depth;
                pack(room, b.cols_part(first..cols.min(first + TOGETHER * width)));
            });
            f(Panels { data: room, depth, cols })
        })
    }
}

/// Packs all of `b` into panels.
fn pack<T: Element>(room: &mut [T], b: MatRef<'_, T>) {
    let ((depth, cols), width) = (b.shape(), width::<T>());
    if !cols.is_multiple_of(width) {
        room[cols / width * depth * width..].fill(T::default());
    }
    if b.is_turned() {
        for (p, panel) in room.chunks_exact_mut(depth * width).enumerate() {
            let range = p * width..cols.min((p + 1) * width);
            transpose(
                MatMut::with_row_stride(panel, depth, range.len(), width),
                b.cols_part(range).t(),
                None,
            );
        }
        return;
    }
    for k in 0..depth {
        let ahead = b.row((k + AHEAD).min(depth - 1));
        ahead.iter().step_by(width).for_each(fetch);
        let lines = b.row(k).chunks_exact(width);
        let (rest, mut at) = (lines.remainder(), k * width);
        for line in lines {
            room[at..at + width].copy_from_slice(&line[..width]);
            at += depth * width;
        }
        if !rest.is_empty() {
            room[at..at + rest.len()].copy_from_slice(rest);
        }
    }
}

/// Rows between the one that is packed and the one that is asked for: as many as a memory access lasts.
const AHEAD: usize = 8;

/// Asks for an element ahead of its use.
#[inline(always)]
fn fetch<T>(at: &T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: nothing is read, and the address is of an element.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(at).cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// `c = alpha a b`, or added to `c`. The rows of `a` must be contiguous.
///
/// # Panics
/// If the shapes do not chain, or the processor lacks the instructions.
#[track_caller]
pub(super) fn product<T: Element>(
    mut c: MatMut<'_, T>,
    accum: Accum,
    a: MatRef<'_, T>,
    b: Panels<'_, T>,
    alpha: f64,
) {
    let ((m, n), (rows, depth)) = (c.shape(), a.shape());
    assert!(
        m == rows && depth == b.depth && n == b.cols && !a.is_turned() && available(),
        "panels: {m}x{n} = {rows}x{depth} * {}x{}",
        b.depth,
        b.cols
    );
    let width = width::<T>();
    let step = (RESIDENT / 64 / DEPTH.min(depth).max(1)).max(1) * width;
    for k in (0..depth).step_by(DEPTH) {
        let terms = k..depth.min(k + DEPTH);
        let (a, add) = (a.cols_part(terms.clone()), accum == Accum::Add || k > 0);
        for col in (0..n).step_by(step) {
            let cols = col..n.min(col + step);
            let job = Job { b, terms: terms.clone(), alpha: T::of(alpha), add };
            (0..m).step_by(ROWS).for_each(|row| job.rows(&mut c, a, row..m.min(row + ROWS), cols.clone()));
        }
    }
}

/// Some of the terms of a product.
struct Job<'a, T> {
    b: Panels<'a, T>,
    terms: Range<usize>,
    alpha: T,
    add: bool,
}

impl<T: Element> Job<'_, T> {
    /// Makes up to [`ROWS`] rows of some columns, which start with a panel.
    fn rows(&self, c: &mut MatMut<'_, T>, a: MatRef<'_, T>, rows: Range<usize>, cols: Range<usize>) {
        let (width, stride) = (width::<T>(), c.row_stride());
        let whole = cols.start..cols.end - cols.len() % width;
        let mut c = c.part(rows.clone(), cols.clone());
        let a = a.rows_part(rows);
        if !whole.is_empty() {
            self.tiles(c.cols_part(0..whole.len()), a, whole.clone(), stride);
        }
        if whole.end < cols.end {
            // The last panel is wider than C: made in a copy.
            let mut room = [T::default(); ROWS * 16];
            let (count, used) = (a.shape().0, cols.end - whole.end);
            let mut edge = MatMut::new(&mut room[..count * width], count, width);
            let mut c = c.cols_part(whole.len()..cols.len());
            (0..count).for_each(|r| edge.row(r)[..used].copy_from_slice(c.row(r)));
            self.tiles(edge.part(0..count, 0..width), a, whole.end..whole.end + width, 0);
            (0..count).for_each(|r| c.row(r).copy_from_slice(&edge.row(r)[..used]));
        }
    }

    /// Whole panels, which start with column `cols.start` of the product. The rows of C after these, `stride` further on, come next.
    fn tiles(&self, mut c: MatMut<'_, T>, a: MatRef<'_, T>, cols: Range<usize>, stride: usize) {
        let (width, terms) = (width::<T>(), self.terms.len());
        let panels = cols.len() / width;
        let b = &self.b.data[cols.start * self.b.depth..][..cols.len() * self.b.depth];
        let (rows, found) = a.shape();
        assert!(c.shape() == (rows, panels * width) && found == terms && (1..=ROWS).contains(&rows));
        let args = Args {
            terms,
            panels,
            a: std::array::from_fn(|r| if r < rows { a.row(r).as_ptr() } else { std::ptr::null() }),
            c: std::array::from_fn(|r| if r < rows { c.row(r).as_mut_ptr() } else { std::ptr::null_mut() }),
            b: b[self.terms.start * width..].as_ptr(),
            panel: self.b.depth * width,
            alpha: self.alpha,
            add: self.add,
            ahead: [ROWS * a.row_stride(), ROWS * stride],
            lines: terms.div_ceil(width * panels),
        };
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `product` has seen the instructions; every row of A has `terms` elements from its pointer on, every row of C `panels` times the
        // width, and every panel of B `depth` lines of the width, of which `terms` from the first one on are there. A dtype names its type.
        unsafe {
            match T::DTYPE {
                crate::DType::F32 => x86::f32s(rows, &*std::ptr::from_ref(&args).cast()),
                crate::DType::F64 => x86::f64s(rows, &*std::ptr::from_ref(&args).cast()),
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        unreachable!("no tiles for {} rows", args.a.len());
    }
}

/// What a row of tiles reaches.
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
struct Args<T> {
    terms: usize,
    panels: usize,
    a: [*const T; ROWS],
    c: [*mut T; ROWS],
    b: *const T,
    /// From one panel to the next.
    panel: usize,
    alpha: T,
    add: bool,
    /// From a row of A, and of C, to the one that comes next in its place; and how many cache lines of the former are asked for with every panel.
    ahead: [usize; 2],
    lines: usize,
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Args, ROWS};
    use std::arch::x86_64::*;

    /// Terms between two tests of the loop: with as few of them as a batch has examples, the tests would take a tenth of the time.
    const UNROLL: usize = 4;

    macro_rules! tiles {
        ($all:ident, $some:ident, $t:ty, $lanes:literal, $zero:ident, $set:ident, $load:ident, $fma:ident, $times:ident, $plus:ident, $store:ident) => {
            pub(super) unsafe fn $all(rows: usize, args: &Args<$t>) {
                // SAFETY: the caller's promise.
                unsafe {
                    match rows {
                        1 => $some::<1>(args),
                        2 => $some::<2>(args),
                        3 => $some::<3>(args),
                        4 => $some::<4>(args),
                        5 => $some::<5>(args),
                        _ => $some::<ROWS>(args),
                    }
                }
            }

            #[target_feature(enable = "avx2,fma")]
            unsafe fn $some<const R: usize>(args: &Args<$t>) {
                const WIDTH: usize = 2 * $lanes;
                let Args { terms, panels, panel, add, lines, ahead, .. } = *args;
                for p in 0..panels {
                    let mut sums = [[$zero(); 2]; R];
                    // SAFETY: as above. What is asked for ahead is not read.
                    unsafe {
                        for r in 0..R {
                            for line in p * lines..(p + 1) * lines {
                                _mm_prefetch::<_MM_HINT_T1>(
                                    args.a[r].wrapping_add(ahead[0] + line * WIDTH).cast(),
                                );
                            }
                            _mm_prefetch::<_MM_HINT_T1>(
                                args.c[r].wrapping_add(ahead[1] + p * WIDTH).cast_const().cast(),
                            );
                        }
                        let mut a: [*const $t; R] = std::array::from_fn(|r| args.a[r]);
                        let mut b = args.b.add(p * panel);
                        let mut term = |a: &[*const $t; R], b: *const $t, k: usize| {
                            let (b0, b1) = ($load(b.add(k * WIDTH)), $load(b.add(k * WIDTH + $lanes)));
                            for r in 0..R {
                                let x = $set(*a[r].add(k));
                                sums[r][0] = $fma(x, b0, sums[r][0]);
                                sums[r][1] = $fma(x, b1, sums[r][1]);
                            }
                        };
                        for _ in 0..terms / UNROLL {
                            (0..UNROLL).for_each(|k| term(&a, b, k));
                            a = a.map(|a| a.add(UNROLL));
                            b = b.add(UNROLL * WIDTH);
                        }
                        (0..terms % UNROLL).for_each(|k| term(&a, b, k));
                        let alpha = $set(args.alpha);
                        for r in 0..R {
                            for h in 0..2 {
                                let at = args.c[r].add(p * WIDTH + h * $lanes);
                                // Rounded before it is added, as if G had been made first.
                                let sum = $times(alpha, sums[r][h]);
                                $store(at, if add { $plus($load(at), sum) } else { sum });
                            }
                        }
                    }
                }
            }
        };
    }

    tiles!(
        f32s,
        some_f32,
        f32,
        8,
        _mm256_setzero_ps,
        _mm256_set1_ps,
        _mm256_loadu_ps,
        _mm256_fmadd_ps,
        _mm256_mul_ps,
        _mm256_add_ps,
        _mm256_storeu_ps
    );
    tiles!(
        f64s,
        some_f64,
        f64,
        4,
        _mm256_setzero_pd,
        _mm256_set1_pd,
        _mm256_loadu_pd,
        _mm256_fmadd_pd,
        _mm256_mul_pd,
        _mm256_add_pd,
        _mm256_storeu_pd
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::gemm;
    use crate::{DType, Rng, Tensor};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 96, rng_seed: proptest::test_runner::RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default() })]

        /// Against the library's kernel, bit for bit (its own code for small products left aside), with remainders on every side, B turned and not, and
        /// more terms than are added up at a time.
        #[test]
        fn tiles_are_the_librarys_product_bit_for_bit(
            m in 2usize..40, k in 2usize..1200, n in 2usize..60, seed in 0u64..1000, wide: bool, turned: bool, add: bool, gap in 0usize..5
        ) {
            if !available() || m * k * n <= 16 * 16 * 16 {
                return Ok(());
            }
            let dtype = if wide { DType::F64 } else { DType::F32 };
            let mut rng = Rng::new(seed);
            let a = rng.normal_tensor([m, k], 1.0, dtype);
            let b = rng.normal_tensor(if turned { [n, k] } else { [k, n] }, 1.0, dtype);
            let start = rng.normal_tensor([m * (n + gap)], 1.0, dtype);
            let accum = if add { Accum::Add } else { Accum::Replace };
            let (mut want, mut got) = (start.clone(), start.clone());
            crate::dispatch!(dtype, T => {
                let (a, b) = (MatRef::new(a.as_slice::<T>(), m, k), b.as_slice::<T>());
                let b = if turned { MatRef::new(b, n, k).t() } else { MatRef::new(b, k, n) };
                let out = |c: &mut Tensor, f: &dyn Fn(MatMut<'_, T>)| f(MatMut::with_row_stride(c.as_mut_slice::<T>(), m, n, n + gap));
                out(&mut want, &|c| gemm(c, accum, a, b, -0.37, Par::Seq));
                out(&mut got, &|c| Panels::with(b, Par::Threads(2), |b| product(c, accum, a, b, -0.37)));
            });
            prop_assert!(got == want);
        }
    }

    #[test]
    #[should_panic(expected = "panels: 2x4 = 2x3 * 5x4")]
    fn shapes_that_do_not_chain_are_named() {
        let (mut c, a, b) = ([0f32; 8], [0f32; 6], [0f32; 20]);
        Panels::with(MatRef::new(&b, 5, 4), Par::Seq, |b| {
            product(MatMut::new(&mut c, 2, 4), Accum::Replace, MatRef::new(&a, 2, 3), b, 1.0);
        });
    }
}

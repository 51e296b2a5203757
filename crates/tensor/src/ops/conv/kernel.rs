/*!
Register tiles of the direct convolutions, AVX-512 and AVX2 with FMA, f32.

A tile is R x Q positions times N vectors of lanes, all in registers:

```text
out[r, q, :] (+)= sum over k of x[offset_k + r row + q] w[k, :]
```

one broadcast per position and one load per vector for R Q N fused multiply-adds. In the forward pass positions are output pixels, lanes
output channels and k runs over the filter's taps; in the update direction positions are taps, lanes output channels and k runs over pixels. Every
entry is one chain over k in order: bits depend on the instruction set only by its fused multiply-adds, which both sets have.
*/
#![allow(unsafe_code)] // raw pointers inside; every reach is checked against its slice in `accumulate`

/// An instruction set with a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ops) enum Isa {
    Avx512,
    Avx2,
}

impl Isa {
    /// All that this processor has, best first.
    pub(in crate::ops) fn all() -> impl Iterator<Item = Isa> {
        #[cfg(target_arch = "x86_64")]
        let has = {
            use std::arch::is_x86_feature_detected as has;
            [has!("avx512f"), has!("avx2") && has!("fma")]
        };
        #[cfg(not(target_arch = "x86_64"))]
        let has = [false; 2];
        [Isa::Avx512, Isa::Avx2].into_iter().zip(has).filter(|(_, has)| *has).map(|(isa, _)| isa)
    }

    /// Lanes of one vector.
    pub(super) fn lanes(self) -> usize {
        match self {
            Isa::Avx512 => 16,
            Isa::Avx2 => 8,
        }
    }

    /// Most positions of a tile of two vectors: what fits into the registers.
    fn positions(self) -> usize {
        match self {
            Isa::Avx512 => 14,
            Isa::Avx2 => 6,
        }
    }

    /// Cuts a grid of positions into tiles: `f(rows, columns)`.
    pub(super) fn grid(
        self,
        rows: usize,
        cols: usize,
        mut f: impl FnMut(std::ops::Range<usize>, std::ops::Range<usize>),
    ) {
        let across = cols.div_ceil(self.positions()).max(1);
        let most = if across == 1 { (self.positions() / cols.max(1)).clamp(1, 3) } else { 1 };
        let down = rows.div_ceil(most).max(1);
        for r in 0..down {
            for c in 0..across {
                f(r * rows / down..(r + 1) * rows / down, c * cols / across..(c + 1) * cols / across);
            }
        }
    }
}

/// Where each k finds its input.
#[derive(Clone, Copy)]
pub(super) struct Offsets<'a> {
    offsets: &'a [u32],
    reach: usize,
}

impl<'a> Offsets<'a> {
    pub(super) fn new(offsets: &'a [u32]) -> Self {
        Offsets { offsets, reach: offsets.iter().max().map_or(0, |&o| o as usize) }
    }

    pub(super) fn len(&self) -> usize {
        self.offsets.len()
    }
}

/// A tile's extents and strides.
#[derive(Clone, Copy)]
pub(super) struct Tile {
    /// Rows and columns of positions.
    pub(super) size: [usize; 2],
    /// Vectors: 1 or 2.
    pub(super) vectors: usize,
    /// From one row of positions to the next in `x`.
    pub(super) row: usize,
    /// From one row, and one column, of positions to the next in `out`.
    pub(super) out: [usize; 2],
    /// Whether it is added to `out`.
    pub(super) add: bool,
}

struct Args {
    k: usize,
    offsets: *const u32,
    w: *const f32,
    x: *const f32,
    row: usize,
    out: *mut f32,
    strides: [usize; 2],
    add: bool,
}

/// One tile; `w` is k x (vectors x lanes).
///
/// # Panics
/// If something reaches past its slice.
#[inline]
pub(super) fn accumulate(isa: Isa, t: Tile, offsets: Offsets<'_>, w: &[f32], x: &[f32], out: &mut [f32]) {
    let ([rows, cols], width) = (t.size, t.vectors * isa.lanes());
    let reach = |[row, col]: [usize; 2]| (rows - 1) * row + (cols - 1) * col;
    assert!(
        rows > 0
            && cols > 0
            && (1..=2).contains(&t.vectors)
            && rows <= 3
            && rows * cols <= isa.positions()
            && (offsets.len() == 0 || offsets.reach + reach([t.row, 1]) < x.len())
            && w.len() >= offsets.len() * width
            && out.len() >= reach(t.out) + width,
        "tile {rows}x{cols}x{} reaches past its operands",
        t.vectors
    );
    let args = Args {
        k: offsets.len(),
        offsets: offsets.offsets.as_ptr(),
        w: w.as_ptr(),
        x: x.as_ptr(),
        row: t.row,
        out: out.as_mut_ptr(),
        strides: t.out,
        add: t.add,
    };
    #[cfg(target_arch = "x86_64")]
    // SAFETY: an `Isa` is only handed out where the processor has it, and the reaches were just checked.
    unsafe {
        match isa {
            Isa::Avx512 => x86::avx512(t.size, t.vectors, &args),
            Isa::Avx2 => x86::avx2(t.size, t.vectors, &args),
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    unreachable!("no kernel for {:?}", args.k);
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Args;
    use std::arch::x86_64::*;

    macro_rules! tiles {
        ($set:ident, $tile:ident, $feature:literal, $lanes:literal, $zero:ident, $one:ident, $load:ident, $fma:ident, $plus:ident, $store:ident,
         [$($r:literal x $q:literal),*]) => {
            /// The tile of this size.
            pub(super) unsafe fn $set(size: [usize; 2], vectors: usize, a: &Args) {
                // SAFETY: the caller has seen the instructions and checked the reaches.
                unsafe {
                    match (size, vectors) {
                        $(([$r, $q], 1) => $tile::<$r, $q, 1>(a),
                        ([$r, $q], _) => $tile::<$r, $q, 2>(a),)*
                        _ => unreachable!("no tile of {size:?}"),
                    }
                }
            }

            #[target_feature(enable = $feature)]
            unsafe fn $tile<const R: usize, const Q: usize, const N: usize>(a: &Args) {
                let mut acc = [[[$zero(); N]; Q]; R];
                // SAFETY: as above.
                unsafe {
                    for k in 0..a.k {
                        let x = a.x.add(*a.offsets.add(k) as usize);
                        let mut w = [$zero(); N];
                        for n in 0..N {
                            w[n] = $load(a.w.add((k * N + n) * $lanes));
                        }
                        for r in 0..R {
                            for q in 0..Q {
                                let one = $one(*x.add(r * a.row + q));
                                for n in 0..N {
                                    acc[r][q][n] = $fma(one, w[n], acc[r][q][n]);
                                }
                            }
                        }
                    }
                    for r in 0..R {
                        for q in 0..Q {
                            for n in 0..N {
                                let at = a.out.add(r * a.strides[0] + q * a.strides[1] + n * $lanes);
                                let v = if a.add { $plus($load(at), acc[r][q][n]) } else { acc[r][q][n] };
                                $store(at, v);
                            }
                        }
                    }
                }
            }
        };
    }

    tiles!(
        avx512, tile512, "avx512f", 16, _mm512_setzero_ps, _mm512_set1_ps, _mm512_loadu_ps, _mm512_fmadd_ps, _mm512_add_ps, _mm512_storeu_ps,
        [1 x 1, 1 x 2, 1 x 3, 1 x 4, 1 x 5, 1 x 6, 1 x 7, 1 x 8, 1 x 9, 1 x 10, 1 x 11, 1 x 12, 1 x 13, 1 x 14,
         2 x 1, 2 x 2, 2 x 3, 2 x 4, 2 x 5, 2 x 6, 2 x 7, 3 x 1, 3 x 2, 3 x 3, 3 x 4]
    );
    tiles!(
        avx2, tile256, "avx2,fma", 8, _mm256_setzero_ps, _mm256_set1_ps, _mm256_loadu_ps, _mm256_fmadd_ps, _mm256_add_ps, _mm256_storeu_ps,
        [1 x 1, 1 x 2, 1 x 3, 1 x 4, 1 x 5, 1 x 6, 2 x 1, 2 x 2, 2 x 3, 3 x 1, 3 x 2]
    );
}

//! `dst = srcᵀ (+ bias)`, in square tiles, so that both sides are read and written by whole cache lines.

use super::entrywise::vectorize;
use super::matmul::{MatMut, MatRef};
use crate::Element;

const TILE: usize = 8;

/// Turns `src` (rows contiguous) into `dst`; `bias`, one value per row of `src`, is added to the values of its row.
///
/// # Panics
/// If the shapes do not fit.
#[track_caller]
pub(super) fn transpose<T: Element>(mut dst: MatMut<'_, T>, src: MatRef<'_, T>, bias: Option<&[T]>) {
    let (rows, cols) = dst.shape();
    assert_eq!(src.shape(), (cols, rows), "transpose into {rows}x{cols}");
    assert!(bias.is_none_or(|b| b.len() == cols), "transpose: bias for {cols} columns");
    vectorize(
        #[inline(always)]
        || {
            for r in (0..rows).step_by(TILE) {
                for c in (0..cols).step_by(TILE) {
                    let (h, w) = (TILE.min(rows - r), TILE.min(cols - c));
                    if h == TILE && w == TILE {
                        full(&mut dst, src, bias, r, c);
                    } else {
                        edge(&mut dst, src, bias, r..r + h, c..c + w);
                    }
                }
            }
        },
    );
}

/// One whole tile: loops of fixed length, which the compiler keeps in registers.
#[inline(always)]
fn full<T: Element>(dst: &mut MatMut<'_, T>, src: MatRef<'_, T>, bias: Option<&[T]>, r: usize, c: usize) {
    let mut tile = [[T::default(); TILE]; TILE];
    for (k, line) in tile.iter_mut().enumerate() {
        line.copy_from_slice(&src.row(c + k)[r..r + TILE]);
        if let Some(bias) = bias {
            let b = bias[c + k];
            line.iter_mut().for_each(|v| *v += b);
        }
    }
    for k in 0..TILE {
        let line: [T; TILE] = std::array::from_fn(
            #[inline(always)]
            |j| tile[j][k],
        );
        dst.row(r + k)[c..c + TILE].copy_from_slice(&line);
    }
}

#[inline(always)]
fn edge<T: Element>(
    dst: &mut MatMut<'_, T>,
    src: MatRef<'_, T>,
    bias: Option<&[T]>,
    rows: std::ops::Range<usize>,
    cols: std::ops::Range<usize>,
) {
    for c in cols {
        for r in rows.clone() {
            let v = src.row(c)[r];
            dst.row(r)[c] = bias.map_or(v, |b| v + b[c]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_finds_its_place() {
        for (rows, cols) in [(1, 1), (8, 8), (3, 17), (16, 9), (25, 40), (0, 5)] {
            let src: Vec<f64> = (0..rows * cols).map(|v| v as f64).collect();
            let bias: Vec<f64> = (0..cols).map(|c| 0.25 * c as f64).collect();
            for with in [None, Some(&bias[..])] {
                let mut out = vec![-1.0; rows * cols];
                transpose(MatMut::new(&mut out, rows, cols), MatRef::new(&src, cols, rows), with);
                for r in 0..rows {
                    for c in 0..cols {
                        let want = src[c * rows + r] + with.map_or(0.0, |b| b[c]);
                        assert_eq!(out[r * cols + c], want, "{rows}x{cols} at {r},{c}");
                    }
                }
            }
        }
    }
}

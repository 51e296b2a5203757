/*!
Two vectors against each other in one pass: `[<a, b>, ‖a‖², ‖b‖²]` in f64, what an angle is made of.

Each of the three has the lanes and therefore the bits of a pass of its own ([`super::dot`]); they share the reading and widening of the entries, and
three chains of additions side by side do not wait for themselves as one does.
*/

use super::reduce::{LANES, whole};
use super::vectorize;
use crate::{Element, Par, Slice, Tensor};

/// Rows that one thread takes at a time.
const ROWS: usize = 16;

/// The three sums of vectors that come in pieces.
#[derive(Clone, Copy, Debug, Default)]
pub struct Products {
    lanes: [[f64; LANES]; 3],
    tail: [f64; 3],
    ended: bool,
}

impl Products {
    /// Pieces of this many entries, or of a multiple, can be followed by others.
    pub const STEP: usize = LANES;

    /// Adds the next piece of both vectors. The sums have the bits of vectors in one piece.
    ///
    /// # Panics
    /// If the lengths differ, or an earlier piece was no multiple of [`Products::STEP`].
    #[track_caller]
    pub fn add(&mut self, a: Slice<'_>, b: Slice<'_>) {
        assert_eq!(a.len(), b.len(), "products of {} and {} elements", a.len(), b.len());
        assert!(!self.ended || a.is_empty(), "a piece after one that is no multiple of {LANES}");
        crate::dispatch!(a.dtype(), T => {
            let ((a, a_rest), (b, b_rest)) = (a.get::<T>().as_chunks(), b.get::<T>().as_chunks());
            add_whole(&mut self.lanes, a, b);
            for (x, y) in a_rest.iter().zip(b_rest) {
                let (x, y) = (x.to_f64(), y.to_f64());
                self.tail.iter_mut().zip([x * y, x * x, y * y]).for_each(|(t, v)| *t += v);
                self.ended = true;
            }
        });
    }

    /// `[<a, b>, ‖a‖², ‖b‖²]`.
    pub fn sums(&self) -> [f64; 3] {
        std::array::from_fn(|n| whole(&self.lanes[n]) + self.tail[n])
    }
}

fn add_whole<T: Element>(lanes: &mut [[f64; LANES]; 3], a: &[[T; LANES]], b: &[[T; LANES]]) {
    vectorize(
        #[inline(always)]
        || {
            let [mut ab, mut aa, mut bb] = *lanes;
            for (x, y) in a.iter().zip(b) {
                let (x, y) = (x.map(T::to_f64), y.map(T::to_f64));
                // One sum after the other: lanes of one sum fill a vector, not the three sums of one lane.
                (0..LANES).for_each(|l| ab[l] += x[l] * y[l]);
                (0..LANES).for_each(|l| aa[l] += x[l] * x[l]);
                (0..LANES).for_each(|l| bb[l] += y[l] * y[l]);
            }
            *lanes = [ab, aa, bb];
        },
    );
}

/// `[<a, b>, ‖a‖², ‖b‖²]` over all elements: the bits of [`super::dot`] and twice [`super::norm_sq`].
///
/// # Panics
/// If the numbers of elements differ.
#[track_caller]
pub fn products(a: &Tensor, b: &Tensor) -> [f64; 3] {
    assert_eq!(a.numel(), b.numel(), "products: {:?} and {:?}", a.shape(), b.shape());
    let mut sums = Products::default();
    sums.add(a.slice(), b.slice());
    sums.sums()
}

/// The same for every row, `a` and `b` being `out.len()` rows: the bits of [`super::dot_rows`].
///
/// # Panics
/// If the lengths differ or are no whole rows.
#[track_caller]
pub fn products_rows(a: Slice<'_>, b: Slice<'_>, out: &mut [[f64; 3]], par: Par) {
    let rows = out.len().max(1);
    assert!(
        a.len() == b.len() && a.len().is_multiple_of(rows),
        "products of {} and {} elements as {} rows",
        a.len(),
        b.len(),
        out.len()
    );
    let cols = a.len() / rows;
    par.each_stretch(out, ROWS, |first, out| {
        for (k, sums) in out.iter_mut().enumerate() {
            let range = (first + k) * cols..(first + k + 1) * cols;
            let mut row = Products::default();
            row.add(a.part(range.clone()), b.part(range));
            *sums = row.sums();
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{dot, dot_rows, norm_sq};
    use crate::{DType, Rng};

    fn pair(rows: usize, cols: usize, dtype: DType) -> [Tensor; 2] {
        let mut rng = Rng::new((rows * cols) as u64);
        [0, 1].map(|_| rng.normal_tensor([rows, cols], 1.0, dtype))
    }

    /// Against naive sums (a few ulp of sums of up to 2,000 terms), and bit for bit against three passes, also in pieces.
    #[test]
    fn one_pass_is_three_passes_bit_for_bit() {
        for dtype in [DType::F32, DType::F64] {
            for (rows, cols) in [(1, 1), (3, 7), (5, 8), (40, 37), (33, 61)] {
                let [a, b] = pair(rows, cols, dtype);
                let got = products(&a, &b);
                let sum = |f: &dyn Fn(usize) -> f64| (0..rows * cols).map(f).sum::<f64>();
                let naive =
                    [sum(&|i| a.at(i) * b.at(i)), sum(&|i| a.at(i).powi(2)), sum(&|i| b.at(i).powi(2))];
                got.iter().zip(naive).for_each(|(g, n)| assert!((g - n).abs() < 1e-12 * (1.0 + n.abs())));
                assert_eq!(got, [dot(&a, &b), norm_sq(&a), norm_sq(&b)]);
                let mut pieces = Products::default();
                let cut = rows * cols / 3 / Products::STEP * Products::STEP;
                for range in [0..cut, cut..cut, cut..rows * cols] {
                    pieces.add(a.slice().part(range.clone()), b.slice().part(range));
                }
                assert_eq!(pieces.sums(), got);
            }
        }
    }

    #[test]
    fn rows_are_those_of_three_passes_for_every_number_of_threads() {
        for dtype in [DType::F32, DType::F64] {
            for (rows, cols) in [(1, 9), (16, 3), (40, 37)] {
                let [a, b] = pair(rows, cols, dtype);
                let mut want = [0; 3].map(|_| vec![0.0; rows]);
                for (out, (x, y)) in want.iter_mut().zip([(&a, &b), (&a, &a), (&b, &b)]) {
                    dot_rows(x, y, out);
                }
                for threads in 1..4 {
                    let mut got = vec![[0.0; 3]; rows];
                    products_rows(a.slice(), b.slice(), &mut got, Par::threads(threads));
                    (0..rows).for_each(|k| assert_eq!(got[k], [0, 1, 2].map(|n| want[n][k])));
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "a piece after one that is no multiple of 8")]
    fn pieces_after_an_odd_one_are_refused() {
        let [a, b] = pair(1, 9, DType::F32);
        let mut sums = Products::default();
        sums.add(a.slice(), b.slice());
        sums.add(a.slice(), b.slice());
    }
}

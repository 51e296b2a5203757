//! Pooling over sliding windows of every channel: the largest entry, or the mean with padding counted as zeros (PyTorch's
//! default). The maximum remembers which input it took: its index in the plane, exact in f32 up to 16 million pixels.

use super::{Accum, Planes, Window, vectorize};
use crate::{Element, Par, Tensor};

#[track_caller]
fn check(what: &str, p: &Planes, x: &Tensor, y: &Tensor) {
    assert!(
        x.cols() == p.channels * p.area() && y.cols() == p.channels * p.out_area() && x.rows() == y.rows(),
        "{what}: images {:?}, outputs {:?} for {p:?}",
        x.shape(),
        y.shape()
    );
}

/// `y = max over the window of x`; `arg` receives, in the shape of `y`, where it was found: the first in row order among equals, NaN if
/// there is one.
///
/// # Panics
/// If a tensor does not fit.
#[track_caller]
pub fn max_pool(y: &mut Tensor, arg: &mut Tensor, x: &Tensor, p: &Planes, par: Par) {
    check("max_pool", p, x, y);
    crate::dispatch!(x.dtype(), T => {
        let (x, area, out) = (x.as_slice::<T>(), p.area(), p.out_area());
        par.each_pair(y.as_mut_slice::<T>(), out, arg.as_mut_slice::<T>(), out, |i, y, arg| {
            max_plane(y, arg, &x[i * area..][..area], p);
        });
    });
}

fn max_plane<T: Element>(y: &mut [T], arg: &mut [T], x: &[T], p: &Planes) {
    if p.window == Window::square(2, 2, 0) && super::pool_pairs::max_pairs(y, arg, x, p) {
        return;
    }
    if p.window.padding == 0 {
        return vectorize(
            #[inline(always)]
            || max_inside(y, arg, x, p),
        );
    }
    let ([_, out], width) = (p.out(), p.size[1]);
    for (i, (y, arg)) in y.chunks_exact_mut(out).zip(arg.chunks_exact_mut(out)).enumerate() {
        let (top, rows) = p.taps(0, i);
        for (j, (y, arg)) in y.iter_mut().zip(arg).enumerate() {
            let (left, columns) = p.taps(1, j);
            let (mut best, mut at) = (T::of(f64::NEG_INFINITY), usize::MAX);
            for u in rows.clone() {
                let line = (top + u as isize) as usize * width;
                for v in columns.clone() {
                    let k = line + (left + v as isize) as usize;
                    let larger = x[k] > best || at == usize::MAX || x[k].partial_cmp(&x[k]).is_none();
                    (best, at) = if larger { (x[k], k) } else { (best, at) };
                }
            }
            (*y, *arg) = (best, T::of(at as f64));
        }
    }
}

/// Outputs that are compared side by side.
const SIDE: usize = 8;

/// Without padding every tap is inside: tap by tap for several neighbours at once.
#[inline(always)]
fn max_inside<T: Element>(y: &mut [T], arg: &mut [T], x: &[T], p: &Planes) {
    let ([_, out], width, stride, [kh, kw]) = (p.out(), p.size[1], p.window.stride, p.window.kernel);
    for first in (0..out).step_by(SIDE) {
        let (n, left) = (SIDE.min(out - first), first * stride);
        let starts: [T; SIDE] = std::array::from_fn(
            #[inline(always)]
            |l| T::of((left + l * stride) as f64),
        );
        for (i, (y, arg)) in y.chunks_exact_mut(out).zip(arg.chunks_exact_mut(out)).enumerate() {
            // Below zero: nothing found yet.
            let (mut best, mut at) = ([T::of(f64::NEG_INFINITY); SIDE], [T::of(-1.0); SIDE]);
            for u in 0..kh {
                let line = (i * stride + u) * width;
                for v in 0..kw {
                    let x = pick(&x[line + v + left..line + width], stride, n);
                    take(&mut best, &mut at, &x, &starts, T::of((line + v) as f64));
                }
            }
            put(&mut y[first..], &best, n);
            put(&mut arg[first..], &at, n);
        }
    }
}

/// Every `stride`-th entry, `n` of them; strides 1 and 2 in a form that compiles to vectors.
#[inline(always)]
fn pick<T: Element>(x: &[T], stride: usize, n: usize) -> [T; SIDE] {
    match (stride, x.first_chunk::<SIDE>(), x.first_chunk::<{ 2 * SIDE }>()) {
        (1, Some(x), _) => *x,
        (2, _, Some(x)) => std::array::from_fn(
            #[inline(always)]
            |l| x[2 * l],
        ),
        _ => {
            let mut some = [T::default(); SIDE];
            some[..n].iter_mut().zip(x.iter().step_by(stride)).for_each(|(s, x)| *s = *x);
            some
        }
    }
}

/// The first `n` of `values`; all of them without a call to copy so few.
#[inline(always)]
fn put<T: Element>(to: &mut [T], values: &[T; SIDE], n: usize) {
    match to.first_chunk_mut::<SIDE>() {
        Some(to) if n == SIDE => *to = *values,
        _ => to[..n].copy_from_slice(&values[..n]),
    }
}

/// Takes every value that is larger than what was found so far, or NaN. No short circuits: a branch would keep the loop from vectors.
#[inline(always)]
#[allow(clippy::eq_op)] // what differs from itself is NaN
fn take<T: Element>(best: &mut [T; SIDE], at: &mut [T; SIDE], x: &[T; SIDE], starts: &[T; SIDE], base: T) {
    for l in 0..SIDE {
        let larger = (x[l] > best[l]) | (at[l] < T::default()) | (x[l] != x[l]);
        best[l] = if larger { x[l] } else { best[l] };
        at[l] = if larger { starts[l] + base } else { at[l] };
    }
}

/// The error at the input: every output's error goes to the pixel it took.
///
/// # Panics
/// If a tensor does not fit.
#[track_caller]
pub fn max_pool_back(dx: &mut Tensor, accum: Accum, delta: &Tensor, arg: &Tensor, p: &Planes, par: Par) {
    check("max_pool_back", p, dx, delta);
    crate::dispatch!(delta.dtype(), T => {
        let (delta, arg, area, out) = (delta.as_slice::<T>(), arg.as_slice::<T>(), p.area(), p.out_area());
        par.each_run(dx.as_mut_slice::<T>(), area, |i, dx| {
            if accum == Accum::Replace {
                dx.fill(T::default());
            }
            for (&d, at) in delta[i * out..][..out].iter().zip(&arg[i * out..][..out]) {
                dx[at.to_f64() as usize] += d;
            }
        });
    });
}

/// `y = sum over the window of x / (kernel height x kernel width)`.
///
/// # Panics
/// If a tensor does not fit.
#[track_caller]
pub fn avg_pool(y: &mut Tensor, x: &Tensor, p: &Planes, par: Par) {
    check("avg_pool", p, x, y);
    crate::dispatch!(x.dtype(), T => {
        let (x, area, share) = (x.as_slice::<T>(), p.area(), share::<T>(p));
        par.each_run(y.as_mut_slice::<T>(), p.out_area(), |i, y| {
            let x = &x[i * area..][..area];
            each_line(p, |o, line| {
                y[o] = line.map(|r| x[r].iter().fold(T::default(), |s, &v| s + v)).fold(T::default(), |s, v| s + v) * share;
            });
        });
    });
}

/// The error at the input: every output's error is shared evenly over its window.
///
/// # Panics
/// If a tensor does not fit.
#[track_caller]
pub fn avg_pool_back(dx: &mut Tensor, accum: Accum, delta: &Tensor, p: &Planes, par: Par) {
    check("avg_pool_back", p, dx, delta);
    crate::dispatch!(delta.dtype(), T => {
        let (delta, out, share) = (delta.as_slice::<T>(), p.out_area(), share::<T>(p));
        par.each_run(dx.as_mut_slice::<T>(), p.area(), |i, dx| {
            if accum == Accum::Replace {
                dx.fill(T::default());
            }
            let delta = &delta[i * out..][..out];
            each_line(p, |o, line| line.for_each(|r| dx[r].iter_mut().for_each(|d| *d += delta[o] * share)));
        });
    });
}

fn share<T: Element>(p: &Planes) -> T {
    T::of(1.0 / (p.window.kernel[0] * p.window.kernel[1]) as f64)
}

/// Calls `f(output, runs of input pixels inside its window, one per row)` for every output of a plane.
#[inline(always)]
fn each_line(p: &Planes, mut f: impl FnMut(usize, &mut dyn Iterator<Item = std::ops::Range<usize>>)) {
    let ([height, out], width) = (p.out(), p.size[1]);
    for i in 0..height {
        let (top, rows) = p.taps(0, i);
        for j in 0..out {
            let (left, columns) = p.taps(1, j);
            let at = |v: usize| (left + v as isize) as usize;
            let line = |u: usize| (top + u as isize) as usize * width;
            f(
                i * out + j,
                &mut rows
                    .clone()
                    .filter(|_| !columns.is_empty())
                    .map(|u| line(u) + at(columns.start)..line(u) + at(columns.start) + columns.len()),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DType, Rng};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, rng_seed: proptest::test_runner::RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default() })]

        /// Against the definition, on few different values, so that there are ties: the first in row order is taken.
        #[test]
        fn the_first_of_the_largest_is_taken(
            height in 1usize..20, width in 1usize..40, kh in 1usize..5, kw in 1usize..5, stride in 1usize..4, padding in 0usize..3, seed in 0u64..1000, wide: bool
        ) {
            let window = Window { kernel: [kh, kw], stride, padding: padding.min(kh.min(kw) / 2) };
            let planes = Planes::new(2, [height, width], window);
            prop_assume!(planes.is_ok());
            let (p, dtype) = (planes.unwrap(), if wide { DType::F64 } else { DType::F32 });
            let mut rng = Rng::new(seed);
            let values: Vec<f64> = (0..3 * 2 * p.area()).map(|_| if rng.below(9) == 0 { f64::NEG_INFINITY } else { rng.below(4) as f64 }).collect();
            let x = Tensor::from_f64([3, 2 * p.area()], &values, dtype);
            let mut y = Tensor::zeros([3, 2 * p.out_area()], dtype);
            let mut arg = y.zeros_like();
            max_pool(&mut y, &mut arg, &x, &p, Par::Threads(2));
            let [h, w] = p.out();
            for plane in 0..6 {
                for o in 0..h * w {
                    let (mut best, mut at) = (f64::NEG_INFINITY, None);
                    for k in 0..kh * kw {
                        let row = (o / w * stride + k / kw).wrapping_sub(window.padding);
                        let col = (o % w * stride + k % kw).wrapping_sub(window.padding);
                        if row < height && col < width {
                            let v = values[plane * p.area() + row * width + col];
                            if v > best || at.is_none() {
                                (best, at) = (v, Some(row * width + col));
                            }
                        }
                    }
                    let got = (y.at(plane * h * w + o), arg.at(plane * h * w + o));
                    prop_assert_eq!(got, (best, at.unwrap() as f64), "plane {} output {}", plane, o);
                }
            }
        }
    }
}

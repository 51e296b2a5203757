//! Pooling over sliding windows of every channel: the largest entry, or the mean with padding counted as zeros (PyTorch's
//! default). The maximum remembers which input it took: its index in the plane, exact in f32 up to 16 million pixels.

use super::{Accum, Planes};
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

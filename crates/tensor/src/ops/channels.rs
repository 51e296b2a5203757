/*!
Sums and maps per channel of images examples x channels x positions: what batch norm and the bias of a convolution need.

Sums are accumulated in f64 over fixed lanes, example by example, so the bits depend on neither instruction set nor
threads. A tensor of examples x features is the case of one position per channel.
*/

use super::Accum;
use super::reduce::fold;
use crate::{Element, Par, Tensor};
use pulp::Arch;

/// Positions of one channel of an example.
#[track_caller]
fn area(x: &Tensor, channels: usize) -> usize {
    assert!(channels > 0 && x.cols().is_multiple_of(channels), "{channels} channels of {:?}", x.shape());
    x.cols() / channels
}

/// Sums `f(a, b)` over examples and positions of every channel.
fn sums(a: &Tensor, b: &Tensor, out: &mut [f64], par: Par, f: impl Fn(usize, f64, f64) -> f64 + Sync + Copy) {
    assert_eq!(a.numel(), b.numel(), "channel sums: {:?} and {:?}", a.shape(), b.shape());
    let (channels, area) = (out.len(), area(a, out.len()));
    crate::dispatch!(a.dtype(), T => {
        let (a, b) = (a.as_slice::<T>(), b.as_slice::<T>());
        par.each_run(out, 1, |c, out| {
            let planes = (c * area..a.len()).step_by(channels * area);
            out[0] = planes.map(|at| fold(&a[at..at + area], &b[at..at + area], #[inline(always)] |x, y| f(c, x, y))).sum();
        });
    });
}

/// `out[c] = sum of a` over examples and positions of channel c.
///
/// # Panics
/// If `out.len()` channels do not divide the features.
#[track_caller]
pub fn channel_sums(a: &Tensor, out: &mut [f64], par: Par) {
    sums(
        a,
        a,
        out,
        par,
        #[inline(always)]
        |_, x, _| x,
    );
}

/// `out[c] = sum of a (x - mean[c])` over examples and positions of channel c.
#[track_caller]
pub fn channel_dots(a: &Tensor, x: &Tensor, mean: &[f64], out: &mut [f64], par: Par) {
    sums(
        a,
        x,
        out,
        par,
        #[inline(always)]
        |c, a, x| a * (x - mean[c]),
    );
}

/// Mean and (biased) variance of every channel over examples and positions, in two passes.
#[track_caller]
pub fn channel_moments(x: &Tensor, mean: &mut [f64], variance: &mut [f64], par: Par) {
    let count = (x.rows() * area(x, mean.len())) as f64;
    channel_sums(x, mean, par);
    mean.iter_mut().for_each(|m| *m /= count);
    let m = &*mean;
    sums(
        x,
        x,
        variance,
        par,
        #[inline(always)]
        |c, x, _| (x - m[c]) * (x - m[c]),
    );
    variance.iter_mut().for_each(|v| *v /= count);
}

/// `y = scale (x - mean) + shift` with `of(c) = [mean, scale, shift]`.
#[track_caller]
pub fn channel_map(
    y: &mut Tensor,
    x: &Tensor,
    channels: usize,
    of: impl Fn(usize) -> [f64; 3] + Sync,
    par: Par,
) {
    assert_eq!(y.numel(), x.numel(), "channel_map: {:?} from {:?}", y.shape(), x.shape());
    let area = area(x, channels);
    crate::dispatch!(x.dtype(), T => {
        let x = x.as_slice::<T>();
        par.each_run(y.as_mut_slice::<T>(), area, |i, y| {
            let [mean, scale, shift] = of(i % channels).map(T::of);
            let x = &x[i * area..][..area];
            Arch::new().dispatch(#[inline(always)] || {
                y.iter_mut().zip(x).for_each(|(y, &x)| *y = (x - mean) * scale + shift);
            });
        });
    });
}

/// `dx (+)= a (delta - s - t (x - mean))` with `of(c) = [a, s, t, mean]`: the error through a normalisation.
#[track_caller]
pub fn add_linear(
    dx: &mut Tensor,
    accum: Accum,
    (delta, x): (&Tensor, &Tensor),
    channels: usize,
    of: impl Fn(usize) -> [f64; 4] + Sync,
    par: Par,
) {
    assert!(
        dx.numel() == x.numel() && x.numel() == delta.numel(),
        "add_linear: {:?} from {:?}",
        dx.shape(),
        x.shape()
    );
    let area = area(x, channels);
    crate::dispatch!(x.dtype(), T => {
        let (x, delta) = (x.as_slice::<T>(), delta.as_slice::<T>());
        par.each_run(dx.as_mut_slice::<T>(), area, |i, dx| {
            let [a, s, t, mean] = of(i % channels).map(T::of);
            let (x, delta) = (&x[i * area..][..area], &delta[i * area..][..area]);
            let keep = accum == Accum::Add;
            Arch::new().dispatch(#[inline(always)] || {
                for ((dx, &d), &x) in dx.iter_mut().zip(delta).zip(x) {
                    let new = a * (d - s - t * (x - mean));
                    *dx = if keep { *dx + new } else { new };
                }
            });
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DType, Rng};

    #[test]
    fn channel_sums_equal_naive_loops_for_any_number_of_threads() {
        let (n, channels, area) = (5, 3, 7);
        let mut rng = Rng::new(3);
        let a = rng.normal_tensor([n, channels, area], 1.0, DType::F64);
        let x = rng.normal_tensor([n, channels, area], 2.0, DType::F64);
        let at = |t: &Tensor, e: usize, c: usize, p: usize| t.at((e * channels + c) * area + p);
        let naive = |c: usize, f: &dyn Fn(f64, f64) -> f64| -> f64 {
            (0..n * area).map(|i| f(at(&a, i / area, c, i % area), at(&x, i / area, c, i % area))).sum()
        };
        for par in [Par::Seq, Par::Threads(2), Par::Threads(5)] {
            let (mut s, mut d, mut m, mut v) = ([0.0; 3], [0.0; 3], [0.0; 3], [0.0; 3]);
            channel_sums(&a, &mut s, par);
            channel_moments(&x, &mut m, &mut v, par);
            channel_dots(&a, &x, &m, &mut d, par);
            for c in 0..channels {
                let mean = naive(c, &|_, x| x) / (n * area) as f64;
                assert!((s[c] - naive(c, &|a, _| a)).abs() < 1e-12);
                assert!((m[c] - mean).abs() < 1e-13);
                assert!((d[c] - naive(c, &|a, x| a * (x - mean))).abs() < 1e-12);
                assert!((v[c] - naive(c, &|_, x| (x - mean).powi(2)) / (n * area) as f64).abs() < 1e-12);
            }
        }
    }
}

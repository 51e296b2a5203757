/*!
Sums and maps per channel of images examples x channels x positions: what batch norm and the bias of a convolution need.

Sums are accumulated in f64 over fixed lanes, example by example, so the bits depend on neither instruction set nor
threads. A tensor of examples x features is the case of one position per channel.
*/

use super::Accum;
use super::reduce::fold_runs;
use super::vectorize;
use crate::{Element, Par, Tensor};

/// Positions of one channel of an example.
#[track_caller]
fn area(x: &Tensor, channels: usize) -> usize {
    assert!(channels > 0 && x.cols().is_multiple_of(channels), "{channels} channels of {:?}", x.shape());
    x.cols() / channels
}

/// Where channel c of example n lies among so many channels of `area` positions.
fn plane<T>(x: &[T], n: usize, c: usize, channels: usize, area: usize) -> &[T] {
    &x[(n * channels + c) * area..][..area]
}

/// N sums of `f(a, b)` over examples and positions of channel c.
fn of_channel<T: Element, const N: usize>(
    a: &[T],
    b: &[T],
    c: usize,
    channels: usize,
    area: usize,
    f: impl Fn(f64, f64) -> [f64; N],
) -> [f64; N] {
    let examples = a.len() / (channels * area).max(1);
    fold_runs(examples, |n| [a, b].map(|x| plane(x, n, c, channels, area)), f)
}

/// `out[c] = sum of a` over examples and positions of channel c.
///
/// # Panics
/// If `out.len()` channels do not divide the features.
#[track_caller]
pub fn channel_sums(a: &Tensor, out: &mut [f64], par: Par) {
    let (channels, area) = (out.len(), area(a, out.len()));
    crate::dispatch!(a.dtype(), T => {
        let a = a.as_slice::<T>();
        par.each_run(out, 1, |c, out| [out[0]] = of_channel(a, a, c, channels, area, #[inline(always)] |a, _| [a]));
    });
}

/// `plain[c] = sum of a` and `along[c] = sum of a (x - mean[c])` in one reading.
#[track_caller]
pub fn channel_sums_and_dots(
    a: &Tensor,
    x: &Tensor,
    mean: &[f64],
    plain: &mut [f64],
    along: &mut [f64],
    par: Par,
) {
    assert_eq!(a.numel(), x.numel(), "channel sums: {:?} and {:?}", a.shape(), x.shape());
    let (channels, area) = (mean.len(), area(a, mean.len()));
    crate::dispatch!(a.dtype(), T => {
        let (a, x) = (a.as_slice::<T>(), x.as_slice::<T>());
        par.each_pair(plain, 1, along, 1, |c, plain, along| {
            let m = mean[c];
            [plain[0], along[0]] = of_channel(a, x, c, channels, area, #[inline(always)] |a, x| [a, a * (x - m)]);
        });
    });
}

/// Mean and (biased) variance of every channel over examples and positions, in two passes, channel by channel: the second finds the
/// channel in the cache.
#[track_caller]
pub fn channel_moments(x: &Tensor, mean: &mut [f64], variance: &mut [f64], par: Par) {
    let (channels, area) = (mean.len(), area(x, mean.len()));
    let count = (x.rows() * area) as f64;
    crate::dispatch!(x.dtype(), T => {
        let x = x.as_slice::<T>();
        par.each_pair(mean, 1, variance, 1, |c, mean, variance| {
            let [sum] = of_channel(x, x, c, channels, area, #[inline(always)] |x, _| [x]);
            let m = sum / count;
            let [squares] = of_channel(x, x, c, channels, area, #[inline(always)] |x, _| [(x - m) * (x - m)]);
            (mean[0], variance[0]) = (m, squares / count);
        });
    });
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
            vectorize(#[inline(always)] || {
                y.iter_mut().zip(x).for_each(|(y, &x)| *y = (x - mean) * scale + shift);
            });
        });
    });
}

/// Gross sizes of what a normalisation rounds, per channel, with `of(c) = [mean, s², t², r²]`:
/// `below[c] = sum of x² (delta² + s² + t² (x² + mean²))` and `above[c] = sum of delta² (1 + r² (x² + mean²))`, in one reading.
#[track_caller]
pub fn channel_gross(
    delta: &Tensor,
    x: &Tensor,
    of: impl Fn(usize) -> [f64; 4] + Sync,
    below: &mut [f64],
    above: &mut [f64],
    par: Par,
) {
    assert_eq!(delta.numel(), x.numel(), "channel_gross: {:?} and {:?}", delta.shape(), x.shape());
    let (channels, area) = (below.len(), area(x, below.len()));
    crate::dispatch!(x.dtype(), T => {
        let (delta, x) = (delta.as_slice::<T>(), x.as_slice::<T>());
        par.each_pair(below, 1, above, 1, |c, below, above| {
            let [mean, s, t, r] = of(c);
            let sums = of_channel(delta, x, c, channels, area, #[inline(always)] |d, x| {
                let (d, x) = (d * d, x * x);
                let spread = x + mean * mean;
                [x * (d + s + t * spread), d * (1.0 + r * spread)]
            });
            (below[0], above[0]) = (sums[0], sums[1]);
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
            vectorize(#[inline(always)] || {
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

    /// Against the definition, up to the order of a sum of 35 squares.
    #[test]
    fn gross_sizes_equal_their_definition() {
        let (n, channels, area) = (5, 3, 7);
        let mut rng = Rng::new(4);
        let delta = rng.normal_tensor([n, channels, area], 1.0, DType::F32);
        let x = rng.normal_tensor([n, channels, area], 2.0, DType::F32);
        let of = |c: usize| [[0.5, -3.0, 0.0][c], 0.7, [0.0, 0.2, 4.0][c], 1.5];
        for par in [Par::Seq, Par::threads(2)] {
            let (mut below, mut above) = (vec![0.0; channels], vec![0.0; channels]);
            channel_gross(&delta, &x, of, &mut below, &mut above, par);
            for c in 0..channels {
                let [mean, s, t, r] = of(c);
                let (mut low, mut high) = (0.0, 0.0);
                for i in (0..n * channels * area).filter(|i| i / area % channels == c) {
                    let (d, x) = (delta.at(i).powi(2), x.at(i).powi(2));
                    low += x * (d + s + t * (x + mean.powi(2)));
                    high += d * (1.0 + r * (x + mean.powi(2)));
                }
                assert!((below[c] - low).abs() < 1e-13 * low && (above[c] - high).abs() < 1e-13 * high);
            }
        }
    }

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
            let (mut s, mut m, mut v) = ([0.0; 3], [0.0; 3], [0.0; 3]);
            channel_sums(&a, &mut s, par);
            channel_moments(&x, &mut m, &mut v, par);
            let mut both = [[0.0; 3]; 2];
            let [plain, along] = &mut both;
            channel_sums_and_dots(&a, &x, &m, plain, along, par);
            for c in 0..channels {
                let mean = naive(c, &|_, x| x) / (n * area) as f64;
                assert!((s[c] - naive(c, &|a, _| a)).abs() < 1e-12);
                assert!((m[c] - mean).abs() < 1e-13);
                assert!((both[1][c] - naive(c, &|a, x| a * (x - mean))).abs() < 1e-12);
                // Two sums in one reading have the bits of one.
                assert_eq!(both[0][c], s[c]);
                assert!((v[c] - naive(c, &|_, x| (x - mean).powi(2)) / (n * area) as f64).abs() < 1e-12);
            }
        }
    }
}

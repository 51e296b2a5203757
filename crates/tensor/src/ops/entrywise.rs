//! Entrywise operations. Each loop is compiled for several instruction sets and the best is taken at run time;
//! none uses fused multiply-add, so the bits do not depend on which one it was. Large tensors are cut into runs that threads share; every
//! entry is a function of entries at the same place, so neither do they depend on the threads.

use crate::{Element, Par, Tensor};
use pulp::{Arch, Simd, WithSimd};

/// A loop to be compiled once per instruction set. Called through `FnMut`: the by-value shim of a closure is not inlined when its
/// body is long, and what is not inlined is not compiled for the better set.
struct Loop<F>(F);

impl<F: FnMut()> WithSimd for Loop<F> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(mut self, _: S) {
        (self.0)();
    }
}

/// Runs a loop compiled for several instruction sets, the best of which is taken at run time. `f` must be `#[inline(always)]`.
#[inline(always)]
pub fn vectorize(f: impl FnMut()) {
    Arch::new().dispatch(Loop(f));
}

/// Entries of a run that is worth a thread's start: a pass over them takes some 20 us, as long as it takes to wake a thread. Smaller tensors stay
/// with the calling thread.
pub(crate) const RUN: usize = 64 * 1024;

#[inline(always)]
fn each<T: Element>(y: &mut [T], par: Par, f: impl Fn(T) -> T + Sync) {
    par.each_stretch(y, RUN, |_, y| {
        vectorize(
            #[inline(always)]
            || y.iter_mut().for_each(|v| *v = f(*v)),
        );
    });
}

/// `y[i] = f(y[i], x[i])` over two slices, compiled for several instruction sets. `f` should be `#[inline(always)]`.
#[inline(always)]
#[track_caller]
pub fn zip_each<T: Element>(y: &mut [T], x: &[T], f: impl Fn(T, T) -> T) {
    assert_eq!(y.len(), x.len(), "entrywise operation on {} and {} elements", y.len(), x.len());
    vectorize(
        #[inline(always)]
        || y.iter_mut().zip(x).for_each(|(v, &u)| *v = f(*v, u)),
    );
}

/// [`zip_each`] on several threads.
#[inline(always)]
#[track_caller]
fn zip_runs<T: Element>(y: &mut [T], x: &[T], par: Par, f: impl Fn(T, T) -> T + Sync) {
    assert_eq!(y.len(), x.len(), "entrywise operation on {} and {} elements", y.len(), x.len());
    par.each_stretch(y, RUN, |start, y| zip_each(y, &x[start..][..y.len()], &f));
}

/// 1 above 0, else `slope`. A factor and no branch: signs of activations cannot be predicted, and a wrong guess costs as much as fifty
/// products; a product with 1 changes no bit.
#[inline(always)]
fn gate<T: Element>(v: T, slope: T) -> T {
    if v > T::of(0.0) { T::of(1.0) } else { slope }
}

macro_rules! unary {
    ($(#[$doc:meta])* $name:ident, ($($arg:ident),*), |$v:ident, $T:ident| $body:expr) => {
        $(#[$doc])*
        pub fn $name(y: &mut Tensor $(, $arg: f64)*, par: Par) {
            crate::dispatch!(y.dtype(), $T => {
                $(let $arg = <$T as Element>::of($arg);)*
                each(y.as_mut_slice::<$T>(), par, #[inline(always)] |$v: $T| $body)
            });
        }
    };
}

macro_rules! binary {
    ($(#[$doc:meta])* $name:ident, ($($arg:ident),*), |$v:ident, $u:ident, $T:ident| $body:expr) => {
        $(#[$doc])*
        #[track_caller]
        pub fn $name(y: &mut Tensor, x: &Tensor $(, $arg: f64)*, par: Par) {
            crate::dispatch!(y.dtype(), $T => {
                $(let $arg = <$T as Element>::of($arg);)*
                zip_runs(y.as_mut_slice::<$T>(), x.as_slice::<$T>(), par, #[inline(always)] |$v: $T, $u: $T| $body)
            });
        }
    };
}

/// `y = factor * y`
pub fn scale(y: &mut Tensor, factor: f64) {
    crate::dispatch!(y.dtype(), T => {
        let factor = T::of(factor);
        each(y.as_mut_slice::<T>(), Par::Seq, #[inline(always)] |v: T| v * factor);
    });
}

/// `y = y + alpha * x`
#[track_caller]
pub fn axpy(y: &mut Tensor, x: &Tensor, alpha: f64) {
    crate::dispatch!(y.dtype(), T => {
        let alpha = T::of(alpha);
        zip_each(y.as_mut_slice::<T>(), x.as_slice::<T>(), #[inline(always)] |v: T, u: T| v + alpha * u);
    });
}

unary!(
    /// `y = max(y, slope * y)` for 0 <= slope <= 1: ReLU at slope 0, leaky ReLU above. NaN stays NaN.
    leaky_relu, (slope), |v, T| v * gate(v, slope)
);
unary!(
    /// `y = tanh(y)`
    tanh, (), |v, T| Element::tanh(v)
);
unary!(
    /// `y = 1 / (1 + e^-y)`
    sigmoid, (), |v, T| <T as Element>::of(1.0) / (<T as Element>::of(1.0) + Element::exp(-v))
);
binary!(
    /// `y = x`
    assign, (), |_v, u, T| u
);
binary!(
    /// `y = y + x`
    add_assign, (), |v, u, T| v + u
);
/// `y = a + b`
#[track_caller]
pub fn add(y: &mut Tensor, a: &Tensor, b: &Tensor, par: Par) {
    assert!(
        y.numel() == a.numel() && a.numel() == b.numel(),
        "add: {:?} = {:?} + {:?}",
        y.shape(),
        a.shape(),
        b.shape()
    );
    crate::dispatch!(y.dtype(), T => {
        let (y, a, b) = (y.as_mut_slice::<T>(), a.as_slice::<T>(), b.as_slice::<T>());
        par.each_stretch(y, RUN, |start, y| {
            let (a, b) = (&a[start..][..y.len()], &b[start..][..y.len()]);
            vectorize(#[inline(always)] || y.iter_mut().zip(a).zip(b).for_each(|((y, &a), &b)| *y = a + b));
        });
    });
}

binary!(
    /// `y = y * x`, entry by entry.
    mul_assign, (), |v, u, T| v * u
);
binary!(
    /// Error through (leaky) ReLU in place: `delta = delta * (h > 0 ? 1 : slope)`, h the activation's output.
    leaky_relu_back, (slope), |d, h, T| d * gate(h, slope)
);
binary!(
    /// Error through tanh in place: `delta = delta * (1 - h^2)`.
    tanh_back, (), |d, h, T| d * (<T as Element>::of(1.0) - h * h)
);
binary!(
    /// Error through the logistic function in place: `delta = delta * h (1 - h)`.
    sigmoid_back, (), |d, h, T| d * (h * (<T as Element>::of(1.0) - h))
);
binary!(
    /// `y = scale * sign(x)` with sign(0) = 0.
    sign_scaled, (scale), |_v, u, T| {
        let zero = <T as Element>::of(0.0);
        scale * (gate(u, zero) - gate(-u, zero))
    }
);

/// Adds the vector `bias` to every row of `y` (rows x bias.len()).
#[track_caller]
pub fn add_bias(y: &mut Tensor, bias: &Tensor, par: Par) {
    assert_eq!(y.cols(), bias.numel(), "add_bias: {:?} and {:?}", y.shape(), bias.shape());
    let cols = bias.numel().max(1);
    crate::dispatch!(y.dtype(), T => {
        let b = bias.as_slice::<T>();
        par.each_stretch(y.as_mut_slice::<T>(), (RUN / cols).max(1) * cols, |_, y| {
            y.chunks_exact_mut(cols).for_each(|row| zip_each(row, b, #[inline(always)] |v, u| v + u));
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DType, Rng};

    /// Derivatives from outputs against central differences of the functions themselves; error of the
    /// difference is h^2 f'''/6 + eps/h < 1e-9 at h = 1e-5.
    #[test]
    fn backs_are_derivatives() {
        type Pair = (fn(&mut Tensor), fn(&mut Tensor, &Tensor));
        let pairs: [Pair; 4] = [
            (|y| leaky_relu(y, 0.0, Par::Seq), |d, h| leaky_relu_back(d, h, 0.0, Par::Seq)),
            (|y| leaky_relu(y, 0.1, Par::Seq), |d, h| leaky_relu_back(d, h, 0.1, Par::Seq)),
            (|y| tanh(y, Par::Seq), |d, h| tanh_back(d, h, Par::Seq)),
            (|y| sigmoid(y, Par::Seq), |d, h| sigmoid_back(d, h, Par::Seq)),
        ];
        let x = Rng::new(0).normal_tensor([40], 1.0, DType::F64);
        for (forward, back) in pairs {
            let run = |shift: f64| {
                let mut y = Tensor::from_f64(
                    [40],
                    &x.to_f64_vec().iter().map(|v| v + shift).collect::<Vec<_>>(),
                    DType::F64,
                );
                forward(&mut y);
                y
            };
            let mut d = Tensor::from_f64([40], &[1.0; 40], DType::F64);
            back(&mut d, &run(0.0));
            let h = 1e-5;
            for i in 0..40 {
                let slope = (run(h).at(i) - run(-h).at(i)) / (2.0 * h);
                assert!((slope - d.at(i)).abs() < 1e-9, "{slope} {}", d.at(i));
            }
        }
    }

    /// One entry of an operation from the entries of its operands, in plain f32 or f64.
    type Entry<T> = fn(y: T, x: T, bias: T) -> T;

    fn equal_bits<T: Element>(dtype: DType, op: impl Fn(&mut Tensor, &Tensor, &Tensor, Par), want: Entry<T>) {
        // Shorter than a run, whole runs, and a last run that is shorter; 7 columns fit none of them.
        for rows in [1, 100, RUN, 3 * RUN / 7 + 5] {
            let (cols, mut rng) = (7, Rng::new(4));
            let [start, x] = [0, 1].map(|_| rng.normal_tensor([rows, cols], 1.0, dtype));
            let bias = rng.normal_tensor([cols], 1.0, dtype);
            let of = |t: &Tensor, i: usize| t.as_slice::<T>()[i];
            let naive: Vec<T> =
                (0..rows * cols).map(|i| want(of(&start, i), of(&x, i), of(&bias, i % cols))).collect();
            for threads in [1, 2, 3, 5] {
                let mut y = start.clone();
                op(&mut y, &x, &bias, Par::threads(threads));
                assert!(y.as_slice::<T>() == naive, "{dtype}, {rows} rows, {threads} threads");
            }
        }
    }

    /// Every operation, for every number of threads, is its formula entry by entry, bit for bit.
    #[test]
    fn every_operation_is_its_formula_for_any_number_of_threads() {
        macro_rules! check {
            ($op:expr, $want:expr) => {
                equal_bits::<f32>(DType::F32, $op, $want);
                equal_bits::<f64>(DType::F64, $op, $want);
            };
        }
        check!(|y, _, _, p| leaky_relu(y, 0.25, p), |y, _, _| if y > 0.0 { y } else { 0.25 * y });
        check!(|y, _, _, p| tanh(y, p), |y, _, _| Element::tanh(y));
        check!(|y, _, _, p| sigmoid(y, p), |y, _, _| 1.0 / (1.0 + Element::exp(-y)));
        check!(|y, x, _, p| assign(y, x, p), |_, x, _| x);
        check!(|y, x, _, p| add_assign(y, x, p), |y, x, _| y + x);
        check!(|y, x, _, p| mul_assign(y, x, p), |y, x, _| y * x);
        check!(|y, x, _, p| add(y, x, x, p), |_, x, _| x + x);
        check!(|y, x, _, p| leaky_relu_back(y, x, 0.25, p), |y, x, _| if x > 0.0 { y } else { 0.25 * y });
        check!(|y, x, _, p| tanh_back(y, x, p), |y, x, _| y * (1.0 - x * x));
        check!(|y, x, _, p| sigmoid_back(y, x, p), |y, x, _| y * (x * (1.0 - x)));
        check!(|y, x, _, p| sign_scaled(y, x, 0.25, p), |_, x, _| if x == 0.0 {
            0.0
        } else {
            x.signum() * 0.25
        });
        check!(|y, _, b, p| add_bias(y, b, p), |y, _, b| y + b);
    }

    #[test]
    fn sign_of_zero_is_zero_and_nan_survives_relu() {
        let x = Tensor::from_f64([3], &[-2.0, 0.0, 3.0], DType::F32);
        let mut y = x.zeros_like();
        sign_scaled(&mut y, &x, 0.5, Par::Seq);
        assert_eq!(y.to_f64_vec(), [-0.5, 0.0, 0.5]);
        let mut nan = Tensor::from_f64([1], &[f64::NAN], DType::F64);
        leaky_relu(&mut nan, 0.0, Par::Seq);
        assert!(nan.at(0).is_nan());
    }
}

//! Run-time dtype and the trait that lets one generic function serve both.

use crate::Tensor;
use std::fmt;
use std::str::FromStr;

/// Element type of a [`Tensor`], chosen at run time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum DType {
    /// 32-bit IEEE floating point, the default for training.
    #[default]
    F32,
    /// 64-bit IEEE floating point, for checks and for closing books to rounding.
    F64,
}

impl DType {
    /// The word used in specs: `f32` or `f64`.
    pub fn name(self) -> &'static str {
        match self {
            DType::F32 => "f32",
            DType::F64 => "f64",
        }
    }

    /// The nearest number of this type, widened again.
    pub fn round(self, x: f64) -> f64 {
        match self {
            DType::F32 => f64::from(x as f32),
            DType::F64 => x,
        }
    }

    /// The distance from 1 to the next number: twice the unit round-off.
    pub fn epsilon(self) -> f64 {
        match self {
            DType::F32 => f64::from(f32::EPSILON),
            DType::F64 => f64::EPSILON,
        }
    }

    /// The smallest number above 0. Below `smallest / epsilon` rounding is no longer relative: a result may be off by half of this.
    pub fn smallest(self) -> f64 {
        match self {
            DType::F32 => f64::from(f32::from_bits(1)),
            DType::F64 => f64::from_bits(1),
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for DType {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        match s {
            "f32" => Ok(DType::F32),
            "f64" => Ok(DType::F64),
            other => Err(format!("unknown dtype \"{other}\"; known: f32, f64")),
        }
    }
}

/// A number that a [`Tensor`] can hold.
pub trait Element:
    Copy
    + Send
    + Sync
    + Default
    + PartialOrd
    + fmt::Debug
    + std::ops::Add<Output = Self>
    + std::ops::Sub<Output = Self>
    + std::ops::Mul<Output = Self>
    + std::ops::Div<Output = Self>
    + std::ops::Neg<Output = Self>
    + std::ops::AddAssign
    + std::ops::SubAssign
    + std::ops::MulAssign
    + 'static
    + faer::traits::ComplexField
    + faer::traits::Conjugate<Canonical = Self>
{
    /// The run-time name of this type.
    const DTYPE: DType;
    /// Rounds to this type.
    fn of(x: f64) -> Self;
    /// Widens exactly.
    fn to_f64(self) -> f64;
    /// e to the power of `self`.
    fn exp(self) -> Self;
    /// Hyperbolic tangent, the same bits on every machine: within 2 units in the last place in f32, 1 in f64.
    fn tanh(self) -> Self;
    /// Square root, correctly rounded.
    fn sqrt(self) -> Self;
    /// Whether neither NaN nor infinite.
    fn finite(self) -> bool;
    /// Zero (of the same sign) in place of a number below the smallest normal one.
    fn normal_or_zero(self) -> Self;
    #[doc(hidden)]
    fn le_bytes(self) -> impl IntoIterator<Item = u8>;
    #[doc(hidden)]
    fn slice(t: &Tensor) -> Option<&[Self]>;
    #[doc(hidden)]
    fn slice_mut(t: &mut Tensor) -> Option<&mut [Self]>;
    #[doc(hidden)]
    fn of_slice(s: crate::Slice<'_>) -> Option<&[Self]>;
    #[doc(hidden)]
    fn of_slice_mut(s: crate::SliceMut<'_>) -> Option<&mut [Self]>;
    #[doc(hidden)]
    fn wrap(v: Vec<Self>) -> crate::tensor::Storage;
    /// Hands out this thread's spare work buffers.
    #[doc(hidden)]
    fn with_spare<R>(f: impl FnOnce(&mut Vec<Vec<Self>>) -> R) -> R;
}

macro_rules! element {
    ($t:ty, $variant:ident, $tanh:path) => {
        impl Element for $t {
            const DTYPE: DType = DType::$variant;
            #[inline(always)]
            fn of(x: f64) -> Self {
                x as $t
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                self as f64
            }
            #[inline(always)]
            fn exp(self) -> Self {
                <$t>::exp(self)
            }
            #[inline(always)]
            fn tanh(self) -> Self {
                $tanh(self)
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                <$t>::sqrt(self)
            }
            #[inline(always)]
            fn finite(self) -> bool {
                self.is_finite()
            }
            #[inline(always)]
            fn normal_or_zero(self) -> Self {
                if self.abs() < <$t>::MIN_POSITIVE { (0.0 as $t).copysign(self) } else { self }
            }
            fn le_bytes(self) -> impl IntoIterator<Item = u8> {
                self.to_le_bytes()
            }
            fn slice(t: &Tensor) -> Option<&[Self]> {
                match t.storage() {
                    crate::tensor::Storage::$variant(v) => Some(v),
                    _ => None,
                }
            }
            fn slice_mut(t: &mut Tensor) -> Option<&mut [Self]> {
                match t.storage_mut() {
                    crate::tensor::Storage::$variant(v) => Some(v),
                    _ => None,
                }
            }
            fn of_slice(s: crate::Slice<'_>) -> Option<&[Self]> {
                match s {
                    crate::Slice::$variant(v) => Some(v),
                    _ => None,
                }
            }
            fn of_slice_mut(s: crate::SliceMut<'_>) -> Option<&mut [Self]> {
                match s {
                    crate::SliceMut::$variant(v) => Some(v),
                    _ => None,
                }
            }
            fn wrap(v: Vec<Self>) -> crate::tensor::Storage {
                crate::tensor::Storage::$variant(v)
            }
            fn with_spare<R>(f: impl FnOnce(&mut Vec<Vec<Self>>) -> R) -> R {
                thread_local! {
                    static SPARE: std::cell::RefCell<Vec<Vec<$t>>> = const { std::cell::RefCell::new(Vec::new()) };
                }
                SPARE.with_borrow_mut(f)
            }
        }
    };
}
element!(f32, F32, crate::tanh::tanh);
element!(f64, F64, libm::tanh);

/// Runs a generic body at a run-time dtype: `dispatch!(x.dtype(), T => f::<T>(x.as_slice()))`.
#[macro_export]
macro_rules! dispatch {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            $crate::DType::F32 => {
                type $T = f32;
                $body
            }
            $crate::DType::F64 => {
                type $T = f64;
                $body
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By bits: what has no exponent keeps its sign only, everything else (also what is not a number) is left alone.
    #[test]
    fn numbers_without_an_exponent_are_zero() {
        for bits in [0u32, 1, 0x7f_ffff, 0x80_0000, 0x80_0001, 0x3f80_0000, 0x7f80_0000, 0x7fc0_0000] {
            for bits in [bits, bits | 1 << 31] {
                let want = if bits & 0x7f80_0000 == 0 { bits & 1 << 31 } else { bits };
                assert_eq!(f32::from_bits(bits).normal_or_zero().to_bits(), want, "{bits:x}");
                let wide = u64::from(bits) << 32;
                let want = if wide & 0x7ff << 52 == 0 { wide & 1 << 63 } else { wide };
                assert_eq!(f64::from_bits(wide).normal_or_zero().to_bits(), want, "{wide:x}");
            }
        }
    }
}

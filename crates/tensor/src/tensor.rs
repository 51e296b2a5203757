//! The one concrete tensor: contiguous, row-major, dtype chosen at run time.

use crate::{DType, Element, Shape};
use std::fmt;

#[derive(Clone, PartialEq)]
#[doc(hidden)]
pub enum Storage {
    F32(Vec<f32>),
    F64(Vec<f64>),
}

/// A contiguous row-major array of `f32` or `f64`.
///
/// The first extent is called rows and the product of the others columns, which is how weights
/// (outputs x inputs) and batches (examples x features) are read by the products of [`crate::ops`].
#[derive(Clone, PartialEq)]
pub struct Tensor {
    shape: Shape,
    data: Storage,
}

impl Tensor {
    /// All zeros.
    pub fn zeros(shape: impl Into<Shape>, dtype: DType) -> Self {
        let shape = shape.into();
        let data = crate::dispatch!(dtype, T => T::wrap(vec![T::default(); shape.numel()]));
        Tensor { shape, data }
    }

    /// Takes over a vector.
    ///
    /// # Panics
    /// If the length does not fit the shape.
    #[track_caller]
    pub fn from_vec<T: Element>(shape: impl Into<Shape>, data: Vec<T>) -> Self {
        let shape = shape.into();
        assert_eq!(shape.numel(), data.len(), "from_vec: shape {shape:?} needs {} elements", shape.numel());
        Tensor { shape, data: T::wrap(data) }
    }

    /// Rounds `values` to `dtype`.
    #[track_caller]
    pub fn from_f64(shape: impl Into<Shape>, values: &[f64], dtype: DType) -> Self {
        crate::dispatch!(dtype, T => Tensor::from_vec(shape, values.iter().map(|&v| T::of(v)).collect::<Vec<T>>()))
    }

    /// A scalar-shaped tensor would be `[]`; this is an empty place-holder `[0]`.
    pub fn empty(dtype: DType) -> Self {
        Tensor::zeros([0], dtype)
    }

    /// Zeros in this tensor's shape and dtype.
    pub fn zeros_like(&self) -> Self {
        Tensor::zeros(self.shape, self.dtype())
    }

    /// Extents.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Element type.
    pub fn dtype(&self) -> DType {
        match self.data {
            Storage::F32(_) => DType::F32,
            Storage::F64(_) => DType::F64,
        }
    }

    /// Number of elements.
    pub fn numel(&self) -> usize {
        self.shape.numel()
    }

    /// First extent (1 for a scalar).
    pub fn rows(&self) -> usize {
        self.shape.dims().first().copied().unwrap_or(1)
    }

    /// Product of all extents but the first.
    pub fn cols(&self) -> usize {
        self.shape.dims().iter().skip(1).product()
    }

    /// The elements.
    ///
    /// # Panics
    /// If `T` is not this tensor's dtype.
    #[track_caller]
    #[inline]
    pub fn as_slice<T: Element>(&self) -> &[T] {
        T::slice(self).unwrap_or_else(|| panic!("tensor holds {}, asked for {}", self.dtype(), T::DTYPE))
    }

    /// The elements, writable.
    ///
    /// # Panics
    /// If `T` is not this tensor's dtype.
    #[track_caller]
    #[inline]
    pub fn as_mut_slice<T: Element>(&mut self) -> &mut [T] {
        let dtype = self.dtype();
        T::slice_mut(self).unwrap_or_else(|| panic!("tensor holds {dtype}, asked for {}", T::DTYPE))
    }

    /// All elements, widened exactly.
    pub fn to_f64_vec(&self) -> Vec<f64> {
        crate::dispatch!(self.dtype(), T => self.as_slice::<T>().iter().map(|v| v.to_f64()).collect())
    }

    /// One element by flat index, widened exactly.
    #[track_caller]
    pub fn at(&self, i: usize) -> f64 {
        crate::dispatch!(self.dtype(), T => self.as_slice::<T>()[i].to_f64())
    }

    /// Sets one element by flat index, rounded to the dtype.
    #[track_caller]
    pub fn set(&mut self, i: usize, value: f64) {
        crate::dispatch!(self.dtype(), T => self.as_mut_slice::<T>()[i] = T::of(value));
    }

    /// The same numbers in another dtype.
    pub fn cast(&self, dtype: DType) -> Tensor {
        if dtype == self.dtype() {
            self.clone()
        } else {
            Tensor::from_f64(self.shape, &self.to_f64_vec(), dtype)
        }
    }

    /// Reads the same elements under another shape.
    ///
    /// # Panics
    /// If the number of elements differs.
    #[track_caller]
    pub fn reshape(mut self, shape: impl Into<Shape>) -> Tensor {
        let shape = shape.into();
        assert_eq!(self.numel(), shape.numel(), "reshape: {:?} to {shape:?}", self.shape);
        self.shape = shape;
        self
    }

    /// Changes the number of rows (new rows are zero). Allocates only above the largest number of rows seen.
    pub fn set_rows(&mut self, rows: usize) {
        if self.rows() == rows {
            return;
        }
        self.shape = self.shape.with_rows(rows);
        let n = self.shape.numel();
        crate::dispatch!(self.dtype(), T => {
            if let Some(v) = self.vec_mut::<T>() { v.resize(n, T::default()) }
        });
    }

    /// Copies the elements of `src`, which must have the same number and dtype.
    #[track_caller]
    pub fn copy_from(&mut self, src: &Tensor) {
        assert_eq!(self.numel(), src.numel(), "copy_from: {:?} from {:?}", self.shape, src.shape);
        crate::dispatch!(self.dtype(), T => self.as_mut_slice::<T>().copy_from_slice(src.as_slice::<T>()));
    }

    /// Sets every element to zero.
    pub fn clear(&mut self) {
        crate::dispatch!(self.dtype(), T => self.as_mut_slice::<T>().fill(T::default()));
    }

    /// Little-endian bytes of the elements, as safetensors stores them.
    pub fn to_le_bytes(&self) -> Vec<u8> {
        crate::dispatch!(self.dtype(), T => self.as_slice::<T>().iter().flat_map(|v| v.le_bytes()).collect())
    }

    /// Reads little-endian bytes; `None` if their number does not fit.
    pub fn from_le_bytes(shape: impl Into<Shape>, dtype: DType, bytes: &[u8]) -> Option<Tensor> {
        let shape = shape.into();
        fn read<T, const N: usize>(bytes: &[u8], f: fn([u8; N]) -> T) -> Vec<T> {
            bytes.as_chunks::<N>().0.iter().map(|c| f(*c)).collect()
        }
        let width = if dtype == DType::F32 { 4 } else { 8 };
        if bytes.len() != shape.numel() * width {
            return None;
        }
        Some(match dtype {
            DType::F32 => Tensor::from_vec(shape, read(bytes, f32::from_le_bytes)),
            DType::F64 => Tensor::from_vec(shape, read(bytes, f64::from_le_bytes)),
        })
    }

    pub(crate) fn storage(&self) -> &Storage {
        &self.data
    }

    pub(crate) fn storage_mut(&mut self) -> &mut Storage {
        &mut self.data
    }

    fn vec_mut<T: Element>(&mut self) -> Option<&mut Vec<T>> {
        let any: &mut dyn std::any::Any = match &mut self.data {
            Storage::F32(v) => v,
            Storage::F64(v) => v,
        };
        any.downcast_mut()
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values = self.to_f64_vec();
        let head = &values[..values.len().min(8)];
        write!(
            f,
            "Tensor({:?}, {}, {head:?}{})",
            self.shape,
            self.dtype(),
            if values.len() > 8 { "…" } else { "" }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_round_trip_in_both_dtypes() {
        for dtype in [DType::F32, DType::F64] {
            let t = Tensor::from_f64([2, 3], &[1.5, -2.0, 0.1, f64::MIN_POSITIVE, 1e30, -0.0], dtype);
            let back = Tensor::from_le_bytes([2, 3], dtype, &t.to_le_bytes()).unwrap();
            assert_eq!(t, back);
            assert!(Tensor::from_le_bytes([2, 3], dtype, &t.to_le_bytes()[1..]).is_none());
        }
    }

    #[test]
    fn shrinking_and_growing_rows_keeps_the_head() {
        let mut t = Tensor::from_f64([3, 2], &[1., 2., 3., 4., 5., 6.], DType::F64);
        t.set_rows(2);
        t.set_rows(3);
        assert_eq!(t.to_f64_vec(), [1., 2., 3., 4., 0., 0.]);
    }

    #[test]
    #[should_panic(expected = "holds f32")]
    fn asking_for_the_wrong_dtype_panics() {
        Tensor::zeros([1], DType::F32).as_slice::<f64>();
    }
}

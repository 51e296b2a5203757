//! Borrowed pieces of tensors whose dtype is known at run time: what crosses trait-object borders.

use crate::{DType, Element, Tensor};

/// A read-only run of elements.
#[derive(Clone, Copy, Debug)]
pub enum Slice<'a> {
    /// 32-bit elements.
    F32(&'a [f32]),
    /// 64-bit elements.
    F64(&'a [f64]),
}

/// A writable run of elements.
#[derive(Debug)]
pub enum SliceMut<'a> {
    /// 32-bit elements.
    F32(&'a mut [f32]),
    /// 64-bit elements.
    F64(&'a mut [f64]),
}

impl<'a> Slice<'a> {
    /// Element type.
    pub fn dtype(&self) -> DType {
        match self {
            Slice::F32(_) => DType::F32,
            Slice::F64(_) => DType::F64,
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Slice::F32(v) => v.len(),
            Slice::F64(v) => v.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements of a range.
    #[track_caller]
    pub fn part(self, range: std::ops::Range<usize>) -> Slice<'a> {
        match self {
            Slice::F32(v) => Slice::F32(&v[range]),
            Slice::F64(v) => Slice::F64(&v[range]),
        }
    }

    /// The elements.
    ///
    /// # Panics
    /// If `T` is not the dtype.
    #[track_caller]
    pub fn get<T: Element>(self) -> &'a [T] {
        let dtype = self.dtype();
        T::of_slice(self).unwrap_or_else(|| panic!("slice holds {dtype}, asked for {}", T::DTYPE))
    }
}

impl<'a> SliceMut<'a> {
    /// Element type.
    pub fn dtype(&self) -> DType {
        match self {
            SliceMut::F32(_) => DType::F32,
            SliceMut::F64(_) => DType::F64,
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            SliceMut::F32(v) => v.len(),
            SliceMut::F64(v) => v.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements.
    ///
    /// # Panics
    /// If `T` is not the dtype.
    #[track_caller]
    pub fn get<T: Element>(self) -> &'a mut [T] {
        let dtype = self.dtype();
        T::of_slice_mut(self).unwrap_or_else(|| panic!("slice holds {dtype}, asked for {}", T::DTYPE))
    }

    /// The first `mid` elements and the rest.
    #[track_caller]
    pub fn split_at(self, mid: usize) -> (SliceMut<'a>, SliceMut<'a>) {
        match self {
            SliceMut::F32(v) => {
                let (a, b) = v.split_at_mut(mid);
                (SliceMut::F32(a), SliceMut::F32(b))
            }
            SliceMut::F64(v) => {
                let (a, b) = v.split_at_mut(mid);
                (SliceMut::F64(a), SliceMut::F64(b))
            }
        }
    }

    /// A shorter borrow of the same elements.
    pub fn reborrow(&mut self) -> SliceMut<'_> {
        match self {
            SliceMut::F32(v) => SliceMut::F32(v),
            SliceMut::F64(v) => SliceMut::F64(v),
        }
    }

    /// The same elements, read-only.
    pub fn as_ref(&self) -> Slice<'_> {
        match self {
            SliceMut::F32(v) => Slice::F32(v),
            SliceMut::F64(v) => Slice::F64(v),
        }
    }
}

impl Tensor {
    /// All elements.
    pub fn slice(&self) -> Slice<'_> {
        match self.dtype() {
            DType::F32 => Slice::F32(self.as_slice()),
            DType::F64 => Slice::F64(self.as_slice()),
        }
    }

    /// All elements, writable.
    pub fn slice_mut(&mut self) -> SliceMut<'_> {
        match self.dtype() {
            DType::F32 => SliceMut::F32(self.as_mut_slice()),
            DType::F64 => SliceMut::F64(self.as_mut_slice()),
        }
    }
}

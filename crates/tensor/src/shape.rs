//! Small inline shapes, so that reshaping never allocates.

use std::fmt;

/// Up to four extents, row-major; rank 0 is a scalar.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Shape {
    dims: [usize; 4],
    rank: usize,
}

impl Shape {
    /// A shape of these extents.
    ///
    /// # Panics
    /// For more than four extents.
    #[track_caller]
    pub fn new(dims: &[usize]) -> Self {
        assert!(dims.len() <= 4, "shape {dims:?} has rank above 4");
        let mut s = Shape { dims: [1; 4], rank: dims.len() };
        s.dims[..dims.len()].copy_from_slice(dims);
        s
    }

    /// The extents.
    pub fn dims(&self) -> &[usize] {
        &self.dims[..self.rank]
    }

    /// Number of extents.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// Number of elements.
    pub fn numel(&self) -> usize {
        self.dims().iter().product()
    }

    /// Puts `n` in front: the shape of a batch of `n` such examples.
    #[track_caller]
    pub fn batched(&self, n: usize) -> Shape {
        let mut dims = [n, 1, 1, 1];
        assert!(self.rank < 4, "cannot batch {self:?}: rank would exceed 4");
        dims[1..=self.rank].copy_from_slice(self.dims());
        Shape::new(&dims[..=self.rank])
    }

    /// Replaces the first extent.
    pub fn with_rows(mut self, n: usize) -> Shape {
        assert!(self.rank > 0, "a scalar has no rows");
        self.dims[0] = n;
        self
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.dims())
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.dims().iter().map(ToString::to_string).collect();
        f.write_str(&parts.join("x"))
    }
}

impl From<&[usize]> for Shape {
    fn from(d: &[usize]) -> Self {
        Shape::new(d)
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    fn from(d: [usize; N]) -> Self {
        Shape::new(&d)
    }
}

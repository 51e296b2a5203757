//! Work buffers that outlive one call: a kernel borrows one, uses it, gives it back, and the next call on the same thread finds it. So
//! kernels that need room (column matrices of convolutions, partial sums) allocate nothing once they have run. Contents are
//! arbitrary at the start; no result depends on them.

use crate::Element;

/// Lends `len` elements of arbitrary content.
pub fn with_scratch<T: Element, R>(len: usize, f: impl FnOnce(&mut [T]) -> R) -> R {
    // Taken out while in use: a nested call, or a task stolen while this one waits, gets another buffer.
    let mut buffer = T::with_spare(Vec::pop).unwrap_or_default();
    if buffer.len() < len {
        buffer.resize(len, T::default());
    }
    let out = f(&mut buffer[..len]);
    T::with_spare(|spare| spare.push(buffer));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_buffers_are_different_and_come_back() {
        with_scratch::<f32, _>(4, |a| {
            a.fill(1.0);
            with_scratch::<f32, _>(8, |b| b.fill(2.0));
            assert_eq!(a, [1.0; 4]);
        });
        with_scratch::<f32, _>(3, |a| assert_eq!(a, [1.0; 3]));
        assert_eq!(f32::with_spare(|s| s.len()), 2);
    }
}

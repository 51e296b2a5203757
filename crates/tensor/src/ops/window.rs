//! A window that slides over image planes: the geometry shared by convolution and pooling.
//! Output extent = floor((extent + 2 padding - kernel) / stride) + 1, as in PyTorch.

/// Kernel, stride and padding of a sliding window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Step in both directions.
    pub stride: usize,
    /// Rows and columns of zeros on every side.
    pub padding: usize,
}

impl Window {
    /// A square window.
    pub fn square(kernel: usize, stride: usize, padding: usize) -> Self {
        Window { kernel: [kernel; 2], stride, padding }
    }
}

/// Channels of one example, and the window that slides over each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planes {
    /// Number of channels.
    pub channels: usize,
    /// Height and width.
    pub size: [usize; 2],
    /// The window.
    pub window: Window,
    out: [usize; 2],
}

impl Planes {
    /// Checks that the window fits.
    ///
    /// # Errors
    /// If an extent, the kernel or the stride is zero, or the kernel is larger than the padded image.
    pub fn new(channels: usize, size: [usize; 2], window: Window) -> Result<Self, String> {
        let Window { kernel, stride, padding } = window;
        if channels == 0 || size.contains(&0) || kernel.contains(&0) || stride == 0 {
            return Err(format!(
                "channels, image, kernel and stride must be at least 1, got {channels} channels of {}x{}, kernel {}x{}, stride {stride}",
                size[0], size[1], kernel[0], kernel[1]
            ));
        }
        let extent = |i: usize| Some((size[i] + 2 * padding).checked_sub(kernel[i])? / stride + 1);
        match (extent(0), extent(1)) {
            (Some(h), Some(w)) => Ok(Planes { channels, size, window, out: [h, w] }),
            _ => Err(format!(
                "a kernel of {}x{} does not fit into {}x{} pixels with padding {padding}",
                kernel[0], kernel[1], size[0], size[1]
            )),
        }
    }

    /// Height and width of the output.
    pub fn out(&self) -> [usize; 2] {
        self.out
    }

    /// Input elements of one channel.
    pub fn area(&self) -> usize {
        self.size[0] * self.size[1]
    }

    /// Output elements of one channel.
    pub fn out_area(&self) -> usize {
        self.out[0] * self.out[1]
    }

    /// The kernel rows (or columns: `axis` 1) that lie inside the image at output position `o`, and the first input
    /// position: input = start + tap.
    #[inline(always)]
    pub(crate) fn taps(&self, axis: usize, o: usize) -> (isize, std::ops::Range<usize>) {
        let start = (o * self.window.stride) as isize - self.window.padding as isize;
        let low = (-start).max(0) as usize;
        let high = (self.size[axis] as isize - start).clamp(0, self.window.kernel[axis] as isize) as usize;
        (start, low.min(high)..high)
    }

    /// The output columns whose tap `k` lies inside the image.
    #[inline(always)]
    pub(crate) fn columns(&self, k: usize) -> std::ops::Range<usize> {
        self.inside(1, k)
    }

    /// The output positions along `axis` whose tap `k` lies inside the image.
    #[inline(always)]
    pub(crate) fn inside(&self, axis: usize, k: usize) -> std::ops::Range<usize> {
        let (s, p, extent) = (self.window.stride, self.window.padding, self.size[axis]);
        let low = p.saturating_sub(k).div_ceil(s);
        // Last position with o s + k - p < extent.
        let high = if extent + p > k { (extent + p - k - 1) / s + 1 } else { 0 };
        let high = high.min(self.out[axis]);
        low.min(high)..high
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the definition: a tap is inside if 0 <= o stride + k - padding < extent.
    #[test]
    fn ranges_are_the_taps_inside_the_image() {
        for (stride, padding, kernel, size) in
            [(1, 0, 3, [5, 7]), (1, 1, 3, [4, 4]), (2, 2, 5, [6, 5]), (3, 2, 2, [7, 8]), (2, 2, 3, [1, 2])]
        {
            let p = Planes::new(1, size, Window::square(kernel, stride, padding)).unwrap();
            let inside =
                |axis: usize, o: usize, k: usize| (padding..size[axis] + padding).contains(&(o * stride + k));
            for axis in 0..2 {
                for o in 0..p.out()[axis] {
                    let (start, range) = p.taps(axis, o);
                    assert_eq!(start, (o * stride) as isize - padding as isize);
                    let want: Vec<usize> = (0..kernel).filter(|&k| inside(axis, o, k)).collect();
                    assert_eq!(range.collect::<Vec<_>>(), want);
                }
            }
            for k in 0..kernel {
                let want: Vec<usize> = (0..p.out()[1]).filter(|&o| inside(1, o, k)).collect();
                assert_eq!(
                    p.columns(k).collect::<Vec<_>>(),
                    want,
                    "{stride} {padding} {kernel} {size:?} {k}"
                );
            }
        }
    }

    #[test]
    fn a_kernel_larger_than_the_image_is_refused() {
        let e = Planes::new(1, [4, 9], Window::square(5, 1, 0)).unwrap_err();
        assert!(e.contains("5x5") && e.contains("4x9"), "{e}");
    }
}

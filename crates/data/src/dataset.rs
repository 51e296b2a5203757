/*!
A data set in memory: features and targets, example-major.

Images stay bytes (an eighth of the memory of `f64`) and become `(pixel / 255 - mean) / sd` only when a batch is
gathered, through a table of 256 entries per channel. Computed in f64 and rounded once, so an entry depends on
nothing but the pixel, the channel's constants and the dtype.
*/

use crate::augment::View;
use realign_tensor::ops::vectorize;
use realign_tensor::{Element, Shape, Tensor, dispatch};

/// Examples of one split.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// Data set and split, as in `mnist/train`.
    pub name: String,
    /// What the network sees, example-major.
    pub features: Features,
    /// What it should answer.
    pub targets: Targets,
    /// Shape of one example: `[channels, height, width]` or `[dim]`.
    pub example_shape: Shape,
}

/// Inputs of all examples, one after the other.
#[derive(Clone, Debug, PartialEq)]
pub enum Features {
    /// Images as bytes, each example channel by channel, row by row.
    U8 {
        /// examples x channels x height x width.
        pixels: Vec<u8>,
        /// Per channel, in units of pixel / 255; 0 when not normalised.
        mean: Vec<f32>,
        /// Per channel, in units of pixel / 255; 1 when not normalised.
        sd: Vec<f32>,
    },
    /// Real vectors, used as they are: examples x dim.
    F64(Vec<f64>),
}

/// Answers of all examples.
#[derive(Clone, Debug, PartialEq)]
pub enum Targets {
    /// One class per example.
    Classes {
        /// One label per example, below `classes`.
        labels: Vec<u32>,
        /// Number of classes.
        classes: usize,
    },
    /// One real vector per example.
    Values {
        /// examples x dim.
        values: Vec<f64>,
        /// Length of one target.
        dim: usize,
    },
}

impl Dataset {
    /// Number of examples.
    pub fn len(&self) -> usize {
        match &self.targets {
            Targets::Classes { labels, .. } => labels.len(),
            Targets::Values { values, dim } => values.len() / dim,
        }
    }

    /// Whether there is no example.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of inputs of one example.
    pub fn features_per_example(&self) -> usize {
        self.example_shape.numel()
    }

    /// Number of classes; `None` for real targets.
    pub fn classes(&self) -> Option<usize> {
        match self.targets {
            Targets::Classes { classes, .. } => Some(classes),
            Targets::Values { .. } => None,
        }
    }

    /// The labels; `None` for real targets.
    pub fn labels(&self) -> Option<&[u32]> {
        match &self.targets {
            Targets::Classes { labels, .. } => Some(labels),
            Targets::Values { .. } => None,
        }
    }

    /// Fills `x` (`[indices.len(), example_shape..]` or any shape with these rows and columns, any dtype) with the
    /// normalised examples `indices`, in that order. Allocates nothing; the bits of a row depend on its example only.
    ///
    /// # Panics
    /// If the shape of `x` does not fit or an index is not below [`Dataset::len`].
    #[track_caller]
    pub fn gather(&self, indices: &[usize], x: &mut Tensor) {
        let width = self.check_gather(indices, x);
        dispatch!(x.dtype(), T => self.fill(indices, x.as_mut_slice::<T>(), width));
    }

    /// [`Dataset::gather`] of images, row r changed by `view(r)`.
    #[track_caller]
    pub(crate) fn gather_views(&self, indices: &[usize], x: &mut Tensor, view: impl Fn(usize) -> View) {
        let size = self.check_gather(indices, x);
        let (Features::U8 { pixels, mean, sd }, &[_, height, width]) =
            (&self.features, self.example_shape.dims())
        else {
            panic!("only images can be augmented, not {}", self.name);
        };
        let plane = height * width;
        touch(pixels, indices, size);
        dispatch!(x.dtype(), T => {
            for (c, (&mean, &sd)) in mean.iter().zip(sd).enumerate() {
                let table = table::<T>(mean, sd);
                for (r, (row, &i)) in x.as_mut_slice::<T>().chunks_exact_mut(size).zip(indices).enumerate() {
                    let source = &pixels[i * size + c * plane..][..plane];
                    view(r).fill(source, height, width, &table, &mut row[c * plane..][..plane]);
                }
            }
        });
    }

    /// Panics unless `indices` can be gathered into `x`; the number of inputs of one example.
    #[track_caller]
    fn check_gather(&self, indices: &[usize], x: &Tensor) -> usize {
        let width = self.features_per_example();
        let (rows, cols) = (x.rows(), x.cols());
        assert!(
            rows == indices.len() && cols == width,
            "gather: {} examples of {:?} from {} into a tensor of shape {:?}",
            indices.len(),
            self.example_shape,
            self.name,
            x.shape()
        );
        let n = self.len();
        if let Some(bad) = indices.iter().find(|&&i| i >= n) {
            panic!("gather: example {bad} of {n} in {}", self.name);
        }
        width
    }

    fn fill<T: Element>(&self, indices: &[usize], x: &mut [T], width: usize) {
        match &self.features {
            Features::F64(values) => {
                for (row, &i) in x.chunks_exact_mut(width).zip(indices) {
                    let example = &values[i * width..(i + 1) * width];
                    vectorize(
                        #[inline(always)]
                        || row.iter_mut().zip(example).for_each(|(out, &v)| *out = T::of(v)),
                    );
                }
            }
            Features::U8 { pixels, mean, sd } => {
                let plane = width / mean.len();
                touch(pixels, indices, width);
                for (c, (&mean, &sd)) in mean.iter().zip(sd).enumerate() {
                    let table = table::<T>(mean, sd);
                    for (row, &i) in x.chunks_exact_mut(width).zip(indices) {
                        let from = i * width + c * plane;
                        let row = &mut row[c * plane..(c + 1) * plane];
                        let source = &pixels[from..from + plane];
                        row.iter_mut().zip(source).for_each(|(out, &p)| *out = table[usize::from(p)]);
                    }
                }
            }
        }
    }

    /// The examples `indices` in that order.
    pub(crate) fn select(&self, indices: &[usize]) -> Dataset {
        let width = self.features_per_example();
        let features = match &self.features {
            Features::F64(values) => Features::F64(pick(values, indices, width)),
            Features::U8 { pixels, mean, sd } => {
                Features::U8 { pixels: pick(pixels, indices, width), mean: mean.clone(), sd: sd.clone() }
            }
        };
        let targets = match &self.targets {
            Targets::Classes { labels, classes } => {
                Targets::Classes { labels: pick(labels, indices, 1), classes: *classes }
            }
            Targets::Values { values, dim } => {
                Targets::Values { values: pick(values, indices, *dim), dim: *dim }
            }
        };
        Dataset { name: self.name.clone(), features, targets, example_shape: self.example_shape }
    }
}

fn pick<T: Copy>(all: &[T], indices: &[usize], width: usize) -> Vec<T> {
    let mut out = Vec::with_capacity(indices.len() * width);
    indices.iter().for_each(|&i| out.extend_from_slice(&all[i * width..(i + 1) * width]));
    out
}

/// Bytes of a line of the cache, as far as it matters for speed.
const LINE: usize = 64;

/// Reads a byte of every line of the examples, which lie anywhere in memory: these reads wait for memory together, where one pass of conversion after the other
/// would wait for each line. Saves more than a third of a gather in random order from a set larger than the cache.
fn touch(pixels: &[u8], indices: &[usize], width: usize) {
    let lines = indices.iter().flat_map(|&i| pixels[i * width..(i + 1) * width].iter().step_by(LINE));
    std::hint::black_box(lines.fold(0, |all, byte| all ^ byte));
}

fn table<T: Element>(mean: f32, sd: f32) -> [T; 256] {
    let (mean, sd) = (f64::from(mean), f64::from(sd));
    std::array::from_fn(|p| T::of((p as f64 / 255.0 - mean) / sd))
}

/// Mean and standard deviation (population) of pixel / 255 per channel over all examples; integer sums, so exact.
/// A constant channel gets 1, which leaves it at 0 after normalisation.
pub(crate) fn channel_constants(pixels: &[u8], channels: usize, plane: usize) -> (Vec<f32>, Vec<f32>) {
    let mut sums = vec![(0u64, 0u64); channels];
    for (k, part) in pixels.chunks_exact(plane).enumerate() {
        let (sum, squares) = &mut sums[k % channels];
        *sum += part.iter().map(|&p| u64::from(p)).sum::<u64>();
        *squares += part.iter().map(|&p| u64::from(p) * u64::from(p)).sum::<u64>();
    }
    let n = (pixels.len() / channels).max(1) as f64;
    sums.iter()
        .map(|&(sum, squares)| {
            let mean = sum as f64 / n;
            let sd = libm::sqrt((squares as f64 / n - mean * mean).max(0.0));
            ((mean / 255.0) as f32, if sd > 0.0 { (sd / 255.0) as f32 } else { 1.0 })
        })
        .unzip()
}

#[cfg(test)]
mod tests {
    use super::*;
    use realign_tensor::DType;

    fn two_channels() -> Dataset {
        let features = Features::U8 {
            pixels: vec![0, 51, 102, 153, 204, 255, 1, 2, 3, 4, 5, 6],
            mean: vec![0.5, 0.25],
            sd: vec![0.5, 2.0],
        };
        let targets = Targets::Classes { labels: vec![0, 1, 1], classes: 2 };
        Dataset { name: "test".into(), features, targets, example_shape: Shape::new(&[2, 1, 2]) }
    }

    /// Against the formula entry by entry; equality is exact because both round once.
    #[test]
    fn gather_is_the_formula_in_both_dtypes() {
        let data = two_channels();
        let mut x = Tensor::zeros([2, 2, 1, 2], DType::F64);
        data.gather(&[2, 0], &mut x);
        let f = |p: f64, m: f64, s: f64| (p / 255.0 - m) / s;
        let expected = [
            f(3.0, 0.5, 0.5),
            f(4.0, 0.5, 0.5),
            f(5.0, 0.25, 2.0),
            f(6.0, 0.25, 2.0),
            f(0.0, 0.5, 0.5),
            f(51.0, 0.5, 0.5),
            f(102.0, 0.25, 2.0),
            f(153.0, 0.25, 2.0),
        ];
        let shifted = data.select(&[2, 0]);
        let mut y = Tensor::zeros([2, 4], DType::F64);
        shifted.gather(&[0, 1], &mut y);
        assert_eq!(x.to_f64_vec(), y.to_f64_vec());
        assert_eq!(x.to_f64_vec(), expected);
        let mut single = Tensor::zeros([2, 4], DType::F32);
        data.gather(&[2, 0], &mut single);
        assert_eq!(single.to_f64_vec(), expected.map(|v| f64::from(v as f32)));
    }

    #[test]
    fn constants_are_the_naive_mean_and_deviation() {
        let pixels: Vec<u8> = (0..240u32).map(|i| (i * 37 % 256) as u8).collect();
        let (mean, sd) = channel_constants(&pixels, 3, 4);
        for c in 0..3 {
            let values: Vec<f64> =
                (0..240).filter(|i| i / 4 % 3 == c).map(|i| f64::from(pixels[i]) / 255.0).collect();
            let m = values.iter().sum::<f64>() / values.len() as f64;
            let s = (values.iter().map(|v| (v - m) * (v - m)).sum::<f64>() / values.len() as f64).sqrt();
            // f32 rounding of the stored constants.
            assert!((f64::from(mean[c]) - m).abs() < 1e-7 && (f64::from(sd[c]) - s).abs() < 1e-7);
        }
        assert_eq!(channel_constants(&[7; 8], 1, 4).1, [1.0]);
    }

    #[test]
    #[should_panic(expected = "gather: example 3 of 3")]
    fn an_index_past_the_end_panics() {
        two_channels().gather(&[3], &mut Tensor::zeros([1, 4], DType::F32));
    }

    #[test]
    #[should_panic(expected = "into a tensor of shape [2, 4]")]
    fn a_tensor_of_the_wrong_shape_panics() {
        two_channels().gather(&[0], &mut Tensor::zeros([2, 4], DType::F32));
    }
}

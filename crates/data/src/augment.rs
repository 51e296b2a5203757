/*!
Random changes of images in training batches.

Pad-crop: the image is surrounded by `pad` black pixels (value 0 before normalisation) on every side and a window of its
own size is cut out at a uniformly drawn place, (2 pad + 1)^2 of them. Flip: left and right are exchanged with
probability 1/2. As in He, Zhang, Ren & Sun, "Deep residual learning for image recognition", CVPR 2016, section 4.2.

Row r of the batch of step s draws from `rng.at(r)` - the rows to cut at, the columns, then whether to mirror - where the trainer hands over the branch "augment" of the run's random
tree at s: so a resumed run makes the same batches, and other draws are not disturbed. Evaluation never comes here.
*/

use crate::allowed::{Allowed, OptionDoc};
use crate::{Bundle, ConfigError, Dataset, Features};
use realign_tensor::{Rng, Tensor};
use serde::{Deserialize, Serialize};
use toml::Value;

/// `data.augment`, checked and complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Augment {
    /// Black pixels added on every side before a random crop; 0 = no crop.
    pub pad: usize,
    /// Whether images are mirrored, left and right, with probability 1/2.
    pub flip: bool,
}

/// Larger paddings are slips; any image would be black most of the time.
const LARGEST_PAD: usize = 1024;

/// Keys of `data.augment`.
pub(crate) const OPTIONS: &[OptionDoc] = &[
    OptionDoc {
        name: "pad",
        default: "0",
        meaning: "black pixels on every side before a random crop; 0 is no crop",
        allowed: Allowed::Size(0, LARGEST_PAD),
    },
    OptionDoc {
        name: "flip",
        default: "false",
        meaning: "whether images are mirrored, left and right, with probability 1/2",
        allowed: Allowed::Flag,
    },
];

impl Augment {
    pub(crate) fn parse(value: Value) -> Result<Augment, ConfigError> {
        let wrong = |key: &str, message: String| Err(ConfigError::new(key, message));
        let Value::Table(table) = value else {
            return wrong(
                "augment",
                format!("expected a table like {{ pad = 4, flip = true }}, got {value}"),
            );
        };
        let mut augment = Augment { pad: 0, flip: false };
        for (key, value) in &table {
            let full = format!("augment.{key}");
            let known: Vec<&str> = OPTIONS.iter().map(|o| o.name).collect();
            let Some(option) = OPTIONS.iter().find(|o| o.name == key) else {
                let hint = crate::names::suggest(key, &known);
                return wrong(&full, format!("unknown key \"{key}\"; {hint}"));
            };
            option.allowed.check(&full, value)?;
            match value {
                Value::Integer(n) => augment.pad = *n as usize,
                other => augment.flip = other.as_bool() == Some(true),
            }
        }
        Ok(augment)
    }

    /// Whether these data can be augmented.
    pub(crate) fn check(&self, train: &Dataset) -> Result<(), ConfigError> {
        let wrong = |key: &str, message: String| Err(ConfigError::new(key, message));
        match (&train.features, train.example_shape.dims()) {
            (Features::U8 { .. }, &[_, height, width]) if self.pad < height.min(width) => Ok(()),
            (Features::U8 { .. }, &[_, height, width]) => wrong(
                "augment.pad",
                format!(
                    "{} black pixels on every side of {height}x{width} images: must be less than a side",
                    self.pad
                ),
            ),
            _ => wrong(
                "augment",
                format!("{} holds vectors; only images can be cropped or mirrored", train.name),
            ),
        }
    }

    /// The change of the image in row `row` of a batch; `rng` is the branch of the batch's step.
    fn view(self, rng: &Rng, row: usize) -> View {
        self.draw(&mut rng.at(row as u64))
    }

    /// Draws the change of one image.
    fn draw(self, rng: &mut Rng) -> View {
        let window = 2 * self.pad + 1;
        let (down, right) = (rng.below(window), rng.below(window));
        let shift = |n: usize| n as isize - self.pad as isize;
        View { down: shift(down), right: shift(right), mirror: self.flip && rng.bernoulli(0.5) }
    }
}

/// Where the pixels of one changed image come from: pixel (y, x) shows (y + down, x + right) of the picture, black where that lies outside; after that
/// left and right are exchanged, if at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Rows that the window lies below the picture's own place.
    pub down: isize,
    /// Columns that the window lies to the right of it.
    pub right: isize,
    /// Whether left and right are exchanged.
    pub mirror: bool,
}

impl View {
    /// Fills one channel: pixel (y, x) shows (y + down, x + right), then left and right are exchanged. `table` is the value
    /// of every byte; black is what lies outside.
    pub(crate) fn fill<T: Copy>(
        self,
        source: &[u8],
        height: usize,
        width: usize,
        table: &[T; 256],
        out: &mut [T],
    ) {
        let inside = |at: usize, shift: isize, n: usize| at.checked_add_signed(shift).filter(|&i| i < n);
        for (y, row) in out.chunks_exact_mut(width).enumerate() {
            let Some(from) = inside(y, self.down, height) else {
                row.fill(table[0]);
                continue;
            };
            let line = &source[from * width..][..width];
            for (x, value) in row.iter_mut().enumerate() {
                let x = if self.mirror { width - 1 - x } else { x };
                *value = table[inside(x, self.right, width).map_or(0, |i| usize::from(line[i]))];
            }
        }
    }
}

impl Bundle {
    /// Fills `x` with the training examples `indices` like [`Dataset::gather`], changed at random as `data.augment` says;
    /// row r draws from `rng.at(r)`. For training batches only.
    ///
    /// # Panics
    /// As [`Dataset::gather`].
    #[track_caller]
    pub fn gather_train(&self, indices: &[usize], x: &mut Tensor, rng: &Rng) {
        match self.augment {
            None => self.train.gather(indices, x),
            Some(augment) => self.train.gather_views(indices, x, |row| augment.view(rng, row)),
        }
    }

    /// How [`Bundle::gather_train`] changes the images in the first `rows` rows of a batch; `None` without `data.augment`.
    pub fn views(&self, rows: usize, rng: &Rng) -> Option<Vec<View>> {
        self.augment.map(|augment| (0..rows).map(|row| augment.view(rng, row)).collect())
    }
}

#[cfg(test)]
#[path = "augment_tests.rs"]
mod tests;

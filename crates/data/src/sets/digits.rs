/*!
Handwritten-looking digits, drawn: 28 x 28 grey images of ten classes, made from a seed, about as hard as MNIST.

Every example picks one way of writing its digit (`glyphs`), shakes the control points, bends the plane by a few smooth
waves (the elastic distortion of Simard, Steinkraus & Platt, "Best practices for convolutional neural networks", ICDAR
2003, applied to the strokes instead of the pixels), slants, turns, scales and shifts it, and draws it with a pen of its
own width, softness and ink (`pen`). No example of any real data set is used.

Labels go round: example i is a digit i mod 10. Example i does not depend on the number of examples. Only additions,
products, divisions and square roots of IEEE arithmetic and functions of `libm` are used, so the pixels are the same on
every machine.
*/

mod glyphs;
mod pen;

use crate::config::{MANY, room};
use crate::dataset::channel_constants;
use crate::registry::{Allowed, Entry, Kind, OptionDoc, Raw, Request};
use crate::{ConfigError, DataError, Dataset, Features, Source, Targets};
use pen::{Hand, PIXELS, SIDE};
use realign_tensor::{Rng, Shape};

pub(crate) const ENTRY: Entry = Entry {
    name: "digits",
    summary: "drawn digits, about as hard as MNIST; made from a seed, no download",
    kind: Kind::Procedural,
    classes: Some(10),
    class_names: &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
    shape: "1x28x28",
    citation: "@inproceedings{simard2003best,
  author    = {Simard, Patrice Y. and Steinkraus, Dave and Platt, John C.},
  title     = {Best practices for convolutional neural networks applied to visual document analysis},
  booktitle = {International Conference on Document Analysis and Recognition},
  year      = {2003}
}",
    licence: "none needed: made from the seed",
    options: &[
        OptionDoc {
            name: "train_size",
            default: "10000",
            meaning: "number of train examples",
            allowed: Allowed::Size(1, MANY),
        },
        OptionDoc {
            name: "test_size",
            default: "2000",
            meaning: "number of test examples",
            allowed: Allowed::Size(1, MANY),
        },
    ],
    download: None,
    build,
};

fn build(request: &Request<'_>) -> Result<Raw, DataError> {
    let draw = |name: &str| {
        let key = format!("{name}_size");
        let n = request.options.size(&key);
        Ok::<_, ConfigError>(images(room(&key, n, PIXELS)?, n, &request.rng.child(name)))
    };
    let (train, test) = (draw("train")?, draw("test")?);
    let (mean, sd) = channel_constants(&train, 1, PIXELS);
    let set = |name: &str, pixels: Vec<u8>| Dataset {
        name: format!("digits/{name}"),
        targets: Targets::Classes { labels: (0..pixels.len() / PIXELS).map(label).collect(), classes: 10 },
        features: Features::U8 { pixels, mean: mean.clone(), sd: sd.clone() },
        example_shape: Shape::new(&[1, SIDE, SIDE]),
    };
    Ok(Raw::whole(set("train", train), Some(set("test", test)), Source::Procedural))
}

fn label(i: usize) -> u32 {
    (i % 10) as u32
}

/// `n` images, example-major, in place of whatever was in `pixels`.
fn images(mut pixels: Vec<u8>, n: usize, rng: &Rng) -> Vec<u8> {
    pixels.clear();
    pixels.resize(n * PIXELS, 0);
    let mut pen = pen::Pen::new();
    for (i, image) in pixels.chunks_exact_mut(PIXELS).enumerate() {
        let mut rng = rng.at(i as u64);
        let ways = glyphs::GLYPHS[label(i) as usize];
        let glyph = ways[rng.below(ways.len())];
        let hand = Hand::draw(&mut rng);
        pen.write(glyph, &hand, &mut rng, image);
    }
    pixels
}

#[cfg(test)]
#[path = "digits/tests.rs"]
mod tests;

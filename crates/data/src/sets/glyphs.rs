/*!
Drawn colour pictures of 100 classes, 32 x 32, made from a seed: many-class training that needs no download.

A class is one of ten shapes filled with one of ten textures (`draw`): class k is shape k / 10 with texture k mod 10, and it
likes one hue. An example shifts, turns, scales, slants and bends the shape, draws two colours (three times in four near the
hue of its class) that are lighter or darker than the ground, a ground with a gradient and two stray strokes, and adds noise. So
the mean colour tells a little, the place of no single pixel tells much, and shape and texture tell nearly all. No example
of any real data set is used.

Labels go round: example i has class i mod 100. Example i does not depend on the number of examples. Only arithmetic of IEEE
and functions of `libm` are used, so the pixels are the same on every machine.
*/

mod draw;

use crate::config::{MANY, room};
use crate::dataset::channel_constants;
use crate::registry::{Allowed, Entry, Kind, OptionDoc, Raw, Request};
use crate::{ConfigError, DataError, Dataset, Features, Source, Targets};
use draw::{PIXELS, SHAPES, SIDE, TEXTURES};
use realign_tensor::{Rng, Shape};

const CLASSES: usize = SHAPES.len() * TEXTURES.len();

pub(crate) const ENTRY: Entry = Entry {
    name: "glyphs",
    summary: "drawn colour pictures of 100 classes (ten shapes, ten textures); made from a seed, no download",
    kind: Kind::Procedural,
    classes: Some(CLASSES),
    class_names: &draw::NAMES,
    shape: "3x32x32",
    citation: "",
    licence: "none needed: made from the seed",
    options: &[
        OptionDoc {
            name: "train_size",
            default: "20000",
            meaning: "number of train examples of all 100 classes",
            allowed: Allowed::Size(1, MANY),
        },
        OptionDoc {
            name: "test_size",
            default: "5000",
            meaning: "number of test examples of all 100 classes",
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
    let (mean, sd) = channel_constants(&train, 3, SIDE * SIDE);
    let set = |name: &str, pixels: Vec<u8>| Dataset {
        name: format!("glyphs/{name}"),
        targets: Targets::Classes { labels: (0..pixels.len() / PIXELS).map(label).collect(), classes: CLASSES },
        features: Features::U8 { pixels, mean: mean.clone(), sd: sd.clone() },
        example_shape: Shape::new(&[3, SIDE, SIDE]),
    };
    Ok(Raw::whole(set("train", train), Some(set("test", test)), Source::Procedural))
}

fn label(i: usize) -> u32 {
    (i % CLASSES) as u32
}

/// `n` images, example-major, in place of whatever was in `pixels`.
fn images(mut pixels: Vec<u8>, n: usize, rng: &Rng) -> Vec<u8> {
    pixels.clear();
    pixels.resize(n * PIXELS, 0);
    for (i, image) in pixels.chunks_exact_mut(PIXELS).enumerate() {
        let class = label(i) as usize;
        draw::draw(class / TEXTURES.len(), class % TEXTURES.len(), &mut rng.at(i as u64), image);
    }
    pixels
}

#[cfg(test)]
#[path = "glyphs/tests.rs"]
mod tests;

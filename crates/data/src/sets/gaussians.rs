/*!
Gaussian classes, overlapping or orthogonally separable.

Plain: x = sqrt(2) margin u_k + z with z ~ N(0, 1) and u_1..u_K orthonormal, drawn by seed. Any two centres are 2 margin
apart, so the boundary between two classes is `margin` noise standard deviations from either centre, and the best
classifier of two classes errs with probability Phi(-margin).

Orthogonally separable (Phuong & Lampert, "The inductive bias of ReLU networks on orthogonally separable data", ICLR
2021): x_i . x_j > 0 within a class and <= 0 across classes, for all pairs, exactly. Two classes: every coordinate is
+-(margin + |z|) with the sign of the class (class 0 positive). More classes: the coordinates are dealt into K blocks;
class k has margin + |z| in block k and zero elsewhere.

Labels go round: example i has class i mod K. Example i does not depend on the number of examples.
*/

use crate::config::{MANY, room};
use crate::registry::{Allowed, Entry, Kind, OptionDoc, Raw, Request};
use crate::{ConfigError, DataError, Dataset, Features, Source, Targets};
use realign_tensor::{Rng, Shape};

pub(crate) const ENTRY: Entry = Entry {
    name: "gaussians",
    summary: "Gaussian classes in real vectors, overlapping or orthogonally separable",
    kind: Kind::Procedural,
    classes: None,
    class_names: &[],
    shape: "dim",
    citation: "@inproceedings{phuong2021inductive,
  author    = {Phuong, Mary and Lampert, Christoph H.},
  title     = {The inductive bias of {ReLU} networks on orthogonally separable data},
  booktitle = {International Conference on Learning Representations},
  year      = {2021}
}",
    licence: "none needed: made from the seed",
    options: &[
        OptionDoc {
            name: "classes",
            default: "2",
            meaning: "number of classes, at most dim",
            allowed: Allowed::Size(2, 100_000),
        },
        OptionDoc {
            name: "dim",
            default: "20",
            meaning: "length of an example",
            allowed: Allowed::Size(1, 1_000_000),
        },
        OptionDoc {
            name: "margin",
            default: "2.0",
            meaning: "noise standard deviations from a class centre to the boundary; \
                      when orthogonal, the smallest size of a class's coordinates",
            allowed: Allowed::between(0.0, 1e6),
        },
        OptionDoc {
            name: "orthogonal",
            default: "false",
            meaning: "orthogonally separable: inner products > 0 within a class, <= 0 across",
            allowed: Allowed::Flag,
        },
        OptionDoc {
            name: "train_size",
            default: "1000",
            meaning: "number of train examples",
            allowed: Allowed::Size(1, MANY),
        },
        OptionDoc {
            name: "test_size",
            default: "1000",
            meaning: "number of test examples",
            allowed: Allowed::Size(1, MANY),
        },
    ],
    download: None,
    build,
};

fn build(request: &Request<'_>) -> Result<Raw, DataError> {
    let options = request.options;
    let (classes, dim) = (options.size("classes"), options.size("dim"));
    if classes > dim {
        let message = format!("{classes} classes need a dim of at least {classes}, got dim = {dim}");
        return Err(ConfigError::new("classes", message).into());
    }
    let margin = options.real("margin");
    let centres = orthonormal(classes, dim, &mut request.rng.child("centres"));
    let make = |i: usize, rng: &mut Rng, out: &mut Vec<f64>| {
        if options.flag("orthogonal") {
            separable(i % classes, classes, dim, margin, rng, out);
        } else {
            let centre = &centres[i % classes];
            let radius = std::f64::consts::SQRT_2 * margin;
            out.extend(centre.iter().map(|u| radius * u + rng.normal()));
        }
    };
    let split = |name: &str| {
        let key = format!("{name}_size");
        let n = options.size(&key);
        let rng = request.rng.child(name);
        let mut values = room(&key, n, dim)?;
        (0..n).for_each(|i| make(i, &mut rng.at(i as u64), &mut values));
        let labels = (0..n).map(|i| (i % classes) as u32).collect();
        Ok::<_, ConfigError>(Dataset {
            name: format!("gaussians/{name}"),
            features: Features::F64(values),
            targets: Targets::Classes { labels, classes },
            example_shape: Shape::new(&[dim]),
        })
    };
    Ok(Raw::whole(split("train")?, Some(split("test")?), Source::Procedural))
}

fn separable(class: usize, classes: usize, dim: usize, margin: f64, rng: &mut Rng, out: &mut Vec<f64>) {
    for j in 0..dim {
        let size = margin + rng.normal().abs();
        out.push(match classes {
            2 if class == 0 => size,
            2 => -size,
            _ if j * classes / dim == class => size,
            _ => 0.0,
        });
    }
}

/// `n` random orthonormal vectors (modified Gram-Schmidt on normal draws).
fn orthonormal(n: usize, dim: usize, rng: &mut Rng) -> Vec<Vec<f64>> {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(n);
    while basis.len() < n {
        let mut v: Vec<f64> = (0..dim).map(|_| rng.normal()).collect();
        // Twice, because one pass loses digits when little of v is left.
        for _ in 0..2 {
            for u in &basis {
                let along = dot(&v, u);
                v.iter_mut().zip(u).for_each(|(x, y)| *x -= along * y);
            }
        }
        let norm = libm::sqrt(dot(&v, &v));
        if norm > 1e-9 {
            v.iter_mut().for_each(|x| *x /= norm);
            basis.push(v);
        }
    }
    basis
}

#[cfg(test)]
mod tests {
    use crate::{DataConfig, Dataset, Dirs, Features, load, parse_config};

    fn make(text: &str) -> (Dataset, Dataset) {
        let config: DataConfig =
            parse_config(format!("name = 'gaussians'\n{text}").parse().unwrap()).unwrap();
        let bundle = load(&config, 5, &Dirs::default()).unwrap();
        (bundle.train, bundle.test.unwrap())
    }

    fn rows(set: &Dataset) -> Vec<&[f64]> {
        let Features::F64(values) = &set.features else { panic!("vectors") };
        values.chunks(set.features_per_example()).collect()
    }

    /// All pairs of train and test together; the sign is exact, so no tolerance.
    #[test]
    fn orthogonally_separable_means_it_for_all_pairs() {
        for text in [
            "classes = 2\ndim = 7\nmargin = 0.0",
            "classes = 2\ndim = 20\nmargin = 1.0",
            "classes = 5\ndim = 12\nmargin = 0.1",
        ] {
            let (train, test) = make(&format!("{text}\northogonal = true\ntrain_size = 150\ntest_size = 50"));
            let x: Vec<&[f64]> = rows(&train).into_iter().chain(rows(&test)).collect();
            let y: Vec<u32> = [train.labels().unwrap(), test.labels().unwrap()].concat();
            for i in 0..x.len() {
                for j in 0..x.len() {
                    let dot: f64 = x[i].iter().zip(x[j]).map(|(a, b)| a * b).sum();
                    assert_eq!(dot > 0.0, y[i] == y[j], "{text}: pair {i} {j}: {dot}");
                }
            }
        }
    }

    /// The nearest of the true means errs with Phi(-margin) = 0.0668 at margin 1.5 between two classes. 20,000 test
    /// examples have a standard error of 0.0018; estimating the means from 20,000 examples costs less than that; bound
    /// at 5 of them.
    #[test]
    fn the_margin_is_the_error_of_the_best_classifier() {
        let (train, test) = make("margin = 1.5\ndim = 10\ntrain_size = 20000\ntest_size = 20000");
        let mut means = vec![vec![0.0; 10]; 2];
        for (x, &y) in rows(&train).iter().zip(train.labels().unwrap()) {
            means[y as usize].iter_mut().zip(*x).for_each(|(m, v)| *m += v / 10_000.0);
        }
        let distance = |x: &[f64], m: &[f64]| x.iter().zip(m).map(|(a, b)| (a - b) * (a - b)).sum::<f64>();
        let wrong = rows(&test)
            .iter()
            .zip(test.labels().unwrap())
            .filter(|(x, y)| (distance(x, &means[1]) < distance(x, &means[0])) != (**y == 1))
            .count();
        assert!((wrong as f64 / 20_000.0 - 0.0668).abs() < 0.009, "{wrong}");
    }

    #[test]
    fn more_examples_leave_the_earlier_ones_alone() {
        let (small, _) = make("train_size = 10");
        let (large, _) = make("train_size = 30");
        assert_eq!(rows(&small), rows(&large)[..10]);
    }

    #[test]
    fn more_classes_than_dimensions_is_an_error() {
        let config = parse_config("name = 'gaussians'\nclasses = 5\ndim = 4".parse().unwrap()).unwrap();
        let error = load(&config, 0, &Dirs::default()).unwrap_err().to_string();
        assert!(error.contains("data.classes: 5 classes need a dim of at least 5"), "{error}");
    }
}

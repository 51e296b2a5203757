/*!
Real targets from a random teacher: x ~ N(0, 1) in `dim` dimensions,

```text
    linear:   y = T x / sqrt(dim)                                  (Lillicrap et al., Nat. Commun. 7:13276, 2016, task 1)
    network:  y = V phi(U x / sqrt(dim)) / sqrt(hidden)            (Refinetti et al., ICML 2021, soft committee machine)
```

with T, U, V of independent N(0, 1) entries drawn by seed and phi = tanh or relu. Train targets get N(0, noise^2) added;
test targets are the teacher's own, so that a test loss of 0 means that the student is the teacher.

Example i does not depend on the number of examples.
*/

use crate::config::{MANY, room};
use crate::registry::{Allowed, Entry, Kind, OptionDoc, Raw, Request};
use crate::{ConfigError, DataError, Dataset, Features, Source, Targets};
use realign_tensor::{Rng, Shape};

const fn size(name: &'static str, default: &'static str, meaning: &'static str, to: usize) -> OptionDoc {
    OptionDoc { name, default, meaning, allowed: Allowed::Size(1, to) }
}

pub(crate) const ENTRY: Entry = Entry {
    name: "teacher",
    summary: "real targets from a random teacher: a linear map or a network with one hidden layer",
    kind: Kind::Procedural,
    classes: None,
    class_names: &[],
    shape: "dim",
    citation: "@inproceedings{refinetti2021align,
  author    = {Refinetti, Maria and d'Ascoli, St{\\'e}phane and Ohana, Ruben and Goldt, Sebastian},
  title     = {Align, then memorise: the dynamics of learning with feedback alignment},
  booktitle = {International Conference on Machine Learning},
  year      = {2021}
}",
    licence: "none needed: made from the seed",
    options: &[
        OptionDoc {
            name: "kind",
            default: "network",
            meaning: "network (one hidden layer) or linear",
            allowed: Allowed::Word(&["network", "linear"]),
        },
        size("dim", "30", "length of an input", 1_000_000),
        size("hidden", "20", "hidden units of a network teacher", 1_000_000),
        size("outputs", "10", "length of a target", 1_000_000),
        OptionDoc {
            name: "activation",
            default: "tanh",
            meaning: "hidden activation of a network teacher: tanh or relu",
            allowed: Allowed::Word(&["tanh", "relu"]),
        },
        OptionDoc {
            name: "noise",
            default: "0.0",
            meaning: "standard deviation of the Gaussian noise on train targets",
            allowed: Allowed::between(0.0, 1e6),
        },
        size("train_size", "1000", "number of train examples", MANY),
        size("test_size", "1000", "number of test examples", MANY),
    ],
    download: None,
    build,
};

fn build(request: &Request<'_>) -> Result<Raw, DataError> {
    let options = request.options;
    let teacher = Teacher::draw(request);
    let split = |name: &str, noise: f64| {
        let key = format!("{name}_size");
        let n = options.size(&key);
        let rng = request.rng.child(name);
        let (mut inputs, mut values) = (room(&key, n, teacher.dim)?, room(&key, n, options.size("outputs"))?);
        for i in 0..n {
            let example = rng.at(i as u64);
            let mut draw = example.child("x");
            let x: Vec<f64> = (0..teacher.dim).map(|_| draw.normal()).collect();
            let mut draw = example.child("noise");
            values.extend(teacher.answer(&x).iter().map(|y| y + noise * draw.normal()));
            inputs.extend(x);
        }
        Ok::<_, ConfigError>(Dataset {
            name: format!("teacher/{name}"),
            features: Features::F64(inputs),
            targets: Targets::Values { values, dim: options.size("outputs") },
            example_shape: Shape::new(&[teacher.dim]),
        })
    };
    let train = split("train", options.real("noise"))?;
    Ok(Raw::whole(train, Some(split("test", 0.0)?), Source::Procedural))
}

struct Teacher {
    dim: usize,
    /// T, or U and V: rows of weights, already divided by the square root of their length.
    layers: Vec<Vec<Vec<f64>>>,
    activation: fn(f64) -> f64,
}

impl Teacher {
    fn draw(request: &Request<'_>) -> Teacher {
        let options = request.options;
        let (dim, hidden, outputs) = (options.size("dim"), options.size("hidden"), options.size("outputs"));
        let rng = request.rng.child("teacher");
        let layers = match options.word("kind") {
            "linear" => vec![matrix(outputs, dim, rng.child("T"))],
            _ => vec![matrix(hidden, dim, rng.child("U")), matrix(outputs, hidden, rng.child("V"))],
        };
        let activation = if options.word("activation") == "relu" { |z: f64| z.max(0.0) } else { libm::tanh };
        Teacher { dim, layers, activation }
    }

    fn answer(&self, x: &[f64]) -> Vec<f64> {
        let product = |w: &[Vec<f64>], x: &[f64]| -> Vec<f64> {
            w.iter().map(|row| row.iter().zip(x).map(|(a, b)| a * b).sum()).collect()
        };
        let mut h = product(&self.layers[0], x);
        for w in &self.layers[1..] {
            h.iter_mut().for_each(|z| *z = (self.activation)(*z));
            h = product(w, &h);
        }
        h
    }
}

fn matrix(rows: usize, cols: usize, mut rng: Rng) -> Vec<Vec<f64>> {
    let scale = 1.0 / libm::sqrt(cols as f64);
    (0..rows).map(|_| (0..cols).map(|_| scale * rng.normal()).collect()).collect()
}

#[cfg(test)]
mod tests {
    use crate::{Bundle, Dataset, Dirs, Features, Targets, load, parse_config};

    fn make(text: &str) -> Bundle {
        let config = parse_config(format!("name = 'teacher'\n{text}").parse().unwrap()).unwrap();
        load(&config, 3, &Dirs::default()).unwrap()
    }

    fn values(set: &Dataset) -> (&[f64], &[f64]) {
        match (&set.features, &set.targets) {
            (Features::F64(x), Targets::Values { values, .. }) => (x, values),
            _ => panic!("vectors"),
        }
    }

    /// Two examples determine a linear map of two inputs; it must predict all the others.
    #[test]
    fn a_linear_teacher_is_linear() {
        let bundle = make("kind = 'linear'\ndim = 2\noutputs = 1\ntrain_size = 50");
        let (x, y) = values(&bundle.train);
        // Solve for T from the first two examples by Cramer's rule, then predict the rest.
        let det = x[0] * x[3] - x[1] * x[2];
        let t = [(y[0] * x[3] - x[1] * y[1]) / det, (x[0] * y[1] - y[0] * x[2]) / det];
        for i in 0..50 {
            let predicted = t[0] * x[2 * i] + t[1] * x[2 * i + 1];
            // Rounding times the condition of a 2x2 system.
            assert!((predicted - y[i]).abs() < 1e-9, "{i}");
        }
    }

    /// With E[tanh] = 0 and unit weights the variance of y is E[tanh(N(0, 1))^2] = 0.394 (numerical integral) on average
    /// over teachers; a teacher of 400 units and 50 outputs is within a few percent, the bound is 15 %.
    #[test]
    fn targets_have_the_variance_of_the_formula() {
        let bundle = make("dim = 50\nhidden = 400\noutputs = 50\ntrain_size = 400");
        let (_, y) = values(&bundle.train);
        let variance = y.iter().map(|v| v * v).sum::<f64>() / y.len() as f64;
        assert!((variance / 0.394 - 1.0).abs() < 0.15, "{variance}");
    }

    #[test]
    fn noise_is_on_train_targets_only() {
        let (clean, noisy) = (make("train_size = 3000"), make("train_size = 3000\nnoise = 0.5"));
        assert_eq!(clean.test, noisy.test);
        let ((xc, yc), (xn, yn)) = (values(&clean.train), values(&noisy.train));
        assert_eq!(xc, xn);
        let sd = (yc.iter().zip(yn).map(|(a, b)| (a - b) * (a - b)).sum::<f64>() / yc.len() as f64).sqrt();
        // 30,000 draws: standard error 0.5 / sqrt(60,000) = 0.002; bound at 5 of them.
        assert!((sd - 0.5).abs() < 0.01, "{sd}");
    }

    #[test]
    fn class_options_are_refused() {
        for text in ["classes = 2", "label_noise = 0.1"] {
            let config = parse_config(format!("name = 'teacher'\n{text}").parse().unwrap()).unwrap();
            let error = load(&config, 0, &Dirs::default()).unwrap_err().to_string();
            assert!(error.contains("its targets are real vectors"), "{error}");
        }
    }
}

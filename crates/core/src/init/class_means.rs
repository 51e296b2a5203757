//! `class_means`: everything is drawn as by `xavier_uniform`, then hidden unit c of the first layer starts along the mean of class c,
//! `W_1[c,:] = r mean_c/‖mean_c‖`, r the usual row norm `sd √fan_in`; if the output layer reads it, its read-out points to class c:
//! `W_2[0,c] = ±sd` for one output (class 0 is −1, class 1 is +1), `W_2[:,c] = sd √K (e_c − 1/K)/‖e_c − 1/K‖` for K outputs.
//!
//! On orthogonally separable data such a unit is active on its own class and silent on all others: the start that the convergence
//! statement of docs/theory.md section 4 asks for. Biases stay as drawn. The first layer must be dense on the input.

use super::Draw;
use crate::ConfigError;
use crate::network::Network;
use crate::rules::chains;
use realign_data::{Dataset, Targets};
use realign_tensor::{DType, Tensor};
use toml::{Table, Value};

/// Names of weight initialisers beyond [`super::INITS`] and what they mean.
pub const WEIGHTS: &[(&str, &str)] = &[(
    "class_means",
    "xavier_uniform, but hidden unit c of the first layer starts along the mean of class c",
)];

/// Whether a table asks for class means; it then names the distribution of everything else.
pub(super) fn take(table: &mut Table) -> bool {
    let asked = table.get("name").and_then(Value::as_str) == Some(WEIGHTS[0].0);
    if asked {
        table.insert("name".into(), Value::from("xavier_uniform"));
    }
    asked
}

/// Puts the first units of the first layer along the class means.
pub(super) fn place(net: &mut Network, data: &Dataset, draw: &Draw) -> Result<(), ConfigError> {
    let fail = |message: String| Err(ConfigError::new("init.weight", format!("class_means: {message}")));
    let Some((labels, classes)) = class_labels(data) else {
        return fail("the data have no classes".into());
    };
    let Some(chain) = chains(net).into_iter().next().filter(|c| c.layer == 0) else {
        return fail("the network has no hidden layer that it could start".into());
    };
    let (rows, cols) = (net.weight(chain.writer).rows(), net.weight(chain.writer).cols());
    if rows < classes || cols != data.features_per_example() {
        return fail(format!(
            "{classes} classes need a dense first layer of at least {classes} units on {} inputs, got {rows} x {cols}",
            data.features_per_example()
        ));
    }
    let norm = draw.sd(net.layer(chain.writer).fans()) * (cols as f64).sqrt();
    for (c, mean) in means(data, &labels, classes).into_iter().enumerate() {
        let length = mean.iter().map(|v| v * v).sum::<f64>().sqrt();
        if length == 0.0 || !length.is_finite() {
            return fail(format!("the mean of class {c} is zero"));
        }
        let w = net.layer_mut(chain.writer).params_mut().0.expect("weighted node");
        mean.iter().enumerate().for_each(|(j, v)| w.set(c * cols + j, norm * v / length));
    }
    if net.weighted().last() == Some(&chain.reader) {
        let sd = draw.sd(net.layer(chain.reader).fans());
        let w = net.layer_mut(chain.reader).params_mut().0.expect("weighted node");
        (0..classes).for_each(|c| point_to(w, c, classes, sd));
    }
    Ok(())
}

/// Column `c` of the read-out, pointing to class `c`.
fn point_to(w: &mut Tensor, c: usize, classes: usize, sd: f64) {
    let (outputs, cols) = (w.rows(), w.cols());
    if outputs == 1 {
        return w.set(c, if c == 0 { -sd } else { sd });
    }
    let k = classes as f64;
    let length = (1.0 - 1.0 / k).sqrt();
    for j in 0..outputs {
        let entry = (f64::from(j == c) - 1.0 / k) / length;
        w.set(j * cols + c, sd * (outputs as f64).sqrt() * entry);
    }
}

/// A class below the number of classes for every example; targets of −1 and +1 are classes 0 and 1; `None` for other real targets.
pub fn class_labels(data: &Dataset) -> Option<(Vec<usize>, usize)> {
    match &data.targets {
        Targets::Classes { labels, classes } => {
            Some((labels.iter().map(|l| *l as usize).collect(), *classes))
        }
        Targets::Values { values, dim: 1 } if values.iter().all(|v| v.abs() == 1.0) => {
            Some((values.iter().map(|v| usize::from(*v > 0.0)).collect(), 2))
        }
        Targets::Values { .. } => None,
    }
}

/// Mean of the normalised features of every class.
fn means(data: &Dataset, labels: &[usize], classes: usize) -> Vec<Vec<f64>> {
    let dim = data.features_per_example();
    let (mut sums, mut counts) = (vec![vec![0.0; dim]; classes], vec![0usize; classes]);
    let mut x = Tensor::zeros([1, dim], DType::F64);
    for (i, &c) in labels.iter().enumerate() {
        data.gather(&[i], &mut x);
        sums[c].iter_mut().zip(x.as_slice::<f64>()).for_each(|(s, v)| *s += v);
        counts[c] += 1;
    }
    for (sum, n) in sums.iter_mut().zip(counts) {
        sum.iter_mut().for_each(|s| *s /= n.max(1) as f64);
    }
    sums
}

/*!
Distributions of initial weights by name, each times `scale`.

xavier (Glorot & Bengio 2010): variance 2/(fan_in + fan_out); kaiming (He et al. 2015): 2/fan_in; lecun (LeCun et al.
1998): 1/fan_in; torch_default (`torch.nn.Linear`): U(±1/√fan_in); orthogonal (Saxe et al. 2014): Haar.
*/

use crate::ConfigError;
use crate::registry::{self, Allowed, Opt, suggest};
use realign_tensor::{DType, Rng, Shape, Tensor, linalg, ops};
use serde::Deserialize;
use toml::Table;

/// A distribution as listed to users.
pub struct InitInfo {
    /// Registry word.
    pub name: &'static str,
    /// The law of one entry.
    pub formula: &'static str,
    law: Law,
}

#[derive(Clone, Copy, Debug)]
enum Law {
    /// Uniform with this variance as a function of (fan_in, fan_out).
    Uniform(fn(f64, f64) -> f64),
    /// Normal with this variance.
    Normal(fn(f64, f64) -> f64),
    Orthogonal,
    Zeros,
}

const XAVIER: fn(f64, f64) -> f64 = |i, o| 2.0 / (i + o);
const KAIMING: fn(f64, f64) -> f64 = |i, _| 2.0 / i;
const LECUN: fn(f64, f64) -> f64 = |i, _| 1.0 / i;

/// All distributions by name.
pub static INITS: &[InitInfo] = &[
    InitInfo { name: "xavier_uniform", formula: "U(±√(6/(fan_in+fan_out)))", law: Law::Uniform(XAVIER) },
    InitInfo { name: "xavier_normal", formula: "N(0, 2/(fan_in+fan_out))", law: Law::Normal(XAVIER) },
    InitInfo { name: "kaiming_uniform", formula: "U(±√(6/fan_in))", law: Law::Uniform(KAIMING) },
    InitInfo { name: "kaiming_normal", formula: "N(0, 2/fan_in)", law: Law::Normal(KAIMING) },
    InitInfo { name: "lecun_uniform", formula: "U(±√(3/fan_in))", law: Law::Uniform(LECUN) },
    InitInfo { name: "lecun_normal", formula: "N(0, 1/fan_in)", law: Law::Normal(LECUN) },
    InitInfo {
        name: "torch_default", formula: "U(±1/√fan_in)", law: Law::Uniform(|i, _| 1.0 / (3.0 * i))
    },
    InitInfo {
        name: "orthogonal",
        formula: "Haar-distributed orthonormal rows or columns",
        law: Law::Orthogonal,
    },
    InitInfo { name: "zeros", formula: "0", law: Law::Zeros },
];

/// A named distribution times a factor.
#[derive(Clone, Debug)]
pub struct Draw {
    index: usize,
    /// Factor on every entry.
    pub scale: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    #[serde(default = "one")]
    scale: f64,
}

fn one() -> f64 {
    1.0
}

/// The option of every distribution.
pub const SCALE: Opt =
    Opt { name: "scale", default: "1.0", meaning: "factor on every entry", allowed: Allowed::FINITE };

impl Draw {
    /// The distribution `name` at scale 1.
    ///
    /// # Panics
    /// For an unknown name: only for names written in code.
    #[track_caller]
    pub fn named(name: &str) -> Draw {
        let index =
            INITS.iter().position(|i| i.name == name).unwrap_or_else(|| panic!("no initialiser {name}"));
        Draw { index, scale: 1.0 }
    }

    /// Reads `{ name = "...", scale = 1.0 }`.
    pub fn parse(mut table: Table) -> Result<Draw, ConfigError> {
        let known: Vec<&str> = INITS.iter().map(|i| i.name).collect();
        let name = match table.remove("name") {
            Some(toml::Value::String(s)) => s,
            Some(other) => {
                return Err(ConfigError::new("name", format!("expected a word in quotes, got {other}")));
            }
            None => return Err(ConfigError::new("name", format!("missing; known: {}", known.join(", ")))),
        };
        let index = known.iter().position(|k| *k == name);
        let index = index.ok_or_else(|| {
            ConfigError::new("name", format!("unknown initialiser \"{name}\"{}", suggest(&name, &known)))
        })?;
        registry::check(&name, &[SCALE], &table)?;
        let options: Options = registry::parse(table)?;
        Ok(Draw { index, scale: options.scale })
    }

    /// The registry word.
    pub fn name(&self) -> &'static str {
        INITS[self.index].name
    }

    /// Standard deviation of one entry.
    pub fn sd(&self, (fan_in, fan_out): (usize, usize)) -> f64 {
        let fans = (fan_in as f64, fan_out as f64);
        self.scale.abs()
            * match INITS[self.index].law {
                Law::Uniform(v) | Law::Normal(v) => v(fans.0, fans.1).sqrt(),
                Law::Orthogonal => (1.0 / fans.0.max(fans.1)).sqrt(),
                Law::Zeros => 0.0,
            }
    }

    /// Draws a tensor for a weight with these (fan_in, fan_out).
    pub fn draw(&self, shape: Shape, fans: (usize, usize), dtype: DType, rng: &mut Rng) -> Tensor {
        let sd = self.sd(fans);
        match INITS[self.index].law {
            Law::Uniform(_) => rng.uniform_tensor(shape, -sd * 3f64.sqrt(), sd * 3f64.sqrt(), dtype),
            Law::Normal(_) => rng.normal_tensor(shape, sd, dtype),
            Law::Orthogonal => {
                let normal = rng.normal_tensor(shape, 1.0, DType::F64);
                let mut q = linalg::orthonormal(&normal);
                ops::scale(&mut q, self.scale);
                q.cast(dtype)
            }
            Law::Zeros => Tensor::zeros(shape, dtype),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sample variance of 40,000 entries: standard error below 1 % of the variance; bound at 4 %. Fans are unequal, so
    /// the laws cannot be mixed up.
    #[test]
    fn variances_are_the_published_ones() {
        let (fan_in, fan_out) = (400usize, 100usize);
        let want = |name: &str| match name {
            "xavier_uniform" | "xavier_normal" => 2.0 / 500.0,
            "kaiming_uniform" | "kaiming_normal" => 2.0 / 400.0,
            "lecun_uniform" | "lecun_normal" => 1.0 / 400.0,
            "torch_default" => 1.0 / 1200.0,
            "orthogonal" => 1.0 / 400.0,
            _ => 0.0,
        };
        for info in INITS {
            let draw = Draw { scale: 3.0, ..Draw::named(info.name) };
            let t = draw.draw([fan_out, fan_in].into(), (fan_in, fan_out), DType::F64, &mut Rng::new(4));
            let variance = ops::norm_sq(&t) / t.numel() as f64;
            let expected = 9.0 * want(info.name);
            assert!(
                (variance - expected).abs() <= 0.04 * expected,
                "{}: {variance} against {expected}",
                info.name
            );
            assert!((draw.sd((fan_in, fan_out)).powi(2) - expected).abs() < 1e-12, "{}", info.name);
        }
    }
}

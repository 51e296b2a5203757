//! Clipping of update directions: `G <- G min(1, c/‖G‖)`, the norm over the whole net (`global`) or per layer (`layer`).

use crate::ConfigError;
use crate::registry::{Allowed, suggest};
use toml::Value;

/// Largest norm allowed.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub enum Clip {
    /// No clipping.
    #[default]
    None,
    /// Over all parameters of the network.
    Global(f64),
    /// Per layer, weight and bias together.
    Layer(f64),
}

impl Clip {
    /// Reads `{ global = 1.0 }` or `{ layer = 1.0 }`.
    pub fn parse(value: &Value) -> Result<Clip, ConfigError> {
        let wrong = |got: &dyn std::fmt::Display| {
            ConfigError::new(
                "",
                format!("expected {{ global = c }} or {{ layer = c }} with c > 0, got {got}"),
            )
        };
        let Value::Table(table) = value else { return Err(wrong(value)) };
        let mut pairs = table.iter();
        let (Some((key, norm)), None) = (pairs.next(), pairs.next()) else { return Err(wrong(value)) };
        Allowed::POSITIVE.check("", norm).map_err(|_| wrong(value))?;
        let norm = norm.as_float().or(norm.as_integer().map(|i| i as f64)).unwrap_or(f64::INFINITY);
        match key.as_str() {
            "global" => Ok(Clip::Global(norm)),
            "layer" => Ok(Clip::Layer(norm)),
            other => Err(ConfigError::new(
                other,
                format!("unknown kind of clipping{}", suggest(other, &["global", "layer"])),
            )),
        }
    }

    /// Factor on directions of this squared norm.
    pub fn factor(self, norm_sq: f64) -> f64 {
        match self {
            Clip::None => 1.0,
            Clip::Global(c) | Clip::Layer(c) => {
                let norm = norm_sq.sqrt();
                if norm > c { c / norm } else { 1.0 }
            }
        }
    }
}

//! Cadences: `"10 steps"`, `"1 epoch"`, `"0.5 epochs"`, `"log"` (1, 2, 5, 10, 20, 50, ...), `"end"`, `"never"`. All but `never` include
//! step 0 and the end.

use crate::ConfigError;
use crate::registry::Allowed;
use std::str::FromStr;

/// When something is due.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Every {
    /// Every so many steps.
    Steps(u64),
    /// Every so many epochs, rounded to whole steps.
    Epochs(f64),
    /// At 1, 2, 5, 10, 20, 50, ...
    Log,
    /// At the start and the end only.
    End,
    /// Not at all.
    Never,
}

impl Every {
    /// Whether `step` of `total` is due.
    pub fn due(self, step: u64, total: u64, steps_per_epoch: u64) -> bool {
        let bounds = step == 0 || step == total;
        match self {
            Every::Steps(n) => bounds || step.is_multiple_of(n.max(1)),
            Every::Epochs(e) => {
                let every = e * steps_per_epoch as f64;
                // Due when a multiple of `every` lies in (step - 1, step].
                bounds || (step as f64 / every).floor() > ((step - 1) as f64 / every).floor()
            }
            Every::Log => {
                bounds || [1, 2, 5].iter().any(|m| step.is_multiple_of(*m) && is_power_of_ten(step / m))
            }
            Every::End => bounds,
            Every::Never => false,
        }
    }
}

fn is_power_of_ten(mut n: u64) -> bool {
    while n > 1 && n.is_multiple_of(10) {
        n /= 10;
    }
    n == 1
}

impl FromStr for Every {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "unknown cadence \"{s}\"; allowed: \"10 steps\", \"1 epoch\", \"log\", \"end\", \"never\""
            )
        };
        match s.split_whitespace().collect::<Vec<_>>()[..] {
            ["log"] => Ok(Every::Log),
            ["end"] => Ok(Every::End),
            ["never"] => Ok(Every::Never),
            ["step"] => Ok(Every::Steps(1)),
            ["epoch"] => Ok(Every::Epochs(1.0)),
            [n, "step" | "steps"] => n.parse().ok().filter(|n| *n > 0).map(Every::Steps).ok_or_else(wrong),
            [n, "epoch" | "epochs"] => n
                .parse()
                .ok()
                .filter(|e: &f64| *e > 0.0 && e.is_finite())
                .map(Every::Epochs)
                .ok_or_else(wrong),
            _ => Err(wrong()),
        }
    }
}

impl Every {
    /// A cadence, as written in a spec.
    pub const ALLOWED: Allowed = Allowed::Form(
        "a cadence in quotes: \"10 steps\", \"1 epoch\", \"log\", \"end\" or \"never\"",
        |value| {
            let read = match value.as_str() {
                Some(text) => text.parse::<Every>().map(drop),
                None => Err(format!("expected {}, got {value}", Every::ALLOWED)),
            };
            read.map_err(|e| ConfigError::new("", e).into())
        },
    );
}

impl std::fmt::Display for Every {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Every::Steps(n) => write!(f, "{n} steps"),
            Every::Epochs(e) => write!(f, "{e} epochs"),
            Every::Log => f.write_str("log"),
            Every::End => f.write_str("end"),
            Every::Never => f.write_str("never"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cadences_are_due_when_they_say() {
        let due = |e: Every| (0..=30).filter(|s| e.due(*s, 30, 7)).collect::<Vec<_>>();
        assert_eq!(due(Every::Steps(10)), [0, 10, 20, 30]);
        assert_eq!(due(Every::Epochs(1.0)), [0, 7, 14, 21, 28, 30]);
        assert_eq!(due(Every::Epochs(0.5)), [0, 4, 7, 11, 14, 18, 21, 25, 28, 30]);
        assert_eq!(due(Every::Log), [0, 1, 2, 5, 10, 20, 30]);
        assert_eq!(due(Every::End), [0, 30]);
        for text in ["10 steps", "0.5 epochs", "log", "end", "never"] {
            assert_eq!(text.parse::<Every>().unwrap().to_string(), text);
        }
        assert!("0 steps".parse::<Every>().is_err() && "often".parse::<Every>().is_err());
    }
}

//! Grids: which values an axis has, and the product of all axes, the last one running fastest.

use toml::Value;

/// No experiment has more runs than this; a slip of the fingers does.
const MOST: usize = 100_000;

/// The values written as `0..5` or `range(a,b[,step])` (end excluded) or `logspace(a,b,n)` (n values from a to b, both
/// ends included, equal ratios, rounded to 6 digits); `None` if the text is none of these.
pub(crate) fn range(text: &str) -> Result<Option<Vec<Value>>, String> {
    if let Some((a, b)) = text.split_once("..")
        && let (Ok(a), Ok(b)) = (a.trim().parse::<i64>(), b.trim().parse::<i64>())
    {
        return integers(text, a, b, 1).map(Some);
    }
    let Some((name, inner)) = text.strip_suffix(')').and_then(|t| t.split_once('(')) else { return Ok(None) };
    let parts: Vec<&str> = inner.split(',').map(str::trim).collect();
    match name.trim() {
        "range" => {
            let n: Option<Vec<i64>> = parts.iter().map(|p| p.parse().ok()).collect();
            match n.as_deref() {
                Some([b]) => integers(text, 0, *b, 1).map(Some),
                Some([a, b]) => integers(text, *a, *b, 1).map(Some),
                Some([a, b, step]) => integers(text, *a, *b, *step).map(Some),
                _ => Err(format!("\"{text}\": expected range(first, end) with integers, end excluded")),
            }
        }
        "logspace" => {
            let wrong = || {
                format!(
                    "\"{text}\": expected logspace(a, b, n): n >= 1 values from a > 0 to b > 0 (values, not exponents)"
                )
            };
            let [a, b, n] = parts[..] else { return Err(wrong()) };
            let (Ok(a), Ok(b), Ok(n)) = (a.parse::<f64>(), b.parse::<f64>(), n.parse::<usize>()) else {
                return Err(wrong());
            };
            if !(a > 0.0 && b > 0.0 && a.is_finite() && b.is_finite() && (1..=MOST).contains(&n)) {
                return Err(wrong());
            }
            let at = |i: usize| if n == 1 { a } else { a * (b / a).powf(i as f64 / (n - 1) as f64) };
            // Six digits: the run's id must not depend on the last bit of a machine's power function.
            Ok(Some(
                (0..n).map(|i| Value::Float(format!("{:.5e}", at(i)).parse().expect("a number"))).collect(),
            ))
        }
        _ => Ok(None),
    }
}

fn integers(text: &str, a: i64, b: i64, step: i64) -> Result<Vec<Value>, String> {
    if step < 1 || b <= a {
        return Err(format!("\"{text}\" has no values (the end is excluded)"));
    }
    let count = b.abs_diff(a).div_ceil(step as u64);
    if count > MOST as u64 {
        return Err(format!("\"{text}\" has {count} values; more than {MOST} are refused"));
    }
    Ok((0..).map(|i| a + i * step).take_while(|v| *v < b).map(Value::Integer).collect())
}

/// The values of an axis as written in `[grid]`.
pub(crate) fn axis(value: &Value) -> Result<Vec<Value>, String> {
    match value {
        Value::Array(list) if list.is_empty() => Err("an empty list makes no runs".into()),
        Value::Array(list) => Ok(list.clone()),
        Value::String(s) => {
            range(s)?.ok_or_else(|| "expected a list, \"0..5\", \"range(0,5)\" or \"logspace(a,b,n)\"".into())
        }
        other => Err(format!("expected a list, \"0..5\" or \"logspace(a,b,n)\", got {}", other.type_str())),
    }
}

/// All combinations of `sizes` as index tuples, the last fastest; one empty tuple without axes.
pub(crate) fn product(sizes: &[usize]) -> Result<Vec<Vec<usize>>, String> {
    let total = sizes.iter().fold(1u128, |n, s| n.saturating_mul(*s as u128));
    if total > MOST as u128 {
        return Err(format!("the grid has {total} runs; more than {MOST} are refused"));
    }
    let total = total as usize;
    Ok((0..total)
        .map(|mut k| {
            let mut tuple = vec![0; sizes.len()];
            for (slot, size) in tuple.iter_mut().zip(sizes).rev() {
                *slot = k % size;
                k /= size;
            }
            tuple
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_axis_runs_fastest() {
        assert_eq!(product(&[2, 3]).unwrap(), [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]]);
        assert_eq!(product(&[]).unwrap(), [Vec::<usize>::new()]);
        assert!(product(&[1000, 1000]).unwrap_err().contains("1000000 runs"));
        assert!(product(&[1000, 100]).is_ok());
    }

    #[test]
    fn spaces_have_equal_ratios_and_both_ends() {
        let v: Vec<f64> =
            range("logspace(1e-3, 1, 4)").unwrap().unwrap().iter().map(|v| v.as_float().unwrap()).collect();
        assert_eq!(v, [0.001, 0.01, 0.1, 1.0]);
        let half = range("logspace(0.01,0.1,3)").unwrap().unwrap();
        assert_eq!(half[1], Value::Float(0.0316228));
        assert!(range("logspace(-3,0,4)").is_err());
    }

    #[test]
    fn ranges_exclude_their_end() {
        assert_eq!(range("range(1,6,2)").unwrap().unwrap(), [1, 3, 5].map(Value::Integer));
        assert!(range("5..5").is_err());
        assert_eq!(range("fa").unwrap(), None);
    }
}

//! Numbers as people read them: six decimals where that shows the number, scientific notation elsewhere.

/// `x` with six decimals, or as `1.234560e30` from a million on and below 1e-4.
pub fn number(x: f64) -> String {
    let size = x.abs();
    if size == 0.0 || (1e-4..1e6).contains(&size) || !x.is_finite() {
        format!("{x:.6}")
    } else {
        format!("{x:.6e}")
    }
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn large_and_small_numbers_stay_short() {
        let cases = [
            (0.0, "0.000000"),
            (-1.5, "-1.500000"),
            (999_999.0, "999999.000000"),
            (1e6, "1.000000e6"),
            (-3.25e61, "-3.250000e61"),
            (2.5e-7, "2.500000e-7"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "inf"),
        ];
        cases.iter().for_each(|(x, text)| assert_eq!(number(*x), *text));
    }
}

//! Hyperbolic tangent of f32 in plain additions, products and one division, so that loops over it become vector instructions and every
//! machine gives the same bits (the C library's differ between versions, and it took 60 % of a step of LeNet).
//!
//! Below 0.625: `x + x³ p(x²)`; above: `1 - 2 / (e^{2|x|} + 1)` with `e^y = 2^n e^r`, `n = round(y / ln 2)`, `|r| <= ln 2 / 2`, and
//! the sign of x. Polynomials: S. Moshier, *Methods and Programs for Mathematical Functions* (1989), the single-precision set.

/// tanh of `x`, within 2 units in the last place. Odd, ±1 beyond 9.02, NaN for NaN.
// Digits as published; both ways are taken and one is chosen, because a branch would keep the loop from becoming vectors.
#[allow(clippy::excessive_precision)]
#[inline(always)]
pub(crate) fn tanh(x: f32) -> f32 {
    let size = x.abs();
    let z = x * x;
    let p = -5.70498872745e-3_f32;
    let p = p * z + 2.06390887954e-2;
    let p = p * z - 5.37397155531e-2;
    let p = p * z + 1.33314422036e-1;
    let p = p * z - 3.33332819422e-1;
    let near = p * z * size + size;
    // 1 - tanh is below half a unit here; a NaN is not above and stays.
    let capped = if size > 9.02 { 9.02 } else { size };
    let far = 1.0 - 2.0 / (exp(2.0 * capped) + 1.0);
    (if size < 0.625 { near } else { far }).copysign(x)
}

/// e^y for 0 <= y <= 87, or NaN.
#[allow(clippy::excessive_precision)]
#[inline(always)]
fn exp(y: f32) -> f32 {
    // Adding 1.5 * 2^23 leaves no room for fractions: the sum's low bits are the nearest whole number.
    const WHOLE: f32 = 12_582_912.0;
    let shifted = y * std::f32::consts::LOG2_E + WHOLE;
    let n = shifted - WHOLE;
    // ln 2 in two parts, the first short enough for n times it to be exact.
    let r = (y - n * 0.693_359_375) - n * -2.121_944_40e-4;
    let q = 1.9875691500e-4_f32;
    let q = q * r + 1.3981999507e-3;
    let q = q * r + 8.3334519073e-3;
    let q = q * r + 4.1665795894e-2;
    let q = q * r + 1.6666665459e-1;
    let q = q * r + 5.0000001201e-1;
    let power = f32::from_bits((shifted.to_bits().wrapping_sub(WHOLE.to_bits()).wrapping_add(127)) << 23);
    (q * r * r + r + 1.0) * power
}

#[cfg(test)]
mod tests {
    use super::tanh;

    /// Against the f64 function of a portable library: every 997th f32, 2 units in the last place (2^-23 each, twice relative size).
    #[test]
    fn all_over_the_line_within_two_units() {
        let mut worst = 0.0_f64;
        for bits in (0..0x7f80_0000_u32).step_by(997) {
            let x = f32::from_bits(bits);
            let exact = libm::tanh(x.into());
            let unit = f64::from(f32::from_bits((exact as f32).to_bits() + 1)) - f64::from(exact as f32);
            worst = worst.max((f64::from(tanh(x)) - exact).abs() / unit);
            assert_eq!(tanh(-x).to_bits(), (-tanh(x)).to_bits(), "not odd at {x}");
        }
        assert!(worst <= 2.0, "off by {worst} units in the last place");
    }

    #[test]
    fn ends_and_what_is_no_number() {
        assert_eq!([tanh(0.0), tanh(f32::INFINITY), tanh(f32::NEG_INFINITY)], [0.0, 1.0, -1.0]);
        assert!(tanh(-0.0).is_sign_negative());
        assert!(tanh(f32::NAN).is_nan());
    }

    /// The step from one form to the other must not make the function fall.
    #[test]
    fn never_falls() {
        let mut last = tanh(0.6);
        for bits in 0.6_f32.to_bits()..0.65_f32.to_bits() {
            let next = tanh(f32::from_bits(bits));
            assert!(next >= last - f32::EPSILON / 2.0, "falls at {}", f32::from_bits(bits));
            last = next;
        }
    }
}

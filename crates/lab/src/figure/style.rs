/*!
How a rule or an account looks: a colour, a line pattern, a marker and a hatching, so that no picture depends on colour.

Colours are those of Okabe & Ito, "Color Universal Design" (2008), without the yellow that is too pale on white; they are
told apart with every common colour vision. Rules take their look from their place in the registry, so a new rule needs no
entry here; accounts of the ledger have fixed ones; other words are numbered within a figure.
*/

use realign::rules::RULES;

const COLORS: [&str; 7] = ["#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"];
const DASHES: [&str; 7] = ["", "7 3", "2 2.5", "9 3 2 3", "4 2", "9 3 2 3 2 3", "14 4"];
const MARKERS: [Marker; 7] = [
    Marker::Circle,
    Marker::Square,
    Marker::Triangle,
    Marker::Diamond,
    Marker::Cross,
    Marker::TriangleDown,
    Marker::Plus,
];

/// Accounts of the ledger, the frequent ones first: they get the colours of highest contrast. `optimizer` is the sum of its four parts.
const ACCOUNTS: [&str; 12] = [
    "reader",
    "writer",
    "decay",
    "momentum",
    "adaptive",
    "plasticity",
    "path",
    "clipping",
    "residual",
    "unwatched",
    "optimizer",
    "eps",
];

/// A look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// `#RRGGBB`.
    pub color: &'static str,
    /// SVG dash pattern in pixels; empty for an unbroken line.
    pub dash: &'static str,
    pub(super) marker: Marker,
    pub(super) hatch: usize,
}

/// Shape of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Marker {
    Circle,
    Square,
    Triangle,
    Diamond,
    Cross,
    TriangleDown,
    Plus,
}

impl Style {
    /// The look of a word: a rule of the registry, an account of the ledger, `total` or `measured`; any other word takes
    /// the look of its place among `others`, the words of the figure that are none of these.
    pub fn of(word: &str, others: &[String]) -> Style {
        let number = if let Some(i) = RULES.iter().position(|r| r.name == word) {
            i
        } else if let Some(i) = ACCOUNTS.iter().position(|a| *a == word) {
            i + 1
        } else {
            match word {
                "total" => return Style { color: "#000000", dash: "", marker: Marker::Circle, hatch: 0 },
                "measured" => {
                    return Style { color: "#000000", dash: "3 3", marker: Marker::Cross, hatch: 0 };
                }
                _ => 1 + others.iter().position(|o| o == word).unwrap_or(0),
            }
        };
        Style::numbered(number)
    }

    /// Whether the word has a look of its own in every figure.
    pub(super) fn is_fixed(word: &str) -> bool {
        matches!(word, "total" | "measured")
            || ACCOUNTS.contains(&word)
            || RULES.iter().any(|r| r.name == word)
    }

    /// 343 looks that differ in colour, line or marker; the first seven in all three.
    fn numbered(n: usize) -> Style {
        let (i, turn) = (n % 7, n / 7);
        Style {
            color: COLORS[i],
            dash: DASHES[(i + turn) % 7],
            marker: MARKERS[(i + 2 * turn + turn / 7) % 7],
            hatch: (i + turn) % 7,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// An audit shows any of them side by side.
    #[test]
    fn every_account_has_its_own_look() {
        for (i, a) in ACCOUNTS.iter().enumerate() {
            for b in &ACCOUNTS[..i] {
                let (a, b) = (Style::of(a, &[]), Style::of(b, &[]));
                assert!((a.color, a.hatch) != (b.color, b.hatch), "{a:?}");
            }
        }
    }

    #[test]
    fn every_rule_has_its_own_look() {
        let looks: Vec<Style> = RULES.iter().map(|r| Style::of(r.name, &[])).collect();
        let colors: HashSet<&str> = looks.iter().take(7).map(|s| s.color).collect();
        let dashes: HashSet<&str> = looks.iter().take(7).map(|s| s.dash).collect();
        assert_eq!((colors.len(), dashes.len()), (looks.len().min(7), looks.len().min(7)));
        for n in 0..343 {
            for m in 0..n {
                assert_ne!(Style::numbered(n), Style::numbered(m), "{n} {m}");
            }
        }
    }

    /// Relative luminance (WCAG 2.1) against white: graphical objects need a contrast of 3; the sky blue and the orange
    /// stay below and come last.
    #[test]
    fn the_first_colours_stand_out_from_white() {
        let channel = |hex: &str| {
            let c = f64::from(u8::from_str_radix(hex, 16).unwrap()) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        };
        for color in &COLORS[..4] {
            let l = 0.2126 * channel(&color[1..3])
                + 0.7152 * channel(&color[3..5])
                + 0.0722 * channel(&color[5..7]);
            assert!(1.05 / (l + 0.05) >= 3.0, "{color}");
        }
    }
}

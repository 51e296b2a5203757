//! Nearest known names for helpful errors, by edit distance with transpositions counted once (optimal string alignment,
//! Damerau 1964).

/// `did you mean "x"? known: a, b, c` for a name that is none of `known`.
pub fn suggest(name: &str, known: &[&str]) -> String {
    let list = known.join(", ");
    match nearest(name, known) {
        Some(best) => format!("did you mean \"{best}\"? known: {list}"),
        None => format!("known: {list}"),
    }
}

/// The known name at the smallest distance, if that is close enough to be a slip of the fingers.
fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let name = name.to_lowercase();
    let (distance, best) = known.iter().map(|k| (distance(&name, k), *k)).min()?;
    (distance <= 1 + best.len() / 3).then_some(best)
}

fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut d = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            if i == 0 || j == 0 {
                d[i][j] = i + j;
                continue;
            }
            let replaced = d[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            d[i][j] = replaced.min(d[i - 1][j] + 1).min(d[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                d[i][j] = d[i][j].min(d[i - 2][j - 2] + 1);
            }
        }
    }
    d[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_of_textbook_pairs() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("sing_fa", "sign_fa"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("mnist", "mnist"), 0);
    }

    #[test]
    fn a_slip_is_recognised_and_nonsense_is_not() {
        assert!(suggest("mnits", &["digits", "mnist"]).starts_with("did you mean \"mnist\"?"));
        assert_eq!(suggest("qqqqqqqq", &["digits", "mnist"]), "known: digits, mnist");
        assert_eq!(suggest("xy", &["bp", "fa"]), "known: bp, fa");
    }
}

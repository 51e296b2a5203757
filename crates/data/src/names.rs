//! Nearest known names by edit distance (Levenshtein 1966), for helpful errors.

/// `did you mean "x"? known: a, b, c` for a name that is none of `known`.
pub(crate) fn suggest(name: &str, known: &[&str]) -> String {
    let list = known.join(", ");
    match nearest(name, known) {
        Some(best) => format!("did you mean \"{best}\"? known: {list}"),
        None => format!("known: {list}"),
    }
}

/// The known name at the smallest distance, if that is close enough to be a slip of the fingers.
fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let name = name.to_lowercase();
    let (distance, best) = known.iter().map(|k| (distance(&name, k), *k)).min_by_key(|(d, _)| *d)?;
    (distance <= 2.max(best.len() / 3)).then_some(best)
}

fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let cost = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = cost.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_of_textbook_pairs() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("mnist", "mnist"), 0);
    }

    #[test]
    fn a_slip_is_recognised_and_nonsense_is_not() {
        assert!(suggest("mnits", &["digits", "mnist"]).starts_with("did you mean \"mnist\"?"));
        assert_eq!(suggest("qqqqqqqq", &["digits", "mnist"]), "known: digits, mnist");
    }
}

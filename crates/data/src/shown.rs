//! Names that come from outside (files, folders, classes, members of archives) as a terminal may show them.

use std::borrow::Cow;
use std::path::Path;

/// `text` with every character that a terminal would obey or hide written as an escape: control characters (`\n`, `\u{1b}`) and
/// those that turn the direction of writing or take no room (`\u{202e}`). Everything else stays as it is.
pub fn shown(text: &str) -> Cow<'_, str> {
    if text.chars().any(unseen) { Cow::Owned(escaped(text, &[])) } else { Cow::Borrowed(text) }
}

/// [`shown`] for text of several lines: line breaks and tabs stay.
pub fn shown_lines(text: &str) -> Cow<'_, str> {
    let kept = ['\n', '\t'];
    let bad = |c: char| unseen(c) && !kept.contains(&c);
    if text.chars().any(bad) { Cow::Owned(escaped(text, &kept)) } else { Cow::Borrowed(text) }
}

/// A path, [`shown`].
pub fn shown_path(path: &Path) -> String {
    shown(&path.to_string_lossy()).into_owned()
}

fn escaped(text: &str, kept: &[char]) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if unseen(c) && !kept.contains(&c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

/// Control characters (C0, DEL, C1), line and paragraph separators, marks of direction, and characters without width.
fn unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_written_out() {
        for (text, expected) in [
            ("cat", "cat"),
            ("größe 猫 c\\d \"q\"", "größe 猫 c\\d \"q\""),
            ("\u{1b}[31mred\u{7}", "\\u{1b}[31mred\\u{7}"),
            ("a\nb\tc\r", "a\\nb\\tc\\r"),
            ("\u{7f}\u{9b}2J", "\\u{7f}\\u{9b}2J"),
            ("gpj.\u{202e}exe", "gpj.\\u{202e}exe"),
            // The neighbours of what is escaped.
            ("\u{20}\u{7e}\u{a0}\u{2027}\u{202f}", "\u{20}\u{7e}\u{a0}\u{2027}\u{202f}"),
        ] {
            assert_eq!(shown(text), expected);
        }
        assert_eq!(shown_lines("a\n\tb\u{1b}c\r\n"), "a\n\tb\\u{1b}c\\r\n");
        assert_eq!(shown_path(Path::new("a/\u{1b}b")), "a/\\u{1b}b");
    }
}

//! Everything that is printed goes through here: a reader that went away (`realign rules | head -1`) ends the program
//! quietly instead of with a panic, and no name of a file or class reaches the terminal as a command to it
//! ([`shown_lines`]).

pub(crate) mod table;

use realign_data::{shown, shown_lines};
use serde::Serialize;
use std::borrow::Cow;
use std::io::{ErrorKind, IsTerminal, Write};

/// Writes to stdout.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    write(&shown_lines(text))
}

fn write(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        Err(e) => Err(anyhow::Error::new(e).context("cannot write to standard output")),
        Ok(()) => Ok(()),
    }
}

/// Writes one JSON value and a line break to stdout.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    write(&(escaped(&serde_json::to_string_pretty(value)?) + "\n"))
}

/// The same in one line.
pub(crate) fn json_line(value: &impl Serialize) -> anyhow::Result<()> {
    write(&(escaped(&serde_json::to_string(value)?) + "\n"))
}

/// JSON without the characters that it allows in strings but a terminal obeys or hides: DEL, C1, marks of direction. All of them have four digits.
fn escaped(json: &str) -> String {
    let obeyed = |c: char| c != '\n' && matches!(shown(c.encode_utf8(&mut [0; 4])), Cow::Owned(_));
    if !json.contains(obeyed) {
        return json.to_owned();
    }
    json.chars().map(|c| if obeyed(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() }).collect()
}

/// Writes a line to stderr; a reader that went away is no reason to stop.
pub(crate) fn note(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", shown_lines(line));
}

/// `error: ...` with its causes, each once: libraries often repeat the cause in their own message.
pub(crate) fn complain(error: &anyhow::Error) {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text += &format!(": {cause}");
        }
    }
    note(&format!("error: {text}"));
}

/// Rows as left-aligned columns; the last one is not padded, and on a screen goes on below its beginning. For other programs a row is a line.
pub(crate) fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let told = std::env::var_os("COLUMNS").is_some() || std::io::stdout().is_terminal();
    columns_within(rows, told.then(table::width))
}

fn columns_within<const N: usize>(rows: &[[String; N]], room: Option<usize>) -> String {
    let mut widths = [0; N];
    for row in rows {
        row.iter().zip(&mut widths).for_each(|(cell, w)| *w = (*w).max(cell.chars().count()));
    }
    let line = |row: &[String; N]| {
        let padded =
            row.iter().zip(widths).map(|(cell, w)| format!("{cell:w$}")).collect::<Vec<_>>().join("  ");
        let text = padded.trim_end();
        match room {
            Some(room) if text.chars().count() > room => {
                table::hang(text, widths.iter().take(N - 1).map(|w| w + 2).sum(), room)
            }
            _ => format!("{text}\n"),
        }
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same text for every reader of JSON, and nothing that a terminal obeys.
    #[test]
    fn json_keeps_its_meaning_without_control_characters() {
        let text = "a\u{1b}\u{7f}\u{9b}\u{202e}b";
        let json = escaped(&serde_json::to_string(text).unwrap());
        assert!(json.chars().all(|c| !c.is_control() && c != '\u{202e}'), "{json}");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }

    #[test]
    fn columns_line_up() {
        let rows = [["a".into(), "x".into()], ["ηηη".into(), "y".to_string()]];
        assert_eq!(columns_within(&rows, None), "a    x\nηηη  y\n");
    }

    /// 30 signs hold the first line as it is, 29 do not; where the last column begins too far right, its words go below.
    #[test]
    fn the_last_column_goes_on_below_its_beginning() {
        let rows = [["name".to_string(), "some words that say what".into()]];
        let whole = "name  some words that say what\n";
        assert_eq!(columns_within(&rows, Some(30)), whole);
        assert_eq!(columns_within(&rows, Some(29)), "name  some words that say\n      what\n");
        let far = [["a-long-name".to_string(), "some words".into()]];
        assert_eq!(columns_within(&far, Some(20)), "a-long-name\n    some words\n");
    }
}

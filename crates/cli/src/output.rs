//! Everything that is printed goes through here: a reader that went away (`realign rules | head -1`) ends the program
//! quietly instead of with a panic, and no name of a file or class reaches the terminal as a command to it
//! ([`shown_lines`]).

pub(crate) mod table;

use realign_data::shown_lines;
use serde::Serialize;
use std::io::{ErrorKind, Write};

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

/// JSON without the control characters that it allows in strings (DEL and C1) but a terminal obeys.
fn escaped(json: &str) -> String {
    let one = |c: char| match c {
        '\u{7f}'..='\u{9f}' => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    };
    if json.contains(|c: char| ('\u{7f}'..='\u{9f}').contains(&c)) {
        json.chars().map(one).collect()
    } else {
        json.to_owned()
    }
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

/// Rows as left-aligned columns; the last one is not padded.
pub(crate) fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        row.iter().zip(&mut widths).for_each(|(cell, w)| *w = (*w).max(cell.chars().count()));
    }
    let line = |row: &[String; N]| {
        let padded =
            row.iter().zip(widths).map(|(cell, w)| format!("{cell:w$}")).collect::<Vec<_>>().join("  ");
        format!("{}\n", padded.trim_end())
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same text for every reader of JSON, and nothing that a terminal obeys.
    #[test]
    fn json_keeps_its_meaning_without_control_characters() {
        let text = "a\u{1b}\u{7f}\u{9b}b";
        let json = escaped(&serde_json::to_string(text).unwrap());
        assert!(json.chars().all(|c| !c.is_control()), "{json}");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }

    #[test]
    fn columns_line_up() {
        let rows = [["a".into(), "x".into()], ["ηηη".into(), "y".to_string()]];
        assert_eq!(columns(&rows), "a    x\nηηη  y\n");
    }
}

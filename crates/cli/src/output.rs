//! Everything that is printed goes through here: a reader that went away (`realign rules | head -1`) ends the program
//! quietly instead of with a panic.

pub(crate) mod table;

use serde::Serialize;
use std::io::{ErrorKind, Write};

/// Writes to stdout.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        Err(e) => Err(anyhow::Error::new(e).context("cannot write to standard output")),
        Ok(()) => Ok(()),
    }
}

/// Writes one JSON value and a line break to stdout.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    print(&(serde_json::to_string_pretty(value)? + "\n"))
}

/// Writes a line to stderr; a reader that went away is no reason to stop.
pub(crate) fn note(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
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

    #[test]
    fn columns_line_up() {
        let rows = [["a".into(), "x".into()], ["ηηη".into(), "y".to_string()]];
        assert_eq!(columns(&rows), "a    x\nηηη  y\n");
    }
}

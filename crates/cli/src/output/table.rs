//! Tables that fit the screen. Where the columns do not all fit side by side, the less needed ones go to lines of their own below their row; nothing is
//! cut off and no column is left out.

use std::fmt::Write;

/// Space between two columns.
const GAP: usize = 2;
/// Where the lines below a row begin.
const INDENT: usize = 4;
/// Without a terminal that tells, and at least.
const USUAL: usize = 80;
const LEAST: usize = 20;

/// A head, and what becomes of its column where there is no room.
pub(crate) struct Column {
    head: &'static str,
    right: bool,
    rank: u8,
}

impl Column {
    /// Words. Of the columns that do not fit, those of the highest rank go below their rows first, of these the widest. The first column always stays.
    pub(crate) fn words(head: &'static str, rank: u8) -> Column {
        Column { head, right: false, rank }
    }

    /// Numbers, flush right.
    pub(crate) fn number(head: &'static str, rank: u8) -> Column {
        Column { head, right: true, rank }
    }
}

/// Signs in a line: what `COLUMNS` says, or the terminal, else 80.
pub(crate) fn width() -> usize {
    let told = std::env::var("COLUMNS").ok().and_then(|w| w.trim().parse().ok());
    let terminal = || comfy_table::Table::new().width().map(usize::from);
    told.or_else(terminal).filter(|w| *w > 0).unwrap_or(USUAL).max(LEAST)
}

/// The table in lines of at most `room` signs. Heads are left out if all are empty; so are cells without a value in the lines below a row.
///
/// # Panics
/// If a row has more or fewer cells than there are columns.
#[track_caller]
pub(crate) fn table(columns: &[Column], rows: &[Vec<String>], room: usize) -> String {
    assert!(rows.iter().all(|r| r.len() == columns.len()), "a cell for each column");
    let widths: Vec<usize> = (0..columns.len())
        .map(|c| rows.iter().map(|r| length(&r[c])).chain([length(columns[c].head)]).max().unwrap_or(0))
        .collect();
    let beside = beside(columns, &widths, room);
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut out = String::new();
        for (c, cell) in beside.iter().zip(cells) {
            let (pad, gap) = (" ".repeat(widths[*c] - length(cell)), if *c == beside[0] { 0 } else { GAP });
            let (before, after) = if columns[*c].right { (&*pad, "") } else { ("", &*pad) };
            let _ = write!(out, "{}{before}{cell}{after}", " ".repeat(gap));
        }
        // A first column wider than the screen.
        let out = out.trim_end();
        if length(out) > room { wrapped([out], 0, room) } else { format!("{out}\n") }
    };
    let mut text = String::new();
    if columns.iter().any(|c| !c.head.is_empty()) {
        text += &line(&mut beside.iter().map(|c| columns[*c].head));
        let total = beside.iter().map(|c| widths[*c] + GAP).sum::<usize>() - GAP;
        text += &format!("{}\n", "─".repeat(total.min(room)));
    }
    for row in rows {
        text += &line(&mut beside.iter().map(|c| row[*c].as_str()));
        let below = (0..columns.len()).filter(|c| !beside.contains(c) && !["", "-"].contains(&&*row[*c]));
        let told: Vec<String> =
            below.map(|c| format!("{} {}", columns[c].head, row[c]).trim().to_owned()).collect();
        text += &wrapped(told.join("; ").split(' ').filter(|w| !w.is_empty()), INDENT, room);
    }
    text
}

/// Columns that stand side by side.
fn beside(columns: &[Column], widths: &[usize], room: usize) -> Vec<usize> {
    let mut beside: Vec<usize> = (0..columns.len()).collect();
    while beside.iter().map(|c| widths[*c] + GAP).sum::<usize>() > room + GAP && beside.len() > 1 {
        let least = beside[1..].iter().copied().max_by_key(|c| (columns[*c].rank, widths[*c], *c));
        beside.retain(|c| Some(*c) != least);
    }
    beside
}

/// A name and its value per line; a long value goes on below its beginning. A single word longer than the line, as of a path, stays whole, so that it
/// can be copied.
pub(crate) fn pairs(rows: &[[String; 2]], room: usize) -> String {
    let name = rows.iter().map(|[name, _]| length(name)).max().unwrap_or(0) + GAP;
    let mut text = String::new();
    for [head, value] in rows {
        let mut line = format!("{head:name$}");
        for word in value.split(' ') {
            if length(&line) > name && length(&line) + length(word) > room {
                text += &format!("{}\n", line.trim_end());
                line = " ".repeat(name);
            }
            line += word;
            line.push(' ');
        }
        text += &format!("{}\n", line.trim_end());
    }
    text
}

/// A sentence below a table, in lines.
pub(crate) fn prose(text: &str, room: usize) -> String {
    wrapped(text.split(' '), 0, room)
}

/// A line whose last column begins at `start`, in lines of at most `room` signs: its words go on below their beginning, or all below the line where that is too
/// far right.
pub(super) fn hang(line: &str, start: usize, room: usize) -> String {
    let before: String = line.chars().take(start).collect();
    let words = line[before.len()..].split(' ').filter(|w| !w.is_empty());
    if start + LEAST <= room {
        return before + wrapped(words, start, room).trim_start();
    }
    let head = before.split(' ').filter(|w| !w.is_empty());
    wrapped(head, 0, room) + &wrapped(words, INDENT, room)
}

/// Words in lines that begin with `indent` spaces; a longer word is broken. Ends in a line break unless there are no words.
fn wrapped<'a>(words: impl IntoIterator<Item = &'a str>, indent: usize, room: usize) -> String {
    let (mut text, mut used) = (String::new(), 0);
    let fits = room - indent;
    for word in words {
        let mut rest: Vec<char> = word.chars().collect();
        if used > 0 && used + 1 + rest.len() <= fits {
            text.push(' ');
            used += 1;
        } else {
            text += if used > 0 { "\n" } else { "" };
            text += &" ".repeat(indent);
            used = 0;
        }
        while used + rest.len() > fits {
            text.extend(rest.drain(..fits - used));
            text += &format!("\n{}", " ".repeat(indent));
            used = 0;
        }
        used += rest.len();
        text.extend(rest);
    }
    if text.is_empty() { text } else { text + "\n" }
}

fn length(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(row: &[&str]) -> Vec<String> {
        row.iter().map(|c| (*c).to_owned()).collect()
    }

    fn columns() -> Vec<Column> {
        vec![
            Column::words("rule", 0),
            Column::words("setting", 3),
            Column::number("loss", 1),
            Column::words("run", 4),
        ]
    }

    /// rule 4 + setting 9 + loss 6 + run 8, three gaps of 2: 33 signs. At 32 the run goes below, at 22 (4 + 9 + 6 + 4 = 23) the setting too.
    #[test]
    fn what_does_not_fit_goes_below_its_row() {
        let rows =
            [cells(&["fa", "lr=0.1", "2.3000", "tiny-abc"]), cells(&["bp", "lr=0.0001", "0.1", "t-0"])];
        let at = |room| table(&columns(), &rows, room);
        assert_eq!(
            at(33),
            "rule  setting      loss  run\n─────────────────────────────────\nfa    lr=0.1     2.3000  tiny-abc\nbp    lr=0.0001     0.1  t-0\n"
        );
        assert_eq!(at(32).lines().nth(2).unwrap(), "fa    lr=0.1     2.3000");
        assert_eq!(at(32).lines().nth(3).unwrap(), "    run tiny-abc");
        assert!(at(23).contains("setting") && at(23).starts_with("rule  setting"));
        assert_eq!(
            at(22),
            "rule    loss\n────────────\nfa    2.3000\n    setting lr=0.1;\n    run tiny-abc\nbp       0.1\n    setting lr=0.0001;\n    run t-0\n"
        );
    }

    #[test]
    fn no_line_is_wider_than_the_screen_and_nothing_is_lost() {
        let long = "x".repeat(245);
        let rows = [cells(&["fa", &long, "1e31", &format!("{long}-abc")]), cells(&[&long, "é=ü", "", ""])];
        for room in [20, 40, 80, 200] {
            let text = table(&columns(), &rows, room);
            assert!(text.lines().all(|l| l.chars().count() <= room), "{text}");
            assert_eq!(text.matches('x').count(), 3 * 245);
        }
    }

    #[test]
    fn a_long_value_goes_on_below_its_beginning_and_a_path_stays_whole() {
        let rows = [["run".to_owned(), "p".repeat(30)], ["angles".into(), "10.0 / 20.0 / 30.0".into()]];
        let text = pairs(&rows, 20);
        assert_eq!(text, format!("run     {}\nangles  10.0 / 20.0\n        / 30.0\n", "p".repeat(30)));
    }
}

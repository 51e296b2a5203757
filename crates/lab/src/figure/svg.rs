//! Writes SVG elements: attributes escaped, numbers short.

use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Where text stands relative to its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// An SVG document being written.
pub(super) struct Svg {
    out: String,
    chars: BTreeSet<char>,
    open: Vec<&'static str>,
}

/// A number with at most two decimals: a hundredth of a pixel.
pub(super) fn px(v: f64) -> String {
    let text = format!("{v:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".into() } else { text.into() }
}

/// `x,y x,y ...`
pub(super) fn points(points: &[(f64, f64)]) -> String {
    let pairs: Vec<String> = points.iter().map(|(x, y)| format!("{},{}", px(*x), px(*y))).collect();
    pairs.join(" ")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

impl Svg {
    pub(super) fn new() -> Svg {
        Svg { out: String::new(), chars: BTreeSet::new(), open: Vec::new() }
    }

    /// An element without content.
    pub(super) fn tag(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.start(name, attributes);
        self.out.push_str("/>\n");
    }

    /// Begins an element with content.
    pub(super) fn open(&mut self, name: &'static str, attributes: &[(&str, &str)]) {
        self.start(name, attributes);
        self.out.push_str(">\n");
        self.open.push(name);
    }

    /// Ends the element begun last.
    pub(super) fn close(&mut self) {
        let name = self.open.pop().expect("as many ends as beginnings");
        let _ = writeln!(self.out, "</{name}>");
    }

    /// An element with text as its content.
    pub(super) fn leaf(&mut self, name: &str, attributes: &[(&str, &str)], text: &str) {
        self.start(name, attributes);
        let _ = writeln!(self.out, ">{}</{name}>", escape(text));
    }

    /// A line of text with its baseline at (x, y), turned by `turn` degrees.
    pub(super) fn text(&mut self, (x, y): (f64, f64), size: f64, anchor: Anchor, turn: f64, text: &str) {
        self.chars.extend(text.chars());
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let (x, y, size) = (px(x), px(y), px(size));
        let turn = format!("rotate({} {x} {y})", px(turn));
        let mut attributes = vec![("x", &*x), ("y", &*y), ("font-size", &*size), ("text-anchor", anchor)];
        if turn != format!("rotate(0 {x} {y})") {
            attributes.push(("transform", &*turn));
        }
        self.leaf("text", &attributes, text);
    }

    fn start(&mut self, name: &str, attributes: &[(&str, &str)]) {
        let _ = write!(self.out, "<{name}");
        for (key, value) in attributes {
            let _ = write!(self.out, " {key}=\"{}\"", escape(value));
        }
    }

    /// The document and the characters it shows.
    pub(super) fn finish(self) -> (String, BTreeSet<char>) {
        assert!(self.open.is_empty(), "elements left open: {:?}", self.open);
        (self.out, self.chars)
    }
}

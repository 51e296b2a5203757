//! LaTeX: `booktabs` rules, everything that LaTeX would read otherwise escaped.

use super::{Shown, Table};

/// Signs of the field that `pdflatex` does not know, in mathematics. Others than these and ASCII stay as they are.
const SIGNS: [(char, &str); 44] = [
    ('±', "\\pm"),
    ('−', "-"),
    ('×', "\\times"),
    ('·', "\\cdot"),
    ('≤', "\\le"),
    ('≥', "\\ge"),
    ('≈', "\\approx"),
    ('∞', "\\infty"),
    ('→', "\\to"),
    ('∠', "\\angle"),
    ('‖', "\\|"),
    ('⟨', "\\langle"),
    ('⟩', "\\rangle"),
    ('°', "^{\\circ}"),
    ('ᵀ', "^{\\top}"),
    ('Δ', "\\Delta"),
    ('Σ', "\\Sigma"),
    ('Φ', "\\Phi"),
    ('α', "\\alpha"),
    ('β', "\\beta"),
    ('γ', "\\gamma"),
    ('δ', "\\delta"),
    ('ε', "\\varepsilon"),
    ('η', "\\eta"),
    ('θ', "\\theta"),
    ('κ', "\\kappa"),
    ('λ', "\\lambda"),
    ('μ', "\\mu"),
    ('ρ', "\\rho"),
    ('σ', "\\sigma"),
    ('τ', "\\tau"),
    ('φ', "\\varphi"),
    ('⁻', "^{-}"),
    ('⁰', "^{0}"),
    ('¹', "^{1}"),
    ('²', "^{2}"),
    ('³', "^{3}"),
    ('⁴', "^{4}"),
    ('⁵', "^{5}"),
    ('⁶', "^{6}"),
    ('⁷', "^{7}"),
    ('⁸', "^{8}"),
    ('⁹', "^{9}"),
    ('₀', "_{0}"),
];

/// Text as LaTeX source.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => out.extend(['\\', c]),
            '\\' => out.push_str("\\textbackslash{}"),
            '~' => out.push_str("\\textasciitilde{}"),
            '^' => out.push_str("\\textasciicircum{}"),
            '<' => out.push_str("\\textless{}"),
            '>' => out.push_str("\\textgreater{}"),
            '–' => out.push_str("--"),
            '\n' => out.push(' '),
            c => match SIGNS.iter().find(|(sign, _)| *sign == c) {
                Some((_, math)) => out.push_str(&format!("${math}$")),
                None => out.push(c),
            },
        }
    }
    // Two powers in a row would otherwise be two formulas: 10$^{-}$$^{3}$.
    out.replace("}$$^{", "").replace("}$$_{", "")
}

impl Table {
    /// A `table` float for a document that loads `booktabs`.
    pub fn latex(&self) -> String {
        let shown = self.shown();
        let words = |c: usize| shown.iter().any(|row| row[c].words);
        let align: String = (0..self.columns.len()).map(|c| if words(c) { 'l' } else { 'r' }).collect();
        let line = |cells: Vec<String>| format!("{} \\\\\n", cells.join(" & "));
        let bold = |s: &Shown| {
            if s.bold { format!("\\textbf{{{}}}", escape(&s.text)) } else { escape(&s.text) }
        };
        let mut out = String::from("\\begin{table}\n\\centering\n");
        if !self.caption.is_empty() {
            out.push_str(&format!("\\caption{{{}}}\n", escape(&self.caption)));
        }
        out.push_str(&format!("\\begin{{tabular}}{{{align}}}\n\\toprule\n"));
        out.push_str(&line(self.columns.iter().map(|c| escape(&c.name)).collect()));
        out.push_str("\\midrule\n");
        for row in &shown {
            out.push_str(&line(row.iter().map(bold).collect()));
        }
        out.push_str("\\bottomrule\n\\end{tabular}\n\\end{table}\n");
        out
    }
}

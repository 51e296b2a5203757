//! `report.html`: the template filled in.

use super::{Judged, Report, Verdict};
use crate::figure::{self, Figure, FigureError};
use crate::table::Table;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::Environment;
use minijinja::value::Serde;
use serde::Serialize;

#[derive(Serialize)]
struct Drawn {
    stem: String,
    title: String,
    caption: String,
    svg: String,
    json: String,
    csv: String,
}

#[derive(Serialize)]
struct Tabled {
    stem: String,
    caption: String,
    head: Vec<String>,
    rows: Vec<Vec<String>>,
    csv: String,
}

#[derive(Serialize)]
struct Part<'a> {
    id: &'a str,
    title: &'a str,
    text: &'a [String],
    commands: &'a [String],
    figures: Vec<Drawn>,
    tables: Vec<Tabled>,
}

#[derive(Serialize)]
struct Row<'a> {
    claim: &'a Judged,
    word: &'static str,
    class: &'static str,
    measured: String,
    interval: String,
    n: String,
}

/// What the template is filled with.
#[derive(Serialize)]
struct Page<'a> {
    css: &'static str,
    js: &'static str,
    version: &'static str,
    report: &'a Report,
    parts: Vec<Part<'a>>,
    claims: Vec<Row<'a>>,
    verdicts: [(&'static str, usize); 4],
    claims_csv: String,
}

fn data_uri(kind: &str, text: &str) -> String {
    format!("data:{kind};charset=utf-8;base64,{}", STANDARD.encode(text))
}

fn drawn(stem: &str, figure: &Figure) -> Result<Drawn, FigureError> {
    let json = serde_json::to_string(figure).expect("a figure is plain data");
    Ok(Drawn {
        stem: stem.to_owned(),
        title: figure.title.clone(),
        caption: figure.caption.clone(),
        svg: figure::svg(figure)?,
        // "</" would end the element that holds it.
        json: json.replace("</", "<\\/"),
        csv: data_uri("text/csv", &figure::csv(figure)?),
    })
}

fn tabled(stem: &str, table: &Table) -> Tabled {
    let (head, rows) = table.cells();
    let csv = data_uri("text/csv", &table.csv());
    Tabled { stem: stem.to_owned(), caption: table.caption.clone(), head, rows, csv }
}

/// A number with about three digits.
fn short(v: f64) -> String {
    let a = v.abs();
    let text = match a {
        0.0 => "0".into(),
        _ if !(1e-3..1e5).contains(&a) => format!("{v:.2e}"),
        _ => {
            let digits = (2 - a.log10().floor() as i32).max(0) as usize;
            format!("{v:.digits$}")
        }
    };
    text.replace('-', "−")
}

fn row(claim: &Judged) -> Row<'_> {
    let e = claim.measured;
    let class = match claim.verdict {
        Verdict::Supported => "yes",
        Verdict::NotSupported => "no",
        Verdict::Inconclusive => "open",
        Verdict::NotRun => "none",
    };
    Row {
        claim,
        word: claim.verdict.word(),
        class,
        measured: e.and_then(|e| e.mean).map_or("–".into(), short),
        interval: e
            .and_then(|e| e.interval)
            .map_or("–".into(), |(a, b)| format!("{} to {}", short(a), short(b))),
        n: e.map_or("–".into(), |e| match e.missing {
            0 => e.n.to_string(),
            m => format!("{} ({m} missing)", e.n),
        }),
    }
}

/// The whole page.
pub(super) fn html(report: &Report) -> Result<String, FigureError> {
    let mut parts = Vec::new();
    for s in &report.sections {
        let figures = s.figures.iter().map(|(stem, f)| drawn(stem, f)).collect::<Result<_, _>>()?;
        let tables = s.tables.iter().map(|(stem, t)| tabled(stem, t)).collect();
        let (text, commands) = (&s.text[..], &s.commands[..]);
        parts.push(Part { id: &s.id, title: &s.title, text, commands, figures, tables });
    }
    let verdicts = [Verdict::Supported, Verdict::NotSupported, Verdict::Inconclusive, Verdict::NotRun]
        .map(|v| (v.word(), report.with(v)));
    let claims: Vec<Row<'_>> = report.claims.iter().map(row).collect();
    let mut environment = Environment::new();
    environment.add_template("page.html", include_str!("page.html")).expect("the page is a template");
    let template = environment.get_template("page.html").expect("just added");
    let claims_csv = data_uri("text/csv", &report.claims_csv());
    let page = template.render(Serde(Page {
        css: include_str!("page.css"),
        js: include_str!("page.js"),
        version: env!("CARGO_PKG_VERSION"),
        report,
        parts,
        claims,
        verdicts,
        claims_csv,
    }));
    Ok(page.expect("the template fits its data"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let pairs = [(0.0, "0"), (1.0, "1.00"), (0.01234, "0.0123"), (-123.4, "−123"), (1.2e-9, "1.20e−9")];
        for (v, text) in pairs {
            assert_eq!(short(v), text);
        }
    }
}

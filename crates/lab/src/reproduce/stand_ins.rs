//! What was made from stand-in data says so wherever it is shown: in the title of a section and of a figure, in captions (so in Markdown and LaTeX), in a
//! column of every CSV, and in the statement of a claim.

use super::{Experiment, Supply};
use crate::figure::Figure;
use crate::report::{Judged, Section};
use crate::table::{Cell, Column, Table};

/// Begins every such remark.
const WORDS: &str = "STAND-IN DATA";

impl Experiment {
    /// What has to be said of everything that comes from its runs; `None` if they use the data sets that they ask for.
    pub(super) fn remark(&self, supply: &Supply) -> Option<String> {
        let mut parts: Vec<String> = Vec::new();
        for source in self.parts.iter().filter_map(|p| p.source).filter(|s| !supply.has(s)) {
            let part = format!("{}, not {}", source.stand_in_words, source.words);
            if !parts.contains(&part) {
                parts.push(part);
            }
        }
        (!parts.is_empty()).then(|| format!("{WORDS}: {}", parts.join("; ")))
    }
}

/// Puts the remark on a section and all that it shows.
pub(super) fn mark(section: &mut Section, remark: &str) {
    section.title = format!("{} ({remark})", section.title);
    section.figures.iter_mut().for_each(|(_, f)| figure(f, remark));
    section.tables.iter_mut().for_each(|(_, t)| table(t, remark));
}

fn figure(figure: &mut Figure, remark: &str) {
    figure.title = format!("{remark}. {}", figure.title);
    figure.caption = format!("{remark}. {}", figure.caption);
    figure.remark = remark.to_owned();
}

fn table(table: &mut Table, remark: &str) {
    table.caption = format!("{remark}. {}", table.caption);
    table.columns.push(Column::new("remark"));
    table.rows.iter_mut().for_each(|row| row.push(Cell::from(remark)));
}

/// Puts the remark on a claim.
pub(super) fn mark_claim(claim: &mut Judged, remark: &str) {
    claim.statement = format!("{remark}. {}", claim.statement);
}

#[cfg(test)]
mod tests {
    use super::super::{Profile, plan};
    use super::*;
    use crate::figure::{Axis, Mark, Panel, Series};

    fn remark_of(experiment: &str, here: &[&str]) -> Option<String> {
        let plan = plan(Profile::Quick, &[experiment.to_owned()], &Supply::of(here)).unwrap();
        plan.experiments[0].remark(&plan.supply)
    }

    /// By hand from the list of sources and `runs_of` of profiles.toml: Figure 7 reads runs of both sets of photographs, Table 1 those of MNIST too.
    #[test]
    fn an_experiment_names_what_its_runs_stand_in_for() {
        let glyphs = |of: &str| format!("built-in drawn glyphs, not {of}");
        let all = format!("STAND-IN DATA: {}; {}", glyphs("CIFAR-100"), glyphs("Tiny-ImageNet"));
        assert_eq!(remark_of("fig7", &["mnist"]), Some(all));
        assert_eq!(
            remark_of("fig7", &["cifar100"]).unwrap(),
            format!("STAND-IN DATA: {}", glyphs("Tiny-ImageNet"))
        );
        let table1 = format!("STAND-IN DATA: {}; built-in drawn digits, not MNIST", glyphs("CIFAR-100"));
        assert_eq!(remark_of("table1", &[]), Some(table1));
        assert_eq!(remark_of("fig7", &["cifar100", "tiny_imagenet"]), None);
        assert_eq!(remark_of("min-norm", &[]), None, "its data are made from the seed by design");
    }

    /// No way out: every text form of a marked figure and table has the words.
    #[test]
    fn every_form_carries_the_remark() {
        let series = Series::new(Mark::Line, "fa", "fa", vec![1.0, 2.0], vec![3.0, 4.0]);
        let panel =
            Panel { x: Axis::new("x", ""), y: Axis::new("y", ""), series: vec![series], ..Panel::default() };
        let drawn = Figure { title: "Accuracy".into(), panels: vec![panel], ..Figure::default() };
        let told = Table {
            caption: "Accuracy.".into(),
            columns: vec![Column::new("rule"), Column::new("n = 2")],
            rows: vec![vec!["fa".into(), 0.5.into()], vec!["bp".into(), 0.75.into()]],
        };
        let (figures, tables) = (vec![("f".to_owned(), drawn)], vec![("t".to_owned(), told)]);
        let mut section = Section { title: "Table 2".into(), figures, tables, ..Section::default() };
        mark(&mut section, "STAND-IN DATA: built-in drawn glyphs, not CIFAR-100");
        let (figure, table) = (&section.figures[0].1, &section.tables[0].1);
        let svg = crate::figure::svg(figure).unwrap();
        // The drawn title, not only the description that no viewer shows.
        let shown: String =
            svg.split("<text ").skip(1).map(|t| t.split(['>', '<']).nth(1).unwrap()).collect();
        assert!(shown.contains("STAND-IN DATA"), "{shown}");
        for csv in [crate::figure::csv(figure).unwrap(), table.csv()] {
            assert!(csv.lines().next().unwrap().ends_with(",remark"), "{csv}");
            assert!(
                csv.lines()
                    .skip(1)
                    .all(|l| l.ends_with("\"STAND-IN DATA: built-in drawn glyphs, not CIFAR-100\"")),
                "{csv}"
            );
        }
        for text in [table.markdown(), table.latex(), section.title.clone()] {
            assert!(text.contains("STAND-IN DATA: built-in drawn glyphs, not CIFAR-100"), "{text}");
        }
    }
}

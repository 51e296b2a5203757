/*!
A paper made again: which runs its experiments need, and, from the finished runs alone, figures, tables and verdicts.

The experiments, how much of them each profile runs, and the claims with their checks are data in `experiments/robertson2024/`, embedded here so that
an installed program has them. [`plan`] turns them into runs; anybody may make these ([`crate::run_all`]); [`report`] reads what is on disk. Stages
talk through run directories only: a run that is there is never made again, and a report can be made of half the runs.

Not here: training, and the look of the page ([`crate::report`]).
*/

mod analysis;
mod claims;
mod classes;
mod conv;
mod dominance;
mod fig2;
mod fig3;
mod fig4;
mod fig7;
mod known;
mod layers;
mod manifest;
mod min_norm;
mod profile;
mod sources;
mod stand_ins;
mod table1;

pub use analysis::{Found, Run};
pub(crate) use analysis::{band, words};
pub use claims::{Claim, claims};
pub use known::Known;
pub use manifest::{clash, store, stored};
pub use profile::{Experiment, Part, Plan, Profile, plan};
pub use sources::{SOURCES, Source, Supply};

use crate::LabError;
use crate::report::{Report, Section};
use std::collections::BTreeMap;
use std::path::Path;

/// Folder of the run directories below that of a reproduction.
pub const RUNS: &str = "runs";

/// A file of the paper's folder: name and text.
pub(crate) struct Embedded(pub(crate) &'static str, pub(crate) &'static str);

macro_rules! embedded {
    ($($name:literal),*) => {
        &[$(Embedded($name, include_str!(concat!("../../../../experiments/robertson2024/", $name)))),*]
    };
}

/// All files of `experiments/robertson2024`.
pub(crate) static FILES: &[Embedded] = embedded!(
    "fig2.toml",
    "fig3.toml",
    "fig4.toml",
    "fig5.toml",
    "fig6.toml",
    "table1.toml",
    "table2.toml",
    "table3.toml",
    "dominance.toml",
    "min-norm.toml",
    "profiles.toml",
    "claims.toml"
);

/// The text of an embedded file.
///
/// # Panics
/// For a name that is not in the list.
#[track_caller]
pub(crate) fn file(name: &str) -> &'static str {
    FILES.iter().find(|f| f.0 == name).unwrap_or_else(|| panic!("no embedded file {name}")).1
}

type Analyse = fn(&Experiment, &[Run]) -> Result<Found, LabError>;

/// What an analysis reads of its runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reads {
    /// Rows of the whole run, or its weights.
    Curves,
    /// Reports and last rows: a row of a table of results does as well as the run.
    Ends,
}
use Reads::{Curves, Ends};

/// Word, title, what is read, and how.
type Analysis = (&'static str, &'static str, Reads, Analyse);

/// How the runs of an experiment are read. One line per experiment.
static ANALYSES: &[Analysis] = &[
    ("fig2", "Figure 2: conservation", Curves, fig2::analyse),
    ("fig3", "Figure 3: alignment", Curves, fig3::analyse),
    ("fig4", "Figure 4: benign overfitting", Curves, fig4::analyse),
    ("fig5", "Figure 5: alignment layer by layer, CIFAR-100", Curves, layers::analyse),
    ("fig6", "Figure 6: alignment layer by layer, Tiny-ImageNet", Curves, layers::analyse),
    ("fig7", "Figure 7: alignment and accuracy", Ends, fig7::analyse),
    ("table1", "Table 1: rules and their laws", Curves, table1::analyse),
    ("table2", "Table 2: accuracy by number of classes, CIFAR-100", Ends, classes::analyse),
    ("table3", "Table 3: accuracy by number of classes, Tiny-ImageNet", Ends, classes::analyse),
    ("dominance", "Alignment dominance", Curves, dominance::analyse),
    ("min-norm", "Minimum norm", Curves, min_norm::analyse),
];

fn analysis_of(id: &str) -> &'static Analysis {
    ANALYSES.iter().find(|a| a.0 == id).expect("a known experiment")
}

/// What the runs in the folder `dir` of a reproduction say about the experiments of the plan; runs that are not there yet are counted.
///
/// # Errors
/// If a run that claims to be finished, or the table of known runs, cannot be read.
pub fn report(plan: &Plan, dir: &Path) -> Result<Report, LabError> {
    let (runs, known) = (dir.join(RUNS), Known::of(dir)?);
    let mut out = Report { title: "Robertson & Koyejo 2024, made again".into(), ..Report::default() };
    let (mut measured, mut known_runs) = (BTreeMap::new(), 0);
    let mut remarks: BTreeMap<&str, String> = BTreeMap::new();
    for experiment in &plan.experiments {
        let (_, title, reads, analyse) = analysis_of(experiment.id);
        let (loaded, told) = analysis::load(experiment, &runs, (*reads == Ends).then_some(&known))?;
        out.count(experiment.id, &loaded);
        known_runs += told;
        if told > 0 {
            out.notes.push(format!(
                "{}: {told} of {} runs were not made here; their last values are those of a table of results (known.csv), found by the hash of their spec.",
                experiment.id,
                loaded.len()
            ));
        }
        let found = analyse(experiment, &loaded)?;
        for (key, value) in found.measured {
            measured.insert(format!("{}/{key}", experiment.id), value);
        }
        let mut section = Section {
            id: experiment.id.to_owned(),
            title: (*title).to_owned(),
            text: found.text,
            commands: experiment.commands(),
            figures: found.figures,
            tables: found.tables,
        };
        if let Some(remark) = experiment.remark(&plan.supply) {
            stand_ins::mark(&mut section, &remark);
            remarks.insert(experiment.id, remark);
        }
        out.sections.push(section);
    }
    out.claims = claims().iter().map(|c| c.judge(&measured)).collect();
    for claim in &mut out.claims {
        if let Some(remark) = remarks.get(claim.experiment.as_str()) {
            stand_ins::mark_claim(claim, remark);
        }
    }
    out.describe(plan);
    if known_runs > 0 {
        out.command += " --known known.csv";
    }
    Ok(out)
}

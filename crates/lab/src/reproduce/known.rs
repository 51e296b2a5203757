/*!
Runs that are known by their last values only: rows of a sweep's `results.csv`, or of the `runs.csv` beside a published report.

The id in a row is a hash of the resolved spec, and a spec has one outcome, bit for bit, on every machine. So a row stands for the run wherever
nothing but last values is read ([`super::Reads::Ends`]). Where curves are read the run has to be made.
*/

use super::analysis::Run;
use crate::store::{RunReport, Status, Stored, files};
use crate::{RunSpec, StoreError};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The table's name in the folder of a reproduction.
const FILE: &str = "known.csv";

/// Rows by id.
#[derive(Debug, Default)]
pub struct Known(BTreeMap<String, Row>);

#[derive(Debug)]
struct Row {
    status: Status,
    /// Columns that hold a number.
    numbers: BTreeMap<String, f64>,
}

impl Known {
    /// Reads a table.
    ///
    /// # Errors
    /// If the file cannot be read, is not such a table, or has a row that does not fit its head; names the line.
    pub fn read(path: &Path) -> Result<Known, StoreError> {
        let text = std::fs::read_to_string(path).map_err(StoreError::io("read", path))?;
        let damaged = |message: String| StoreError::Damaged { path: path.to_owned(), message };
        parse(&text).map(Known).map_err(damaged)
    }

    /// The table in the folder of a reproduction; empty if there is none.
    ///
    /// # Errors
    /// As [`Known::read`].
    pub fn of(dir: &Path) -> Result<Known, StoreError> {
        let path = dir.join(FILE);
        if path.exists() { Known::read(&path) } else { Ok(Known::default()) }
    }

    /// Puts a copy of a table into the folder of a reproduction, for it and all reports made of it.
    ///
    /// # Errors
    /// If the file cannot be read or the folder cannot be written. Nobody looks whether it is such a table: [`Known::read`] does.
    pub fn keep(path: &Path, dir: &Path) -> Result<(), StoreError> {
        let text = std::fs::read(path).map_err(StoreError::io("read", path))?;
        std::fs::create_dir_all(dir).map_err(StoreError::io("make", dir))?;
        files::write(&dir.join(FILE), &text)
    }

    /// Whether the end of the run with this id is known.
    pub(super) fn has(&self, id: &str) -> bool {
        self.0.contains_key(id)
    }

    /// The run of this spec as far as it is known: its report, and the last row of each angle.
    pub(super) fn run(&self, spec: &RunSpec, dir: PathBuf) -> Option<Run> {
        let Row { status, numbers } = self.0.get(spec.id())?;
        let of = |name: &str| numbers.get(name).copied();
        let angles = |probe: &str| {
            let layers =
                numbers.keys().filter_map(|k| k.strip_prefix(probe)?.strip_prefix('.')?.parse().ok());
            let count = layers.max().map_or(0, |l: usize| l + 1);
            (0..count).map(|l| of(&format!("{probe}.{l}"))).collect::<Vec<_>>()
        };
        let report = RunReport {
            run: dir.display().to_string(),
            status: *status,
            steps: of("steps").unwrap_or(0.0) as u64,
            epochs: of("epochs").unwrap_or(f64::NAN),
            seconds: of("seconds").unwrap_or(0.0),
            train_loss: of("train_loss"),
            train_accuracy: of("train_accuracy"),
            val_accuracy: of("val_accuracy"),
            test_loss: of("test_loss"),
            test_accuracy: of("test_accuracy"),
            weight_angle: angles("weight_angle"),
            update_angle: angles("update_angle"),
        };
        // Over all weights: the probe's own column, called `angle` before columns carried their probe.
        let rows = last_rows(&report, of("update_angle.angle").or(of("angle")));
        Some(Run { spec: spec.clone(), dir, status: Some(*status), report: Some(report), rows, damage: None })
    }
}

/// Last row of each angle: of W and B by layer, of the update by layer and over all weights.
fn last_rows(report: &RunReport, whole: Option<f64>) -> Vec<Stored> {
    let row = |probe: &str, layer: Option<usize>, value: f64| Stored {
        step: report.steps,
        epoch: report.epochs,
        probe: probe.into(),
        name: "angle".into(),
        split: None,
        layer,
        unit: None,
        value: Some(value),
    };
    let layers = |probe: &'static str, angles: &[Option<f64>]| -> Vec<Stored> {
        angles.iter().enumerate().filter_map(|(l, a)| Some(row(probe, Some(l), (*a)?))).collect()
    };
    let mut rows = layers("weight_angle", &report.weight_angle);
    rows.extend(layers("update_angle", &report.update_angle));
    rows.extend(whole.map(|a| row("update_angle", None, a)));
    rows
}

fn parse(text: &str) -> Result<BTreeMap<String, Row>, String> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let head = reader.headers().map_err(|e| e.to_string())?.clone();
    let column = |name: &str| {
        head.iter()
            .position(|h| h == name)
            .ok_or(format!("no column \"{name}\"; expected the results.csv of a sweep"))
    };
    let (id, status) = (column("id")?, column("status")?);
    column("test_accuracy")?;
    let mut out = BTreeMap::new();
    for record in reader.records() {
        let record = record.map_err(|e| e.to_string())?;
        let line = record.position().map_or(0, csv::Position::line);
        let status = Status::parse(&record[status])
            .ok_or_else(|| format!("line {line}: unknown status \"{}\"", &record[status]))?;
        if !status.is_final() {
            continue;
        }
        let number = |(name, cell): (&str, &str)| Some((name.to_owned(), cell.parse().ok()?));
        let numbers = head.iter().zip(&record).filter_map(number).collect();
        if out.insert(record[id].to_owned(), Row { status, numbers }).is_some() {
            return Err(format!("line {line}: run {} for the second time", &record[id]));
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::super::analysis::Run;
    use super::super::conv::tests::spec;
    use super::super::conv::{End, outcomes};
    use super::super::{Profile, Supply, plan};
    use super::*;

    #[test]
    fn a_row_stands_for_the_end_of_its_run() {
        let (fa, other) = (spec("fa", 5, 0, 1), spec("fa", 5, 0, 2));
        let text = format!(
            "id,status,steps,test_accuracy,weight_angle.0,weight_angle.1,update_angle.0,angle\n{},done,7,0.6,,60,10,80\n\
             {},failed,,,,,,\n",
            fa.id(),
            other.id()
        );
        let known = Known(parse(&text).unwrap());
        assert!(known.has(fa.id()) && !known.has(other.id()), "only what has ended counts");
        let runs: Vec<Run> = vec![known.run(&fa, PathBuf::new()).unwrap()];
        let all = outcomes(&runs);
        assert_eq!(all[0].accuracy, 0.6);
        assert!(
            (all[0].weight_at(End::Last) - 0.5).abs() < 1e-12,
            "cos 60°, the layer without an angle left out"
        );
        assert!((all[0].update_at(End::Last) - 80f64.to_radians().cos()).abs() < 1e-12);
    }

    /// Table 3 reads ends only; Figure 6 reads the curves of some of its runs.
    #[test]
    fn a_known_run_is_made_where_its_curve_is_read() {
        let plan = |only: &[&str]| {
            let only: Vec<String> = only.iter().map(|o| (*o).to_owned()).collect();
            plan(Profile::Quick, &only, &Supply::of(&[])).unwrap()
        };
        let dir = tempfile::tempdir().unwrap();
        let (table3, path) = (plan(&["table3"]), dir.path().join("some.csv"));
        let rows = table3.runs().iter().map(|r| format!("{},done,0.5\n", r.id())).collect::<String>();
        std::fs::write(&path, "id,status,test_accuracy\n".to_owned() + &rows).unwrap();
        let out = dir.path().join("out");
        Known::keep(&path, &out).unwrap();
        let known = Known::of(&out).unwrap();
        assert!(table3.to_make(&known).is_empty() && !table3.to_make(&Known::default()).is_empty());
        let ids = |runs: Vec<RunSpec>| runs.iter().map(|r| r.id().to_owned()).collect::<Vec<_>>();
        assert_eq!(ids(plan(&["fig6", "table3"]).to_make(&known)), ids(plan(&["fig6"]).runs()));
        let found = super::super::report(&table3, &out).unwrap();
        assert_eq!((found.counts[0].done, found.counts[0].unfinished), (table3.runs().len(), 0));
        assert!(found.notes.iter().any(|n| n.contains("were not made here")), "{:?}", found.notes);
    }

    #[test]
    fn what_is_no_such_table_is_named_with_its_line() {
        assert!(parse("rule,status\n").unwrap_err().contains("no column \"id\""));
        let head = "id,status,test_accuracy\n";
        assert!(parse(&format!("{head}a,well,1\n")).unwrap_err().contains("line 2: unknown status \"well\""));
        assert!(parse(&format!("{head}a,done,1\na,done,1\n")).unwrap_err().contains("line 3: run a"));
        assert!(parse(&format!("{head}a,done\n")).is_err(), "a row that is cut short");
    }
}

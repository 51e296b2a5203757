//! The tables of a sweep: a column for each thing that was measured, and types that do not depend on what is in them.

use parquet::basic::Type;
use parquet::file::reader::{FileReader, SerializedFileReader};
use realign_data::Dirs;
use realign_lab::store::{Stored, read_metrics};
use realign_lab::sweep::{Crew, collect, long, run_sweep, series};
use realign_lab::{Out, RunOptions, Silent, Spec};
use realign_tensor::Par;
use realign_theory::probes;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

const TEXT: &str = r#"name = "t"
[data]
name = "gaussians"
dim = 6
train_size = 60
test_size = 20
validation = 10
label_noise = 0.1
[network]
widths = [6, 4, 3, 2]
[rule]
name = "fa"
[optimizer]
lr = 0.05
[train]
steps = 4
batch = 10
[grid]
seed = [0, 1]
"#;

fn make(text: &str, dir: &Path, stop: bool) {
    let spec = Spec::parse(text, Path::new("t.toml"), &[]).unwrap_or_else(|e| panic!("{e}"));
    let options = RunOptions {
        out: Out::Root(dir.to_path_buf()),
        dirs: Dirs::default(),
        par: Par::threads(1),
        command_line: vec![],
    };
    run_sweep(&spec, &options, &Crew::new(2), &mut Silent, &AtomicBool::new(stop)).unwrap();
}

/// A spec with every probe of the registry, each with all that it can be told to measure.
fn with_every_probe() -> String {
    let mut text = TEXT.to_owned();
    for entry in probes::all() {
        text += &format!("[[probes]]\nname = \"{}\"\nevery = \"1 steps\"\n", entry.name);
        for option in entry.options.iter().filter(|o| o.default == "false") {
            text += &format!("{} = true\n", option.name);
        }
        if entry.name == "accuracy" {
            text += "splits = [\"train\", \"validation\", \"test\"]\n";
        }
    }
    text
}

type Key = (String, String, Option<String>, Option<usize>);

fn key(row: &Stored) -> Key {
    (row.probe.clone(), row.name.clone(), row.split.clone(), row.layer)
}

/// Names of columns are unique over all that any probe measures and all other columns; each holds the last value of its own series.
#[test]
fn every_column_carries_its_probe_and_no_two_are_the_same() {
    let temp = tempfile::tempdir().unwrap();
    make(&with_every_probe(), temp.path(), false);
    let csv = fs::read_to_string(temp.path().join("results.csv")).unwrap();
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let head: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    assert_eq!(head.iter().collect::<BTreeSet<_>>().len(), head.len(), "{head:?}");
    let mut measured: BTreeSet<String> = BTreeSet::new();
    for record in reader.records().map(Result::unwrap) {
        let cell = |name: &str| {
            &record[head.iter().position(|h| h == name).unwrap_or_else(|| panic!("{name}: {head:?}"))]
        };
        let rows = read_metrics(&temp.path().join(cell("folder")).join("metrics.jsonl")).unwrap();
        let mut last: BTreeMap<Key, Option<f64>> = BTreeMap::new();
        for row in rows.iter().filter(|r| r.unit.is_none()) {
            last.insert(key(row), row.value);
        }
        let mut names: BTreeMap<String, Key> = BTreeMap::new();
        for (key, value) in &last {
            let (probe, name, split, layer) = key;
            let column = series(probe, name, split.as_deref(), *layer);
            assert!(column == *probe || column.starts_with(&format!("{probe}.")), "{column}");
            assert_eq!(cell(&column).parse::<f64>().ok(), *value, "{column}");
            assert_eq!(names.insert(column.clone(), key.clone()), None, "two series are called {column}");
            measured.insert(column);
        }
    }
    for entry in probes::all() {
        assert!(measured.iter().any(|m| m.starts_with(entry.name)), "{} has no column", entry.name);
    }
    for name in [
        "weight_angle.angle.1",
        "update_angle.angle.1",
        "update_angle.angle",
        "error_angle.angle",
        "accuracy.test",
        "accuracy.loss.validation",
    ] {
        assert!(head.iter().any(|h| h == name), "{name}: {head:?}");
    }
}

/// Names and physical types of the columns of a Parquet file.
fn schema(path: &Path) -> BTreeMap<String, Type> {
    let file = SerializedFileReader::new(fs::File::open(path).unwrap()).unwrap();
    let columns = file.metadata().file_metadata().schema_descr().columns().to_vec();
    columns.iter().map(|c| (c.name().to_owned(), c.physical_type())).collect()
}

#[test]
fn types_of_columns_do_not_depend_on_what_is_in_them() {
    let grid =
        |more: &str| TEXT.replace("label_noise = 0.1\n", "") + "\"data.label_noise\" = [0, 1]\n" + more;
    let temp = tempfile::tempdir().unwrap();
    let at = |name: &str| temp.path().join(name);
    // All done; one of them failed (more examples in a batch than there are); none begun, whose settings are as they were written: whole numbers.
    make(&grid("\"train.batch\" = [10, 20]\n"), &at("done"), false);
    make(&grid("\"train.batch\" = [10, 500]\n"), &at("failed"), false);
    make(&grid("\"train.batch\" = [10, 20]\n"), &at("queued"), true);
    collect(&at("queued")).unwrap();
    let schemas = ["done", "failed", "queued"].map(|name| schema(&at(name).join("results.parquet")));
    for schema in &schemas {
        for (column, kind) in schema {
            assert_eq!(schemas[0].get(column), Some(kind), "{column}");
        }
        let expected = [
            ("id", Type::BYTE_ARRAY),
            ("seed", Type::INT64),
            ("status", Type::BYTE_ARRAY),
            ("error", Type::BYTE_ARRAY),
            ("data.label_noise", Type::DOUBLE),
            ("train.batch", Type::DOUBLE),
            ("steps", Type::INT64),
            ("val_accuracy", Type::DOUBLE),
            ("seconds", Type::DOUBLE),
        ];
        for (column, kind) in expected {
            assert_eq!(schema.get(column), Some(&kind), "{column}");
        }
    }
    // Rows of all runs: places that no row has are whole numbers all the same.
    long(&at("done")).unwrap();
    make(&(grid("") + "[[probes]]\nname = \"weight_angle\"\nper_unit = true\n"), &at("units"), false);
    long(&at("units")).unwrap();
    let [a, b] = ["done", "units"].map(|name| schema(&at(name).join("metrics.parquet")));
    for (column, kind) in [
        ("unit", Type::INT64),
        ("layer", Type::INT64),
        ("split", Type::BYTE_ARRAY),
        ("step", Type::INT64),
        ("value", Type::DOUBLE),
    ] {
        assert_eq!((a[column], b[column]), (kind, kind), "{column}");
    }
}

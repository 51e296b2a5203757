//! Results on built-in stand-ins say so in every file, and never share a folder with results on the data themselves.
#![allow(missing_docs)]

mod common;

use common::{failure, realign};
use realign_lab::reproduce::{Profile, Supply, plan};
use std::fs;
use std::path::{Path, PathBuf};

/// A table that knows the end of every run of these experiments with no data at hand: made-up figures, so that nothing is trained.
fn known(dir: &Path, experiments: &[&str]) -> PathBuf {
    let only: Vec<String> = experiments.iter().map(|e| (*e).to_owned()).collect();
    let plan = plan(Profile::Quick, &only, &Supply::of(&[])).unwrap();
    let mut text = String::from("id,status,test_accuracy,weight_angle.0,weight_angle.1,angle\n");
    for (i, run) in plan.runs().iter().enumerate() {
        text += &format!("{},done,0.{},,{}.5,{}.5\n", run.id(), 300 + i, 30 + i, 20 + i);
    }
    let path = dir.join("table.csv");
    fs::write(&path, text).unwrap();
    path
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let all = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
    all.flat_map(|p| if p.is_dir() { files(&p) } else { vec![p] }).collect()
}

#[test]
fn every_file_made_from_stand_ins_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let (table, out) = (known(dir.path(), &["fig7", "table2", "table3"]), dir.path().join("r"));
    let mut command = realign();
    command
        .args(["reproduce", "--only", "fig7,table2,table3", "-q", "--known"])
        .arg(&table)
        .arg("--out")
        .arg(&out);
    // A table that has every run: nothing is made, the report is.
    let done = command.current_dir(dir.path()).assert().success();
    let page = format!("{}\n", out.join("report.html").display());
    assert_eq!(String::from_utf8(done.get_output().stdout.clone()).unwrap(), page);
    assert_eq!(String::from_utf8(done.get_output().stderr.clone()).unwrap(), "");
    let mut seen = 0;
    for path in ["figures", "tables"].iter().flat_map(|f| files(&out.join(f))) {
        let Ok(text) = String::from_utf8(fs::read(&path).unwrap()) else { continue };
        let pdf = path.extension().is_some_and(|e| e == "pdf");
        assert!(pdf || text.contains("STAND-IN DATA: built-in drawn glyphs"), "{}", path.display());
        seen += usize::from(!pdf);
    }
    assert_eq!(seen, 3 * 2 + 5 * 3, "svg and csv of three figures; md, csv and tex of five tables");
    let claims = fs::read_to_string(out.join("claims.csv")).unwrap();
    for line in
        claims.lines().filter(|l| ["table2", "table3", "fig7"].iter().any(|e| l.contains(&format!(",{e},"))))
    {
        assert!(line.contains("STAND-IN DATA"), "{line}");
    }
    let svg = fs::read_to_string(out.join("figures/fig7.svg")).unwrap();
    assert!(
        !svg.contains(">CIFAR-100<") && !svg.contains(">Tiny-ImageNet<"),
        "a panel with the name of the data set"
    );
}

/// The folder says MNIST, the machine has none: the command would mix drawn digits into it.
#[test]
fn a_folder_keeps_to_its_data() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("r");
    fs::create_dir(&out).unwrap();
    let text = r#"{"profile":"quick","data":{"mnist":"mnist","cifar100":"glyphs","tiny_imagenet":"glyphs"},"only":["fig3"]}"#;
    fs::write(out.join("reproduce.json"), text).unwrap();
    let mut command = realign();
    let (code, stderr) =
        failure(command.current_dir(dir.path()).args(["reproduce", "--only", "fig2", "--out"]).arg(&out));
    assert_eq!(code, 2, "{stderr}");
    assert!(
        stderr.contains("MNIST") && stderr.contains("drawn digits") && stderr.contains("--out"),
        "{stderr}"
    );
    assert_eq!(fs::read_to_string(out.join("reproduce.json")).unwrap(), text);
    assert_eq!(files(&out).len(), 1, "nothing was made");
}

//! `realign reproduce` and `realign report`: a report from nothing, the same again, and what is refused.
#![allow(missing_docs)]

use assert_cmd::Command;
use std::fs;
use std::path::Path;

/// A machine without data: no cache folder, no variable.
fn realign(dir: &Path) -> Command {
    let mut command = Command::cargo_bin("realign").unwrap();
    command.current_dir(dir).env("HOME", dir).env_remove("XDG_CACHE_HOME").env_remove("REALIGN_DATA");
    command
}

#[test]
fn a_report_is_made_from_nothing_and_made_again_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["reproduce", "--only", "min-norm,dominance", "--out", "r", "-q", "--json"];
    let out = realign(dir.path()).args(args).assert().success().get_output().stdout.clone();
    let found: serde_json::Value = serde_json::from_slice(&out).unwrap();
    let claims = found["claims"].as_array().unwrap();
    let verdict = |id: &str| claims.iter().find(|c| c["id"] == id).unwrap()["verdict"].clone();
    // Statements with a proof: they hold in any run, so these two are tests of program and analysis alike.
    assert_eq!(verdict("minimum-norm-fa"), "SUPPORTED");
    assert_eq!(verdict("guaranteed-aligned-fa"), "SUPPORTED");
    assert_eq!(verdict("slope-fa"), "NOT RUN");
    assert_eq!(found["stand_in"], false, "neither experiment uses MNIST");

    let read = |name: &str| fs::read(dir.path().join("r").join(name)).unwrap();
    let first = ["report.html", "claims.csv", "figures/min-norm.svg", "tables/dominance.csv"].map(read);
    // As if it had been killed: a run half gone, the page not written. The same command mends it, bit for bit.
    let runs = dir.path().join("r/runs");
    let one =
        fs::read_dir(&runs).unwrap().flatten().find(|e| e.path().join("STATUS").is_file()).unwrap().path();
    let rows = fs::read(one.join("metrics.jsonl")).unwrap();
    let results = numbers(&runs.join("results.csv"));
    assert!(runs.join("results.parquet").is_file());
    fs::remove_dir_all(&one).unwrap();
    fs::remove_file(dir.path().join("r/report.html")).unwrap();
    realign(dir.path()).args(args).assert().success();
    assert_eq!(fs::read(one.join("metrics.jsonl")).unwrap(), rows);
    assert_eq!(numbers(&runs.join("results.csv")), results);
    for (name, before) in
        ["claims.csv", "figures/min-norm.svg", "tables/dominance.csv"].iter().zip(&first[1..])
    {
        assert!(read(name) == *before, "{name} differs");
    }
    // And a report of what is there needs no runs.
    realign(dir.path()).args(["report", "r"]).assert().success();
    assert!(read("claims.csv") == first[1]);
    alone(&String::from_utf8(read("report.html")).unwrap());
}

/// A line per run without the last column, the seconds it took.
fn numbers(csv: &Path) -> Vec<String> {
    let text = fs::read_to_string(csv).unwrap();
    text.lines().map(|l| l.rsplit_once(',').unwrap().0.to_owned()).collect()
}

/// The page loads nothing: no source, style, font or picture from elsewhere; a drawing and its data for every figure.
fn alone(page: &str) {
    for address in ["src=\"http", "href=\"http", "url(http", "@import", "<link rel=\"stylesheet"] {
        assert!(!page.contains(address), "{address}");
    }
    let count = |what: &str| page.matches(what).count();
    assert!(count("<figure ") >= 3);
    assert_eq!(count("<figure "), count("<svg "));
    for part in page.split("<script type=\"application/json\" class=\"plot\">").skip(1) {
        let json = part.split("</script>").next().unwrap();
        let figure: serde_json::Value = serde_json::from_str(json).unwrap();
        assert!(!figure["panels"].as_array().unwrap().is_empty());
    }
    assert!(page.contains("adafa (our reconstruction)"));
}

#[test]
fn what_cannot_be_done_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let error = |args: &[&str]| {
        let out = realign(dir.path()).args(args).assert().code(2).get_output().stderr.clone();
        String::from_utf8(out).unwrap()
    };
    let text = error(&["reproduce", "--only", "fig8"]);
    assert!(text.contains("fig8") && text.contains("min-norm"), "{text}");
    assert!(error(&["reproduce", "--profile", "fast"]).contains("quick"));
    assert!(error(&["reproduce", "lillicrap2016"]).contains("robertson2024"));
    fs::write(dir.path().join("claims.csv"), "id,verdict\na,SUPPORTED\n").unwrap();
    for (file, what) in [("nowhere.csv", "nowhere.csv"), ("claims.csv", "no column \"status\"")] {
        let text = error(&["reproduce", "--only", "fig7", "--known", file, "--out", "r"]);
        assert!(text.contains(file) && text.contains(what), "{text}");
    }
    assert!(!dir.path().join("r").exists());
    fs::create_dir(dir.path().join("empty")).unwrap();
    assert!(error(&["report", "empty"]).contains("no run directories"));
    assert!(error(&["report", "nowhere"]).contains("nowhere"));
}

#[test]
fn any_folder_of_runs_has_a_report() {
    let dir = tempfile::tempdir().unwrap();
    let spec = "name = 'few'\n[data]\nname = 'digits'\ntrain_size = 100\ntest_size = 50\n[network]\nwidths = [784, 8, 10]\n\
                [rule]\nname = 'fa'\n[optimizer]\nlr = 0.05\n[train]\nsteps = 4\nbatch = 20\n[grid]\nseed = [0, 1]\n'rule.name' = ['fa', 'adafa']\n";
    fs::write(dir.path().join("few.toml"), spec).unwrap();
    realign(dir.path()).args(["run", "few.toml", "--out", "runs", "-q"]).assert().success();
    realign(dir.path()).args(["report", "runs"]).assert().success();
    let page = fs::read_to_string(dir.path().join("runs/report.html")).unwrap();
    assert!(page.contains("STAND-IN DATA") && page.contains("adafa (our reconstruction)"));
    assert!(page.contains("4 runs"));
}

//! Which program made a run: realign's own version and commit, and beside them the repository of whoever started it.
#![allow(missing_docs)]

mod common;

use common::{TINY, realign, root, spec, stdout};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

/// What git says in `dir`.
fn git(dir: &Path, args: &[&str]) -> Option<String> {
    let who = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.org", "-c", "commit.gpgsign=false"];
    let out = Command::new("git").arg("-C").arg(dir).args(who).args(args).output().ok()?;
    out.status.success().then(|| String::from_utf8(out.stdout).unwrap().trim().to_owned())
}

/// The commit that this test is built from; a tree without history has none.
fn own_commit() -> String {
    let here = root().join(".git").exists();
    here.then(|| git(&root(), &["rev-parse", "HEAD"])).flatten().unwrap_or_else(|| "unknown".into())
}

#[test]
fn the_version_names_the_commit() {
    let version = stdout(realign().arg("--version"));
    let start = format!("realign {} (commit {}", env!("CARGO_PKG_VERSION"), own_commit());
    assert!(version.starts_with(&start) && version.trim_end().ends_with(')'), "{version}");
    assert_eq!(version.lines().count(), 1);
}

/// A run started in the folder of somebody's thesis was said to be made by the thesis' commit.
#[test]
fn a_run_tells_the_program_from_the_project() {
    let dir = tempfile::tempdir().unwrap();
    let file = spec(dir.path(), TINY);
    let project = dir.path().join("thesis");
    fs::create_dir(&project).unwrap();
    fs::write(project.join("thesis.tex"), "years").unwrap();
    let env_of = |name: &str| -> Value {
        let run = dir.path().join(name);
        let mut command = realign();
        stdout(command.current_dir(&project).arg("run").arg(&file).args(["--quiet", "--out"]).arg(&run));
        serde_json::from_slice(&fs::read(run.join("env.json")).unwrap()).unwrap()
    };
    let env = env_of("outside");
    assert_eq!((&env["version"], &env["commit"]), (&env!("CARGO_PKG_VERSION").into(), &own_commit().into()));
    assert_eq!((&env["project_commit"], &env["project_dirty"]), (&Value::Null, &Value::Null));
    if git(&project, &["init", "--quiet"]).is_none() {
        return;
    }
    git(&project, &["add", "."]).unwrap();
    git(&project, &["commit", "--quiet", "-m", "a chapter"]).unwrap();
    let commit = git(&project, &["rev-parse", "HEAD"]).unwrap();
    let env = env_of("clean");
    assert_eq!(env["commit"], own_commit());
    assert_eq!((&env["project_commit"], &env["project_dirty"]), (&commit.clone().into(), &false.into()));
    fs::write(project.join("thesis.tex"), "more years").unwrap();
    let env = env_of("dirty");
    assert_eq!((&env["project_commit"], &env["project_dirty"]), (&commit.into(), &true.into()));
}

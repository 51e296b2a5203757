//! The commit that the program is built from, as `REALIGN_COMMIT`, `REALIGN_MODIFIED` (true, false or unknown) and `REALIGN_SOURCE` (both in words).
//!
//! In a checkout git tells; a package of a registry brings the commit along in `.cargo_vcs_info.json`; else it is unknown. Run again only when HEAD
//! moves or a source that results depend on changes, which builds this crate anew anyway.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Place of this crate in the repository.
const PREFIX: &str = "crates/lab/";

/// What results depend on, from the top of the repository.
const SOURCES: [&str; 7] = [
    "crates/tensor/src",
    "crates/data/src",
    "crates/core/src",
    "crates/theory/src",
    "crates/lab/src",
    "Cargo.toml",
    "Cargo.lock",
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let here = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo names the crate's folder"));
    let (commit, modified) = packaged(&here).or_else(|| checkout(&here)).unwrap_or_default();
    let commit = if commit.is_empty() { "unknown".to_owned() } else { commit };
    let (state, words) = match modified {
        Some(true) => ("true", ", modified"),
        Some(false) => ("false", ""),
        None => ("unknown", ""),
    };
    println!("cargo::rustc-env=REALIGN_COMMIT={commit}");
    println!("cargo::rustc-env=REALIGN_MODIFIED={state}");
    println!("cargo::rustc-env=REALIGN_SOURCE=commit {commit}{words}");
}

/// The commit that `cargo package` wrote down.
fn packaged(here: &Path) -> Option<(String, Option<bool>)> {
    let text = std::fs::read_to_string(here.join(".cargo_vcs_info.json")).ok()?;
    let (_, rest) = text.split_once("\"sha1\"")?;
    let sha = rest.split('"').nth(1)?;
    Some((sha.to_owned(), text.contains("\"dirty\": true").then_some(true)))
}

/// The commit of the checkout that this crate lies in, if it is the project's own: sources that were copied into another repository are not at that
/// repository's commit.
fn checkout(here: &Path) -> Option<(String, Option<bool>)> {
    if git(here, &["rev-parse", "--show-prefix"])? != PREFIX
        || git(here, &["ls-files", "--error-unmatch", "build.rs"]).is_none()
    {
        return None;
    }
    let top = here.parent()?.parent()?;
    let commit = git(here, &["rev-parse", "HEAD"])?;
    let changes = [&["--no-optional-locks", "status", "--porcelain", "--"][..], &SOURCES].concat();
    let modified = git(top, &changes).map(|list| !list.is_empty());
    let branch = git(here, &["symbolic-ref", "--quiet", "HEAD"]);
    let heads = ["HEAD", "logs/HEAD", "packed-refs"].into_iter().map(str::to_owned).chain(branch);
    let heads = heads.filter_map(|name| Some(here.join(git(here, &["rev-parse", "--git-path", &name])?)));
    // A path that is not there would run this at every build.
    for path in heads.chain(SOURCES.map(|s| top.join(s))).filter(|p| p.exists()) {
        println!("cargo::rerun-if-changed={}", path.display());
    }
    Some((commit, modified))
}

/// What git says in `dir`; the repository is the one around it, whatever the caller of the build was at work in.
fn git(dir: &Path, args: &[&str]) -> Option<String> {
    let mut command = Command::new("git");
    command
        .arg("-C")
        .arg(dir)
        .args(args)
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE");
    let out = command.stdin(std::process::Stdio::null()).stderr(std::process::Stdio::null()).output().ok()?;
    let text = String::from_utf8(out.stdout).ok().filter(|_| out.status.success())?;
    Some(text.trim().to_owned())
}

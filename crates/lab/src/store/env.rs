//! `env.json`: on what machine and by what program a run was made. Nothing here influences the run.

use crate::program;
use realign_data::{DataRecord, JPEG_DECODER};
use serde_json::{Value, json};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

/// What the caller knows about this session.
pub(crate) struct Session<'a> {
    /// Words of the command line.
    pub(crate) command_line: &'a [String],
    /// Threads of this run.
    pub(crate) threads: usize,
    /// The run's id.
    pub(crate) id: &'a str,
}

pub(crate) fn collect(session: &Session<'_>, data: &DataRecord) -> Value {
    let started = SystemTime::now().duration_since(UNIX_EPOCH).map(|d| d.as_secs()).ok();
    let project = project();
    json!({
        "version": program::VERSION,
        "commit": program::COMMIT,
        "modified": program::modified(),
        "project_commit": project.map(|p| &p.commit),
        "project_dirty": project.and_then(|p| p.dirty),
        "run": session.id,
        "command_line": session.command_line,
        "threads": session.threads,
        "cpu": cpu(),
        "cores": std::thread::available_parallelism().map(usize::from).ok(),
        "os": std::env::consts::OS,
        "arch": std::env::consts::ARCH,
        "started_unix": started,
        "data": data.source,
        "jpeg_decoder": JPEG_DECODER,
    })
}

/// The processor's name, where the system tells it.
fn cpu() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|l| l.starts_with("model name"))?;
    line.split_once(':').map(|(_, name)| name.trim().to_owned())
}

/// The repository that the program was started in: the user's own, as a rule.
struct Project {
    commit: String,
    /// Whether tracked files differ from the commit.
    dirty: Option<bool>,
}

/// Looked at once, before the first run of this process takes its lock: a program that is started while a lock is held inherits it for a moment, and
/// who asks for the lock then is told that it is taken.
fn project() -> Option<&'static Project> {
    static FOUND: OnceLock<Option<Project>> = OnceLock::new();
    let find = || {
        let commit = git(&["rev-parse", "HEAD"]).filter(|c| !c.is_empty())?;
        let changes = git(&["--no-optional-locks", "status", "--porcelain", "--untracked-files=no"]);
        Some(Project { commit, dirty: changes.map(|c| !c.is_empty()) })
    };
    FOUND.get_or_init(find).as_ref()
}

/// What git says in the working folder; `None` where it fails.
fn git(args: &[&str]) -> Option<String> {
    let out = Command::new("git").args(args).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(out.stdout).ok().filter(|_| out.status.success())?;
    Some(text.trim().to_owned())
}

//! `env.json`: on what machine and by what program a run was made. Nothing here influences the run.

use realign_data::{DataRecord, JPEG_DECODER};
use serde_json::{Value, json};
use std::process::{Command, Stdio};
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
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "commit": commit(),
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

/// The commit of the working folder, if it is in a git repository.
fn commit() -> Option<String> {
    let out = Command::new("git")
        .args(["rev-parse", "HEAD"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(out.stdout).ok().filter(|_| out.status.success())?;
    Some(text.trim().to_owned()).filter(|t| !t.is_empty())
}

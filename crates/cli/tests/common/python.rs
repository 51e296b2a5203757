//! Python with numpy for tests that compare with another program: the one on the machine, or one made once below `target/`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// An interpreter that has numpy.
pub(crate) struct Python(PathBuf);

impl Python {
    pub(crate) fn command(&self) -> Command {
        Command::new(&self.0)
    }
}

/// Whether the command ends well; silent.
fn works(program: &Path, args: &[&str]) -> bool {
    let mut command = Command::new(program);
    let done = command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    done.is_ok_and(|status| status.success())
}

/// Python 3.11 or later with numpy. Where there is none and none can be had, says so and gives `None`; under CI that is a failure.
pub(crate) fn with_numpy() -> Option<Python> {
    let fits = |python: &Path| works(python, &["-c", "import tomllib, numpy"]);
    let system = Path::new("python3");
    if fits(system) {
        return Some(Python(system.to_path_buf()));
    }
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python-with-numpy");
    let own = home.join("bin/python");
    fs::create_dir_all(&home).unwrap();
    // Tests of several binaries may come here at once.
    let lock = File::create(home.join("lock")).unwrap();
    lock.lock().unwrap();
    let made = fits(&own)
        || works(system, &["-m", "venv", home.to_str().unwrap()])
            && works(&own, &["-m", "pip", "install", "--quiet", "numpy"])
            && fits(&own);
    if made {
        return Some(Python(own));
    }
    let ci = std::env::var("CI").is_ok_and(|v| !["", "0", "false"].contains(&v.as_str()));
    assert!(!ci, "python3 (3.11 or later) with numpy is needed");
    eprintln!("SKIPPED: neither python3 (3.11 or later) with numpy here, nor could it be made");
    None
}

/*!
The run directory (design.md section 6): `spec.toml`, `overrides.txt`, `env.json`, `data.json`, `manifest.json`, `metrics.jsonl`,
`metrics.parquet`, `checkpoints/step_N.safetensors`, `summary.json`, `STATUS`, and `run.lock` while somebody is at work.

Every file but `metrics.jsonl` is written whole, by temporary file and rename. Rows of step s are on disk before the
checkpoint of step s, so after a kill the newest checkpoint and the rows up to its step are what an uninterrupted run had.
What a run began with is written once and listed in `manifest.json`; a run goes on only where it is unchanged.
*/

mod data;
mod env;
mod error;
pub(crate) mod files;
mod manifest;
mod metrics;
mod report;

pub(crate) use data::same as same_data;
pub use error::StoreError;
pub use manifest::verify;
pub use metrics::{Stored, read as read_metrics};
pub use report::{Rise, RunReport, Status};

use crate::RunSpec;
use manifest::Manifest;
use metrics::Appender;
use realign::checkpoint::Checkpoint;
use realign::train::Row;
use realign_data::DataRecord;
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Checkpoints kept beside that of step 0.
const KEPT: usize = 2;

/// What may lie in a directory whose `spec.toml` was not written yet.
const BEFORE_SPEC: &[&str] = &["run.lock", ".spec.toml.tmp", "STATUS"];

/// Key in a checkpoint's metadata: safetensors itself would not notice a flipped bit.
const DIGEST: &str = "sha256";

/// Key in a checkpoint's metadata: how long `metrics.jsonl` was, so that a run never goes on without its rows.
const ROWS: &str = "metrics_bytes";

fn digest(checkpoint: &Checkpoint) -> String {
    let mut hash = Sha256::new();
    for (name, tensor) in &checkpoint.tensors {
        hash.update(name.as_bytes());
        hash.update(tensor.to_le_bytes());
    }
    manifest::hex(&hash.finalize())
}

fn intact(checkpoint: &Checkpoint) -> bool {
    meta(checkpoint, DIGEST).is_some_and(|v| v == digest(checkpoint))
}

fn meta<'a>(checkpoint: &'a Checkpoint, key: &str) -> Option<&'a str> {
    checkpoint.meta.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
}

/// A run directory, locked by this process.
pub struct RunDir {
    path: PathBuf,
    metrics: Option<Appender>,
    manifest: Manifest,
    notes: Vec<String>,
    // Held for its lock, which the system drops with it, however the process ends.
    _lock: File,
}

/// The status of the run in `path`, if there is one.
pub fn status(path: &Path) -> Option<Status> {
    Status::parse(&fs::read_to_string(path.join("STATUS")).ok()?)
}

/// Refuses a directory of another spec or with other things in it; does not touch it.
pub(crate) fn check(path: &Path, spec: &RunSpec) -> Result<(), StoreError> {
    let entries = match fs::read_dir(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(StoreError::io("read", path))?,
    };
    match fs::read_to_string(path.join("spec.toml")) {
        Ok(text) if text == spec.to_toml() => Ok(()),
        Ok(text) => {
            let other = || StoreError::OtherSpec {
                path: path.to_path_buf(),
                difference: difference(&text, spec.to_toml()),
            };
            Err(manifest::changed_spec(path, &text, spec.to_toml()).unwrap_or_else(other))
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let names = entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned());
            match names.into_iter().find(|n| !BEFORE_SPEC.contains(&n.as_str())) {
                Some(found) => Err(StoreError::Foreign { path: path.to_path_buf(), found }),
                None => Ok(()),
            }
        }
        Err(e) => Err(StoreError::io("read", &path.join("spec.toml"))(e)),
    }
}

/// The first lines in which two resolved specs differ, with their section.
fn difference(there: &str, here: &str) -> String {
    let mut section = "";
    let (mut a, mut b) = (there.lines(), here.lines());
    loop {
        match (a.next(), b.next()) {
            (None, None) => return "they differ in their line ends".into(),
            (x, y) if x == y => {
                if let Some(line) = x.filter(|l| l.starts_with('[')) {
                    section = line;
                }
            }
            (x, y) => {
                let word = |l: Option<&str>| l.filter(|l| !l.is_empty()).unwrap_or("nothing").to_owned();
                return format!(
                    "{section}{}there {}, here {}",
                    if section.is_empty() { "" } else { " " },
                    word(x),
                    word(y)
                );
            }
        }
    }
}

/// The checkpoint of a run at `step`, if it is there.
pub(crate) fn checkpoint_at(path: &Path, step: u64) -> Result<Option<Checkpoint>, StoreError> {
    let file = path.join("checkpoints").join(format!("step_{step}.safetensors"));
    match fs::read(&file) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(StoreError::io("read", &file)(e)),
        Ok(bytes) => {
            let damaged = |message| StoreError::Damaged { path: file.clone(), message };
            let checkpoint = Checkpoint::from_bytes(&bytes).map_err(|e| damaged(e.to_string()))?;
            if !intact(&checkpoint) {
                return Err(damaged("the SHA-256 of its tensors is not the one it carries".into()));
            }
            Ok(Some(checkpoint))
        }
    }
}

/// The report of a finished run in `path`; none if it has not ended, or if its report is damaged, so that it is made again.
pub(crate) fn finished(path: &Path) -> Option<RunReport> {
    ending(path).ok().flatten()
}

/// The report of a run in `path`, if it has ended.
///
/// # Errors
/// If it has ended and its `summary.json` is not there or damaged; says where.
pub(crate) fn ending(path: &Path) -> Result<Option<RunReport>, StoreError> {
    if !status(path).is_some_and(Status::is_final) {
        return Ok(None);
    }
    // A run directory may have been moved since.
    summary(path).map(|r| Some(RunReport { run: path.display().to_string(), ..r }))
}

fn summary(path: &Path) -> Result<RunReport, StoreError> {
    let path = path.join("summary.json");
    let text = fs::read(&path).map_err(StoreError::io("read", &path))?;
    serde_json::from_slice(&text).map_err(|e| StoreError::json(&path, None, &e))
}

impl RunDir {
    /// Makes the directory, locks it and writes what is known before training; in one with a checkpoint to go on from, what the run began with must
    /// be unchanged and stays as it is.
    ///
    /// # Errors
    /// If it belongs to another spec or process, was changed, or cannot be written.
    pub(crate) fn open(
        path: &Path,
        spec: &RunSpec,
        data: &DataRecord,
        env: &env::Session<'_>,
    ) -> Result<RunDir, StoreError> {
        check(path, spec)?;
        // Before the lock: a program started while it is held inherits it for a moment.
        let env = env::collect(env, data);
        fs::create_dir_all(path).map_err(StoreError::io("make the run directory", path))?;
        let lock_path = path.join("run.lock");
        let lock = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&lock_path)
            .map_err(StoreError::io("open", &lock_path))?;
        lock.try_lock().map_err(|e| match e {
            TryLockError::WouldBlock => StoreError::Locked(path.to_path_buf()),
            TryLockError::Error(e) => StoreError::io("lock", &lock_path)(e),
        })?;
        // Somebody may have been faster between the look and the lock.
        check(path, spec)?;
        let mut dir = RunDir {
            path: path.to_path_buf(),
            metrics: None,
            manifest: Manifest::new(),
            notes: Vec::new(),
            _lock: lock,
        };
        let overrides: String = spec.overrides().iter().map(|o| format!("{o}\n")).collect();
        if dir.checkpoints().next().is_some() {
            dir.goes_on(data)?;
        } else {
            dir.begins(spec.to_toml(), data)?;
        }
        dir.write("overrides.txt", overrides.as_bytes())?;
        dir.write_json("env.json", &env)?;
        let checkpoints = path.join("checkpoints");
        fs::create_dir_all(&checkpoints).map_err(StoreError::io("make", &checkpoints))?;
        Ok(dir)
    }

    /// Writes what the run begins with. The manifest comes last: what it lists is there.
    fn begins(&mut self, spec: &str, data: &DataRecord) -> Result<(), StoreError> {
        for (name, text) in [("spec.toml", spec), ("data.json", &data.to_json())] {
            self.write(name, text.as_bytes())?;
            self.manifest.list(name, text.as_bytes());
        }
        self.manifest.write(&self.path)
    }

    /// Refuses to go on from a checkpoint where spec, first weights or record of the data were changed, or with other data than these.
    fn goes_on(&mut self, data: &DataRecord) -> Result<(), StoreError> {
        self.notes = verify(&self.path)?;
        same_data(&self.path, data)?;
        match Manifest::read(&self.path)? {
            Some(manifest) => self.manifest = manifest,
            // From now on what an older version wrote can be checked too.
            None => {
                if !self.path.join("data.json").exists() {
                    self.write("data.json", data.to_json().as_bytes())?;
                }
                for name in ["spec.toml", "data.json", manifest::FIRST] {
                    if let Ok(bytes) = fs::read(self.path.join(name)) {
                        self.manifest.list(name, &bytes);
                    }
                }
                self.manifest.write(&self.path)?;
            }
        }
        Ok(())
    }

    /// What could not be checked when the run was taken up again, in sentences.
    pub(crate) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn set_status(&self, status: Status) -> Result<(), StoreError> {
        self.write("STATUS", format!("{status}\n").as_bytes())
    }

    /// Says that the run failed, also on a disk too full for another file: then in place of the word there.
    pub(crate) fn set_failed(&self) -> Result<(), StoreError> {
        let path = self.path.join("STATUS");
        let word = format!("{}\n", Status::Failed);
        let over = || {
            let mut file = OpenOptions::new().write(true).open(&path)?;
            file.write_all(word.as_bytes())?;
            file.set_len(word.len() as u64)
        };
        self.set_status(Status::Failed).or_else(|_| over().map_err(StoreError::io("write", &path)))
    }

    /// Wall time of earlier sessions that ended in order.
    pub(crate) fn earlier_seconds(&self) -> f64 {
        summary(&self.path).map_or(0.0, |s| s.seconds)
    }

    /// Checkpoints after step 0 that can be read and whose rows are there, newest first, lazily.
    pub(crate) fn checkpoints(&self) -> impl Iterator<Item = Checkpoint> + '_ {
        let read = |step: &u64| Checkpoint::from_bytes(&fs::read(self.checkpoint_path(*step)).ok()?).ok();
        let steps: Vec<u64> = self.steps().into_iter().filter(|s| *s > 0).collect();
        let rows = fs::metadata(self.path.join("metrics.jsonl")).map_or(0, |m| m.len());
        let has_rows = move |c: &Checkpoint| {
            meta(c, ROWS).is_none_or(|promised| promised.parse().is_ok_and(|n: u64| n <= rows))
        };
        steps.into_iter().filter_map(move |s| read(&s).filter(|c| c.step == s && intact(c) && has_rows(c)))
    }

    /// Opens the metrics with the rows up to the checkpoint's step, or none.
    pub(crate) fn open_metrics(&mut self, keep: Option<u64>) -> Result<(), StoreError> {
        self.metrics = Some(Appender::open(&self.path.join("metrics.jsonl"), keep)?);
        if keep.is_none() {
            // Unreadable or older than their rows: a fresh start must not be mixed with them.
            for step in self.steps() {
                let path = self.checkpoint_path(step);
                fs::remove_file(&path).map_err(StoreError::io("remove", &path))?;
            }
        }
        Ok(())
    }

    pub(crate) fn append(&mut self, rows: &[Row]) -> Result<(), StoreError> {
        let path = self.path.join("metrics.jsonl");
        self.appender().append(rows).map_err(StoreError::io("write", &path))
    }

    pub(crate) fn save(&mut self, checkpoint: &Checkpoint) -> Result<(), StoreError> {
        let metrics = self.path.join("metrics.jsonl");
        let length = self.appender().sync().map_err(StoreError::io("write", &metrics))?;
        let mut stamped = checkpoint.clone();
        stamped.meta.push((ROWS.to_owned(), length.to_string()));
        stamped.meta.push((DIGEST.to_owned(), digest(checkpoint)));
        let bytes = stamped.to_bytes();
        files::write(&self.checkpoint_path(checkpoint.step), &bytes)?;
        if checkpoint.step == 0 {
            self.manifest.list(manifest::FIRST, &bytes);
            self.manifest.write(&self.path)?;
        }
        for step in self.steps().into_iter().filter(|s| *s > 0).skip(KEPT) {
            let path = self.checkpoint_path(step);
            fs::remove_file(&path).map_err(StoreError::io("remove", &path))?;
        }
        Ok(())
    }

    /// Writes what is known after training; the status comes last.
    pub(crate) fn finish(&mut self, report: &RunReport) -> Result<(), StoreError> {
        if report.status.is_final() {
            metrics::to_parquet(&self.path.join("metrics.jsonl"), &self.path.join("metrics.parquet"))?;
        }
        self.write_json("summary.json", report)?;
        self.set_status(report.status)
    }

    fn appender(&mut self) -> &mut Appender {
        self.metrics.as_mut().expect("metrics are opened before training")
    }

    fn checkpoint_path(&self, step: u64) -> PathBuf {
        self.path.join("checkpoints").join(format!("step_{step}.safetensors"))
    }

    /// Steps of all checkpoint files, newest first.
    fn steps(&self) -> Vec<u64> {
        let step = |name: &str| name.strip_prefix("step_")?.strip_suffix(".safetensors")?.parse().ok();
        let entries = fs::read_dir(self.path.join("checkpoints")).into_iter().flatten().flatten();
        let mut steps: Vec<u64> = entries.filter_map(|e| step(&e.file_name().to_string_lossy())).collect();
        steps.sort_unstable_by(|a, b| b.cmp(a));
        steps
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        files::write(&self.path.join(name), bytes)
    }

    fn write_json(&self, name: &str, value: &impl serde::Serialize) -> Result<(), StoreError> {
        let path = self.path.join(name);
        let mut text =
            serde_json::to_vec_pretty(value).map_err(|e| StoreError::io("write", &path)(e.into()))?;
        text.push(b'\n');
        files::write(&path, &text)
    }
}

pub(crate) use env::Session;

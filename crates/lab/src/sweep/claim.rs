/*!
Claims: which process makes which run, on one machine or on several that share a file system.

The claims of a run are the files `.sweep/claims/<id>.1`, `.2`, ...; the last one counts. Making one is atomic (the system
makes a file only if it is not there), so of many processes one gets it. Its holder changes it every few seconds. A claim may be taken over - by
making the next one - when it was released, when it has not changed for a while **as seen by the one who takes it** (clocks of
different machines are never compared), or at once when it was made on this machine and its file lock is free, because then its
holder is dead. Numbers only grow while a run is unfinished, so nobody can take over a claim that is not the last.

A holder that was held up itself (suspended, a file system that hung) looks before it writes whether the run is still its own.
*/

use crate::StoreError;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How often claims are renewed and when they are given up for dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// A holder changes its claims this often.
    pub beat: Duration,
    /// A claim that has not changed for so long is anybody's.
    pub stale: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Pace { beat: Duration::from_secs(3), stale: Duration::from_secs(60) }
    }
}

/// What a claim file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    pub(crate) host: String,
    pub(crate) pid: u32,
    /// The running kernel; empty where it cannot be told or its locks cannot be trusted.
    boot: String,
    token: String,
    beat: u64,
    #[serde(default)]
    released: bool,
}

/// The claims of one sweep directory, as one process sees them.
pub(crate) struct Claims {
    dir: PathBuf,
    pace: Pace,
    watched: Mutex<HashMap<String, (u64, String, Instant)>>,
    held: Mutex<Vec<Arc<Held>>>,
}

/// A claim held by this process; given back when dropped.
pub(crate) struct Claim<'a> {
    claims: &'a Claims,
    held: Arc<Held>,
}

struct Held {
    id: String,
    number: u64,
    path: PathBuf,
    next: PathBuf,
    pace: Pace,
    state: Mutex<State>,
    lost: AtomicBool,
}

struct State {
    file: File,
    note: Note,
    confirmed: Instant,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A word that no other claim has.
pub(crate) fn token() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos());
    format!("{}-{nanos:x}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

fn system(path: &str) -> String {
    fs::read_to_string(path).map_or(String::new(), |t| t.trim().to_owned())
}

fn numbered(dir: &Path, id: &str, number: u64) -> PathBuf {
    dir.join(format!("{id}.{number}"))
}

fn text(path: &Path) -> io::Result<Option<String>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Number and text of the claim that counts.
fn last(dir: &Path, id: &str) -> io::Result<Option<(u64, String)>> {
    let (mut number, mut found) = (1, None);
    while let Some(text) = text(&numbered(dir, id, number))? {
        found = Some((number, text));
        number += 1;
    }
    Ok(found)
}

/// For a look from outside: the claim on a run, and since when it has not changed by the clock of its file.
pub(crate) fn look(dir: &Path, id: &str) -> Option<(Note, Duration)> {
    let (number, text) = last(dir, id).ok()??;
    let note: Note = serde_json::from_str(&text).ok()?;
    let changed = fs::metadata(numbered(dir, id, number)).ok()?.modified().ok()?;
    (!note.released).then(|| (note, SystemTime::now().duration_since(changed).unwrap_or_default()))
}

/// Whether the holder is known to be dead: made under this kernel, and its lock is free.
pub(crate) fn abandoned(dir: &Path, id: &str, note: &Note) -> bool {
    let here = system("/proc/sys/kernel/random/boot_id");
    let Ok(Some((number, _))) = last(dir, id) else { return false };
    !here.is_empty()
        && note.boot == here
        && File::open(numbered(dir, id, number)).is_ok_and(|f| f.try_lock().is_ok())
}

impl Claims {
    pub(crate) fn new(dir: PathBuf, pace: Pace) -> Claims {
        Claims { dir, pace, watched: Mutex::default(), held: Mutex::default() }
    }

    /// Takes the run if nobody has it or its holder is dead; `None` if somebody is at work on it.
    pub(crate) fn take(&self, id: &str) -> Result<Option<Claim<'_>>, StoreError> {
        let number = match last(&self.dir, id).map_err(StoreError::io("read", &self.dir))? {
            None => 1,
            Some((n, text)) if self.free(id, n, &text) => n + 1,
            Some(_) => return Ok(None),
        };
        fs::create_dir_all(&self.dir).map_err(StoreError::io("make", &self.dir))?;
        let path = numbered(&self.dir, id, number);
        match OpenOptions::new().read(true).write(true).create_new(true).open(&path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(None),
            other => self.hold(id, number, other.map_err(StoreError::io("make", &path))?).map(Some),
        }
    }

    fn free(&self, id: &str, number: u64, text: &str) -> bool {
        if let Ok(note) = serde_json::from_str::<Note>(text)
            && (note.released || abandoned(&self.dir, id, &note))
        {
            return true;
        }
        let mut watched = locked(&self.watched);
        let fresh = || (number, text.to_owned(), Instant::now());
        let seen = watched.entry(id.to_owned()).or_insert_with(fresh);
        if (seen.0, seen.1.as_str()) != (number, text) {
            *seen = fresh();
        }
        seen.2.elapsed() >= self.pace.stale
    }

    fn hold(&self, id: &str, number: u64, file: File) -> Result<Claim<'_>, StoreError> {
        let path = numbered(&self.dir, id, number);
        // Where there are no locks, nobody may conclude anything from a free one.
        let boot =
            if file.try_lock().is_ok() { system("/proc/sys/kernel/random/boot_id") } else { String::new() };
        let note = Note {
            host: system("/proc/sys/kernel/hostname"),
            pid: std::process::id(),
            boot,
            token: token(),
            beat: 0,
            released: false,
        };
        let held = Arc::new(Held {
            id: id.to_owned(),
            number,
            next: numbered(&self.dir, id, number + 1),
            path: path.clone(),
            pace: self.pace,
            state: Mutex::new(State { file, note, confirmed: Instant::now() }),
            lost: AtomicBool::new(false),
        });
        if let Err(e) = locked(&held.state).write() {
            // Unreadable to others, it would block the run until it is stale.
            let _ = fs::remove_file(&path);
            return Err(StoreError::io("write", &path)(e));
        }
        locked(&self.held).push(Arc::clone(&held));
        Ok(Claim { claims: self, held })
    }

    /// Changes all claims held, so that others see that their holder lives.
    pub(crate) fn beat(&self) {
        let held = locked(&self.held).clone();
        for held in held {
            held.renew();
        }
    }
}

impl State {
    fn write(&mut self) -> io::Result<()> {
        let mut text = serde_json::to_vec(&self.note)?;
        text.push(b'\n');
        self.file.rewind()?;
        self.file.write_all(&text)?;
        self.file.set_len(text.len() as u64)?;
        self.confirmed = Instant::now();
        Ok(())
    }
}

impl Held {
    /// Looks whether the claim still counts, and changes it.
    fn renew(&self) -> bool {
        let mut state = locked(&self.state);
        let mut there = String::new();
        let mine = File::open(&self.path).and_then(|mut f| f.read_to_string(&mut there)).is_ok()
            && serde_json::from_str::<Note>(&there).is_ok_and(|n| n.token == state.note.token);
        if !mine || self.next.exists() {
            self.lost.store(true, Ordering::Relaxed);
            return false;
        }
        state.note.beat += 1;
        // A refused write (a full disk) is not the end of the claim, only of its proof of life.
        state.write().is_ok() || state.confirmed.elapsed() < self.pace.stale
    }
}

impl Claim<'_> {
    /// Whether the claim is known to have been taken over; costs nothing.
    pub(crate) fn lost(&self) -> bool {
        self.held.lost.load(Ordering::Relaxed)
    }

    /// Whether this process may write: looks at the disk only if the last look was long ago.
    pub(crate) fn valid(&self) -> bool {
        let recent = || locked(&self.held.state).confirmed.elapsed() < self.held.pace.stale / 2;
        !self.lost() && (recent() || self.held.renew())
    }

    /// Removes all claims of a run that needs no more: whoever claims it now finds it finished.
    pub(crate) fn finished(self) {
        for number in (1..=self.held.number).rev() {
            // One that stays behind is only ever found together with a finished run.
            let _ = fs::remove_file(numbered(&self.claims.dir, &self.held.id, number));
        }
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        locked(&self.claims.held).retain(|h| !Arc::ptr_eq(h, &self.held));
        if !self.lost() {
            let mut state = locked(&self.held.state);
            state.note.released = true;
            // Unwritten, it is as good as a crash: the free lock or time releases it.
            let _ = state.write();
        }
    }
}

#[cfg(test)]
#[path = "claim_tests.rs"]
mod tests;

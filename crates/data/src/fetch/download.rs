//! One file from the first mirror that has it.

use super::{State, fingerprint};
use crate::registry::RemoteFile;
use crate::{DataError, files};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use ureq::http::{Response, StatusCode};

/// Attempts in a row at one mirror that bring no byte, after which the next mirror is tried.
const FRUITLESS: usize = 2;
/// Attempts at one mirror in all.
const ATTEMPTS: usize = 20;

type Report<'a> = dyn FnMut(u64, State<'_>) + 'a;

/// Why an attempt failed.
enum Failure {
    /// The mirror or the line; the same mirror may do better next time.
    Retry(String),
    /// The mirror will not do better.
    Mirror(String),
    /// Our own disk: no mirror helps.
    Disk(DataError),
}

/// Brings `file` into `folder` and returns its path.
pub(super) fn fetch_file(
    file: &RemoteFile,
    folder: &Path,
    mirrors: &[String],
    report: &mut Report<'_>,
) -> Result<PathBuf, DataError> {
    let target = folder.join(file.name);
    if is_good(file, &target)? {
        report(file.bytes, State::Present);
        return Ok(target);
    }
    let mut part = Part::open(folder.join(format!("{}.part", file.name)))?;
    let mut attempts = String::new();
    for mirror in mirrors {
        let url = format!("{}/{}", mirror.trim_end_matches('/'), file.name);
        if from_mirror(file, &url, &mut part, &target, &mut attempts, report)? {
            report(file.bytes, State::Verified);
            return Ok(target);
        }
    }
    if attempts.is_empty() {
        attempts.push_str("\n  no mirror was given");
    }
    Err(DataError::Fetch { file: file.name.to_owned(), attempts })
}

/// Whether one mirror gave a good copy; failures are added to `attempts`.
fn from_mirror(
    file: &RemoteFile,
    url: &str,
    part: &mut Part,
    target: &Path,
    attempts: &mut String,
    report: &mut Report<'_>,
) -> Result<bool, DataError> {
    let mut fruitless = 0;
    for _ in 0..ATTEMPTS {
        let before = part.length;
        let outcome = attempt(file, url, part, report).and_then(|()| part.finish(file, target, before));
        let reason = match outcome {
            Ok(()) => return Ok(true),
            Err(Failure::Disk(error)) => return Err(error),
            Err(Failure::Mirror(reason)) => {
                note(attempts, url, &reason, part, report);
                return Ok(false);
            }
            Err(Failure::Retry(reason)) => reason,
        };
        note(attempts, url, &reason, part, report);
        fruitless = if part.length > before { 0 } else { fruitless + 1 };
        if fruitless == FRUITLESS {
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(false)
}

fn note(attempts: &mut String, url: &str, reason: &str, part: &Part, report: &mut Report<'_>) {
    *attempts += &format!("\n  {url}: {reason}");
    report(part.length, State::Failed { from: url, reason });
}

/// One request; when it returns without error the part has the announced length.
fn attempt(file: &RemoteFile, url: &str, part: &mut Part, report: &mut Report<'_>) -> Result<(), Failure> {
    if part.length > file.bytes {
        part.restart()?;
    }
    if part.length == file.bytes {
        return Ok(());
    }
    let mut response = request(url, part.length)?;
    match response.status() {
        StatusCode::PARTIAL_CONTENT if continues_at(&response, part.length) => {}
        // The server sends another piece than asked for, or has nothing there: start over.
        StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
            part.restart()?;
            return Err(Failure::Retry("the server refused to continue; starting over".to_owned()));
        }
        StatusCode::OK => part.restart()?,
        status if status.is_server_error() => return Err(Failure::Retry(format!("status {status}"))),
        status => return Err(Failure::Mirror(format!("status {status}"))),
    }
    let mut body = response.body_mut().as_reader();
    let mut piece = vec![0; 1 << 16];
    while part.length <= file.bytes {
        let n = match body.read(&mut piece) {
            Ok(0) => break,
            Ok(n) => n,
            Err(e) => return Err(Failure::Retry(cut(part, file, &format!(" ({e})")))),
        };
        part.append(&piece[..n])?;
        report(part.length, State::Downloading { from: url });
    }
    if part.length < file.bytes { Err(Failure::Retry(cut(part, file, ""))) } else { Ok(()) }
}

fn cut(part: &Part, file: &RemoteFile, why: &str) -> String {
    format!("the connection ended after {} of {} bytes{why}", part.length, file.bytes)
}

fn request(url: &str, from: u64) -> Result<Response<ureq::Body>, Failure> {
    let mut config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(Some(Duration::from_secs(20)))
        .timeout_recv_response(Some(Duration::from_secs(60)))
        // Of one attempt; a slow line goes on in the next one.
        .timeout_recv_body(Some(Duration::from_secs(600)));
    if is_loopback(url) {
        config = config.proxy(None);
    }
    let agent: ureq::Agent = config.build().into();
    let mut get = agent.get(url).header("Accept-Encoding", "identity");
    if from > 0 {
        get = get.header("Range", format!("bytes={from}-"));
    }
    get.call().map_err(|e| match e {
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => Failure::Mirror(e.to_string()),
        other => Failure::Retry(other.to_string()),
    })
}

/// A proxy cannot reach a server on this machine.
fn is_loopback(url: &str) -> bool {
    let host = url.split("://").nth(1).unwrap_or("");
    ["127.", "localhost", "[::1]"].iter().any(|h| host.starts_with(h))
}

/// Whether `Content-Range: bytes FROM-TO/ALL` begins where the part ends.
fn continues_at(response: &Response<ureq::Body>, from: u64) -> bool {
    let range = response.headers().get("content-range").and_then(|v| v.to_str().ok());
    range.and_then(|r| r.trim().strip_prefix("bytes ")?.split('-').next()?.trim().parse().ok()) == Some(from)
}

fn is_good(file: &RemoteFile, path: &Path) -> Result<bool, DataError> {
    if !path.is_file() {
        return Ok(false);
    }
    let (bytes, sha256) = fingerprint(path)?;
    Ok(file.is(bytes, &sha256))
}

/// A file on its way, locked against other processes.
struct Part {
    path: PathBuf,
    file: File,
    length: u64,
}

impl Part {
    fn open(path: PathBuf) -> Result<Part, DataError> {
        let wrap = |e| DataError::io(&path, e);
        if path.exists() {
            // Only to refuse what is no regular file.
            drop(files::open(&path)?);
        }
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(wrap)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(DataError::format(&path, "another process is downloading this file"));
            }
            // A file system without locks is no reason to refuse the download.
            Err(TryLockError::Error(_)) => {}
        }
        let length = file.seek(SeekFrom::End(0)).map_err(wrap)?;
        Ok(Part { path, file, length })
    }

    fn disk(&self, error: std::io::Error) -> Failure {
        Failure::Disk(DataError::io(&self.path, error))
    }

    fn restart(&mut self) -> Result<(), Failure> {
        self.length = 0;
        self.file.set_len(0).and_then(|()| self.file.rewind()).map_err(|e| self.disk(e))
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.file.write_all(bytes).map_err(|e| self.disk(e))?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Checks size and SHA-256 and gives the file its name. `begun` is its length before this attempt.
    fn finish(&mut self, file: &RemoteFile, target: &Path, begun: u64) -> Result<(), Failure> {
        self.file.sync_all().map_err(|e| self.disk(e))?;
        let (bytes, sha256) = fingerprint(&self.path).map_err(Failure::Disk)?;
        if file.is(bytes, &sha256) {
            return std::fs::rename(&self.path, target).map_err(|e| self.disk(e));
        }
        let reason = if bytes > file.bytes {
            format!("longer than the {} bytes published", file.bytes)
        } else {
            format!("wrong checksum: SHA-256 {sha256}, published {}", file.sha256)
        };
        self.restart()?;
        // The damage may lie in what an earlier attempt left behind.
        Err(if begun > 0 { Failure::Retry(reason) } else { Failure::Mirror(reason) })
    }
}

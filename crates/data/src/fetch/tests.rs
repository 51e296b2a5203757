//! Downloads against a server in this file, on the loopback interface only.

use super::*;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// How the server answers below one path.
#[derive(Clone, Copy)]
enum Mirror {
    /// The file, also from the middle.
    Good,
    /// The file, always from the beginning.
    NoRange,
    /// Other bytes of the same length.
    Wrong,
    /// More bytes than published.
    Long,
    Missing,
    /// Ends every connection after this many bytes.
    Cut(usize),
    /// Ends every connection without a byte of content.
    Silent,
    /// Answers a range request with another range.
    OtherRange,
}

/// Requests as "path range".
type Log = Arc<Mutex<Vec<String>>>;

fn content() -> Vec<u8> {
    (0..300_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// A server whose mirrors are called /0/, /1/, ...; returns their addresses and the log.
fn serve(mirrors: &[Mirror]) -> (Vec<String>, Log) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (log, mirrors) = (Log::default(), mirrors.to_vec());
    let addresses = (0..mirrors.len()).map(|k| format!("http://{address}/{k}/")).collect();
    let written = Arc::clone(&log);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // A client that hangs up early is part of the tests.
            let _ = answer(stream.unwrap(), &mirrors, &written);
        }
    });
    (addresses, log)
}

fn answer(stream: TcpStream, mirrors: &[Mirror], log: &Log) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let path = lines.next().unwrap()?.split(' ').nth(1).unwrap().to_owned();
    let headers: Vec<String> = lines.map_while(Result::ok).take_while(|l| !l.is_empty()).collect();
    let range =
        headers.iter().find_map(|h| h.to_lowercase().strip_prefix("range: bytes=").map(str::to_owned));
    log.lock().unwrap().push(format!("{path} {}", range.clone().unwrap_or_default()));
    let from: usize = range.and_then(|r| r.trim_end_matches('-').parse().ok()).unwrap_or(0);
    let k: usize = path.split('/').nth(1).unwrap().parse().unwrap();
    reply(stream, mirrors[k], from)
}

fn reply(mut stream: TcpStream, mirror: Mirror, from: usize) -> std::io::Result<()> {
    let mut bytes = content();
    let mut from = from;
    match mirror {
        Mirror::Missing => {
            return write!(
                stream,
                "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
        }
        Mirror::Wrong => bytes[1000] ^= 1,
        Mirror::Long => bytes.push(0),
        Mirror::NoRange => from = 0,
        Mirror::OtherRange if from > 0 => from -= 1,
        _ => {}
    }
    let (all, rest) = (bytes.len(), &bytes[from..]);
    let status = match from {
        0 => "200 OK".to_owned(),
        _ => format!("206 Partial Content\r\nContent-Range: bytes {from}-{}/{all}", all - 1),
    };
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", rest.len())?;
    let send = match mirror {
        Mirror::Cut(n) => n.min(rest.len()),
        Mirror::Silent => 0,
        _ => rest.len(),
    };
    stream.write_all(&rest[..send])
}

struct Run {
    result: Result<Vec<PathBuf>, DataError>,
    log: Vec<String>,
    states: Vec<String>,
    folder: tempfile::TempDir,
}

impl Run {
    fn path(&self) -> PathBuf {
        self.folder.path().join("set/file.gz")
    }

    fn part(&self) -> PathBuf {
        self.folder.path().join("set/file.gz.part")
    }

    /// The file is whole and nothing else lies beside it.
    fn assert_good(&self) {
        assert_eq!(self.result.as_ref().unwrap(), &[self.path()]);
        assert_eq!(std::fs::read(self.path()).unwrap(), content());
        assert!(!self.part().exists());
        assert_eq!(self.states.last().unwrap(), "verified");
    }

    fn assert_failed(&self, parts: &[&str]) {
        let error = self.result.as_ref().unwrap_err().to_string();
        parts.iter().for_each(|p| assert!(error.contains(p), "{p} in {error}"));
        assert!(!self.path().exists());
    }
}

/// Fetches the one file from these mirrors, with `part` left by an earlier run.
fn run(mirrors: &[Mirror], part: Option<&[u8]>) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let set = folder.path().join("set");
    std::fs::create_dir_all(&set).unwrap();
    if let Some(bytes) = part {
        std::fs::write(set.join("file.gz.part"), bytes).unwrap();
    }
    let (addresses, log) = serve(mirrors);
    let sha256: &'static str = idx::hex(&Sha256::digest(content())).leak();
    let file = RemoteFile { name: "file.gz", bytes: 300_000, sha256, unpacked_sha256: "" };
    let mut states = Vec::new();
    let result = fetch_all(&[file], &set, &addresses, &mut |p| {
        assert_eq!((p.file, p.number, p.of, p.total), ("file.gz", 1, 1, 300_000));
        states.push(match p.state {
            State::Present => "present".to_owned(),
            State::Downloading { .. } => format!("{}", p.bytes),
            State::Failed { reason, .. } => format!("failed {reason}"),
            State::Verified => "verified".to_owned(),
        });
    });
    let log = log.lock().unwrap().clone();
    Run { result, log, states, folder }
}

#[test]
fn a_good_mirror_gives_the_file_in_one_request() {
    let run = run(&[Mirror::Good, Mirror::Missing], None);
    run.assert_good();
    assert_eq!(run.log, ["/0/file.gz "]);
    assert_eq!(run.states[run.states.len() - 2], "300000");
}

#[test]
fn a_file_that_is_there_is_not_fetched_again() {
    let run = run(&[Mirror::Good], None);
    let sha256: &'static str = idx::hex(&Sha256::digest(content())).leak();
    let file = RemoteFile { name: "file.gz", bytes: 300_000, sha256, unpacked_sha256: "" };
    let mut states = 0;
    fetch_all(&[file], &run.folder.path().join("set"), &[], &mut |p| {
        assert_eq!(p.state, State::Present);
        states += 1;
    })
    .unwrap();
    assert_eq!(states, 1);
}

#[test]
fn a_missing_file_is_taken_from_the_next_mirror() {
    let run = run(&[Mirror::Missing, Mirror::Good], None);
    run.assert_good();
    assert_eq!(run.log, ["/0/file.gz ", "/1/file.gz "]);
    assert!(run.states[0].contains("404"));
}

#[test]
fn a_wrong_checksum_goes_to_the_next_mirror() {
    let run = run(&[Mirror::Wrong, Mirror::Good], None);
    run.assert_good();
    assert_eq!(run.log, ["/0/file.gz ", "/1/file.gz "]);
}

#[test]
fn wrong_copies_everywhere_are_an_error_and_leave_no_file() {
    let run = run(&[Mirror::Wrong, Mirror::Long, Mirror::Missing], None);
    run.assert_failed(&["could not fetch file.gz", "/0/file.gz: wrong checksum", "longer than", "404"]);
    // Nothing bad is left to be continued.
    assert_eq!(std::fs::metadata(run.part()).unwrap().len(), 0);
}

#[test]
fn a_cut_connection_is_continued_by_range() {
    let run = run(&[Mirror::Cut(120_000)], None);
    run.assert_good();
    assert_eq!(run.log, ["/0/file.gz ", "/0/file.gz 120000-", "/0/file.gz 240000-"]);
}

#[test]
fn the_next_mirror_continues_what_the_first_began() {
    let run = run(&[Mirror::Silent, Mirror::Good], Some(&content()[..1234]));
    run.assert_good();
    assert_eq!(run.log.last().unwrap(), "/1/file.gz 1234-");
}

#[test]
fn a_part_of_an_earlier_run_is_continued() {
    let run = run(&[Mirror::Good], Some(&content()[..200_000]));
    run.assert_good();
    assert_eq!(run.log, ["/0/file.gz 200000-"]);
}

#[test]
fn a_whole_part_needs_no_request() {
    let run = run(&[Mirror::Good], Some(&content()));
    run.assert_good();
    assert!(run.log.is_empty());
}

#[test]
fn a_refused_range_starts_over() {
    let run = run(&[Mirror::NoRange], Some(&content()[..200_000]));
    run.assert_good();
    assert_eq!(run.log, ["/0/file.gz 200000-"]);
}

#[test]
fn another_range_than_asked_for_starts_over() {
    let run = run(&[Mirror::OtherRange], Some(&content()[..200_000]));
    run.assert_good();
    assert_eq!(run.log, ["/0/file.gz 200000-", "/0/file.gz "]);
}

#[test]
fn a_damaged_or_too_long_part_is_thrown_away() {
    for part in [vec![9; 200_000], vec![9; 400_000]] {
        let run = run(&[Mirror::Good], Some(&part));
        run.assert_good();
        assert_eq!(run.log.last().unwrap(), "/0/file.gz ");
    }
}

#[test]
fn a_dead_line_gives_up_and_keeps_what_came() {
    let run = run(&[Mirror::Silent], Some(&content()[..500]));
    run.assert_failed(&["the connection ended after 500 of 300000 bytes"]);
    assert_eq!(std::fs::read(run.part()).unwrap(), content()[..500]);
}

#[test]
fn nobody_at_the_address_is_an_error() {
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let folder = tempfile::tempdir().unwrap();
    let mirror = [format!("http://127.0.0.1:{port}")];
    let error = fetch("mnist", folder.path(), Some(&mirror), &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("could not fetch train-images-idx3-ubyte.gz"), "{error}");
    assert!(error.contains(&format!("http://127.0.0.1:{port}/train-images-idx3-ubyte.gz: ")), "{error}");
}

#[test]
fn a_folder_that_is_a_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mnist"), "").unwrap();
    let error = fetch("mnist", folder.path(), None, &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("mnist"), "{error}");
}

#[test]
fn two_downloads_of_one_file_do_not_mix() {
    let folder = tempfile::tempdir().unwrap();
    let part = folder.path().join("mnist/train-images-idx3-ubyte.gz.part");
    std::fs::create_dir_all(part.parent().unwrap()).unwrap();
    let other = std::fs::File::create(&part).unwrap();
    other.lock().unwrap();
    let error = fetch("mnist", folder.path(), Some(&[]), &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("another process is downloading"), "{error}");
}

#[test]
fn procedural_and_unknown_sets_have_nothing_to_fetch() {
    let dir = std::env::temp_dir();
    let error = fetch("digits", &dir, None, &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("made from its seed"), "{error}");
    assert!(verify("mnits", &Dirs::default()).unwrap_err().to_string().contains("did you mean \"mnist\"?"));
}

#[test]
fn verify_tells_missing_and_bad_files_apart() {
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("MNIST/raw");
    std::fs::create_dir_all(&raw).unwrap();
    std::fs::write(raw.join("t10k-labels-idx1-ubyte"), "hello").unwrap();
    let download = files_of(entry("mnist").unwrap()).unwrap();
    // Only this folder: the machine's own copies must not enter the test.
    let found: Vec<FileReport> =
        download.files.iter().map(|f| report(f, dirs::locate(&raw, f)).unwrap()).collect();
    assert_eq!(found[0].status, FileStatus::Missing);
    // SHA-256 of "hello", a textbook value.
    let hello = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    let FileStatus::Bad { expected, found } = &found[3].status else { panic!("{found:?}") };
    assert_eq!(found, &format!("5 bytes, SHA-256 {hello}"));
    assert!(expected.starts_with("4542 bytes"), "{expected}");
}

/// Where no SHA-256 is published the size alone is compared, and said to be.
#[test]
fn without_a_published_checksum_the_size_is_compared() {
    let folder = tempfile::tempdir().unwrap();
    let (addresses, _) = serve(&[Mirror::Wrong, Mirror::Good]);
    let file = RemoteFile { name: "file.gz", bytes: 300_000, sha256: "", unpacked_sha256: "" };
    fetch_all(&[file], folder.path(), &addresses, &mut |_| {}).unwrap();
    let path = folder.path().join("file.gz");
    assert_eq!(status(&file, &path).unwrap(), FileStatus::SizeOnly);
    std::fs::write(&path, "short").unwrap();
    let FileStatus::Bad { expected, .. } = status(&file, &path).unwrap() else { panic!("bad") };
    assert_eq!(expected, "300000 bytes (no SHA-256 is published)");
}

#[test]
fn presence_needs_no_content() {
    let folder = tempfile::tempdir().unwrap();
    let download = files_of(entry("cifar100").unwrap()).unwrap();
    std::fs::create_dir(folder.path().join("cifar-100")).unwrap();
    // Only this folder: the machine's own copies must not enter the test.
    let here = |name: &'static str| {
        dirs::locate(&folder.path().join("cifar-100"), &RemoteFile { name, ..download.files[0] })
    };
    assert_eq!(here("cifar-100-binary.tar.gz"), None);
    std::fs::write(folder.path().join("cifar-100/cifar-100-binary.tar.gz"), "not read").unwrap();
    assert!(here("cifar-100-binary.tar.gz").is_some());
    let own = Dirs { data_dir: Some(folder.path().to_path_buf()) };
    assert_eq!(presence("cifar100", &own).unwrap(), Presence::Whole);
    assert!(presence("glyphs", &own).is_err() && presence("image_folder", &own).is_err());
}

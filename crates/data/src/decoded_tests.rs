use super::*;
use std::cell::Cell;

fn sample() -> Decoded {
    Decoded {
        classes: vec!["a \"quoted\" name".to_owned(), "b".to_owned()],
        shape: [1, 2, 2],
        train: Split { labels: vec![1, 0, 1], pixels: (0..12).collect() },
        test: Some(Split { labels: vec![0], pixels: vec![9; 4] }),
        source: SourceFile { path: String::new(), bytes: 5, sha256: "00".into() },
    }
}

fn found_at(source: &Path, decoded: Decoded) -> Decoded {
    let path = source.display().to_string();
    Decoded { source: SourceFile { path, ..decoded.source }, ..decoded }
}

/// A source file, a cache folder and a count of how often it was decoded.
struct Place {
    dir: tempfile::TempDir,
    made: Cell<usize>,
}

impl Place {
    fn new() -> Place {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("source"), "12345").unwrap();
        Place { dir, made: Cell::new(0) }
    }

    fn cache(&self) -> PathBuf {
        self.dir.path().join("cache/deep")
    }

    fn source(&self) -> PathBuf {
        self.dir.path().join("source")
    }

    /// What decoding gives.
    fn sample(&self) -> Decoded {
        found_at(&self.source(), sample())
    }

    fn load(&self) -> Decoded {
        self.load_from(&self.source())
    }

    fn load_from(&self, source: &Path) -> Decoded {
        let make = || {
            self.made.set(self.made.get() + 1);
            Ok(found_at(source, sample()))
        };
        cached(source, "test", Some(&self.cache()), make).unwrap()
    }

    /// The one file of the cache.
    fn file(&self) -> PathBuf {
        let files: Vec<PathBuf> =
            std::fs::read_dir(self.cache()).unwrap().map(|e| e.unwrap().path()).collect();
        assert_eq!(files.len(), 1, "{files:?}");
        files[0].clone()
    }
}

#[test]
fn decoded_once_and_read_after_that() {
    let place = Place::new();
    for _ in 0..3 {
        assert_eq!(place.load(), place.sample());
    }
    assert_eq!(place.made.get(), 1);
    let none = Decoded { test: None, ..sample() };
    let without = cached(&place.file(), "other", Some(&place.cache()), || Ok(none.clone())).unwrap();
    assert_eq!(without, none);
}

/// A record says where the files were found this time, whoever filled the cache.
#[test]
fn a_hit_names_the_path_it_was_asked_for() {
    let place = Place::new();
    place.load();
    let other = place.dir.path().join("cache").join("..").join("source");
    assert_eq!(place.load_from(&other), found_at(&other, sample()));
    assert_eq!(place.made.get(), 1);
}

/// What one decoder made is not taken for the work of another.
#[test]
fn another_decoder_decodes_anew() {
    let place = Place::new();
    let under = |decoder: &str| state_under(decoder, &place.source()).unwrap();
    assert_eq!(under(JPEG_DECODER), state(&place.source()).unwrap());
    assert_ne!(under("zune-jpeg 0.5.14"), under("zune-jpeg 0.5.15"));
}

#[test]
fn a_changed_source_is_decoded_anew() {
    let place = Place::new();
    place.load();
    std::fs::write(place.dir.path().join("source"), "123456").unwrap();
    place.load();
    // The same size, another time of change.
    let file = File::options().write(true).open(place.dir.path().join("source")).unwrap();
    file.set_modified(UNIX_EPOCH + std::time::Duration::from_secs(1_000_000)).unwrap();
    place.load();
    assert_eq!(place.made.get(), 3);
}

#[test]
fn a_changed_file_deep_in_a_folder_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("a/b")).unwrap();
    std::fs::write(dir.path().join("a/b/c"), "1").unwrap();
    let before = state(dir.path()).unwrap();
    assert_eq!(before, state(dir.path()).unwrap());
    std::fs::write(dir.path().join("a/b/c"), "12").unwrap();
    let after = state(dir.path()).unwrap();
    assert_ne!(before, after);
    std::fs::rename(dir.path().join("a/b/c"), dir.path().join("a/b/d")).unwrap();
    assert_ne!(after, state(dir.path()).unwrap());
}

#[test]
fn damaged_files_are_made_again() {
    let place = Place::new();
    place.load();
    let whole = std::fs::read(place.file()).unwrap();
    let mut damaged: Vec<Vec<u8>> = (0..whole.len()).step_by(7).map(|n| whole[..n].to_vec()).collect();
    for at in (0..whole.len()).step_by(5) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x40;
        damaged.push(bytes);
    }
    damaged.push([&whole[..], b"x"].concat());
    for (k, bytes) in damaged.into_iter().enumerate() {
        std::fs::write(place.file(), bytes).unwrap();
        assert_eq!(place.load(), place.sample());
        assert_eq!(place.made.get(), k + 2);
        assert_eq!(std::fs::read(place.file()).unwrap(), whole);
    }
}

/// A process that was killed leaves a part that nobody holds; one at work holds its own.
#[test]
fn parts_that_nobody_writes_any_more_are_removed() {
    let place = Place::new();
    std::fs::create_dir_all(place.cache()).unwrap();
    let (dead, live) = (place.cache().join("test-1.77-0.part"), place.cache().join("test-2.78-0.part"));
    std::fs::write(&dead, "half").unwrap();
    let writer = File::create(&live).unwrap();
    writer.try_lock().unwrap();
    place.load();
    assert!(!dead.exists() && live.exists());
    drop(writer);
    std::fs::remove_file(live).unwrap();
    place.file();
}

#[test]
fn a_cache_that_cannot_be_written_is_no_error() {
    let place = Place::new();
    std::fs::write(place.dir.path().join("cache"), "a file where a folder should be").unwrap();
    assert_eq!(place.load(), place.sample());
    assert_eq!(place.load(), place.sample());
    assert_eq!(place.made.get(), 2);
}

#[test]
fn many_at_once_do_not_disturb_each_other() {
    let place = Place::new();
    let (source, cache, expected) = (place.source(), place.cache(), place.sample());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..20 {
                    let made = || Ok(found_at(&source, sample()));
                    assert_eq!(cached(&source, "test", Some(&cache), made).unwrap(), expected);
                }
            });
        }
    });
    place.file();
}

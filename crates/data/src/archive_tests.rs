use super::*;
use std::io::Write;

/// A tar with these entries, names written as they are (the crate's own writer refuses the bad ones).
pub(crate) fn tar_of(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = ::tar::Builder::new(Vec::new());
    for (name, content) in entries {
        let mut header = ::tar::Header::new_gnu();
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append(&header, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

pub(crate) fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zip_of(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ::zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in entries {
        writer.start_file(*name, ::zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

type Files = Vec<(String, Vec<u8>)>;

fn read(bytes: &[u8]) -> Result<Files, DataError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("archive");
    std::fs::write(&path, bytes).unwrap();
    collect(&path)
}

fn collect(path: &Path) -> Result<Files, DataError> {
    let mut files = Vec::new();
    walk(path, &mut |name, input| {
        files.push((name.to_owned(), content(path, name, input, 1000)?));
        Ok(())
    })?;
    Ok(files)
}

const ENTRIES: &[(&str, &[u8])] = &[("a/one.txt", b"1"), ("a/b/two", b"22"), ("z", b"")];

#[test]
fn all_containers_give_the_same_files() {
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in ENTRIES {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    std::fs::write(dir.path().join("a/.hidden"), "x").unwrap();
    let mut expected: Files = ENTRIES.iter().map(|(n, b)| ((*n).to_owned(), b.to_vec())).collect();
    let all = [&[("__MACOSX/a/._one.txt", &b"x"[..])], ENTRIES].concat();
    for bytes in [tar_of(&all), gz(&tar_of(&all)), zip_of(&all)] {
        assert_eq!(read(&bytes).unwrap(), expected);
    }
    expected.sort();
    assert_eq!(collect(dir.path()).unwrap(), expected);
}

#[test]
fn entries_that_leave_their_folder_are_refused() {
    for name in ["../evil", "a/../../evil", "/etc/evil", "..\\evil", "C:\\evil", "a/.."] {
        let entries: &[(&str, &[u8])] = &[("a/good", b"1"), (name, b"x")];
        for bytes in [tar_of(entries), gz(&tar_of(entries)), zip_of(entries)] {
            let error = read(&bytes).unwrap_err().to_string();
            assert!(
                error.contains("refused") && error.contains("leaves the archive's folder"),
                "{name}: {error}"
            );
        }
    }
    // Dots inside a name are harmless.
    assert_eq!(read(&tar_of(&[("./a/b..c", b"1")])).unwrap()[0].0, "a/b..c");
}

#[test]
fn links_are_refused() {
    let mut builder = ::tar::Builder::new(Vec::new());
    let mut header = ::tar::Header::new_gnu();
    header.set_entry_type(::tar::EntryType::Symlink);
    header.set_size(0);
    builder.append_link(&mut header, "train", "/etc").unwrap();
    let error = read(&builder.into_inner().unwrap()).unwrap_err().to_string();
    assert!(error.contains("entry \"train\" is a link"), "{error}");
}

#[test]
fn cut_and_foreign_files_are_errors() {
    let long: Vec<u8> = (0..800u32).map(|i| (i * i % 251) as u8).collect();
    let whole = tar_of(&[("a", &long), ("b", &long)]);
    let packed = gz(&whole);
    for bytes in [&whole[..900], &packed[..packed.len() / 2], &packed[..packed.len() - 4]] {
        assert!(read(bytes).is_err(), "{}", bytes.len());
    }
    let zipped = zip_of(&[("a", &long)]);
    assert!(read(&zipped[..zipped.len() - 10]).unwrap_err().to_string().contains("zip"));
    assert!(read(&[7; 2000]).unwrap_err().to_string().contains("damaged or truncated archive, or none"));
    // A wrong byte is caught by the checksums of gzip and zip.
    for mut bytes in [packed, zipped] {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x10;
        assert!(read(&bytes).is_err());
    }
}

#[test]
fn huge_entries_are_refused() {
    let error = read(&tar_of(&[("a", &[0; 1001])])).unwrap_err().to_string();
    assert!(error.contains("a: more than 1000 bytes"), "{error}");
}

#[test]
fn an_entry_that_is_there_twice_is_refused() {
    for name in ["a/one.txt", "./a/one.txt", "a//one.txt"] {
        let twice = [ENTRIES, &[(name, &b"1"[..])]].concat();
        for bytes in [tar_of(&twice), gz(&tar_of(&twice))] {
            let text = read(&bytes).unwrap_err().to_string();
            assert!(text.contains(&format!("entry \"{name}\" is there twice")), "{text}");
        }
    }
    // Both spellings are names of their own to a zip; the very same name cannot be written with its crate, so one is renamed in
    // the bytes.
    let text = read(&zip_of(&[("a/one", b"1"), ("a//one", b"2")])).unwrap_err().to_string();
    assert!(text.contains("is there twice"), "{text}");
    let mut bytes = zip_of(&[("a/one", b"1"), ("a/two", b"2")]);
    while let Some(at) = bytes.windows(5).position(|w| w == b"a/two") {
        bytes[at..at + 5].copy_from_slice(b"a/one");
    }
    let text = read(&bytes).unwrap_err().to_string();
    assert!(text.contains("is there twice"), "{text}");
    // A hidden one does not count.
    let hidden: &[(&str, &[u8])] = &[("a/.x", b"1"), ("a/.x", b"2")];
    assert_eq!(read(&tar_of(&[hidden, ENTRIES].concat())).unwrap().len(), ENTRIES.len());
}

#[test]
fn entries_that_are_no_regular_files_are_refused() {
    for kind in [::tar::EntryType::Fifo, ::tar::EntryType::Char, ::tar::EntryType::Block] {
        let mut builder = ::tar::Builder::new(Vec::new());
        let mut header = ::tar::Header::new_gnu();
        header.set_path("train/pipe").unwrap();
        header.set_entry_type(kind);
        header.set_size(0);
        header.set_cksum();
        builder.append(&header, &[][..]).unwrap();
        let text = read(&builder.into_inner().unwrap()).unwrap_err().to_string();
        assert!(text.contains("entry \"train/pipe\" is not a regular file"), "{text}");
    }
}

#[test]
fn archives_of_other_kinds_are_named() {
    for (magic, kind) in [
        (&b"\xFD7zXZ\0\0\x04"[..], "an xz archive"),
        (b"BZh91AY&SY", "a bzip2 archive"),
        (b"\x28\xB5\x2F\xFD\0", "a Zstandard archive"),
        (b"7z\xBC\xAF\x27\x1C", "a 7-Zip archive"),
        (b"Rar!\x1A\x07\x01", "a RAR archive"),
    ] {
        let text = read(&[magic, &[0x1B; 900]].concat()).unwrap_err().to_string();
        assert!(
            text.contains(&format!("archive: {kind}: only .zip, .tar and .tar.gz are read; unpack it")),
            "{text}"
        );
    }
}

/// Neither what is in a file that is no archive nor the name of an entry reaches the terminal as it is.
#[test]
fn messages_hold_no_control_characters() {
    let name = "a/\u{1b}]0;title\u{7}";
    for bytes in [vec![0x1B; 2000], tar_of(&[("../\u{1b}[2J", b"1")]), tar_of(&[(name, b"1"), (name, b"1")])]
    {
        let text = read(&bytes).unwrap_err().to_string();
        assert!(!text.contains(char::is_control) && text.contains("\\u{1b}"), "{text}");
    }
}

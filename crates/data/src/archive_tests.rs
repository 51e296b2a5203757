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
    assert!(read(&[7; 2000]).unwrap_err().to_string().contains("damaged or truncated archive"));
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

use super::*;
use flate2::{Compression, write::GzEncoder};
use std::io::Write;

/// An IDX file made here from the format's description.
fn encode(dims: &[u32], bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0, 0, 8, dims.len() as u8];
    dims.iter().for_each(|d| out.extend(d.to_be_bytes()));
    out.extend(bytes);
    out
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn read_bytes(bytes: &[u8], rank: u8) -> Result<Idx, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    read(file.path(), rank).map_err(|e| {
        let text = e.to_string();
        assert!(text.starts_with(&file.path().display().to_string()), "no path in {text}");
        text
    })
}

#[test]
fn plain_and_gzipped_files_have_the_same_content() {
    let content: Vec<u8> = (0..2 * 3 * 4).collect();
    let plain = encode(&[2, 3, 4], &content);
    for bytes in [plain.clone(), gzip(&plain)] {
        let idx = read_bytes(&bytes, 3).unwrap();
        assert_eq!((idx.dims, idx.bytes), (vec![2, 3, 4], content.clone()));
        assert_eq!(idx.source.bytes, bytes.len() as u64);
        assert_eq!(idx.source.sha256, hex(&Sha256::digest(&bytes)));
    }
}

#[test]
fn every_truncation_is_noticed() {
    let plain = encode(&[2, 3], &[1, 2, 3, 4, 5, 6]);
    let packed = gzip(&plain);
    for bytes in [&plain, &packed] {
        for n in 0..bytes.len() {
            let error = read_bytes(&bytes[..n], 2).unwrap_err();
            let told = error.contains("truncated") || error.contains("holds") || error.contains("magic");
            assert!(told || error.contains("corrupt"), "{n}: {error}");
        }
    }
}

/// Header bytes that gzip does not check (time stamp, extra flags, system) may change; all others may not.
#[test]
fn every_flipped_bit_of_the_compressed_data_is_noticed() {
    let content: Vec<u8> = (0..500u32).map(|i| (i * i % 251) as u8).collect();
    let packed = gzip(&encode(&[500], &content));
    for k in 10..packed.len() {
        for bit in 0..8 {
            let mut bytes = packed.clone();
            bytes[k] ^= 1 << bit;
            match read_bytes(&bytes, 1) {
                Err(_) => {}
                Ok(idx) => assert_eq!(idx.bytes, content, "byte {k} bit {bit} changed the content unnoticed"),
            }
        }
    }
}

#[test]
fn wrong_headers_are_explained() {
    let plain = encode(&[2, 3], &[1, 2, 3, 4, 5, 6]);
    for (bytes, rank, part) in [
        (plain.clone(), 3, "magic number 2050 (0x00000802), expected 2051 (0x00000803)"),
        (b"not an IDX file at all".to_vec(), 2, "not an IDX file of unsigned bytes with 2 dimension(s)"),
        ([plain.clone(), vec![0]].concat(), 2, "announces 6 bytes (extents [2, 3]), the file holds more"),
        (plain[..plain.len() - 1].to_vec(), 2, "the file holds 5"),
        (gzip(&plain[..plain.len() - 1]), 2, "the file holds 5"),
        ([gzip(&plain), vec![7]].concat(), 2, "bytes follow the end of the gzip stream"),
        (encode(&[u32::MAX, u32::MAX, u32::MAX], &[]), 3, "too large"),
        (Vec::new(), 1, "truncated: it ends before the IDX header"),
    ] {
        let error = read_bytes(&bytes, rank).unwrap_err();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let error = read(Path::new("/no/such/file"), 1).unwrap_err().to_string();
    assert!(error.starts_with("/no/such/file: "), "{error}");
}

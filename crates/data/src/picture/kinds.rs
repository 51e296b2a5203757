//! Kinds of files by the ending of their name and by their first bytes: which are read as pictures, and what the others are called.

/// What a file's name promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// A JPEG or PNG.
    Picture,
    /// A picture of a kind that is not read.
    OtherPicture,
    /// Several files in one.
    Archive,
    /// Anything else; [`by_content`] may know better.
    Unknown,
}

/// Endings of pictures that are read, as messages list them.
pub(crate) const READ: &str = ".png, .jpg, .jpeg, .jfif, .jpe";

const OTHERS: [&str; 35] = [
    "apng", "arw", "avif", "bmp", "cr2", "cr3", "dcm", "dib", "dng", "emf", "eps", "exr", "gif", "hdr",
    "heic", "heif", "ico", "j2k", "jp2", "jxl", "nef", "npy", "pbm", "pcx", "pgm", "pnm", "ppm", "psd",
    "raw", "svg", "tga", "tif", "tiff", "webp", "xcf",
];

const ARCHIVES: [&str; 10] = ["zip", "tar", "gz", "tgz", "xz", "bz2", "zst", "7z", "rar", "npz"];

/// What the ending of a name promises, in capitals or not.
pub(crate) fn by_name(name: &str) -> Ending {
    let Some((_, end)) = name.rsplit_once('.') else { return Ending::Unknown };
    let end = end.to_ascii_lowercase();
    match end.as_str() {
        "png" | "jpg" | "jpeg" | "jfif" | "jpe" => Ending::Picture,
        e if OTHERS.contains(&e) => Ending::OtherPicture,
        e if ARCHIVES.contains(&e) => Ending::Archive,
        _ => Ending::Unknown,
    }
}

/// Bytes that [`by_content`] looks at.
pub(crate) const ENOUGH: usize = 32;

/// What a file is that begins with these bytes, where that can be told.
pub(crate) fn by_content(bytes: &[u8]) -> Option<&'static str> {
    let after = |n: usize, magic: &[u8]| bytes.get(n..).is_some_and(|b| b.starts_with(magic));
    let lower = bytes.iter().take(ENOUGH).map(u8::to_ascii_lowercase).collect::<Vec<u8>>();
    let page = lower.starts_with(b"<!doctype html") || lower.starts_with(b"<html");
    let kinds = [
        (after(0, b"\xFF\xD8\xFF"), "a JPEG"),
        (after(0, b"\x89PNG"), "a PNG"),
        (after(0, b"GIF8"), "a GIF"),
        (after(0, b"RIFF") && after(8, b"WEBP"), "a WebP picture"),
        (after(0, b"BM") && after(6, &[0; 4]), "a BMP picture"),
        (after(0, b"II\x2A\0") || after(0, b"MM\0\x2A"), "a TIFF picture"),
        (after(4, b"ftyp"), "a HEIC or AVIF picture or a film"),
        (after(4, b"jP  "), "a JPEG 2000 picture"),
        (after(0, b"\xFF\x0A") || after(4, b"JXL "), "a JPEG XL picture"),
        (after(0, b"8BPS"), "a Photoshop picture"),
        (after(0, b"%PDF"), "a PDF"),
        (page, "a web page, perhaps of a download that failed"),
        (after(0, b"version https://git-lfs"), "a pointer of Git LFS, not the file itself"),
    ];
    kinds.iter().find(|(is, _)| *is).map(|(_, what)| *what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_and_first_bytes() {
        for (name, expected) in [
            ("a.PNG", Ending::Picture),
            ("a.b.jfif", Ending::Picture),
            ("a.webp", Ending::OtherPicture),
            ("a.TIFF", Ending::OtherPicture),
            ("a.tar.gz", Ending::Archive),
            ("notes.txt", Ending::Unknown),
            ("png", Ending::Unknown),
        ] {
            assert_eq!(by_name(name), expected, "{name}");
        }
        for (bytes, expected) in [
            (&b"RIFF\x10\0\0\0WEBPVP8 "[..], Some("a WebP picture")),
            (b"RIFF\x10\0\0\0WAVEfmt ", None),
            (b"BM\x46\0\0\0\0\0\0\0", Some("a BMP picture")),
            (b"BMW is a maker of cars", None),
            (b"\0\0\0\x1cftypavif", Some("a HEIC or AVIF picture or a film")),
            (b"<!DOCTYPE HTML>", Some("a web page, perhaps of a download that failed")),
            (b"a text", None),
            (b"", None),
        ] {
            assert_eq!(by_content(bytes), expected, "{bytes:?}");
        }
    }
}

//! What a file is by its first bytes, whatever its name says.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Bytes that [`of`] wants to see; a tar is known by its first block.
pub(crate) const HEAD: usize = 512;

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// A picture of a format that is read.
    Picture,
    /// A picture of a format that is not read.
    Foreign(&'static str),
    /// An uncompressed tar.
    Tar,
    /// A zip.
    Zip,
    /// Another archive or compressed file; what it is, and the program that opens it.
    Archive(&'static str, &'static str),
    /// Something that takes a picture's place when a download goes wrong.
    Wrong(&'static str),
    /// None of these.
    Unknown,
}

/// Formats that are read, by their first bytes.
const READ: [&[u8]; 4] = [b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a"];

/// Formats that are not read, by their first bytes.
const FOREIGN: [(&[u8], &str); 9] = [
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"8BPS", "Photoshop"),
    (b"\x76\x2f\x31\x01", "OpenEXR"),
];

/// Archives and packers other than tar and zip.
const ARCHIVES: [(&[u8], &str, &str); 6] = [
    (&[0x1f, 0x8b], "gzip", "gunzip"),
    (&[0x28, 0xb5, 0x2f, 0xfd], "zstd", "unzstd"),
    (b"\xfd7zXZ", "xz", "unxz"),
    (b"BZh", "bzip2", "bunzip2"),
    (b"7z\xbc\xaf\x27\x1c", "7-Zip", "7z x"),
    (b"Rar!\x1a\x07", "RAR", "unrar x"),
];

/// Tells from the first bytes of a file, [`HEAD`] of them or all there are.
pub(crate) fn of(head: &[u8]) -> Content {
    if head.is_empty() {
        return Content::Wrong("it is empty");
    }
    let webp = head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WEBP");
    if webp || is_bmp(head) || READ.iter().any(|magic| head.starts_with(magic)) {
        return Content::Picture;
    }
    if let Some((_, name)) = FOREIGN.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Content::Foreign(name);
    }
    if let Some((_, name, program)) = ARCHIVES.iter().find(|(magic, ..)| head.starts_with(magic)) {
        return Content::Archive(name, program);
    }
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        return Content::Zip;
    }
    if head.get(4..8) == Some(b"ftyp") {
        return media(head);
    }
    if is_tar(head) {
        return Content::Tar;
    }
    text(head)
}

/// The first bytes of a file; none if it cannot be read or is no plain file, such as a pipe, which would wait for ever.
pub(crate) fn head(path: &Path) -> Vec<u8> {
    let mut head = Vec::new();
    if path.is_file()
        && let Ok(file) = File::open(path)
    {
        // What cannot be read to this point is passed over like any unknown file.
        let _ = file.take(HEAD as u64).read_to_end(&mut head);
    }
    head
}

/// The ending of a picture's name, by its first bytes.
pub(crate) fn ending(head: &[u8]) -> &'static str {
    match head {
        [0xff, 0xd8, ..] => "jpg",
        [0x89, ..] => "png",
        [b'G', ..] => "gif",
        [b'R', ..] => "webp",
        _ => "bmp",
    }
}

/// A DIB header of one of the known lengths follows the file header.
fn is_bmp(head: &[u8]) -> bool {
    let length = head.get(14..18).map(|bytes| u32::from_le_bytes(*bytes.first_chunk().expect("four bytes")));
    head.starts_with(b"BM") && matches!(length, Some(12 | 16 | 40 | 52 | 56 | 64 | 108 | 124))
}

/// ISO base media files (ISO/IEC 14496-12): a brand, a version, more brands.
fn media(head: &[u8]) -> Content {
    let length = head.first_chunk().map_or(0, |&n| u32::from_be_bytes(n) as usize).min(head.len());
    let brands: Vec<&[u8]> = head[..length.max(12).min(head.len())].chunks(4).skip(2).collect();
    let any = |names: &[&[u8; 4]]| brands.iter().any(|brand| names.iter().any(|name| *brand == *name));
    if any(&[b"avif", b"avis"]) {
        Content::Foreign("AVIF")
    } else if any(&[b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"]) {
        Content::Foreign("HEIC")
    } else {
        Content::Unknown
    }
}

/// Its checksum, bytes 148 to 155 in octal, is the sum of the first block's bytes with blanks in its own place
/// (POSIX.1-1988 ustar); an empty tar is blocks of zeros.
pub(crate) fn is_tar(head: &[u8]) -> bool {
    let Some(block) = head.first_chunk::<512>() else { return false };
    let byte = |(i, &byte): (usize, &u8)| u32::from(if (148..156).contains(&i) { b' ' } else { byte });
    let sum: u32 = block.iter().enumerate().map(byte).sum();
    let end_of_archive = block.iter().all(|&byte| byte == 0);
    end_of_archive || tar::Header::from_byte_slice(block).cksum().is_ok_and(|stored| stored == sum)
}

fn text(head: &[u8]) -> Content {
    let shown = String::from_utf8_lossy(head).trim_start().to_ascii_lowercase();
    if shown.starts_with("<!doctype html") || shown.starts_with("<html") || shown.starts_with("<head") {
        Content::Wrong("it is a web page (HTML), not the picture; download it again")
    } else if shown.starts_with("version https://git-lfs") {
        Content::Wrong("it is a git LFS pointer, not the picture; run git lfs pull")
    } else if shown.starts_with("<svg") || (shown.starts_with("<?xml") && shown.contains("<svg")) {
        Content::Foreign("SVG")
    } else {
        Content::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_tell_what_a_file_is() {
        let media = |brands: &[u8]| [&(8 + brands.len() as u32).to_be_bytes(), &b"ftyp"[..], brands].concat();
        for (head, content) in [
            (b"\xff\xd8\xff\xe0 and so on".to_vec(), Content::Picture),
            (b"RIFF\x10\0\0\0WEBPVP8 ".to_vec(), Content::Picture),
            ([&b"BM"[..], &[0; 12], &[40, 0, 0, 0]].concat(), Content::Picture),
            (b"BM and other words of text".to_vec(), Content::Unknown),
            (media(b"mif1\0\0\0\0avifmif1"), Content::Foreign("AVIF")),
            (media(b"mif1\0\0\0\0heicmif1"), Content::Foreign("HEIC")),
            (media(b"isom\0\0\0\0mp42"), Content::Unknown),
            (b"\xff\x0a\0".to_vec(), Content::Foreign("JPEG XL")),
            (b"<?xml version='1.0'?><svg/>".to_vec(), Content::Foreign("SVG")),
            (
                b"\n<!DOCTYPE HTML><title>404".to_vec(),
                Content::Wrong("it is a web page (HTML), not the picture; download it again"),
            ),
            (b"PK\x03\x04".to_vec(), Content::Zip),
            (vec![0; 512], Content::Tar),
            (vec![0; 511], Content::Unknown),
            (b"\x1f\x8b\x08".to_vec(), Content::Archive("gzip", "gunzip")),
            (b"".to_vec(), Content::Wrong("it is empty")),
            (b"ftyp".to_vec(), Content::Unknown),
            (b"\0\0\0\xffftyp".to_vec(), Content::Unknown),
        ] {
            assert_eq!(of(&head), content, "{:?}", String::from_utf8_lossy(&head));
        }
    }
}

//! Downloads that are not the model: pages, pointers, archives, pictures, networks in other formats; each with the next step.

use std::io;

use crate::blob::Blob;

/// Bytes that are looked at.
const HEAD: usize = 4096;

/// Formats by their first bytes, and what to do with them.
const MAGIC: [(&[u8], &str); 17] = [
    (b"\x1f\x8b", "the file is compressed with gzip; unpack it first (gunzip FILE.gz, or tar xf for a .tar.gz)"),
    (b"\xfd7zXZ", "the file is compressed with xz; unpack it first (unxz FILE.xz, or tar xf for a .tar.xz)"),
    (b"\x28\xb5\x2f\xfd", "the file is compressed with zstd; unpack it first (unzstd FILE.zst)"),
    (b"BZh", "the file is compressed with bzip2; unpack it first (bunzip2 FILE.bz2)"),
    (
        b"7z\xbc\xaf\x27\x1c",
        "the file is a 7-Zip archive; unpack it first (7z x FILE) and import the .pkl or .pt in it",
    ),
    (b"Rar!", "the file is a RAR archive; unpack it first (unrar x FILE) and import the .pkl or .pt in it"),
    (b"\x89PNG", "the file is a picture (PNG), not a model"),
    (b"\xff\xd8\xff", "the file is a picture (JPEG), not a model"),
    (b"GIF8", "the file is a picture (GIF), not a model"),
    (b"\x89HDF", "the file is HDF5, as Keras writes it; StyleGAN2 models are .pkl, .pt or .safetensors"),
    (b"GGUF", "the file is GGUF, a language model's format; StyleGAN2 models are .pkl, .pt or .safetensors"),
    (b"\x93NUMPY", "the file is a NumPy array (perhaps a projected w), not a model"),
    (b"%PDF", "the file is a PDF, not a model"),
    (b"\x7fELF", "the file is a program, not a model"),
    (b"MZ", "the file is a program, not a model"),
    (b"SQLite format 3", "the file is a database, not a model"),
    (b"OggS", "the file is sound, not a model"),
];

/// What a file is that is no pickle and no archive of `torch.save`; none if it may be a pickle.
///
/// # Errors
/// The file cannot be read.
pub(crate) fn named(blob: &Blob) -> io::Result<Option<String>> {
    let mut head = vec![0; HEAD.min(blob.len() as usize)];
    blob.read_at(0, &mut head)?;
    if head.is_empty() {
        return Ok(Some("the file is empty: nothing was downloaded; download it again".into()));
    }
    // A pickle of protocol 2 or later says so.
    if head[0] == 0x80 {
        return Ok(None);
    }
    if let Some((_, what)) = MAGIC.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Ok(Some((*what).into()));
    }
    if head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WEBP") {
        return Ok(Some("the file is a picture (WebP), not a model".into()));
    }
    if head.get(257..262) == Some(b"ustar") {
        return Ok(Some("the file is a tar; unpack it first (tar xf FILE) and import the .pkl or .pt in it".into()));
    }
    if is_onnx(&head) {
        let what = "the file is an ONNX graph, which is made to be run elsewhere; import the .pkl, .pt or .safetensors that it \
                    was exported from";
        return Ok(Some(what.into()));
    }
    if head.get(4..8) == Some(b"TFL3") {
        return Ok(Some("the file is TensorFlow Lite; import the .pkl it was made from".into()));
    }
    if head.iter().all(|&byte| byte == 0) {
        return Ok(Some("the file begins with zeros only: the download was not finished; download it again".into()));
    }
    Ok(text(&head, blob.len()))
}

/// A protocol buffer of onnx.proto's `ModelProto`: field 1, the version of the format, a small number; then the name of a
/// producer (2), its version (3), a domain (4), the graph (7) or operator sets (8), all with a length.
fn is_onnx(head: &[u8]) -> bool {
    matches!(head, [0x08, 1..=30, 0x12 | 0x1a | 0x22 | 0x3a | 0x42, ..])
}

/// What a text is; none if it may be a pickle of protocol 0, which is text as well.
fn text(head: &[u8], length: u64) -> Option<String> {
    let shown = String::from_utf8_lossy(head);
    let lower = shown.trim_start_matches('\u{feff}').trim_start().to_ascii_lowercase();
    if lower.starts_with("version https://git-lfs") {
        let size = lower.lines().find_map(|line| line.strip_prefix("size ")?.trim().parse::<u64>().ok());
        let of = size.map_or_else(String::new, |size| format!(" of {:.1} MB", size as f64 / 1e6));
        return Some(format!(
            "the file is a git LFS pointer, {length} bytes that stand for the model{of}; run git lfs pull in its repository, or \
             download it from the site's page (on Hugging Face and GitHub by the link \"download\" or \"raw\")"
        ));
    }
    let page = ["<!doctype html", "<html", "<head", "<script"].iter().any(|start| lower.starts_with(start));
    if page {
        let drive = ["quota", "google drive", "drive.google", "virus scan"].iter().any(|word| lower.contains(word));
        let hint = if drive {
            "Google Drive shows one when a file's downloads are used up for the day or when it is too large to be scanned: open the \
             link in a browser, make a copy in your own Drive, or try again tomorrow"
        } else {
            "sites show one where they ask for a login or a consent: open the link in a browser, then download the file itself"
        };
        return Some(format!("the file is a web page (HTML), not the model; {hint}"));
    }
    if lower.starts_with("<?xml") || lower.starts_with("<error") {
        return Some(
            "the file is XML, such as a store's message that access is denied or the file is gone; download it again"
                .into(),
        );
    }
    if lower.starts_with("{\"") || lower.starts_with("{\n") {
        return Some("the file is JSON, such as a configuration or a server's message; the model is the .pkl, .pt or .safetensors".into());
    }
    None
}

/// What an archive is by the name of one of its entries, if not one of `torch.save`'s.
pub(crate) fn entry(name: &str) -> Option<String> {
    let last = name.rsplit('/').next().unwrap_or(name);
    let ending = last.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    match ending.as_deref() {
        Some("pkl") if !matches!(last, "data.pkl" | "constants.pkl") => {
            Some(format!("the file is a zip that holds {name}; unpack it first (unzip FILE) and import that"))
        }
        Some("pt" | "pth" | "ckpt" | "safetensors") => {
            Some(format!("the file is a zip that holds {name}; unpack it first (unzip FILE) and import that"))
        }
        Some("npy") => Some("the file is NumPy's .npz, arrays (perhaps a projected w) without a network".into()),
        Some("png" | "jpg" | "jpeg" | "webp") => {
            Some("the file is a zip of pictures, not a model; `tadne train --data` trains on it".into())
        }
        Some("py") if name.contains("/code/") => {
            let what = "the file is TorchScript, a compiled program; import the checkpoint or state dictionary it was made from";
            Some(what.into())
        }
        _ => None,
    }
}

//! Lists of addresses: lines of text, or tables that [`crate::metadata`] reads.

use std::collections::HashMap;
use std::fmt::Write;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, ensure};
use url::Url;

use crate::metadata;

/// Characters that an id may have: with its ending it is a file's name, on any system.
const ID: usize = 100;
/// Endings that are taken over from an address: those of scripts say nothing of what comes.
const ENDINGS: [&str; 10] = ["jpg", "jpeg", "png", "webp", "gif", "bmp", "avif", "jxl", "tar", "zip"];

/// A checksum that contents must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sum {
    Md5([u8; 16]),
    Sha256([u8; 32]),
}

/// A row of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The address as it stands in the list.
    pub(super) address: String,
    /// Where it leads and the name of its file; or why it cannot be fetched.
    pub(super) place: Result<(Url, String), String>,
    pub(super) sum: Option<Sum>,
}

/// Which columns of a table are meant, and which rows.
pub(super) struct Columns<'a> {
    pub(super) url: &'a str,
    pub(super) id: &'a str,
    pub(super) condition: Option<&'a str>,
}

/// Reads a list. Rows that say the same again are left out.
///
/// # Errors
/// It cannot be read.
pub(super) async fn read(path: &Path, columns: &Columns<'_>) -> anyhow::Result<Vec<Wanted>> {
    let mut rows = Rows::default();
    if metadata::is_table(path) {
        let names = [columns.url, columns.id, "md5", "sha256"];
        metadata::texts(path, names, columns.condition, |[url, id, md5, sha256]| {
            rows.add(url.unwrap_or_default(), id, sha256.filter(|sum| !sum.is_empty()).or(md5));
        })
        .await?;
    } else {
        ensure!(columns.condition.is_none(), "--where asks a table: the list's name must end in .jsonl or .parquet");
        let cannot = || format!("cannot read {}", path.display());
        for line in BufReader::new(File::open(path).with_context(cannot)?).lines() {
            let line = line.with_context(cannot)?;
            let mut words = line.split_whitespace();
            if let Some(url) = words.next().filter(|word| !word.starts_with('#')) {
                rows.add(url, words.next(), words.next());
            }
        }
    }
    Ok(rows.all)
}

#[derive(Default)]
struct Rows {
    all: Vec<Wanted>,
    /// Rows by the names of their files.
    names: HashMap<String, usize>,
}

impl Rows {
    fn add(&mut self, address: &str, id: Option<&str>, sum: Option<&str>) {
        let checked = sum.filter(|sum| !sum.is_empty()).map(parse).transpose();
        let place = url(address).and_then(|url| {
            checked.clone()?;
            let name = name(&url, id.filter(|id| !id.is_empty()))?;
            Ok((url, name))
        });
        let place = match place {
            Ok((url, name)) => match self.names.get(&name).map(|&at| &self.all[at]) {
                Some(before) if before.address == address => return,
                Some(before) => Err(format!("{} has the same id, and a file holds one", before.address)),
                None => {
                    self.names.insert(name.clone(), self.all.len());
                    Ok((url, name))
                }
            },
            wrong => wrong,
        };
        self.all.push(Wanted { address: address.to_owned(), place, sum: checked.ok().flatten() });
    }
}

/// An address that files are fetched from.
pub(super) fn url(address: &str) -> Result<Url, String> {
    let url = Url::parse(address).map_err(|error| format!("it is no address ({error})"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err("it is no address of http or https".into());
    }
    Ok(url)
}

/// What a file is called: its id, or the hash of its address, with the address's ending.
fn name(url: &Url, id: Option<&str>) -> Result<String, String> {
    let last = url.path().rsplit('/').next().unwrap_or_default();
    let ending = last.rsplit_once('.').map_or(String::new(), |(_, ending)| ending.to_ascii_lowercase());
    let ending = if ENDINGS.contains(&&*ending) { format!(".{ending}") } else { String::new() };
    let Some(id) = id else {
        return Ok(format!("{}{ending}", &blake3::hash(url.as_str().as_bytes()).to_hex()[..32]));
    };
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if id.len() > ID || id.starts_with('.') || !id.bytes().all(sound) {
        let id: String = id.chars().take(ID).collect();
        return Err(format!("its id {id:?} is no name of a file: up to {ID} letters, digits, dots, lines and dashes"));
    }
    Ok(if id.to_ascii_lowercase().ends_with(&ending) { id.to_owned() } else { format!("{id}{ending}") })
}

/// An MD5 or SHA-256, told apart by their lengths.
fn parse(text: &str) -> Result<Sum, String> {
    let digit = |byte: u8| (byte as char).to_digit(16).map(|digit| digit as u8);
    let byte = |pair: &[u8]| Some(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?);
    let bytes: Vec<u8> = text.as_bytes().chunks(2).map(byte).collect::<Option<_>>().unwrap_or_default();
    let md5 = bytes.as_slice().try_into().map(Sum::Md5);
    md5.or_else(|_| bytes.as_slice().try_into().map(Sum::Sha256)).map_err(|_| {
        let text: String = text.chars().take(80).collect();
        format!("{text:?} is no MD5 and no SHA-256: 32 or 64 digits from 0 to f")
    })
}

/// Bytes as digits from 0 to f.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_have_an_address_and_may_have_an_id_and_a_checksum() {
        let list = tempfile::NamedTempFile::new().unwrap();
        let md5 = "d41d8cd98f00b204e9800998ecf8427e";
        let lines = [
            "https://a.example/pictures/1.JPG?size=large".to_owned(),
            "# a remark".into(),
            String::new(),
            format!("http://a.example/view.php 17 {md5}"),
            "https://a.example/2.png two.png".into(),
            "https://a.example/2.png two.png".into(),
            "https://a.example/3.png two".into(),
            "https://a.example/3.png ../up".into(),
            "https://a.example/4.png 4 12".into(),
            "ftp://a.example/5.png".into(),
            "6.png".into(),
            format!("https://a.example/7.png 7 {md5}{md5}"),
        ];
        std::fs::write(list.path(), lines.join("\n")).unwrap();
        let rows = read(list.path(), &Columns { url: "url", id: "id", condition: None }).await.unwrap();
        let names: Vec<_> = rows.iter().map(|row| row.place.as_ref().map_or("", |(_, name)| name)).collect();
        assert_eq!((names[0].len(), &names[0][32..]), (36, ".jpg"));
        assert_eq!(names[1..], ["17", "two.png", "", "", "", "", "", "7.png"]);
        let reasons: Vec<_> = rows.iter().filter_map(|row| row.place.as_ref().err()).collect();
        for (reason, said) in
            reasons.iter().zip(["the same id", "no name of a file", "no MD5", "http or https", "no address ("])
        {
            assert!(reason.contains(said), "{reason}");
        }
        assert!(matches!(rows[1].sum, Some(Sum::Md5(sum)) if hex(&sum) == md5));
        assert!(matches!((rows[0].sum, rows[8].sum), (None, Some(Sum::Sha256(_)))));
        assert!(parse(&"é".repeat(16)).is_err());
    }

    #[tokio::test]
    async fn an_empty_checksum_of_a_table_hides_no_other() {
        let list = tempfile::Builder::new().prefix("list").suffix(".jsonl").tempfile().unwrap();
        let md5 = "d41d8cd98f00b204e9800998ecf8427e";
        let line = format!("{{\"url\": \"https://a.example/1.png\", \"md5\": \"{md5}\", \"sha256\": \"\"}}\n");
        std::fs::write(list.path(), line).unwrap();
        let rows = read(list.path(), &Columns { url: "url", id: "id", condition: None }).await.unwrap();
        assert!(matches!(rows[0].sum, Some(Sum::Md5(sum)) if hex(&sum) == md5));
    }
}

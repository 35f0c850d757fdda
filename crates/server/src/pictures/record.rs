//! The record of a shard of an archive: what `tadne archive` writes of every picture, and what the server holds files to.
//!
//! It is a file of JSON lines, `records/SHARD.jsonl` below the archive. The first line says what was wanted ([`Header`]), each further one names a file
//! with its hash ([`Row`]), and the last is the hash of all before, so that a record that was cut off is none.

use serde::{Deserialize, Serialize};

use crate::pictures::address::PictureAddress;

/// The folder of pictures at addresses, as paths in records begin.
const RESULTS: &str = "results/";

/// The first line of a record; all that the shard's files follow from. The name of a shard is a hash of all fields: with one more, every shard gets
/// another name, and no record from before is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The shard's name, the hash of the rest.
    pub shard: String,
    /// How records are written.
    pub layout: u32,
    /// The revision of the server's encoders.
    pub encoders: u32,
    /// The model's fingerprint.
    pub model: String,
    /// The first seed.
    pub first: u64,
    /// The last seed.
    pub last: u64,
    /// The levels of creativity.
    pub levels: Vec<String>,
    /// The files' ending.
    pub format: String,
    /// Pixels of the longer side; none for the model's own.
    pub size: Option<u16>,
    /// Whether the files are in a tar.
    pub tar: bool,
}

/// One file of a shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Its path below the archive, or the tar's, which is the first row where there is one; pictures in a tar have the path that
    /// they would have outside.
    pub path: String,
    /// How long it is.
    pub bytes: u64,
    /// Its BLAKE3 hash, in hexadecimal.
    pub blake3: String,
}

/// The last line: the hash of all before.
#[derive(Serialize, Deserialize)]
struct Whole {
    whole: String,
}

/// The record of a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What was wanted.
    pub header: Header,
    /// What there is.
    pub rows: Vec<Row>,
}

/// A record that is cut off, damaged, or of another shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the record is cut off, damaged or of another shard")]
pub struct RecordError;

impl Header {
    /// The name that follows from everything else.
    pub fn name(&self) -> String {
        let nameless = Header { shard: String::new(), ..self.clone() };
        let text = serde_json::to_string(&nameless).unwrap_or_default();
        blake3::hash(text.as_bytes()).to_hex()[..32].to_owned()
    }

    /// Reads the header off the beginning of a record, which has to be as long as its first line.
    ///
    /// # Errors
    /// The first line is cut off, or is no header with the name that follows from it.
    pub fn read(beginning: &str) -> Result<Self, RecordError> {
        let line = beginning.lines().next().ok_or(RecordError)?;
        let header: Header = serde_json::from_str(line).map_err(|_| RecordError)?;
        if header.name() == header.shard { Ok(header) } else { Err(RecordError) }
    }
}

impl Row {
    /// The row of a file with these contents.
    pub fn of(path: String, contents: &[u8]) -> Self {
        Row { path, bytes: contents.len() as u64, blake3: blake3::hash(contents).to_hex().to_string() }
    }

    /// Whether a file of this length and BLAKE3 hash is the very one.
    pub fn fits(&self, (bytes, hash): (u64, blake3::Hash)) -> bool {
        self.bytes == bytes && self.blake3 == hash.to_hex().as_str()
    }

    /// Which picture it is; none where it is a tar.
    pub fn address(&self) -> Option<PictureAddress> {
        self.path.strip_prefix(RESULTS)?.parse().ok()
    }
}

impl Record {
    /// The folder of records, below the archive.
    pub const FOLDER: &str = "records";
    /// What their names end in.
    pub const ENDING: &str = ".jsonl";

    /// The record as a file.
    pub fn to_text(&self) -> String {
        let mut text = line(&self.header);
        self.rows.iter().for_each(|row| text.push_str(&line(row)));
        let whole = blake3::hash(text.as_bytes()).to_hex().to_string();
        text.push_str(&line(&Whole { whole }));
        text
    }

    /// Reads a record of the wanted shard.
    ///
    /// # Errors
    /// It is not whole, or another's.
    pub fn parse(text: &str, wanted: &Header) -> Result<Self, RecordError> {
        Self::read(text).ok().filter(|record| record.header == *wanted).ok_or(RecordError)
    }

    /// Reads a record of whatever shard.
    ///
    /// # Errors
    /// It is not whole.
    pub fn read(text: &str) -> Result<Self, RecordError> {
        let lines = text.strip_suffix('\n').ok_or(RecordError)?;
        let (before, last) = lines.rsplit_once('\n').ok_or(RecordError)?;
        let Whole { whole } = serde_json::from_str(last).map_err(|_| RecordError)?;
        if blake3::hash(&text.as_bytes()[..=before.len()]).to_hex().as_str() != whole {
            return Err(RecordError);
        }
        let header = Header::read(before)?;
        let rows = before.lines().skip(1).map(|line| serde_json::from_str(line).map_err(|_| RecordError));
        Ok(Self { header, rows: rows.collect::<Result<Vec<Row>, _>>()? })
    }
}

fn line(value: &impl Serialize) -> String {
    // Texts and numbers in plain structures: nothing that JSON cannot hold.
    serde_json::to_string(value).unwrap_or_default() + "\n"
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The header of a shard of PNG files.
    pub(crate) fn header(first: u64, last: u64, levels: &[&str]) -> Header {
        let mut header = Header {
            shard: String::new(),
            layout: 1,
            encoders: 1,
            model: "model".to_owned(),
            first,
            last,
            levels: levels.iter().map(|&level| level.to_owned()).collect(),
            format: "png".to_owned(),
            size: Some(64),
            tar: false,
        };
        header.shard = header.name();
        header
    }

    #[test]
    fn a_record_reads_back_and_every_cut_or_change_is_noticed() {
        let header = header(0, 3, &["1.0"]);
        let rows = (0..3u8).map(|n| Row::of(format!("results/{n}"), &[n])).collect();
        let record = Record { header: header.clone(), rows };
        let text = record.to_text();
        assert_eq!(Record::parse(&text, &header), Ok(record));
        for end in 0..text.len() {
            assert_eq!(Record::parse(&text[..end], &header), Err(RecordError), "cut at {end}");
        }
        assert_eq!(Record::parse(&text.replace("results/1", "results/9"), &header), Err(RecordError));
        let other = Header { last: 4, ..header };
        assert_eq!(Record::parse(&text, &other), Err(RecordError));
    }

    #[test]
    fn the_beginning_of_a_record_has_its_header_and_no_header_has_the_name_of_another() {
        let header = header(0, 3, &["0.7", "1.0"]);
        let text = Record { header: header.clone(), rows: vec![Row::of("results/0".to_owned(), b"0")] }.to_text();
        let first = text.find('\n').unwrap();
        assert_eq!(Header::read(&text[..first + 9]), Ok(header));
        assert_eq!(Header::read(&text[..first - 1]), Err(RecordError));
        assert_eq!(Header::read(&text.replace("\"last\":3", "\"last\":4")), Err(RecordError));
        assert_eq!(Header::read(""), Err(RecordError));
    }

    #[test]
    fn a_row_is_that_of_a_picture_or_of_a_tar() {
        let address = |path: &str| Row::of(path.to_owned(), b"").address();
        assert_eq!(address("results/psi-1.0/seed00042.png"), Some("psi-1/seed42.png".parse().unwrap()));
        assert_eq!(address("tars/x.tar"), None);
        assert_eq!(address("results/x.tar"), None);
    }
}

//! What is in a shard: JSON lines, the first says what was wanted, the last that the record is whole.

use serde::{Deserialize, Serialize};

/// The first line of a record; all that the shard's files follow from.
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
    pub(crate) fn name(&self) -> String {
        let nameless = Header { shard: String::new(), ..self.clone() };
        let text = serde_json::to_string(&nameless).unwrap_or_default();
        blake3::hash(text.as_bytes()).to_hex()[..32].to_owned()
    }
}

impl Row {
    pub(crate) fn of(path: String, contents: &[u8]) -> Self {
        Row { path, bytes: contents.len() as u64, blake3: blake3::hash(contents).to_hex().to_string() }
    }

    /// Whether a file of this length and BLAKE3 hash is the very one.
    pub(crate) fn fits(&self, (bytes, hash): (u64, blake3::Hash)) -> bool {
        self.bytes == bytes && self.blake3 == hash.to_hex().as_str()
    }
}

impl Record {
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
    pub(crate) fn read(text: &str) -> Result<Self, RecordError> {
        let lines = text.strip_suffix('\n').ok_or(RecordError)?;
        let (before, last) = lines.rsplit_once('\n').ok_or(RecordError)?;
        let Whole { whole } = serde_json::from_str(last).map_err(|_| RecordError)?;
        if blake3::hash(&text.as_bytes()[..=before.len()]).to_hex().as_str() != whole {
            return Err(RecordError);
        }
        let mut lines = before.lines();
        let header: Header = lines.next().and_then(|line| serde_json::from_str(line).ok()).ok_or(RecordError)?;
        let rows = lines.map(|line| serde_json::from_str(line).map_err(|_| RecordError)).collect::<Result<_, _>>()?;
        if header.name() == header.shard { Ok(Self { header, rows }) } else { Err(RecordError) }
    }
}

fn line(value: &impl Serialize) -> String {
    // Texts and numbers in plain structures: nothing that JSON cannot hold.
    serde_json::to_string(value).unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Part, Plan};

    #[test]
    fn a_record_reads_back_and_every_cut_or_change_is_noticed() {
        let plan = Plan::new("model".into(), vec![0..=3], vec![10], server::Format::Png, Some(64));
        let header = plan.header(&plan.part(Part::default()).next().unwrap());
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
}

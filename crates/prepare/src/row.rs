//! What is known of a file once it was looked at.

use dataset::Region;
use serde::{Deserialize, Serialize};

use crate::measure::Measures;

/// What is known of a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Its path, or the archive's with that of the entry in it. Empty after it was read from a file of rows: who listed the files
    /// knows their names.
    #[serde(skip)]
    pub name: String,
    /// How long it is; 0 if it cannot be read.
    pub bytes: u64,
    /// BLAKE3 of it; zeros if it cannot be read.
    #[serde(with = "hex")]
    pub content: [u8; 32],
    /// What a decoder makes of it.
    pub looked: Looked,
}

impl Row {
    /// Whether the file could not be read at all, which may be otherwise the next time or on another machine.
    pub fn unread(&self) -> bool {
        self.content == [0; 32]
    }
}

/// A hash as text.
mod hex {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(hash: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&blake3::Hash::from(*hash).to_hex())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
        let text = String::deserialize(deserializer)?;
        blake3::Hash::from_hex(text).map(Into::into).map_err(D::Error::custom)
    }
}

/// What a decoder makes of a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Looked {
    /// A picture.
    Picture {
        /// Pixels across, of its region if it has one.
        width: usize,
        /// Pixels down.
        height: usize,
        /// What of it counts because a face is in it, and the bits of the face's score.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        face: Option<(Region, u32)>,
        /// None if its size alone rules it out.
        measures: Option<Measures>,
    },
    /// A picture in which no face was found, though one was looked for.
    Faceless {
        /// Pixels across.
        width: usize,
        /// Pixels down.
        height: usize,
    },
    /// None that can be read; the reason.
    Broken(String),
    /// One of a format that is not read; its name.
    Foreign(String),
}

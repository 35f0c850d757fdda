//! Faces in pictures, by detectors that others trained: a file in, boxes and scores out. Two kinds of file are read, told apart by what is in them.
//!
//! | file | what it is |
//! |---|---|
//! | ONNX | a network of the YOLO family; its input is a picture on grey, `[1, 3, height, width]` in RGB from 0 to 1 |
//! | XML | a cascade as OpenCV's `traincascade` writes it, of LBP or of upright HAAR features |
//!
//! Which faces are found follows from the file and the picture's pixels, on machines of one kind to the bit. A detector is shared by threads; each call
//! uses one core. A network is a program: it cannot read or write anything but its input and output, but how long it runs and how much memory it takes
//! nobody limits, so name files that you trust.

mod cascade;
mod network;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use dataset::Decoded;

use crate::cascade::Cascade;
use crate::network::Network;

/// Bytes that a file may have; large networks of the kind have 250 MB.
const FILE_BYTES: u64 = 1 << 30;
/// Bytes of a cascade, of which the largest of OpenCV's have 1 MB: as a tree its text takes ten times as much.
const CASCADE_BYTES: usize = 32 << 20;

/// Why there are no faces to be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read the detector {}: {reason}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// It is no detector, or one of a kind that is not read.
    #[error("{} cannot be used as a detector: {reason}", path.display())]
    Unusable {
        /// Which file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// It fails on a picture.
    #[error("the detector fails: {0}")]
    Fails(String),
}

/// A face.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// Left, top, right and bottom in the picture's pixels, within it.
    pub edges: [f32; 4],
    /// How sure it is: of a network 0 to 1, of a cascade how many windows agree.
    pub score: f32,
}

impl Found {
    /// Pixels across and down.
    fn area(&self) -> f32 {
        let [left, top, right, bottom] = self.edges;
        (right - left) * (bottom - top)
    }
}

/// A detector of faces.
pub struct Detector {
    hash: String,
    kind: Kind,
}

enum Kind {
    Cascade(Cascade),
    Network(Box<Network>),
}

impl Detector {
    /// Reads a detector. A network looks at an empty picture, to see that it is one.
    ///
    /// # Errors
    /// The file cannot be read, or is none that is.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = |reason: String| Error::File { path: path.to_owned(), reason };
        let mut bytes = Vec::new();
        let mut opened = File::open(path).map_err(|error| file(error.to_string()))?;
        opened.by_ref().take(FILE_BYTES + 1).read_to_end(&mut bytes).map_err(|error| file(error.to_string()))?;
        let too_large = || file(format!("it has more than {FILE_BYTES} bytes"));
        if bytes.len() as u64 > FILE_BYTES {
            return Err(too_large());
        }
        Self::of_bytes(bytes).map_err(|reason| Error::Unusable { path: path.to_owned(), reason })
    }

    /// A detector that is a file's bytes; the error is a reason to show.
    ///
    /// # Errors
    /// It is none that is read.
    pub fn of_bytes(bytes: Vec<u8>) -> Result<Self, String> {
        let hash = blake3::hash(&bytes).to_hex().to_string();
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes).trim_ascii_start();
        let kind = if text.starts_with(b"<") {
            if bytes.len() > CASCADE_BYTES {
                return Err(format!("as a cascade it is too large, at most {CASCADE_BYTES} bytes are read"));
            }
            let text = str::from_utf8(text).map_err(|_| "it is XML in another encoding than UTF-8")?;
            Kind::Cascade(Cascade::read(text)?)
        } else if bytes.is_empty() {
            return Err("it is empty".into());
        } else {
            Kind::Network(Box::new(Network::read(bytes)?))
        };
        Ok(Self { hash, kind })
    }

    /// BLAKE3 of the file.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The least score that is usually asked for: 0.5 of a network, as YOLO's own programs show boxes; 5 of a cascade, as nagadomi's
    /// example for `lbpcascade_animeface` has it.
    pub fn usual_score(&self) -> f64 {
        match self.kind {
            Kind::Cascade(_) => 5.0,
            Kind::Network(_) => 0.5,
        }
    }

    /// The faces of a picture with at least this score, the best first: the highest score, of equal ones the largest.
    ///
    /// # Errors
    /// The network fails.
    pub fn detect(&self, picture: &Decoded, least: f64) -> Result<Vec<Found>, Error> {
        let mut found = match &self.kind {
            Kind::Cascade(cascade) => cascade.detect(picture, least),
            Kind::Network(network) => network.detect(picture, least).map_err(Error::Fails)?,
        };
        // Stable: what is equal in both stays in the order of its place.
        found.sort_by(|a, b| b.score.total_cmp(&a.score).then(b.area().total_cmp(&a.area())));
        Ok(found)
    }
}

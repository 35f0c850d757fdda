//! `TensorBoard` event files: the statistics and grids of a run, for those who look at all their runs in one place.
//!
//! A file is a sequence of records, each a length, a masked CRC-32C of the length, a message, a masked CRC-32C of the message (the
//! `TFRecord` format); a message is an `Event` of TensorFlow's event.proto, of which this holds the fields in use.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use prost::Message;

use crate::Error;

#[derive(Clone, PartialEq, Message)]
struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(oneof = "What", tags = "3, 5, 7")]
    what: Option<What>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum What {
    #[prost(string, tag = "3")]
    FileVersion(String),
    #[prost(message, tag = "5")]
    Summary(Summary),
    #[prost(message, tag = "7")]
    Session(Session),
}

#[derive(Clone, PartialEq, Message)]
struct Session {
    /// 1 is a start: what was logged before from this step on is void.
    #[prost(int32, tag = "1")]
    status: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(oneof = "Kind", tags = "2, 4")]
    kind: Option<Kind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Kind {
    #[prost(float, tag = "2")]
    Scalar(f32),
    #[prost(message, tag = "4")]
    Image(Image),
}

#[derive(Clone, PartialEq, Message)]
struct Image {
    #[prost(int32, tag = "1")]
    height: i32,
    #[prost(int32, tag = "2")]
    width: i32,
    /// 3 is RGB.
    #[prost(int32, tag = "3")]
    colorspace: i32,
    #[prost(bytes = "vec", tag = "4")]
    encoded: Vec<u8>,
}

/// One event file, open for as long as a process trains.
pub(crate) struct Events {
    file: File,
    path: PathBuf,
}

impl Events {
    /// Begins a file in `folder` at a step (pictures seen). Events of earlier files from that step on count as void.
    pub(crate) fn begin(folder: &Path, step: u64) -> Result<Self, Error> {
        fs::create_dir_all(folder).map_err(Error::write(folder))?;
        let (now, process) = (wall_time() as u64, std::process::id());
        let path = folder.join(format!("events.out.tfevents.{now:010}.tadne.{process}"));
        let file = OpenOptions::new().create(true).append(true).open(&path).map_err(Error::write(&path))?;
        let mut events = Self { file, path };
        events.write(0, What::FileVersion("brain.Event:2".into()))?;
        events.write(step, What::Session(Session { status: 1 }))?;
        Ok(events)
    }

    /// Adds numbers at a step; those that are not finite are left out.
    pub(crate) fn scalars(&mut self, step: u64, values: &[(&str, f64)]) -> Result<(), Error> {
        let finite = values.iter().filter(|(_, v)| v.is_finite());
        let value = finite.map(|(tag, v)| Value { tag: (*tag).into(), kind: Some(Kind::Scalar(*v as f32)) }).collect();
        self.write(step, What::Summary(Summary { value }))
    }

    /// Adds a PNG of `width` x `height` pixels at a step.
    pub(crate) fn image(&mut self, step: u64, tag: &str, size: (usize, usize), png: &[u8]) -> Result<(), Error> {
        let image = Image { height: size.1 as i32, width: size.0 as i32, colorspace: 3, encoded: png.to_vec() };
        let value = vec![Value { tag: tag.into(), kind: Some(Kind::Image(image)) }];
        self.write(step, What::Summary(Summary { value }))
    }

    fn write(&mut self, step: u64, what: What) -> Result<(), Error> {
        let event = Event { wall_time: wall_time(), step: step.cast_signed(), what: Some(what) };
        self.file.write_all(&record(&event.encode_to_vec())).map_err(Error::write(&self.path))
    }
}

fn wall_time() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
}

fn record(message: &[u8]) -> Vec<u8> {
    let length = (message.len() as u64).to_le_bytes();
    [&length[..], &masked_crc(&length), message, &masked_crc(message)].concat()
}

/// CRC-32C turned by 15 bits and moved by a constant, so that a CRC of data that holds CRCs stays good.
fn masked_crc(bytes: &[u8]) -> [u8; 4] {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xA282_EAD8).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes that `TensorBoard` 2.21's own writer makes of this event.
    #[test]
    fn a_record_equals_tensorboards() {
        let value = vec![Value { tag: "loss/d".into(), kind: Some(Kind::Scalar(0.5)) }];
        let what = Some(What::Summary(Summary { value }));
        let event = Event { wall_time: 1.5, step: 1000, what };
        assert_eq!(record(&event.encode_to_vec()), GOLDEN);
    }

    const GOLDEN: [u8; 45] = [
        0x1d, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x60, 0x2f, 0xdf, 0x23, 0x09, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0xf8, 0x3f, 0x10, 0xe8, 0x07, 0x2a, 0x0f, 0x0a, 0x0d, 0x0a, 0x06, 0x6c, 0x6f, 0x73, 0x73, 0x2f, 0x64,
        0x15, 0x00, 0x00, 0x00, 0x3f, 0xa4, 0x94, 0x01, 0x63,
    ];
}

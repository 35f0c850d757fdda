//! The report: a row a file, with the reason.

use std::path::Path;

use dataset::{Files, Region};
use table::{Kind, Table, Value};

use crate::error::Error;
use crate::pack;
use crate::row::{Looked, Row};
use crate::verdict::Verdict;

const ROWS_A_GROUP: u64 = 100_000;

/// Writes `path`, a Parquet table of all files in their order; `tars` says where each kept one is. Numbers that were not measured
/// are NaN, so are the edges of what counts of a picture (`x0` and on) where all of it does, and hashes of files that could not be read empty.
///
/// # Errors
/// The file cannot be written.
pub fn report(files: &Files, rows: &[Row], verdicts: &[Verdict], tars: &[String], path: &Path) -> Result<(), Error> {
    let columns = vec![
        ("file", Kind::Text),
        ("verdict", Kind::Text),
        ("reason", Kind::Text),
        ("tar", Kind::Text),
        ("bytes", Kind::U64),
        ("blake3", Kind::Text),
        ("width", Kind::U64),
        ("height", Kind::U64),
        ("phash", Kind::Text),
        ("sharpness", Kind::F64),
        ("chroma", Kind::F64),
        ("brightness", Kind::F64),
        ("bars", Kind::F64),
        ("x0", Kind::F64),
        ("y0", Kind::F64),
        ("x1", Kind::F64),
        ("y1", Kind::F64),
        ("face", Kind::F64),
    ];
    let wrong = |error: std::io::Error| Error::file("write", path)(error);
    // Some hundred bytes a file, compressed, beside the rows that are in memory anyway.
    let mut table = Table::begin(Vec::new(), columns, ROWS_A_GROUP).map_err(wrong)?;
    for (at, (row, verdict)) in rows.iter().zip(verdicts).enumerate() {
        let (width, height, face, measures) = match &row.looked {
            Looked::Picture { width, height, face, measures } => (*width, *height, face.as_ref(), measures.as_ref()),
            Looked::Faceless { width, height } => (*width, *height, None, None),
            Looked::Broken(_) | Looked::Foreign(_) => (0, 0, None, None),
        };
        let region = files.region(at);
        let edge = |of: fn(Region) -> u32| Value::F64(region.map_or(f64::NAN, |region| f64::from(of(region))));
        let content = if row.unread() { String::new() } else { blake3::Hash::from(row.content).to_hex().to_string() };
        let hash = measures.map_or(String::new(), |measures| format!("{:016x}", measures.hash));
        let number = |of: fn(&crate::Measures) -> f64| Value::F64(measures.map_or(f64::NAN, of));
        let values = [
            Value::Text(&row.name),
            Value::Text(verdict.word),
            Value::Text(&verdict.reason),
            Value::Text(tars.get(at).map_or("", String::as_str)),
            Value::U64(row.bytes),
            Value::Text(&content),
            Value::U64(width as u64),
            Value::U64(height as u64),
            Value::Text(&hash),
            number(|measures| measures.sharpness),
            number(|measures| measures.chroma),
            number(|measures| measures.brightness),
            number(|measures| measures.bars),
            edge(|region| region.left),
            edge(|region| region.top),
            edge(|region| region.right),
            edge(|region| region.bottom),
            Value::F64(face.map_or(f64::NAN, |(_, score)| f32::from_bits(*score).into())),
        ];
        table.row(&values).map_err(wrong)?;
    }
    pack::write(path, &table.end(&[]).map_err(wrong)?)
}

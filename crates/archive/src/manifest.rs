//! The list of all pictures of an archive as one table, `manifest.parquet`: written when the last shard of a plan is there.

use std::collections::HashSet;
use std::io::{Seek, Write};

use server::record::{Header, Record};
use table::{Kind, Table, Value};

use crate::error::Error;
use crate::error::failed;
use crate::part::Part;
use crate::plan::Plan;
use crate::target::{Target, record_path};

/// The table's name, below the archive.
pub const MANIFEST: &str = "manifest.parquet";
/// Some 15 MB of values.
const ROWS_A_GROUP: u64 = 100_000;
/// The end of a table that tells what it was made of.
const TAIL: u64 = 4096;

/// Where a record's rows come in the table.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Order {
    first: u64,
    last: u64,
    tar: bool,
    format: String,
    levels: Vec<String>,
    shard: String,
}

impl From<Header> for Order {
    fn from(Header { shard, first, last, levels, format, tar, .. }: Header) -> Self {
        Self { first, last, tar, format, levels, shard }
    }
}

/// Writes the table of everything in the archive, where all shards of the plan are there, and returns its rows; none if some
/// shard is missing yet. A table that is of the same shards already stays, unless it is to be written `anew`.
///
/// # Errors
/// A record cannot be read, or the table not written.
pub fn write_manifest(target: &Target, plan: &Plan, anew: bool) -> Result<Option<u64>, Error> {
    let shards = target.shards()?;
    let there = |shard: &String| shards.binary_search(shard).is_ok();
    if plan.shards() > shards.len() as u128
        || !plan.part(Part::default()).all(|shard| there(&plan.header(&shard).shard))
    {
        return Ok(None);
    }
    let records = blake3::hash(shards.join("\n").as_bytes()).to_hex().to_string();
    if !anew && is_of(target, &records)? {
        return Ok(Some(0));
    }
    let mut order = Vec::with_capacity(shards.len());
    for shard in &shards {
        match read(target, shard)? {
            Some(record) => order.push(Order::from(record.header)),
            None => return Ok(None),
        }
    }
    order.sort_unstable();
    target.begin(MANIFEST)?;
    match table(target, &order, &records) {
        Ok(rows) => {
            target.clear(MANIFEST);
            Ok(Some(rows))
        }
        // Somebody else who wrote the same table may have been faster, and taken the unfinished file away.
        Err(_) if is_of(target, &records)? => Ok(Some(0)),
        Err(error) => {
            target.leave(MANIFEST);
            Err(error)
        }
    }
}

/// Whether the table that is there is of these records, by the hash of their names.
fn is_of(target: &Target, records: &str) -> Result<bool, Error> {
    let tail = target.tail(MANIFEST, TAIL)?;
    Ok(tail.is_some_and(|tail| tail.windows(records.len()).any(|bytes| bytes == records.as_bytes())))
}

/// A record that may be of another plan.
fn read(target: &Target, shard: &str) -> Result<Option<Record>, Error> {
    let text = target.get(&record_path(shard))?;
    Ok(text.and_then(|text| Record::read(std::str::from_utf8(&text).ok()?).ok()))
}

fn table(target: &Target, order: &[Order], records: &str) -> Result<u64, Error> {
    let failed = |error: std::io::Error| failed("write", MANIFEST, &error);
    let mut file = target.draft(MANIFEST)?;
    let columns = vec![
        ("path", Kind::Text),
        ("seed", Kind::U64),
        ("psi", Kind::F64),
        ("bytes", Kind::U64),
        ("blake3", Kind::Text),
        ("tar", Kind::Text),
    ];
    let mut table = Table::begin(std::io::BufWriter::new(&mut file), columns, ROWS_A_GROUP).map_err(failed)?;
    // Shards that were cut in other ways may share pictures; only those with seeds in common can.
    let (mut seen, mut end, mut rows) = (HashSet::new(), None, 0);
    for Order { first, last, shard, tar, .. } in order {
        if end.is_none_or(|end| *first > end) {
            seen.clear();
        }
        end = end.max(Some(*last));
        let Some(record) = read(target, shard)? else { continue };
        let (tar, pictures) = match record.rows.split_first() {
            Some((first, pictures)) if *tar => (first.path.as_str(), pictures),
            _ => ("", &record.rows[..]),
        };
        for row in pictures {
            let Some(address) = row.address() else { continue };
            if !seen.insert((row.path.clone(), !tar.is_empty())) {
                continue;
            }
            let psi = address.psi.to_string().parse().unwrap_or_else(|_| f64::from(address.psi.get()));
            let values = [
                Value::Text(&row.path),
                Value::U64(address.seed.0),
                Value::F64(psi),
                Value::U64(row.bytes),
                Value::Text(&row.blake3),
                Value::Text(tar),
            ];
            table.row(&values).map_err(failed)?;
            rows += 1;
        }
    }
    let buffer = table.end(&[("records", records)]).map_err(failed)?;
    buffer.into_inner().map_err(|error| failed(error.into_error()))?.flush().map_err(failed)?;
    file.rewind().map_err(failed)?;
    target.put_file(MANIFEST, file)?;
    Ok(rows)
}

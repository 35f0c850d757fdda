//! Making shards: drawing on all threads, one shard after the other.

use std::io::{Seek, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use server::record::{Header, Record, Row};
use server::{FileMaker, PictureAddress};
use synth::Generator;

use crate::error::Error;
use crate::plan::{Plan, Shard};
use crate::target::{Target, record_path};

/// Pictures that a thread draws before a tar is written on.
const TURN: usize = 16;

/// What was done about a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It was whole.
    Kept,
    /// It was made.
    Made {
        /// Bytes of its pictures.
        bytes: u64,
    },
    /// Some of its files were missing or damaged and made again.
    Mended {
        /// How many.
        files: u64,
    },
}

/// What was done about many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Shards that were there, those with files made again among them.
    pub kept: u64,
    /// Shards that were made.
    pub made: u64,
    /// Files of kept shards that were made again.
    pub mended: u64,
    /// Pictures of the shards that were made.
    pub pictures: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Tally {
    /// Counts a shard of so many pictures.
    pub fn note(&mut self, outcome: Outcome, pictures: u64) {
        match outcome {
            Outcome::Kept => self.kept += 1,
            Outcome::Made { bytes } => {
                self.made += 1;
                self.pictures += pictures;
                self.bytes += bytes;
            }
            Outcome::Mended { files } => {
                self.kept += 1;
                self.mended += files;
            }
        }
    }

    /// Whether there is anything that was not there before.
    pub fn is_change(&self) -> bool {
        self.made + self.mended > 0
    }

    /// What was kept, in words.
    pub fn kept_text(&self) -> String {
        let Self { kept, mended, .. } = self;
        let mended = if *mended > 0 { format!(", {mended} files of them made again") } else { String::new() };
        format!("{kept} kept{mended}")
    }
}

/// What a maker calls and looks at while it works.
#[derive(Clone, Copy)]
pub struct Hooks<'a> {
    /// Called for each picture that was made.
    pub drawn: &'a (dyn Fn() + Sync),
    /// Set to stop: the pictures in hand are finished, and the shard is given up.
    pub stop: &'a AtomicBool,
}

/// Makes the shards of a plan.
pub struct Maker<'a> {
    plan: &'a Plan,
    target: &'a Target,
    threads: Vec<FileMaker>,
    hooks: Hooks<'a>,
}

impl<'a> Maker<'a> {
    /// Draws with `threads` threads, at least one.
    pub fn new(
        plan: &'a Plan,
        target: &'a Target,
        generator: &Arc<Generator>,
        threads: usize,
        hooks: Hooks<'a>,
    ) -> Self {
        let threads = (0..threads.max(1)).map(|_| FileMaker::new(generator)).collect();
        Self { plan, target, threads, hooks }
    }

    /// Sees to it that a shard is there: keeps one whose record is whole, and makes any other. With `verify`, all files of one
    /// that is kept are read, and made again where their size or hash is not the record's.
    ///
    /// # Errors
    /// A file cannot be read or written, a picture not be made, or it was stopped. What was finished stays.
    pub fn shard(&mut self, shard: &Shard, verify: bool) -> Result<Outcome, Error> {
        let header = self.plan.header(shard);
        let before = self.record(&header)?;
        if let Some(record) = &before {
            if !verify {
                return Ok(Outcome::Kept);
            }
            if let Some(outcome) = self.mend(shard, record)? {
                return Ok(outcome);
            }
        }
        match self.make(shard, &header) {
            Err(Error::Stopped) => {
                self.target.leave(&header.shard);
                Err(Error::Stopped)
            }
            // Somebody else who made the same shard may have been faster, and taken the unfinished files away.
            Err(error) if before.is_none() => self.record(&header)?.map(|_| Outcome::Kept).ok_or(error),
            made => made,
        }
    }

    /// The record of a shard, if it is whole.
    fn record(&self, header: &Header) -> Result<Option<Record>, Error> {
        let text = self.target.get(&record_path(&header.shard))?;
        Ok(text.and_then(|text| Record::parse(std::str::from_utf8(&text).ok()?, header).ok()))
    }

    /// Makes the damaged files of a shard again; none if that is not enough, as this computer draws other bytes.
    fn mend(&mut self, shard: &Shard, record: &Record) -> Result<Option<Outcome>, Error> {
        let name = &record.header.shard;
        // A tar's pictures are as sound as the tar is.
        let kept = if self.plan.tar() { record.rows.get(..1) } else { record.rows.get(..) }.unwrap_or_default();
        let mut damaged = Vec::new();
        for (place, row) in kept.iter().enumerate() {
            if !self.target.digest(&row.path)?.is_some_and(|found| row.fits(found)) {
                damaged.push(place);
            }
        }
        if damaged.is_empty() {
            return Ok(Some(Outcome::Kept));
        }
        if self.plan.tar() {
            return Ok(None);
        }
        let addresses: Vec<_> = self.plan.addresses(shard).collect();
        let wanted: Vec<_> = damaged.iter().filter_map(|&place| addresses.get(place).copied()).collect();
        let target = self.target;
        target.begin(name)?;
        let rows = self.draw(&wanted, |path, contents| {
            target.put(name, &path, &contents)?;
            Ok(Row::of(path, &contents))
        })?;
        let paths: Vec<_> = rows.iter().map(|row| row.path.clone()).collect();
        target.finish(name, &paths, None)?;
        let same =
            rows.len() == damaged.len() && rows.iter().zip(&damaged).all(|(row, &place)| *row == record.rows[place]);
        Ok(same.then_some(Outcome::Mended { files: rows.len() as u64 }))
    }

    fn make(&mut self, shard: &Shard, header: &Header) -> Result<Outcome, Error> {
        let (name, target) = (&header.shard, self.target);
        target.begin(name)?;
        let addresses: Vec<_> = self.plan.addresses(shard).collect();
        let rows = if self.plan.tar() {
            self.tar(name, &addresses)?
        } else {
            self.draw(&addresses, |path, contents| {
                target.put(name, &path, &contents)?;
                Ok(Row::of(path, &contents))
            })?
        };
        let bytes = rows.iter().skip(usize::from(self.plan.tar())).map(|row| row.bytes).sum();
        let paths: Vec<_> =
            if self.plan.tar() { &rows[..1] } else { &rows }.iter().map(|row| row.path.clone()).collect();
        let record = Record { header: header.clone(), rows };
        target.finish(name, &paths, Some(record.to_text()))?;
        Ok(Outcome::Made { bytes })
    }

    /// Writes the pictures into a tar, with the same bytes every time; gives its row and theirs.
    fn tar(&mut self, name: &str, addresses: &[PictureAddress]) -> Result<Vec<Row>, Error> {
        let path = format!("tars/{name}.tar");
        let failed =
            |error: std::io::Error| Error::File { action: "write", path: path.clone(), reason: error.to_string() };
        let mut file = self.target.draft(name)?;
        let mut rows = Vec::with_capacity(addresses.len() + 1);
        let mut builder = tar::Builder::new(&mut file);
        for some in addresses.chunks(TURN * self.threads.len()) {
            for (picture, contents) in self.draw(some, |path, contents| Ok((path, contents)))? {
                let mut entry = tar::Header::new_ustar();
                entry.set_size(contents.len() as u64);
                entry.set_mode(0o644);
                builder.append_data(&mut entry, &picture, &contents[..]).map_err(failed)?;
                rows.push(Row::of(picture, &contents));
            }
        }
        builder.into_inner().and_then(Write::flush).map_err(failed)?;
        let bytes = file.stream_position().map_err(failed)?;
        file.rewind().map_err(failed)?;
        let hash = blake3::Hasher::new().update_reader(&mut file).map_err(failed)?.finalize();
        rows.insert(0, Row { path: path.clone(), bytes, blake3: hash.to_hex().to_string() });
        self.target.put_file(&path, file)?;
        Ok(rows)
    }

    /// Draws pictures on all threads and hands each to `done`, with its path; gives what that says, in order. The first error
    /// ends it, and so does a stop before the last.
    fn draw<T: Send>(
        &mut self,
        addresses: &[PictureAddress],
        done: impl Fn(String, Bytes) -> Result<T, Error> + Sync,
    ) -> Result<Vec<T>, Error> {
        let (size, Hooks { drawn, stop }) = (self.plan.size(), self.hooks);
        let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
        let results = Mutex::new(Vec::with_capacity(addresses.len()));
        thread::scope(|scope| {
            for maker in &mut self.threads {
                let (next, failed, results, done) = (&next, &failed, &results, &done);
                scope.spawn(move || {
                    while !failed.load(Ordering::Relaxed) && !stop.load(Ordering::Relaxed) {
                        let place = next.fetch_add(1, Ordering::Relaxed);
                        let Some(&address) = addresses.get(place) else { break };
                        let made = maker.make(address, size).map_err(Error::from);
                        let result = made.and_then(|contents| done(format!("results/{address}"), contents));
                        failed.fetch_or(result.is_err(), Ordering::Relaxed);
                        results.lock().unwrap_or_else(PoisonError::into_inner).push((place, result));
                        drawn();
                    }
                });
            }
        });
        let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        results.sort_unstable_by_key(|(place, _)| *place);
        let done = results.into_iter().map(|(_, result)| result).collect::<Result<Vec<_>, _>>()?;
        if done.len() == addresses.len() { Ok(done) } else { Err(Error::Stopped) }
    }
}

//! What an archive's records say of its pictures: the hash of each, by which a file that was changed is told from a sound one.
//!
//! A record is that of a shard ([`Record`]). First lines are read once, in the background; the rest of a record when one of its pictures is asked for.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt};
use moka::sync::Cache;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use synth::Creativity;
use tokio::sync::{Mutex, watch};

use crate::pictures::address::PictureAddress;
use crate::pictures::breaker::OPEN;
use crate::pictures::encode::Format;
use crate::pictures::record::{Header, Record, Row};

/// First lines are shorter.
const HEAD: u64 = 4096;
/// Records that are looked into at the same time.
const AT_ONCE: usize = 64;
/// Larger records would take too long to read; a picture has a line of some 130 bytes.
const LARGEST: u64 = 16 << 20;
/// Memory for hashes, and about what one takes of it.
const KEPT: u64 = 64 << 20;
const ONE: usize = 80;

/// The hashes of a shard's pictures.
type Hashes = HashMap<PictureAddress, blake3::Hash>;

/// Which pictures a record has.
struct Shard {
    first: u64,
    last: u64,
    /// A bit for each level of creativity.
    levels: u32,
    format: Format,
    record: Path,
    /// Held while the record is read, so that of all who ask for its pictures at the same time one reads it.
    reading: Mutex<()>,
}

/// A record as it was when it was read.
struct Known {
    /// None of a record that was gone or damaged.
    hashes: Hashes,
    /// What the store said of the file, by which a change is noticed; nothing of one that was gone.
    about: Option<ObjectMeta>,
}

impl Shard {
    /// Reads the beginning of a record.
    fn read(record: Path, beginning: &[u8]) -> Option<Self> {
        let line = beginning.split(|byte| *byte == b'\n').next()?;
        let Header { first, last, levels, format, .. } = Header::read(std::str::from_utf8(line).ok()?).ok()?;
        let levels =
            levels.iter().filter_map(|level| level.parse::<Creativity>().ok()).fold(0, |all, psi| all | bit(psi));
        let format = Format::from_extension(&format)?;
        (first <= last).then(|| Self { first, last, levels, format, record, reading: Mutex::new(()) })
    }

    fn has(&self, PictureAddress { seed, psi, format }: PictureAddress) -> bool {
        (self.first..=self.last).contains(&seed.0) && self.format == format && self.levels & bit(psi) != 0
    }
}

/// The bit of a level.
fn bit(psi: Creativity) -> u32 {
    // At most 2.0, so at most the 21st.
    1 << (psi.get() * 10.0).round() as u32
}

/// Which records there are.
struct Index {
    /// By their first seeds.
    shards: Vec<Shard>,
    /// From the first to the last seed of any shard, at most.
    widest: u64,
}

impl Index {
    fn of(mut shards: Vec<Shard>) -> Self {
        shards.sort_unstable_by_key(|shard| shard.first);
        let widest = shards.iter().map(|shard| shard.last - shard.first).max().unwrap_or(0);
        Self { shards, widest }
    }

    /// Looks which records lie below `folder`.
    async fn look(objects: &Arc<dyn ObjectStore>, folder: &Path) -> object_store::Result<Self> {
        let records = folder.clone().join(Record::FOLDER);
        let mut found: Vec<ObjectMeta> = objects.list(Some(&records)).try_collect().await?;
        found.retain(|about| {
            let is_beside = about.location.prefix_match(&records).is_some_and(|parts| parts.count() == 1);
            is_beside && about.size > 0 && about.location.filename().is_some_and(|name| name.ends_with(Record::ENDING))
        });
        let all = found.len();
        found.retain(|about| about.size <= LARGEST);
        if found.len() < all {
            let too_large = all - found.len();
            tracing::warn!(
                too_large,
                "records of the archive are larger than 16 MiB: their pictures are not checked; fewer --shard-seeds make smaller ones"
            );
        }
        let heads = futures_util::stream::iter(found).map(|about| {
            let objects = Arc::clone(objects);
            async move {
                let read = objects.get_range(&about.location, 0..about.size.min(HEAD)).await;
                match read {
                    Ok(beginning) => Ok(Shard::read(about.location, &beginning)),
                    // Taken away just now.
                    Err(object_store::Error::NotFound { .. }) => Ok(None),
                    Err(error) => Err(error),
                }
            }
        });
        let shards: Vec<Option<Shard>> = heads.buffer_unordered(AT_ONCE).try_collect().await?;
        Ok(Self::of(shards.into_iter().flatten().collect()))
    }

    /// The shards that have a picture: several where shards were cut in different ways.
    fn shards(&self, address: PictureAddress) -> impl Iterator<Item = &Shard> {
        let seed = address.seed.0;
        let begin = self.shards.partition_point(|shard| shard.first < seed.saturating_sub(self.widest));
        let end = self.shards.partition_point(|shard| shard.first <= seed);
        self.shards[begin..end].iter().filter(move |shard| shard.has(address))
    }
}

/// The hashes of a record, if it is whole.
fn hashes(record: &[u8]) -> Option<Hashes> {
    let record = Record::read(std::str::from_utf8(record).ok()?).ok()?;
    // A tar is no picture, and its pictures have rows of their own.
    let hash = |row: &Row| Some((row.address()?, blake3::Hash::from_hex(&row.blake3).ok()?));
    Some(record.rows.iter().filter_map(hash).collect())
}

/// The records of an archive that is read.
pub(crate) struct Records {
    objects: Arc<dyn ObjectStore>,
    /// Nothing until they were looked at.
    index: watch::Receiver<Option<Arc<Index>>>,
    read: Cache<Path, Arc<Known>>,
}

impl Records {
    /// Begins to look which there are, in a task that ends when it has found them, or with the archive.
    pub(crate) fn open(objects: Arc<dyn ObjectStore>, folder: Path) -> Self {
        let (found, index) = watch::channel(None);
        let looked = Arc::clone(&objects);
        tokio::spawn(async move {
            while !found.is_closed() {
                match Index::look(&looked, &folder).await {
                    Ok(index) => {
                        found.send_replace(Some(Arc::new(index)));
                        return;
                    }
                    Err(error) => {
                        let seconds = OPEN.as_secs();
                        tracing::warn!(%error, "the archive's records cannot be read, and are asked for again in {seconds} s");
                        tokio::time::sleep(OPEN).await;
                    }
                }
            }
        });
        let weigh = |_: &Path, known: &Arc<Known>| u32::try_from((known.hashes.len() + 1) * ONE).unwrap_or(u32::MAX);
        Self { objects, index, read: Cache::builder().max_capacity(KEPT).weigher(weigh).build() }
    }

    /// Whether a picture's file is the one that was recorded; one that no record names is taken as it is. Waits until it is known which records there are.
    pub(crate) async fn fits(&self, address: PictureAddress, file: &[u8]) -> object_store::Result<bool> {
        let index = self.index().await?;
        let hash = blake3::hash(file);
        let mut others = Vec::new();
        for shard in index.shards(address) {
            let known = self.known(shard, None).await?;
            match known.hashes.get(&address) {
                Some(recorded) if *recorded == hash => return Ok(true),
                Some(_) => others.push((shard, known)),
                None => {}
            }
        }
        // It may have been made again, and its record with it, since that was read.
        let mut is_recorded = false;
        for (shard, known) in others {
            match self.now(shard, known).await?.hashes.get(&address) {
                Some(recorded) if *recorded == hash => return Ok(true),
                recorded => is_recorded |= recorded.is_some(),
            }
        }
        Ok(!is_recorded)
    }

    async fn index(&self) -> object_store::Result<Arc<Index>> {
        let mut index = self.index.clone();
        let found = index.wait_for(Option::is_some).await.ok().and_then(|index| index.clone());
        let none =
            || object_store::Error::Generic { store: "archive", source: "its records were not looked at".into() };
        found.ok_or_else(none)
    }

    /// What a record says now, where it was read before: only one that was changed is read again.
    async fn now(&self, shard: &Shard, before: Arc<Known>) -> object_store::Result<Arc<Known>> {
        match self.objects.head(&shard.record).await {
            Ok(about) if before.about.as_ref() == Some(&about) => Ok(before),
            Ok(_) | Err(object_store::Error::NotFound { .. }) => self.known(shard, Some(&before)).await,
            Err(error) => Err(error),
        }
    }

    /// What a record says; it is read if it was not yet, or not since it said what it did `before`.
    async fn known(&self, shard: &Shard, before: Option<&Arc<Known>>) -> object_store::Result<Arc<Known>> {
        let is_newer = |known: &Arc<Known>| before.is_none_or(|before| !Arc::ptr_eq(known, before));
        if let Some(known) = self.read.get(&shard.record).filter(is_newer) {
            return Ok(known);
        }
        let _turn = shard.reading.lock().await;
        // Whoever had the turn before has read it.
        if let Some(known) = self.read.get(&shard.record).filter(is_newer) {
            return Ok(known);
        }
        let record = &shard.record;
        let (about, found) = match self.objects.get(record).await {
            Ok(found) => {
                let about = found.meta.clone();
                let text = found.bytes().await?;
                (Some(about), tokio::task::spawn_blocking(move || hashes(&text)).await.ok().flatten())
            }
            Err(object_store::Error::NotFound { .. }) => (None, None),
            Err(error) => return Err(error),
        };
        if found.is_none() {
            tracing::warn!(%record, "a record of the archive is damaged or gone: its pictures are not checked; `tadne archive` mends it");
        }
        let known = Arc::new(Known { hashes: found.unwrap_or_default(), about });
        self.read.insert(record.clone(), Arc::clone(&known));
        Ok(known)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::future::join_all;
    use object_store::memory::InMemory;
    use object_store::throttle::{ThrottleConfig, ThrottledStore};
    use tokio::time::Instant;

    use super::*;
    use crate::pictures::record::tests::header;

    fn address(text: &str) -> PictureAddress {
        text.parse().unwrap()
    }

    /// A record of files with what is in them.
    fn record(first: u64, last: u64, levels: &[&str], files: &[(&str, &[u8])]) -> String {
        let rows = files.iter().map(|&(path, contents)| Row::of(path.to_owned(), contents)).collect();
        Record { header: header(first, last, levels), rows }.to_text()
    }

    #[test]
    fn a_record_that_is_cut_or_changed_says_nothing() {
        let text = record(0, 3, &["1.0"], &[("tars/x.tar", b"t"), ("results/psi-1.0/seed00002.png", b"a")]);
        let read = hashes(text.as_bytes()).unwrap();
        assert_eq!(read, HashMap::from([(address("psi-1.0/seed2.png"), blake3::hash(b"a"))]));
        for end in 0..text.len() {
            assert_eq!(hashes(&text.as_bytes()[..end]), None, "cut at {end}");
        }
        assert_eq!(hashes(text.replace("seed00002", "seed00003").as_bytes()), None);
    }

    #[test]
    fn the_shards_of_a_picture_are_found_however_they_were_cut() {
        let shard = |first, last, levels: &[&str]| {
            let text = record(first, last, levels, &[]);
            Shard::read(Path::from(format!("{first}-{last}")), text.as_bytes()).unwrap()
        };
        let tens = (0..10).map(|ten| shard(10 * ten, 10 * ten + 9, &["0.7", "1.0"]));
        let index = Index::of(tens.chain([shard(0, 99, &["1.0"]), shard(u64::MAX, u64::MAX, &["2.0"])]).collect());
        let found = |text: &str| {
            let mut names: Vec<_> = index.shards(address(text)).map(|shard| shard.record.to_string()).collect();
            names.sort_unstable();
            names
        };
        assert_eq!(found("psi-1.0/seed42.png"), ["0-99", "40-49"]);
        assert_eq!(found("psi-0.7/seed99.png"), ["90-99"]);
        assert_eq!(found("psi-2.0/seed18446744073709551615.png").len(), 1);
        for nowhere in ["psi-0.7/seed42.webp", "psi-0.8/seed42.png", "psi-1.0/seed100.png"] {
            assert_eq!(found(nowhere), [""; 0], "{nowhere}");
        }
        assert!(Shard::read(Path::default(), b"{}").is_none());
        assert!(Shard::read(Path::default(), record(3, 2, &[], &[]).as_bytes()).is_none());
    }

    #[tokio::test]
    async fn a_file_fits_if_any_record_has_its_hash_or_none_knows_it() {
        let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let path = "results/psi-1.0/seed00002.png";
        for (name, text) in [
            ("a", record(0, 3, &["1.0"], &[(path, b"one")])),
            ("b", record(2, 9, &["1.0"], &[(path, b"two")])),
            ("c", "cut".to_owned()),
            (".unfinished-d/e", record(0, 9, &["1.0"], &[(path, b"three")])),
        ] {
            let place = Path::from(format!("there/records/{name}.jsonl"));
            objects.put(&place, text.into_bytes().into()).await.unwrap();
        }
        let records = Records::open(Arc::clone(&objects), Path::from("there"));
        let fits = async |text: &str, contents: &[u8]| records.fits(address(text), contents).await.unwrap();
        for (contents, expected) in [(&b"one"[..], true), (b"two", true), (b"three", false), (b"", false)] {
            assert_eq!(fits("psi-1.0/seed2.png", contents).await, expected, "{contents:?}");
        }
        assert!(fits("psi-1.0/seed3.png", b"what no record lists").await);
        // Made again by a computer that draws other bytes: its record says so.
        let mended = record(0, 3, &["1.0"], &[(path, b"three")]);
        objects.put(&Path::from("there/records/a.jsonl"), mended.into_bytes().into()).await.unwrap();
        assert!(fits("psi-1.0/seed2.png", b"three").await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_record_is_read_once_and_again_only_when_it_was_changed() {
        // A byte of a file takes a millisecond, and nothing else takes time.
        let slow = ThrottleConfig { wait_get_per_byte: Duration::from_millis(1), ..ThrottleConfig::default() };
        let objects: Arc<dyn ObjectStore> = Arc::new(ThrottledStore::new(InMemory::new(), slow));
        let path = "results/psi-1.0/seed00002.png";
        let put = async |name: &str, first, contents: &[u8]| {
            let text = record(first, 3, &["1.0"], &[(path, contents)]);
            objects.put(&Path::from(format!("records/{name}.jsonl")), text.into_bytes().into()).await.unwrap();
        };
        put("a", 0, b"one").await;
        put("b", 1, b"two").await;
        let records = Records::open(Arc::clone(&objects), Path::default());
        let index = records.index().await.unwrap();
        for shard in &index.shards {
            let known = join_all((0..8).map(|_| records.known(shard, None))).await;
            let [first, rest @ ..] = &known[..] else { unreachable!("eight asked") };
            let is_first = |other: &object_store::Result<Arc<Known>>| {
                Arc::ptr_eq(first.as_ref().unwrap(), other.as_ref().unwrap())
            };
            assert!(rest.iter().all(is_first), "{} was read more than once", shard.record);
        }

        let address = address("psi-1.0/seed2.png");
        let fits = async |contents: &[u8]| {
            let start = Instant::now();
            (records.fits(address, contents).await.unwrap(), start.elapsed() > Duration::ZERO)
        };
        for _ in 0..3 {
            assert_eq!(fits(b"one").await, (true, false));
            assert_eq!(fits(b"two").await, (true, false), "the records of an overlap do not have to agree");
            assert_eq!(fits(b"damaged").await, (false, false), "the records are what they were");
        }
        put("b", 1, b"three").await;
        assert_eq!(fits(b"three").await, (true, true), "the record was changed");
        for _ in 0..3 {
            assert_eq!(fits(b"three").await, (true, false));
            assert_eq!(fits(b"two").await, (false, false));
        }
        objects.delete(&Path::from("records/b.jsonl")).await.unwrap();
        assert_eq!(fits(b"three").await, (true, false), "as long as nobody doubts what was read");
        assert_eq!(fits(b"damaged").await, (false, false), "the other has another hash");
        objects.delete(&Path::from("records/a.jsonl")).await.unwrap();
        assert_eq!(fits(b"damaged").await, (true, false), "nothing is recorded any more");
    }
}

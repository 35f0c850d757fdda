//! `tadne-cluster fetch`: what a list of addresses names, as files that can be curated.

mod get;
mod list;
mod queue;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Client;
use reqwest::redirect::Policy;
use table::{Kind, Table, Value};
use tokio::task::JoinSet;

use crate::fetch::get::{Getter, Got, Held, UNFINISHED};
use crate::fetch::list::{Columns, Wanted};
use crate::fetch::queue::{Job, Queue, host};
use crate::job::with_news;

/// How often an address may send on.
const HOPS: u32 = 5;
const CONNECT: Duration = Duration::from_secs(10);
/// The first pause before an address is tried again, and the longest; each is twice the one before.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_mins(1)];
/// How soon Ctrl-C is noticed.
const NOTICE: Duration = Duration::from_millis(200);
const ROWS_A_GROUP: u64 = 100_000;
const REPORT: &str = "fetched.parquet";

/// Arguments of `tadne-cluster fetch`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tadne-cluster fetch --list addresses.txt --out fetched
  tadne-cluster fetch --list posts.parquet --url file_url --where \"rating = 'g' and score > 20\" --out fetched
  tadne-cluster prepare --data fetched/files --out curated

A line of a text is an address, an id and an MD5 or SHA-256, of which the last two may be missing. A table's columns are url, id, md5 and sha256.
The same command again fetches what is missing. fetched.parquet has a row for every address.")]
pub(crate) struct Fetch {
    /// The addresses: a text, lines of JSON (.jsonl, also .gz, .bz2, .xz or .zst) or Parquet (.parquet)
    #[arg(long, value_name = "FILE")]
    list: PathBuf,
    /// Folder for files and report
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// A table's column of addresses
    #[arg(long, value_name = "COLUMN", default_value = "url")]
    url: String,
    /// A table's column of ids, which files are called by, if it has one
    #[arg(long, value_name = "COLUMN", default_value = "id")]
    id: String,
    /// Of a table, take the rows for which this is true: a condition in SQL
    #[arg(long = "where", value_name = "SQL")]
    condition: Option<String>,
    /// Files that are fetched at once
    #[arg(long, value_name = "N", default_value = "16", value_parser = clap::value_parser!(u16).range(1..=512))]
    parallel: u16,
    /// Files that are fetched at once from one host
    #[arg(long, value_name = "N", default_value = "2", value_parser = clap::value_parser!(u16).range(1..=64))]
    per_host: u16,
    /// How often an address is asked before it is given up
    #[arg(long, value_name = "N", default_value = "4", value_parser = clap::value_parser!(u32).range(1..=20))]
    tries: u32,
    /// Seconds that a host may be silent
    #[arg(long, value_name = "S", default_value = "30", value_parser = clap::value_parser!(u64).range(1..=600))]
    timeout: u64,
    /// Seconds that a host may ask to be left alone; one that asks for more is left alone
    #[arg(long, value_name = "S", default_value = "600", value_parser = clap::value_parser!(u64).range(0..=86_400))]
    max_wait: u64,
    /// Bytes that a file may have
    #[arg(long, value_name = "BYTES", default_value = "67108864", value_parser = clap::value_parser!(u64).range(1..))]
    max_bytes: u64,
    /// Say what there is to fetch, and ask nobody
    #[arg(long)]
    dry_run: bool,
}

/// Hosts that want to be left alone for longer than anybody waits, and the reason to show.
type Left = HashMap<String, String>;

/// What became of an address, a row of the report.
#[derive(Clone, Debug, Default)]
struct Row {
    /// `fetched`, `there` or `failed`.
    status: &'static str,
    /// The last answer's status, 0 if there was none.
    http: u16,
    /// How often it was asked for.
    asked: u32,
    held: Option<Held>,
    reason: String,
}

impl Fetch {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Runtime::new()?;
        let columns = Columns { url: &self.url, id: &self.id, condition: self.condition.as_deref() };
        let wanted = runtime.block_on(list::read(&self.list, &columns))?;
        ensure!(!wanted.is_empty(), "there are no addresses in {}", self.list.display());
        if self.dry_run {
            self.foretell(&wanted);
            return Ok(());
        }
        let files = self.out.join("files");
        fs::create_dir_all(&files).with_context(|| format!("cannot make the folder {}", files.display()))?;
        tidy(&files);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        ctrlc::set_handler(move || stopped.store(true, Ordering::Relaxed))?;
        let bar = ProgressBar::new(wanted.len() as u64).with_message("fetching");
        let style = "{msg:10}{bar:32} {percent:>3} %  {human_pos} of {human_len} addresses  {per_sec}  {eta} left";
        bar.set_style(ProgressStyle::with_template(style)?);
        let work = || runtime.block_on(self.all(&wanted, &bar, &stop));
        let news = || format!("{} of {} addresses", bar.position(), wanted.len());
        let rows = if bar.is_hidden() { with_news(news, work) } else { work() }?;
        bar.finish_and_clear();
        let report = self.out.join(REPORT);
        let written = report_of(&wanted, &rows).and_then(|bytes| synth::write_atomically(&report, &bytes));
        written.with_context(|| format!("cannot write {}", report.display()))?;
        say(&wanted, &rows);
        println!("written     {0}/files, {0}/{REPORT}", self.out.display());
        ensure!(rows.iter().any(|row| row.status != "failed"), "nothing could be fetched: see the reason above");
        Ok(())
    }

    /// Where a file lies: few to a folder, since there may be millions.
    fn path(&self, name: &str) -> PathBuf {
        self.out.join("files").join(&blake3::hash(name.as_bytes()).to_hex()[..2]).join(name)
    }

    fn foretell(&self, wanted: &[Wanted]) {
        let mut queue = Queue::new(1);
        let (mut there, mut wrong) = (0, None);
        for (number, row) in wanted.iter().enumerate() {
            match &row.place {
                Ok((url, name)) => {
                    there += usize::from(self.path(name).exists());
                    queue.add(Job { number, url: url.clone(), failures: 0, hops: 0 });
                }
                Err(reason) => {
                    wrong.get_or_insert((0, &row.address, reason)).0 += 1;
                }
            }
        }
        println!("{:10}  {} of {} hosts", "addresses", wanted.len(), queue.hosts());
        println!("{:10}  {there}", "there");
        if let Some((count, address, reason)) = wrong {
            println!("{:10}  {count}, such as {address:?}: {reason}", "unfit");
        }
    }

    /// Fetches everything, and gives a row for each address.
    async fn all(&self, wanted: &[Wanted], bar: &ProgressBar, stop: &AtomicBool) -> anyhow::Result<Vec<Row>> {
        let getter = Getter { client: self.client()?, max_bytes: self.max_bytes };
        let (mut queue, mut rows) = (Queue::new(self.per_host.into()), vec![Row::default(); wanted.len()]);
        for (number, row) in wanted.iter().enumerate() {
            match &row.place {
                Ok((url, _)) => queue.add(Job { number, url: url.clone(), failures: 0, hops: 0 }),
                Err(reason) => {
                    rows[number] = Row { status: "failed", reason: reason.clone(), ..Row::default() };
                    bar.inc(1);
                }
            }
        }
        let (mut working, mut left) = (JoinSet::new(), Left::new());
        loop {
            if stop.load(Ordering::Relaxed) {
                // What is half there goes with its task.
                working.shutdown().await;
                bail!("stopped; what is fetched stays, run the same command again to go on");
            }
            while working.len() < usize::from(self.parallel)
                && let Some(job) = queue.next(Instant::now())
            {
                let Ok((_, name)) = &wanted[job.number].place else { continue };
                if let Some(reason) = left.get(&host(&job.url)) {
                    queue.done(&job.url);
                    (rows[job.number].status, rows[job.number].reason) = ("failed", reason.clone());
                    bar.inc(1);
                    continue;
                }
                let (getter, path, sum) = (getter.clone(), self.path(name), wanted[job.number].sum);
                working.spawn(async move {
                    let got = getter.get(job.url.clone(), path, sum).await;
                    (job, got)
                });
            }
            let pause = queue.wake().map_or(NOTICE, |time| time.saturating_duration_since(Instant::now()).min(NOTICE));
            if working.is_empty() {
                if queue.wake().is_none() {
                    return Ok(rows);
                }
                tokio::time::sleep(pause).await;
                continue;
            }
            let Ok(Some(done)) = tokio::time::timeout(pause, working.join_next()).await else { continue };
            let (job, got) = done.context("a file's task failed")?;
            queue.done(&job.url);
            let name = wanted[job.number].place.as_ref().map_or("", |(_, name)| name);
            let (got, http) = got.with_context(|| format!("cannot write {}", self.path(name).display()))?;
            let row = &mut rows[job.number];
            row.http = http;
            row.asked += u32::from(!matches!(got, Got::There(_)));
            if self.settle(job, got, row, &mut queue, &mut left) {
                bar.inc(1);
            }
        }
    }

    /// What follows from an answer; whether that is the end of it.
    fn settle(&self, mut job: Job, got: Got, row: &mut Row, queue: &mut Queue, left: &mut Left) -> bool {
        let now = Instant::now();
        let failed = |row: &mut Row, reason| {
            (row.status, row.reason) = ("failed", reason);
            true
        };
        match got {
            Got::File(held) | Got::There(held) => {
                let status = if matches!(got, Got::File(_)) { "fetched" } else { "there" };
                (row.status, row.held) = (status, Some(held));
                true
            }
            Got::Never(reason) => failed(row, reason),
            Got::Moved(_) if job.hops >= HOPS => failed(row, format!("it is sent on more than {HOPS} times")),
            Got::Moved(url) => {
                queue.add_first(Job { url, hops: job.hops + 1, ..job });
                false
            }
            Got::Later { reason, after } => {
                // Others of this host are asked no earlier, whatever becomes of this one.
                if let Some(after) = after {
                    if after > Duration::from_secs(self.max_wait) {
                        let seconds = after.as_secs();
                        let reason = format!("{reason}, and wants {seconds} s of peace; --max-wait allows more");
                        left.insert(host(&job.url), reason.clone());
                        return failed(row, reason);
                    }
                    queue.rest(&job.url, now + after);
                }
                job.failures += 1;
                if job.failures >= self.tries {
                    return failed(row, reason);
                }
                let pause = PAUSES[0].saturating_mul(1 << (job.failures - 1).min(10)).min(PAUSES[1]);
                queue.add_later(job, now + after.unwrap_or(pause));
                false
            }
        }
    }

    fn client(&self) -> anyhow::Result<Client> {
        // An error says that there is one already, of the same kind.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Client::builder()
            .user_agent(concat!("tadne-cluster/", env!("CARGO_PKG_VERSION")))
            // Each address has its host's turn, also the one that another sends on to.
            .redirect(Policy::none())
            .connect_timeout(CONNECT)
            .read_timeout(Duration::from_secs(self.timeout))
            .pool_max_idle_per_host(self.per_host.into())
            .build()
            .context("no client for HTTP")
    }
}

/// Prints how many there are of each kind.
fn say(wanted: &[Wanted], rows: &[Row]) {
    let mut counts: BTreeMap<&str, (usize, &str, &str)> = BTreeMap::new();
    for (wanted, row) in wanted.iter().zip(rows) {
        counts.entry(row.status).or_insert((0, &wanted.address, &row.reason)).0 += 1;
    }
    for (status, (count, address, reason)) in counts {
        match reason {
            "" => println!("{status:10}  {count}"),
            reason => println!("{status:10}  {count}, such as {address}: {reason}"),
        }
    }
}

/// A Parquet table of all addresses in their order.
fn report_of(wanted: &[Wanted], rows: &[Row]) -> std::io::Result<Vec<u8>> {
    let columns = vec![
        ("url", Kind::Text),
        ("file", Kind::Text),
        ("status", Kind::Text),
        ("reason", Kind::Text),
        ("http", Kind::U64),
        ("asked", Kind::U64),
        ("bytes", Kind::U64),
        ("blake3", Kind::Text),
    ];
    let mut table = Table::begin(Vec::new(), columns, ROWS_A_GROUP)?;
    for (wanted, row) in wanted.iter().zip(rows) {
        let name = wanted.place.as_ref().map_or("", |(_, name)| name);
        let hash = row.held.map_or(String::new(), |held| list::hex(&held.blake3));
        table.row(&[
            Value::Text(&wanted.address),
            Value::Text(if row.held.is_some() { name } else { "" }),
            Value::Text(row.status),
            Value::Text(&row.reason),
            Value::U64(row.http.into()),
            Value::U64(row.asked.into()),
            Value::U64(row.held.map_or(0, |held| held.bytes)),
            Value::Text(&hash),
        ])?;
    }
    table.end(&[])
}

/// Takes away what killed processes left among the files.
fn tidy(files: &Path) {
    let folders = fs::read_dir(files).into_iter().flatten().flatten().map(|entry| entry.path());
    for entry in folders.flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten()) {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

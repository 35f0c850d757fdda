//! `tadne-cluster prepare`: has a collection curated, and waits for it; or curates it here, if there is no cluster.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ::prepare::{Detector, Row, Rules, Shards, Tar};
use anyhow::ensure;
use clap::Args;
use cli::curation::{Curation, select};
use dataset::Files;
use tokio::runtime::Runtime;

use crate::address::Address;
use crate::curate::{DO_SHARD, Job};
use crate::job::{Client, SHARDS, with_news};
use crate::metadata;

/// Arguments of `tadne-cluster prepare`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tadne-cluster prepare --cluster df://10.0.0.1:50050 --data /shared/collected --out /shared/curated
  tadne-cluster prepare --data danbooru/ --metadata posts.jsonl --where \"rating = 'g' and score > 20\" --out curated
  tadne-cluster prepare --cluster df://10.0.0.1:50050 --data /shared/collected --detector /shared/faces.onnx --out /shared/faces
  tadne-cluster prepare --data danbooru/ --metadata posts.parquet --where \"tag_string like '%solo%'\" --out curated

All machines must see --data, --detector and --out at the same paths.")]
pub(crate) struct Prepare {
    /// The scheduler [default: none, all is done on this machine]
    #[arg(long, value_name = "df://HOST:PORT", env = "TADNE_CLUSTER_SCHEDULER")]
    cluster: Option<Address>,
    #[command(flatten)]
    curation: Curation,
    /// Rows about the files, as lines of JSON (.jsonl, also .gz, .bz2, .xz or .zst) or Parquet (.parquet): take only files that are in it
    #[arg(long, value_name = "FILE")]
    metadata: Option<PathBuf>,
    /// Of the metadata, take the rows for which this is true: a condition in SQL
    #[arg(long = "where", value_name = "SQL", requires = "metadata")]
    condition: Option<String>,
    /// The metadata's column that has the files' names, with or without ending
    #[arg(long, value_name = "COLUMN", requires = "metadata", default_value = "id")]
    id: String,
    /// Files per shard: what is begun again after an executor died
    #[arg(long, value_name = "N", requires = "cluster", default_value = "500", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    shard_files: u32,
}

impl Prepare {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let (rules, detector) = self.curation.rules()?;
        let mut files = self.curation.files()?;
        if let Some(table) = &self.metadata {
            let wanted = Runtime::new()?.block_on(metadata::column(table, &self.id, self.condition.as_deref()))?;
            select(&mut files, |name| wanted.contains(name), &table.display().to_string());
        }
        ensure!(
            !files.is_empty(),
            "there are no pictures: look at --data, and at --only, --metadata and --where if given"
        );
        self.curation.check_selection(&rules)?;
        match &self.cluster {
            Some(address) => self.by_cluster(address, &mut files, &rules, detector.as_ref()),
            None => self.alone(&mut files, &rules, detector.as_ref()),
        }
    }

    /// Curates as `tadne prepare` does.
    fn alone(&self, files: &mut Files, rules: &Rules, detector: Option<&Detector>) -> anyhow::Result<()> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        ctrlc::set_handler(move || stopped.store(true, Ordering::Relaxed))?;
        let count = AtomicU64::new(0);
        let done = || {
            count.fetch_add(1, Ordering::Relaxed);
        };
        let news = |what: &'static str, of: usize| {
            let count = &count;
            move || format!("{what} {} of {of} pictures", count.load(Ordering::Relaxed))
        };
        let rows =
            with_news(news("looked at", files.len()), || ::prepare::survey(files, rules, detector, &stop, &done))?;
        let Some(verdicts) = self.curation.judge(files, &rows, rules)? else { return Ok(()) };
        let out = &self.curation.out;
        let tars = ::prepare::tars(files, &rows, &verdicts, rules, out)?;
        count.store(0, Ordering::Relaxed);
        let kept = tars.iter().map(|tar| tar.pictures.len()).sum();
        with_news(news("wrote", kept), || ::prepare::pack(files, &rows, &tars, rules, out, &stop, &done))?;
        self.curation.conclude(files, &rows, &verdicts, &tars)
    }

    /// Has executors look at the files, decides, and has executors pack what is kept.
    fn by_cluster(
        &self,
        address: &Address,
        files: &mut Files,
        rules: &Rules,
        detector: Option<&Detector>,
    ) -> anyhow::Result<()> {
        let (client, out) = (Client::reach(address)?, &self.curation.out);
        let rows = self.look(&client, files, rules, detector)?;
        let Some(verdicts) = self.curation.judge(files, &rows, rules)? else {
            println!("looked at   {}/shards keeps it for the run that writes", out.display());
            return Ok(());
        };
        let tars = ::prepare::tars(files, &rows, &verdicts, rules, out)?;
        self.pack(&client, files, &rows, &tars, rules)?;
        self.curation.conclude(files, &rows, &verdicts, &tars)?;
        Ok(Shards::clear(out)?)
    }

    fn look(
        &self,
        client: &Client<'_>,
        files: &Files,
        rules: &Rules,
        detector: Option<&Detector>,
    ) -> anyhow::Result<Vec<Row>> {
        let a_shard = self.shard_files as usize;
        let shards = files.len().div_ceil(a_shard) as u64;
        ensure!(shards <= SHARDS, "a job has at most {SHARDS} shards, not {shards}; give a larger --shard-files");
        let shards = Shards::of_files(files, rules, detector, &self.curation.out, a_shard)?;
        println!("looking     {} files in {} shards", files.len(), shards.count());
        let job = Job { shards: shards.folder().to_owned() };
        client.work(DO_SHARD, &job, shards.count(), || shards.looked())?;
        Ok(shards.rows(files, rules, detector)?)
    }

    fn pack(
        &self,
        client: &Client<'_>,
        files: &Files,
        rows: &[Row],
        tars: &[Tar],
        rules: &Rules,
    ) -> anyhow::Result<()> {
        let out = &self.curation.out;
        let shards = Shards::of_tars(files, rows, tars, rules, out)?;
        println!("writing     {} tars", shards.count());
        let there = || tars.iter().filter(|tar| out.join(&tar.path).exists()).count() as u64;
        if shards.count() > 0 {
            client.work(DO_SHARD, &Job { shards: shards.folder().to_owned() }, shards.count(), there)?;
        }
        let missing = tars.len() as u64 - there();
        ensure!(
            missing == 0,
            "the executors wrote all tars, but {missing} are not in {}: some executor has another folder at that path; use one that all machines share",
            out.display()
        );
        Ok(())
    }
}

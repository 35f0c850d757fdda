//! `tadne-cluster archive`: has an archive made, and waits for it.

use std::collections::BTreeMap;
use std::path::absolute;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use ::archive::{MANIFEST, Outcome, Tally, Target, write_manifest};
use anyhow::{Context, anyhow, bail, ensure};
use ballista::prelude::SessionContextExt;
use clap::Args;
use cli::pictures::Pictures;
use datafusion::arrow::array::AsArray;
use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;
use tokio::runtime::Runtime;

use crate::address::Address;
use crate::make::{Job, MAKE_SHARD, MakeShard, Report};
use crate::session;

/// Tasks that a job is cut into, at most. Executors are to be busy to the end, and each task carries the whole plan, some 100 bytes a task.
const TASKS: u64 = 512;
/// Shards of a job, at most: their numbers travel with it, in messages of up to 16 MiB.
const SHARDS: u64 = 1_000_000;
/// How long to try to reach the scheduler.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often it is said how far the work is.
const NEWS: Duration = Duration::from_secs(30);

/// Arguments of `tadne-cluster archive`.
#[derive(Args, Debug)]
pub(crate) struct Archive {
    /// The scheduler
    #[arg(long, value_name = "df://HOST:PORT", env = "TADNE_CLUSTER_SCHEDULER")]
    cluster: Address,
    #[command(flatten)]
    pictures: Pictures,
    /// Read all files of finished shards too, and make those again that are missing or damaged
    #[arg(long)]
    verify: bool,
}

/// What executors said.
#[derive(Default)]
struct Sum {
    done: Tally,
    /// Shards that each executor made.
    by: BTreeMap<String, u64>,
    /// Reasons, each with who gave it first and how many shards it was given for.
    refused: BTreeMap<String, (String, u64)>,
}

impl Archive {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        // A folder is the same one for executors, who work elsewhere.
        let out = match &self.pictures.out {
            place if place.is_empty() || place.contains("://") => place.clone(),
            folder => absolute(folder)?.to_string_lossy().into_owned(),
        };
        let target = Target::open(&out)?;
        let (generator, _) = self.pictures.model.generator()?;
        let plan = self.pictures.plan(&generator)?;
        let shards = u64::try_from(plan.shards()).ok().filter(|&shards| shards <= SHARDS).with_context(|| {
            let shards = plan.shards();
            format!("a job has at most {SHARDS} shards, not {shards}; name fewer seeds, or a larger --shard-seeds")
        })?;
        // The target is used outside of it: a bucket waits for a runtime of its own.
        let runtime = Runtime::new()?;
        runtime.block_on(self.cluster.reach(PATIENCE))?;
        target.claim(&plan.kind())?;
        target.tidy()?;
        ctrlc::set_handler(|| {
            eprintln!(
                "left; the cluster goes on with it, and the same command waits for it again and writes the manifest"
            );
            std::process::exit(130);
        })?;
        println!("{shards} shards for {}, in {out}", self.cluster);
        let start = Instant::now();
        let job = Job { out, plan, verify: self.verify };
        let before = target.shards()?.len();
        let sum = thread::scope(|scope| {
            let (work, done) = mpsc::channel::<()>();
            scope.spawn({
                let target = &target;
                move || {
                    while done.recv_timeout(NEWS) == Err(RecvTimeoutError::Timeout) {
                        // Only news: what is wrong with the place, executors say.
                        let there = target.shards().map_or(before, |shards| shards.len());
                        println!("{} of {shards} shards made so far", there.saturating_sub(before));
                    }
                }
            });
            let sum = runtime.block_on(self.work(&job, shards));
            drop(work);
            sum
        });
        let sum = sum.with_context(|| {
            format!(
                "{} did not finish the work; what is finished stays, run the same command again to go on",
                self.cluster
            )
        })?;
        println!("{}", sum.text(start));
        self.list(&target, &job, &sum, shards)
    }

    /// Writes the manifest, if all shards were made.
    fn list(&self, target: &Target, job: &Job, sum: &Sum, shards: u64) -> anyhow::Result<()> {
        if let Some((reason, (by, number))) = sum.refused.first_key_value() {
            bail!(
                "{number} of {shards} shards were not made: the executor {by} says: {reason}; then run the same command again"
            );
        }
        match write_manifest(target, &job.plan, sum.done.is_change() || self.verify)? {
            Some(0) => {}
            Some(rows) => println!("{MANIFEST} lists {rows} pictures"),
            None => bail!(
                "the executors made all shards, but not all are in {}: some executor has another folder at that path; use one that all machines share, or a bucket",
                job.out
            ),
        }
        Ok(())
    }

    /// Has all shards made, a row each.
    async fn work(&self, job: &Job, shards: u64) -> anyhow::Result<Sum> {
        let config = session::config()
            .with_target_partitions(usize::try_from(shards.min(TASKS))?)
            .set_str("ballista.job.name", "archive");
        let context = SessionContext::remote_with_state(&self.cluster.to_string(), session::state(config)?).await?;
        // Connecting replaces all functions by Ballista's.
        context.register_udf(MakeShard::planned().as_ref().clone());
        let job = serde_json::to_string(job)?.replace('\'', "''");
        let sql = format!("SELECT {MAKE_SHARD}('{job}', shard) FROM ({})", list(shards));
        let batches = context.sql(&sql).await.map_err(plain)?.collect().await.map_err(plain)?;
        let mut sum = Sum::default();
        let mut rows = 0;
        for report in batches.iter().flat_map(|batch| batch.column(0).as_string::<i32>()) {
            let report: Report = serde_json::from_str(report.unwrap_or_default()).context("a report cannot be read")?;
            sum.note(report);
            rows += 1;
        }
        ensure!(rows == shards, "{rows} reports came for {shards} shards");
        Ok(sum)
    }
}

/// The numbers of so many shards as a query, of which each branch is a task. There is no exchange between tasks: where an executor dies
/// that holds what others are about to fetch, Ballista 55 plans the job back and never frees the places of what runs, and the job stands still.
fn list(shards: u64) -> String {
    let tasks = shards.min(TASKS);
    let begin = |task: u64| shards / tasks * task + (shards % tasks).min(task);
    let branch =
        |task| format!("SELECT arrow_cast(unnest(range({}, {})), 'UInt64') AS shard", begin(task), begin(task + 1));
    (0..tasks).map(branch).collect::<Vec<_>>().join(" UNION ALL ")
}

/// A job's failure in words: what a task said at last, where it said something.
fn plain(error: DataFusionError) -> anyhow::Error {
    let DataFusionError::Execution(text) = error else { return error.into() };
    // Ballista sends the debug form of all layers around our words.
    let said =
        text.split_once("IoError(Custom { kind: Other, error: \\\"").and_then(|(_, rest)| rest.split_once("\\\""));
    match said {
        Some((said, _)) => anyhow!("a shard was tried again and again, at last: {said}"),
        None => anyhow!(text),
    }
}

impl Sum {
    fn note(&mut self, report: Report) {
        match report.done {
            Ok(outcome) => {
                self.done.note(outcome, report.pictures);
                if let Outcome::Made { .. } = outcome {
                    *self.by.entry(report.by).or_default() += 1;
                }
            }
            Err(reason) => self.refused.entry(reason).or_insert((report.by, 0)).1 += 1,
        }
    }

    fn text(&self, start: Instant) -> String {
        let Tally { made, pictures, bytes, .. } = self.done;
        let seconds = start.elapsed().as_secs_f64();
        let by: Vec<_> = self.by.iter().map(|(name, shards)| format!("{name} {shards}")).collect();
        let by = if by.is_empty() { String::new() } else { format!(" ({})", by.join(", ")) };
        let (kept, mega) = (self.done.kept_text(), bytes as f64 / 1e6);
        format!("{made} shards made{by}, {kept}; {pictures} pictures, {mega:.1} MB, {seconds:.1} s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shard_is_in_one_task() {
        for shards in [1, 2, 511, 512, 513, 5000] {
            let sql = list(shards);
            let bounds: Vec<u64> = sql.split(['(', ',', ')']).filter_map(|word| word.trim().parse().ok()).collect();
            assert_eq!(bounds.len() as u64, 2 * shards.min(TASKS));
            let (first, last) = (bounds[0], bounds[bounds.len() - 1]);
            assert_eq!((first, last), (0, shards));
            let lengths: Vec<u64> = bounds.chunks(2).map(|pair| pair[1] - pair[0]).collect();
            assert!(lengths.iter().max().unwrap() - lengths.iter().min().unwrap() <= 1, "{lengths:?}");
            assert!(bounds[1..].chunks(2).all(|pair| pair.len() == 1 || pair[0] == pair[1]));
        }
    }

    #[test]
    fn failures_are_told_without_their_layers() {
        let failed = r#"Job 03 failed: Task 7 in Stage 1 failed 4 times, most recent failure reason: "Task failed due to IO error: DataFusionError(IoError(Custom { kind: Other, error: \"cannot write results/a.webp: Not a directory\" }))""#;
        let told = |text: &str| plain(DataFusionError::Execution(text.into())).to_string();
        assert!(told(failed).ends_with("at last: cannot write results/a.webp: Not a directory"), "{}", told(failed));
        assert_eq!(told("Stream closed"), "Stream closed");
    }
}

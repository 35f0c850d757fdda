//! A job: all shards of something, done by whoever is there, and what became of them.

use std::collections::BTreeMap;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail, ensure};
use archive::{Outcome, Tally};
use ballista::prelude::SessionContextExt;
use datafusion::arrow::array::AsArray;
use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;
use serde::Serialize;
use tokio::runtime::Runtime;

use crate::address::Address;
use crate::function::{Report, ShardFunction};
use crate::session::{self, FUNCTIONS};

/// Tasks that a job is cut into, at most. Executors are to be busy to the end, and each task carries the whole plan, some 100 bytes a task.
const TASKS: u64 = 512;
/// Shards of a job, at most: their numbers travel with it, in messages of up to 16 MiB.
pub(crate) const SHARDS: u64 = 1_000_000;
/// How long to try to reach the scheduler.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often it is said how far the work is.
const NEWS: Duration = Duration::from_secs(30);

/// A scheduler that answers.
pub(crate) struct Client<'a> {
    address: &'a Address,
    runtime: Runtime,
}

/// What executors said.
#[derive(Default)]
pub(crate) struct Sum {
    pub(crate) done: Tally,
    seconds: f64,
    /// Shards that each executor made.
    by: BTreeMap<String, u64>,
    /// Reasons, each with who gave it first and how many shards it was given for.
    refused: BTreeMap<String, (String, u64)>,
}

/// Works, and says meanwhile from time to time how far it is.
pub(crate) fn with_news<T>(news: impl Fn() -> String + Send, work: impl FnOnce() -> T) -> T {
    thread::scope(|scope| {
        let (working, done) = mpsc::channel::<()>();
        scope.spawn(move || {
            while done.recv_timeout(NEWS) == Err(RecvTimeoutError::Timeout) {
                println!("{}", news());
            }
        });
        let result = work();
        drop(working);
        result
    })
}

impl<'a> Client<'a> {
    /// Looks whether there is a scheduler.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn reach(address: &'a Address) -> anyhow::Result<Self> {
        let runtime = Runtime::new()?;
        runtime.block_on(address.reach(PATIENCE))?;
        ctrlc::set_handler(|| {
            eprintln!(
                "left; the cluster goes on with what it has, and the same command waits for it and does the rest"
            );
            std::process::exit(130);
        })?;
        Ok(Self { address, runtime })
    }

    /// Has all shards of a job done by a function, and says what became of them; `there` counts those that are done, for news.
    ///
    /// # Errors
    /// The job failed, or some shards were refused.
    pub(crate) fn work(
        &self,
        function: &'static str,
        job: &impl Serialize,
        shards: u64,
        there: impl Fn() -> u64 + Send,
    ) -> anyhow::Result<Sum> {
        let before = there();
        let news = move || format!("{} of {shards} shards done so far", there().saturating_sub(before));
        let sum =
            with_news(news, || self.runtime.block_on(self.attempt(function, job, shards))).with_context(|| {
                format!(
                    "{} did not finish the work; what is finished stays, run the same command again to go on",
                    self.address
                )
            })?;
        println!("{}", sum.text());
        if let Some((reason, (by, number))) = sum.refused.first_key_value() {
            bail!(
                "{number} of {shards} shards were not done: the executor {by} says: {reason}; then run the same command again"
            );
        }
        Ok(sum)
    }

    /// Has all shards done, a row each.
    async fn attempt(&self, function: &'static str, job: &impl Serialize, shards: u64) -> anyhow::Result<Sum> {
        let start = Instant::now();
        let config = session::config()
            .with_target_partitions(usize::try_from(shards.min(TASKS))?)
            .set_str("ballista.job.name", function);
        let context = SessionContext::remote_with_state(&self.address.to_string(), session::state(config)?).await?;
        // Connecting replaces all functions by Ballista's.
        for name in FUNCTIONS {
            context.register_udf(ShardFunction::planned(name).as_ref().clone());
        }
        let job = serde_json::to_string(job)?.replace('\'', "''");
        let sql = format!("SELECT {function}('{job}', shard) FROM ({})", list(shards));
        let batches = context.sql(&sql).await.map_err(plain)?.collect().await.map_err(plain)?;
        let (mut sum, mut rows) = (Sum::default(), 0);
        for report in batches.iter().flat_map(|batch| batch.column(0).as_string::<i32>()) {
            let report: Report = serde_json::from_str(report.unwrap_or_default()).context("a report cannot be read")?;
            sum.note(report);
            rows += 1;
        }
        ensure!(rows == shards, "{rows} reports came for {shards} shards");
        sum.seconds = start.elapsed().as_secs_f64();
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

    fn text(&self) -> String {
        let Tally { made, pictures, bytes, .. } = self.done;
        let by: Vec<_> = self.by.iter().map(|(name, shards)| format!("{name} {shards}")).collect();
        let by = if by.is_empty() { String::new() } else { format!(" ({})", by.join(", ")) };
        let (kept, mega, seconds) = (self.done.kept_text(), bytes as f64 / 1e6, self.seconds);
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

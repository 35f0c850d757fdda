//! `tadne-cluster archive`: has an archive made, and waits for it.

use std::path::absolute;

use ::archive::{MANIFEST, Target, write_manifest};
use anyhow::{Context, bail};
use clap::Args;
use cli::pictures::Pictures;

use crate::address::Address;
use crate::job::{Client, SHARDS};
use crate::make::{Job, MAKE_SHARD};

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
        // The target is used outside of the client's runtime: a bucket waits for one of its own.
        let client = Client::reach(&self.cluster)?;
        target.claim(&plan.kind())?;
        target.tidy()?;
        println!("{shards} shards for {}, in {out}", self.cluster);
        let job = Job { out, plan, verify: self.verify };
        // Only news: what is wrong with the place, executors say.
        let there = || target.shards().map_or(0, |shards| shards.len() as u64);
        let sum = client.work(MAKE_SHARD, &job, shards, there)?;
        match write_manifest(&target, &job.plan, sum.done.is_change() || self.verify)? {
            Some(0) => {}
            Some(rows) => println!("{MANIFEST} lists {rows} pictures"),
            None => bail!(
                "the executors made all shards, but not all are in {}: some executor has another folder at that path; use one that all machines share, or a bucket",
                job.out
            ),
        }
        Ok(())
    }
}

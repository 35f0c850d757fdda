//! `tadne archive`: pictures made ahead into a folder or bucket, by one computer or many.

use std::env;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use ::archive::{Error, Hooks, MANIFEST, Maker, Outcome, Part, Plan, Tally, Target, write_manifest};
use anyhow::bail;
use clap::Args;
use cli::pictures::Pictures;
use cli::places;
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use server::{ArchiveKind, FileMaker};
use synth::Generator;

use crate::{buckets, progress};

/// Pictures that are drawn to see how large they get and how long they take, at most.
const SAMPLE: usize = 36;
/// Longest time to spend on the sample.
const PATIENCE: Duration = Duration::from_secs(10);
/// Above so many shards a part's pictures are reckoned and not counted.
const COUNTED: u128 = 1_000_000;

/// Arguments of `tadne archive`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tadne archive --seeds 0-99999 --out pictures --dry-run      how many, how large, how long
  tadne archive --seeds 0-99999 --out pictures                run it again to go on after an interruption
  tadne archive --seeds 0-99999 --out pictures --part 3/16    one of sixteen computers
  tadne archive --seeds 0-99999 --out pictures --verify       read everything, and mend it

The files lie at the addresses of the server, results/psi-1.0/seed00042.webp; manifest.parquet lists them with their hashes.
Any static host serves the folder; `tadne serve --archive PLACE` draws what is not in it. In a job array of Slurm or Cloud Run
each task takes its own part, in one of Kubernetes or AWS Batch with --parts N. More: docs/scale.md")]
pub(crate) struct Archive {
    #[command(flatten)]
    pictures: Pictures,
    /// Make part I of N only, counted from 1 [default: what a job array says, or everything]
    #[arg(long, value_name = "I/N", conflicts_with = "parts")]
    part: Option<Part>,
    /// How many parts there are, where the job array does not say it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    parts: Option<u64>,
    /// Read all files of finished shards too, and make those again that are missing or damaged
    #[arg(long)]
    verify: bool,
    /// Say how many pictures, bytes and hours it would be, and make nothing
    #[arg(long)]
    dry_run: bool,
    /// Threads that draw [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

impl Archive {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let part = match self.part {
            Some(part) => part,
            None => Part::of_array(|name| env::var(name).ok(), self.parts)?.unwrap_or_default(),
        };
        buckets::check("--out", &self.pictures.out)?;
        let target = Target::open(&self.pictures.out)?;
        // One that is there already may be whole, and is then only read.
        if let Some(folder) = target.folder().filter(|folder| !folder.join(ArchiveKind::FILE).exists()) {
            places::check_folder("--out", folder)?;
        }
        let (generator, _) = self.pictures.model.generator()?;
        let plan = self.pictures.plan(&generator)?;
        if self.dry_run {
            target.check(&plan.kind())?;
            return estimate(&generator, &plan, part);
        }
        self.make(&generator, &plan, part, &target)
    }

    fn make(&self, generator: &Arc<Generator>, plan: &Plan, part: Part, target: &Target) -> anyhow::Result<()> {
        let cores = || thread::available_parallelism().map_or(1, usize::from);
        let threads = self.threads.map_or_else(cores, usize::from);
        target.claim(&plan.kind())?;
        target.tidy()?;
        let bar = ProgressBar::new(u64::try_from(pictures(plan, part).0).unwrap_or(u64::MAX));
        let style = "{bar:32} {percent:>3} %  {human_pos} of {human_len} pictures  {per_sec}  {eta} left";
        bar.set_style(ProgressStyle::with_template(style)?);
        let stop = progress::stop_on_interrupt("finishing the pictures in hand")?;
        let hooks = Hooks { drawn: &|| bar.inc(1), stop: &stop };
        let mut maker = Maker::new(plan, target, generator, threads, hooks);
        let (start, mut done) = (Instant::now(), Tally::default());
        for shard in plan.part(part) {
            match maker.shard(&shard, self.verify) {
                Ok(outcome) => {
                    let pictures = plan.pictures_of(&shard);
                    done.note(outcome, pictures);
                    // What is there already would make the rest look quick.
                    let there = match outcome {
                        Outcome::Kept => pictures,
                        Outcome::Made { .. } => 0,
                        Outcome::Mended { files } => pictures - files,
                    };
                    bar.set_length(bar.length().unwrap_or_default().saturating_sub(there));
                }
                Err(Error::Stopped) => {
                    bar.finish_and_clear();
                    bail!(
                        "stopped: {}, in {}; run the same command again to go on",
                        text(&done, start),
                        self.pictures.out
                    );
                }
                Err(error) => return Err(error.into()),
            }
        }
        bar.finish_and_clear();
        let said = text(&done, start);
        let listed = write_manifest(target, plan, done.is_change() || self.verify)?;
        println!("{said}, in {}", self.pictures.out);
        match listed {
            Some(0) => {}
            Some(rows) => println!("{MANIFEST} lists {rows} pictures"),
            None => println!("{MANIFEST} is written by whoever finishes the last part"),
        }
        Ok(())
    }
}

/// What a run has done so far, in words.
fn text(done: &Tally, start: Instant) -> String {
    let rate = done.pictures as f64 / start.elapsed().as_secs_f64();
    let rate = if done.made > 0 { format!(", {rate:.0} pictures/s") } else { String::new() };
    format!("{} shards made ({}{rate}), {}", done.made, HumanBytes(done.bytes), done.kept_text())
}

/// How many pictures a part has, and whether that is exact.
fn pictures(plan: &Plan, part: Part) -> (u128, bool) {
    if part.of() == 1 {
        return (plan.pictures(), true);
    }
    if plan.shards() <= COUNTED {
        return (plan.part(part).map(|shard| u128::from(plan.pictures_of(&shard))).sum(), true);
    }
    (plan.pictures() / u128::from(part.of()), false)
}

/// Says what a part would be, from a few pictures of it.
fn estimate(generator: &Arc<Generator>, plan: &Plan, part: Part) -> anyhow::Result<()> {
    let (count, exact) = pictures(plan, part);
    println!("pictures    {}{count} in {} shards, part {part}", if exact { "" } else { "about " }, plan.shards());
    let Some(shard) = plan.part(part).next() else {
        println!("nothing     there are fewer shards than parts");
        return Ok(());
    };
    let mut maker = FileMaker::new(generator);
    let addresses: Vec<_> = plan.addresses(&shard).take(SAMPLE).collect();
    // The first picture also finds its memory.
    maker.make(addresses[0], plan.size())?;
    let (start, mut drawn, mut bytes) = (Instant::now(), 0u32, 0);
    for address in addresses {
        bytes += maker.make(address, plan.size())?.len();
        drawn += 1;
        if start.elapsed() > PATIENCE {
            break;
        }
    }
    let each = bytes as f64 / f64::from(drawn);
    let seconds = start.elapsed().as_secs_f64() / f64::from(drawn);
    let total = each * count as f64;
    println!("bytes       about {:.3} GB, {each:.0} a picture", total / 1e9);
    println!(
        "core-hours  about {:.3}, {:.2} ms a picture on one thread without the writing",
        seconds * count as f64 / 3600.0,
        seconds * 1e3
    );
    println!("sample      {drawn} pictures of this part's first seeds");
    Ok(())
}

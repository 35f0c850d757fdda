//! `tadne prepare`: from whatever was collected to tars worth training on, with a reason for every file.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use ::prepare::{Rules, Verdict};
use anyhow::{Context, ensure};
use clap::Args;
use dataset::{Crop, Files};
use indicatif::{ProgressBar, ProgressStyle};

use crate::progress;

/// Arguments of `tadne prepare`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tadne prepare --data collected/ --out curated --dry-run        how many would stay, and why the others would not
  tadne prepare --data collected/ --out curated --size 256 --crop top
  tadne prepare --data 'danbooru/*.tar' --only ids.txt --out curated
  tadne train --data 'curated/tars/*.tar'

report.parquet has a row for every file: verdict, reason, measures. sheets/ shows what some of each verdict look like.
A list for --only comes from any tool that reads your metadata, e.g. DuckDB:
  copy (select id from 'posts.jsonl' where rating = 'g' and score > 20) to 'ids.txt' (header false)")]
pub(crate) struct Prepare {
    /// Folders, tars and zips of pictures; patterns are expanded
    #[arg(long, value_name = "PATH", required = true, num_args = 1..)]
    data: Vec<PathBuf>,
    /// Folder for tars, report and contact sheets
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Take only the files that this list names, one per line: a file's name, with or without its ending
    #[arg(long, value_name = "FILE")]
    only: Option<PathBuf>,
    /// Write squares of so many pixels as WebP without loss [default: the files as they are]
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u16).range(8..=4096))]
    size: Option<u16>,
    /// How pictures become square: centre, top (of tall ones, where portraits have their face) or pad (with white)
    #[arg(long, value_name = "HOW", default_value = "centre")]
    crop: Crop,
    /// Pixels that the shorter side must have [default: those of --size, else 64]
    #[arg(long, value_name = "PIXELS")]
    min_side: Option<usize>,
    /// Largest ratio of the longer side to the shorter
    #[arg(long, value_name = "RATIO", default_value_t = Rules::default().max_aspect)]
    max_aspect: f64,
    /// Variance of the Laplacian at 256 px that a picture must have: below 15 it is very blurred
    #[arg(long, value_name = "X", default_value_t = Rules::default().min_sharpness)]
    min_sharpness: f64,
    /// Mean distance of red and blue from green, 0 to 255, that a picture must have; 0 keeps greyscale ones
    #[arg(long, value_name = "X", default_value_t = Rules::default().min_chroma)]
    min_chroma: f64,
    /// Mean brightness that a picture must have, 0 to 255
    #[arg(long, value_name = "X", default_value_t = Rules::default().min_brightness)]
    min_brightness: f64,
    /// Share of a side that bars of one colour may take
    #[arg(long, value_name = "SHARE", default_value_t = Rules::default().max_bars)]
    max_bars: f64,
    /// Near duplicates are pictures whose 64-bit perceptual hashes differ in at most this many bits, 0 to 7; `off` keeps them
    #[arg(long, value_name = "BITS", default_value = "4", value_parser = near)]
    near: Near,
    /// Say what would be kept and why not, and write nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Clone, Copy, Debug)]
struct Near(Option<u32>);

fn near(text: &str) -> Result<Near, String> {
    match text.parse::<u32>() {
        _ if text == "off" => Ok(Near(None)),
        Ok(bits) if bits <= ::prepare::MAX_HASH_DISTANCE => Ok(Near(Some(bits))),
        _ => Err(format!("use 0 to {}, or off", ::prepare::MAX_HASH_DISTANCE)),
    }
}

impl Prepare {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let rules = self.rules()?;
        let mut files = Files::list(&self.data)?;
        let found = files.len();
        if let Some(list) = &self.only {
            let wanted = wanted(list)?;
            files.retain(|name| is_wanted(&wanted, name));
            println!("list        {} of {found} files are named in {}", files.len(), list.display());
        }
        ensure!(
            !files.is_empty(),
            "there are no pictures: look at --data{}",
            if found > 0 { " and --only" } else { "" }
        );
        let stop = progress::stop_on_interrupt("stopping")?;
        let bar = bar("looking", files.len())?;
        let rows = ::prepare::survey(&files, &rules, &stop, &|| bar.inc(1))?;
        bar.finish_and_clear();
        let verdicts = ::prepare::decide(&rows, &rules);
        let kept = say(&rows, &verdicts, &files);
        if self.dry_run {
            return Ok(());
        }
        ensure!(kept > 0, "nothing would be kept: see the counts above, and soften the rules (tadne prepare --help)");
        let bar = self::bar("writing", kept)?;
        let tars = ::prepare::pack(&files, &rows, &verdicts, &rules, &self.out, &stop, &|| bar.inc(1))?;
        bar.finish_and_clear();
        ::prepare::sheets(&files, &rows, &verdicts, &self.out.join("sheets"))?;
        // Last: a report says that all is there.
        ::prepare::report(&rows, &verdicts, &tars, &self.out.join("report.parquet"))?;
        println!("written     {0}/tars, {0}/report.parquet, {0}/sheets", self.out.display());
        Ok(())
    }

    fn rules(&self) -> anyhow::Result<Rules> {
        let size = self.size.map(usize::from);
        for (name, value) in [
            ("--max-aspect", self.max_aspect),
            ("--min-sharpness", self.min_sharpness),
            ("--min-chroma", self.min_chroma),
            ("--min-brightness", self.min_brightness),
            ("--max-bars", self.max_bars),
        ] {
            ensure!(value.is_finite() && value >= 0.0, "{name} {value}: use a number from 0");
        }
        Ok(Rules {
            min_side: self.min_side.or(size).unwrap_or(Rules::default().min_side),
            max_aspect: self.max_aspect,
            min_sharpness: self.min_sharpness,
            min_chroma: self.min_chroma,
            min_brightness: self.min_brightness,
            max_bars: self.max_bars,
            near: self.near.0,
            crop: self.crop.to_string(),
            size,
        })
    }
}

fn bar(what: &'static str, length: usize) -> anyhow::Result<ProgressBar> {
    let bar = ProgressBar::new(length as u64).with_message(what);
    let style = "{msg:10}{bar:32} {percent:>3} %  {human_pos} of {human_len} pictures  {per_sec}  {eta} left";
    bar.set_style(ProgressStyle::with_template(style)?);
    Ok(bar)
}

/// Prints the counts; how many are kept.
fn say(rows: &[::prepare::Row], verdicts: &[Verdict], files: &Files) -> usize {
    // Of each verdict how many, and the first.
    let mut counts: BTreeMap<&str, (usize, &str, &str)> = BTreeMap::new();
    for (row, verdict) in rows.iter().zip(verdicts) {
        counts.entry(verdict.word).or_insert((0, &row.name, &verdict.reason)).0 += 1;
    }
    println!("{:10}  {}", "files", rows.len());
    for word in Verdict::WORDS {
        match counts.get(word) {
            Some((count, name, reason)) if word != "kept" => {
                println!("{word:10}  {count}, such as {name}: {reason}");
            }
            Some((count, ..)) => println!("{word:10}  {count}"),
            None => {}
        }
    }
    if let [(name, reason), ..] = files.skipped() {
        println!("{:10}  {}, such as {name}: {reason}", "passed by", files.skipped().len());
    }
    counts.get("kept").map_or(0, |(count, ..)| *count)
}

/// The lines of a list.
fn wanted(list: &Path) -> anyhow::Result<HashSet<String>> {
    let text = std::fs::read_to_string(list).with_context(|| format!("cannot read {}", list.display()))?;
    Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

/// Whether a list names a file: by its name, or that without its ending.
fn is_wanted(wanted: &HashSet<String>, name: &str) -> bool {
    let name = name.rsplit(['/', '\\', ':']).next().unwrap_or(name);
    wanted.contains(name) || name.rsplit_once('.').is_some_and(|(stem, _)| wanted.contains(stem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_name_files_with_and_without_their_ending() {
        let list: HashSet<String> = ["17", "18.png"].map(str::to_owned).into();
        for (name, wants) in [
            ("a/17.png", true),
            ("b.tar:0017/17.jpg", true),
            ("b.tar:17.webp", true),
            ("18.png", true),
            ("18.jpg", false),
            ("a/17/5.png", false),
            ("170.png", false),
        ] {
            assert_eq!(is_wanted(&list, name), wants, "{name}");
        }
        assert!(near("7").is_ok() && near("8").is_err() && near("off").is_ok_and(|near| near.0.is_none()));
    }
}

//! `tadne prepare`: from whatever was collected to tars worth training on, with a reason for every file that is looked at.

use anyhow::ensure;
use clap::Args;
use cli::curation::Curation;
use indicatif::{ProgressBar, ProgressStyle};

use crate::progress;

/// Arguments of `tadne prepare`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tadne prepare --data collected/ --out curated --dry-run        how many would stay, and why the others would not
  tadne prepare --data collected/ --out curated --size 256 --crop top
  tadne prepare --data 'danbooru/*.tar' --only ids.txt --out curated
  tadne prepare --data 'danbooru/*.tar' --detector faces.onnx --out faces --size 256
  tadne train --data 'curated/tars/*.tar'

report.parquet has a row for every file that is looked at: verdict, reason, measures. Files with neither the ending nor the first
bytes of a WebP, JPEG, PNG, GIF or BMP are passed by. sheets/ shows what some of each verdict look like.
A list for --only comes from any tool that reads your metadata, e.g. DuckDB:
  copy (select id from 'posts.jsonl' where rating = 'g' and score > 20) to 'ids.txt' (header false)")]
pub(crate) struct Prepare {
    #[command(flatten)]
    curation: Curation,
}

impl Prepare {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let ((rules, detector), mut files) = (self.curation.rules()?, self.curation.files()?);
        ensure!(
            !files.is_empty(),
            "there are no pictures: look at --data{}",
            if self.curation.only.is_some() { " and --only" } else { "" }
        );
        self.curation.check_selection(&rules)?;
        let stop = progress::stop_on_interrupt("stopping")?;
        let bar = bar("looking", files.len())?;
        let rows = ::prepare::survey(&files, &rules, detector.as_ref(), &stop, &|| bar.inc(1))?;
        bar.finish_and_clear();
        let Some(verdicts) = self.curation.judge(&mut files, &rows, &rules)? else { return Ok(()) };
        let out = &self.curation.out;
        let tars = ::prepare::tars(&files, &rows, &verdicts, &rules, out)?;
        let bar = self::bar("writing", tars.iter().map(|tar| tar.pictures.len()).sum())?;
        ::prepare::pack(&files, &rows, &tars, &rules, out, &stop, &|| bar.inc(1))?;
        bar.finish_and_clear();
        self.curation.conclude(&files, &rows, &verdicts, &tars)
    }
}

fn bar(what: &'static str, length: usize) -> anyhow::Result<ProgressBar> {
    let bar = ProgressBar::new(length as u64).with_message(what);
    let style = "{msg:10}{bar:32} {percent:>3} %  {human_pos} of {human_len} pictures  {per_sec}  {eta} left";
    bar.set_style(ProgressStyle::with_template(style)?);
    Ok(bar)
}

//! What is taken of the pictures that someone brings: how small they may be, how they become square, how many may be broken;
//! kept in the run folder for the next start, with the list of what was left out.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use dataset::{Crop, Dataset, LabelSource, Options, Report, Stage};
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};

/// Arguments on which pictures are taken.
#[derive(Args, Debug, Default, Clone, Copy)]
pub(crate) struct PictureArgs {
    /// How pictures become square: centre, top (of tall ones, where portraits have their face) or pad (with white)
    /// [default: centre]
    #[arg(long, value_name = "HOW")]
    pub(crate) crop: Option<Crop>,
    /// Leave out pictures whose shorter side has fewer pixels; smaller ones than the training size are enlarged [default: half the training
    /// size]
    #[arg(long, value_name = "PIXELS")]
    pub(crate) min_side: Option<usize>,
    /// Go on although this share of the pictures cannot be read, 0 to 1 [default: 0.05]
    #[arg(long, value_name = "SHARE", value_parser = cli::numbers::share)]
    pub(crate) max_broken: Option<f32>,
}

/// What holds for a run: the arguments, or what was chosen for it.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PictureOptions {
    /// `centre`, `top` or `pad`.
    #[serde(with = "spelled", default)]
    pub(crate) crop: Crop,
    #[serde(default)]
    pub(crate) min_side: Option<usize>,
    #[serde(default)]
    pub(crate) max_broken: Option<f32>,
    /// Where classes come from: `folders` or a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) labels: Option<String>,
}

/// What is kept in a run folder.
const CHOSEN: &str = "data.json";
/// What was left out, a line each.
const SKIPPED: &str = "skipped.txt";

impl PictureArgs {
    /// The arguments, and where there are none what was chosen.
    pub(crate) fn over(&self, chosen: PictureOptions) -> PictureOptions {
        PictureOptions {
            crop: self.crop.unwrap_or(chosen.crop),
            min_side: self.min_side.or(chosen.min_side),
            max_broken: self.max_broken.or(chosen.max_broken),
            labels: chosen.labels,
        }
    }
}

impl PictureOptions {
    /// What was chosen when the run in `folder` began; the defaults for a run that is older than this file.
    ///
    /// # Errors
    /// The file is there but cannot be read.
    pub(crate) fn of_run(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join(CHOSEN);
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| {
                format!("{} is not what `tadne train` wrote; delete it to take the defaults", path.display())
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Options for square pictures of `size` pixels.
    pub(crate) fn options(self, size: usize) -> Options {
        let usual = Options::new(size);
        Options {
            crop: self.crop,
            min_side: self.min_side,
            max_broken: self.max_broken.unwrap_or(usual.max_broken),
            labels: self.labels.map(LabelSource::from),
            ..usual
        }
    }
}

/// Opens pictures with a bar, and says what was found; a list of what was left out is written to the folder `out`, if there is one, where that is the end.
///
/// # Errors
/// There are none, too many of them cannot be read, or the cache cannot be written.
pub(crate) fn open(data: &[PathBuf], mut options: Options, out: Option<&Path>) -> anyhow::Result<Dataset> {
    let bar = ProgressBar::no_length();
    let style = "{msg:10}{bar:32} {percent:>3} %  {human_pos} of {human_len} pictures  {eta} left";
    bar.set_style(ProgressStyle::with_template(style).expect("the template is right"));
    let shown = bar.clone();
    options.progress = Some(Arc::new(move |p: dataset::Progress| {
        shown.set_message(match p.stage {
            Stage::Listing => "listing",
            Stage::Decoding => "decoding",
            Stage::Loading => "loading",
        });
        shown.set_length(p.total.unwrap_or(p.done) as u64);
        shown.set_position(p.done as u64);
    }));
    let data = Dataset::open(data, &options);
    bar.finish_and_clear();
    let data = data.map_err(|error| match out {
        Some(out) => with_list(error, out),
        None => error.into(),
    })?;
    println!("data      {}", data.report());
    if !data.classes().is_empty() {
        println!("classes   {}", data.classes().len());
    }
    if let Some(line) = without_pictures(&data.empty_classes()) {
        println!("note      {line}");
    }
    for remark in data.report().remarks(options.crop) {
        println!("          {remark}");
    }
    Ok(data)
}

/// How many empty classes are named.
const NAMED: usize = 5;

/// What is said of classes that no picture is of.
fn without_pictures(classes: &[usize]) -> Option<String> {
    let first: Vec<String> = classes.iter().take(NAMED).map(usize::to_string).collect();
    let more = if classes.len() > NAMED { ", ..." } else { "" };
    (!classes.is_empty()).then(|| {
        format!(
            "no picture to train on is of {} of the classes ({}{more}), so nothing will be learnt of them; number classes from 0 without gaps, or bring their pictures",
            classes.len(),
            first.join(", ")
        )
    })
}

/// Writes to a run's folder what was chosen and what was left out.
///
/// # Errors
/// A file cannot be written.
pub(crate) fn note(folder: &Path, chosen: &PictureOptions, report: &Report) -> anyhow::Result<()> {
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        synth::write_atomically(&path, bytes).with_context(|| format!("cannot write {}", path.display()))
    };
    write(CHOSEN, &serde_json::to_vec_pretty(chosen)?)?;
    if report.skipped().next().is_some() || folder.join(SKIPPED).exists() {
        write(SKIPPED, list(report).as_bytes())?;
    }
    Ok(())
}

fn list(report: &Report) -> String {
    report.skipped().flat_map(|picture| [picture.to_string(), "\n".into()]).collect()
}

/// An error of a data set; where it has a list, with the place where that was written.
fn with_list(error: dataset::Error, out: &Path) -> anyhow::Error {
    let (dataset::Error::TooManyBroken { report, .. } | dataset::Error::Empty { report, .. }) = &error else {
        return error.into();
    };
    let text = list(report);
    let path = out.join(SKIPPED);
    let written = !text.is_empty()
        && std::fs::create_dir_all(out).is_ok()
        && synth::write_atomically(&path, text.as_bytes()).is_ok();
    if written {
        let all = format!("the whole list is in {}", path.display());
        anyhow::anyhow!("{error}\n{all}")
    } else {
        error.into()
    }
}

/// A crop as its name.
mod spelled {
    use dataset::Crop;
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
    pub(super) fn serialize<S: Serializer>(crop: &Crop, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(crop)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Crop, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_that_no_picture_is_of_are_named() {
        assert_eq!(without_pictures(&[]), None);
        assert!(without_pictures(&[1]).unwrap().contains("1 of the classes (1), so"));
        assert!(without_pictures(&[1, 2, 3, 4, 5, 9]).unwrap().contains("6 of the classes (1, 2, 3, 4, 5, ...), so"));
    }

    #[test]
    fn a_run_remembers_what_was_chosen_and_arguments_win() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(PictureOptions::of_run(folder.path()).unwrap(), PictureOptions::default());
        let labels = Some("folders".to_owned());
        let chosen = PictureOptions { crop: Crop::Top, min_side: Some(24), max_broken: None, labels: labels.clone() };
        note(folder.path(), &chosen, &Report::default()).unwrap();
        assert_eq!(PictureOptions::of_run(folder.path()).unwrap(), chosen);
        assert!(!folder.path().join(SKIPPED).exists());
        let arguments = PictureArgs { crop: Some(Crop::Pad), max_broken: Some(0.5), ..PictureArgs::default() };
        let expected = PictureOptions { crop: Crop::Pad, min_side: Some(24), max_broken: Some(0.5), labels };
        assert_eq!(arguments.over(chosen), expected);
        std::fs::write(folder.path().join(CHOSEN), "{\"crop\": \"left\"}").unwrap();
        assert!(format!("{:#}", PictureOptions::of_run(folder.path()).unwrap_err()).contains("centre, top or pad"));
    }
}

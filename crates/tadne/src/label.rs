//! `tadne label`: puts pictures into classes by what they look like, for training with classes.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::Args;
use dataset::{Dataset, Options, Source};
use features::Resizing;
use features::metrics::Clusters;
use synth::Picture;

use crate::metrics::{bar, evaluator};
use crate::outputs;
use crate::picture_options::{self, PictureArgs, PictureOptions};

/// Arguments of `tadne label`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tadne label --data pictures/ --out labels.json
  tadne label --data 'shards/*.tar' --classes 100 --out labels.json --sheet classes.png
  tadne train --data pictures/ --labels labels.json --config c64

The file is a dataset.json as StyleGAN's dataset tool writes it. Its paths begin within the folder or archive that --data names, so it
holds for pictures that are moved. Classes are clusters of the pictures' features, found by Lloyd's algorithm; the same pictures always
give the same ones. Feature networks are made once by tools/features.py.")]
pub(crate) struct Label {
    /// Folders, tars, zips or globs of WebP, JPEG, PNG, GIF and BMP pictures
    #[arg(long, num_args = 1.., required = true, value_name = "PATH")]
    data: Vec<PathBuf>,
    /// File to write, .json
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// How many classes, 2 to 4096
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(2..=4096), value_name = "N")]
    classes: u16,
    /// Feature network: a file, or a name that tools/features.py made
    #[arg(long, default_value = "nsfwjs-mobilenet-v2", value_name = "NETWORK")]
    features: String,
    /// Side in pixels that the pictures are looked at in
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u16).range(32..=1024), value_name = "N")]
    size: u16,
    /// Also write a sheet: a row of up to eight pictures a class
    #[arg(long, value_name = "FILE")]
    sheet: Option<PathBuf>,
    #[command(flatten)]
    picture_args: PictureArgs,
    /// CPU threads [default: all cores]
    #[arg(long, value_name = "N", value_parser = cli::numbers::threads)]
    threads: Option<usize>,
    /// Folder that keeps the resized pictures for the next start
    #[arg(long, default_value = "runs/cache", value_name = "DIR")]
    cache: PathBuf,
}

/// Steps of Lloyd's algorithm; it hardly moves after twenty.
const ROUNDS: usize = 30;
/// Pictures of a class on the sheet.
const SHOWN: usize = 8;

impl Label {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        outputs::check("--out", Some(&self.out))?;
        // A model in its place would be gone.
        let json = self.out.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json"));
        ensure!(json, "--out {}: labels are JSON; use .json", self.out.display());
        let sheet = outputs::picture("--sheet", self.sheet.as_deref())?;
        let sources = Source::parse(&self.data)?;
        let threads = self.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, Into::into));
        let evaluator = evaluator(&self.features, Resizing::Clean, threads)?;
        let size = usize::from(self.size);
        let usual = self.picture_args.over(PictureOptions::default()).options(size);
        let data =
            picture_options::open(&self.data, Options { cache: Some(self.cache.clone()), names: true, ..usual }, None)?;
        let (count, classes) = (data.len() + data.validation_len(), usize::from(self.classes));
        ensure!(count >= 2 * classes, "{count} pictures are too few for --classes {classes}; ask for fewer");
        let next = |i: usize| Pictures(&data).pixels(i);
        let rows = bar("looking", count, |done| evaluator.features(count, size, next, done))?;
        let clusters = Clusters::find(evaluator.crew(), &rows, rows.part(0..classes), ROUNDS);
        let own = clusters.assign(evaluator.crew(), &rows);
        // In order of size, so that a class's number says something; those that nothing is near are left out.
        let mut members: Vec<Vec<usize>> = vec![Vec::new(); classes];
        own.iter().enumerate().for_each(|(i, &class)| members[class].push(i));
        members.sort_by_key(|class| (std::cmp::Reverse(class.len()), class.first().copied()));
        members.retain(|class| !class.is_empty());
        let labels = members.iter().enumerate().flat_map(|(class, of)| of.iter().map(move |&i| (i, class)));
        let names: Vec<&str> = (0..count).map(|i| Pictures(&data).name(i)).collect();
        let names = dataset::label_names(&sources, &names);
        let labels: Vec<(&String, usize)> = labels.map(|(i, class)| (&names[i], class)).collect();
        let json = serde_json::json!({ "labels": labels });
        synth::write_atomically(&self.out, json.to_string().as_bytes())
            .with_context(|| format!("cannot write {}", self.out.display()))?;
        println!(
            "{}: {count} pictures in {} classes, of {} to {} pictures",
            self.out.display(),
            members.len(),
            members.last().map_or(0, Vec::len),
            members.first().map_or(0, Vec::len)
        );
        if let Some((path, format)) = sheet {
            cli::pictures::write(path, format, &Self::sheet(&data, &members)?)?;
        }
        Ok(())
    }

    /// Some pictures of each class, a row a class.
    fn sheet(data: &Dataset, members: &[Vec<usize>]) -> Result<Picture, dataset::Error> {
        let size = data.size();
        let mut cells = Vec::new();
        for class in members {
            for cell in 0..SHOWN {
                let rgb = match class.get(cell * class.len() / SHOWN.min(class.len())) {
                    Some(&i) if cell < class.len() => Pictures(data).pixels(i)?,
                    _ => vec![255; 3 * size * size],
                };
                cells.push(Picture { width: size, height: size, rgb });
            }
        }
        Ok(synth::sheet(&cells, SHOWN))
    }
}

/// All pictures of a data set: those of the training, then those that are held out of it.
struct Pictures<'a>(&'a Dataset);

impl Pictures<'_> {
    fn pixels(&self, i: usize) -> Result<Vec<u8>, dataset::Error> {
        if i < self.0.len() { self.0.training(i) } else { self.0.validation(i - self.0.len()) }
    }
}

impl<'a> Pictures<'a> {
    fn name(&self, i: usize) -> &'a str {
        let name = if i < self.0.len() { self.0.name(i) } else { self.0.validation_name(i - self.0.len()) };
        name.expect("names were asked for")
    }
}

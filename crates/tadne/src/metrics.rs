//! `tadne metrics`: how far a model's pictures are from real ones, beside what real pictures score against each other.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};
use dataset::{Dataset, Options};
use features::metrics::{Kinds, nearest_with_places};
use features::{Corruption, Crew, Distances, Evaluator, FIRST_SEED, Isa, Memorisation, Meter, Network, Resizing, Rows};
use indicatif::{ProgressBar, ProgressStyle};
use synth::{Creativity, Generator, Seed};

mod figures;

use figures::{Figures, Row};

use crate::model::Model;
use crate::outputs;
use crate::picture_options::{self, PictureArgs, PictureOptions};

/// Arguments of `tadne metrics`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tadne metrics --data 'shards/*.tar'
  tadne metrics --model mine.safetensors --data pictures/ --psi 0.5,0.7,1 --json figures.json
  tadne metrics --data pictures/ --features nsfwjs-inception-v3 --samples 2000 --reference held-out
  tadne metrics --data pictures/ --neighbours sheet.png
  tadne metrics --data pictures/ --psi 0.5,0.7,1 --report metrics.html     a page with plots

Feature networks are made once by tools/features.py. Figures of different networks, sample counts or references cannot be compared.
KL and starved are about the 64 kinds that the training pictures fall into by their features (fewer, where fewer are drawn): how far
the shares of the drawn pictures are from theirs, and how many kinds get less than a quarter of their share.")]
pub(crate) struct Metrics {
    #[command(flatten)]
    model: Model,
    /// The pictures it was trained on: folders, tars, zips or globs
    #[arg(long, num_args = 1.., required = true, value_name = "PATH")]
    data: Vec<PathBuf>,
    #[command(flatten)]
    picture_args: PictureArgs,
    /// Feature network: a file, or a name that tools/features.py made
    #[arg(long, default_value = "nsfwjs-mobilenet-v2", value_name = "NETWORK")]
    features: String,
    /// Pictures to draw, and real ones to compare them with
    #[arg(long, default_value_t = 5000, value_name = "N")]
    samples: usize,
    /// What the model is compared with
    #[arg(long, value_enum, default_value_t = Reference::Training)]
    reference: Reference,
    /// Creativity (psi) to draw at, several by commas
    #[arg(long, value_delimiter = ',', default_value = "1", value_name = "PSI")]
    psi: Vec<Creativity>,
    /// How pictures are brought to the network's size: clean (bicubic, low-pass) or legacy (bilinear)
    #[arg(long, value_parser = resizing, default_value = "clean", value_name = "KIND")]
    resize: Resizing,
    /// Compare with pictures as they are, not mirrored at random
    #[arg(long)]
    no_mirror: bool,
    /// Leave out what real pictures score against each other
    #[arg(long)]
    no_floors: bool,
    /// Compare nearest training pictures of drawn and of held-out pictures
    #[arg(long)]
    memorisation: bool,
    /// Sheet of 16 drawn pictures, each followed by its 4 nearest training pictures
    #[arg(long, value_name = "FILE")]
    neighbours: Option<PathBuf>,
    /// Also write the figures here, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Also write the figures here as a page with plots, one HTML file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// CPU threads [default: all cores]
    #[arg(long, value_name = "N", value_parser = cli::numbers::threads)]
    threads: Option<usize>,
    /// Folder that keeps the resized pictures for the next start
    #[arg(long, default_value = "runs/cache", value_name = "DIR")]
    cache: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Reference {
    /// As many training pictures as are drawn
    Training,
    /// The pictures that are held out of training (a twentieth)
    HeldOut,
}

fn resizing(text: &str) -> Result<Resizing, String> {
    match text {
        "clean" => Ok(Resizing::Clean),
        "legacy" => Ok(Resizing::Legacy),
        _ => Err("use clean or legacy".into()),
    }
}

const SHEET: (usize, usize) = (16, 4);

impl Metrics {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let threads = self.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, Into::into));
        ensure!(self.samples >= 10, "--samples {}: 10 is the least that says anything", self.samples);
        outputs::check("--json", self.json.as_deref())?;
        outputs::check("--report", self.report.as_deref())?;
        let neighbours = outputs::picture("--neighbours", self.neighbours.as_deref())?;
        let (generator, _) = self.model.generator()?;
        let (height, width) = generator.resolution();
        ensure!(height == width, "the model draws {width} x {height}; metrics compare square pictures");
        let evaluator = evaluator(&self.features, self.resize, threads)?;
        let usual = self.picture_args.over(PictureOptions::default()).options(width);
        let options = Options { cache: Some(self.cache.clone()), mirror: !self.no_mirror, ..usual };
        let data = picture_options::open(&self.data, options, None)?;
        self.check_data(&data)?;
        let n = self.samples;
        let network = evaluator.network();
        println!("network   {} ({}), {:?} resizing", network.name(), network.hash(), self.resize);
        println!("pictures  {n} of each kind, {width} px; {} held out", data.validation_len());

        let real = bar("training", n, |done| evaluator.training(&data, 0, n, Corruption::No, done))?;
        let held_out = self.held_out(&evaluator, &data)?;
        let reference = match (self.reference, &held_out) {
            (Reference::HeldOut, Some(held_out)) => held_out,
            _ => &real,
        };
        let crew = evaluator.crew();
        let kinds = Kinds::find(crew, &real);
        let mut rows = Vec::new();
        println!("\n{}", Row::head());
        let mut row = |of: String, psi: Option<Creativity>, features: &Rows| {
            let distances = Distances::between(crew, reference, features);
            let psi = psi.map(|psi| f64::from(psi.get()));
            let row = Row { of, psi, distances, kinds: kinds.missing(crew, features) };
            println!("{}", row.line());
            rows.push(row);
        };
        if !self.no_floors {
            for (name, corruption) in
                [("real", Corruption::No), ("JPEG q50", Corruption::Jpeg), ("64 px", Corruption::Enlarge)]
            {
                row(name.into(), None, &bar(name, n, |done| evaluator.training(&data, n as u64, n, corruption, done))?);
            }
            if generator.architecture().ink.is_some() {
                let mut worker = generator.worker_with_threads(threads);
                let next = |i: usize| redrawn(&data, (n + i) as u64, &mut worker);
                row("inked".into(), None, &bar("inked", n, |done| evaluator.features(n, width, next, done))?);
            }
        }
        let mut drawn = None;
        for &psi in &self.psi {
            let mut worker = generator.worker_with_threads(threads);
            let next = |i: usize| Ok::<_, std::convert::Infallible>(worker.draw(Seed(FIRST_SEED + i as u64), psi).rgb);
            let features = bar("drawing", n, |done| evaluator.features(n, width, next, done))?;
            row(format!("psi {}", psi.get()), Some(psi), &features);
            drawn = Some(features);
        }
        let mut figures = Figures {
            model: generator.fingerprint(),
            network: network.name().into(),
            hash: network.hash().into(),
            samples: n,
            reference: if self.reference == Reference::HeldOut { "held-out" } else { "training" },
            rows,
            kinds: kinds.shares().to_vec(),
            memorisation: None,
        };
        if let (true, Some(drawn), Some(held_out)) = (self.memorisation, &drawn, &held_out) {
            let all = data.len();
            let training = bar("training", all, |done| evaluator.training(&data, 0, all, Corruption::No, done))?;
            let m = Memorisation::measure(crew, drawn, held_out, &training);
            println!(
                "\nnearest of {all} training pictures, median distance: drawn {:.2}, held out {:.2}; {:.1} % of the drawn are \
                 nearer than the nearest 1 % of the held out, {:.1} % would be chance",
                m.drawn,
                m.held_out,
                m.nearer_than_one_percent * 100.0,
                m.by_chance * 100.0
            );
            figures.memorisation = Some(m);
        }
        if let Some((path, format)) = neighbours {
            let psi = self.psi[0];
            cli::pictures::write(path, format, &Self::sheet(&evaluator, &generator, &data, psi)?)?;
            println!(
                "\n{}: 16 drawn pictures at psi {psi}, each with its 4 nearest training pictures",
                path.display(),
                psi = psi.get()
            );
        }
        if let Some(path) = &self.json {
            synth::write_atomically(path, serde_json::to_string_pretty(&figures)?.as_bytes())
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        if let Some(path) = &self.report {
            figures.page().save(path)?;
        }
        Ok(())
    }

    /// Refuses what there are too few pictures for.
    fn check_data(&self, data: &Dataset) -> anyhow::Result<()> {
        let n = self.samples;
        let needed = if self.no_floors { n } else { 2 * n };
        ensure!(
            needed <= data.len(),
            "--samples {n} needs {needed} training pictures, there are {}; ask for fewer",
            data.len()
        );
        if let Some(asks) = self.asks_held_out() {
            let count = data.validation_len();
            ensure!(
                count >= Meter::FEWEST,
                "only {count} pictures are held out, a twentieth of --data; {asks} needs {}: leave it out, or give more pictures",
                Meter::FEWEST
            );
        }
        Ok(())
    }

    /// What held-out pictures are for, as it was asked for; none if they are for nothing.
    fn asks_held_out(&self) -> Option<&'static str> {
        match (self.reference, self.memorisation) {
            (Reference::HeldOut, true) => Some("--reference held-out, as well as --memorisation,"),
            (Reference::HeldOut, false) => Some("--reference held-out"),
            (Reference::Training, true) => Some("--memorisation"),
            (Reference::Training, false) => None,
        }
    }

    /// The held-out pictures in features, where something is compared with them.
    fn held_out(&self, evaluator: &Evaluator, data: &Dataset) -> anyhow::Result<Option<Rows>> {
        if self.asks_held_out().is_none() {
            return Ok(None);
        }
        Ok(Some(bar("held out", data.validation_len(), |done| evaluator.held_out(data, done))?))
    }

    /// Drawn pictures, each before the training pictures that are nearest to it.
    fn sheet(
        evaluator: &Evaluator,
        generator: &Arc<Generator>,
        data: &Dataset,
        psi: Creativity,
    ) -> anyhow::Result<synth::Picture> {
        let (rows, nearest) = SHEET;
        let mut worker = generator.worker();
        let pictures: Vec<_> = (0..rows).map(|i| worker.draw(Seed(i as u64), psi)).collect();
        let all = data.len();
        let training = bar("training", all, |done| evaluator.training(data, 0, all, Corruption::No, done))?;
        let (_, places) = nearest_with_places(evaluator.crew(), &evaluator.drawn(&pictures), &training, nearest);
        let size = data.size();
        let mut cells = Vec::new();
        for (picture, found) in pictures.into_iter().zip(places.chunks_exact(nearest)) {
            cells.push(picture);
            for &place in found {
                let mut rgb = Vec::new();
                data.batch(place as u64, 1, &mut rgb)?;
                cells.push(synth::Picture { width: size, height: size, rgb });
            }
        }
        Ok(synth::sheet(&cells, nearest + 1))
    }
}

/// A training picture, reduced to the size that the model composes at and redrawn by its ink network: what the best pictures
/// that it could compose would score.
fn redrawn(data: &Dataset, position: u64, worker: &mut synth::Worker) -> anyhow::Result<Vec<u8>> {
    let (side, _) = worker.generator().composed();
    let size = data.size();
    let factor = size / side;
    let mut pixels = Vec::new();
    data.batch(position, 1, &mut pixels)?;
    let mut composed = vec![0.0; 3 * side * side];
    for (index, &byte) in pixels.iter().enumerate() {
        let (pixel, colour) = (index / 3, index % 3);
        let (y, x) = (pixel / size / factor, pixel % size / factor);
        composed[(colour * side + y) * side + x] += f32::from(byte) / 127.5 - 1.0;
    }
    for v in &mut composed {
        *v /= (factor * factor) as f32;
    }
    Ok(worker.redraw(&composed).expect("asked of models with ink only").rgb)
}

/// A feature network by name or path, at work on `threads` threads.
pub(crate) fn evaluator(network: &str, resizing: Resizing, threads: usize) -> anyhow::Result<Evaluator> {
    Ok(Evaluator::new(Network::find(network)?, resizing, Crew::new(Isa::from_environment()?, threads)))
}

/// Runs `work` under a progress bar of `n` pictures.
pub(crate) fn bar<T, E>(
    what: &'static str,
    n: usize,
    work: impl FnOnce(&mut dyn FnMut(usize)) -> Result<T, E>,
) -> Result<T, E> {
    let bar = ProgressBar::new(n as u64).with_message(what);
    let style = ProgressStyle::with_template(
        "{msg:10}{bar:32} {percent:>3} %  {human_pos} of {human_len} pictures  {eta} left",
    );
    bar.set_style(style.expect("the template is right"));
    bar.enable_steady_tick(Duration::from_millis(500));
    let result = work(&mut |done| bar.set_position(done as u64));
    bar.finish_and_clear();
    result
}

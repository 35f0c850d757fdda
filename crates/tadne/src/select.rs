//! `tadne select`: learns which of several `z` a seed should take, from how many real and drawn pictures look alike, from what the discriminators of a
//! run say or from somebody's ratings, and stores it in the model file.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, ensure};
use clap::Args;
use dataset::Options;
use features::metrics::Rows;
use features::{Corruption, Crew, FIRST_SEED, Isa, KernelRidge, LogRatios, Resizing};
use gan::{Checkpoint, LatentScores};
use synth::{Creativity, Generator, ModelFile, Picture, Seed, Selection};

use crate::metrics::{bar, evaluator};
use crate::model;
use crate::outputs;
use crate::picture_options::{self, PictureArgs, PictureOptions};

/// Arguments of `tadne select`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tadne select model.safetensors --data pictures/
  tadne select model.safetensors --data 'shards/*.tar' --candidates 8 --sheet sheet.png
  tadne select model.safetensors --data pictures/ --features nsfwjs-mobilenet-v2,nsfwjs-inception-v3
  tadne select model.safetensors --by runs/00000-c64
  tadne select model.safetensors --rated ratings.txt --keep
  tadne select model.safetensors --rated ratings.txt --raise 0.1
  tadne select model.safetensors --remove

A seed then offers several z and takes the one whose picture promises to be the best, before anything is drawn, and no picture takes
noticeably longer. With --data those are best of whose like there are many real pictures and few drawn ones, by their features: the model
draws more of what it misses, and less of what is not there. With --by those that a run's discriminators find real: fewer are broken, and a
little variety goes with them. With --rated those that somebody would rate high, who has rated some hundreds of pictures: a line of the
file is a seed and a number, more for better ones, of the picture that the model draws at creativity 1 before it chooses (of a copy that
`tadne select --remove` made). With several all count alike, and with --keep what the model chose by before. --raise goes further: it moves the w
of every picture towards what would be rated higher, which mends more than any choice does, and costs variety; 0.05 to 0.2 are worth
trying, and ratings of the model before do not hold for what it draws then. Calibrate the model afterwards, and find its directions.")]
pub(crate) struct Select {
    /// Model file
    model: PathBuf,
    /// The pictures it was trained on: folders, tars, zips or globs
    #[arg(long, num_args = 1.., required_unless_present_any = ["by", "rated", "remove"], value_name = "PATH")]
    data: Vec<PathBuf>,
    #[command(flatten)]
    picture_args: PictureArgs,
    /// Feature networks, by commas: files, or names that tools/features.py made; what each says counts as much
    #[arg(
        long,
        value_delimiter = ',',
        requires = "data",
        default_value = "nsfwjs-mobilenet-v2",
        value_name = "NETWORKS"
    )]
    features: Vec<String>,
    /// Run, or checkpoint, whose discriminators are asked: the one that the model comes from
    #[arg(long, value_name = "RUN")]
    by: Option<PathBuf>,
    /// Somebody's ratings: lines of a seed and a number, more for better pictures
    #[arg(long, value_name = "FILE")]
    rated: Option<PathBuf>,
    /// Also move every w towards what would be rated higher, by so much of the length that it has on the whole, above 0, 1 at most; the style layers take
    /// it in
    #[arg(long, requires = "rated", value_name = "SHARE", value_parser = cli::numbers::share_above_zero)]
    raise: Option<f64>,
    /// Let what the model chooses by now count too
    #[arg(long)]
    keep: bool,
    /// How many z a seed offers, 2 to 64
    #[arg(long, default_value_t = 4, value_name = "N")]
    candidates: u32,
    /// Drawn pictures to learn from, and half as many real ones
    #[arg(long, default_value_t = 30_000, value_name = "N")]
    samples: usize,
    /// Let every seed take its one z again
    #[arg(long, conflicts_with_all = [
        "by", "data", "rated", "raise", "keep", "candidates", "samples", "sheet",
        "features", "cache", "crop", "min_side", "max_broken",
    ])]
    remove: bool,
    /// Model file to write [default: the one that was read]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Also write a sheet: 32 pictures of the tenth predicted worst above 32 of the tenth predicted best
    #[arg(long, value_name = "FILE")]
    sheet: Option<PathBuf>,
    /// CPU threads [default: all cores]
    #[arg(long, value_name = "N", value_parser = cli::numbers::threads)]
    threads: Option<usize>,
    /// Folder that keeps the resized pictures for the next start
    #[arg(long, requires = "data", default_value = "runs/cache", value_name = "DIR")]
    cache: PathBuf,
}

/// Pictures that are judged together, or a few more.
const TOGETHER: usize = 32;
/// Where the seeds to learn from begin: not where pictures are measured.
const FIRST: u64 = FIRST_SEED + 10_000_000;
/// Pictures of each half of the sheet, and of a row.
const SHOWN: [usize; 2] = [32, 8];
/// Features of a picture beyond which their covariances would take hours.
const WIDEST: usize = 4096;
/// Pictures that are asked where uphill is.
const RAISED: usize = 4_000;
/// Ratings without which nothing is learnt.
const FEWEST_RATED: usize = 100;
/// Ratings that are learnt from at most: memory goes with their square, 1.3 GB for so many.
const MOST_RATED: usize = 12_000;
/// A prediction that agrees less than this with what is said would choose next to at random.
const LEAST: f64 = 0.1;

impl Select {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        outputs::check("--out", self.out.as_deref())?;
        let sheet = outputs::picture("--sheet", self.sheet.as_deref())?;
        let mut file = model::file(Some(&self.model))?;
        let (out, kept) = (model::place_of(&self.model, self.out.as_deref())?, file.exact_dtype());
        if self.remove {
            file.set_selection(None)?;
            file.save(out, kept)?;
            println!("{}: every seed takes its one z", out.display());
            return Ok(());
        }
        let PictureArgs { crop, min_side, max_broken } = self.picture_args;
        ensure!(
            !self.data.is_empty() || (crop.is_none() && min_side.is_none() && max_broken.is_none()),
            "--crop, --min-side and --max-broken say which pictures of --data count; name --data as well, or leave them out"
        );
        ensure!(
            self.samples >= LatentScores::FEWEST,
            "--samples {}: too few pictures to learn from; use {} or more",
            self.samples,
            LatentScores::FEWEST
        );
        ensure!((2..=64).contains(&self.candidates), "--candidates {}: use 2 to 64", self.candidates);
        ensure!(file.architecture.labels.is_none(), "{}: a model with classes cannot choose", self.model.display());
        let threads = self.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, Into::into));
        // What the seeds draw by themselves.
        let mut plain = file.clone();
        plain.set_selection(None)?;
        let generator = Arc::new(Generator::new(&plain)?);
        // What can be refused at once, before hours of drawing.
        let crew = Crew::new(Isa::from_environment()?, threads);
        let rated = self.rated.as_ref().map(|rated| learn_ratings(rated, &generator, &crew)).transpose()?;
        let before = self.keep.then(|| Generator::new(&file)).transpose()?;
        if before.is_some() {
            ensure!(file.metadata.selection.is_some(), "--keep: {} chooses by nothing yet", self.model.display());
        }
        let mut scores = LatentScores::default();
        let samples = match &self.by {
            Some(by) => self.ask_discriminators(by, plain, threads, &mut scores)?,
            None => self.samples,
        };
        if !self.data.is_empty() {
            self.compare_features(&generator, samples, threads, &mut scores)?;
        }
        let w: Vec<f32> = (0..samples).flat_map(|i| generator.w(seed(i))).collect();
        let w = Rows::new(w, file.architecture.w_dim);
        if let Some(rated) = &rated {
            scores.hear(rated.foretell(&crew, &w));
        }
        if let Some(before) = before {
            let each = w.data().chunks_exact(w.width());
            scores.hear(each.filter_map(|w| before.foretold(w)).map(f64::from).collect());
        }
        let found = scores.learn(w.data(), file.architecture.w_dim, 0, threads)?;
        println!("{samples} pictures judged; what w foretells correlates {:.3} with it", found.correlation);
        ensure!(
            found.correlation >= LEAST,
            "w foretells next to nothing of that; take more --samples, or the run and the pictures that the model comes from"
        );
        file.set_selection(Some((Selection { candidates: self.candidates }, found.layers)))?;
        if let Some((rated, share)) = rated.zip(self.raise) {
            raise(&mut file, &rated, share, &crew)?;
        }
        file.save(out, kept)?;
        println!("{}: each seed takes the best of {}", out.display(), self.candidates);
        let Some((path, format)) = sheet else { return Ok(()) };
        let mut order: Vec<usize> = (0..samples).collect();
        order.sort_unstable_by(|&a, &b| found.foretold[a].total_cmp(&found.foretold[b]));
        let [shown, across] = SHOWN;
        let tenth = (samples / 10).max(shown).min(samples);
        let some = |of: &[usize]| of.iter().step_by((tenth / shown).max(1)).take(shown).copied().collect::<Vec<_>>();
        let chosen = [some(&order[..tenth]), some(&order[samples - tenth..])].concat();
        // As the seeds drew them when they were judged, but with ink.
        file.set_selection(None)?;
        let mut worker = Arc::new(Generator::consume(file)?).worker_with_threads(threads);
        let drawn: Vec<_> = chosen.iter().map(|&i| worker.draw(seed(i), Creativity::default())).collect();
        cli::pictures::write(path, format, &synth::sheet(&drawn, across))
    }

    /// What the discriminators of a run say of what `plain` draws. Gives how many pictures that were: they judge whole groups.
    fn ask_discriminators(
        &self,
        by: &Path,
        plain: ModelFile,
        threads: usize,
        scores: &mut LatentScores,
    ) -> anyhow::Result<usize> {
        let trainer = &mut Checkpoint::find(by, threads)?.trainer;
        // Before ink, as the discriminators know it.
        let mut worker = Arc::new(Generator::consume(plain.without_ink())?).worker_with_threads(threads);
        let together = TOGETHER.next_multiple_of(LatentScores::group(trainer.config()));
        let samples = self.samples.next_multiple_of(together);
        let mut pictures = vec![Picture::default(); together];
        bar("judging", samples, |done| {
            for start in (0..samples).step_by(together) {
                for (i, picture) in pictures.iter_mut().enumerate() {
                    worker.draw_into(seed(start + i), Creativity::default(), picture);
                }
                scores.add(trainer, &pictures).with_context(|| format!("--by {}", by.display()))?;
                done(start + together);
            }
            anyhow::Ok(samples)
        })
    }

    /// How much more often real pictures than drawn ones have the features of each picture.
    fn compare_features(
        &self,
        generator: &Arc<Generator>,
        samples: usize,
        threads: usize,
        scores: &mut LatentScores,
    ) -> anyhow::Result<()> {
        let (height, width) = generator.resolution();
        ensure!(height == width, "the model draws {width} x {height}; only square pictures can be compared");
        let evaluators = self.features.iter().map(|network| evaluator(network, Resizing::Clean, threads));
        let evaluators = evaluators.collect::<anyhow::Result<Vec<_>>>()?;
        let usual = self.picture_args.over(PictureOptions::default()).options(width);
        let options = Options { cache: Some(self.cache.clone()), mirror: true, ..usual };
        let data = picture_options::open(&self.data, options, None)?;
        let count = data.len().min(samples.div_ceil(2));
        ensure!(count > 1, "pictures of --data to compare with: {}; two at least are needed", data.len());
        for evaluator in &evaluators {
            let numbers = evaluator.training(&data, 0, 1, Corruption::No, |_| ())?.width();
            let network = evaluator.network().name();
            ensure!(
                numbers <= WIDEST,
                "--features {network}: it says {numbers} numbers of a picture, as networks for a critic do; take one that says at most {WIDEST}"
            );
        }
        let mut worker = generator.worker_with_threads(threads);
        for evaluator in evaluators {
            let real = bar("training", count, |done| evaluator.training(&data, 0, count, Corruption::No, done))?;
            let next = |i: usize| Ok::<_, Infallible>(worker.draw(seed(i), Creativity::default()).rgb);
            let drawn = bar("drawing", samples, |done| evaluator.features(samples, width, next, done))?;
            let LogRatios { linear, kinds } = LogRatios::of(evaluator.crew(), &real, &drawn);
            scores.hear(linear);
            scores.hear(kinds);
        }
        Ok(())
    }
}

/// Moves every `w` of a model uphill in what is rated, from where its seeds choose to be.
fn raise(file: &mut ModelFile, rated: &KernelRidge, share: f64, crew: &Crew) -> anyhow::Result<()> {
    let (generator, dim) = (Generator::new(file)?, file.architecture.w_dim);
    let w = Rows::new((0..RAISED).flat_map(|i| generator.w(seed(i))).collect(), dim);
    let uphill = rated.uphill(crew, &w, share);
    let mean = |rows: &Rows| rated.foretell(crew, rows).iter().sum::<f64>() / RAISED as f64;
    println!(
        "raised by {share}: the ratings foretell {:.2} of its pictures where they foretold {:.2}",
        mean(&uphill.of(&w)),
        mean(&w)
    );
    file.move_w(&uphill.matrix, &uphill.shift);
    Ok(())
}

/// What the `w` of pictures foretells of ratings, learnt from those of a file.
fn learn_ratings(file: &Path, generator: &Generator, crew: &Crew) -> anyhow::Result<KernelRidge> {
    let ratings = ratings(file)?;
    let count = ratings.len();
    let file = file.display();
    ensure!(
        count >= FEWEST_RATED,
        "{file} rates {count} pictures; {FEWEST_RATED} or more are needed, and some hundreds are better"
    );
    ensure!(
        count <= MOST_RATED,
        "{file} rates {count} pictures; that is more than fit into memory, take at most {MOST_RATED}"
    );
    let w = ratings.keys().flat_map(|&seed| generator.w(Seed(seed))).collect();
    let (rows, values) = (Rows::new(w, generator.architecture().w_dim), ratings.into_values().collect::<Vec<_>>());
    let learnt = KernelRidge::fit(crew, &rows, &values);
    let correlation = learnt.correlation();
    println!("{} ratings; what w foretells correlates {correlation:.3} with those that are kept back", values.len());
    ensure!(
        correlation >= LEAST,
        "{file}: w foretells next to nothing of these ratings; rate more pictures, of plain seeds as this model draws them before it chooses"
    );
    Ok(learnt)
}

/// The ratings of a file, by seed; the mean where a seed is rated more than once.
fn ratings(file: &Path) -> anyhow::Result<BTreeMap<u64, f64>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut sums = BTreeMap::<u64, (f64, f64)>::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default();
        let parts: Vec<_> = line.split([',', ';', ' ', '\t']).filter(|part| !part.is_empty()).collect();
        let rating = match parts[..] {
            [] => continue,
            [seed, rating] => seed.parse().ok().zip(rating.parse::<f64>().ok().filter(|rating| rating.is_finite())),
            _ => None,
        };
        let (seed, rating) = rating.with_context(|| {
            format!("{}, line {number}: expected a seed and a number, such as 42 3", file.display())
        })?;
        let (sum, count) = sums.entry(seed).or_default();
        (*sum, *count) = (*sum + rating, *count + 1.0);
    }
    Ok(sums.into_iter().map(|(seed, (sum, count))| (seed, sum / count)).collect())
}

/// The seed of the `i`-th picture to learn from.
fn seed(i: usize) -> Seed {
    Seed(FIRST + i as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(u64, f64)>, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ratings.txt");
        std::fs::write(&file, text).unwrap();
        ratings(&file).map(|found| found.into_iter().collect()).map_err(|e| e.to_string())
    }

    #[test]
    fn ratings_are_read_however_people_write_them() {
        let written = "# what I thought\n17 3\n\n5,-1.5\r\n8;\t2 # hm\n17 4\n";
        assert_eq!(read(written).unwrap(), [(5, -1.5), (8, 2.0), (17, 3.5)]);
        for wrong in ["17 3\n4", "17 3\nx 4", "17 3\n4 NaN", "17 3\n4 3 2", "17 3\n-4 3"] {
            assert!(read(wrong).unwrap_err().contains("ratings.txt, line 2: expected a seed and a number"), "{wrong}");
        }
    }
}

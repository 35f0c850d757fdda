//! `tadne project`: a picture in, the w whose drawing is nearest out.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::Context;
use clap::{Args, ValueEnum};
use cli::numbers::{above_zero, number};
use cli::places;
use dataset::Crop;
use features::Network;
use gan::{Difference, Found, Precision, ProjectConfig, ProjectionSpace, Projector};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use server::Format;
use synth::{Calibration, Creativity, Creature, Generator, Picture, Recipe, Seed, Vectors};

use crate::model::Model;
use crate::progress;

/// The vectors, for `tadne generate --w`.
const VECTORS: &str = "found.safetensors";
/// The vector as the body of POST /api/v1/pictures, where there is one vector.
const REQUEST: &str = "found.json";
/// The address of its page on any service with the model, where there is one vector.
const ADDRESS: &str = "address.txt";
/// Statistics, a line of JSON a step.
const STATS: &str = "stats.jsonl";
/// Feature networks that are looked for unless one is named: with grids of several sizes first.
const USUAL: [&str; 2] = ["efficientnet-lite0", "nsfwjs-mobilenet-v2"];
/// The word for no feature network.
const NONE: &str = "none";
/// The seed whose noise drawings wear, where a model has noise that is not stored in it.
const NOISE: Seed = Seed(0);

/// Arguments of `tadne project`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tadne project picture.png --out found
  tadne project picture.jpg --model network.pkl --space w+ --steps 1000 --out found
  tadne generate --w found/found.safetensors --out pictures     draws it again
  curl --json @found/found.json http://127.0.0.1:8080/api/v1/pictures --output found.png

The folder holds found.png (the nearest drawing), compare.png (the picture and the drawing), way.webp (how it went there), found.safetensors
(the vectors), found.json and address.txt (the same for the service, and the address of its page there) and stats.jsonl. Pictures are
compared at the size that the model composes, in pixels and, where tools/features.py has made a feature network, in what that sees. The
same picture, model, options and seed find the same. Ctrl-C keeps the nearest so far.")]
pub(crate) struct Project {
    /// The picture: WebP, JPEG, PNG, GIF or BMP
    #[arg(value_name = "PICTURE")]
    picture: PathBuf,
    /// Folder for what is found
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    model: Model,
    /// w: one vector for all layers, of the model's own kind; w+: one for each convolution, nearer to the picture
    #[arg(long, value_enum, default_value_t = SpaceName::W, value_name = "SPACE")]
    space: SpaceName,
    /// Starting points to refine, the nearest of 64 times as many random w
    #[arg(long, default_value_t = 4, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    starts: u16,
    /// Optimisation steps per starting point
    #[arg(long, default_value_t = 200, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    steps: u64,
    /// Feature network: a file, a name that tools/features.py made, or none [default: efficientnet-lite0 or
    /// nsfwjs-mobilenet-v2, where there is one]
    #[arg(long, value_name = "NETWORK")]
    features: Option<String>,
    /// Weight of the pull towards the model's mean: more is more like what the model usually draws [default: 0.01]
    #[arg(long, value_name = "WEIGHT", value_parser = number)]
    pull: Option<f64>,
    /// Weight of the difference in features, beside 1 for that in pixels [default: 0.3]
    #[arg(long, value_name = "WEIGHT", value_parser = number)]
    feature_weight: Option<f64>,
    /// Noise on the points at the beginning, in deviations of w [default: 0.05]
    #[arg(long, value_name = "DEVIATIONS", value_parser = number)]
    noise_strength: Option<f64>,
    /// Learning rate, in deviations of w [default: 0.2]
    #[arg(long, value_name = "RATE", value_parser = above_zero)]
    lr: Option<f64>,
    /// Arithmetic of the steps: f32, bf16, or auto: bf16 where the processor has AMX
    #[arg(long, value_parser = crate::train::precision, default_value = "auto", value_name = "KIND")]
    precision: Precision,
    /// How a picture of another shape is fitted: centre, top (of tall ones) or pad (with white)
    #[arg(long, default_value_t = Crop::Centre, value_name = "HOW")]
    crop: Crop,
    /// Pictures of the animation
    #[arg(long, default_value_t = 24, value_name = "N", value_parser = clap::value_parser!(u64).range(2..=240))]
    frames: u64,
    /// Seed of starts and noise
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
    /// CPU threads [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

/// [`ProjectionSpace`], as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SpaceName {
    #[value(name = "w")]
    W,
    #[value(name = "w+")]
    Plus,
}

impl Project {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let config = self.configuration();
        config.validate()?;
        places::check_folder("--out", &self.out)?;
        let (file, generator) = self.model.file_and_generator()?;
        let (height, width) = file.architecture.composed();
        let target = dataset::load_picture(&self.picture, [height, width], self.crop)?;
        let network = self.network()?;
        let said = network.as_ref().map(|network| format!("{} ({})", network.name(), network.hash()));
        let threads = self.threads.map_or_else(cores, usize::from);
        println!("picture   {}, compared at {width} x {height}", self.picture.display());
        println!("features  {}", said.unwrap_or_else(|| self.without_features()));
        let begun = Instant::now();
        let projector = Projector::new(config, (&file, &generator), &target, network, threads)?;
        let (threads, name) = projector.processor();
        println!("machine   {threads} threads, {name}");
        let mut way = Way {
            projector,
            frames: Vec::new(),
            stats: String::new(),
            every: self.steps.div_ceil(self.frames - 1).max(1),
        };
        fs::create_dir_all(&self.out).with_context(|| format!("cannot make the folder {}", self.out.display()))?;
        let stop = progress::stop_on_interrupt("finishing this step, then keeping the nearest so far")?;
        println!("folder    {}", self.out.display());
        way.go(&stop);
        let found = way.projector.look().clone();
        let seconds = begun.elapsed().as_secs_f64();
        println!(
            "found     {}, start {} of {}, after {} of {} steps; {seconds:.1} s",
            said_of(&found.difference),
            found.start + 1,
            self.starts,
            found.step,
            self.steps
        );
        self.write(&way, &found, &generator, file.metadata.calibration.as_ref())
    }

    fn configuration(&self) -> ProjectConfig {
        let space = if self.space == SpaceName::W { ProjectionSpace::W } else { ProjectionSpace::Plus };
        let usual = ProjectConfig::new(space);
        ProjectConfig {
            starts: self.starts.into(),
            steps: self.steps,
            precision: self.precision,
            seed: self.seed,
            pull: self.pull.unwrap_or(usual.pull),
            features: self.feature_weight.unwrap_or(usual.features),
            noise: self.noise_strength.unwrap_or(usual.noise),
            lr: self.lr.unwrap_or(usual.lr),
            space,
        }
    }

    /// The feature network that was named, or one that is at hand.
    fn network(&self) -> anyhow::Result<Option<Network>> {
        match self.features.as_deref() {
            Some(NONE) => Ok(None),
            Some(name) => Ok(Some(Network::find(name)?)),
            None => {
                let here = |name: &&str| Network::folder().join(format!("{name}.safetensors")).is_file();
                Ok(USUAL.into_iter().find(here).map(Network::find).transpose()?)
            }
        }
    }

    /// Why pixels alone are compared.
    fn without_features(&self) -> String {
        match self.features {
            Some(_) => "none: pixels alone".into(),
            None => format!("none at {} (tools/features.py makes them): pixels alone", Network::folder().display()),
        }
    }

    /// Everything that is kept, each file whole or not at all.
    fn write(
        &self,
        way: &Way,
        found: &Found,
        generator: &Arc<Generator>,
        calibration: Option<&Calibration>,
    ) -> anyhow::Result<()> {
        let noise = generator.has_noise().then_some(NOISE);
        let mut worker = generator.worker_with_threads(self.threads.map_or_else(cores, usize::from));
        let drawn = worker.draw_w(&found.w, noise);
        let (height, width) = (drawn.height, drawn.width);
        let rgb = dataset::load_picture(&self.picture, [height, width], self.crop)?.into_vec();
        let sheet = synth::sheet(&[Picture { width, height, rgb }, drawn.clone()], 2);
        cli::pictures::write(&self.out.join("found.png"), Format::Png, &drawn)?;
        cli::pictures::write(&self.out.join("compare.png"), Format::Png, &sheet)?;
        let mut frames: Vec<Picture> =
            way.of(found).into_iter().map(|w| worker.draw_w(&w[found.start], noise)).collect();
        frames.push(drawn);
        keep(&self.out.join("way.webp"), &server::animated_webp(&frames)?)?;
        keep(&self.out.join(STATS), way.stats.as_bytes())?;
        let rows = found.w.len() / generator.architecture().w_dim;
        let vectors = Vectors { w: found.w.clone(), rows, model: generator.fingerprint(), noise };
        keep(&self.out.join(VECTORS), &vectors.to_bytes())?;
        println!("drawn     {}, compare.png, way.webp", self.out.join("found.png").display());
        println!("again     tadne generate --w {} --out DIR", self.out.join(VECTORS).display());
        if rows == 1 {
            let request = server::picture_request(&found.w, untruncated(calibration), noise);
            keep(&self.out.join(REQUEST), request.to_string().as_bytes())?;
            println!("service   POST {} to /api/v1/pictures", self.out.join(REQUEST).display());
        } else {
            self.forget(REQUEST)?;
        }
        match address(&found.w, generator, untruncated(calibration)) {
            Some(address) => {
                keep(&self.out.join(ADDRESS), format!("{address}\n").as_bytes())?;
                println!("page      the address in {}, on a service with this model", self.out.join(ADDRESS).display());
                Ok(())
            }
            None => self.forget(ADDRESS),
        }
    }

    /// Removes what an earlier search left in this folder, which would draw something else.
    fn forget(&self, name: &str) -> anyhow::Result<()> {
        let earlier = self.out.join(name);
        match fs::remove_file(&earlier) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error)
                .with_context(|| format!("cannot remove {}, which is of an earlier search", earlier.display())),
            _ => Ok(()),
        }
    }
}

/// A search, and what is kept of it.
struct Way {
    projector: Projector,
    /// Steps, and the w of every start then.
    frames: Vec<(u64, Vec<Vec<f32>>)>,
    stats: String,
    /// Steps from one picture of the animation to the next.
    every: u64,
}

impl Way {
    /// Goes on to the end, or until it is stopped.
    fn go(&mut self, stop: &AtomicBool) {
        let steps = self.projector.config().steps;
        let bar = ProgressBar::new(steps);
        let style = "{bar:32} {percent:>3} %  step {human_pos} of {human_len}  {msg}  {eta} left";
        bar.set_style(ProgressStyle::with_template(style).expect("the template is right"));
        while self.projector.steps() < steps && !stop.load(Ordering::Relaxed) {
            let step = self.projector.steps();
            if step.is_multiple_of(self.every) {
                let all = (0..self.projector.config().starts).map(|start| self.projector.w(start)).collect();
                self.frames.push((step, all));
                let nearest = self.projector.look();
                bar.set_message(said_of(&nearest.difference));
            }
            let differences = self.projector.step();
            self.stats.push_str(&json!({ "step": step, "starts": differences }).to_string());
            self.stats.push('\n');
            bar.set_position(self.projector.steps());
        }
        bar.finish_and_clear();
    }

    /// The w of every start on the way to what was found.
    fn of(&self, found: &Found) -> Vec<&Vec<Vec<f32>>> {
        self.frames.iter().filter(|(step, _)| *step < found.step).map(|(_, all)| all).collect()
    }
}

/// A difference, in words.
fn said_of(difference: &Difference) -> String {
    let features = difference.features.map_or_else(String::new, |features| format!(", features {features:.4}"));
    format!(
        "loss {:.5} (pixels {:.5}{features}, distance {:.2})",
        difference.loss, difference.pixels, difference.distance
    )
}

/// The address of the page of one vector below that of a service, at the creativity that leaves it as it is; none for w+, and for more numbers than go into one.
fn address(w: &[f32], generator: &Generator, untruncated: Creativity) -> Option<String> {
    let found = Some(synth::Found::of(w, generator)?);
    let recipe = Recipe::Single(Creature { found, ..Creature::of(NOISE) });
    Some(format!("/p/{recipe}?psi={}", untruncated.get()))
}

/// The creativity that leaves w as it is: the one that means psi 1.
fn untruncated(calibration: Option<&Calibration>) -> Creativity {
    let Some(calibration) = calibration else { return Creativity::default() };
    let psi = |creativity: f32| Creativity::new(creativity).map_or(0.0, |creativity| calibration.psi(creativity));
    let (mut low, mut high) = (0.0_f32, 2.0_f32);
    for _ in 0..40 {
        let middle = f32::midpoint(low, high);
        if psi(middle) < 1.0 { low = middle } else { high = middle }
    }
    // The landmarks are short numbers: the nearest of four decimals is meant.
    let short = (high * 1e4).round() / 1e4;
    let creativity = if (psi(short) - 1.0).abs() < 1e-4 { short } else { high };
    Creativity::new(creativity).unwrap_or_default()
}

fn keep(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    synth::write_atomically(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, Into::into)
}

/// Reads vectors for a model, and says so where they were found for another.
pub(crate) fn vectors(path: &Path, generator: &Generator) -> anyhow::Result<Vectors> {
    let vectors = Vectors::open(path)?;
    vectors.check(generator).with_context(|| format!("cannot draw {}", path.display()))?;
    if vectors.model != generator.fingerprint() {
        eprintln!(
            "note: {} was found for another model or another way to draw ({}), so it may draw something else",
            path.display(),
            vectors.model
        );
    }
    Ok(vectors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_creativity_leaves_w_alone() {
        let of = |low: f32, best: f32, high: f32| {
            let calibration = Calibration { psi_low: low, psi_best: best, psi_high: high };
            (untruncated(Some(&calibration)).get(), calibration.psi(untruncated(Some(&calibration))))
        };
        assert_eq!(of(0.4, 1.0, 2.0), (1.0, 1.0));
        assert_eq!(of(0.4, 0.8, 1.2), (1.5, 1.0));
        let (_, psi) = of(0.31, 0.77, 1.13);
        assert!((psi - 1.0).abs() < 1e-4, "{psi}");
        // A model that is always truncated: as near as it goes.
        assert_eq!(of(0.3, 0.5, 0.9), (2.0, 0.9));
        assert_eq!(untruncated(None), Creativity::default());
    }
}

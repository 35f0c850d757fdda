//! `tadne ink`: teaches a model to redraw its pictures at two or four times their size, and once more through a lens.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, ensure};
use clap::Args;
use cli::numbers::{self, above_zero, number};
use cli::places;
use dataset::{Dataset, Options};
use gan::{Checkpoint, InkConfig, InkJudging, InkOrigin, InkTrainer, Precision};
use indicatif::{HumanDuration, ProgressBar, ProgressStyle};
use synth::{Generator, Ink as Network, ModelFile, Picture, Seed, Worker};

use crate::picture_options::{self, PictureArgs, PictureOptions};
use crate::progress;

/// The state of a run, in its folder.
pub(crate) const STATE: &str = "ink.safetensors";
/// The model with the network so far.
pub(crate) const MODEL: &str = "model.safetensors";
/// Statistics, a line of JSON a snapshot.
const STATS: &str = "stats.jsonl";
/// Pictures of a sample grid, of either kind.
const SHOWN: usize = 8;
/// Held-out pictures that the difference is measured on, at most.
const MEASURED: usize = 64;
/// The network that is taught unless told otherwise.
const INK: Network = Network { channels: 48, blocks: 6, factor: 4 };
/// The same of a lens. It works at the model's own size, where channels take their time: 16 of them fill a processor's vectors once.
const LENS: Network = Network { channels: 16, blocks: 6, factor: 2 };

/// Arguments of `tadne ink`.
#[derive(Args, Debug)]
#[command(mut_arg("min_side", |arg| arg.help("Leave out pictures whose shorter side has fewer pixels; smaller ones than what is drawn are enlarged \
    [default: the side of what is drawn]")))]
#[command(after_help = "\
Examples:
  tadne ink --data pictures/ --model model.safetensors --out runs/ink
  tadne ink --data 'shards/*.tar' --model model.safetensors --out runs/ink --channels 64 --kimg 800
  tadne ink --data pictures/ --model inked.safetensors --refine --blocks 8 --out runs/ink     larger, from what it has
  tadne ink --data pictures/ --model model.safetensors --out runs/ink     once more: goes on where it stopped
  tadne ink --data pictures/ --model inked.safetensors --lens --out runs/lens     for a closer look at what it draws

The pictures must be at least as large as what is to be drawn: 256 pixels for a model of 64 and the factor 4; for a lens as
large as what the model draws already, as it learns from their halves.
The folder holds model.safetensors (the model, with the network so far), ink.safetensors (to go on from), stats.jsonl and
grids/*.png: reduced pictures enlarged, redrawn and as they were; and the model's own, enlarged and redrawn.
Ctrl-C finishes the step, saves and exits.")]
pub(crate) struct Ink {
    /// Folders, tars, zips or globs of WebP, JPEG, PNG, GIF and BMP pictures
    #[arg(long, num_args = 1.., value_name = "PATH", required = true)]
    data: Vec<PathBuf>,
    /// Model file whose pictures are to be redrawn
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// Folder of the run; a run that is there goes on
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Length of the run in thousands of patches [default: 150]
    #[arg(long, value_name = "N", value_parser = above_zero)]
    kimg: Option<f64>,
    /// Then train N thousand more patches adversarially, with a discriminator (the judge) that also sees the model's own pictures redrawn
    /// [default: none]
    #[arg(long, value_name = "N", value_parser = above_zero)]
    judged: Option<f64>,
    /// Teach the network that redraws finished pictures for a closer look, at sizes above the model's own (a picture's page, downloads, ?size=), in
    /// place of the one that redraws composed pictures
    #[arg(long, conflicts_with = "judged")]
    lens: bool,
    /// Begin with the network that the model has, in place of a fresh one; a larger one (--channels, --blocks) grows from it
    #[arg(long)]
    refine: bool,
    /// Start the judge from the discriminator of this checkpoint of tadne train, or of the newest one in a run folder (the one behind ink, if any);
    /// ignored once the judge has started
    #[arg(long, value_name = "PATH", requires = "judged")]
    judge_from: Option<PathBuf>,
    /// Changes a value of the configuration, e.g. `--set judging.weight=0.1`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// Channels of the network [default: 48, of a lens 16, with --refine the model's]
    #[arg(long, value_name = "N")]
    channels: Option<usize>,
    /// Residual blocks of two convolutions [default: 6, with --refine the model's]
    #[arg(long, value_name = "N")]
    blocks: Option<usize>,
    /// How many times as large pictures become: 2 or 4 [default: 4, of a lens 2, with --refine the model's]
    #[arg(long, value_name = "N")]
    factor: Option<usize>,
    /// Arithmetic: f32, bf16, or auto: bf16 where the processor has AMX [default: auto]
    #[arg(long, value_parser = crate::train::precision, value_name = "KIND")]
    precision: Option<Precision>,
    /// Seed of weights, noise and order [default: 0]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Minutes between two snapshots
    #[arg(long, default_value_t = 5.0, value_name = "N", value_parser = number)]
    minutes: f64,
    #[command(flatten)]
    picture_args: PictureArgs,
    /// CPU threads [default: all cores]
    #[arg(long, value_name = "N", value_parser = numbers::threads)]
    threads: Option<usize>,
    /// Pictures are kept in memory up to this many MiB, beyond that in a file
    #[arg(long, default_value_t = 1024, value_name = "MIB")]
    memory: u64,
    /// Folder that keeps the resized pictures for the next start
    #[arg(long, default_value = "runs/cache", value_name = "DIR")]
    cache: PathBuf,
}

impl Ink {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        places::check_folder("--out", &self.out)?;
        let inked = ModelFile::open(&self.model).with_context(|| format!("--model {}", self.model.display()))?;
        // What it redraws is what the model draws without it.
        let (replaced, model) = if self.lens {
            (inked.architecture.lens, inked.clone().without_lens())
        } else {
            (inked.architecture.ink, inked.clone().without_ink())
        };
        let (height, width) = model.architecture.resolution();
        ensure!(height == width, "pictures of {width} x {height} cannot be redrawn yet: only square ones");
        let threads = self.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, Into::into));
        let path = self.out.join(STATE);
        // Two processes that train one network would overwrite each other's states.
        let held = path.exists().then(|| gan::Run::lock(&self.out)).transpose()?;
        let (mut trainer, origin) = if path.exists() {
            let (mut trainer, origin) = InkTrainer::load(&path, threads)?;
            self.same(trainer.config())?;
            trainer.reconfigure(self.changed(trainer.config().clone())?)?;
            (trainer, Some(origin))
        } else {
            // It may be the very model that was given.
            ensure!(
                !self.out.join(MODEL).exists(),
                "there is a {MODEL} in {} but no {STATE} to go on from; it is not replaced: give another --out",
                self.out.display()
            );
            let mut trainer = InkTrainer::new(self.changed(self.configuration(replaced))?, threads)?;
            if self.refine {
                trainer.begin_as(&inked).with_context(|| format!("--refine {}", self.model.display()))?;
            }
            (trainer, None)
        };
        if let Some(path) = &self.judge_from
            && !trainer.is_judged()
        {
            let checkpoint = Checkpoint::find(path, threads)?;
            trainer.begin_judge(&checkpoint).with_context(|| format!("--judge-from {}", path.display()))?;
        }
        let ink = trainer.config().ink;
        // Of a lens the pairs are no larger than what is drawn already: nobody has pictures of what it will be looked at.
        let (small, large) = if self.lens { (height / ink.factor, height) } else { (height, height * ink.factor) };
        ensure!(
            small > 0 && small * ink.factor == large,
            "pictures of {height} x {height} have no halves to learn from; a lens of another --factor may"
        );
        trainer.config().validate_for(small)?;
        let finished = trainer.steps() >= trainer.config().steps();
        // Neither network matters to the other, nor to itself.
        let bare = model.clone().without_ink().without_lens().fingerprint();
        let another = origin.as_ref().is_some_and(|origin| origin.model.as_ref().is_some_and(|begun| *begun != bare));
        ensure!(
            finished || !another,
            "{} was begun for another model than {}; give it that, or another --out",
            self.out.display(),
            self.model.display()
        );
        if origin.is_some() && finished {
            return self.finished(&trainer, &model, another);
        }
        let data = self.open(large, trainer.config().seed)?;
        ensure!(
            origin.as_ref().is_none_or(|origin| origin.dataset == data.fingerprint()),
            "{} was trained on other pictures; give it those, or another --out",
            self.out.display()
        );
        if let Some(Network { channels, blocks, factor }) = replaced
            && !self.refine
        {
            println!(
                "note      the network that {} has ({channels} channels, {blocks} blocks, {factor} x) is left out: a new one takes its place",
                self.model.display()
            );
        }
        std::fs::create_dir_all(self.out.join("grids"))
            .with_context(|| format!("cannot make {}", self.out.join("grids").display()))?;
        let _held = held.map_or_else(|| gan::Run::lock(&self.out), Ok)?;
        if origin.is_some() {
            // Of a state that was copied back, or lines that an older version wrote before its state.
            gan::truncate_stats_after(&self.out.join(STATS), trainer.patches() as f64 / 1e3)?;
        }
        let origin = InkOrigin { dataset: data.fingerprint().into(), model: Some(bare) };
        let worker = Arc::new(Generator::new(&model)?).worker_with_threads(threads);
        let (folder, minutes) = (self.out.clone(), self.minutes);
        let mut run = Run { trainer, data, origin, model, worker, folder, minutes, dropped: 0 };
        run.say();
        run.train()
    }

    /// What a run that has seen all its patches still does: its network behind the model, which may be a later state of the one
    /// that it was begun for.
    fn finished(&self, trainer: &InkTrainer, model: &ModelFile, another: bool) -> anyhow::Result<()> {
        let (path, kimg) = (self.out.join(MODEL), trainer.patches() as f64 / 1e3);
        if another {
            println!("note      {} was begun for another model than {}", self.out.display(), self.model.display());
        }
        // By content: a state of before the model was kept in it does not say whether what lies there is this model's.
        let file = trainer.added_to(model)?.to_bytes(synth::WeightDtype::F16)?;
        if std::fs::read(&path).ok().as_deref() != Some(&file[..]) {
            synth::write_atomically(&path, &file).with_context(|| format!("cannot write {}", path.display()))?;
            println!("written   {}", path.display());
        }
        println!("done      {} has seen its {kimg:.1} kimg; a longer --kimg or --judged goes on", self.out.display());
        Ok(())
    }

    /// What is asked for; `own` is the model's network.
    fn configuration(&self, own: Option<Network>) -> InkConfig {
        let usual = own.filter(|_| self.refine).unwrap_or(if self.lens { LENS } else { INK });
        let channels = self.channels.unwrap_or(usual.channels);
        let (blocks, factor) = (self.blocks.unwrap_or(usual.blocks), self.factor.unwrap_or(usual.factor));
        let usual = InkConfig::new(Network { channels, blocks, factor });
        let (precision, seed) = (self.precision.unwrap_or(usual.precision), self.seed.unwrap_or(usual.seed));
        InkConfig { precision, seed, lens: self.lens, ..usual }
    }

    /// `config` with the arguments' changes.
    fn changed(&self, mut config: InkConfig) -> anyhow::Result<InkConfig> {
        config.kimg = self.kimg.unwrap_or(config.kimg);
        if let Some(kimg) = self.judged {
            let usual = config.judging.unwrap_or_else(|| InkJudging::new(kimg));
            config.judging = Some(InkJudging { kimg, ..usual });
        }
        crate::train::set_values(
            config,
            &self.sets,
            "they are kimg, lr, patch, batch, noise, blur, waver, smudge and judging.*, the last with --judged only",
        )
    }

    /// Refuses to go on with anything but what the run began with.
    fn same(&self, config: &InkConfig) -> anyhow::Result<()> {
        let out = self.out.display();
        let kept = |name: &str, asked: Option<String>, has: String| match asked {
            Some(asked) if asked != has => Err(anyhow!(
                "{out} was begun with --{name} {has} and cannot go on with {asked}; leave --{name} out, or give another --out"
            )),
            _ => Ok(()),
        };
        let what = |lens: bool| if lens { "a lens" } else { "ink" };
        ensure!(
            self.lens == config.lens,
            "{out} is a run of {} and not of {}; give another --out",
            what(config.lens),
            what(self.lens)
        );
        let number = |asked: Option<usize>| asked.map(|n| n.to_string());
        kept("channels", number(self.channels), config.ink.channels.to_string())?;
        kept("blocks", number(self.blocks), config.ink.blocks.to_string())?;
        kept("factor", number(self.factor), config.ink.factor.to_string())?;
        let precision = |precision| crate::train::precision_name(precision).to_owned();
        kept("precision", self.precision.map(precision), precision(config.precision))?;
        kept("seed", self.seed.map(|seed| seed.to_string()), config.seed.to_string())?;
        Ok(())
    }

    /// Opens the pictures, whose size is that of what is redrawn.
    fn open(&self, size: usize, seed: u64) -> anyhow::Result<Dataset> {
        let chosen = self.picture_args.over(PictureOptions { min_side: Some(size), ..PictureOptions::default() });
        let options = Options {
            cache: Some(self.cache.clone()),
            memory_budget: self.memory.saturating_mul(1 << 20),
            mirror: true,
            seed,
            threads: self.threads.unwrap_or(0),
            ..chosen.options(size)
        };
        picture_options::open(&self.data, options, Some(&self.out))
    }
}

/// A run that goes on.
struct Run {
    trainer: InkTrainer,
    data: Dataset,
    origin: InkOrigin,
    model: ModelFile,
    /// Draws with the model, before anything is redrawn.
    worker: Worker,
    folder: PathBuf,
    minutes: f64,
    /// Gradient entries that were not finite and were dropped, since this start.
    dropped: u64,
}

impl Run {
    fn say(&self) {
        let config = self.trainer.config();
        let (threads, name) = self.trainer.processor();
        let Network { channels, blocks, factor } = config.ink;
        println!(
            "network   {channels} channels, {blocks} blocks, {factor} x; {:.0} k parameters",
            self.trainer.parameters() as f64 / 1e3
        );
        println!("machine   {threads} threads, {name}");
        println!("folder    {}", self.folder.display());
    }

    fn train(&mut self) -> anyhow::Result<()> {
        let stop = progress::stop_on_interrupt("finishing this step, then saving")?;
        let batch = self.trainer.config().batch;
        let total = self.trainer.config().steps() * batch as u64;
        let bar = ProgressBar::new(total);
        let style = "{bar:32} {percent:>3} %  {human_pos} of {human_len} patches  {msg}";
        bar.set_style(ProgressStyle::with_template(style).expect("the template is right"));
        let side = self.data.size();
        let (mut pixels, mut loss, mut last) = (Vec::new(), None::<f64>, Instant::now());
        let (start, begun) = (self.trainer.steps(), Instant::now());
        let mut snapped = start;
        while self.trainer.steps() < self.trainer.config().steps() && !stop.load(Ordering::Relaxed) {
            self.data.batch(self.trainer.patches(), batch, &mut pixels)?;
            let drawn = self.draw(&self.trainer.drawings());
            let step = self.trainer.step(&pixels, side, &drawn);
            ensure!(step.loss.is_finite(), "the training ran away; start again with another --seed or f32 arithmetic");
            self.dropped += step.dropped;
            let mean = loss.map_or(step.loss, |mean| 0.98 * mean + 0.02 * step.loss);
            loss = Some(mean);
            bar.set_position(self.trainer.patches());
            if self.trainer.steps().is_multiple_of(50) {
                let speed = (self.trainer.steps() - start) as f64 * batch as f64 / begun.elapsed().as_secs_f64();
                let left = total.saturating_sub(self.trainer.patches()) as f64 / speed;
                let left = HumanDuration(Duration::from_secs_f64(left));
                let judged = step.opinion.map_or_else(String::new, |said| {
                    format!("judge {:.3}, real {:+.2}, redrawn {:+.2}, ", said.loss_d, said.real, said.fake)
                });
                bar.set_message(format!("difference {mean:.4}, {judged}{speed:.0} patches/s, {left} left"));
            }
            if last.elapsed().as_secs_f64() > 60.0 * self.minutes {
                self.snapshot(mean, &bar)?;
                (last, snapped) = (Instant::now(), self.trainer.steps());
            }
        }
        match loss {
            Some(mean) if self.trainer.steps() > snapped => self.snapshot(mean, &bar)?,
            Some(_) => {}
            // Stopped before its first step, or finished long ago and its model file was lost.
            None => self.save()?,
        }
        bar.finish_and_clear();
        println!(
            "done      {:.1} kimg; {} draws",
            self.trainer.patches() as f64 / 1e3,
            self.folder.join(MODEL).display()
        );
        Ok(())
    }

    /// Raw pictures of the model, one behind the other.
    fn draw(&mut self, seeds: &[Seed]) -> Vec<f32> {
        let mut drawn = Vec::new();
        for &seed in seeds {
            let w = self.worker.generator().w(seed);
            drawn.extend_from_slice(self.worker.synthesize(&w, seed));
        }
        drawn
    }

    /// Grids, the model, the state to go on from, and last statistics of what is saved.
    fn snapshot(&mut self, loss: f64, bar: &ProgressBar) -> anyhow::Result<()> {
        let side = self.data.size();
        let (mut shown, mut sums, mut count) = (Vec::new(), [0.0; 2], 0);
        let held_out = self.data.validation_len() > 0;
        let all = if held_out { self.data.validation_len() } else { self.data.len() };
        for index in 0..all.min(MEASURED) {
            let real = if held_out { self.data.validation(index)? } else { self.data.training(index)? };
            let (pictures, differences) = self.trainer.show(&real, side);
            (0..2).for_each(|k| sums[k] += differences[k]);
            count += 1;
            if index < SHOWN {
                shown.extend(pictures);
                shown.push(Picture { width: side, height: side, rgb: real });
            }
        }
        let [bilinear, redrawn] = sums.map(|sum| sum / f64::from(count));
        let kimg = self.trainer.patches() as f64 / 1e3;
        let dropped = if self.dropped > 0 { format!("  dropped {}", self.dropped) } else { String::new() };
        progress::say(
            bar,
            &format!("kimg {kimg:<7.1} difference {loss:.4}; held out {redrawn:.4}, bilinear {bilinear:.4}{dropped}"),
        );
        let small = self.model.architecture.resolution().0;
        let drawn = self.draw(&(0..SHOWN as u64).map(Seed).collect::<Vec<_>>());
        let drawn = drawn.chunks_exact(3 * small * small).flat_map(|raw| self.trainer.show_drawn(raw, small));
        let drawn: Vec<_> = drawn.collect();
        let name = format!("{:08}", self.trainer.patches());
        self.sheet(&format!("{name}-real.png"), &shown, 3)?;
        self.sheet(&format!("{name}-drawn.png"), &drawn, 4)?;
        self.save()?;
        let statistics = serde_json::json!({
            "kimg": kimg, "difference": loss, "held_out": redrawn, "held_out_bilinear": bilinear, "pictures": count,
        });
        let path = self.folder.join(STATS);
        synth::append_line(&path, &statistics.to_string()).with_context(|| format!("cannot write {}", path.display()))
    }

    /// The model, then the state to go on from: one that is older than the model makes it once more.
    fn save(&self) -> anyhow::Result<()> {
        let model = self.trainer.added_to(&self.model)?;
        model.save(&self.folder.join(MODEL), synth::WeightDtype::F16)?;
        Ok(self.trainer.save(&self.origin, &self.folder.join(STATE))?)
    }

    fn sheet(&self, name: &str, pictures: &[Picture], columns: usize) -> anyhow::Result<()> {
        let path = self.folder.join("grids").join(name);
        let sheet = synth::sheet(pictures, columns);
        let bytes = server::Format::Png.encode(&sheet)?;
        synth::write_atomically(&path, &bytes).with_context(|| format!("cannot write {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_says_what_is_taught_unless_told_otherwise() {
        let command = Ink::augment_args(clap::Command::new("ink"));
        for (name, ink, lens) in [
            ("channels", INK.channels, LENS.channels),
            ("blocks", INK.blocks, LENS.blocks),
            ("factor", INK.factor, LENS.factor),
        ] {
            let arg = command.get_arguments().find(|arg| arg.get_long() == Some(name)).unwrap();
            let help = arg.get_help().unwrap().to_string();
            let lens = if lens == ink { String::new() } else { format!(", of a lens {lens}") };
            assert!(help.contains(&format!("[default: {ink}{lens}, with")), "{help}");
        }
    }
}

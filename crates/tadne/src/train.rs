//! `tadne train`: from pictures to a run folder, with a line a tick and a bar.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail, ensure};
use clap::Args;
use cli::numbers::number;
use cli::places;
use dataset::{Dataset, Options};
use features::Measurement;
use features::metrics::Kinds;
use gan::{
    Checkpoint, Collective, Config, CriticConfig, Device, InkTrainer, InkedConfig, Member, Observer, Precision,
    Progress, Run, RunLock, Tick, Trainer,
};
use indicatif::{HumanDuration, ProgressBar, ProgressStyle};
use serde::Serialize;
use serde::de::DeserializeOwned;
use synth::ModelFile;

use crate::picture_options::{self, PictureArgs, PictureOptions};
use crate::{auto, ink, memory, progress, watch};

/// The configuration that is chosen by pictures and machine.
const AUTO: &str = "auto";

/// Arguments of `tadne train`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tadne train --data pictures/
  tadne train --data pictures/ --config c64 --watch 127.0.0.1:8081
  tadne train --data 'shards/*.tar' --config c128 --kimg 1000 --out runs/
  tadne train --resume runs/00000-c64 --data pictures/
  tadne train --data faces.zip --crop top --min-side 24
  tadne train --data characters/ --labels folders --config c64    each folder a class, which tadne generate --class K then draws
  tadne train --config c128 --from runs/00000-c64 --data pictures/    larger pictures, from what it has learnt
  tadne train --data pictures/ --config h256 --device cuda    by libtorch, in a build with it: docs/training.md
  torchrun --no-python --nproc-per-node 2 tadne train --data pictures/ --config c64    on several processes: docs/scale.md
  tadne train --print-config --config c64 > mine.json     then edit, and --config mine.json

A run folder holds config.json, data.json, stats.jsonl, metrics.jsonl, events.out.tfevents.* (for TensorBoard), grids/*.png and
checkpoints/*.safetensors (the last two), best.safetensors (the averaged generator that measured best, as a model file), and skipped.txt: the pictures that were left out, each with the reason.
Ctrl-C finishes the step, saves and exits; --resume goes on as if nothing had happened.")]
pub(crate) struct Train {
    /// Folders, tars, zips or globs of WebP, JPEG, PNG, GIF and BMP pictures
    #[arg(long, num_args = 1.., value_name = "PATH", required_unless_present = "print_config")]
    data: Vec<PathBuf>,
    /// Preset (tiny, c64, c128, h256, stylegan2-128), a .json file, or auto: chosen by the pictures and a measurement
    #[arg(long, default_value = AUTO, value_name = "NAME|FILE")]
    config: String,
    /// Where run folders are made
    #[arg(long, default_value = "runs", value_name = "DIR")]
    out: PathBuf,
    /// Go on with a run: its folder, or one of its checkpoints
    #[arg(long, value_name = "RUN", conflicts_with = "config")]
    resume: Option<PathBuf>,
    /// Start from the networks of a run, a checkpoint or an exported pair (`shipped` for those of this program), or from a
    /// model file, whose generator is held until a fresh discriminator has learnt; a configuration with more stages grows
    /// them, e.g. `--config c128 --from runs/00000-c64`
    #[arg(long, visible_alias = "grow", value_name = "RUN|FILE", conflicts_with = "resume")]
    from: Option<PathBuf>,
    /// Length of the run in thousands of pictures
    #[arg(long, value_parser = number, value_name = "N")]
    kimg: Option<f64>,
    /// Batch size: pictures per step, on all processes together
    #[arg(long, value_name = "N")]
    batch: Option<usize>,
    /// Weight gamma of the gradient penalty at the start of the run (`loss.gamma_final` at its end)
    #[arg(long, value_parser = number, value_name = "X")]
    gamma: Option<f64>,
    /// Arithmetic: f32, bf16, or auto: bf16 on CUDA, and where the processor has AMX
    #[arg(long, value_parser = precision, value_name = "KIND", conflicts_with = "resume")]
    precision: Option<Precision>,
    /// Seed of initial weights, latents, augmentation and data order
    #[arg(long, value_name = "N", conflicts_with = "resume")]
    seed: Option<u64>,
    /// Adds a critic on the features of a frozen network: a file or a name that tools/features.py made, e.g. efficientnet-lite0
    #[arg(long, value_name = "NETWORK")]
    critic: Option<String>,
    /// Adds a discriminator that sees pictures as the ink network of this model file redraws them; of a folder of tadne ink with a judge it takes
    /// that judge as well, and begins with what it knows
    #[arg(long, value_name = "RUN|FILE")]
    inked: Option<PathBuf>,
    /// Changes any value of the configuration, e.g. `--set loss.drift=0`; --print-config shows their names
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// Trains with classes: `folders` takes each folder for one, a file in the form of StyleGAN's dataset.json names them: {"labels": [["path", class], ...]}
    #[arg(long, value_name = "folders|FILE")]
    labels: Option<String>,
    #[command(flatten)]
    picture_args: PictureArgs,
    /// Show the run as a page while it goes on, e.g. 127.0.0.1:8081
    #[arg(long, value_name = "ADDRESS")]
    watch: Option<SocketAddr>,
    /// What trains: cpu (this program's own engine), cuda or cuda:N (a CUDA device, by libtorch), or torch (libtorch on the CPU); the latter
    /// three want a build with libtorch, see docs/training.md. A run can go on with another one
    #[arg(long, default_value_t = Device::Cpu, value_name = "NAME")]
    device: Device,
    /// How long, where several processes train, another one that lives may keep this one waiting, at the start too; one that dies is noticed at once
    #[arg(long, default_value_t = 1800, value_parser = clap::value_parser!(u64).range(1..=1_000_000), value_name = "SECONDS")]
    peer_timeout: u64,
    /// CPU threads [default: all cores, or this process's part of them where several train on the machine]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
    /// Pictures are kept in memory up to this many MiB, beyond that in a file
    #[arg(long, default_value_t = 4096, value_name = "MIB")]
    memory: u64,
    /// Folder that keeps the resized pictures for the next start
    #[arg(long, default_value = "runs/cache", value_name = "DIR")]
    cache: PathBuf,
    /// Print the configuration as JSON and exit
    #[arg(long, conflicts_with = "resume")]
    print_config: bool,
}

pub(crate) fn precision(text: &str) -> Result<Precision, String> {
    match text {
        "auto" => Ok(Precision::Auto),
        "f32" => Ok(Precision::F32),
        "bf16" => Ok(Precision::Bf16),
        _ => Err("use auto, f32 or bf16".into()),
    }
}

/// `config` with the values of arguments `KEY=VALUE`, whose keys are paths of names with points; `names` says where they can be looked up.
pub(crate) fn set_values<T: Serialize + DeserializeOwned>(
    mut config: T,
    sets: &[String],
    names: &str,
) -> anyhow::Result<T> {
    let mut value = serde_json::to_value(&config)?;
    for set in sets {
        let (key, text) = set.split_once('=').with_context(|| format!("--set {set}: expected KEY=VALUE"))?;
        let place = value
            .pointer_mut(&format!("/{}", key.replace('.', "/")))
            .with_context(|| format!("--set {set}: there is no {key}; {names}"))?;
        // What is no JSON is a word.
        let was = std::mem::replace(place, serde_json::from_str(text).unwrap_or_else(|_| text.into()));
        config = serde_json::from_value(value.clone())
            .with_context(|| format!("--set {set}: {key}, which is {was}, cannot be that"))?;
    }
    Ok(config)
}

/// What [`precision`] reads.
pub(crate) fn precision_name(precision: Precision) -> &'static str {
    match precision {
        Precision::Auto => "auto",
        Precision::F32 => "f32",
        Precision::Bf16 => "bf16",
    }
}

impl Train {
    /// The configuration that the arguments name.
    fn configuration(&self) -> anyhow::Result<Config> {
        ensure!(self.config != AUTO, "auto depends on pictures and machine; name a preset with --config");
        self.changed(self.named()?, self.behind(1)?.as_ref())
    }

    fn named(&self) -> anyhow::Result<Config> {
        let path = Path::new(&self.config);
        let is_file = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json"))
            || (path.is_file() && Config::preset(&self.config).is_err());
        Ok(if is_file {
            let text = std::fs::read_to_string(&self.config).with_context(|| format!("cannot read {}", self.config))?;
            serde_json::from_str(&text).with_context(|| format!("{} is not a configuration", self.config))?
        } else {
            Config::preset(&self.config)?
        })
    }

    /// What `--inked` names.
    fn behind(&self, threads: usize) -> anyhow::Result<Option<Behind>> {
        self.inked.as_ref().map(|path| Behind::open(path, threads)).transpose()
    }

    /// `config` with the arguments' changes.
    fn changed(&self, mut config: Config, behind: Option<&Behind>) -> anyhow::Result<Config> {
        config.precision = self.precision.unwrap_or(config.precision);
        config.seed = self.seed.unwrap_or(config.seed);
        config.kimg = self.kimg.unwrap_or(config.kimg);
        config.batch = self.batch.unwrap_or(config.batch);
        config.loss.gamma = self.gamma.unwrap_or(config.loss.gamma);
        if let Some(Behind { model, run }) = behind {
            // With the discriminator's own channels it begins as a copy of that.
            let copy = || InkedConfig { channels: config.discriminator.channels.clone(), ..InkedConfig::default() };
            let usual = config.inked.take().or_else(|| run.as_ref()?.inked()).unwrap_or_else(copy);
            config.inked = Some(InkedConfig { model: model.clone(), ..usual });
        }
        if let Some(network) = &self.critic {
            config.critic = Some(CriticConfig { network: network.clone(), ..config.critic.unwrap_or_default() });
        }
        let config: Config = set_values(config, &self.sets, "--print-config shows the names")?;
        config.validate()?;
        Ok(config)
    }

    /// The arguments on pictures, and where there are none what was chosen.
    fn over(&self, chosen: PictureOptions) -> PictureOptions {
        let chosen = self.picture_args.over(chosen);
        PictureOptions { labels: self.labels.clone().or(chosen.labels), ..chosen }
    }

    /// Opens the pictures; `chosen` is what is taken of them. What was left out is said, and written whole to `skipped.txt`
    /// in the folder of runs if that is the end. Of several processes on a machine one makes the cache, and the others find it.
    fn open(&self, config: &Config, chosen: &PictureOptions, place: &mut Place) -> anyhow::Result<Arc<Dataset>> {
        let options = Options {
            cache: Some(self.cache.clone()),
            memory_budget: self.memory.saturating_mul(1 << 20),
            mirror: config.mirror,
            seed: config.seed,
            threads: self.threads.map_or(0, usize::from),
            ..chosen.clone().options(config.resolution())
        };
        if !place.opens_first {
            place.meet()?;
        }
        let data = if place.leads {
            picture_options::open(&self.data, options, Some(&self.out))?
        } else {
            Dataset::open(&self.data, &options)?
        };
        if place.opens_first {
            place.meet()?;
        }
        if place.leads && self.device == Device::Cpu {
            // Before the networks are there, and after the pictures are.
            let pictures = (data.report().kept * data.picture_bytes()) as u64;
            let pictures = if pictures <= self.memory.saturating_mul(1 << 20) { pictures } else { 0 };
            let config = config.clone().with_classes(data.classes().len());
            let lines = memory::words(&config, place.threads, pictures)?;
            println!("memory    {}", lines.join("\n          "));
        }
        Ok(Arc::new(data))
    }

    pub(crate) fn run(&self) -> anyhow::Result<()> {
        if self.print_config {
            println!("{}", serde_json::to_string_pretty(&self.configuration()?)?);
            return Ok(());
        }
        let Some(member) = Member::from_environment()? else { return self.train(None) };
        let (rank, size) = (member.rank, member.size);
        self.train(Some(&member)).with_context(|| format!("rank {rank} of {size}"))
    }

    /// Trains, alone or as one of several processes.
    fn train(&self, member: Option<&Member>) -> anyhow::Result<()> {
        // Before pictures are read and a folder is made.
        let device = member.map_or(self.device, |member| member.device(self.device));
        device.check()?;
        let threads = self.threads.map_or_else(
            || {
                let here = member.and_then(|member| member.local_size).unwrap_or(1).max(1);
                (std::thread::available_parallelism().map_or(1, Into::into) / here).max(1)
            },
            usize::from,
        );
        let behind = self.behind(threads)?;
        let leads = member.is_none_or(|member| member.rank == 0);
        if leads && self.resume.is_none() {
            places::check_folder("--out", &self.out)?;
        }
        let page = self.watch.filter(|_| leads).map(::watch::listen).transpose()?;
        let mut place = Place { threads, leads, opens_first: true, ranks: None };
        if let Some(member) = member {
            self.check_member(member)?;
            place.opens_first = member.local_rank.unwrap_or(member.rank) == 0;
            place.ranks = Some(member.join(device, Duration::from_secs(self.peer_timeout))?);
        }
        let (mut run, _held) = match &self.resume {
            Some(path) => self.go_on(path, &mut place, behind.as_ref())?,
            None => self.begin(&mut place, behind.as_ref())?,
        };
        if let (Some(inked), Some(Behind { run: Some(ink), .. })) = (&self.inked, behind)
            && ink.is_judged()
        {
            let begun = run.begin_inked(&ink).with_context(|| format!("--inked {}", inked.display()))?;
            if !begun && place.leads {
                println!("note      the discriminator behind ink has learnt already, and goes on as it is");
            }
        }
        run.move_to(device)?;
        if let Some(ranks) = place.ranks {
            run.join(ranks)?;
        }
        let stop = progress::stop_on_interrupt("finishing this step, then saving")?;
        if !place.leads {
            return Ok(run.train(&stop, &mut Silent)?);
        }
        let mut terminal = Terminal::new(run.trainer());
        if let Some(page) = page {
            // The page wants a configuration to show, and the run writes it again when it starts.
            run.write_config()?;
            let address = watch::beside_training(run.folder(), page)?;
            terminal.say(&format!("watch     http://{address}"));
        }
        run.train(&stop, &mut terminal)?;
        terminal.bar.finish_and_clear();
        let (kimg, whole) = (run.trainer().progress().kimg(), run.trainer().config().kimg);
        let folder = run.folder().display();
        if kimg < whole {
            println!("stopped   {kimg:.1} kimg of {whole}; tadne train --resume {folder} --data ... goes on");
        }
        println!("done      {kimg:.1} kimg; tadne export {folder} --out model.safetensors makes the model file");
        Ok(())
    }

    /// Whether the arguments can be those of one of several processes.
    fn check_member(&self, member: &Member) -> anyhow::Result<()> {
        ensure!(
            self.resume.is_some() || self.from.is_some() || self.config != AUTO,
            "several processes train one configuration, and each would choose its own: name it with --config"
        );
        ensure!(
            self.resume.is_some() || member.restarts == 0,
            "torchrun has started this run again, and without --resume it would begin anew: start it with --resume and the run's folder below {}",
            self.out.display()
        );
        Ok(())
    }

    /// A run that goes on. The first rank alone holds its folder, and writes.
    fn go_on(&self, path: &Path, place: &mut Place, behind: Option<&Behind>) -> anyhow::Result<(Run, Option<RunLock>)> {
        let folder = run_folder(path)?;
        let held = place.leads.then(|| Run::lock(&folder)).transpose()?;
        let mut checkpoint = Checkpoint::find(path, place.threads)?;
        // Before anything is read or written by what no longer holds.
        let config = self.changed(checkpoint.trainer.config().clone(), behind)?;
        if config != *checkpoint.trainer.config() {
            checkpoint.trainer.reconfigure(config)?;
        }
        let chosen = self.over(PictureOptions::of_run(&folder)?);
        let data = self.open(checkpoint.trainer.config(), &chosen, place)?;
        let run = if place.leads {
            picture_options::note(&folder, &chosen, data.report())?;
            Run::resume(&folder, checkpoint, data)?
        } else {
            Run::beside(checkpoint.trainer, data)?
        };
        Ok((run, held))
    }

    /// A run that begins, in a folder that the first rank makes.
    fn begin(&self, place: &mut Place, behind: Option<&Behind>) -> anyhow::Result<(Run, Option<RunLock>)> {
        let threads = place.threads;
        let mut from = match &self.from {
            Some(name) if name.as_os_str() == "shipped" => Some(auto::shipped(threads)?),
            Some(path) => Some(start_from(path, place)?),
            None => None,
        };
        let mut chosen = PictureOptions::default();
        let config = if self.config != AUTO {
            self.named()?
        } else if let Some(from) = &from {
            auto::configuration_of(from)
        } else {
            println!("choosing  a configuration; --config NAME takes a preset instead");
            let choice = auto::choose(&self.data, (threads, self.device), &self.picture_args)?;
            chosen.min_side = choice.min_side;
            choice.reasons.iter().for_each(|reason| println!("          {reason}"));
            from = choice.from;
            choice.config
        };
        let config = self.changed(config, behind)?;
        config.part(place.ranks.as_ref().map_or(1, |ranks| ranks.size()))?;
        if let Some(from) = &from {
            config.check_growth_from(from.trainer.config())?;
        }
        let chosen = self.over(chosen);
        let data = self.open(&config, &chosen, place)?;
        let config = if self.labels.is_some() { config.with_classes(data.classes().len()) } else { config };
        if let Some(from) = &from {
            let (told, has) = (from.trainer.config().classes(), config.classes());
            ensure!(
                told == has,
                "networks that are told of {told} classes cannot be the start of ones that are told of {has}: {}",
                if told == 0 {
                    "leave --labels out, or name a preset with --config and leave --from out"
                } else {
                    "give the pictures' classes with --labels, as they had them, or leave --from out"
                }
            );
        }
        if !place.leads {
            let trainer = match &from {
                None => Trainer::new(config, threads)?,
                Some(from) => Trainer::grow(&from.trainer, config, threads)?,
            };
            return Ok((Run::beside(trainer, data)?, None));
        }
        let report = data.report().clone();
        let run = match &from {
            None => Run::create(config, data, &self.out, threads)?,
            Some(from) => Run::grow(from, config, data, &self.out, threads)?,
        };
        let held = Run::lock(run.folder())?;
        picture_options::note(run.folder(), &chosen, &report)?;
        let Config { kimg, growth, architecture, .. } = run.trainer().config();
        if growth.stages == architecture.channels.len() && growth.inherited <= 0.0 && *kimg <= growth.hold_kimg {
            println!(
                "note      the generator is held for {} kimg, longer than this run of {kimg}: it will learn nothing; --kimg or --set growth.hold_kimg= changes that",
                growth.hold_kimg
            );
        }
        Ok((run, Some(held)))
    }
}

/// This process's place in a run.
struct Place {
    threads: usize,
    /// Whether it keeps the folder and talks to the terminal: alone, or as rank 0.
    leads: bool,
    /// Whether it opens the pictures before others on its machine do.
    opens_first: bool,
    /// The other processes, until the run has them.
    ranks: Option<Box<dyn Collective>>,
}

impl Place {
    /// Waits for the others to get here.
    fn meet(&mut self) -> Result<(), gan::Error> {
        self.ranks.as_mut().map_or(Ok(()), |ranks| ranks.sum(&mut [0.0]))
    }
}

/// What a new run starts from: the networks of a run, a checkpoint or a pair, or a model file's generator.
fn start_from(path: &Path, place: &Place) -> anyhow::Result<Checkpoint> {
    match ModelFile::open(path) {
        Ok(model) => {
            if place.leads {
                println!(
                    "from      a generator alone: it is held while a fresh discriminator learns, then let go (growth.hold_kimg)"
                );
            }
            Ok(Checkpoint::of_generator(&model, path, place.threads)?)
        }
        Err(as_model) => Checkpoint::find(path, place.threads).map_err(|error| {
            // Which of the two a damaged file was meant to be, nobody knows.
            let also = if path.is_file() { format!(", and as a model file: {as_model}") } else { String::new() };
            anyhow::anyhow!("{error}{also}")
        }),
    }
}

/// What `--inked` names: the model file with the ink network, and the run that trains it where it is a folder.
struct Behind {
    model: String,
    run: Option<InkTrainer>,
}

impl Behind {
    fn open(path: &Path, threads: usize) -> anyhow::Result<Self> {
        let (model, run) = if path.is_dir() {
            let (run, _) = InkTrainer::load(&path.join(ink::STATE), threads)
                .with_context(|| format!("--inked {} is no folder of tadne ink", path.display()))?;
            (path.join(ink::MODEL), Some(run))
        } else {
            (path.into(), None)
        };
        let unnamed =
            |name| anyhow!("--inked {}: a configuration holds names in UTF-8 only", PathBuf::from(name).display());
        Ok(Self { model: model.into_os_string().into_string().map_err(unnamed)?, run })
    }
}

/// The run folder that `path` is, or lies in.
fn run_folder(path: &Path) -> anyhow::Result<PathBuf> {
    let folder = if path.is_file() { path.parent().and_then(Path::parent) } else { Some(path) };
    match folder {
        Some(folder) if folder.join("checkpoints").is_dir() => Ok(folder.into()),
        _ if !path.exists() => bail!("there is no {}", path.display()),
        _ => bail!(
            "{0} lies in no run folder; expected RUN/checkpoints/NAME.safetensors (a new run from its networks: --from {0})",
            path.display()
        ),
    }
}

/// Of a rank that another one speaks for.
struct Silent;

impl Observer for Silent {
    fn started(&mut self, _: &Path, _: &Trainer) {}
    fn stepped(&mut self, _: Progress) {}
    fn tick(&mut self, _: &Tick) {}
    fn measured(&mut self, _: &Measurement) {}
    fn snapshot(&mut self, _: &Path) {}
}

/// Prints a run as it goes: configuration first, then a line a tick above a progress bar.
struct Terminal {
    bar: ProgressBar,
    critic: bool,
    inked: bool,
}

impl Terminal {
    fn new(trainer: &Trainer) -> Self {
        let bar = ProgressBar::new((trainer.config().kimg * 1000.0) as u64);
        let style = "{bar:32} {percent:>3} %  {human_pos} of {human_len} pictures  {msg}";
        bar.set_style(ProgressStyle::with_template(style).expect("the template is right"));
        Self { bar, critic: trainer.config().critic.is_some(), inked: trainer.config().inked.is_some() }
    }

    fn say(&self, line: &str) {
        progress::say(&self.bar, line);
    }
}

impl Observer for Terminal {
    fn started(&mut self, folder: &Path, trainer: &Trainer) {
        let (g, d) = trainer.parameters();
        let config = serde_json::to_string_pretty(trainer.config()).expect("a configuration is plain data");
        self.say(&format!("config    {config}"));
        self.say(&format!("networks  G {:.2} M, D {:.2} M parameters", g as f64 / 1e6, d as f64 / 1e6));
        let (threads, name) = trainer.processor();
        let ranks =
            if trainer.ranks() > 1 { format!(" in each of {} processes", trainer.ranks()) } else { String::new() };
        self.say(&format!("machine   {threads} threads{ranks}, {name}"));
        let (device, precision) = trainer.device();
        if device != Device::Cpu {
            self.say(&format!("device    {device}, by libtorch in {}", precision_name(precision)));
        }
        self.say(&format!("folder    {}", folder.display()));
        self.bar.set_position(trainer.progress().images);
        self.bar.enable_steady_tick(Duration::from_millis(500));
    }

    fn stepped(&mut self, progress: Progress) {
        self.bar.set_position(progress.images);
    }

    fn tick(&mut self, t: &Tick) {
        let a = &t.averages;
        let eta = HumanDuration(Duration::from_secs(t.eta_seconds as u64));
        self.bar.set_message(format!("{:.0} images/s, {eta} left", t.images_per_second));
        self.say(&format!(
            "kimg {:<7.1} D {:<6.3} G {:<6.3} real {:<+6.2} fake {:<+6.2} penalty {:<7.2} gamma {:<5.3} p {:<4.2} lr {:<8.2e} \
             {:>6.1} img/s {:>6.2} s/kimg {:>6} MiB  left {eta}{}",
            t.kimg,
            a.loss_d,
            a.loss_g,
            a.real,
            a.fake,
            a.penalty,
            t.gamma,
            t.p,
            t.lr,
            t.images_per_second,
            t.seconds_per_kimg,
            t.memory_mib.map_or("?".into(), |m| m.to_string()),
            if t.progress.dropped > 0 { format!("  dropped {}", t.progress.dropped) } else { String::new() },
        ));
        if let Some(tensor) = &t.fault {
            self.say(&format!(
                "             the gradient of {tensor} was not finite; those entries were left out of the step"
            ));
        }
        if self.inked {
            self.say(&format!(
                "             inked {:<7.3} real {:<+6.2} fake {:<+6.2}",
                a.inked, a.inked_real, a.inked_fake
            ));
        }
        if self.critic {
            self.say(&format!(
                "             critic {:<6.3} real {:<+6.2} fake {:<+6.2} weight {:.2}",
                a.critic, a.critic_real, a.critic_fake, t.critic
            ));
        }
    }

    fn measured(&mut self, m: &Measurement) {
        let which = m.average.map_or_else(String::new, |width| format!(", average of width {width}"));
        let kd = m.kd * 1e3;
        let kinds = starved(m);
        let coverage = m.coverage.map_or_else(String::new, |c| {
            let against = m.held_out.map_or_else(String::new, |count| format!(" against {count} held out"));
            format!(", precision {:.3} recall {:.3} coverage {:.3}{against}", c.precision, c.recall, c.coverage)
        });
        self.say(&format!(
            "measured  KD x 1000 {kd:.3}{coverage}{kinds} on {} pictures, {} {}{which}",
            m.samples, m.network, m.hash
        ));
    }

    fn snapshot(&mut self, checkpoint: &Path) {
        self.say(&format!("saved     {}", checkpoint.display()));
    }
}

/// How many kinds of picture are drawn too seldom, in words; nothing where that was not measured.
fn starved(measurement: &Measurement) -> String {
    // Few pictures are of no more kinds than there are.
    let all = Kinds::CLUSTERS.min(measurement.samples);
    measurement.starved.map_or_else(String::new, |starved| format!(", starved kinds {starved} of {all}"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn kinds_are_as_many_as_were_told_apart() {
        let measured = |starved: Option<usize>, samples: usize| Measurement {
            kimg: 1.0,
            average: None,
            kd: 0.1,
            coverage: None,
            divergence: None,
            starved,
            samples,
            held_out: None,
            network: "n".into(),
            hash: "h".into(),
        };
        assert_eq!(starved(&measured(Some(3), 2000)), ", starved kinds 3 of 64");
        assert_eq!(starved(&measured(Some(3), 40)), ", starved kinds 3 of 40");
        assert_eq!(starved(&measured(None, 40)), "");
    }

    #[test]
    fn values_are_set_one_after_the_other_and_the_rest_stays() {
        let config = Config::preset("tiny").unwrap();
        let set = |sets: &[&str]| {
            let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
            set_values(config.clone(), &sets, "names are elsewhere")
        };
        assert_eq!(set(&[]).unwrap(), config);
        let mut expected = config.clone();
        (expected.seed, expected.loss.drift) = (7, 0.5);
        assert_eq!(set(&["loss.drift=0", "seed=7", "loss.drift=0.5"]).unwrap(), expected);
        for (wrong, said) in
            [("loss.drift=abc", "cannot be that"), ("loss.drft=0", "names are elsewhere"), ("x", "KEY=VALUE")]
        {
            let error = set(&["seed=7", wrong]).unwrap_err().to_string();
            assert!(error.starts_with(&format!("--set {wrong}: ")) && error.contains(said), "{error}");
        }
    }

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        _train: Train,
    }

    #[test]
    fn the_help_names_every_preset() {
        let help = Line::command().render_long_help().to_string();
        for (name, _) in Config::PRESETS {
            assert!(help.contains(name), "{name}");
        }
    }
}

//! A training run on disk: numbered folder, configuration, statistics, sample grids, checkpoints; and the loop that makes them.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant};

use dataset::Dataset;
use features::{Evaluator, Measurement, Meter, Network, Resizing};
use serde::{Deserialize, Serialize};

use crate::checkpoint::{self, Checkpoint};
use crate::events::Events;
use crate::{Collective, Config, Device, Error, InkTrainer, Progress, StepMeans, Trainer, grid};

/// A checkpoint is never older than this.
const LONGEST_BETWEEN_SNAPSHOTS: Duration = Duration::from_mins(10);
/// Checkpoints kept: the newest, and the one before it in case the newest turns out damaged.
const CHECKPOINTS_KEPT: usize = 2;
/// The grids: eight by eight of the seeds 0 to 63, calm and bold.
const GRID: usize = 8;
/// Truncations the grids are drawn at.
const GRID_PSI: [f64; 2] = [0.7, 1.0];
/// A line a tick, and a line a measurement.
const STATS: &str = "stats.jsonl";
const MEASUREMENTS: &str = "metrics.jsonl";
/// Folders in a run's folder.
const CHECKPOINTS: &str = "checkpoints";
const GRIDS: &str = "grids";
/// The averaged generator that measured best, as a model file.
const BEST: &str = "best.safetensors";
/// Batches that wait ready while the device works.
const BATCHES_AHEAD: usize = 3;

/// One line of the statistics.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tick {
    /// Counters.
    pub progress: Progress,
    /// Thousands of real pictures seen.
    pub kimg: f64,
    /// Losses and D's outputs, means since the tick before.
    pub averages: StepMeans,
    /// Weight of the gradient penalty.
    pub gamma: f64,
    /// Probability of augmentation.
    pub p: f64,
    /// Weight of the feature critic, once warm; 0 without one.
    #[serde(default)]
    pub critic: f64,
    /// Learning rate of G.
    pub lr: f64,
    /// Real pictures a second.
    pub images_per_second: f64,
    /// Seconds a thousand pictures.
    pub seconds_per_kimg: f64,
    /// Resident memory of the process in MiB, where the system tells.
    pub memory_mib: Option<u64>,
    /// Training time so far, in seconds.
    pub seconds: f64,
    /// Seconds left at this speed.
    pub eta_seconds: f64,
    /// A tensor whose gradient had entries that were not finite since the tick before, and were dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// Pictures of a step and, where they have any, their classes.
struct Batch {
    pixels: Vec<u8>,
    classes: Vec<u32>,
}

/// Who watches a run: a terminal, a page, a test. Of several ranks the first one tells all of it, the others that a step is done.
pub trait Observer {
    /// The run folder stands and the first step follows.
    fn started(&mut self, folder: &Path, trainer: &Trainer);
    /// A step is done.
    fn stepped(&mut self, progress: Progress);
    /// A line of statistics.
    fn tick(&mut self, tick: &Tick);
    /// Drawn pictures were measured.
    fn measured(&mut self, measurement: &Measurement);
    /// A grid and a checkpoint have been written.
    fn snapshot(&mut self, checkpoint: &Path);
}

/// A run about to start or to go on.
pub struct Run {
    trainer: Trainer,
    data: Arc<Dataset>,
    /// Empty where another rank keeps it.
    folder: PathBuf,
    seconds_before: f64,
}

/// A run's folder, held by this process until the value is dropped or the process ends.
#[derive(Debug)]
#[must_use = "the folder is free again once this is dropped"]
pub struct RunLock(#[allow(dead_code, reason = "the lock lives as long as the file is open")] File);

impl Run {
    /// Takes the run's folder for this process, before its checkpoint is read: two processes that train one run would overwrite
    /// each other's checkpoints.
    ///
    /// # Errors
    /// [`Error::Busy`] while another holds it.
    pub fn lock(folder: &Path) -> Result<RunLock, Error> {
        let path = folder.join("lock");
        let file = File::create(&path).map_err(Error::write(&path))?;
        match file.try_lock() {
            Ok(()) => Ok(RunLock(file)),
            Err(TryLockError::WouldBlock) => Err(Error::Busy { path: folder.into() }),
            Err(TryLockError::Error(source)) => Err(Error::Write { path, source }),
        }
    }

    /// A new run in the next free numbered folder below `out`, e.g. `runs/00003-c128`.
    ///
    /// # Errors
    /// The configuration cannot be trained, or the folder cannot be made.
    pub fn create(config: Config, data: Arc<Dataset>, out: &Path, threads: usize) -> Result<Self, Error> {
        Self::begin(Trainer::new(config, threads)?, data, out, 0.0)
    }

    /// A new run that starts from the networks of a smaller one; see [`Trainer::grow`].
    ///
    /// # Errors
    /// `config` does not extend the checkpoint's, or the folder cannot be made.
    pub fn grow(
        from: &Checkpoint,
        config: Config,
        data: Arc<Dataset>,
        out: &Path,
        threads: usize,
    ) -> Result<Self, Error> {
        Self::begin(Trainer::grow(&from.trainer, config, threads)?, data, out, from.seconds)
    }

    fn begin(trainer: Trainer, data: Arc<Dataset>, out: &Path, seconds_before: f64) -> Result<Self, Error> {
        Self::check(&trainer, &data)?;
        let folder = next_folder(out, &trainer.config().name)?;
        create_subfolders(&folder)?;
        Ok(Self { trainer, data, folder, seconds_before })
    }

    /// Refuses pictures of other classes than the networks are told of.
    fn check(trainer: &Trainer, data: &Dataset) -> Result<(), Error> {
        let (told, has) = (trainer.config().classes(), data.classes().len());
        if told == has { Ok(()) } else { Err(Error::Classes { told, has }) }
    }

    /// Goes on with the run in `folder` from `checkpoint`, as if it had never stopped. Statistics of after the checkpoint are dropped: they will be made
    /// again. Later checkpoints, which are of a way that the run leaves, get names that end in `.left`.
    ///
    /// # Errors
    /// The folder's statistics cannot be rewritten, or a folder or file in it cannot be made or renamed.
    pub fn resume(folder: &Path, mut checkpoint: Checkpoint, data: Arc<Dataset>) -> Result<Self, Error> {
        Self::check(&checkpoint.trainer, &data)?;
        checkpoint.trainer.prepare()?;
        create_subfolders(folder)?;
        if checkpoint.dataset != data.fingerprint() {
            tracing::warn!(
                "the pictures differ from those of the run so far; it goes on, but is no longer the same run"
            );
        }
        let seen = checkpoint.trainer.progress().kimg();
        for name in [STATS, MEASUREMENTS] {
            truncate_stats_after(&folder.join(name), seen)?;
        }
        checkpoint::set_aside_after(&folder.join(CHECKPOINTS), checkpoint.trainer.progress().images)?;
        Ok(Self { trainer: checkpoint.trainer, data, folder: folder.into(), seconds_before: checkpoint.seconds })
    }

    /// A part in a run whose folder rank 0 keeps: nothing is written. `trainer` holds what rank 0's does: networks made with the same configuration, from
    /// the same checkpoint where it starts from one. [`Run::join`] must follow.
    ///
    /// # Errors
    /// [`Error::Features`] where the feature critic's network is missing, [`Error::Config`] where the ink network is.
    pub fn beside(mut trainer: Trainer, data: Arc<Dataset>) -> Result<Self, Error> {
        Self::check(&trainer, &data)?;
        trainer.prepare()?;
        Ok(Self { trainer, data, folder: PathBuf::new(), seconds_before: 0.0 })
    }

    /// Trains together with others; see [`Trainer::join`]. To be called last, right before [`Run::train`].
    ///
    /// # Errors
    /// As [`Trainer::join`].
    ///
    /// # Panics
    /// If rank 0 keeps no folder, or another one does.
    pub fn join(&mut self, ranks: Box<dyn Collective>) -> Result<(), Error> {
        assert_eq!(ranks.rank() > 0, self.folder.as_os_str().is_empty(), "rank 0 keeps the folder, and no other");
        self.trainer.join(ranks, self.data.fingerprint())
    }

    /// Begins the discriminator behind ink as the judge of a run of ink; see [`Trainer::begin_inked`].
    ///
    /// # Errors
    /// As [`Trainer::begin_inked`].
    pub fn begin_inked(&mut self, ink: &InkTrainer) -> Result<bool, Error> {
        self.trainer.begin_inked(ink)
    }

    /// Trains on `device`; see [`Trainer::move_to`].
    ///
    /// # Errors
    /// As [`Trainer::move_to`].
    pub fn move_to(&mut self, device: Device) -> Result<(), Error> {
        self.trainer.move_to(device)
    }

    /// Folder of the run; empty where another rank keeps it.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The trainer, for a look at its state.
    pub fn trainer(&self) -> &Trainer {
        &self.trainer
    }

    /// Stores the configuration in the run's folder.
    ///
    /// # Errors
    /// The file cannot be written.
    #[allow(clippy::missing_panics_doc, reason = "plain data always serialises")]
    pub fn write_config(&self) -> Result<(), Error> {
        let config = serde_json::to_vec_pretty(self.trainer.config()).expect("a configuration is plain data");
        write(&self.folder.join("config.json"), &config)
    }

    /// Trains until the run's length is reached or `stop` is set, on any rank; then finishes the step, saves and returns.
    ///
    /// # Errors
    /// Losses that are no numbers, data that cannot be read, a disk that is full, another rank that is gone: the last checkpoint is intact.
    #[allow(clippy::missing_panics_doc, reason = "plain data always serialises, and the loader hands over its errors")]
    pub fn train(&mut self, stop: &AtomicBool, observer: &mut dyn Observer) -> Result<(), Error> {
        let leads = self.trainer.rank() == 0;
        if leads {
            self.write_config()?;
            observer.started(&self.folder, &self.trainer);
        }
        let (data, batch, part) = (Arc::clone(&self.data), self.trainer.config().batch, self.trainer.part());
        // Each rank takes its part of every batch.
        let first = self.trainer.progress().images + (self.trainer.rank() * part) as u64;
        let (sender, batches) = sync_channel(BATCHES_AHEAD);
        // Ends by itself: the channel closes when the loop below is left.
        let loader = thread::spawn(move || {
            for position in (first..).step_by(batch) {
                let (mut pixels, classes) = (Vec::new(), data.batch_classes(position, part));
                let loaded = data.batch(position, part, &mut pixels).map(|()| Batch { pixels, classes });
                let failed = loaded.is_err();
                if sender.send(loaded).is_err() || failed {
                    break;
                }
            }
        });
        let next = || batches.recv().expect("the loader sends until it fails");
        let result = if leads { self.steps(stop, observer, next) } else { self.follow(stop, observer, next) };
        drop(batches);
        loader.join().expect("the loader does not panic");
        result
    }

    fn steps(
        &mut self,
        stop: &AtomicBool,
        observer: &mut dyn Observer,
        mut next: impl FnMut() -> Result<Batch, dataset::Error>,
    ) -> Result<(), Error> {
        let config = self.trainer.config().clone();
        let mut meter = self.meter()?;
        let mut measured = self.measured_so_far()?;
        let mut events = Events::begin(&self.folder, self.trainer.progress().images)?;
        let start = Instant::now();
        let (mut ticked, mut snapped) = (start, start);
        let first = self.trainer.progress().images;
        let (mut tick_images, mut snap_images) = (first, first);
        if snap_images == 0 {
            self.snapshot(self.seconds_before, &mut events, observer)?;
        }
        loop {
            let finished = self.trainer.progress().kimg() >= config.kimg;
            let done = finished || self.trainer.any(stop.load(Ordering::Relaxed))?;
            let images = self.trainer.progress().images;
            let since = |then: u64| (images - then) as f64 / 1000.0;
            let seconds = self.seconds_before + start.elapsed().as_secs_f64();
            if is_tick(&config, tick_images, images, done) {
                let speed = (images - tick_images) as f64 / ticked.elapsed().as_secs_f64();
                self.tick(speed, seconds, &mut events, observer)?;
                (ticked, tick_images) = (Instant::now(), images);
            }
            let due = since(snap_images) >= config.kimg_per_snapshot || snapped.elapsed() > LONGEST_BETWEEN_SNAPSHOTS;
            // Only after a tick: its losses were found finite just now.
            if images > snap_images && (done || due && tick_images == images) {
                self.snapshot(seconds, &mut events, observer)?;
                (snapped, snap_images) = (Instant::now(), images);
            }
            if let Some(meter) = &mut meter
                && meter.due(images.saturating_sub(config.batch as u64), images, finished)
            {
                // The further averages are of use once the run is over.
                let further = if finished { config.ema.widths.as_slice() } else { &[] };
                for average in [None].into_iter().chain(further.iter().copied().map(Some)) {
                    // What was measured before the run stopped is in its file.
                    if !measured.iter().any(|m| is_of(m, images, average)) {
                        measured.push(self.measure(meter, average, &measured, &mut events, observer)?);
                        ticked += meter.took();
                    }
                }
            }
            if done {
                return Ok(());
            }
            let Batch { pixels, classes } = next()?;
            self.trainer.step(&pixels, &classes)?;
            observer.stepped(self.trainer.progress());
        }
    }

    /// What a rank other than the first does: the same steps, and at the same ones the others' calls.
    fn follow(
        &mut self,
        stop: &AtomicBool,
        observer: &mut dyn Observer,
        mut next: impl FnMut() -> Result<Batch, dataset::Error>,
    ) -> Result<(), Error> {
        let config = self.trainer.config().clone();
        let mut tick_images = self.trainer.progress().images;
        loop {
            let finished = self.trainer.progress().kimg() >= config.kimg;
            let done = finished || self.trainer.any(stop.load(Ordering::Relaxed))?;
            let images = self.trainer.progress().images;
            if is_tick(&config, tick_images, images, done) {
                self.trainer.take_means()?;
                tick_images = images;
            }
            if done {
                return Ok(());
            }
            let Batch { pixels, classes } = next()?;
            self.trainer.step(&pixels, &classes)?;
            observer.stepped(self.trainer.progress());
        }
    }

    fn tick(
        &mut self,
        images_per_second: f64,
        seconds: f64,
        events: &mut Events,
        observer: &mut dyn Observer,
    ) -> Result<(), Error> {
        let averages = self.trainer.take_means()?;
        let fault = self.trainer.take_fault();
        let (progress, schedule) = (self.trainer.progress(), self.trainer.schedule());
        let config = self.trainer.config();
        let tick = Tick {
            progress,
            kimg: progress.kimg(),
            averages,
            gamma: schedule.gamma,
            p: schedule.p,
            critic: schedule.critic,
            lr: schedule.lr * config.optimizer.lr_g,
            images_per_second,
            seconds_per_kimg: 1000.0 / images_per_second,
            memory_mib: resident_mib(),
            seconds,
            eta_seconds: (config.kimg - progress.kimg()).max(0.0) * 1000.0 / images_per_second,
            fault,
        };
        append(&self.folder.join(STATS), &tick)?;
        let a = &tick.averages;
        let mut scalars = vec![
            ("loss/d", a.loss_d),
            ("loss/g", a.loss_g),
            ("output/real", a.real),
            ("output/drawn", a.fake),
            ("penalty", a.penalty),
            ("output/apart", a.apart),
            ("schedule/gamma", tick.gamma),
            ("schedule/lr", tick.lr),
            ("schedule/augment", tick.p),
            ("speed/images_per_second", images_per_second),
        ];
        if config.critic.is_some() {
            scalars.extend([
                ("critic/loss", a.critic),
                ("critic/real", a.critic_real),
                ("critic/drawn", a.critic_fake),
            ]);
        }
        if config.inked.is_some() {
            scalars.extend([("inked/loss", a.inked), ("inked/real", a.inked_real), ("inked/drawn", a.inked_fake)]);
        }
        events.scalars(progress.images, &scalars)?;
        observer.tick(&tick);
        Ok(())
    }

    /// Measures, and keeps the averaged generator if it is better than all before it.
    fn measure(
        &self,
        meter: &mut Meter,
        average: Option<f64>,
        before: &[Measurement],
        events: &mut Events,
        observer: &mut dyn Observer,
    ) -> Result<Measurement, Error> {
        let weights = self.trainer.average(average)?;
        let draw = |seeds: &[u64]| Ok::<_, Error>(self.trainer.draw_with(weights, seeds, 1.0));
        let measurement = meter.measure(self.trainer.progress().kimg(), average, draw)?;
        append(&self.folder.join(MEASUREMENTS), &measurement)?;
        let tag = average.map_or_else(|| "metric/kd".into(), |width| format!("metric/kd_average_{width}"));
        events.scalars(self.trainer.progress().images, &[(&tag, measurement.kd)])?;
        observer.measured(&measurement);
        if before.iter().all(|before| measurement.kd < before.kd) {
            let mut model = crate::export::model(&self.trainer, average, "unspecified")?;
            model.metadata.provenance["kd"] = serde_json::json!(measurement);
            let path = self.folder.join(BEST);
            model.save(&path, synth::WeightDtype::F16)?;
        }
        Ok(measurement)
    }

    /// A meter as the configuration asks for, or none: where it is off, or (said once) where its network is missing.
    fn meter(&self) -> Result<Option<Meter>, Error> {
        let metric = &self.trainer.config().metric;
        if metric.kimg <= 0.0 {
            return Ok(None);
        }
        let network = match Network::find(&metric.network) {
            Ok(network) => network,
            Err(error) => {
                tracing::warn!("nothing will be measured: {error}");
                return Ok(None);
            }
        };
        let crew = kernels::Crew::new(kernels::Isa::best(), self.trainer.processor().0);
        let evaluator = Evaluator::new(network, Resizing::Clean, crew);
        Ok(Some(Meter::new(evaluator, &self.data, metric.samples, metric.kimg)?))
    }

    /// What was measured in this run before.
    fn measured_so_far(&self) -> Result<Vec<Measurement>, Error> {
        let path = self.folder.join(MEASUREMENTS);
        if !path.exists() {
            return Ok(Vec::new());
        }
        let text = fs::read_to_string(&path).map_err(Error::read(&path))?;
        Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
    }

    fn snapshot(&self, seconds: f64, events: &mut Events, observer: &mut dyn Observer) -> Result<(), Error> {
        let progress = self.trainer.progress();
        let seeds: Vec<u64> = (0..(GRID * GRID) as u64).collect();
        for psi in GRID_PSI {
            let pictures = self.trainer.draw(&seeds, psi);
            let png = grid::png(&pictures, GRID);
            let side = GRID * self.trainer.config().resolution();
            events.image(progress.images, &format!("samples/psi-{psi:.1}"), (side, side), &png)?;
            write(&self.folder.join(GRIDS).join(format!("{:09}-psi-{psi:.1}.png", progress.images)), &png)?;
        }
        let folder = self.folder.join(CHECKPOINTS);
        let path = checkpoint::path(&folder, progress.images);
        Checkpoint::save(&self.trainer, self.data.fingerprint(), seconds, &path)?;
        let all = checkpoint::list(&folder)?;
        for (_, old) in &all[..all.len().saturating_sub(CHECKPOINTS_KEPT)] {
            fs::remove_file(old).map_err(Error::write(old))?;
        }
        observer.snapshot(&path);
        Ok(())
    }
}

/// Whether statistics are due after `images` pictures, the last ones being of after `ticked`.
fn is_tick(config: &Config, ticked: u64, images: u64, done: bool) -> bool {
    images > ticked && (done || (images - ticked) as f64 / 1000.0 >= config.kimg_per_tick)
}

/// Whether a measurement is that of an average after `images` pictures.
fn is_of(measurement: &Measurement, images: u64, average: Option<f64>) -> bool {
    let near = |a: f64, b: f64| (a - b).abs() < 1e-6;
    let same = match (measurement.average, average) {
        (Some(a), Some(b)) => near(a, b),
        (a, b) => a.is_none() && b.is_none(),
    };
    same && near(measurement.kimg, images as f64 / 1000.0)
}

/// Adds `value` as a line.
fn append(path: &Path, value: &impl Serialize) -> Result<(), Error> {
    let line = serde_json::to_string(value).expect("statistics are plain data");
    synth::append_line(path, &line).map_err(Error::write(path))
}

/// Drops the lines of statistics of after `kimg` thousand pictures, which will be made again.
///
/// # Errors
/// [`Error::Read`] and [`Error::Write`]; the file is as it was then.
pub fn truncate_stats_after(path: &Path, kimg: f64) -> Result<(), Error> {
    if !path.exists() {
        return Ok(());
    }
    let text = fs::read_to_string(path).map_err(Error::read(path))?;
    let earlier = |line: &&str| {
        let line: Option<serde_json::Value> = serde_json::from_str(line).ok();
        line.and_then(|line| line["kimg"].as_f64()).is_some_and(|of| of <= kimg)
    };
    let kept: String = text.lines().filter(earlier).flat_map(|line| [line, "\n"]).collect();
    write(path, kept.as_bytes())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    synth::write_atomically(path, bytes).map_err(Error::write(path))
}

/// `out/NNNNN-name` with the next free number.
fn next_folder(out: &Path, name: &str) -> Result<PathBuf, Error> {
    fs::create_dir_all(out).map_err(Error::write(out))?;
    let mut next = 0;
    for entry in fs::read_dir(out).map_err(Error::read(out))? {
        let taken = entry.map_err(Error::read(out))?.file_name();
        let number = taken.to_str().and_then(|n| n.split('-').next()?.parse::<u32>().ok());
        next = next.max(number.map_or(0, |n| n + 1));
    }
    let folder = out.join(format!("{next:05}-{name}"));
    fs::create_dir(&folder).map_err(Error::write(&folder))?;
    Ok(folder)
}

/// The folders that a run writes into; of one that is resumed, only the checkpoint may be left.
fn create_subfolders(folder: &Path) -> Result<(), Error> {
    for sub in [CHECKPOINTS, GRIDS].map(|sub| folder.join(sub)) {
        fs::create_dir_all(&sub).map_err(Error::write(&sub))?;
    }
    Ok(())
}

/// Resident memory in MiB on Linux.
fn resident_mib() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? / 1024)
}

//! What the tests share: a folder of pictures they draw themselves, a small configuration, a silent observer.

#![allow(dead_code, reason = "each test binary uses its own part")]

pub(crate) mod threads;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dataset::{Dataset, LabelSource, Options};
use features::Measurement;
use gan::{Checkpoint, Collective, Config, MetricConfig, Observer, Precision, Progress, Run, StepMeans, Tick, Trainer};

/// Discs of many colours and places, `n` of them.
pub(crate) fn pictures(folder: &Path, n: u32) {
    for i in 0..n {
        let (cx, cy, r) = ((i * 7) % 24 + 4, (i * 11) % 24 + 4, (i % 5) + 4);
        let inside = |x: u32, y: u32| x.abs_diff(cx).pow(2) + y.abs_diff(cy).pow(2) < r * r;
        let picture = image::RgbImage::from_fn(32, 32, |x, y| {
            let c = (i * 37 % 256) as u8;
            image::Rgb(if inside(x, y) { [c, 255 - c, 90] } else { [30, (i % 64) as u8, 60] })
        });
        picture.save(folder.join(format!("{i}.png"))).unwrap();
    }
    // For those who ask for them: three classes, by the disc's size.
    let labels: Vec<_> = (0..n).map(|i| (format!("{i}.png"), i % 3)).collect();
    fs::write(folder.join("dataset.json"), serde_json::json!({ "labels": labels }).to_string()).unwrap();
}

/// 16 px, a few steps long, in f32.
pub(crate) fn config() -> Config {
    let mut c = Config { batch: 8, kimg: 0.096, precision: Precision::F32, ..Config::preset("tiny").unwrap() };
    (c.discriminator.group, c.loss.penalty_fraction) = (4, 0.5);
    // Whatever lies in this machine's folder of feature networks is not for tests.
    c.metric = MetricConfig { kimg: 0.0, network: "none".into(), ..MetricConfig::default() };
    c.kimg_per_tick = 0.016;
    c.kimg_per_snapshot = 0.032;
    c
}

/// The pictures of `folder` as `config` wants them.
pub(crate) fn data(folder: &Path, config: &Config) -> Arc<Dataset> {
    let labels = (config.classes() > 0).then(|| LabelSource::File(folder.join("dataset.json")));
    let options = Options { mirror: config.mirror, seed: config.seed, labels, ..Options::new(config.resolution()) };
    Arc::new(Dataset::open(&[folder], &options).unwrap())
}

/// Remembers what it was told and asks to stop after a number of pictures.
#[derive(Default)]
pub(crate) struct Watcher {
    pub(crate) stop: Arc<AtomicBool>,
    pub(crate) stop_at: Option<u64>,
    pub(crate) ticks: Vec<Tick>,
    pub(crate) measurements: Vec<Measurement>,
    pub(crate) snapshots: Vec<PathBuf>,
}

impl Observer for Watcher {
    fn started(&mut self, _: &Path, _: &Trainer) {}

    fn stepped(&mut self, progress: Progress) {
        if self.stop_at.is_some_and(|n| progress.images >= n) {
            self.stop.store(true, Ordering::Relaxed);
        }
    }

    fn tick(&mut self, tick: &Tick) {
        self.ticks.push(tick.clone());
    }

    fn measured(&mut self, measurement: &Measurement) {
        self.measurements.push(measurement.clone());
    }

    fn snapshot(&mut self, checkpoint: &Path) {
        self.snapshots.push(checkpoint.into());
    }
}

/// A batch of made-up pictures of 16 px.
pub(crate) fn pixels(config: &Config) -> Vec<u8> {
    (0..config.batch * 16 * 16 * 3).map(|i| (i * 37 % 251) as u8).collect()
}

/// What four steps on made-up pixels give: a drawn picture and the averages.
pub(crate) fn trained(config: Config) -> (Vec<f32>, StepMeans) {
    let pixels = pixels(&config);
    let mut trainer = Trainer::new(config, 1).unwrap();
    (0..4).for_each(|_| trainer.step(&pixels, &[]).unwrap());
    let averages = trainer.take_means().unwrap();
    (trainer.raw(1, 1.0), averages)
}

/// The largest difference between two pictures.
pub(crate) fn apart(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// The lines of a run's file.
fn lines<T: serde::de::DeserializeOwned>(run: &Path, name: &str) -> Vec<T> {
    let text = fs::read_to_string(run.join(name)).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The tensors and counters of a checkpoint; the training time that also stands in it is left aside.
pub(crate) fn state(run: &Path) -> (Vec<u8>, u64) {
    let newest = fs::read_dir(run.join("checkpoints")).unwrap().map(|e| e.unwrap().path()).max().unwrap();
    let bytes = fs::read(newest).unwrap();
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let progress = Checkpoint::find(run, 1).unwrap().trainer.progress();
    (bytes[header..].to_vec(), progress.images)
}

pub(crate) fn resume(folder: &Path, photos: &Path, threads: usize) -> Run {
    let checkpoint = Checkpoint::find(folder, threads).unwrap();
    let data = data(photos, checkpoint.trainer.config());
    Run::resume(folder, checkpoint, data).unwrap()
}

/// Trains in one go on two threads, and again with a stop (and a later death after the last checkpoint) in between, on one and three.
pub(crate) fn stopped_and_unstopped(config: &Config) {
    let dir = tempfile::tempdir().unwrap();
    let photos = dir.path().join("photos");
    fs::create_dir(&photos).unwrap();
    pictures(&photos, 60);
    let create = |out: &str| Run::create(config.clone(), data(&photos, config), &dir.path().join(out), 2).unwrap();

    let mut whole = create("whole");
    whole.train(&AtomicBool::new(false), &mut Watcher::default()).unwrap();

    // The first part ends by request after 40 pictures.
    let mut first = create("parts");
    let mut watcher = Watcher { stop_at: Some(40), ..Watcher::default() };
    first.train(&watcher.stop.clone(), &mut watcher).unwrap();
    let folder = first.folder().to_path_buf();
    assert_eq!(first.trainer().progress().images, 40);
    drop(first);
    // The second part is killed: what it did after its last checkpoint is lost and made again.
    let kept = tempfile::tempdir().unwrap();
    for e in fs::read_dir(folder.join("checkpoints")).unwrap() {
        let e = e.unwrap();
        fs::copy(e.path(), kept.path().join(e.file_name())).unwrap();
    }
    let mut watcher = Watcher { stop_at: Some(56), ..Watcher::default() };
    resume(&folder, &photos, 1).train(&watcher.stop.clone(), &mut watcher).unwrap();
    fs::remove_dir_all(folder.join("checkpoints")).unwrap();
    fs::rename(kept.path(), folder.join("checkpoints")).unwrap();
    // A checkpoint alone is enough.
    fs::remove_dir_all(folder.join("grids")).unwrap();
    let mut last = resume(&folder, &photos, 3);
    assert_eq!(last.trainer().progress().images, 40);
    last.train(&AtomicBool::new(false), &mut Watcher::default()).unwrap();

    let (a, b) = (state(whole.folder()), state(&folder));
    assert_eq!(a.1, 96);
    assert_eq!(a.1, b.1);
    assert!(a.0 == b.0, "the resumed run's weights, averages or moments differ");
    let ticks: Vec<_> = lines::<Tick>(&folder, "stats.jsonl").iter().map(|t| t.progress.images).collect();
    assert!(ticks.is_sorted_by(|a, b| a < b), "statistics repeat: {ticks:?}");
    let measured = |run: &Run| lines::<Measurement>(run.folder(), "metrics.jsonl");
    assert_eq!(measured(&whole), measured(&last), "the resumed run measured something else");
    assert_eq!(measured(&whole).is_empty(), !Path::new(&config.metric.network).exists());
}

/// A run of two ranks, as threads, with pictures below `dir`: a new one, or that of `folder`. The second asks to stop after `stop_at` pictures. Gives the
/// folder, and what either rank was told.
pub(crate) fn by_two(
    config: &Config,
    dir: &Path,
    folder: Option<&Path>,
    stop_at: Option<u64>,
) -> (PathBuf, [Watcher; 2]) {
    let photos = dir.join("photos");
    if !photos.exists() {
        fs::create_dir(&photos).unwrap();
        pictures(&photos, 60);
    }
    let ends = threads::on_each(2, |threads| {
        let leads = threads.rank() == 0;
        let mut run = match (folder, leads) {
            (Some(folder), true) => resume(folder, &photos, 1),
            (None, true) => Run::create(config.clone(), data(&photos, config), &dir.join("runs"), 1).unwrap(),
            (_, false) => {
                let old = folder.map(|folder| Checkpoint::find(folder, 1).unwrap().trainer);
                Run::beside(old.unwrap_or_else(|| Trainer::new(config.clone(), 1).unwrap()), data(&photos, config))
                    .unwrap()
            }
        };
        run.join(Box::new(threads)).unwrap();
        let mut watcher = Watcher { stop_at: stop_at.filter(|_| !leads), ..Watcher::default() };
        run.train(&watcher.stop.clone(), &mut watcher).unwrap();
        // What the second holds in the end is what the first has saved.
        let end = dir.join("end").join(run.trainer().rank().to_string()).join("checkpoints");
        fs::create_dir_all(&end).unwrap();
        Checkpoint::save(run.trainer(), "any", 0.0, &end.join("000000000.safetensors")).unwrap();
        let kept = if leads { run.folder().to_owned() } else { end.parent().unwrap().to_owned() };
        (kept.clone(), state(&kept), watcher)
    });
    let [(folder, saved, told), (_, other, silent)]: [_; 2] = ends.try_into().ok().unwrap();
    assert!(saved == other, "the ranks ended with different states");
    (folder, [told, silent])
}

/// Two ranks train `config` in one go, and again with a stop in between, and get the same.
pub(crate) fn stopped_and_unstopped_by_two(config: &Config) {
    let dir = tempfile::tempdir().unwrap();
    let (whole, [told, silent]) = by_two(config, dir.path(), None, None);
    assert_eq!((state(&whole).1, told.ticks.len()), (96, 6), "pictures are those of both");
    assert!(silent.ticks.is_empty() && silent.snapshots.is_empty(), "the first rank speaks for both");
    assert_eq!(fs::read_dir(dir.path().join("runs")).unwrap().count(), 1, "the first rank alone makes a folder");
    let (parts, _) = by_two(config, dir.path(), None, Some(40));
    assert_eq!(state(&parts).1, 40, "one that asks stops both");
    let (parts, _) = by_two(config, dir.path(), Some(&parts), None);
    assert!(state(&whole) == state(&parts), "the resumed run's weights, averages or moments differ");
}

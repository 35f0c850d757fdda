//! What the tests share: a folder of pictures they draw themselves, a small configuration, a silent observer.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dataset::{Dataset, Options};
use gan::{Config, Observer, Precision, Progress, Tick, Trainer};

/// libtorch has one generator of random numbers and one thread count a process, so tests that train do it one after another,
/// on one thread.
pub(crate) fn one_at_a_time() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    gan::set_num_threads(1);
    turn
}

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
}

/// 16 px, a few steps long, in f32.
pub(crate) fn config() -> Config {
    let mut c = Config { batch: 8, kimg: 0.096, precision: Precision::F32, ..Config::preset("tiny").unwrap() };
    c.loss.penalty_fraction = 0.5;
    c.kimg_per_tick = 0.016;
    c.kimg_per_snapshot = 0.032;
    c
}

/// The pictures of `folder` as `config` wants them.
pub(crate) fn data(folder: &Path, config: &Config) -> Arc<Dataset> {
    let options = Options { mirror: config.mirror, seed: config.seed, ..Options::new(config.resolution()) };
    Arc::new(Dataset::open(&[folder], &options).unwrap())
}

/// Remembers what it was told and asks to stop after a number of pictures.
#[derive(Default)]
pub(crate) struct Watcher {
    pub(crate) stop: Arc<AtomicBool>,
    pub(crate) stop_at: Option<u64>,
    pub(crate) ticks: Vec<Tick>,
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

    fn snapshot(&mut self, checkpoint: &Path) {
        self.snapshots.push(checkpoint.into());
    }
}

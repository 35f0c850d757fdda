//! The kernel distance of the averaged generator's pictures from training pictures, measured while a run goes on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dataset::Dataset;
use serde::{Deserialize, Serialize};
use tch::{Device, Tensor};

use crate::{Config, Error, Evaluator, Features, Progress, Resizing, Spoil, Trainer, metrics};

/// The first of the seeds that are drawn: far from those a visitor or a grid looks at.
const FIRST_SEED: u64 = 1 << 32;

/// One measurement: a line of `metrics.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// Thousands of real pictures seen in this run.
    pub kimg: f64,
    /// Relative width of the average that drew; none for the one that is shown.
    #[serde(default)]
    pub average: Option<f64>,
    /// Unbiased kernel distance at psi 1.
    pub kd: f64,
    /// Pictures of each kind.
    pub samples: usize,
    /// Name of the feature network.
    pub network: String,
    /// Hash of its file.
    pub hash: String,
}

/// Draws, measures and remembers the real pictures' features.
pub(crate) struct Meter {
    evaluator: Evaluator,
    real: Tensor,
    every_kimg: f64,
    took: Duration,
}

impl Meter {
    /// A meter as `config` asks for, or none: where it is off, or (said once) where its network is missing.
    pub(crate) fn open(config: &Config, data: &Arc<Dataset>, device: Device) -> Result<Option<Self>, Error> {
        let metric = &config.metric;
        if metric.kimg <= 0.0 {
            return Ok(None);
        }
        let network = match Features::find(&metric.network, device) {
            Ok(network) => network,
            Err(error) => {
                tracing::warn!("nothing will be measured: {error}");
                return Ok(None);
            }
        };
        let evaluator = Evaluator::new(network, Resizing::Clean, device);
        let real = evaluator.training(data, 0, metric.samples, Spoil::No, |_| ())?;
        Ok(Some(Self { evaluator, real, every_kimg: metric.kimg, took: Duration::ZERO }))
    }

    /// Whether a measurement belongs after the step just taken: each time a multiple of the interval is passed, and when the run is
    /// `finished`. Not when it is only interrupted, so that an interrupted run measures what an uninterrupted one does.
    pub(crate) fn due(&self, progress: Progress, batch: usize, finished: bool) -> bool {
        let passed = |images: u64| (images as f64 / 1000.0 / self.every_kimg).floor();
        let before = progress.images.saturating_sub(batch as u64);
        progress.images > 0 && (finished || passed(progress.images) > passed(before))
    }

    pub(crate) fn measure(&mut self, trainer: &Trainer, average: Option<f64>) -> Result<Measurement, Error> {
        let start = Instant::now();
        let samples = self.real.size()[0] as usize;
        let seeds: Vec<u64> = (0..samples as u64).map(|i| FIRST_SEED + i).collect();
        let drawn = self.evaluator.drawn(&trainer.draw_with(trainer.average(average)?, &seeds, 1.0)?);
        let network = self.evaluator.network();
        let measurement = Measurement {
            kimg: trainer.progress().kimg(),
            average,
            kd: metrics::kernel_distance(&self.real, &drawn),
            samples,
            network: network.name().into(),
            hash: network.hash().into(),
        };
        self.took = start.elapsed();
        Ok(measurement)
    }

    /// How long the last measurement took: it is no part of the training's speed.
    pub(crate) fn took(&self) -> Duration {
        self.took
    }
}

//! How the pictures of a generator that learns compare with real ones, measured while a run goes on.

use std::time::{Duration, Instant};

use dataset::Dataset;
use serde::{Deserialize, Serialize};
use synth::Picture;

use crate::metrics::{self, Kinds, Prdc, Rows};
use crate::{Corruption, Error, Evaluator};

/// The first of the seeds that are drawn: far from those a visitor or a grid looks at.
pub const FIRST_SEED: u64 = 1 << 32;

/// One measurement: a line of `metrics.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// Thousands of real pictures seen in this run.
    pub kimg: f64,
    /// Relative width of the average that drew; none for the one that is shown.
    #[serde(default)]
    pub average: Option<f64>,
    /// Unbiased kernel distance from training pictures at psi 1.
    pub kd: f64,
    /// Precision, recall, density and coverage against held-out pictures; none in older runs, and where fewer than [`Meter::FEWEST`] are held out.
    #[serde(flatten)]
    pub coverage: Option<Prdc>,
    /// Divergence of the drawn pictures' shares of the kinds of training pictures, in nats; see [`Kinds`]. None in older runs.
    #[serde(default)]
    pub divergence: Option<f64>,
    /// Kinds of training pictures that get less than a quarter of their share. None in older runs.
    #[serde(default)]
    pub starved: Option<usize>,
    /// Drawn pictures, and training pictures they were compared with.
    pub samples: usize,
    /// Held-out pictures. None in older runs.
    #[serde(default)]
    pub held_out: Option<usize>,
    /// Name of the feature network.
    pub network: String,
    /// Hash of its file.
    pub hash: String,
}

/// Measures, and remembers the real pictures' features.
#[derive(Debug)]
pub struct Meter {
    evaluator: Evaluator,
    real: Rows,
    kinds: Kinds,
    held_out: Rows,
    every_kimg: f64,
    took: Duration,
}

impl Meter {
    /// Fewest pictures on either side of which precision, recall, density and coverage say anything.
    pub const FEWEST: usize = 10;

    /// A meter that compares `samples` drawn pictures with as many training pictures, every `every_kimg` thousand pictures; fewer where there are fewer
    /// training pictures, each of which counts once.
    ///
    /// # Errors
    /// If a picture cannot be read.
    ///
    /// # Panics
    /// If `samples` is zero.
    pub fn new(evaluator: Evaluator, data: &Dataset, samples: usize, every_kimg: f64) -> Result<Self, Error> {
        // The distance of a single picture is no number, so that one comes twice.
        let samples = samples.min(data.len().max(2));
        let real = evaluator.training(data, 0, samples, Corruption::No, |_| ())?;
        let held_out = evaluator.held_out(data, |_| ())?;
        let kinds = Kinds::find(evaluator.crew(), &real);
        Ok(Self { evaluator, real, kinds, held_out, every_kimg, took: Duration::ZERO })
    }

    /// Whether a measurement belongs after the step that led from `before` to `images` pictures: each time a multiple of the interval
    /// is passed, and when the run is `finished`. Not when it is only interrupted, so that an interrupted run measures what an
    /// uninterrupted one does.
    pub fn due(&self, before: u64, images: u64, finished: bool) -> bool {
        let passed = |images: u64| (images as f64 / 1000.0 / self.every_kimg).floor();
        images > 0 && (finished || passed(images) > passed(before))
    }

    /// Measures the generator that `draw` draws with at psi 1: it is given seeds and returns their pictures.
    ///
    /// # Errors
    /// The error of `draw`.
    pub fn measure<E>(
        &mut self,
        kimg: f64,
        average: Option<f64>,
        draw: impl FnOnce(&[u64]) -> Result<Vec<Picture>, E>,
    ) -> Result<Measurement, E> {
        let start = Instant::now();
        let samples = self.real.len();
        let seeds: Vec<u64> = (0..samples as u64).map(|i| FIRST_SEED + i).collect();
        let drawn = self.evaluator.drawn(&draw(&seeds)?);
        let (network, crew) = (self.evaluator.network(), self.evaluator.crew());
        let enough = self.held_out.len().min(drawn.len()) >= Self::FEWEST;
        let missing = self.kinds.missing(crew, &drawn);
        let measurement = Measurement {
            kimg,
            average,
            kd: metrics::kernel_distance(crew, &self.real, &drawn),
            coverage: enough.then(|| metrics::prdc(crew, &self.held_out, &drawn)),
            divergence: Some(missing.divergence),
            starved: Some(missing.starved),
            samples,
            held_out: Some(self.held_out.len()),
            network: network.name().into(),
            hash: network.hash().into(),
        };
        self.took = start.elapsed();
        Ok(measurement)
    }

    /// How long the last measurement took: it is no part of the training's speed.
    pub fn took(&self) -> Duration {
        self.took
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_older_runs_are_read() {
        let old = r#"{"kimg": 20.0, "kd": 0.03, "samples": 2000, "network": "n", "hash": "h"}"#;
        let read: Measurement = serde_json::from_str(old).unwrap();
        assert_eq!((read.coverage, read.divergence, read.starved, read.average), (None, None, None, None));
        assert_eq!(read.held_out, None);
        let coverage = Prdc { precision: 0.5, recall: 0.1, density: 1.0, coverage: 0.25 };
        let new = Measurement {
            coverage: Some(coverage),
            divergence: Some(0.5),
            starved: Some(3),
            held_out: Some(40),
            ..read
        };
        let line = serde_json::to_string(&new).unwrap();
        assert!(line.contains(r#""recall":0.1"#), "{line}");
        assert_eq!(serde_json::from_str::<Measurement>(&line).unwrap(), new);
    }
}

//! Training: a generator and a discriminator on libtorch, their losses, averages and schedules, and runs on disk that can be
//! stopped at any moment and go on as if nothing had happened.
//!
//! A [`Config`] is the whole recipe as data; a [`Trainer`] takes steps with it; a [`Run`] feeds the trainer from a
//! [`dataset::Dataset`], writes statistics, grids and checkpoints, and tells an [`Observer`]. [`Checkpoint::export`] makes the model
//! file that the `synth` crate draws from.
//!
//! This crate does not decode pictures, draw for visitors or parse command lines. It needs libtorch 2.11.
//!
//! ```
//! use gan::{Config, Trainer};
//!
//! let config = Config { batch: 8, ..Config::preset("tiny")? };
//! let batch = vec![127; config.batch * 16 * 16 * 3];
//! let config = Config { loss: gan::LossConfig { penalty_fraction: 0.5, ..config.loss.clone() }, ..config };
//! let mut trainer = Trainer::new(config, gan::Device::Cpu)?;
//! trainer.step(&batch);
//! assert_eq!(trainer.progress().images, 8);
//! assert!(trainer.take_averages()?.loss_d.is_finite());
//! # Ok::<(), gan::Error>(())
//! ```

mod adam;
mod augment;
pub mod calibrate;
mod checkpoint;
mod config;
mod critic;
mod discriminator;
mod error;
mod evaluate;
mod events;
mod export;
mod features;
mod generator;
mod grid;
mod grow;
mod loss;
mod meter;
pub mod metrics;
mod ops;
mod params;
mod run;
mod schedule;
mod trainer;

pub use checkpoint::Checkpoint;
pub use config::{
    AugmentConfig, Config, CriticConfig, DiscriminatorConfig, Downsample, EmaConfig, GrowthConfig, LossConfig,
    MetricConfig, OptimizerConfig, Pairing, Penalty, Precision,
};
pub use error::Error;
pub use evaluate::{Distances, Evaluator, Floors, Memorisation, Spoil};
pub use features::{Features, Resizing};
pub use meter::Measurement;
pub use run::{Hold, Observer, Run, Tick};
pub use schedule::Schedule;
pub use tch::{Device, Tensor, set_num_threads};
pub use trainer::{Averages, Progress, Trainer};

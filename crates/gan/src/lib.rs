//! Training: a generator and a discriminator, their losses, averages and schedules, and runs on disk that can be stopped at any moment and go on as if
//! nothing had happened.
#[cfg(test)]
extern crate self as gan;

mod adam;
mod augment;
mod auxiliaries;
mod auxiliary;
mod backend;
mod checkpoint;
mod collective;
mod config;
mod cpu;
mod critic;
mod device;
mod discriminator;
mod error;
mod events;
mod export;
mod generator;
mod grid;
mod grow;
mod ink;
mod loss;
mod memory;
mod params;
mod passes;
mod past;
mod planes;
mod project;
mod run;
mod schedule;
mod seeds;
mod selection;
mod state_file;
mod tape;
#[cfg(test)]
#[path = "../tests/common/threads.rs"]
mod threads;
#[cfg(feature = "torch")]
mod torch;
mod trainer;

pub use checkpoint::Checkpoint;
pub use collective::{Collective, Member};
pub use config::{
    AugmentConfig, Config, CriticConfig, DiscriminatorConfig, Downsample, EmaConfig, GrowthConfig, LossConfig,
    MetricConfig, OptimizerConfig, Pairing, Penalty, Precision,
};
pub use device::Device;
pub use error::Error;
pub use ink::{InkConfig, InkJudging, InkOpinion, InkOrigin, InkStep, InkTrainer, InkedConfig};
pub use project::{Difference, Found, ProjectConfig, ProjectionSpace, Projector};
pub use run::{Observer, Run, RunLock, Tick, truncate_stats_after};
pub use schedule::Schedule;
pub use selection::{LatentScores, SelectionFit};
pub use trainer::{Progress, StepMeans, Trainer};

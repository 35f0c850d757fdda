//! A style-based generator as data: what it is made of, how it lies in a file, and how it draws.
//!
//! A [`ModelFile`] holds an [`Architecture`] and its weights; a [`Generator`] is a model made ready; a [`Worker`] turns
//! (seed, psi) into a picture. The same seed, psi and model give the same bytes on the same kind of processor, and the
//! same picture within one 8-bit level everywhere.
//!
//! This crate draws; it does not train, encode files or serve pages, and it needs no machine-learning framework. The
//! loops that take the time are in the `kernels` crate; [`reference`](mod@reference) says in plain loops what they compute.
//!
//! ```
//! use std::sync::Arc;
//! use synth::{Architecture, Generator, ModelFile, Psi, Seed};
//!
//! let architecture = Architecture::plain(16, 16, &[16, 8]);
//! // A trained model comes from `ModelFile::open(path)`.
//! let model = ModelFile::random(architecture, Seed(1))?;
//! let generator = Arc::new(Generator::new(&model)?);
//! let mut worker = generator.worker();
//! let picture = worker.draw(Seed(42), Psi::new(0.7)?);
//! assert_eq!((picture.width, picture.height, picture.rgb.len()), (8, 8, 3 * 8 * 8));
//! assert_eq!(picture, worker.draw(Seed(42), Psi::new(0.7)?));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod architecture;
mod average;
mod canvas;
mod directions;
mod files;
mod generator;
mod given;
mod ink;
pub mod latent;
mod mapper;
mod model;
pub mod numpy;
mod pack;
mod recipe;
pub mod reference;
mod seed;
mod seed_index;
mod selection;
mod sheet;
mod truncation;
mod variation;
mod vectors;
mod worker;

pub use architecture::{Architecture, ArchitectureError, Ink, LabelNorm, Labels, NoiseInputs, Upsample};
pub use average::AverageError;
pub use files::{append_line, write_atomically};
pub use generator::Generator;
pub use kernels::{Isa, IsaError, peak_multiply_adds};
pub use mapper::mean_w;
pub use model::{Calibration, Metadata, ModelError, ModelFile, ModelHeader, Precision, Tensor};
pub use recipe::{Creature, Edit, FARTHEST_EDIT, LONGEST_PATH, Recipe, RecipeError, Styles};
pub use seed::{Psi, PsiError, Seed, SeedError};
pub use seed_index::SeedIndex;
pub use selection::Selection;
pub use sheet::sheet;
pub use variation::{ClassError, NoiseMode, SeedStyle, Variation, WordError};
pub use vectors::{Vectors, VectorsError};
pub use worker::{Picture, Worker};

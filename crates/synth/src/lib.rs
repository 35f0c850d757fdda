//! A style-based generator as data: what it is made of, how it lies in a file, and how it draws.
//!
//! A [`ModelFile`] holds an [`Architecture`] and its weights; a [`Generator`] is a model made ready; a [`Worker`] turns
//! (seed, creativity) into a picture. The same seed, creativity and model give the same bytes on the same kind of processor, and the
//! same picture within one 8-bit level everywhere.
//!
//! This crate draws; it does not train, encode files or serve pages, and it needs no machine-learning framework. The
//! loops that take the time are in the `kernels` crate; [`reference`](mod@reference) says in plain loops what they compute.
//!
//! ```
//! use std::sync::Arc;
//! use synth::{Architecture, Creativity, Generator, ModelFile, Seed};
//!
//! let architecture = Architecture::plain(16, 16, &[16, 8]);
//! // A trained model comes from `ModelFile::open(path)`.
//! let model = ModelFile::random(architecture, Seed(1))?;
//! let generator = Arc::new(Generator::new(&model)?);
//! let mut worker = generator.worker();
//! let picture = worker.draw(Seed(42), Creativity::new(0.7)?);
//! assert_eq!((picture.width, picture.height, picture.rgb.len()), (8, 8, 3 * 8 * 8));
//! assert_eq!(picture, worker.draw(Seed(42), Creativity::new(0.7)?));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod draw;
mod files;
mod formula;
mod found;
pub mod latent;
mod model;
mod recipe;
pub mod reference;
mod seed_index;
mod sheet;
mod vectors;

pub use draw::{Generator, Picture, Worker, mean_w};
pub use files::{append_line, write_atomically, write_atomically_with};
pub use found::{Found, FoundError, LARGEST_FOUND};
pub use kernels::{Isa, IsaError, peak_multiply_adds};
pub use latent::numpy;
pub use latent::seed::{Creativity, CreativityError, Seed, SeedError};
pub use latent::truncation::Styles;
pub use latent::variation::{ClassError, NoiseMode, SeedStyle, Variation, WordError};
pub use model::architecture::{Architecture, ArchitectureError, Ink, LabelNorm, Labels, NoiseInputs, Upsample};
pub use model::average::AverageError;
pub use model::selection::Selection;
pub use model::{Calibration, Metadata, ModelError, ModelFile, ModelHeader, Tensor, WeightDtype};
pub use recipe::{Creature, Edit, FARTHEST_EDIT, LONGEST_PATH, Recipe, RecipeError};
pub use seed_index::SeedIndex;
pub use sheet::sheet;
pub use vectors::{Vectors, VectorsError};

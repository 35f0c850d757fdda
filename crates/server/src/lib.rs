//! The web service: pictures drawn on the fly at the addresses of the original, and the wall that shows them.
//!
//! It turns addresses into files through bounded caches and a fixed set of drawing threads (clients by turns,
//! newest request first, equal requests drawn once, abandoned ones cancelled), and serves the page in `web/`, which is embedded in the
//! binary. It is not a model runtime (`synth` draws) and knows nothing about training.
//!
//! | address | answer |
//! |---|---|
//! | `/` | the wall |
//! | `/p/42?psi=1.1` | one picture, large, and what can be played with it; also `/p/42-3b7`, `/p/0w2e66…`, `/p/42~77~35`, `/p/42_77_5` |
//! | `/walk/42`, `/collection` | a walk from picture to picture; favourites |
//! | `/api/v1/pictures/42.png?psi=1.1&size=512` | any recipe as a file; `/api/` lists what else there is |
//! | `/random.png` | leads to another picture every time |
//! | `/results/psi-1.0/seed00042.png` | a picture; any `u64` seed, psi 0.0 to 2.0, `.png` `.webp` `.jpg` |
//! | `/slider.html?seed=00077` | the same seed at the 18 levels of creativity |
//! | `/model.safetensors` | the model's file, for browsers that draw themselves |
//! | `/api/model` | what draws here, as JSON |
//! | `/healthz`, `/readyz`, `/metrics` | that it lives and how busy it is; whether to send visitors; figures for Prometheus |
//!
//! ```
//! use std::sync::Arc;
//! use synth::{Architecture, Generator, ModelFile, Seed};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! // An untrained model of 8 x 8 pixels; `ModelFile::open` reads a trained one.
//! let model = ModelFile::random(Architecture::plain(8, 8, &[8, 8]), Seed(1))?;
//! let generator = Arc::new(Generator::new(&model)?);
//!
//! let config = server::Config { addr: "127.0.0.1:0".parse()?, metadata: model.metadata, ..Default::default() };
//! let server = server::Server::bind(&config, generator).await?;
//! println!("http://{}", server.local_addr());
//! server.run(async { /* until Ctrl-C, say */ }).await?;
//! # Ok(())
//! # })
//! # }
//! ```

mod api;
mod app;
mod client;
mod config;
mod door;
mod error;
#[cfg(fuzzing)]
pub mod fuzzing;
mod metrics;
mod page;
mod pictures;
mod request;
mod routes;
mod serve;
mod wall_place;

pub use api::picture_request;
pub use config::Config;
pub use error::Error;
pub use ipnet::IpNet;
pub use page::site::{SiteFile, site};
pub use page::template::TemplateError;
pub use pictures::address::{AddressError, PictureAddress};
pub use pictures::ahead::ArchiveKind;
pub use pictures::animate::animated_webp;
pub use pictures::encode::{EncodeError, Format};
pub use pictures::file::{FileMaker, MakeError};
pub use pictures::record;
pub use pictures::render::{LEVELS, level};
pub use pictures::resize::{ResizeError, to_side};
pub use routes::router;
pub use serve::{Server, raise_open_files_limit, run};

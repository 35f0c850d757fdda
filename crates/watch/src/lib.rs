//! A page that shows a training run: its grids through time, losses, measurements, speed. It reads nothing but the files that a run
//! leaves in its folder, so it works while the run goes on and as well a year later.
//!
//! It does not train, and it shows nothing outside the run's folder.
//!
//! ```no_run
//! # async fn example() -> Result<(), watch::Error> {
//! let page = watch::Page::bind("runs/00003-c128".as_ref(), "127.0.0.1:8081".parse().unwrap())?;
//! println!("http://{}", page.address());
//! page.serve(std::future::pending()).await
//! # }
//! ```

mod folder;
mod page;

pub use page::{Page, listen, router};

use std::net::SocketAddr;
use std::path::PathBuf;

/// What keeps a run from being shown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The folder is no run.
    #[error("{path} is no run folder: it has no config.json; give a folder such as runs/00000-c64")]
    NoRun {
        /// What was given.
        path: PathBuf,
    },
    /// The address is taken or not allowed.
    #[error("cannot listen on {address}: {source}; choose another address")]
    Listen {
        /// Which one.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The connection's machinery failed.
    #[error("the page stopped: {0}")]
    Serve(#[from] std::io::Error),
}

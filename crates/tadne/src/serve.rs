//! `tadne serve`: the wall on a local address until Ctrl-C.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use server::{Config, Server};

use crate::model::{self, Model};

/// A picture that takes longer is announced.
const SLOW: Duration = Duration::from_millis(250);
/// Bytes of a model file that is offered to browsers.
const LARGEST: usize = 32 << 20;

/// Arguments of `tadne serve`, and of `tadne` alone.
#[derive(Args, Debug)]
pub(crate) struct Serve {
    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDR")]
    addr: SocketAddr,
    /// Open the page in the browser
    #[arg(long)]
    open: bool,
    /// Threads that draw [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Memory for finished pictures, in MiB
    #[arg(long, default_value_t = 256, value_name = "MIB")]
    cache: u32,
    /// What the service's addresses begin with, for shared links [default: what the visitor's request says]
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    #[command(flatten)]
    model: Model,
}

impl Serve {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let (generator, metadata) = self.model.generator()?;
        let mut config =
            Config { addr: self.addr, cache_bytes: u64::from(self.cache) << 20, metadata, ..Config::default() };
        // A model that browsers would take minutes to fetch and to draw with stays here.
        config.weights = self.model.for_browsers()?.filter(|file| file.len() <= LARGEST).map(Into::into);
        config.public_url.clone_from(&self.public_url);
        config.threads = self.threads.map_or(config.threads, usize::from);
        let (height, width) = generator.resolution();
        println!("drawing {width} x {height} pictures with {} threads ({})", config.threads, generator.simd());
        let pace = model::pace(&generator);
        if pace > SLOW {
            println!(
                "this model is wide: a picture takes a thread about {:.1} s on this machine, so the wall fills slowly",
                pace.as_secs_f64()
            );
        }
        tokio::runtime::Runtime::new().context("cannot start the network threads")?.block_on(async {
            let server = Server::bind(&config, generator).await?;
            let address = format!("http://{}", server.local_addr());
            println!("the wall is at {address} (Ctrl-C ends it)");
            if self.open
                && let Err(error) = open::that_detached(&address)
            {
                eprintln!("no browser could be opened ({error}); open {address} yourself");
            }
            server.run(shutdown()).await.context("the service ended")
        })
    }
}

/// Done at Ctrl-C or, where there is such a thing, SIGTERM.
async fn shutdown() {
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        () = interrupt => {}
        () = terminate => {}
    }
}

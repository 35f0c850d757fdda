//! `tadne watch`: the page of a training run, live or afterwards.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::path::PathBuf;

use clap::Args;

/// Arguments of `tadne watch`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tadne watch runs/00003-c128
  tadne watch runs/00003-c128 --addr 0.0.0.0:8081")]
pub(crate) struct Watch {
    /// Run folder
    run: PathBuf,
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:8081", value_name = "ADDRESS")]
    addr: SocketAddr,
    /// Open the page in the browser
    #[arg(long)]
    open: bool,
}

impl Watch {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let page = watch::Page::bind(&self.run, self.addr)?;
            let address = format!("http://{}", page.address());
            println!("{} at {address}", self.run.display());
            if self.open {
                // Whoever has no browser here can still open the address elsewhere.
                if let Err(error) = open::that_detached(&address) {
                    tracing::warn!("cannot open a browser: {error}");
                }
            }
            let end = async {
                let _ = tokio::signal::ctrl_c().await;
            };
            Ok(page.serve(end).await?)
        })
    }
}

/// Shows the run in `folder` on a thread of its own for as long as the process lives.
pub(crate) fn beside_training(folder: &Path, listener: TcpListener) -> anyhow::Result<SocketAddr> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let page = runtime.block_on(async { watch::Page::on(listener, folder) })?;
    let address = page.address();
    std::thread::Builder::new().name("watch".into()).spawn(move || {
        if let Err(error) = runtime.block_on(page.serve(std::future::pending())) {
            tracing::warn!("{error}");
        }
    })?;
    Ok(address)
}

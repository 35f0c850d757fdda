//! Under construction.
#[cfg(feature = "train")]
mod train;
#[cfg(feature = "train")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use clap::Parser;
#[derive(Parser)]
enum Cli {
    #[cfg(feature = "train")]
    Train(train::Train),
}
fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    match Cli::parse() {
        #[cfg(feature = "train")]
        Cli::Train(t) => t.run(),
    }
}

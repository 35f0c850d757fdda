//! Serves the wall with an untrained model, to work on the page without a trained one: colourful noise instead of
//! faces. `cargo run --release -p tadne-server --example untrained -- [ADDRESS] [MODEL.safetensors]`

use std::error::Error;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use synth::{Architecture, Generator, ModelFile, Seed};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().init();
    let mut arguments = std::env::args().skip(1);
    let addr: SocketAddr = arguments.next().as_deref().unwrap_or("127.0.0.1:8080").parse()?;
    let model = match arguments.next() {
        Some(path) => ModelFile::open(Path::new(&path))?,
        None => ModelFile::random(Architecture::plain(32, 32, &[24, 24, 16, 8, 8]), Seed(7))?,
    };
    let generator = Arc::new(Generator::new(&model)?);
    let config = server::Config { addr, metadata: model.metadata, ..Default::default() };
    let server = server::Server::bind(&config, generator).await?;
    println!("http://{}", server.local_addr());
    server
        .run(async {
            // Without a signal to wait for, serve until the process ends.
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        })
        .await?;
    Ok(())
}

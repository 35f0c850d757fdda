//! `tadne health`: asks a running service whether it is well, for containers without another program that could.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;

use crate::serve;

/// For the whole answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Arguments of `tadne health`.
#[derive(Args, Debug)]
#[command(after_help = "\
Exits with 0 if the service answers that it is ready, and with 1 and a reason otherwise. In a container:
  HEALTHCHECK CMD [\"/tadne\", \"health\"]")]
pub(crate) struct Health {
    /// Address and port that the service listens on
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDR", value_parser = serve::address, env = "TADNE_ADDR")]
    addr: SocketAddr,
}

impl Health {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let addr = serve::local(self.addr);
        let status = ask(addr).with_context(|| format!("no service answers at {addr}"))?;
        match status.as_str() {
            "200" => Ok(()),
            "503" => bail!("the service at {addr} is not ready"),
            _ => bail!("what answers at {addr} is no service of ours: /readyz gives {status}"),
        }
    }
}

/// The status of `/readyz`.
fn ask(addr: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&addr, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET /readyz HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\n\r\n")?;
    let mut head = Vec::new();
    stream.take(64).read_to_end(&mut head)?;
    Ok(String::from_utf8_lossy(&head).split_whitespace().nth(1).unwrap_or("nothing").to_owned())
}

//! `tadne serve`: the wall on a local address until Ctrl-C.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::builder::RangedU64ValueParser;
use clap::{ArgMatches, Args};
use cli::log;
use server::{Config, IpNet, Server};

use crate::model::{self, Model};
use crate::{buckets, environment, settings};

/// A picture that takes longer is announced.
const SLOW: Duration = Duration::from_millis(250);
/// Bytes of a model file that is offered to browsers.
const LARGEST: usize = 32 << 20;

/// The most connections, and files that wait, that can be asked for.
const MOST: u64 = 1 << 20;

/// Of what there must be one, for anything to be answered.
fn at_least_one() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=MOST)
}

/// Arguments of `tadne serve`, and of `tadne` alone. Each may also be given as an environment variable or in a file.
#[derive(Args, Clone, Debug)]
pub(crate) struct Serve {
    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDR", value_parser = address, env = "TADNE_ADDR")]
    addr: SocketAddr,
    /// Open the page in the browser
    #[arg(long)]
    open: bool,
    /// Threads that draw [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024), env = "TADNE_THREADS")]
    threads: Option<u16>,
    /// Cache for finished pictures: MiB of memory; a second, `--cache file:///folder`, keeps them on disk too
    #[arg(long, default_values = ["256"], value_name = "MIB|URL", env = "TADNE_CACHE", value_delimiter = ' ')]
    cache: Vec<String>,
    /// The most that a folder of finished pictures may hold, in MiB
    #[arg(long, default_value_t = 4096, value_name = "MIB", env = "TADNE_CACHE_FOLDER_SIZE")]
    cache_folder_size: u32,
    /// Pictures made ahead by `tadne archive`: a folder or the address of one; what is not there is drawn
    #[arg(long, value_name = "PLACE", env = "TADNE_ARCHIVE")]
    archive: Option<String>,
    /// What the service's addresses begin with, for shared links [default: what the visitor's request says]
    #[arg(long, value_name = "URL", env = "TADNE_PUBLIC_URL")]
    public_url: Option<String>,
    /// Read options from this TOML file, below command line and environment
    #[arg(long, value_name = "FILE", env = "TADNE_CONFIG")]
    config: Option<PathBuf>,
    /// Log every request, and print where each option's value comes from
    #[arg(long, env = "TADNE_VERBOSE")]
    verbose: bool,
    /// How to write the log: text or json
    #[arg(long, value_name = "KIND", default_value = "text", value_parser = ["text", "json"], env = "TADNE_LOG_FORMAT")]
    log_format: String,
    #[command(flatten)]
    limits: Limits,
    #[command(flatten)]
    model: Model,
}

/// What visitors may do to the service.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Limits")]
struct Limits {
    /// Files that may wait to be drawn; beyond that the answer is 503
    #[arg(long, default_value_t = 512, value_name = "N", value_parser = at_least_one(), env = "TADNE_QUEUE")]
    queue: usize,
    /// Connections open at the same time
    #[arg(long, default_value_t = 8192, value_name = "N", value_parser = at_least_one(), env = "TADNE_CONNECTIONS")]
    connections: usize,
    /// Connections of one client; 0 for no limit of its own
    #[arg(long, default_value_t = 256, value_name = "N", env = "TADNE_CLIENT_CONNECTIONS")]
    client_connections: usize,
    /// Requests a second of one client, with bursts of four seconds' worth; 0 for no limit
    #[arg(long, default_value_t = 500, value_name = "N", env = "TADNE_RATE")]
    rate: u32,
    /// Trusted proxies (addresses or networks, by commas), whose X-Forwarded-For is believed
    #[arg(long, value_name = "NET", value_delimiter = ',', value_parser = net, env = "TADNE_TRUST_PROXY")]
    trust_proxy: Vec<IpNet>,
    /// Seconds a request may take
    #[arg(long, default_value_t = 30, value_name = "S", value_parser = clap::value_parser!(u16).range(1..), env = "TADNE_TIMEOUT")]
    timeout: u16,
    /// Seconds that requests under way have when the service is stopped
    #[arg(long, default_value_t = 8, value_name = "S", env = "TADNE_GRACE")]
    grace: u16,
    /// Answer /metrics on this address only [default: with everything else, to this computer only]
    #[arg(long, value_name = "ADDR", env = "TADNE_METRICS_ADDR")]
    metrics_addr: Option<SocketAddr>,
    /// What /results/ addresses do: answer, or redirect to addresses that name the model
    #[arg(long, value_name = "KIND", default_value = "answer", value_parser = ["answer", "redirect"], env = "TADNE_RESULTS")]
    results: String,
}

/// An address with a port; `localhost`, a port alone, or one behind a colon are this computer's.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    let host = |host: &str| if host == "localhost" { "127.0.0.1".to_owned() } else { host.to_owned() };
    let whole = match text.rsplit_once(':') {
        None => format!("127.0.0.1:{text}"),
        Some(("", port)) => format!("127.0.0.1:{port}"),
        Some((name, port)) => format!("{}:{port}", host(name)),
    };
    whole.parse().map_err(|_| {
        format!("{text:?} is no address and port: 127.0.0.1:8080 is for this computer alone, 0.0.0.0:8080 or [::]:8080 for all that reach it")
    })
}

/// Where a browser on this computer finds what listens there: `0.0.0.0` and `::` are all of its addresses, and none to go to.
pub(crate) fn local(addr: SocketAddr) -> SocketAddr {
    match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), addr.port()),
        IpAddr::V6(ip) if ip.is_unspecified() => SocketAddr::new(Ipv6Addr::LOCALHOST.into(), addr.port()),
        _ => addr,
    }
}

/// A network, or a single address as one.
fn net(text: &str) -> Result<IpNet, String> {
    text.parse::<IpNet>()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| format!("{text:?} is neither an address nor a network such as 10.0.0.0/8"))
}

impl Serve {
    /// Serves with the options of the command line, the environment and the file they name.
    pub(crate) fn run(&self, matches: &ArgMatches) -> anyhow::Result<()> {
        let (serve, settings) = settings::resolve::<Serve>(matches, self.config.as_deref())?;
        serve.start_log()?;
        environment::warn_of_unread();
        // Somebody who just looks at the wall has chosen nothing and is told nothing.
        let whole = serve.verbose || serve.config.is_some();
        for setting in settings.iter().filter(|setting| whole || setting.is_chosen()) {
            println!("  {setting}");
        }
        serve.serve()
    }

    /// The log of a service: a line a request with `--verbose`, else warnings; `TADNE_LOG` has the last word.
    fn start_log(&self) -> anyhow::Result<()> {
        let form = if self.log_format == "json" { log::Form::Json } else { log::Form::Text };
        log::start(if self.verbose { "info" } else { "warn" }, form)
    }

    /// Megabytes of memory and the place beside it, as `--cache` gives them.
    fn caches(&self) -> anyhow::Result<(u64, Option<String>)> {
        let (mut memory, mut store) = (None, None);
        for value in &self.cache {
            let twice = match value.parse::<u32>() {
                Ok(mebibytes) => memory.replace(u64::from(mebibytes)).is_some(),
                Err(_) if value.contains("://") => store.replace(value.clone()).is_some(),
                Err(_) => bail!("--cache {value}: use a number of MiB, or an address such as file:///var/cache/tadne"),
            };
            ensure!(
                !twice,
                "--cache {value}: one number of MiB and one address are used, and this is the second of its kind"
            );
        }
        Ok((memory.unwrap_or(256) << 20, store))
    }

    fn configuration(&self, metadata: synth::Metadata) -> anyhow::Result<Config> {
        let (cache_bytes, store) = self.caches()?;
        let defaults = Config::default();
        let Limits { queue, connections, client_connections, rate, .. } = self.limits;
        Ok(Config {
            addr: self.addr,
            metrics_addr: self.limits.metrics_addr,
            threads: self.threads.map_or(defaults.threads, usize::from),
            cache_bytes,
            archive: self.archive.clone(),
            store,
            store_bytes: u64::from(self.cache_folder_size) << 20,
            queue,
            connections,
            client_connections,
            rate,
            proxies: self.limits.trust_proxy.clone(),
            timeout: Duration::from_secs(self.limits.timeout.into()),
            grace: Duration::from_secs(self.limits.grace.into()),
            redirect_results: self.limits.results == "redirect",
            public_url: self.public_url.clone(),
            metadata,
            ..defaults
        })
    }

    fn serve(&self) -> anyhow::Result<()> {
        let (_, store) = self.caches()?;
        for (option, place) in [("--cache", &store), ("--archive", &self.archive)] {
            if let Some(place) = place {
                buckets::check(option, place)?;
            }
        }
        let (generator, metadata) = self.model.generator()?;
        let mut config = self.configuration(metadata)?;
        // A model that browsers would take minutes to fetch and to draw with stays here.
        config.weights = self.model.for_browsers()?.filter(|file| file.len() <= LARGEST).map(Into::into);
        let (height, width) = generator.resolution();
        println!("drawing {width} x {height} pictures with {} threads ({})", config.threads, generator.simd());
        let pace = model::pace(&generator);
        if pace > SLOW {
            println!(
                "this model is wide: a picture takes a thread about {:.1} s on this machine, so the wall fills slowly",
                pace.as_secs_f64()
            );
        }
        server::raise_open_files_limit(&config);
        tokio::runtime::Runtime::new().context("cannot start the network threads")?.block_on(async {
            let server = Server::bind(&config, generator).await?;
            let bound = server.local_addr();
            let address = format!("http://{}", local(bound));
            let others = if bound.ip().is_unspecified() { "; others reach it by this computer's name" } else { "" };
            println!("the wall is at {address} (Ctrl-C ends it{others})");
            if self.open
                && let Err(error) = open::that_detached(&address)
            {
                eprintln!("no browser could be opened ({error}); open {address} yourself");
            }
            tokio::select! {
                ended = server.run(shutdown()) => ended.context("the service ended"),
                // Whoever asks twice does not want to wait for open connections.
                () = async { shutdown().await; shutdown().await } => Ok(()),
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_it_was_meant() {
        for (text, meant) in [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("localhost:8178", "127.0.0.1:8178"),
            ("8178", "127.0.0.1:8178"),
            (":8178", "127.0.0.1:8178"),
            ("[::]:80", "[::]:80"),
            ("0.0.0.0:0", "0.0.0.0:0"),
        ] {
            assert_eq!(address(text).unwrap().to_string(), meant);
        }
        for text in ["", "::1", "example.org", "example.org:80", "1.2.3.4", "localhost", "70000"] {
            assert!(address(text).unwrap_err().contains("0.0.0.0:8080"), "{text}");
        }
    }

    #[test]
    fn all_addresses_are_this_computers_to_a_browser_on_it() {
        for (bound, shown) in [("0.0.0.0:80", "127.0.0.1:80"), ("[::]:80", "[::1]:80"), ("10.0.0.7:80", "10.0.0.7:80")]
        {
            assert_eq!(local(bound.parse().unwrap()).to_string(), shown);
        }
    }
}

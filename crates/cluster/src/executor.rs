//! `tadne-cluster executor`: does what a scheduler hands out.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use ballista_core::registry::BallistaFunctionRegistry;
use ballista_executor::executor_process::{ExecutorProcessConfig, start_executor_process};
use clap::Args;
use cli::model::Model;
use tokio::net::TcpListener;
use tracing::info;

use crate::address::{Address, host};
use crate::curate::{self, DO_SHARD};
use crate::function::{ShardFunction, Work};
use crate::make::{self, MAKE_SHARD};
use crate::session;

/// Arguments of `tadne-cluster executor`.
#[derive(Args, Debug)]
pub(crate) struct Executor {
    /// The scheduler that hands out the work
    #[arg(long, value_name = "df://HOST:PORT", env = "TADNE_CLUSTER_SCHEDULER")]
    scheduler: Address,
    /// Address of this machine to listen on, for the scheduler and for clients who fetch results
    #[arg(long, value_name = "IP", env = "TADNE_CLUSTER_LISTEN", default_value = "127.0.0.1")]
    listen: IpAddr,
    /// Port for results
    #[arg(long, value_name = "N", default_value = "50051", value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// Port for tasks
    #[arg(long, value_name = "N", default_value = "50052", value_parser = clap::value_parser!(u16).range(1..))]
    task_port: u16,
    /// Name or address by which others reach this machine [default: the one they see]
    #[arg(long, value_name = "HOST", env = "TADNE_CLUSTER_ADVERTISE")]
    advertise: Option<String>,
    /// Shards that are done at once, each on one core [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Seconds to wait for a scheduler at the start
    #[arg(long, value_name = "S", default_value = "60")]
    wait: u64,
    /// Seconds between signs of life, fewer than the scheduler's --executor-timeout
    #[arg(long, value_name = "S", default_value = "10", value_parser = clap::value_parser!(u64).range(1..=3600))]
    heartbeat: u64,
    #[command(flatten)]
    model: Model,
}

impl Executor {
    #[tokio::main]
    pub(crate) async fn run(&self) -> anyhow::Result<()> {
        let (generator, _) = self.model.generator()?;
        for port in [self.port, self.task_port] {
            let place = SocketAddr::new(self.listen, port);
            drop(TcpListener::bind(place).await.with_context(|| format!("cannot listen on {place}"))?);
        }
        // Ballista's own wait has no end, and without it says nothing of the reason.
        self.scheduler.reach(Duration::from_secs(self.wait)).await?;
        // What tasks leave goes away with the process; Ballista's own folder would stay.
        let work = tempfile::Builder::new().prefix("tadne-cluster-").tempdir().context("no folder for results")?;
        let name = format!("{}:{}", self.advertise.clone().unwrap_or_else(|| host(self.listen)), self.port);
        info!("{name} draws with the model {} for {}", generator.fingerprint(), self.scheduler);
        let mut functions = BallistaFunctionRegistry::default();
        let works: [(&'static str, Box<Work>); 2] = [
            (MAKE_SHARD, Box::new(move |job: &str, shard| make::make(&generator, job, shard))),
            (DO_SHARD, Box::new(curate::do_shard)),
        ];
        for (function, work) in works {
            let working = ShardFunction::working(function, name.clone(), work);
            functions.scalar_functions.insert(function.to_owned(), working);
        }
        let config = ExecutorProcessConfig {
            bind_host: host(self.listen),
            external_host: self.advertise.clone(),
            port: self.port,
            grpc_port: self.task_port,
            scheduler_host: self.scheduler.host.clone(),
            scheduler_port: self.scheduler.port,
            vcores: self.threads.map_or_else(|| thread::available_parallelism().map_or(1, usize::from), usize::from),
            work_dir: Some(work.path().to_string_lossy().into_owned()),
            executor_heartbeat_interval_seconds: self.heartbeat,
            override_function_registry: Some(Arc::new(functions)),
            override_config_producer: Some(Arc::new(session::config)),
            ..ExecutorProcessConfig::default()
        };
        start_executor_process(Arc::new(config)).await?;
        Ok(())
    }
}

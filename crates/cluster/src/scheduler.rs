//! `tadne-cluster scheduler`: plans jobs and hands out their tasks.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use ballista_scheduler::cluster::BallistaCluster;
use ballista_scheduler::config::SchedulerConfig;
use ballista_scheduler::scheduler_process::start_server;
use clap::Args;
use tokio::net::TcpListener;
use tracing::info;

use crate::session;

/// Arguments of `tadne-cluster scheduler`.
#[derive(Args, Debug)]
pub(crate) struct Scheduler {
    /// Where to listen for executors and clients
    #[arg(long, value_name = "IP:PORT", env = "TADNE_CLUSTER_LISTEN", default_value = "127.0.0.1:50050")]
    listen: SocketAddr,
    /// Seconds without a sign of life after which an executor counts as dead, and others do its work
    #[arg(long, value_name = "S", default_value = "60", value_parser = clap::value_parser!(u64).range(3..=86_400))]
    executor_timeout: u64,
}

impl Scheduler {
    #[tokio::main]
    pub(crate) async fn run(&self) -> anyhow::Result<()> {
        // The server's own error does not say which address.
        drop(TcpListener::bind(self.listen).await.with_context(|| format!("cannot listen on {}", self.listen))?);
        let config = SchedulerConfig {
            bind_host: self.listen.ip().to_string(),
            bind_port: self.listen.port(),
            executor_timeout_seconds: self.executor_timeout,
            expire_dead_executor_interval_seconds: (self.executor_timeout / 6).max(1),
            no_executors_grace_period_seconds: self.executor_timeout,
            override_config_producer: Some(Arc::new(session::config)),
            override_session_builder: Some(Arc::new(session::state)),
            ..SchedulerConfig::default()
        };
        // Ballista's server does not listen to signals, and the first process of a container is not ended by one.
        ctrlc::set_handler(|| std::process::exit(0))?;
        let cluster = BallistaCluster::new_from_config(&config).await?;
        info!("hands out work at df://{}", self.listen);
        start_server(cluster, self.listen, Arc::new(config)).await?;
        Ok(())
    }
}

//! The socket: listen, serve, stop without cutting anybody off.

use std::future::IntoFuture;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::serve::ListenerExt;
use synth::Generator;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::app::router;
use crate::config::Config;
use crate::error::Error;

/// A service that has its address but does not answer yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    addr: SocketAddr,
    router: Router,
    grace: std::time::Duration,
}

impl Server {
    /// Takes the address and starts the drawing threads.
    ///
    /// # Errors
    /// The address is in use or not ours, the threads cannot be started, or a page of the binary is broken.
    pub async fn bind(config: &Config, generator: Arc<Generator>) -> Result<Self, Error> {
        let bind_error = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => Error::AddressInUse(config.addr),
            _ => Error::Bind { addr: config.addr, source },
        };
        let listener = TcpListener::bind(config.addr).await.map_err(bind_error)?;
        let addr = listener.local_addr().map_err(bind_error)?;
        Ok(Self { listener, addr, router: router(config, generator)?, grace: config.grace })
    }

    /// Where it listens, with the port the system chose if the configuration left it open.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// Answers until `shutdown` is done; then takes no new connection and gives those under way a moment to end.
    ///
    /// # Errors
    /// The system closed the socket.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<(), Error> {
        // A picture is a few small writes; waiting to merge them would only delay it.
        let listener = self.listener.tap_io(|stream| {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "TCP_NODELAY could not be set");
            }
        });
        let (tell, told) = oneshot::channel();
        let serving = axum::serve(listener, self.router)
            .with_graceful_shutdown(async move {
                shutdown.await;
                // Nobody listens only if serving has ended already.
                let _ = tell.send(());
            })
            .into_future();
        let out_of_patience = async {
            if told.await.is_err() {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(self.grace).await;
        };
        tracing::info!(addr = %self.addr, "serving");
        tokio::select! {
            ended = serving => ended.map_err(Error::Serve),
            () = out_of_patience => Ok(()),
        }
    }
}

/// [`Server::bind`] and [`Server::run`] in one, for those who know their port.
///
/// # Errors
/// See [`Server::bind`] and [`Server::run`].
pub async fn run(
    config: Config,
    generator: Arc<Generator>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Error> {
    Server::bind(&config, generator).await?.run(shutdown).await
}

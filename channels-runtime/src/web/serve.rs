//! A server for filters: what `warp::serve` is, and it knows when its WebSockets are gone.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;
use warp::{Filter, Rejection, Reply};

use crate::channels::Channels;
use crate::error::Result;
use crate::signal::signal;
use crate::web::Peer;

/// How long a client may take to send the head of a request.
const HEADER_DEADLINE: Duration = Duration::from_secs(10);

/// How long a shutdown waits for connections to end.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(10);

/// Why a server could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Another program listens there, or this one may not.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
}

/// A server that listens and does not serve yet: made by [`Channels::bind`].
#[derive(Debug)]
pub struct Server {
    channels: Channels,
    listener: TcpListener,
    address: SocketAddr,
}

impl Channels {
    /// Serves these filters on this address until [`Channels::shutdown`] is called, or until the process gets SIGINT or
    /// SIGTERM: then the connections are closed with 1012, `disconnect` runs, and after 10 s at most it returns.
    ///
    /// # Errors
    /// When it cannot listen on the address.
    pub async fn serve<F>(&self, routes: F, address: impl Into<SocketAddr>) -> Result<()>
    where
        F: Filter<Error = Rejection> + Clone + Send + Sync + 'static,
        F::Extract: Reply,
    {
        let server = self.bind(address.into()).await?;
        server.serve(routes).await;
        Ok(())
    }

    /// Listens, and serves when [`Server::serve`] is called. With port 0 the system chooses one; see
    /// [`Server::local_addr`].
    ///
    /// # Errors
    /// When it cannot listen on the address.
    pub async fn bind(&self, address: SocketAddr) -> std::result::Result<Server, ServeError> {
        let bind = |source| ServeError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        Ok(Server { channels: self.clone(), listener, address })
    }
}

impl Server {
    /// The address that it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until [`Channels::shutdown`] is called, or until the process gets SIGINT or SIGTERM.
    pub async fn serve<F>(self, routes: F)
    where
        F: Filter<Error = Rejection> + Clone + Send + Sync + 'static,
        F::Extract: Reply,
    {
        let service = warp::service(routes);
        let requests = TaskTracker::new();
        let stopping = self.channels.server().stopping().clone();
        let mut signal = std::pin::pin!(signal());
        loop {
            let accepted = tokio::select! {
                // All three may be dropped and asked anew: a connection that was not accepted stays in the kernel's queue.
                () = stopping.cancelled() => break,
                () = &mut signal => break,
                accepted = self.listener.accept() => accepted,
            };
            let (socket, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, most likely: others must close first.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let service = TowerToHyperService::new(service.clone());
            let with_peer = service_fn(move |mut request: http::Request<hyper::body::Incoming>| {
                request.extensions_mut().insert(Peer(peer));
                service.call(request)
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_DEADLINE)
                .serve_connection(TokioIo::new(socket), with_peer)
                .with_upgrades();
            let stopping = stopping.clone();
            // Ends when the connection has become a WebSocket, too: that is then a session of the server's.
            requests.spawn(async move {
                let mut connection = std::pin::pin!(connection);
                let served = tokio::select! {
                    served = connection.as_mut() => served,
                    () = stopping.cancelled() => {
                        connection.as_mut().graceful_shutdown();
                        connection.await
                    }
                };
                if let Err(error) = served {
                    tracing::debug!(%peer, %error, "an HTTP connection ended early");
                }
            });
        }
        drop(self.listener);
        let ends = async {
            requests.close();
            tokio::join!(self.channels.shutdown(SHUTDOWN_DEADLINE), requests.wait());
        };
        if tokio::time::timeout(SHUTDOWN_DEADLINE, ends).await.is_err() {
            tracing::warn!("some connections did not end in time");
        }
    }
}

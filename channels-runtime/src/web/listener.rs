//! The HTTP server for routes. Unlike `warp::serve`, it knows when its WebSockets have ended.

use std::io;
use std::net::SocketAddr;
#[cfg(feature = "https")]
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::app::Channels;
use crate::error::Result;
use crate::server::CutOff;
use crate::support::{Unawaited, count, signal};
use crate::web::address::{self, Address};
use crate::web::error::ServeError;
use crate::web::http_connection::HttpConnection;
use crate::web::routes::{HttpService, IntoService};
use crate::web::slots::{Slot, Slots};
#[cfg(feature = "https")]
use crate::web::tls::Tls;

/// A server that listens but does not serve yet, returned by [`Channels::bind`].
#[derive(Debug)]
pub struct WebServer {
    channels: Channels,
    listener: TcpListener,
    address: SocketAddr,
    #[cfg(feature = "https")]
    tls: Option<Tls>,
}

impl Channels {
    /// Serves these routes on this address, such as `"127.0.0.1:8000"`, until [`Channels::shutdown`] is called, or until the
    /// process gets SIGINT or SIGTERM. Then it closes the connections with 1012 as [`Channels::shutdown`] does, runs their
    /// `#[disconnect]`, and returns, after 10 s at most ([`shutdown_deadline`](crate::ChannelsBuilder::shutdown_deadline)). After
    /// a second signal it returns immediately.
    ///
    /// It closes the connections of its own routes. It also serves routes of other `Channels`, whose
    /// [`shutdown`](Channels::shutdown) you call yourself.
    ///
    /// # Errors
    /// If it cannot listen on the address. [`ServeError::CutOff`] if connections had not ended at the deadline, or at the second
    /// signal: their `#[disconnect]` is cut off.
    pub fn serve<Kind>(&self, routes: impl IntoService<Kind>, address: impl Address) -> Unawaited<'_, Result<()>> {
        let address = address.known();
        Unawaited::new(async move {
            let server = self.listen(address).await?;
            Ok(server.serve(routes).await?)
        })
    }

    /// Listens on this address, and serves when [`WebServer::serve`] is called. With port 0 the system chooses the port; see
    /// [`WebServer::local_addr`].
    ///
    /// If systemd passes listening sockets (`LISTEN_FDS`; a `.socket` unit next to the `.service`), the server uses the first of
    /// them and ignores the address. Clients that connect while the process is replaced then wait in the queue of that socket.
    ///
    /// # Errors
    /// If it cannot listen on the address.
    pub fn bind(&self, address: impl Address) -> Unawaited<'_, std::result::Result<WebServer, ServeError>> {
        Unawaited::new(self.listen(address.known()))
    }

    async fn listen(
        &self,
        address: std::result::Result<SocketAddr, String>,
    ) -> std::result::Result<WebServer, ServeError> {
        let (listener, address) = match handed_over().map_err(|source| ServeError::HandedOver { source })? {
            Some(handed_over) => handed_over,
            None => address::listen(address).await?,
        };
        Ok(WebServer {
            channels: self.clone(),
            listener,
            address,
            #[cfg(feature = "https")]
            tls: None,
        })
    }
}

/// Returns the listener that systemd passed to this process, if there is one, and its address. Later calls return `None`.
fn handed_over() -> io::Result<Option<(TcpListener, SocketAddr)>> {
    let Some(listener) = listenfd::ListenFd::from_env().take_tcp_listener(0)? else { return Ok(None) };
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let address = listener.local_addr()?;
    Ok(Some((listener, address)))
}

/// Returns whether the process or the system has no file left for another socket.
fn is_out_of_files(error: &io::Error) -> bool {
    #[cfg(unix)]
    {
        use rustix::io::Errno;

        matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
    }
    #[cfg(not(unix))]
    {
        _ = error;
        false
    }
}

impl WebServer {
    /// Returns the address that the server listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves `https://` and `wss://` instead, with this certificate chain and this private key, both in PEM. TLS 1.2 and 1.3, by
    /// rustls.
    ///
    /// The server checks the files when a client connects, at most once a second, and reads them again if they have changed. If
    /// they cannot be used then (one is written before the other, for example), it logs that and keeps the old ones.
    ///
    /// # Errors
    /// If a file cannot be read, or the two do not match.
    #[cfg(feature = "https")]
    pub fn tls(
        mut self,
        certificate: impl AsRef<Path>,
        private_key: impl AsRef<Path>,
    ) -> std::result::Result<Self, ServeError> {
        self.tls = Some(Tls::new(certificate.as_ref(), private_key.as_ref())?);
        Ok(self)
    }

    /// Serves until [`Channels::shutdown`] is called, or until the process gets SIGINT or SIGTERM; see [`Channels::serve`].
    /// If the future is dropped, the server stops and cuts off its requests and connections.
    ///
    /// # Errors
    /// [`ServeError::CutOff`] if connections had not ended at the deadline, or at the second signal.
    pub async fn serve<Kind>(self, routes: impl IntoService<Kind>) -> std::result::Result<(), ServeError> {
        // Spawned, because the thread of the main future is not one of tokio's workers: each accepted socket would wake that
        // thread, and its memory would come from a heap that no worker uses.
        let serving = AbortOnDropHandle::new(tokio::spawn(self.accept(routes.into_service())));
        match serving.await {
            Ok(served) => served,
            Err(ended) if ended.is_panic() => std::panic::resume_unwind(ended.into_panic()),
            // Only a runtime that ends cancels the task, and then this future ends with it.
            Err(_) => Ok(()),
        }
    }

    async fn accept(self, routes: impl HttpService) -> std::result::Result<(), ServeError> {
        // With a listener from systemd only this record shows the address, and with port 0 only this shows the port.
        tracing::info!(address = %self.address, "listening");
        let service = TowerToHyperService::new(routes);
        let core = self.channels.server();
        let counted = Arc::clone(core);
        core.admission().raise_open_files();
        let max_waiting = core.admission().max_waiting();
        let slots = Slots::new(max_waiting, move || count(&counted.admission().counters.crowded_out));
        let requests = TaskTracker::new();
        let cut_off = CancellationToken::new();
        // Ends the sockets that are left when this returns or is dropped.
        let _guard = cut_off.clone().drop_guard();
        let mut signalled = std::pin::pin!(signal());
        let mut has_failed = false;
        loop {
            let accepted = tokio::select! {
            // All three branches are cancel safe: a connection that was not accepted stays in the kernel's queue.
            () = core.stopping().cancelled() => break,
            () = &mut signalled => break,
            accepted = self.listener.accept() => accepted};
            let (socket, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Most likely the process has no file left: other sockets must close first.
                    if !std::mem::replace(&mut has_failed, true) {
                        tracing::warn!(%error, "a connection could not be accepted; further failures are not logged until one is accepted");
                    }
                    // The task of a dropped socket closes it.
                    let is_dropped = is_out_of_files(&error) && slots.drop_one();
                    tokio::time::sleep(Duration::from_millis(if is_dropped { 1 } else { 50 })).await;
                    continue;
                }
            };
            has_failed = false;
            let connection = HttpConnection { core: Arc::clone(core), slot: Slot::new(&slots, peer.ip()), peer };
            connection.slot.wait_for_head();
            let service = service.clone();
            #[cfg(feature = "https")]
            if let Some(tls) = &self.tls {
                let acceptor = tls.acceptor();
                requests.spawn(cut_off.clone().run_until_cancelled_owned(async move {
                    if let Some(stream) = connection.accept_tls(&acceptor, socket).await {
                        connection.serve(stream, service).await;
                    }
                }));
                continue;
            }
            requests.spawn(
                cut_off.clone().run_until_cancelled_owned(async move { connection.serve(socket, service).await }),
            );
        }
        drop(self.listener);
        let ended = core.shutdown(core.settings.shutdown_deadline, &requests, signal()).await;
        ended.map_err(|CutOff { connections, requests }| ServeError::CutOff { connections, requests })
    }
}

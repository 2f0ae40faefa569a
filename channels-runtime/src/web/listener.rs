//! A server for filters: what `warp::serve` is, and it knows when its WebSockets are gone.

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
use crate::support::{Unawaited, count, signal};
use crate::web::error::ServeError;
use crate::web::http_connection::HttpConnection;
use crate::web::routes::Routes;
use crate::web::slots::{Slot, Slots};
#[cfg(feature = "https")]
use crate::web::tls::Tls;

/// Where a server listens: what becomes a [`SocketAddr`], like `([127, 0, 0, 1], 8000)`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no address to listen on",
    label = "write it like `([127, 0, 0, 1], 8000)`",
    note = "text is read by `\"127.0.0.1:8000\".parse::<std::net::SocketAddr>()?`"
)]
pub trait Address: Into<SocketAddr> {}

#[diagnostic::do_not_recommend]
impl<T: Into<SocketAddr>> Address for T {}

/// A server that listens and does not serve yet: made by [`Channels::bind`].
#[derive(Debug)]
pub struct WebServer {
    channels: Channels,
    listener: TcpListener,
    address: SocketAddr,
    #[cfg(feature = "https")]
    tls: Option<Tls>,
}

impl Channels {
    /// Serves these routes on this address until [`Channels::shutdown`] is called, or until the process gets SIGINT or
    /// SIGTERM: then the connections are closed with 1012 as told there, `disconnect` runs, and it returns, after 10 s at
    /// most ([`shutdown_deadline`](crate::ChannelsBuilder::shutdown_deadline)). A second signal makes it return at once.
    ///
    /// The connections are those of its own routes. Routes of other `Channels` among them are served as well, but it
    /// is up to you to call their [`shutdown`](Channels::shutdown).
    ///
    /// # Errors
    /// When it cannot listen on the address.
    pub fn serve(&self, routes: impl Routes, address: impl Address) -> Unawaited<'_, Result<()>> {
        let address = address.into();
        Unawaited::new(async move {
            let server = self.bind(address).await?;
            server.serve(routes).await;
            Ok(())
        })
    }

    /// Listens, and serves when [`WebServer::serve`] is called. With port 0 the system chooses one; see
    /// [`WebServer::local_addr`].
    ///
    /// Where systemd hands a socket over that listens already (`LISTEN_FDS`; a unit `.socket` beside the `.service`), the
    /// first of them is used and the address is not: clients that knock while the process is being replaced then wait in
    /// that socket's queue.
    ///
    /// # Errors
    /// When it cannot listen on the address.
    pub async fn bind(&self, address: SocketAddr) -> std::result::Result<WebServer, ServeError> {
        let listener = match handed_over().map_err(|source| ServeError::HandedOver { source })? {
            Some(listener) => listener,
            None => TcpListener::bind(address).await.map_err(|source| ServeError::Bind { address, source })?,
        };
        let address = listener.local_addr().map_err(|source| ServeError::Bind { address, source })?;
        Ok(WebServer {
            channels: self.clone(),
            listener,
            address,
            #[cfg(feature = "https")]
            tls: None,
        })
    }
}

/// The listener that systemd holds for this process, if there is one. Given once.
fn handed_over() -> io::Result<Option<TcpListener>> {
    let Some(listener) = listenfd::ListenFd::from_env().take_tcp_listener(0)? else { return Ok(None) };
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener).map(Some)
}

impl WebServer {
    /// The address that it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves `https://` and `wss://` instead, with this certificate (and those that lead to it) and this private key, both
    /// in PEM. TLS 1.2 and 1.3, by rustls.
    ///
    /// When the files change they are read again: they are looked at when a client connects, at most once a second. If they
    /// cannot be used then (one is written before the other, say), that is logged and the old ones stay.
    ///
    /// # Errors
    /// When a file cannot be read, or the two do not fit together.
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
    /// When it is dropped, it stops as well, and those who are being answered or served are cut off.
    pub async fn serve(self, routes: impl Routes) {
        // A task, because the program's main future is polled by a thread that is none of tokio's workers: each accepted
        // socket would wake it, and its memory would come from a heap that no worker uses.
        let serving = AbortOnDropHandle::new(tokio::spawn(self.accept(routes)));
        if let Err(ended) = serving.await
            && ended.is_panic()
        {
            std::panic::resume_unwind(ended.into_panic());
        }
    }

    async fn accept(self, routes: impl Routes) {
        // Of a handed over listener only this tells the address, and with port 0 only this tells the port.
        tracing::info!(address = %self.address, "listening");
        let service = TowerToHyperService::new(warp::service(routes));
        let core = self.channels.server();
        let counted = Arc::clone(core);
        let slots =
            Slots::new(core.admission().settings.max_waiting, move || count(&counted.admission().counters.crowded_out));
        let requests = TaskTracker::new();
        let cut = CancellationToken::new();
        // Sockets whose time is over when this returns, or is dropped, are not left to themselves.
        let _cut = cut.clone().drop_guard();
        let mut told = std::pin::pin!(signal());
        let mut fails = false;
        loop {
            let accepted = tokio::select! {
            // All three may be dropped and asked anew: a connection that was not accepted stays in the kernel's queue.
            () = core.stopping().cancelled() => break,
            () = &mut told => break,
            accepted = self.listener.accept() => accepted};
            let (socket, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, most likely: others must close first.
                    if !std::mem::replace(&mut fails, true) {
                        tracing::warn!(%error, "a connection could not be accepted; others are not told of until one was");
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            fails = false;
            let caller = HttpConnection { core: Arc::clone(core), slot: Slot::new(&slots), peer };
            caller.slot.asks();
            let service = service.clone();
            #[cfg(feature = "https")]
            if let Some(tls) = &self.tls {
                let acceptor = tls.acceptor();
                requests.spawn(cut.clone().run_until_cancelled_owned(async move {
                    if let Some(stream) = caller.shake_hands(&acceptor, socket).await {
                        caller.serve(stream, service).await;
                    }
                }));
                continue;
            }
            requests.spawn(cut.clone().run_until_cancelled_owned(async move { caller.serve(socket, service).await }));
        }
        drop(self.listener);
        let deadline = core.settings.shutdown_deadline;
        let ends = async {
            requests.close();
            tokio::join!(self.channels.shutdown(deadline), requests.wait());
        };
        tokio::select! {
            // When one is done, the other has nothing left to do.
            ended = tokio::time::timeout(deadline, ends) => {
                if ended.is_err() {
                    tracing::warn!("some connections did not end in time");
                }
            }
            () = signal() => tracing::warn!("a second signal: whoever is left is cut off"),
        }
    }
}

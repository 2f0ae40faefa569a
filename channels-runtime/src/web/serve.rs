//! A server for filters: what `warp::serve` is, and it knows when its WebSockets are gone.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
#[cfg(feature = "https")]
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
#[cfg(feature = "https")]
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::channels::Channels;
use crate::error::Result;
use crate::server::Server as Core;
use crate::signal::signal;
use crate::stats::count;
use crate::unawaited::Unawaited;
#[cfg(feature = "https")]
use crate::web::tls::Tls;
use crate::web::waiting::{Seat, Waiting};
use crate::web::{Peer, Routes};

/// The largest head of a request, in bytes, within a factor of two: so much is buffered before it must be whole.
const MAX_HEAD: usize = 64 * 1024;

/// How long a server that stops waits for the rest of a request.
const LAST_REQUESTS: Duration = Duration::from_secs(1);

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
    /// What systemd has handed over is no socket that listens for TCP.
    #[error("the first socket in `LISTEN_FDS` cannot be listened on")]
    HandedOver {
        /// What the system says.
        source: io::Error,
    },
    /// A file for TLS cannot be read.
    #[cfg(feature = "https")]
    #[error("cannot read {}", path.display())]
    TlsFile {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file for TLS holds something else.
    #[cfg(feature = "https")]
    #[error("{} holds no {wanted} in PEM", path.display())]
    TlsContent {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        wanted: &'static str,
    },
    /// The certificate and the key cannot be used together.
    #[cfg(feature = "https")]
    #[error("the certificate and the private key cannot be used: {problem}")]
    TlsPair {
        /// What is wrong with them.
        problem: String,
    },
}

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
pub struct Server {
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

    /// Listens, and serves when [`Server::serve`] is called. With port 0 the system chooses one; see
    /// [`Server::local_addr`].
    ///
    /// Where systemd hands a socket over that listens already (`LISTEN_FDS`; a unit `.socket` beside the `.service`), the
    /// first of them is used and the address is not: clients that knock while the process is being replaced then wait in
    /// that socket's queue.
    ///
    /// # Errors
    /// When it cannot listen on the address.
    pub async fn bind(&self, address: SocketAddr) -> std::result::Result<Server, ServeError> {
        let listener = match handed_over().map_err(|source| ServeError::HandedOver { source })? {
            Some(listener) => listener,
            None => TcpListener::bind(address).await.map_err(|source| ServeError::Bind { address, source })?,
        };
        let address = listener.local_addr().map_err(|source| ServeError::Bind { address, source })?;
        Ok(Server {
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

impl Server {
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
        let waiting = Waiting::new(core.door().settings.max_waiting);
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
                accepted = self.listener.accept() => accepted,
            };
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
            let caller = Caller { core: Arc::clone(core), seat: Seat::new(&waiting), peer };
            caller.asks();
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

/// What an answer carries whose body has no end of its own, and is one of the connections that the door counts for as long as
/// its [`Place`] lives. All others count as waiting from their head on: whoever is slow to take them is not better than whoever
/// is slow to ask.
#[derive(Clone, Default)]
pub(super) struct KeepsItsSeat(Arc<Mutex<Lent>>);

#[derive(Default)]
enum Lent {
    /// The answer is not begun yet.
    #[default]
    Early,
    To(Caller),
    GivenBack,
}

impl KeepsItsSeat {
    fn lock(&self) -> MutexGuard<'_, Lent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the one that counts it. When that is dropped, the rest of the answer is like any other.
    pub(super) fn place(&self) -> Place {
        Place(self.clone())
    }

    /// The answer goes to this one.
    fn lend(&self, caller: &Caller) {
        let mut lent = self.lock();
        if matches!(*lent, Lent::GivenBack) { caller.asks() } else { *lent = Lent::To(caller.clone()) }
    }
}

/// See [`KeepsItsSeat`].
pub(super) struct Place(KeepsItsSeat);

impl Drop for Place {
    fn drop(&mut self) {
        if let Lent::To(caller) = std::mem::replace(&mut *self.0.lock(), Lent::GivenBack) {
            caller.asks();
        }
    }
}

/// The body of a request. Until it has come, or is dropped, its socket waits: whoever takes for ever to send one is no better than
/// whoever takes for ever to ask.
struct Told {
    body: Incoming,
    /// Until then.
    caller: Option<Caller>,
}

impl Told {
    fn new(body: Incoming, caller: &Caller) -> Self {
        let is_told = body.is_end_stream();
        if !is_told {
            caller.crowded_out(caller.seat.tells());
        }
        Self { body, caller: (!is_told).then(|| caller.clone()) }
    }

    fn end(&mut self) {
        if let Some(caller) = self.caller.take() {
            caller.seat.has_told();
        }
    }
}

impl Body for Told {
    type Data = <Incoming as Body>::Data;
    type Error = <Incoming as Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(task);
        if matches!(frame, Poll::Ready(None)) || self.body.is_end_stream() {
            self.end();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.end();
    }
}

/// The body of an answer. When it is done, the socket waits for another request, if it did not before.
struct Seated<B> {
    body: B,
    caller: Caller,
}

impl<B: Body + Unpin> Body for Seated<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(task)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Drop for Seated<B> {
    fn drop(&mut self) {
        self.caller.asks();
        self.caller.seat.is_answered();
    }
}

/// A socket that was accepted, and has not become a WebSocket.
#[derive(Clone)]
struct Caller {
    core: Arc<Core>,
    seat: Arc<Seat>,
    peer: SocketAddr,
}

impl Caller {
    /// It has a request to send from now on.
    fn asks(&self) {
        self.crowded_out(self.seat.asks());
    }

    fn crowded_out(&self, another: bool) {
        if another {
            count(&self.core.door().counters.crowded_out);
        }
    }

    /// Begins TLS. `None` if that fails or takes too long.
    #[cfg(feature = "https")]
    async fn shake_hands(
        &self,
        acceptor: &tokio_rustls::TlsAcceptor,
        socket: TcpStream,
    ) -> Option<tokio_rustls::server::TlsStream<TcpStream>> {
        // When it has become a WebSocket, the socket cannot be reached any more.
        socket.set_nodelay(true).ok()?;
        let shaking = tokio::time::timeout(self.core.door().settings.header_deadline, acceptor.accept(socket));
        let shaken = tokio::select! {
            // Whichever is done, the socket is dropped or handed on.
            shaken = shaking => shaken,
            () = self.seat.dropped() => return None,
            () = self.core.stopping().cancelled() => return None,
        };
        match shaken.map_err(io::Error::from).and_then(|shaken| shaken) {
            Ok(stream) => Some(stream),
            Err(error) => {
                count(&self.core.door().counters.tls_failed);
                tracing::debug!(peer = %self.peer, %error, "a TLS handshake failed");
                None
            }
        }
    }

    /// Serves its requests, one after the other. Ends when it has become a WebSocket, too: that is then a session of the
    /// server's.
    async fn serve<I, S>(self, stream: I, service: S)
    where
        I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        S: Service<http::Request<Told>, Response = warp::reply::Response, Error = Infallible>,
    {
        let caller = &self;
        let answer = service_fn(move |request: http::Request<Incoming>| {
            caller.seat.serve();
            let mut request = request.map(|body| Told::new(body, caller));
            request.extensions_mut().insert(Peer(caller.peer));
            let answer = service.call(request);
            async move {
                let answer = answer.await?;
                match answer.extensions().get::<KeepsItsSeat>() {
                    Some(seat) => seat.lend(caller),
                    // It may send another one, and until it does, it has waited since now.
                    None => caller.asks(),
                }
                Ok::<_, Infallible>(answer.map(|body| Seated { body, caller: caller.clone() }))
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.core.door().settings.header_deadline)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(stream), answer)
            .with_upgrades();
        let mut connection = std::pin::pin!(connection);
        let served = tokio::select! {
            served = connection.as_mut() => served,
            () = self.seat.dropped() => return,
            () = self.core.stopping().cancelled() => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    served = connection.as_mut() => served,
                    () = self.seat.dropped() => return,
                    // Hyper waits for the rest of a request that has begun.
                    () = self.asks_too_slowly() => return,
                }
            }
        };
        let Err(error) = served else { return };
        tracing::debug!(peer = %self.peer, %error, "an HTTP connection ended early");
        let counters = &self.core.door().counters;
        if error.is_parse_too_large() {
            count(&counters.head_too_large);
        } else if error.is_timeout() && !self.seat.was_served() {
            count(&counters.head_late);
        }
    }

    /// Waits as long as a server that stops does for a request that is not whole; for ever, if one is being answered then.
    async fn asks_too_slowly(&self) {
        tokio::time::sleep(LAST_REQUESTS).await;
        if self.seat.is_served() {
            std::future::pending().await
        }
    }
}

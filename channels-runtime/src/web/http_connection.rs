//! One accepted socket, until it becomes a WebSocket.

use std::convert::Infallible;
#[cfg(feature = "https")]
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use http::header::UPGRADE;
use http::{StatusCode, Version};
use http_body_util::{Either, Full};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
#[cfg(feature = "https")]
use tokio::net::TcpStream;

use crate::server::Server as Core;
use crate::support::count;
use crate::web::allowed_methods::AllowedMethods;
use crate::web::peer_address::PeerAddress;
use crate::web::request_body::{BodyError, RequestBody};
use crate::web::request_head::check_host;
use crate::web::request_stream::RequestStream;
#[cfg(feature = "https")]
use crate::web::request_stream::is_proxy_line;
use crate::web::response_body::ResponseBody;
use crate::web::slot_lease::SlotLease;
use crate::web::slots::Slot;

/// The largest head of a request, in bytes, within a factor of two: the buffer for an incomplete head.
const MAX_HEAD: usize = 64 * 1024;

/// The number of requests after which a connection yields to the others.
const REQUESTS_OF_TURN: u8 = 4;

/// The time that a stopping server waits for the rest of a request.
const LAST_REQUESTS: Duration = Duration::from_secs(1);

/// A socket that was accepted, and has not become a WebSocket.
pub(crate) struct HttpConnection {
    pub(super) core: Arc<Core>,
    pub(super) slot: Arc<Slot>,
    pub(super) peer: SocketAddr,
}

impl HttpConnection {
    /// Runs the TLS handshake. Returns `None` if it fails or takes too long.
    #[cfg(feature = "https")]
    pub(crate) async fn accept_tls(
        &self,
        acceptor: &tokio_rustls::TlsAcceptor,
        socket: TcpStream,
    ) -> Option<tokio_rustls::server::TlsStream<TcpStream>> {
        // Set here, because the socket is not accessible after the upgrade to a WebSocket.
        socket.set_nodelay(true).ok()?;
        let accepting = tokio::time::timeout(self.core.admission().settings.header_deadline, async {
            let mut first = [0; 12];
            let length = socket.peek(&mut first).await?;
            if is_proxy_line(&first[..length]) {
                self.count_proxy_line();
                return Ok(None);
            }
            acceptor.accept(socket).await.map(Some)
        });
        let accepted = tokio::select! {
            // The branches that do not complete hold only the socket, which is then dropped.
            accepted = accepting => accepted,
            () = self.slot.dropped() => return None,
            () = self.core.stopping().cancelled() => return None,
        };
        match accepted.map_err(io::Error::from).and_then(|accepted| accepted) {
            Ok(stream) => stream,
            Err(error) => {
                count(&self.core.admission().counters.tls_failed);
                tracing::debug!(peer = %self.peer, %error, "a TLS handshake failed");
                None
            }
        }
    }

    /// Serves the requests of this socket, one after the other. Also ends when the socket becomes a WebSocket, which is then a
    /// session of the server.
    pub(crate) async fn serve<I, S, B>(self, stream: I, service: S)
    where
        I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        S: Service<http::Request<RequestBody>, Response = http::Response<B>, Error = Infallible>,
        B: Body<Data = Bytes, Error: Into<BodyError>> + Unpin + 'static,
    {
        let this = &self;
        let (stream, state) = RequestStream::new(stream);
        let state = &state;
        let served = &AtomicU8::new(0);
        let respond = service_fn(move |request: http::Request<Incoming>| {
            this.slot.serve();
            // A WebSocket needs both halves of the stream.
            let answering = (!request.headers().contains_key(UPGRADE)).then(|| state.answer());
            let checked = check_host(request.headers(), request.version() >= Version::HTTP_11);
            let allowed = AllowedMethods::default();
            let mut request = request.map(|body| RequestBody::new(body, &this.slot, answering.as_ref()));
            request.extensions_mut().insert(PeerAddress(this.peer));
            #[cfg(feature = "axum")]
            request.extensions_mut().insert(axum::extract::ConnectInfo(this.peer));
            request.extensions_mut().insert(allowed.clone());
            let response = checked.map(|()| service.call(request));
            let waits = served.fetch_add(1, Relaxed) % REQUESTS_OF_TURN == REQUESTS_OF_TURN - 1;
            async move {
                if waits {
                    // The other connections get their turn; pipelined requests would all be served in one poll.
                    tokio::task::yield_now().await;
                }
                let mut response = match response {
                    Ok(response) => response.await?.map(Either::Left),
                    Err(problem) => {
                        count(&this.core.admission().counters.malformed);
                        let response = http::Response::builder().status(StatusCode::BAD_REQUEST);
                        response.body(Either::Right(Full::new(problem.into()))).expect("a legal status")
                    }
                };
                allowed.complete(&mut response);
                let answering = match response.extensions().get::<SlotLease>() {
                    Some(lease) => {
                        lease.lend(&this.slot);
                        // An event stream has no end of its own, so it ends when the client closes its half.
                        None
                    }
                    None => {
                        // The socket may send another request, and waits from now on.
                        this.slot.wait_for_head();
                        answering
                    }
                };
                Ok::<_, Infallible>(response.map(|body| ResponseBody {
                    body,
                    slot: Arc::clone(&this.slot),
                    _answering: answering,
                }))
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.core.admission().settings.header_deadline)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(stream), respond)
            .with_upgrades();
        let mut connection = std::pin::pin!(connection);
        let served = tokio::select! {
            served = connection.as_mut() => served,
            () = self.slot.dropped() => return,
            () = self.core.stopping().cancelled() => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    served = connection.as_mut() => served,
                    () = self.slot.dropped() => return,
                    // Hyper waits for the rest of an incomplete request.
                    () = self.incomplete_request_deadline() => return,
                }
            }
        };
        let Err(error) = served else { return };
        tracing::debug!(peer = %self.peer, %error, "an HTTP connection ended early");
        let counters = &self.core.admission().counters;
        if state.began_with_proxy_line() {
            self.count_proxy_line();
        } else if error.is_parse_too_large() {
            count(&counters.head_too_large);
        } else if error.is_timeout() && !self.slot.was_served() {
            count(&counters.head_late);
        }
    }

    /// Counts a connection that began with a line of the PROXY protocol, and logs the first one.
    fn count_proxy_line(&self) {
        if self.core.admission().counters.proxy_protocol.fetch_add(1, Relaxed) == 0 {
            tracing::warn!(
                peer = %self.peer,
                "a connection began with the PROXY protocol: turn it off in the balancer; further ones are only counted"
            );
        }
    }

    /// Waits until the deadline for an incomplete request in a stopping server. Never ends if a request is being served then.
    async fn incomplete_request_deadline(&self) {
        tokio::time::sleep(LAST_REQUESTS).await;
        if self.slot.is_served() {
            std::future::pending().await
        }
    }
}

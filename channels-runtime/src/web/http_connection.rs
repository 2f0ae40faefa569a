//! One accepted socket, until it becomes a WebSocket.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
#[cfg(feature = "https")]
use tokio::net::TcpStream;

use crate::server::Server as Core;
use crate::support::count;
use crate::web::handshake::Peer;
use crate::web::request_body::RequestBody;
use crate::web::response_body::ResponseBody;
use crate::web::slot_lease::SlotLease;
use crate::web::slots::Slot;

/// The largest head of a request, in bytes, within a factor of two: so much is buffered before it must be whole.
const MAX_HEAD: usize = 64 * 1024;

/// How long a server that stops waits for the rest of a request.
const LAST_REQUESTS: Duration = Duration::from_secs(1);

/// A socket that was accepted, and has not become a WebSocket.
pub(crate) struct HttpConnection {
    pub(super) core: Arc<Core>,
    pub(super) slot: Arc<Slot>,
    pub(super) peer: SocketAddr,
}

impl HttpConnection {
    /// Begins TLS. `None` if that fails or takes too long.
    #[cfg(feature = "https")]
    pub(crate) async fn shake_hands(
        &self,
        acceptor: &tokio_rustls::TlsAcceptor,
        socket: TcpStream,
    ) -> Option<tokio_rustls::server::TlsStream<TcpStream>> {
        // When it has become a WebSocket, the socket cannot be reached any more.
        socket.set_nodelay(true).ok()?;
        let shaking = tokio::time::timeout(self.core.admission().settings.header_deadline, acceptor.accept(socket));
        let shaken = tokio::select! {
            // Whichever is done, the socket is dropped or handed on.
            shaken = shaking => shaken,
            () = self.slot.dropped() => return None,
            () = self.core.stopping().cancelled() => return None,
        };
        match shaken.map_err(io::Error::from).and_then(|shaken| shaken) {
            Ok(stream) => Some(stream),
            Err(error) => {
                count(&self.core.admission().counters.tls_failed);
                tracing::debug!(peer = %self.peer, %error, "a TLS handshake failed");
                None
            }
        }
    }

    /// Serves its requests, one after the other. Ends when it has become a WebSocket, too: that is then a session of the
    /// server's.
    pub(crate) async fn serve<I, S>(self, stream: I, service: S)
    where
        I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        S: Service<http::Request<RequestBody>, Response = warp::reply::Response, Error = Infallible>,
    {
        let caller = &self;
        let answer = service_fn(move |request: http::Request<Incoming>| {
            caller.slot.serve();
            let mut request = request.map(|body| RequestBody::new(body, &caller.slot));
            request.extensions_mut().insert(Peer(caller.peer));
            let answer = service.call(request);
            async move {
                let answer = answer.await?;
                match answer.extensions().get::<SlotLease>() {
                    Some(lease) => lease.lend(&caller.slot),
                    // It may send another one, and until it does, it has waited since now.
                    None => _ = caller.slot.asks(),
                }
                Ok::<_, Infallible>(answer.map(|body| ResponseBody { body, slot: Arc::clone(&caller.slot) }))
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.core.admission().settings.header_deadline)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(stream), answer)
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
                    // Hyper waits for the rest of a request that has begun.
                    () = self.asks_too_slowly() => return,
                }
            }
        };
        let Err(error) = served else { return };
        tracing::debug!(peer = %self.peer, %error, "an HTTP connection ended early");
        let counters = &self.core.admission().counters;
        if error.is_parse_too_large() {
            count(&counters.head_too_large);
        } else if error.is_timeout() && !self.slot.was_served() {
            count(&counters.head_late);
        }
    }

    /// Waits as long as a server that stops does for a request that is not whole; for ever, if one is being answered then.
    async fn asks_too_slowly(&self) {
        tokio::time::sleep(LAST_REQUESTS).await;
        if self.slot.is_served() {
            std::future::pending().await
        }
    }
}

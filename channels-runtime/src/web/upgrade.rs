//! The opening handshake (RFC 6455, section 4.2), answered only after `connect` has accepted.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use tokio::net::TcpStream;
use tungstenite::handshake::derive_accept_key;
use warp::reply::{Reply, Response};

use crate::consumer::Consumer;
use crate::error::Reject;
use crate::scope::Scope;
use crate::server::Server;
use crate::session::{self, Opened, Transport};

/// A request to become a WebSocket.
pub(super) struct Handshake {
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) upgrade: Option<OnUpgrade>,
    pub(super) client: Option<SocketAddr>,
}

impl Handshake {
    /// Runs `connect`, and answers with 101, or with a refusal.
    pub(super) async fn answer<C: Consumer>(mut self, server: &Arc<Server>, captures: C::Captures) -> Response {
        let consumer = C::INFO.name;
        let (key, upgrade) = match self.check() {
            Ok(checked) => checked,
            Err(response) => return *response,
        };
        if server.stopping().is_cancelled() {
            return refusal(&Reject::new(503).with_reason("the server stops"));
        }
        let scope = Scope::new(&self.uri, &self.headers, self.client);
        let opening = tokio::time::timeout(server.settings.connect_deadline, open::<C>(server, scope, captures));
        let mut opened = match opening.await {
            Ok(Ok(opened)) => opened,
            Ok(Err(reject)) => {
                match reject.source() {
                    Some(error) => tracing::error!(consumer, path = self.uri.path(), %error, "`connect` failed"),
                    None => tracing::debug!(consumer, path = self.uri.path(), status = reject.status(), "refused"),
                }
                return refusal(&reject);
            }
            Err(_) => {
                tracing::warn!(consumer, path = self.uri.path(), "`connect` took too long");
                return refusal(&Reject::new(503).with_reason("connecting took too long"));
            }
        };
        let response = accepted(&key, &mut opened);
        server.spawn(opened, async { carrier(upgrade.await.ok()?) });
        response
    }

    /// Checks what every handshake must hold. Gives the client's key.
    fn check(&mut self) -> Result<(HeaderValue, OnUpgrade), Box<Response>> {
        let bad = |reason: &str| Box::new(refusal(&Reject::new(400).with_reason(reason)));
        let upgrades = self.headers.get_all(CONNECTION).iter().any(|value| {
            value.to_str().is_ok_and(|value| value.split(',').any(|word| word.trim().eq_ignore_ascii_case("upgrade")))
        });
        if !upgrades {
            return Err(bad("the header `Connection: Upgrade` is missing"));
        }
        if self.headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
            let mut response = refusal(&Reject::new(426).with_reason("only WebSocket version 13 is spoken here"));
            response.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            return Err(Box::new(response));
        }
        // Sixteen bytes in base64.
        let key = self.headers.get("sec-websocket-key").filter(|key| key.len() == 24);
        let key = key.cloned().ok_or_else(|| bad("the header `Sec-WebSocket-Key` is missing or is no key"))?;
        let upgrade = self.upgrade.take().ok_or_else(|| bad("this connection cannot become a WebSocket"))?;
        Ok((key, upgrade))
    }
}

async fn open<C: Consumer>(server: &Server, mut scope: Scope, captures: C::Captures) -> Result<Opened<C>, Reject> {
    if let Some(authenticator) = &server.settings.authenticator {
        scope.set_user(authenticator(scope.clone()).await?);
    }
    session::open::<C>(server, scope, captures).await
}

fn refusal(reject: &Reject) -> Response {
    let status = StatusCode::from_u16(reject.status()).unwrap_or(StatusCode::FORBIDDEN);
    warp::reply::with_status(reject.reason().to_owned(), status).into_response()
}

fn accepted<C: Consumer>(key: &HeaderValue, opened: &mut Opened<C>) -> Response {
    let answer = opened.cx.take_answer();
    let mut response = Response::default();
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.extend(answer.headers);
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes())).expect("base64 is a legal header");
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    if let Some(subprotocol) = answer.subprotocol {
        let subprotocol = HeaderValue::try_from(subprotocol).expect("it came in a header");
        headers.insert(SEC_WEBSOCKET_PROTOCOL, subprotocol);
    }
    response
}

/// Takes the plain socket back out of hyper, so that the flusher can write to it; or keeps it a stream, where it is none
/// (TLS, a Unix socket).
fn carrier(upgraded: Upgraded) -> Option<(Transport, Bytes)> {
    // By way of `Channels::serve`, and by way of `warp::serve`.
    let (socket, read_ahead) = match upgraded.downcast::<TokioIo<TcpStream>>() {
        Ok(parts) => (parts.io.into_inner(), parts.read_buf),
        Err(upgraded) => match auto::upgrade::downcast::<TokioIo<TcpStream>>(upgraded) {
            Ok(parts) => (parts.io.into_inner(), parts.read_buf),
            Err(upgraded) => {
                let stream = Transport::Stream(Box::new(TokioIo::new(upgraded)));
                return Some((stream, Bytes::new()));
            }
        },
    };
    // What waits is joined here, so the kernel need not wait for more. An error means that the client is gone.
    socket.set_nodelay(true).ok()?;
    Some((Transport::Tcp(socket), read_ahead))
}

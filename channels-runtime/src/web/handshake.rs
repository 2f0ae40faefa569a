//! The opening handshake (RFC 6455, section 4.2). The response is sent after `connect` has accepted.

use std::any::Any;
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "axum")]
use axum::extract::OriginalUri;
use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_LENGTH, HeaderName, RETRY_AFTER, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS,
    SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use tokio::net::TcpStream;
use tungstenite::handshake::derive_accept_key;
use warp::Filter;
use warp::reply::{Reply, Response};

use crate::admission::retry_after;
use crate::connection::{Connection, Socket, Stream};
use crate::consumer::Consumer;
use crate::error::{Reject, shown, shown_error};
use crate::layer::MailboxKind;
use crate::scope::{BEARER, Scope, offers_bearer};
use crate::server::{AdmissionPermit, LoginTerms, Server};
use crate::session::{self, Opened};
use crate::support::count;
use crate::web::peer_address::PeerAddress;
use crate::web::request_head::{check_host, is_websocket_key, lists, single};
use crate::web::request_stream::RequestStream;
use crate::websocket::{Agreement, Window};

/// The version of the protocol.
const VERSION: HeaderValue = HeaderValue::from_static("13");

/// The largest path of a handshake, in bytes. A consumer may keep its captures, and send them to other clients.
const MAX_PATH: usize = 2 * 1024;

/// The largest scope, in bytes: path, query and headers. It is kept while its connection is open.
const MAX_SCOPE: usize = 16 * 1024;

/// An admitted client: its permit, its consumer, and the terms of its login.
pub(super) type Admitted<C> = (AdmissionPermit, Opened<C>, LoginTerms);

/// Why a client was not admitted.
pub(super) enum NotAdmitted<E> {
    /// A check, the authenticator or `connect` has rejected it.
    Rejected(Reject),
    /// The captures have failed.
    Captures(E),
}

impl<E> From<Reject> for NotAdmitted<E> {
    fn from(reject: Reject) -> Self {
        Self::Rejected(reject)
    }
}

/// A request for a WebSocket or for server-sent events.
pub(super) struct Handshake {
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) upgrade: Option<OnUpgrade>,
    /// The sender: the client or a proxy.
    pub(super) peer: Option<SocketAddr>,
}

impl Handshake {
    /// Takes the handshake out of the head of a request.
    #[cfg(feature = "axum")]
    pub(super) fn take_from(parts: &mut http::request::Parts) -> Self {
        Self { upgrade: parts.extensions.remove(), ..Self::copied_from(parts) }
    }

    /// Returns the handshake in the head of a request, without the means to upgrade.
    #[cfg(feature = "axum")]
    pub(super) fn copied_from(parts: &http::request::Parts) -> Self {
        // A nested router removes its prefix from the URI.
        let original = parts.extensions.get().map(|OriginalUri(uri)| uri);
        Self {
            uri: original.unwrap_or(&parts.uri).clone(),
            headers: parts.headers.clone(),
            upgrade: None,
            peer: PeerAddress::of_other_server(&parts.extensions).map(|PeerAddress(address)| address),
        }
    }

    /// Runs `connect`, and responds with 101 or with a rejection. The captures are awaited after the client has been admitted. If
    /// they fail, returns their error.
    pub(super) async fn respond<C: Consumer, E>(
        mut self,
        server: &Arc<Server>,
        captures: impl Future<Output = Result<C::Captures, E>>,
    ) -> Result<Response, E> {
        let counters = &server.admission().counters;
        let (key, upgrade) = match self.check() {
            Ok(checked) => checked,
            Err(reject) => {
                count(&counters.malformed);
                return Ok(self.refuse(server, C::INFO.name, &reject));
            }
        };
        let agreement = self.negotiate_compression::<C>(server);
        let window = agreement.as_ref().map_or(Window::NONE, |agreement| agreement.window);
        let (permit, mut opened, login) =
            match self.admit::<C, E>(server, captures, session::mailbox_kind::<C>(), window).await {
                Ok(admitted) => admitted,
                Err(NotAdmitted::Rejected(reject)) => return Ok(self.refuse(server, C::INFO.name, &reject)),
                Err(NotAdmitted::Captures(error)) => return Err(error),
            };
        count(&counters.accepted);
        let mut response = accepted(&key, &mut opened, offers_bearer(&self.headers));
        if let Some(agreement) = agreement {
            respond_to_offer(&mut response, opened.cx.connection(), agreement);
        }
        Server::spawn(permit, opened, login, async { transport(upgrade.await.ok()?) });
        Ok(response)
    }

    /// Returns the client's acceptable offer of compression, if it has one.
    fn negotiate_compression<C: Consumer>(&self, server: &Server) -> Option<Agreement> {
        let compression = server.shared().compression.as_ref()?;
        let agreement = compression.negotiate(&self.headers)?;
        if C::INFO.uncompressed {
            count(&compression.counters().declined);
            return None;
        }
        Some(agreement)
    }

    /// Admits the client, awaits the captures, and runs `connect`. Also returns the terms of the login.
    pub(super) async fn admit<C: Consumer, E>(
        &self,
        server: &Arc<Server>,
        captures: impl Future<Output = Result<C::Captures, E>>,
        kind: &'static MailboxKind,
        window: Window,
    ) -> Result<Admitted<C>, NotAdmitted<E>> {
        self.check_admission(server)?;
        let client = server.admission().client(&self.headers, self.peer);
        let permit = AdmissionPermit::acquire(server, client)?;
        let scope = self.scope(server);
        if scope.size() > MAX_SCOPE {
            count(&server.admission().counters.malformed);
            return Err(Reject::new(431).reason("the headers and the query are larger than 16 KiB").into());
        }
        let (opened, login) = self.open::<C, E>(server, scope, captures, kind, window).await?;
        Ok((permit, opened, login))
    }

    /// Runs the authenticator. Returns the user, or `None` for an anonymous client.
    pub(super) async fn user<U: Any + Send + Sync>(&self, server: &Server) -> Result<Option<Arc<U>>, Reject> {
        let mut scope = self.scope(server);
        let authenticating = server.authenticate(&mut scope);
        match tokio::time::timeout(server.settings.connect_deadline, authenticating).await {
            Ok(authenticated) => _ = authenticated?,
            Err(_) => return Err(Reject::new(503).reason("authentication took too long").retry_after(retry_after())),
        }
        Ok(scope.shared_user())
    }

    /// Returns the scope of the request, without a user.
    pub(super) fn scope(&self, server: &Server) -> Scope {
        let client = server.admission().client(&self.headers, self.peer);
        let token_parameter = server.admission().settings.token_parameter.as_deref();
        Scope::new(&self.uri, &self.headers, client, token_parameter)
    }

    /// Checks whether the server takes this client, before a permit is acquired.
    pub(super) fn check_admission(&self, server: &Server) -> Result<(), Reject> {
        let admission = server.admission();
        if server.stopping().is_cancelled() {
            count(&admission.counters.stopping);
            return Err(Reject::new(503).reason("the server is stopping").retry_after(Duration::from_secs(1)));
        }
        let path = self.uri.path();
        let checked = match check_host(&self.headers, false) {
            Err(problem) => Err(Reject::new(400).reason(problem)),
            Ok(()) if path.len() > MAX_PATH => Err(Reject::new(414).reason("the path is longer than 2 KiB")),
            Ok(()) => return admission.check(&self.headers, self.peer, path),
        };
        count(&admission.counters.malformed);
        checked
    }

    /// Logs a rejection, and returns its response.
    pub(super) fn refuse(&self, server: &Server, consumer: &'static str, reject: &Reject) -> Response {
        let path = shown(self.uri.path());
        match reject.source().map(shown_error) {
            // A client can send any path and any token, so only a status of 500 or more is logged as an error.
            Some(error) if reject.status() >= 500 => {
                if server.failure_logs.allows() {
                    tracing::error!(consumer, path, error, "`connect` failed");
                }
            }
            error => {
                let reason = error.as_deref().unwrap_or(shown(reject.body()));
                tracing::debug!(consumer, path, status = reject.status(), reason, "handshake rejected");
            }
        }
        rejection(reject)
    }

    /// Awaits the captures, and runs the authenticator and `connect`. Counts and logs failures.
    async fn open<C: Consumer, E>(
        &self,
        server: &Server,
        scope: Scope,
        captures: impl Future<Output = Result<C::Captures, E>>,
        kind: &'static MailboxKind,
        window: Window,
    ) -> Result<(Opened<C>, LoginTerms), NotAdmitted<E>> {
        let (consumer, path) = (C::INFO.name, shown(self.uri.path()));
        let opening = async {
            let captures = captures.await.map_err(NotAdmitted::Captures)?;
            Ok(open::<C>(server, scope, captures, kind, window).await?)
        };
        match tokio::time::timeout(server.settings.connect_deadline, opening).await {
            Ok(Ok(opened)) => Ok(opened),
            Ok(Err(refused)) => {
                count(&server.admission().counters.rejected);
                Err(refused)
            }
            Err(_) => {
                count(&server.admission().counters.timed_out);
                if server.failure_logs.allows() {
                    tracing::warn!(consumer, path, "`connect` took too long");
                }
                Err(Reject::new(503).reason("connecting took too long").retry_after(retry_after()).into())
            }
        }
    }

    /// Checks the headers of a handshake (RFC 6455, section 4.2.1). Returns the client's key.
    fn check(&mut self) -> Result<(HeaderValue, OnUpgrade), Reject> {
        let bad = |problem: String| Reject::new(400).reason(problem);
        check_host(&self.headers, true).map_err(bad)?;
        // The bytes of a body would be read as frames.
        let is_empty = |length: &HeaderValue| length == "0";
        if self.headers.contains_key(TRANSFER_ENCODING) || !self.headers.get_all(CONTENT_LENGTH).iter().all(is_empty) {
            return Err(bad("a handshake has no body".into()));
        }
        if !lists(&self.headers, &CONNECTION, "upgrade") {
            return Err(bad("the header `Connection: Upgrade` is missing".into()));
        }
        if single(&self.headers, &SEC_WEBSOCKET_VERSION).map_err(bad)?.is_none_or(|version| version != VERSION) {
            return Err(Reject::new(426).reason("only WebSocket version 13 is supported"));
        }
        let key = single(&self.headers, &SEC_WEBSOCKET_KEY).map_err(bad)?.cloned();
        let key = key.filter(|key| is_websocket_key(key.as_bytes()));
        let key =
            key.ok_or_else(|| bad("the header `Sec-WebSocket-Key` is missing, or is not 16 bytes in base64".into()))?;
        let upgrade = self.upgrade.take();
        let upgrade = upgrade.ok_or_else(|| bad("this connection cannot become a WebSocket".into()))?;
        Ok((key, upgrade))
    }
}

async fn open<C: Consumer>(
    server: &Server,
    mut scope: Scope,
    captures: C::Captures,
    kind: &'static MailboxKind,
    window: Window,
) -> Result<(Opened<C>, LoginTerms), Reject> {
    let login = server.authenticate(&mut scope).await?;
    Ok((session::open::<C>(server.shared(), scope, captures, kind, window).await?, login))
}

pub(super) fn rejection(reject: &Reject) -> Response {
    let status = StatusCode::from_u16(reject.status()).unwrap_or(StatusCode::FORBIDDEN);
    let mut response = warp::reply::with_status(reject.body().to_owned(), status).into_response();
    // The body may repeat what the client sent, so it must stay text.
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Some(wait) = reject.delay() {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    }
    if status == StatusCode::UPGRADE_REQUIRED {
        response.headers_mut().insert(SEC_WEBSOCKET_VERSION, VERSION);
    }
    response
}

/// Headers that the server itself writes. One of them from a consumer would break the response: a client fails a handshake that
/// selects a subprotocol or an extension that it did not offer.
const OWN_HEADERS: [HeaderName; 7] = [
    CONNECTION,
    CONTENT_LENGTH,
    TRANSFER_ENCODING,
    UPGRADE,
    SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_EXTENSIONS,
    SEC_WEBSOCKET_PROTOCOL,
];

/// Returns the headers that a consumer has added to the response, without those that the server itself writes.
pub(super) fn consumer_headers(consumer: &'static str, mut headers: HeaderMap) -> HeaderMap {
    for name in OWN_HEADERS {
        if headers.remove(&name).is_some() {
            let header = name.as_str();
            tracing::error!(
                consumer,
                header,
                "a consumer cannot set this header, and it was removed; a subprotocol is selected with `cx.set_subprotocol(..)`"
            );
        }
    }
    headers
}

/// Accepts the client's offer of compression, unless `connect` has turned compression off.
fn respond_to_offer(response: &mut Response, connection: &Connection, agreement: Agreement) {
    let Some(compression) = &connection.shared().compression else { return };
    if connection.accept_compression() {
        count(&compression.counters().accepted);
        response.headers_mut().insert(SEC_WEBSOCKET_EXTENSIONS, agreement.response);
    } else {
        count(&compression.counters().declined);
    }
}

fn accepted<C: Consumer>(key: &HeaderValue, opened: &mut Opened<C>, bearer: bool) -> Response {
    let additions = opened.cx.take_response();
    let mut response = Response::default();
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.extend(consumer_headers(C::INFO.name, additions.headers));
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes())).expect("base64 is a legal header");
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    // A browser that offers subprotocols disconnects if none is chosen.
    if let Some(subprotocol) = additions.subprotocol.or(bearer.then(|| BEARER.into())) {
        let subprotocol = HeaderValue::try_from(subprotocol).expect("it came from a header");
        headers.insert(SEC_WEBSOCKET_PROTOCOL, subprotocol);
    }
    response
}

/// Takes the TCP socket out of hyper, so that the write queue can write to it. If there is no TCP socket (TLS, a Unix socket),
/// keeps the stream.
fn transport(upgraded: Upgraded) -> Option<(Socket, Bytes)> {
    // The first case is `Channels::serve`, the second `warp::serve`.
    let (socket, read_ahead) = match upgraded.downcast::<TokioIo<RequestStream<TcpStream>>>() {
        Ok(parts) => (parts.io.into_inner().into_inner(), parts.read_buf),
        Err(upgraded) => match auto::upgrade::downcast::<TokioIo<TcpStream>>(upgraded) {
            Ok(parts) => (parts.io.into_inner(), parts.read_buf),
            Err(upgraded) => {
                return Some((Socket::Stream(Stream::new(TokioIo::new(upgraded))), Bytes::new()));
            }
        },
    };
    // Output is joined before it is written, so the kernel need not wait for more. An error means that the client has
    // disconnected.
    socket.set_nodelay(true).ok()?;
    Some((Socket::Tcp(socket), read_ahead))
}

pub(crate) fn handshake() -> impl Filter<Extract = (Handshake,), Error = Infallible> + Clone + Send + Sync + 'static {
    let query = warp::query::raw().map(Some).or(warp::any().map(|| None)).unify();
    warp::path::full()
        .and(query)
        .and(warp::header::headers_cloned())
        .and(warp::ext::optional::<OnUpgrade>())
        .and(warp::ext::optional::<PeerAddress>())
        .and(warp::addr::remote())
        .map(
            |path: warp::path::FullPath,
             query: Option<String>,
             headers: HeaderMap,
             upgrade: Option<OnUpgrade>,
             peer: Option<PeerAddress>,
             remote: Option<SocketAddr>| {
                let path_and_query = match query {
                    Some(query) => format!("{}?{query}", path.as_str()),
                    None => path.as_str().to_owned(),
                };
                let uri = Uri::try_from(path_and_query).unwrap_or_default();
                let peer = peer.map(|PeerAddress(address)| address).or(remote);
                Handshake { uri, headers, upgrade, peer }
            },
        )
}

//! Server-sent events: a consumer's messages as an endless HTTP response, for clients that only receive.
//!
//! The consumer's session is that of a WebSocket, over a pipe in memory. [`EventStream`] is the other end of the pipe: it reads the
//! session's frames and replies to its pings.

use std::convert::Infallible;
use std::future::{Future, ready};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, HeaderName, ORIGIN,
    VARY,
};
use http::{HeaderMap, HeaderValue, Method};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use warp::filters::BoxedFilter;
use warp::reply::{Reply, Response};
use warp::{Filter, Rejection};

use crate::app::Channels;
use crate::connection::{Socket, Stream};
use crate::consumer::{Consumer, OnlySends};
use crate::server::Server;
use crate::session;
use crate::support::count;
use crate::web::allowed_methods;
use crate::web::captures::{Captures, RoutePath};
use crate::web::event_stream::EventStream;
use crate::web::handshake::{Handshake, NotAdmitted, consumer_headers, handshake};
use crate::web::request_head::accepts;
use crate::web::slot_lease::{SlotGuard, SlotLease};
use crate::websocket::Window;

/// The size of the pipe, in bytes. Further output waits in the connection's outbound queue, which has the limit.
const PIPE: usize = 16 * 1024;

impl Channels {
    /// Returns a route for clients that only receive: server-sent events from a consumer, as an ordinary warp filter. Use it for
    /// pages whose network blocks WebSockets, and for programs that read HTTP more easily than WebSockets.
    ///
    /// The same consumer may also have a [`Self::route`]. A consumer with `#[receive]` does not compile here, because this client
    /// cannot send.
    ///
    /// ```
    /// use channels_runtime::prelude::*;
    /// use warp::Filter;
    ///
    /// #[event("news.posted")]
    /// struct NewsPosted { headline: String }
    ///
    /// #[group("news", events(NewsPosted))]
    /// struct News;
    ///
    /// struct NewsConsumer;
    ///
    /// #[consumer]
    /// impl NewsConsumer {
    ///     #[connect]
    ///     async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
    ///         cx.group_add(&News).await?;
    ///         Ok(Self)
    ///     }
    ///
    ///     #[handler("news.posted")]
    ///     fn posted(event: &NewsPosted) -> String {
    ///         event.headline.clone()
    ///     }
    /// }
    ///
    /// let channels = Channels::builder().build()?;
    /// let news = warp::path!("news");
    /// let routes = channels.route::<NewsConsumer>(news).or(channels.sse::<NewsConsumer>(news));
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// ```js
    /// const source = new EventSource("/news");
    /// source.onmessage = (event) => show(event.data);
    /// // A browser reconnects whenever the connection ends, unless the page closes the source.
    /// source.addEventListener("close", (event) => {
    ///   if (JSON.parse(event.data).code >= 4000) source.close();
    /// });
    /// ```
    ///
    /// These are the same as on a WebSocket route: `#[connect]` and the status of its [`Reject`](crate::Reject), the login, the
    /// checks of origin and host, all limits and counters, the heartbeat's times, the order, the outbound limit (1013 beyond it),
    /// and the gradual closes of [`Self::shutdown`]. These differ:
    ///
    /// - The route takes `GET` with `Accept: text/event-stream`, which browsers' `EventSource` sends, and passes other requests
    ///   on. It also takes `HEAD` with this header: it checks the host and the origin, and does not run `#[connect]`.
    /// - A text frame is one message, with `data:` before each of its lines. A line ends with `\n`, `\r\n` or `\r`; all arrive as
    ///   `\n`. A binary frame cannot be sent: it is logged as an error and ends the connection with 1003.
    /// - A comment replaces the ping. A client that vanished is noticed when its socket takes no more bytes: 30 s after that, or
    ///   when the kernel ends its retries (on Linux within a quarter of an hour).
    /// - The client sends no close code, so `#[disconnect]` gets 1006.
    /// - A close is the last message, an event named `close`: `{"code": 4001, "reason": ".."}`. When the server stops, the
    ///   browser reconnects after the time in the reason.
    /// - Messages of a group with a history have an `id:`, which contains the newest position of each such group. A browser sends
    ///   it as `Last-Event-ID` when it reconnects, and [`Context::resume`](crate::Context::resume) reads it. So the page needs no
    ///   code to receive what it missed. If a handler with `&mut self` sends several messages, the first one has the id.
    /// - There is no subprotocol. An [idle limit](crate::ChannelsBuilder::idle_limit) ends every stream, because these clients
    ///   send nothing.
    /// - The response allows pages of other hosts in [`allowed_origins`](crate::ChannelsBuilder::allowed_origins) to read it
    ///   (CORS, with credentials).
    ///
    /// A browser allows six HTTP/1.1 connections to a host, over all of its tabs; with many tabs, use a WebSocket. The cost: a
    /// frame is copied once more and wakes one more task.
    pub fn sse<C: Consumer + OnlySends>(
        &self,
        path: impl RoutePath<Captured: Captures<C::Captures>>,
    ) -> BoxedFilter<(Response,)> {
        let server = self.server().clone();
        Captures::collect(path.itself())
            .and(allowed_methods::get_or_head())
            .and(wants_events())
            .and(warp::method())
            .and(handshake())
            .then(move |captures: C::Captures, method: Method, handshake: Handshake| {
                let server = server.clone();
                async move {
                    if method == Method::HEAD {
                        return respond_to_head(&handshake, &server, C::INFO.name);
                    }
                    let Ok(response) = respond::<C, Infallible>(&handshake, &server, ready(Ok(captures))).await;
                    response
                }
            })
            .boxed()
    }
}

/// Rejects a request that does not accept an event stream, so that another filter can take it.
fn wants_events() -> impl Filter<Extract = (), Error = Rejection> + Clone + Send + Sync + 'static {
    warp::header::headers_cloned()
        .and_then(|headers: HeaderMap| {
            std::future::ready(if is_wanted(&headers) { Ok(()) } else { Err(warp::reject::not_found()) })
        })
        .untuple_one()
}

/// Returns whether a request accepts an event stream.
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    accepts(headers, "text/event-stream")
}

/// Runs `connect`, and responds with a stream or with a rejection.
/// The captures are awaited after the client has been admitted. If they fail, returns their error.
pub(super) async fn respond<C: Consumer, E>(
    handshake: &Handshake,
    server: &Arc<Server>,
    captures: impl Future<Output = Result<C::Captures, E>>,
) -> Result<Response, E> {
    let (permit, mut opened, login) =
        match handshake.admit::<C, E>(server, captures, session::stream_kind::<C>(), Window::NONE).await {
            Ok(admitted) => admitted,
            Err(NotAdmitted::Rejected(reject)) => return Ok(handshake.refuse(server, C::INFO.name, &reject)),
            Err(NotAdmitted::Captures(error)) => return Err(error),
        };
    count(&server.admission().counters.accepted);
    let additions = opened.cx.take_response();
    let (session, pipe) = tokio::io::duplex(PIPE);
    let lease = SlotLease::default();
    let session = SessionPipe { pipe: session, _guard: lease.guard() };
    let transport = Some((Socket::Stream(Stream::new(session)), Bytes::new()));
    Server::spawn(permit, opened, login, std::future::ready(transport));
    let mut response = warp::reply::stream(EventStream::new(C::INFO.name, pipe)).into_response();
    response.extensions_mut().insert(lease);
    let headers = response.headers_mut();
    headers.extend(consumer_headers(C::INFO.name, additions.headers));
    add_headers(headers, handshake);
    Ok(response)
}

/// Responds to `HEAD`: checks the host and the origin, but does not run `connect`, which would join groups for nothing.
pub(super) fn respond_to_head(handshake: &Handshake, server: &Server, consumer: &'static str) -> Response {
    if let Err(reject) = handshake.check_admission(server) {
        return handshake.refuse(server, consumer, &reject);
    }
    let mut response = Response::default();
    add_headers(response.headers_mut(), handshake);
    response
}

/// Adds the headers of an event stream.
fn add_headers(headers: &mut HeaderMap, handshake: &Handshake) {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx would buffer some kilobytes.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    if let Some(origin) = handshake.headers.get(ORIGIN) {
        // Admission has accepted the origin.
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        headers.append(VARY, HeaderValue::from_name(ORIGIN));
    }
}

/// The session's end of the pipe. When it is dropped, the rest of the response no longer counts as a connection.
struct SessionPipe {
    pipe: DuplexStream,
    _guard: SlotGuard,
}

impl AsyncRead for SessionPipe {
    fn poll_read(mut self: Pin<&mut Self>, task: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_read(task, buffer)
    }
}

impl AsyncWrite for SessionPipe {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.pipe).poll_write(task, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_shutdown(task)
    }
}

//! Server-sent events: a consumer's messages as an endless HTTP response, for clients that only receive.
//!
//! The consumer's session is that of a WebSocket, over a pipe in memory. This module is the other end of the pipe: it reads the
//! session's frames and replies to its pings.

use std::convert::Infallible;
use std::io::{self, Cursor};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, HeaderName, ORIGIN,
    VARY,
};
use http::{HeaderMap, HeaderValue, Method};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};
use warp::filters::BoxedFilter;
use warp::reply::{Reply, Response};
use warp::{Filter, Rejection};

use crate::app::Channels;
use crate::connection::{Socket, Stream};
use crate::consumer::{Consumer, OnlySends};
use crate::server::{self, Server};
use crate::support::count;
use crate::web::allowed_methods;
use crate::web::captures::{Captures, RoutePath};
use crate::web::handshake::{Handshake, consumer_headers, handshake};
use crate::web::request_head::accepts;
use crate::web::slot_lease::{SlotGuard, SlotLease};
use crate::websocket::CloseCode;

/// The size of the pipe, in bytes. Further output waits in the connection's outbound queue, which has the limit.
const PIPE: usize = 16 * 1024;

/// The beginning of each response: the time, in milliseconds, that a browser waits before it reconnects. A stopping server sends
/// another time at the end, and this resets it.
const OPENING: &str = "retry: 3000\n\n";

/// A client's reply to a ping. It is masked, like all frames of a client, with a mask of zeros.
const PONG: [u8; 6] = [0x8a, 0x80, 0, 0, 0, 0];

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
    /// - Messages have no id, and `Last-Event-ID` is ignored: messages that the client missed are not sent again. A consumer
    ///   updates its client in `#[connect]`.
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
                    respond::<C>(&handshake, &server, captures).await
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
pub(super) async fn respond<C: Consumer>(
    handshake: &Handshake,
    server: &Arc<Server>,
    captures: C::Captures,
) -> Response {
    let (permit, mut opened, login_ends) = match handshake.admit::<C>(server, captures).await {
        Ok(admitted) => admitted,
        Err(reject) => return handshake.refuse(server, C::INFO.name, &reject),
    };
    count(&server.admission().counters.accepted);
    let additions = opened.cx.take_response();
    let (session, pipe) = tokio::io::duplex(PIPE);
    let lease = SlotLease::default();
    let session = SessionPipe { pipe: session, _guard: lease.guard() };
    let transport = Some((Socket::Stream(Stream::new(session)), Bytes::new()));
    Server::spawn(permit, opened, login_ends, std::future::ready(transport));
    let mut response = warp::reply::stream(EventStream::new(C::INFO.name, pipe)).into_response();
    response.extensions_mut().insert(lease);
    let headers = response.headers_mut();
    headers.extend(consumer_headers(C::INFO.name, additions.headers));
    add_headers(headers, handshake);
    response
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

/// The body of the response. It is dropped when the client has disconnected, which ends the session.
struct EventStream {
    consumer: &'static str,
    pipe: DuplexStream,
    /// Bytes of an incomplete frame.
    read: BytesMut,
    /// Lines that have not been written yet.
    lines: String,
    ended: bool,
}

impl EventStream {
    fn new(consumer: &'static str, pipe: DuplexStream) -> Self {
        Self { consumer, pipe, read: BytesMut::new(), lines: OPENING.into(), ended: false }
    }

    /// Converts all complete frames into lines.
    fn translate(&mut self, task: &mut Context<'_>) {
        while !self.ended
            && let Some((opcode, payload)) = next_frame(&mut self.read)
        {
            match opcode {
                OpCode::Data(Data::Text) => write_message(&mut self.lines, &String::from_utf8_lossy(&payload)),
                OpCode::Control(Control::Ping) => {
                    self.lines.push_str(": ping\n\n");
                    self.send(task, &PONG);
                }
                OpCode::Control(Control::Close) => {
                    let (code, reason) = payload.split_at_checked(2).unwrap_or((&[], &[]));
                    let code = code.try_into().map_or(CloseCode::NO_STATUS.as_u16(), u16::from_be_bytes);
                    write_close(&mut self.lines, code, &String::from_utf8_lossy(reason));
                    self.ended = true;
                }
                OpCode::Data(Data::Binary) => {
                    let consumer = self.consumer;
                    tracing::error!(consumer, "a binary frame cannot be a server-sent event");
                    let code = CloseCode::UNSUPPORTED.as_u16();
                    write_close(&mut self.lines, code, "a binary frame cannot be a server-sent event");
                    let [high, low] = code.to_be_bytes();
                    self.send(task, &[0x88, 0x82, 0, 0, 0, 0, high, low]);
                    self.ended = true;
                }
                // The session sends no fragments, and no pongs, because it gets no pings.
                OpCode::Control(_) | OpCode::Data(_) => {}
            }
        }
    }

    /// Sends a client's frame to the session. The session reads it long before the pipe is full.
    fn send(&mut self, task: &mut Context<'_>, frame: &[u8]) {
        _ = Pin::new(&mut self.pipe).poll_write(task, frame);
    }
}

impl futures_util::Stream for EventStream {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if !self.lines.is_empty() {
                return Poll::Ready(Some(Ok(std::mem::take(&mut self.lines).into())));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            let mut buffer = [0; 8 * 1024];
            let mut buffer = ReadBuf::new(&mut buffer);
            match Pin::new(&mut self.pipe).poll_read(task, &mut buffer) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => self.read.extend_from_slice(buffer.filled()),
                // The session has ended. It has sent a close frame if it could.
                Poll::Ready(_) => self.ended = true,
            }
            self.translate(task);
        }
    }
}

/// Removes a complete frame from the bytes that were read.
fn next_frame(read: &mut BytesMut) -> Option<(OpCode, BytesMut)> {
    let mut cursor = Cursor::new(&**read);
    let (header, length) = FrameHeader::parse(&mut cursor).expect("the session writes legal frames")?;
    let (start, length) = (usize::try_from(cursor.position()).ok()?, usize::try_from(length).ok()?);
    if read.len() - start < length {
        return None;
    }
    read.advance(start);
    Some((header.opcode, read.split_to(length)))
}

fn write_message(lines: &mut String, text: &str) {
    let mut rest = text;
    loop {
        let (line, after) = match rest.find(['\n', '\r']) {
            Some(end) => {
                let after = &rest[end..];
                (&rest[..end], Some(after.strip_prefix("\r\n").unwrap_or(&after[1..])))
            }
            None => (rest, None),
        };
        lines.extend(["data: ", line, "\n"]);
        match after {
            Some(after) => rest = after,
            None => break,
        }
    }
    lines.push('\n');
}

fn write_close(lines: &mut String, code: u16, reason: &str) {
    if let Some(wait) = server::reconnect_delay(reason).filter(|_| code == CloseCode::SERVICE_RESTART.as_u16()) {
        lines.extend(["retry: ", &wait.to_string(), "\n"]);
    }
    lines.push_str("event: close\n");
    write_message(lines, &serde_json::json!({"code": code, "reason": reason}).to_string());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::websocket::EncodedFrame;
    use crate::websocket::Frame;

    fn message(text: &str) -> String {
        let mut lines = String::new();
        write_message(&mut lines, text);
        lines
    }

    #[test]
    fn message_has_data_before_each_line() {
        assert_eq!(message("one"), "data: one\n\n");
        assert_eq!(message(""), "data: \n\n");
        assert_eq!(message(" a space"), "data:  a space\n\n");
        assert_eq!(message("one\ntwo"), "data: one\ndata: two\n\n");
        assert_eq!(
            message("one\r\ntwo\rthree\n\nfive\n"),
            "data: one\ndata: two\ndata: three\ndata: \ndata: five\ndata: \n\n"
        );
        // No text can end a message or begin a field.
        assert_eq!(message("\n\nevent: close"), "data: \ndata: \ndata: event: close\n\n");
    }

    #[test]
    fn close_event_has_code_reason_and_retry() {
        let mut lines = String::new();
        write_close(&mut lines, 4001, "banned\nfor ever");
        assert_eq!(lines, "event: close\ndata: {\"code\":4001,\"reason\":\"banned\\nfor ever\"}\n\n");
        lines.clear();
        write_close(&mut lines, 1012, "reconnect in 1234 ms");
        assert!(lines.starts_with("retry: 1234\nevent: close\n"), "{lines}");
    }

    #[test]
    fn frames_arrive_in_any_pieces() {
        let frames = [EncodedFrame::new(&Frame::text("x".repeat(70_000))), EncodedFrame::new(&Frame::text("short"))];
        let bytes: Vec<u8> = frames.iter().flat_map(|frame| frame.as_bytes().to_vec()).collect();
        for size in [1, 7, 4096, bytes.len()] {
            let (mut read, mut lengths) = (BytesMut::new(), Vec::new());
            for piece in bytes.chunks(size) {
                read.extend_from_slice(piece);
                while let Some((opcode, payload)) = next_frame(&mut read) {
                    assert_eq!(opcode, OpCode::Data(Data::Text));
                    lengths.push(payload.len());
                }
            }
            assert_eq!(lengths, [70_000, 5]);
        }
    }
}

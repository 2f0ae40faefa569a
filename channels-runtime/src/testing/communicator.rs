//! A client for tests: drives a route's consumer over a pipe in memory, without a socket.

use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncWriteExt, DuplexStream};
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error as ClientError, Message};
use tokio_util::task::AbortOnDropHandle;

use crate::consumer::Consumer;
use crate::support::Unawaited;
use crate::testing::deadlines::{PATIENCE, SILENCE};
use crate::testing::error::{Call, CommunicatorError};
use crate::testing::positions::Positions;
use crate::testing::requests::Requests;
use crate::testing::transcript::Transcript;
use crate::web::{self, IntoService, UnknownAddress};
use crate::websocket::{CloseCode, Frame, FromJson, Text, ToJson};

/// The accepted handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connected {
    /// The subprotocol that the consumer chose.
    pub subprotocol: Option<String>,
    /// The headers of the response.
    pub headers: HeaderMap,
}

/// A client of one route, without a socket. It uses warp's filters, the handshake and the framing, over a pipe in memory. It
/// corresponds to Django Channels' `WebsocketCommunicator`.
///
/// The client replies to the server's pings only while it waits for something. A test in which more than half a minute of paused
/// time passes without a receive should turn the heartbeat off: `Channels::builder().no_heartbeat()`.
///
/// An error names the line of the test whose call failed, and the client: its path, and its [name](Self::named) if it has one.
///
/// ```
/// use channels_runtime::prelude::*;
/// use channels_runtime::testing::WebsocketCommunicator;
///
/// #[derive(Default)]
/// struct EchoConsumer;
///
/// #[consumer]
/// impl EchoConsumer {
///     #[receive]
///     async fn receive(&mut self, cx: &mut Context<Self>, text: String) -> Result<()> {
///         cx.send_text(text).await
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
/// let channels = Channels::builder().build()?;
/// let route = channels.route::<EchoConsumer>(warp::path!("echo"));
/// let mut client = WebsocketCommunicator::new(route, "/echo");
/// client.connect().await?;
/// client.send_to("hello").await?;
/// assert_eq!(client.receive_text_from().await?, "hello");
/// assert!(client.receive_nothing().await);
/// client.disconnect(CloseCode::NORMAL).await?;
/// # Ok(()) }
/// ```
///
/// `C` is the consumer that the client knows; see [`Self::of`].
pub struct WebsocketCommunicator<C = AnyConsumer> {
    /// Serves the routes on the other end of a pipe.
    serve: Box<dyn Fn(DuplexStream) -> AbortOnDropHandle<()> + Send + Sync>,
    path: String,
    name: Option<String>,
    headers: HeaderMap,
    pub(super) patience: Duration,
    connected: Option<Client>,
    /// The code and reason with which the server closed the connection.
    closed: Option<(u16, String)>,
    /// The positions in the frames that the test has received, over all connections.
    positions: Positions,
    pub(super) requests: Requests,
    pub(super) transcript: Transcript,
    pub(super) consumer: PhantomData<fn() -> C>,
}

/// The consumer of a client that knows none, and may send anything. [`of`](WebsocketCommunicator::of) names one.
#[derive(Debug)]
pub enum AnyConsumer {}

struct Client {
    socket: WebSocketStream<DuplexStream>,
    /// The frames that arrived while the test expected nothing or an answer.
    early: VecDeque<Frame>,
    /// The code and reason of the server's close frame.
    close: Option<(u16, String)>,
    _server: AbortOnDropHandle<()>,
}

impl WebsocketCommunicator<AnyConsumer> {
    /// Creates a client that will connect to this path of these routes. The path is that of a URL, so its text is
    /// percent-encoded: `/ws/chat/no%20room`. It may have a query.
    pub fn new<Kind>(routes: impl IntoService<Kind>, path: impl Into<String>) -> Self {
        let routes = TowerToHyperService::new(web::service(routes));
        let serve = move |pipe| {
            let routes = routes.clone();
            let service = service_fn(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(UnknownAddress);
                routes.call(request)
            });
            let server = http1::Builder::new().serve_connection(TokioIo::new(pipe), service).with_upgrades();
            AbortOnDropHandle::new(tokio::spawn(async { _ = server.await }))
        };
        Self {
            serve: Box::new(serve),
            path: path.into(),
            name: None,
            headers: HeaderMap::new(),
            patience: PATIENCE,
            connected: None,
            closed: None,
            positions: Positions::default(),
            requests: Requests::default(),
            transcript: Transcript::default(),
            consumer: PhantomData,
        }
    }

    /// Makes it a client that knows its consumer, for [`say`](WebsocketCommunicator::say), [`ask`](WebsocketCommunicator::ask) and
    /// [`hears`](WebsocketCommunicator::hears). Also sets the consumer's [answer fields](Self::answer_fields).
    #[must_use]
    pub fn of<C: Consumer>(self) -> WebsocketCommunicator<C> {
        let Self { serve, path, name, headers, patience, connected, closed, positions, requests, transcript, .. } =
            self;
        let (requests, consumer) = (Requests { fields: C::INFO.answer, ..requests }, PhantomData);
        WebsocketCommunicator {
            serve,
            path,
            name,
            headers,
            patience,
            connected,
            closed,
            positions,
            requests,
            transcript,
            consumer,
        }
    }
}

impl<C> WebsocketCommunicator<C> {
    /// Sets a name for error messages. Useful if a test has several clients of one path.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Adds a header to the handshake.
    ///
    /// # Panics
    /// If the name or the value is not legal in a header.
    #[must_use]
    #[track_caller]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().expect("a legal header name");
        self.headers.append(name, value.parse().expect("a legal header value"));
        self
    }

    /// Offers subprotocols.
    ///
    /// # Panics
    /// If a subprotocol is not legal in a header.
    #[must_use]
    #[track_caller]
    pub fn subprotocols(self, subprotocols: &[&str]) -> Self {
        self.header("sec-websocket-protocol", &subprotocols.join(", "))
    }

    /// Sets how long the client waits for a frame, and for the end of the connection. Default: 1 s.
    ///
    /// Raise it for a consumer that waits for something outside of the test. A consumer that waits for time needs a paused clock
    /// instead: see [the module](crate::testing).
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Connects. When it returns, `#[connect]` has run, so the consumer is in its groups.
    ///
    /// After the connection has ended, call it again for another connection.
    ///
    /// # Errors
    /// [`CommunicatorError::Refused`] with the status of the rejection. [`CommunicatorError::Path`] if the path has no slash at
    /// the beginning, or is not legal in a URL.
    // Not an `async fn`, here and below: `#[track_caller]` names the line of the call only in a plain function.
    #[track_caller]
    pub fn connect(&mut self) -> Unawaited<'_, Result<Connected, CommunicatorError>> {
        let call = self.call();
        Unawaited::new(async move { self.open(call, &self.path.clone()).await })
    }

    /// Drops the connection without a close frame, as a phone does that leaves its network. When it returns, the consumer has
    /// left its groups, and `#[disconnect]` has run with [`CloseCode::ABNORMAL`]. The frames that the test has not received are
    /// lost.
    ///
    /// # Errors
    /// If there was no connection, or it does not end within a second. A connection that the consumer has closed is not an error.
    #[track_caller]
    pub fn drop_connection(&mut self) -> Unawaited<'_, Result<(), CommunicatorError>> {
        let call = self.call();
        Unawaited::new(self.end(call, None))
    }

    /// Connects again, as a page that comes back: with the newest [`Position`](crate::Position) of each group in the query,
    /// `?since=`. The positions are those in the frames that the test has received as JSON, in any field. Drops the connection
    /// first, if there is one.
    ///
    /// A client that has received no position connects as if it were here for the first time.
    ///
    /// ```
    /// use channels_runtime::prelude::*;
    /// use channels_runtime::testing::WebsocketCommunicator;
    /// use serde_json::Value;
    ///
    /// #[event("news.posted")]
    /// struct NewsPosted { headline: String }
    ///
    /// #[group("news", events(NewsPosted), history(size = 100, ttl = "10m"))]
    /// struct News;
    ///
    /// struct NewsConsumer;
    ///
    /// #[consumer]
    /// impl NewsConsumer {
    ///     #[connect]
    ///     async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
    ///         let joined = cx.group_add_since(&News, &cx.resume()).await?;
    ///         cx.send_json(&json!({"at": joined.at})).await?;
    ///         Ok(Self)
    ///     }
    ///
    ///     #[handler("news.posted")]
    ///     fn news_posted(event: &NewsPosted, at: &Position) -> Json<Value> {
    ///         Json(json!({"headline": event.headline, "at": at}))
    ///     }
    ///
    ///     #[history_lost]
    ///     async fn history_lost(&mut self, cx: &mut Context<Self>, lost: &HistoryLost) -> Result<()> {
    ///         cx.send_json(&json!({"lost": lost.cause.as_str(), "at": lost.at})).await
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// async fn client_receives_what_it_missed() -> Result<()> {
    ///     let channels = Channels::builder().build()?;
    ///     let layer = channels.channel_layer();
    ///     let mut client = WebsocketCommunicator::new(channels.route::<NewsConsumer>(warp::path!("ws")), "/ws");
    ///     client.connect().await?;
    ///     client.receive_json_from::<Value>().await?;      // {"at": ..}
    ///
    ///     client.drop_connection().await?;
    ///     layer.group_send(&News, &NewsPosted { headline: "it rains".into() }).await?;
    ///     client.reconnect().await?;
    ///     client.receive_json_from::<Value>().await?;      // {"at": ..}, still before the news
    ///     assert_eq!(client.receive_json_from::<Value>().await?["headline"], "it rains");
    ///
    ///     // Nothing was missed since.
    ///     client.reconnect().await?;
    ///     client.receive_json_from::<Value>().await?;
    ///     assert!(client.receive_nothing().await);
    ///     Ok(())
    /// }
    /// # client_receives_what_it_missed().unwrap();
    /// ```
    ///
    /// # Errors
    /// Those of [`Self::connect`], and those of [`Self::drop_connection`] if there is a connection.
    #[track_caller]
    pub fn reconnect(&mut self) -> Unawaited<'_, Result<Connected, CommunicatorError>> {
        let call = self.call();
        Unawaited::new(async move {
            if self.connected.is_some() {
                self.end(call.clone(), None).await?;
            }
            self.open(call, &self.positions.path(&self.path)).await
        })
    }

    async fn open(&mut self, call: Call, path: &str) -> Result<Connected, CommunicatorError> {
        if !path.starts_with('/') {
            let problem = format!("a path begins with a slash; write `/{path}`");
            return Err(CommunicatorError::Path { call, problem });
        }
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let server = (self.serve)(theirs);
        let request = Request::builder()
            .uri(format!("ws://testserver{path}"))
            .header("host", "testserver")
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", tungstenite::handshake::client::generate_key())
            .body(());
        let Ok(mut request) = request else {
            let problem = "this path is not legal in a URL; percent-encode its text, such as `%20` for a space".into();
            return Err(CommunicatorError::Path { call, problem });
        };
        request.headers_mut().extend(self.headers.clone());
        match tokio_tungstenite::client_async(request, ours).await {
            Ok((socket, response)) => {
                let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
                let subprotocol = response.headers().get("sec-websocket-protocol").map(text);
                self.connected = Some(Client { socket, early: VecDeque::new(), close: None, _server: server });
                self.closed = None;
                self.transcript = Transcript::default();
                Ok(Connected { subprotocol, headers: response.headers().clone() })
            }
            Err(ClientError::Http(response)) => {
                let body = response.body().as_deref().unwrap_or_default();
                let body = String::from_utf8_lossy(body).into_owned();
                Err(CommunicatorError::Refused { call, status: response.status().as_u16(), body })
            }
            Err(error) => Err(CommunicatorError::Broken { call, source: Box::new(error) }),
        }
    }

    /// Returns the current call: this client, and the line of the test.
    #[track_caller]
    pub(super) fn call(&self) -> Call {
        let client = match &self.name {
            Some(name) => format!("`{name}` ({})", self.path),
            None => self.path.clone(),
        };
        Call::new(Arc::from(client), Location::caller())
    }

    fn client(&mut self, call: &Call) -> Result<&mut Client, CommunicatorError> {
        match (&mut self.connected, &self.closed) {
            (Some(client), _) => Ok(client),
            (None, Some((code, reason))) => Err(CommunicatorError::Closed {
                call: call.clone(),
                code: *code,
                reason: reason.clone(),
                transcript: self.transcript.clone(),
            }),
            (None, None) => Err(CommunicatorError::NotConnected { call: call.clone() }),
        }
    }

    /// Returns the next frame within that time. After a close frame, keeps its code and drops the connection, as a browser does.
    async fn next_frame(&mut self, call: &Call, within: Duration) -> Result<Frame, CommunicatorError> {
        let client = self.client(call)?;
        let next = tokio::time::timeout(within, client.next()).await;
        let close = client.close.take();
        let (call, transcript) = (call.clone(), &mut self.transcript);
        match (next, close) {
            (Ok(Some(frame)), _) => {
                transcript.received(&frame);
                Ok(frame)
            }
            // On a timeout the server has not dropped the connection yet, but its close code is known.
            (Ok(None) | Err(_), Some((code, reason))) => {
                self.closed = Some((code, reason.clone()));
                self.connected = None;
                Err(CommunicatorError::Closed { call, code, reason, transcript: transcript.clone() })
            }
            (Ok(None) | Err(_), None) => {
                Err(CommunicatorError::Nothing { call, waited: within, transcript: transcript.clone() })
            }
        }
    }

    /// Sends text.
    ///
    /// # Errors
    /// If the connection is closed.
    #[track_caller]
    pub fn send_to(&mut self, text: impl Text) -> Unawaited<'_, Result<(), CommunicatorError>> {
        let call = self.call();
        Unawaited::new(self.send(call, Frame::text(text)))
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// If the connection is closed.
    #[track_caller]
    pub fn send_binary_to(&mut self, bytes: impl Into<bytes::Bytes>) -> Unawaited<'_, Result<(), CommunicatorError>> {
        let call = self.call();
        Unawaited::new(self.send(call, Frame::binary(bytes)))
    }

    /// Sends a value as JSON.
    ///
    /// # Errors
    /// If the connection is closed.
    ///
    /// # Panics
    /// If serde cannot encode the value as JSON.
    #[track_caller]
    pub fn send_json_to<T: ToJson + ?Sized>(&mut self, value: &T) -> Unawaited<'_, Result<(), CommunicatorError>> {
        self.send_to(serde_json::to_string(value).expect("a value that JSON can hold"))
    }

    pub(super) async fn send(&mut self, call: Call, frame: Frame) -> Result<(), CommunicatorError> {
        self.client(&call)?;
        self.transcript.sent(&frame);
        let message = match frame {
            Frame::Text(text) => Message::text(text),
            Frame::Binary(bytes) => Message::binary(bytes),
        };
        let sent = self.client(&call)?.socket.send(message).await;
        sent.map_err(|error| CommunicatorError::Broken { call, source: Box::new(error) })
    }

    /// Returns the next frame from the consumer. Waits up to a second.
    ///
    /// # Errors
    /// If nothing arrives, or the connection is closed.
    #[track_caller]
    pub fn receive_from(&mut self) -> Unawaited<'_, Result<Frame, CommunicatorError>> {
        let call = self.call();
        Unawaited::new(async move { self.receive(&call).await })
    }

    async fn receive(&mut self, call: &Call) -> Result<Frame, CommunicatorError> {
        let frame = match self.client(call)?.early.pop_front() {
            Some(early) => early,
            None => self.next_frame(call, self.patience).await?,
        };
        // Not earlier: a frame that the test has not received is lost with its connection.
        if let Frame::Text(text) = &frame {
            self.positions.remember(text);
        }
        Ok(frame)
    }

    /// Returns the next frame that this function accepts, before the deadline. Keeps the other frames for the next receives.
    ///
    /// # Errors
    /// If none arrives in time, or the connection is closed.
    pub(super) async fn receive_where<T>(
        &mut self,
        call: &Call,
        deadline: Instant,
        accept: impl Fn(&Frame) -> Option<T>,
    ) -> Result<(T, Frame), CommunicatorError> {
        loop {
            let frame = self.next_frame(call, deadline.saturating_duration_since(Instant::now())).await?;
            if let Some(accepted) = accept(&frame) {
                return Ok((accepted, frame));
            }
            self.client(call)?.early.push_back(frame);
        }
    }

    fn unexpected(&self, call: Call, wanted: &'static str, arrived: Frame) -> CommunicatorError {
        CommunicatorError::Unexpected { call, wanted, arrived, transcript: self.transcript.clone() }
    }

    /// Returns the next frame as text.
    ///
    /// # Errors
    /// If a binary frame or nothing arrives, or the connection is closed.
    #[track_caller]
    pub fn receive_text_from(&mut self) -> Unawaited<'_, Result<String, CommunicatorError>> {
        let call = self.call();
        Unawaited::new(self.receive_text(call))
    }

    async fn receive_text(&mut self, call: Call) -> Result<String, CommunicatorError> {
        match self.receive(&call).await? {
            Frame::Text(text) => Ok(text),
            arrived @ Frame::Binary(_) => Err(self.unexpected(call, "a text frame", arrived)),
        }
    }

    /// Returns the next frame as text with this JSON.
    ///
    /// # Errors
    /// If something else or nothing arrives, or the connection is closed.
    #[track_caller]
    pub fn receive_json_from<T: FromJson>(&mut self) -> Unawaited<'_, Result<T, CommunicatorError>> {
        let call = self.call();
        Unawaited::new(async move { self.receive_json(call).await })
    }

    pub(super) async fn receive_json<T: FromJson>(&mut self, call: Call) -> Result<T, CommunicatorError> {
        let text = self.receive_text(call.clone()).await?;
        serde_json::from_str(&text).map_err(|source| CommunicatorError::Json {
            call,
            text,
            source,
            transcript: self.transcript.clone(),
        })
    }

    /// Returns whether nothing arrives for a tenth of a second. With a paused clock the result is immediate and certain. A frame
    /// that does arrive is kept for the next receive.
    #[track_caller]
    pub fn receive_nothing(&mut self) -> Unawaited<'_, bool> {
        let call = self.call();
        Unawaited::new(self.is_silent(call))
    }

    async fn is_silent(&mut self, call: Call) -> bool {
        let Ok(client) = self.client(&call) else { return true };
        if !client.early.is_empty() {
            return false;
        }
        match (self.next_frame(&call, SILENCE).await, &mut self.connected) {
            (Err(CommunicatorError::Nothing { .. }), _) => return true,
            (Ok(frame), Some(client)) => client.early.push_back(frame),
            _ => {}
        }
        false
    }

    /// Returns the code and the reason with which the consumer closes the connection. Waits up to a second. When it returns,
    /// `#[disconnect]` has run, unless that takes longer than this second.
    ///
    /// # Errors
    /// If a frame or nothing arrives instead.
    #[track_caller]
    pub fn receive_close(&mut self) -> Unawaited<'_, Result<(CloseCode, String), CommunicatorError>> {
        let call = self.call();
        Unawaited::new(async move {
            match self.receive(&call).await {
                Err(CommunicatorError::Closed { code, reason, .. }) => {
                    Ok((CloseCode::new(code).unwrap_or(CloseCode::ABNORMAL), reason))
                }
                Ok(arrived) => Err(self.unexpected(call, "a close", arrived)),
                Err(error) => Err(error),
            }
        })
    }

    /// Closes the connection, and waits until it has ended: the consumer has left its groups, and `#[disconnect]` has run.
    ///
    /// # Errors
    /// If there was no connection, or it does not end within a second. A connection that the consumer has closed is not an error.
    #[track_caller]
    pub fn disconnect(&mut self, code: CloseCode) -> Unawaited<'_, Result<(), CommunicatorError>> {
        let call = self.call();
        Unawaited::new(self.end(call, Some(code)))
    }

    /// Ends the connection, with a close frame if there is a code.
    async fn end(&mut self, call: Call, code: Option<CloseCode>) -> Result<(), CommunicatorError> {
        let Some(mut client) = self.connected.take() else {
            return if self.closed.is_some() { Ok(()) } else { Err(CommunicatorError::NotConnected { call }) };
        };
        // The consumer may have closed it already.
        match code {
            Some(code) => {
                _ = client.socket.close(Some(CloseFrame { code: code.as_u16().into(), reason: "".into() })).await
            }
            None => _ = client.socket.get_mut().shutdown().await,
        }
        let ended = tokio::time::timeout(self.patience, client.ended()).await;
        ended.map_err(|_| CommunicatorError::StillOpen {
            call,
            waited: self.patience,
            transcript: self.transcript.clone(),
        })
    }
}

impl Client {
    /// Returns the next frame. `None` when the connection has ended; then `close` has the code and reason.
    async fn next(&mut self) -> Option<Frame> {
        while self.close.is_none() {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => return Some(Frame::text(text.as_str())),
                Some(Ok(Message::Binary(bytes))) => return Some(Frame::Binary(bytes)),
                Some(Ok(Message::Close(Some(frame)))) => {
                    self.close = Some((frame.code.into(), frame.reason.to_string()))
                }
                Some(Ok(Message::Close(None))) => self.close = Some((1005, String::new())),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => self.close = Some((1006, String::new())),
            }
        }
        self.ended().await;
        None
    }

    /// Waits until the server has dropped its end of the pipe, which it does last.
    async fn ended(&mut self) {
        // Reading also sends the reply to a close frame. A browser sends that automatically.
        while let Some(Ok(_)) = self.socket.next().await {}
    }
}

impl<C> fmt::Debug for WebsocketCommunicator<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebsocketCommunicator")
            .field("path", &self.path)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

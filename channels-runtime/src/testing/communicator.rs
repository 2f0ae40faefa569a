//! A client for tests: drives a route's consumer over a pipe in memory, without a socket.

use std::fmt;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::DuplexStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error as ClientError, Message};
use tokio_util::task::AbortOnDropHandle;

use crate::support::Unawaited;
use crate::testing::deadlines::{PATIENCE, SILENCE};
use crate::testing::transcript::Transcript;
use crate::web::Routes;
use crate::websocket::{CloseCode, Frame, FromJson, Text, ToJson};

/// The accepted handshake, as the client sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connected {
    /// The subprotocol that the consumer chose.
    pub subprotocol: Option<String>,
    /// The headers of the answer.
    pub headers: HeaderMap,
}

/// What did not happen as the test says, and what happened instead.
///
/// `Debug`, which a test prints that returns an error, says the same as `Display` and the cause behind it.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum CommunicatorError {
    /// The handshake was refused, or nothing stands at the path.
    #[error("the connection was refused with status {status}: {body}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The body of the answer.
        body: String,
    },
    /// `connect` was not called, or did not succeed.
    #[error("the communicator is not connected; call `connect` first")]
    NotConnected,
    /// Nothing arrived in time.
    #[error("nothing arrived within {waited:?}{transcript}")]
    Nothing {
        /// How long it was waited for.
        waited: Duration,
        /// What was sent and received before.
        transcript: Transcript,
    },
    /// The connection was closed instead.
    #[error("the connection was closed with code {code} and the reason {reason:?}{transcript}")]
    Closed {
        /// The code, 1006 if there was no close frame.
        code: u16,
        /// The reason.
        reason: String,
        /// What was sent and received before.
        transcript: Transcript,
    },
    /// Something else arrived.
    #[error("{wanted} was expected, and this arrived: {arrived:?}{transcript}")]
    Unexpected {
        /// What the test says.
        wanted: &'static str,
        /// What came.
        arrived: Frame,
        /// What was sent and received, up to that.
        transcript: Transcript,
    },
    /// The text that arrived is not the JSON that the test wants.
    #[error("{text:?} is not the JSON that is expected{transcript}")]
    Json {
        /// What came.
        text: String,
        /// What the parser says.
        source: serde_json::Error,
        /// What was sent and received, up to that.
        transcript: Transcript,
    },
    /// After `disconnect`, the consumer's end stays.
    #[error(
        "the connection did not end within {waited:?}: `disconnect`, or the handler before it, does not return{transcript}"
    )]
    StillOpen {
        /// How long it was waited for.
        waited: Duration,
        /// What was sent and received before.
        transcript: Transcript,
    },
    /// The pipe broke.
    #[error("the connection broke")]
    Broken(#[source] Box<ClientError>),
}

/// A client of one route, without a socket: the whole way through warp's filters, handshake and framing, over a pipe in
/// memory. What Channels' `WebsocketCommunicator` is.
///
/// It answers the server's pings while it waits for something, and only then. A test that lets more than half a minute of
/// paused time pass without a look at what arrives should turn the heartbeat off: `.no_heartbeat()`.
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
pub struct WebsocketCommunicator<R> {
    routes: R,
    path: String,
    headers: HeaderMap,
    patience: Duration,
    connected: Option<Client>,
    /// How the connection was closed from the other side.
    closed: Option<(u16, String)>,
    transcript: Transcript,
}

struct Client {
    socket: WebSocketStream<DuplexStream>,
    /// What arrived while silence was hoped for.
    early: Option<Frame>,
    /// The close that was heard.
    close: Option<(u16, String)>,
    _server: AbortOnDropHandle<()>,
}

impl<R: Routes> WebsocketCommunicator<R> {
    /// A client that will connect to this path of these routes.
    pub fn new(routes: R, path: impl Into<String>) -> Self {
        Self {
            routes,
            path: path.into(),
            headers: HeaderMap::new(),
            patience: PATIENCE,
            connected: None,
            closed: None,
            transcript: Transcript::default(),
        }
    }

    /// Adds a header to the handshake.
    ///
    /// # Panics
    /// When the name or the value is not legal in a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().expect("a legal header name");
        self.headers.append(name, value.parse().expect("a legal header value"));
        self
    }

    /// Offers subprotocols.
    #[must_use]
    pub fn subprotocols(self, subprotocols: &[&str]) -> Self {
        self.header("sec-websocket-protocol", &subprotocols.join(", "))
    }

    /// How long an answer is waited for, and the end of the connection: a second unless said otherwise. For a consumer that
    /// waits for something outside of the test; what only takes its time needs a paused clock instead (see
    /// [the module](crate::testing)).
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Connects. When it returns, `#[connect]` has run: the groups that it joins are joined.
    ///
    /// After the connection has ended it may be called again, for the next one.
    ///
    /// # Errors
    /// [`CommunicatorError::Refused`] with the status of the refusal.
    pub async fn connect(&mut self) -> Result<Connected, CommunicatorError> {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let service = TowerToHyperService::new(warp::service(self.routes.clone()));
        let server = http1::Builder::new().serve_connection(TokioIo::new(theirs), service).with_upgrades();
        let server = AbortOnDropHandle::new(tokio::spawn(async { _ = server.await }));
        let mut request = Request::builder()
            .uri(format!("ws://testserver{}", self.path))
            .header("host", "testserver")
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", tungstenite::handshake::client::generate_key())
            .body(())
            .expect("a legal path");
        request.headers_mut().extend(self.headers.clone());
        match tokio_tungstenite::client_async(request, ours).await {
            Ok((socket, response)) => {
                let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
                let subprotocol = response.headers().get("sec-websocket-protocol").map(text);
                self.connected = Some(Client { socket, early: None, close: None, _server: server });
                self.closed = None;
                self.transcript = Transcript::default();
                Ok(Connected { subprotocol, headers: response.headers().clone() })
            }
            Err(ClientError::Http(response)) => {
                let body = response.body().as_deref().unwrap_or_default();
                let body = String::from_utf8_lossy(body).into_owned();
                Err(CommunicatorError::Refused { status: response.status().as_u16(), body })
            }
            Err(error) => Err(CommunicatorError::Broken(Box::new(error))),
        }
    }

    fn client(&mut self) -> Result<&mut Client, CommunicatorError> {
        match (&mut self.connected, &self.closed) {
            (Some(client), _) => Ok(client),
            (None, Some((code, reason))) => Err(CommunicatorError::Closed {
                code: *code,
                reason: reason.clone(),
                transcript: self.transcript.clone(),
            }),
            (None, None) => Err(CommunicatorError::NotConnected),
        }
    }

    /// What the client hears within that time. Remembers how the connection was closed, and hangs up, as a browser does.
    async fn hear(&mut self, within: Duration) -> Result<Frame, CommunicatorError> {
        let client = self.client()?;
        let heard = tokio::time::timeout(within, client.next()).await;
        let close = client.close.take();
        let transcript = &mut self.transcript;
        match (heard, close) {
            (Ok(Some(frame)), _) => {
                transcript.received(&frame);
                Ok(frame)
            }
            // The consumer's end is not done with it in time, but the code is known.
            (Ok(None) | Err(_), Some((code, reason))) => {
                self.closed = Some((code, reason.clone()));
                self.connected = None;
                Err(CommunicatorError::Closed { code, reason, transcript: transcript.clone() })
            }
            (Ok(None) | Err(_), None) => {
                Err(CommunicatorError::Nothing { waited: within, transcript: transcript.clone() })
            }
        }
    }

    /// Sends text.
    ///
    /// # Errors
    /// When the connection is closed.
    // No `async fn`, which reports what is no text three times; `ChannelLayer::group_send` says more.
    pub fn send_to(&mut self, text: impl Text) -> Unawaited<'_, Result<(), CommunicatorError>> {
        Unawaited::new(self.send(Frame::text(text)))
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// When the connection is closed.
    pub async fn send_binary_to(&mut self, bytes: impl Into<bytes::Bytes>) -> Result<(), CommunicatorError> {
        self.send(Frame::binary(bytes)).await
    }

    /// Sends a value as JSON.
    ///
    /// # Errors
    /// When the connection is closed.
    ///
    /// # Panics
    /// When serde cannot write the value as JSON.
    pub fn send_json_to<T: ToJson + ?Sized>(&mut self, value: &T) -> Unawaited<'_, Result<(), CommunicatorError>> {
        self.send_to(serde_json::to_string(value).expect("a value that JSON can hold"))
    }

    async fn send(&mut self, frame: Frame) -> Result<(), CommunicatorError> {
        self.client()?;
        self.transcript.sent(&frame);
        let message = match frame {
            Frame::Text(text) => Message::text(text),
            Frame::Binary(bytes) => Message::binary(bytes),
        };
        self.client()?.socket.send(message).await.map_err(|error| CommunicatorError::Broken(Box::new(error)))
    }

    /// The next frame from the consumer, within a second.
    ///
    /// # Errors
    /// When nothing arrives, or the connection is closed.
    pub async fn receive_from(&mut self) -> Result<Frame, CommunicatorError> {
        if let Some(early) = self.client()?.early.take() {
            return Ok(early);
        }
        self.hear(self.patience).await
    }

    fn unexpected(&self, wanted: &'static str, arrived: Frame) -> CommunicatorError {
        CommunicatorError::Unexpected { wanted, arrived, transcript: self.transcript.clone() }
    }

    /// The next frame, which is text.
    ///
    /// # Errors
    /// When something else arrives, or nothing, or the connection is closed.
    pub async fn receive_text_from(&mut self) -> Result<String, CommunicatorError> {
        match self.receive_from().await? {
            Frame::Text(text) => Ok(text),
            arrived @ Frame::Binary(_) => Err(self.unexpected("a text frame", arrived)),
        }
    }

    /// The next frame, which is text with this JSON.
    ///
    /// # Errors
    /// When something else arrives, or nothing, or the connection is closed.
    pub fn receive_json_from<T: FromJson>(&mut self) -> Unawaited<'_, Result<T, CommunicatorError>> {
        Unawaited::new(async {
            let text = self.receive_text_from().await?;
            serde_json::from_str(&text).map_err(|source| CommunicatorError::Json {
                text,
                source,
                transcript: self.transcript.clone(),
            })
        })
    }

    /// Whether nothing arrives for a tenth of a second: at once, and with certainty, where the clock is paused. What does
    /// arrive is not lost.
    pub async fn receive_nothing(&mut self) -> bool {
        let Ok(client) = self.client() else { return true };
        if client.early.is_some() {
            return false;
        }
        match (self.hear(SILENCE).await, &mut self.connected) {
            (Err(CommunicatorError::Nothing { .. }), _) => return true,
            (Ok(frame), Some(client)) => client.early = Some(frame),
            _ => {}
        }
        false
    }

    /// The code and the reason that the consumer closes the connection with, within a second. When it returns,
    /// `#[disconnect]` has run, unless that takes longer than this second.
    ///
    /// # Errors
    /// When a frame arrives instead, or nothing.
    pub async fn receive_close(&mut self) -> Result<(CloseCode, String), CommunicatorError> {
        match self.receive_from().await {
            Err(CommunicatorError::Closed { code, reason, .. }) => {
                Ok((CloseCode::new(code).unwrap_or(CloseCode::ABNORMAL), reason))
            }
            Ok(arrived) => Err(self.unexpected("a close", arrived)),
            Err(error) => Err(error),
        }
    }

    /// Closes the connection, and waits until it has ended: the groups are left, and `#[disconnect]` has run.
    ///
    /// # Errors
    /// When there was no connection, or it does not end within a second. One that the consumer has closed is no error.
    pub async fn disconnect(&mut self, code: CloseCode) -> Result<(), CommunicatorError> {
        let Some(mut client) = self.connected.take() else {
            return if self.closed.is_some() { Ok(()) } else { Err(CommunicatorError::NotConnected) };
        };
        let close = CloseFrame { code: code.as_u16().into(), reason: "".into() };
        // It may be closed from the other side already.
        _ = client.socket.close(Some(close)).await;
        let ended = tokio::time::timeout(self.patience, client.ended()).await;
        ended.map_err(|_| CommunicatorError::StillOpen { waited: self.patience, transcript: self.transcript.clone() })
    }
}

impl Client {
    /// The next frame. `None` when the connection has ended: `close` says how.
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

    /// Waits until the other end has let go of the pipe, which it does when everything else is done.
    async fn ended(&mut self) {
        // The answer to a close frame goes out with the next call, as a browser's does by itself.
        while let Some(Ok(_)) = self.socket.next().await {}
    }
}

impl fmt::Debug for CommunicatorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)?;
        match std::error::Error::source(self) {
            Some(cause) => write!(f, "\ncaused by: {cause}"),
            None => Ok(()),
        }
    }
}

impl<R> fmt::Debug for WebsocketCommunicator<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebsocketCommunicator").field("path", &self.path).finish_non_exhaustive()
    }
}

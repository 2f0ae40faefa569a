//! Clients over real sockets: HTTP requests byte by byte, and a WebSocket client.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::support::until::within;

/// Time limit for the next message; the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(30);

/// A WebSocket client.
pub(crate) type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Connects a WebSocket client.
pub(crate) async fn connect(address: SocketAddr, path: &str) -> Client {
    connect_async(format!("ws://{address}{path}")).await.unwrap().0
}

/// Returns the next message, or `None` at the end of the connection. Skips pings: a test may take longer than the heartbeat.
pub(crate) async fn next_or_end(client: &mut (impl Stream<Item = Result<Message, Error>> + Unpin)) -> Option<Message> {
    loop {
        let message = tokio::time::timeout(PATIENCE, client.next()).await.expect("a message arrives in time")?.ok()?;
        if !message.is_ping() {
            return Some(message);
        }
    }
}

/// Returns the next message. Skips pings.
pub(crate) async fn next(client: &mut (impl Stream<Item = Result<Message, Error>> + Unpin)) -> Message {
    next_or_end(client).await.expect("the connection is open")
}

/// Returns the next message as text. Skips pings.
pub(crate) async fn next_text(client: &mut (impl Stream<Item = Result<Message, Error>> + Unpin)) -> String {
    next(client).await.to_text().expect("the message is a text").to_owned()
}

/// The head of an HTTP response, and its socket.
pub(crate) struct Response<S = TcpStream> {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) socket: S,
}

impl<S: AsyncRead + Unpin> Response<S> {
    /// Returns the value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Returns the body of a response whose connection then closes.
    pub(crate) async fn body(mut self) -> String {
        let mut body = String::new();
        within(self.socket.read_to_string(&mut body)).await.unwrap();
        body
    }
}

/// Returns the request of a WebSocket handshake. Each header line ends with `\n`.
pub(crate) fn handshake(path: &str, headers: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\nConnection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n{headers}\n"
    )
}

/// Connects, sends this request with each `\n` as `\r\n`, and reads the head of the response.
pub(crate) async fn send_request(address: SocketAddr, request: &str) -> Response {
    send_request_over(TcpStream::connect(address).await.unwrap(), request).await
}

/// Sends this request with each `\n` as `\r\n`, and reads the head of the response.
pub(crate) async fn send_request_over<S: AsyncRead + AsyncWrite + Unpin>(mut socket: S, request: &str) -> Response<S> {
    socket.write_all(request.replace('\n', "\r\n").as_bytes()).await.unwrap();
    socket.flush().await.unwrap();
    read_head(socket).await
}

/// Reads the head of the next response.
pub(crate) async fn read_head<S: AsyncRead + Unpin>(mut socket: S) -> Response<S> {
    let mut head = Vec::new();
    let reading = async {
        while !head.ends_with(b"\r\n\r\n") {
            head.push(socket.read_u8().await.expect("a response arrives before the end of the stream"));
        }
    };
    within(reading).await;
    let head = String::from_utf8(head).unwrap();
    Response { status: head.split(' ').nth(1).unwrap().parse().unwrap(), head, socket }
}

/// Waits until the server closes the socket, and ignores what it sends before.
pub(crate) async fn until_closed(mut socket: TcpStream) {
    let mut rest = Vec::new();
    // A reset ends the stream, too.
    _ = within(socket.read_to_end(&mut rest)).await;
}

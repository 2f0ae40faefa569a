//! A client that is no library: it says what a test wants, byte for byte, and hears all of the answer's head.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long an answer may take, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// The head of an answer, and the socket that it came over.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) socket: TcpStream,
}

impl Answer {
    /// A header, if it is there.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// A handshake for this path, with these lines of headers (each ends with `\n`).
pub(crate) fn handshake(path: &str, headers: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\nConnection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n{headers}\n"
    )
}

/// Connects, sends this (its `\n` are line ends of HTTP), and reads to the end of the answer's head.
pub(crate) async fn ask(address: SocketAddr, request: &str) -> Answer {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(request.replace('\n', "\r\n").as_bytes()).await.unwrap();
    head(socket).await
}

/// Reads the head of the next answer.
pub(crate) async fn head(mut socket: TcpStream) -> Answer {
    let mut head = Vec::new();
    let reading = async {
        while !head.ends_with(b"\r\n\r\n") {
            head.push(socket.read_u8().await.expect("an answer before the end"));
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("an answer, never a hang");
    let head = String::from_utf8(head).unwrap();
    Answer { status: head.split(' ').nth(1).unwrap().parse().unwrap(), head, socket }
}

/// Waits until the other side hangs up, whatever it says before.
pub(crate) async fn end(mut socket: TcpStream) {
    let mut rest = Vec::new();
    // A reset is an end, too.
    _ = tokio::time::timeout(PATIENCE, socket.read_to_end(&mut rest)).await.expect("the socket is closed");
}

/// Waits until this holds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("{what}"));
}

//! A WebSocket client that compresses and inflates messages, over a raw socket. It inflates with another library than the server.

use std::net::SocketAddr;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::client::{handshake, send_request_over};
use crate::support::until::within;

/// The offer of Chromium.
pub(crate) const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\n";

/// The end of a compressed message, which is not sent.
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// Compresses a message.
pub(crate) fn deflated(message: &[u8]) -> Vec<u8> {
    let mut compressor = Compress::new(Compression::default(), false);
    let mut output = Vec::with_capacity(message.len() + 1000);
    compressor.compress_vec(message, &mut output, FlushCompress::Sync).unwrap();
    assert!(output.ends_with(&TAIL));
    output.truncate(output.len() - TAIL.len());
    output
}

/// Inflates a message. Panics if a block is marked as the last one, because some clients do not inflate that.
pub(crate) fn inflated(message: &[u8]) -> Vec<u8> {
    let mut inflater = Decompress::new(false);
    let mut output = Vec::new();
    let input = [message, &TAIL].concat();
    loop {
        output.reserve(64 * 1024);
        let read = usize::try_from(inflater.total_in()).unwrap();
        let status = inflater.decompress_vec(&input[read..], &mut output, FlushDecompress::Sync).unwrap();
        assert_ne!(status, Status::StreamEnd, "the last block is not marked");
        let read = usize::try_from(inflater.total_in()).unwrap();
        if read == input.len() && output.len() < output.capacity() {
            return output;
        }
    }
}

/// Returns a client's frame with a mask of zeros.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..=125 => bytes.push(0x80 | u8::try_from(length).unwrap()),
        length @ 126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

/// A message of the server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) text: String,
    pub(crate) is_compressed: bool,
    /// The bytes of the frame.
    pub(crate) size: usize,
}

pub(crate) struct DeflateClient<S = TcpStream> {
    pub(crate) socket: S,
    /// The response's header `Sec-WebSocket-Extensions`.
    pub(crate) extensions: Option<String>,
}

impl DeflateClient {
    /// Connects with these header lines.
    pub(crate) async fn connect(address: SocketAddr, path: &str, headers: &str) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap(), path, &format!("Host: {address}\n{headers}")).await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> DeflateClient<S> {
    /// Sends the handshake with these header lines over a stream.
    pub(crate) async fn over(stream: S, path: &str, headers: &str) -> Self {
        let response = send_request_over(stream, &handshake(path, headers)).await;
        assert_eq!(response.status, 101, "{}", response.head);
        let extensions = response.header("sec-websocket-extensions").map(str::to_owned);
        Self { socket: response.socket, extensions }
    }

    pub(crate) async fn send(&mut self, first: u8, payload: &[u8]) {
        self.socket.write_all(&frame(first, payload)).await.unwrap();
        self.socket.flush().await.unwrap();
    }

    pub(crate) async fn send_text(&mut self, text: &str) {
        self.send(0x81, text.as_bytes()).await;
    }

    pub(crate) async fn send_compressed(&mut self, text: &str) {
        self.send(0xc1, &deflated(text.as_bytes())).await;
    }

    /// Returns the first byte of the next frame, and its payload. Skips pings.
    pub(crate) async fn next_frame(&mut self) -> (u8, Vec<u8>) {
        loop {
            let (first, payload) = within(self.read_frame()).await;
            if first != 0x89 {
                return (first, payload);
            }
        }
    }

    async fn read_frame(&mut self) -> (u8, Vec<u8>) {
        let first = self.socket.read_u8().await.expect("a frame arrives before the end of the stream");
        let length = match self.socket.read_u8().await.unwrap() {
            126 => self.socket.read_u16().await.unwrap().into(),
            127 => self.socket.read_u64().await.unwrap(),
            length => length.into(),
        };
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.socket.read_exact(&mut payload).await.unwrap();
        (first, payload)
    }

    /// Returns the next text.
    pub(crate) async fn next(&mut self) -> Received {
        let (first, payload) = self.next_frame().await;
        let is_compressed = match first {
            0x81 => false,
            0xc1 if self.extensions.is_some() => true,
            _ => panic!("a frame that begins with {first:02x}: {payload:?}"),
        };
        let size = payload.len();
        let text = if is_compressed { inflated(&payload) } else { payload };
        Received { text: String::from_utf8(text).unwrap(), is_compressed, size }
    }

    /// Returns the code of the close frame that comes next.
    pub(crate) async fn close_code(&mut self) -> u16 {
        let (first, payload) = self.next_frame().await;
        assert_eq!(first, 0x88, "a close frame: {payload:?}");
        u16::from_be_bytes([payload[0], payload[1]])
    }
}

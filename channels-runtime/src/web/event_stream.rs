//! The body of a response with server-sent events: the session's frames, translated into lines.

use std::convert::Infallible;
use std::io::Cursor;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use crate::connection::PositionMarker;
use crate::server;
use crate::support::yield_now;
use crate::websocket::CloseCode;

/// The number of bytes that are read from the session together.
const READ: usize = 8 * 1024;

/// The number of bytes of lines after which the task yields to other tasks. A text of line breaks becomes seven times as long.
const TURN: usize = 64 * 1024;

/// The beginning of each response: the time, in milliseconds, that a browser waits before it reconnects. A stopping server sends
/// another time at the end, and this resets it.
const OPENING: &str = "retry: 3000\n\n";

/// A client's reply to a ping. It is masked, like all frames of a client, with a mask of zeros.
const PONG: [u8; 6] = [0x8a, 0x80, 0, 0, 0, 0];

/// The body of the response. It is dropped when the client has disconnected, which ends the session.
///
/// A text is translated in parts, while the client reads. So the body holds a part of [`READ`] bytes as lines, whatever the
/// text's size, and the rest of the text waits in the outbound queue, which counts it and shares it with the other clients.
pub(super) struct EventStream {
    consumer: &'static str,
    pipe: DuplexStream,
    /// Bytes that are not translated yet. Bound: one read, and an incomplete header or control frame.
    read: BytesMut,
    /// The text frame that is being translated.
    text: Option<Text>,
    /// Lines that have not been written yet.
    lines: Vec<u8>,
    /// The number of bytes of lines since the task last yielded.
    turn: usize,
    ended: bool,
    ids: Ids,
    /// The next message has an `id:`.
    pending_id: bool,
}

impl EventStream {
    pub(super) fn new(consumer: &'static str, pipe: DuplexStream) -> Self {
        Self {
            consumer,
            pipe,
            read: BytesMut::new(),
            text: None,
            lines: OPENING.into(),
            turn: 0,
            ended: false,
            ids: Ids::default(),
            pending_id: false,
        }
    }

    /// Converts what was read into lines.
    fn translate(&mut self, task: &mut Context<'_>) {
        while !self.ended {
            if let Some(text) = &mut self.text {
                let part = self.read.split_to(text.remaining.min(self.read.len()));
                text.write(&mut self.lines, &part);
                if text.remaining > 0 {
                    return;
                }
                self.lines.extend_from_slice(b"\n\n");
                self.text = None;
            }
            let Some((opcode, length)) = self.next_header() else { return };
            match opcode {
                OpCode::Control(Control::Pong) => {
                    let payload = self.read.split_to(length);
                    match PositionMarker::decode(&payload) {
                        Some(PositionMarker::WithNext(position)) => {
                            self.ids.set(position);
                            self.pending_id = true;
                        }
                        Some(PositionMarker::Now(position)) => {
                            self.ids.set(position);
                            self.pending_id = false;
                            self.ids.write(&mut self.lines);
                            self.lines.push(b'\n');
                        }
                        None => {}
                    }
                }
                OpCode::Data(Data::Text) => {
                    if std::mem::take(&mut self.pending_id) {
                        self.ids.write(&mut self.lines);
                    }
                    self.lines.extend_from_slice(DATA);
                    self.text = Some(Text { remaining: length, after_return: false });
                }
                OpCode::Control(Control::Ping) => {
                    self.read.advance(length);
                    self.lines.extend_from_slice(b": ping\n\n");
                    self.send(task, &PONG);
                }
                OpCode::Control(Control::Close) => {
                    let payload = self.read.split_to(length);
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
                // The session sends no fragments.
                OpCode::Control(_) | OpCode::Data(_) => self.read.advance(length),
            }
        }
    }

    /// Removes the header of the next frame. Returns its opcode and the length of its payload. A control frame must be complete;
    /// the payload of a data frame may follow.
    fn next_header(&mut self) -> Option<(OpCode, usize)> {
        let mut cursor = Cursor::new(&*self.read);
        let (header, length) = FrameHeader::parse(&mut cursor).expect("the session writes legal frames")?;
        let (start, length) = (usize::try_from(cursor.position()).ok()?, usize::try_from(length).ok()?);
        if matches!(header.opcode, OpCode::Control(_)) && self.read.len() - start < length {
            return None;
        }
        self.read.advance(start);
        Some((header.opcode, length))
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
                self.turn += self.lines.len();
                return Poll::Ready(Some(Ok(std::mem::take(&mut self.lines).into())));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            if self.turn >= TURN {
                self.turn = 0;
                return yield_now(task);
            }
            let mut buffer = [0; READ];
            let mut buffer = ReadBuf::new(&mut buffer);
            match Pin::new(&mut self.pipe).poll_read(task, &mut buffer) {
                Poll::Pending => {
                    self.turn = 0;
                    return Poll::Pending;
                }
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => self.read.extend_from_slice(buffer.filled()),
                // The session has ended. It has sent a close frame if it could.
                Poll::Ready(_) => self.ended = true,
            }
            self.translate(task);
        }
    }
}

/// The length of the part of a position that names its group.
const KEY: usize = 8;

/// The newest position of each group, in the order of their first events. Bound: one for each group with a history that the
/// connection has joined.
#[derive(Default)]
struct Ids(Vec<String>);

impl Ids {
    /// Sets the newest position of its group.
    fn set(&mut self, position: &str) {
        let key = position.get(..KEY);
        match self.0.iter_mut().find(|known| known.get(..KEY) == key) {
            Some(known) => position.clone_into(known),
            None => self.0.push(position.to_owned()),
        }
    }

    /// Writes the line `id:`.
    fn write(&self, lines: &mut Vec<u8>) {
        lines.extend_from_slice(b"id: ");
        lines.extend_from_slice(self.0.join(",").as_bytes());
        lines.push(b'\n');
    }
}

/// The beginning of each line of a message.
const DATA: &[u8] = b"data: ";

/// A text frame of which a part is translated.
struct Text {
    remaining: usize,
    /// The last part ended with `\r`, so a `\n` at the beginning of the next one belongs to the same line break.
    after_return: bool,
}

impl Text {
    /// Writes the next part of the text, with `data:` after each line break.
    fn write(&mut self, lines: &mut Vec<u8>, part: &[u8]) {
        self.remaining -= part.len();
        let mut rest = part;
        if self.after_return && !rest.is_empty() {
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
            self.after_return = false;
        }
        while let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            lines.extend_from_slice(&rest[..end]);
            lines.push(b'\n');
            lines.extend_from_slice(DATA);
            let is_return = rest[end] == b'\r';
            rest = &rest[end + 1..];
            if is_return {
                self.after_return = rest.is_empty();
                rest = rest.strip_prefix(b"\n").unwrap_or(rest);
            }
        }
        lines.extend_from_slice(rest);
    }
}

fn write_message(lines: &mut Vec<u8>, text: &str) {
    lines.extend_from_slice(DATA);
    Text { remaining: text.len(), after_return: false }.write(lines, text.as_bytes());
    lines.extend_from_slice(b"\n\n");
}

fn write_close(lines: &mut Vec<u8>, code: u16, reason: &str) {
    if let Some(wait) = server::reconnect_delay(reason).filter(|_| code == CloseCode::SERVICE_RESTART.as_u16()) {
        lines.extend_from_slice(format!("retry: {wait}\n").as_bytes());
    }
    lines.extend_from_slice(b"event: close\n");
    write_message(lines, &serde_json::json!({"code": code, "reason": reason}).to_string());
}

#[cfg(test)]
mod tests {
    use futures_util::Stream;

    use super::*;
    use crate::websocket::EncodedFrame;
    use crate::websocket::Frame;

    fn message(text: &str) -> String {
        let mut lines = Vec::new();
        write_message(&mut lines, text);
        String::from_utf8(lines).unwrap()
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
        let close = |code, reason: &str| {
            let mut lines = Vec::new();
            write_close(&mut lines, code, reason);
            String::from_utf8(lines).unwrap()
        };
        let banned = close(4001, "banned\nfor ever");
        assert_eq!(banned, "event: close\ndata: {\"code\":4001,\"reason\":\"banned\\nfor ever\"}\n\n");
        let restart = close(1012, "reconnect in 1234 ms");
        assert!(restart.starts_with("retry: 1234\nevent: close\n"), "{restart}");
    }

    /// Writes frames into a large pipe in pieces of this size. Returns the body, the largest of its chunks, and the most bytes
    /// that came before its task yielded.
    fn translate(frames: &[EncodedFrame], size: usize) -> (Vec<u8>, usize, usize) {
        let mut task = Context::from_waker(std::task::Waker::noop());
        let (mut session, pipe) = tokio::io::duplex(256 * 1024);
        let mut stream = EventStream::new("Test", pipe);
        let bytes: Vec<u8> = frames.iter().flat_map(|frame| frame.plain().to_vec()).collect();
        let (mut body, mut left, mut chunk_max, mut turn_max) = (Vec::new(), &bytes[..], 0, 0);
        loop {
            if !left.is_empty()
                && let Poll::Ready(n) = Pin::new(&mut session).poll_write(&mut task, &left[..size.min(left.len())])
            {
                left = &left[n.unwrap()..];
            }
            let before = body.len();
            while let Poll::Ready(chunk) = Pin::new(&mut stream).poll_next(&mut task) {
                let chunk = chunk.expect("the stream goes on").unwrap();
                chunk_max = chunk_max.max(chunk.len());
                body.extend(chunk);
            }
            turn_max = turn_max.max(body.len() - before);
            if left.is_empty() && body.len() == before {
                return (body, chunk_max, turn_max);
            }
        }
    }

    #[test]
    fn frames_arrive_in_any_pieces() {
        let texts = ["x".repeat(70_000), "a\r\nb\rc\n\r\n".repeat(300), String::new(), "short".into()];
        let frames = texts.clone().map(|text| EncodedFrame::new(&Frame::text(text)));
        let expected = OPENING.to_owned() + &texts.map(|text| message(&text)).concat();
        for size in [1, 7, 4096, 256 * 1024] {
            let (body, ..) = translate(&frames, size);
            assert!(body == expected.as_bytes(), "in pieces of {size}");
        }
    }

    #[test]
    fn text_of_line_breaks_is_translated_in_parts() {
        let text = "\n".repeat(1_000_000);
        let (body, chunk, turn) = translate(&[EncodedFrame::new(&Frame::text(text.clone()))], 256 * 1024);
        assert_eq!(body.len(), OPENING.len() + 7 * text.len() + b"data: \n\n".len());
        // Each byte becomes seven.
        assert!(chunk <= 7 * READ + OPENING.len(), "{chunk} bytes of lines together");
        assert!(turn <= TURN + 7 * READ, "{turn} bytes of lines in a turn");
    }
}

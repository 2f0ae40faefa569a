//! WebSocket decoding (RFC 6455): from a client's bytes to messages.
//!
//! The crate tungstenite reads the headers. This module unmasks payloads, joins fragments, checks text as it arrives, and
//! enforces limits.

use std::io::Cursor;

use bytes::{Buf, BytesMut};
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use crate::support::Lease;
use crate::websocket::close_code::CloseCode;
use crate::websocket::close_frame::close_code_in;
use crate::websocket::compressed_message::CompressedMessage;
use crate::websocket::encode::MAX_CONTROL;
use crate::websocket::frame::Frame;
use crate::websocket::protocol_error::{NOT_UTF8, ProtocolError, TOO_BIG, protocol_error};

/// The unfinished bytes of one connection that are not counted, because other memory of a connection is as large.
const UNCOUNTED: usize = 4 * 1024;

/// The rules for the messages of a client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MessageRules {
    /// The largest message, in bytes. If it is compressed, these are the compressed bytes.
    pub(crate) max: usize,
    /// The client has negotiated compression, so its messages may be compressed.
    pub(crate) allow_compressed: bool,
}

/// A message from a client.
#[derive(Debug, PartialEq)]
pub(crate) enum ClientMessage {
    Frame(Frame),
    /// A text or binary message that must be inflated.
    Compressed(CompressedMessage),
    Ping(Vec<u8>),
    Pong,
    /// The code is [`CloseCode::NO_STATUS`] if the client did not send one.
    Close(CloseCode),
}

/// Decodes a client's bytes into messages. Does not own memory unless a message is incomplete.
#[derive(Debug, Default)]
pub(crate) struct Decoder(Option<Box<Unfinished>>);

#[derive(Debug, Default)]
struct Unfinished {
    /// Bytes that are not parsed yet: a part of a header, or the bytes after a complete message.
    rest: BytesMut,
    /// The incomplete message.
    partial: Option<Partial>,
    /// The lease for the memory of both, if it is counted.
    lease: Option<Lease>,
}

#[derive(Debug, Default)]
struct Partial {
    /// The frame whose payload is incomplete.
    frame: Option<Payload>,
    /// The payloads of the data frames so far.
    message: Option<Message>,
    /// The payload of the control frame so far.
    control: Vec<u8>,
}

#[derive(Debug)]
struct Payload {
    opcode: OpCode,
    is_final: bool,
    mask: [u8; 4],
    remaining: usize,
}

#[derive(Debug)]
struct Message {
    is_text: bool,
    is_compressed: bool,
    bytes: Vec<u8>,
    /// The number of bytes that are checked and valid UTF-8.
    checked: usize,
}

impl Decoder {
    /// Adds bytes that were read before the decoder was made. [`Self::next`] parses them first.
    pub(crate) fn keep(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.0.get_or_insert_default().rest.extend_from_slice(bytes);
        }
    }

    /// Returns whether the decoder holds bytes that [`Self::next`] has not parsed.
    pub(crate) fn has_rest(&self) -> bool {
        self.0.as_ref().is_some_and(|unfinished| !unfinished.rest.is_empty())
    }

    /// Counts the memory that the decoder owns. Takes a lease if the memory is large, and releases it after the last unfinished byte.
    pub(crate) fn count_memory(&mut self, lease: impl FnOnce() -> Lease) {
        let Some(unfinished) = &mut self.0 else { return };
        let message = unfinished.partial.as_ref().and_then(|partial| partial.message.as_ref());
        let bytes = unfinished.rest.capacity() + message.map_or(0, |message| message.bytes.capacity());
        if bytes > UNCOUNTED || unfinished.lease.is_some() {
            unfinished.lease.get_or_insert_with(lease).set(bytes);
        }
    }

    /// Drops an unfinished message. Returns whether there was one; the bytes that follow cannot be decoded then.
    pub(crate) fn drop_message(&mut self) -> bool {
        let has_message =
            self.0.as_ref().and_then(|unfinished| unfinished.partial.as_ref()).is_some_and(|it| it.message.is_some());
        if has_message {
            self.0 = None;
        }
        has_message
    }

    /// Returns the next message from the stored bytes followed by `input`. Stores the bytes after this message. Adds the number
    /// of fragments that were read, which are the frames that do not end their message.
    ///
    /// # Errors
    /// If the client violated the protocol or the rules.
    pub(crate) fn next(
        &mut self,
        input: &[u8],
        rules: MessageRules,
        fragments: &mut u32,
    ) -> Result<Option<ClientMessage>, ProtocolError> {
        let Some(unfinished) = &mut self.0 else {
            // The fast path: `input` is usually one complete message, so nothing has to be stored.
            let (mut partial, mut left) = (None, input);
            let next = parse(&mut partial, &mut left, rules, fragments);
            if partial.is_some() || !left.is_empty() {
                self.0 = Some(Box::new(Unfinished { rest: left.into(), partial, lease: None }));
            }
            return next;
        };
        let Unfinished { rest, partial, lease: _ } = &mut **unfinished;
        let next = if rest.is_empty() {
            let mut left = input;
            let next = parse(partial, &mut left, rules, fragments);
            rest.extend_from_slice(left);
            next
        } else {
            rest.extend_from_slice(input);
            let mut left = &rest[..];
            let next = parse(partial, &mut left, rules, fragments);
            let used = rest.len() - left.len();
            rest.advance(used);
            next
        };
        if rest.is_empty() && partial.is_none() {
            self.0 = None;
        }
        next
    }
}

/// Decodes a message that is one frame and has arrived completely, as most are. Such a message need not be stored. Returns
/// `None` for any other frame.
fn parse_complete(
    header: &FrameHeader,
    length: u64,
    payload: &[u8],
    rules: MessageRules,
) -> Option<Result<(ClientMessage, usize), ProtocolError>> {
    let length = usize::try_from(length).ok().filter(|length| *length <= rules.max)?;
    let payload = payload.get(..length)?;
    let OpCode::Data(data @ (Data::Text | Data::Binary)) = header.opcode else { return None };
    if !header.is_final || (header.rsv1 && !rules.allow_compressed) || header.rsv2 || header.rsv3 {
        return None;
    }
    let mut message = Message::new(data, header.rsv1, Vec::with_capacity(length));
    unmask_into(&mut message.bytes, payload, header.mask?);
    Some(message.finish().map(|message| (message, length)))
}

fn parse(
    unfinished: &mut Option<Partial>,
    input: &mut &[u8],
    rules: MessageRules,
    fragments: &mut u32,
) -> Result<Option<ClientMessage>, ProtocolError> {
    loop {
        let Some(partial) = unfinished.as_mut().filter(|partial| partial.frame.is_some()) else {
            let mut cursor = Cursor::new(*input);
            let header = FrameHeader::parse(&mut cursor).map_err(|_| protocol_error("reserved opcode"))?;
            let Some((header, length)) = header else { return Ok(None) };
            let read = usize::try_from(cursor.position()).unwrap_or(usize::MAX);
            if read != header.len(length) || length > i64::MAX as u64 {
                return Err(protocol_error("length of a frame not in its shortest form"));
            }
            *input = &input[read..];
            if unfinished.is_none()
                && let Some(complete) = parse_complete(&header, length, input, rules)
            {
                let (message, length) = complete?;
                *input = &input[length..];
                return Ok(Some(message));
            }
            unfinished.get_or_insert_default().begin_frame(&header, length, rules)?;
            continue;
        };
        let Some(payload) = &mut partial.frame else { continue };
        let (bytes, rest) = input.split_at(payload.remaining.min(input.len()));
        *input = rest;
        let is_complete = payload.remaining == bytes.len();
        if let OpCode::Control(control) = payload.opcode {
            payload.unmask_into(&mut partial.control, bytes);
            if !is_complete {
                return Ok(None);
            }
            let body = std::mem::take(&mut partial.control);
            partial.frame = None;
            if partial.message.is_none() {
                *unfinished = None;
            }
            return match control {
                Control::Ping => Ok(Some(ClientMessage::Ping(body))),
                Control::Pong => Ok(Some(ClientMessage::Pong)),
                _ => close_code_in(&body).map(|code| Some(ClientMessage::Close(code))),
            };
        }
        let is_final = payload.is_final && is_complete;
        let message = partial.message.as_mut().expect("a data frame begins its message");
        payload.unmask_into(&mut message.bytes, bytes);
        message.check(is_final)?;
        if !is_complete {
            return Ok(None);
        }
        partial.frame = None;
        if !is_final {
            *fragments += 1;
        } else {
            let message = unfinished.take().and_then(|partial| partial.message).expect("the message was read above");
            return Ok(Some(message.finish()?));
        }
    }
}

impl Partial {
    fn begin_frame(&mut self, header: &FrameHeader, length: u64, rules: MessageRules) -> Result<(), ProtocolError> {
        // Only the first frame of a message is marked as compressed (RFC 7692, section 6.1).
        let may_be_compressed =
            rules.allow_compressed && matches!(header.opcode, OpCode::Data(Data::Text | Data::Binary));
        if (header.rsv1 && !may_be_compressed) || header.rsv2 || header.rsv3 {
            return Err(protocol_error("reserved bits are set"));
        }
        let Some(mask) = header.mask else {
            return Err(protocol_error("a client's frames must be masked"));
        };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        match header.opcode {
            OpCode::Control(_) if length > MAX_CONTROL => {
                return Err(protocol_error("control frame longer than 125 bytes"));
            }
            OpCode::Control(_) if !header.is_final => return Err(protocol_error("fragmented control frame")),
            OpCode::Control(_) => {}
            OpCode::Data(data) => {
                let message = match (data, &mut self.message) {
                    (Data::Continue, Some(message)) => message,
                    (Data::Continue, None) => return Err(protocol_error("continuation without a message")),
                    (_, Some(_)) => return Err(protocol_error("new message inside a fragmented message")),
                    (_, none) => none.insert(Message::new(data, header.rsv1, Vec::new())),
                };
                if length > rules.max - message.bytes.len().min(rules.max) {
                    return Err(TOO_BIG);
                }
                // A header alone must not allocate a megabyte, so memory grows with the bytes that arrive.
                message.bytes.reserve(length.min(64 * 1024));
            }
        }
        self.frame = Some(Payload { opcode: header.opcode, is_final: header.is_final, mask, remaining: length });
        Ok(())
    }
}

impl Message {
    fn new(data: Data, is_compressed: bool, bytes: Vec<u8>) -> Self {
        Self { is_text: data == Data::Text, is_compressed, bytes, checked: 0 }
    }

    /// Checks new text as it arrives, so that an invalid byte closes the connection before the message ends.
    fn check(&mut self, is_final: bool) -> Result<(), ProtocolError> {
        if !self.is_text || self.is_compressed {
            return Ok(());
        }
        // A message that arrived in one piece is checked only once, when it becomes a `String`.
        if is_final && self.checked == 0 {
            return Ok(());
        }
        match std::str::from_utf8(&self.bytes[self.checked..]) {
            Ok(_) => self.checked = self.bytes.len(),
            Err(error) if error.error_len().is_none() && !is_final => self.checked += error.valid_up_to(),
            Err(_) => return Err(NOT_UTF8),
        }
        Ok(())
    }

    fn finish(self) -> Result<ClientMessage, ProtocolError> {
        let Self { is_text, is_compressed, bytes, checked: _ } = self;
        if is_compressed {
            return Ok(ClientMessage::Compressed(CompressedMessage { is_text, bytes }));
        }
        Ok(ClientMessage::Frame(if is_text {
            Frame::Text(String::from_utf8(bytes).map_err(|_| NOT_UTF8)?)
        } else {
            Frame::Binary(bytes.into())
        }))
    }
}

impl Payload {
    /// Appends the unmasked bytes, and rotates the mask for the next ones.
    fn unmask_into(&mut self, to: &mut Vec<u8>, from: &[u8]) {
        unmask_into(to, from, self.mask);
        self.mask.rotate_left(from.len() % 4);
        self.remaining -= from.len();
    }
}

/// Appends the unmasked bytes.
fn unmask_into(to: &mut Vec<u8>, from: &[u8], mask: [u8; 4]) {
    let start = to.len();
    to.extend_from_slice(from);
    let mask_twice = u64::from_ne_bytes([mask[0], mask[1], mask[2], mask[3], mask[0], mask[1], mask[2], mask[3]]);
    let mut words = to[start..].chunks_exact_mut(8);
    for word in &mut words {
        let plain = u64::from_ne_bytes((&*word).try_into().expect("chunks of eight")) ^ mask_twice;
        word.copy_from_slice(&plain.to_ne_bytes());
    }
    for (byte, mask) in words.into_remainder().iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(max: usize) -> MessageRules {
        MessageRules { max, allow_compressed: false }
    }

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [0x37, 0xfa, 0x21, 0x3d];
        let mut bytes = vec![first];
        match payload.len() {
            length @ 0..=125 => bytes.push(0x80 | u8::try_from(length).unwrap()),
            length @ 126..=65535 => {
                bytes.push(0x80 | 126);
                bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            length => {
                bytes.push(0x80 | 127);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        bytes.extend(mask);
        bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        bytes
    }

    /// Decodes the bytes in pieces of several sizes, and asserts that the result is the same.
    fn decode(bytes: &[u8], max: usize) -> Result<Vec<ClientMessage>, ProtocolError> {
        let run = |size: usize| {
            let mut decoder = Decoder::default();
            let mut all = Vec::new();
            for piece in bytes.chunks(size) {
                let mut input = piece;
                while let Some(message) = decoder.next(input, plain(max), &mut 0)? {
                    all.push(message);
                    input = &[];
                }
            }
            Ok(all)
        };
        let whole = run(bytes.len().max(1));
        for size in [1, 2, 3, 7, 64] {
            let pieces = run(size);
            match (&whole, &pieces) {
                (Ok(whole), Ok(pieces)) => assert_eq!(whole, pieces, "in pieces of {size}"),
                (Err(whole), Err(pieces)) => assert_eq!(whole, pieces, "in pieces of {size}"),
                _ => panic!("{whole:?} as a whole, {pieces:?} in pieces of {size}"),
            }
        }
        whole
    }

    fn text(text: &str) -> ClientMessage {
        ClientMessage::Frame(Frame::text(text))
    }

    #[test]
    fn decoding_does_not_depend_on_split_of_bytes() {
        let mut bytes = frame(0x81, "hällo".as_bytes());
        bytes.extend(frame(0x82, &[0, 1, 2]));
        bytes.extend(frame(0x81, b""));
        bytes.extend(frame(0x89, b"are you there"));
        bytes.extend(frame(0x81, "long ".repeat(30_000).as_bytes()));
        bytes.extend(frame(0x88, &[0x03, 0xe8]));
        let all = decode(&bytes, 1 << 20).unwrap();
        assert_eq!(all[0], text("hällo"));
        assert_eq!(all[1], ClientMessage::Frame(Frame::binary(vec![0, 1, 2])));
        assert_eq!(all[2], text(""));
        assert_eq!(all[3], ClientMessage::Ping(b"are you there".to_vec()));
        assert_eq!(all[4], text(&"long ".repeat(30_000)));
        assert_eq!(all[5], ClientMessage::Close(CloseCode::NORMAL));
    }

    #[test]
    fn fragments_around_ping_are_joined() {
        let mut bytes = frame(0x01, b"a\xc3");
        bytes.extend(frame(0x89, b"?"));
        bytes.extend(frame(0x00, b"\xa4"));
        bytes.extend(frame(0x80, b"c"));
        assert_eq!(decode(&bytes, 1024).unwrap(), [ClientMessage::Ping(b"?".to_vec()), text("aäc")]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 200, ..ProptestConfig::default() })]

        /// Sends messages in fragments with pings between them, cuts the bytes at random places, and asserts that the decoded
        /// messages are the same and that no bytes are left.
        #[test]
        fn decoder_returns_sent_messages(
            messages in prop::collection::vec((any::<bool>(), "\\PC{0,200}", 1..90_usize, any::<bool>()), 0..6),
            cuts in prop::collection::vec(1..400_usize, 1..40),
        ) {
            let (mut bytes, mut expected) = (Vec::new(), Vec::new());
            for (is_text, content, size, pings) in messages {
                let content = content.into_bytes();
                let pieces: Vec<&[u8]> = if content.is_empty() { vec![&[]] } else { content.chunks(size).collect() };
                for (at, piece) in pieces.iter().enumerate() {
                    let opcode = if at > 0 { 0 } else if is_text { 1 } else { 2 };
                    let fin = if at + 1 == pieces.len() { 0x80 } else { 0 };
                    if pings && at > 0 {
                        bytes.extend(frame(0x89, &[u8::try_from(at % 256).unwrap()]));
                        expected.push(ClientMessage::Ping(vec![u8::try_from(at % 256).unwrap()]));
                    }
                    bytes.extend(frame(fin | opcode, piece));
                }
                expected.push(ClientMessage::Frame(if is_text {
                    Frame::text(String::from_utf8(content).unwrap())
                } else {
                    Frame::binary(content)
                }));
            }
            let mut decoder = Decoder::default();
            let (mut all, mut left, mut cuts) = (Vec::new(), &bytes[..], cuts.into_iter().cycle());
            while !left.is_empty() {
                let (mut input, later) = left.split_at(cuts.next().unwrap().min(left.len()));
                left = later;
                while let Some(message) = decoder.next(input, plain(1 << 20), &mut 0).unwrap() {
                    all.push(message);
                    input = &[];
                }
            }
            prop_assert_eq!(all, expected);
            prop_assert!(decoder.0.is_none());
        }
    }

    #[test]
    fn each_protocol_error_has_its_code() {
        let too_long = frame(0x89, &[0; 126]);
        let mut twice = frame(0x01, b"a");
        twice.extend(frame(0x81, b"b"));
        for (bytes, code) in [
            (frame(0xc1, b"x"), 1002),
            (frame(0x83, b"x"), 1002),
            (frame(0x8b, b"x"), 1002),
            (frame(0x80, b"x"), 1002),
            (frame(0x09, b"x"), 1002),
            (vec![0x81, 0x01, b'x'], 1002),
            (too_long, 1002),
            (twice, 1002),
            (frame(0x88, &[0x03]), 1002),
            (frame(0x88, &999_u16.to_be_bytes()), 1002),
            (frame(0x88, &1005_u16.to_be_bytes()), 1002),
            (frame(0x88, &[0x03, 0xe8, 0xff]), 1007),
            (frame(0x81, b"\xff"), 1007),
            (frame(0x01, b"ok\xff"), 1007),
            (frame(0x81, b"\xc3"), 1007),
            (frame(0x82, &[0; 1025]), 1009),
            // A length of one in two bytes and in eight; a length with its highest bit set.
            (b"\x82\xfe\0\x01\0\0\0\0x".to_vec(), 1002),
            (b"\x82\xff\0\0\0\0\0\0\0\x01\0\0\0\0x".to_vec(), 1002),
            (b"\x82\xff\x80\0\0\0\0\0\0\x01\0\0\0\0x".to_vec(), 1002),
        ] {
            let error = decode(&bytes, 1024).unwrap_err();
            assert_eq!(error.code, code, "{bytes:02x?}: {error}");
        }
    }

    #[test]
    fn invalid_text_fails_before_message_ends() {
        let mut bytes = frame(0x81, &[b'a'; 100]);
        bytes[6 + 10] ^= 0x80;
        bytes.truncate(6 + 20);
        assert_eq!(decode(&bytes, 1024).unwrap_err(), NOT_UTF8);
    }

    #[test]
    fn message_limit_counts_all_fragments() {
        let mut bytes = frame(0x02, &[0; 600]);
        bytes.extend(frame(0x80, &[0; 424]));
        assert!(decode(&bytes, 1024).is_ok());
        assert_eq!(decode(&bytes, 1023).unwrap_err(), TOO_BIG);
    }

    #[test]
    fn fragments_are_counted_also_if_they_are_empty() {
        let mut bytes = frame(0x01, b"");
        bytes.extend(frame(0x00, b"").repeat(500));
        let (mut decoder, mut fragments) = (Decoder::default(), 0);
        assert_eq!(decoder.next(&bytes, plain(1024), &mut fragments).unwrap(), None);
        assert_eq!(fragments, 501);
        // The last fragment counts as the message.
        assert_eq!(decoder.next(&frame(0x80, b"end"), plain(1024), &mut fragments).unwrap(), Some(text("end")));
        assert_eq!(decoder.next(&frame(0x81, b"whole"), plain(1024), &mut fragments).unwrap(), Some(text("whole")));
        assert_eq!(fragments, 501);
    }

    #[test]
    fn idle_decoder_does_not_own_memory() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.next(&frame(0x81, b"hi"), plain(1024), &mut 0).unwrap(), Some(text("hi")));
        assert_eq!(decoder.next(&[], plain(1024), &mut 0).unwrap(), None);
        assert!(decoder.0.is_none());
    }
}

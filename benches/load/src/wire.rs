//! The client's side of the protocol: the handshake, frames, and the text of a message.

use std::fmt::Write as _;

/// The key of RFC 6455's own example. The response to it is known, so the client needs no SHA-1 to check it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The format of the chat's messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Dialect {
    /// `/ws/chat/<room>/`, and `{"message": "..."}` in both directions.
    Plain,
    /// The same, by clients that offer compression. Only messages below the server's threshold can be checked: they stay plain.
    Deflate,
    /// The same object as the argument of socket.io's event `message`; the room is in the query.
    SocketIo,
}

impl Dialect {
    /// Returns the request that opens a connection to a room.
    #[must_use]
    pub fn request(self, host: &str, room: u32) -> String {
        let target = match self {
            Self::Plain | Self::Deflate => format!("/ws/chat/{room}/"),
            Self::SocketIo => format!("/socket.io/?EIO=4&transport=websocket&room={room}"),
        };
        let extensions = match self {
            Self::Deflate => "Sec-WebSocket-Extensions: permessage-deflate\r\n",
            Self::Plain | Self::SocketIo => "",
        };
        format!(
            "GET {target} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{extensions}\r\n"
        )
    }

    fn wrapping(self) -> (&'static [u8], &'static [u8]) {
        match self {
            Self::Plain | Self::Deflate => (b"", b""),
            Self::SocketIo => (br#"42["message","#, b"]"),
        }
    }
}

/// The state of the response to the handshake.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// The head is not complete.
    Partial,
    /// Accepted. The head has this many bytes, and frames follow.
    Accepted(usize),
    /// Any other response, with the status line or its error.
    Refused(String),
}

/// Parses the response to the handshake.
#[must_use]
pub fn answer(bytes: &[u8]) -> Answer {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return if bytes.len() > 16 * 1024 { Answer::Refused("the head is too long".into()) } else { Answer::Partial };
    };
    let head = String::from_utf8_lossy(&bytes[..end]);
    let mut lines = head.lines();
    let status = lines.next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("101") {
        return Answer::Refused(status.to_owned());
    }
    let accepted = lines
        .filter_map(|line| line.split_once(':'))
        .any(|(name, value)| name.eq_ignore_ascii_case("sec-websocket-accept") && value.trim() == ACCEPT);
    if accepted { Answer::Accepted(end + 4) } else { Answer::Refused("101 with a wrong Sec-WebSocket-Accept".into()) }
}

/// Returns a text frame from a client. Its masking key is zero, so the payload's bytes do not change.
#[must_use]
pub fn client_frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(payload.len() + 14);
    frame.push(0x80 | opcode);
    match payload.len() {
        short @ 0..=125 => frame.push(0x80 | u8::try_from(short).expect("at most 125")),
        medium @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(medium).expect("at most 65,535").to_be_bytes());
        }
        long => {
            frame.push(0x80 | 127);
            frame.extend((long as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// Opcodes of RFC 6455.
pub mod opcode {
    /// A text message.
    pub const TEXT: u8 = 1;
    /// The closing handshake.
    pub const CLOSE: u8 = 8;
    /// Asks for a pong.
    pub const PING: u8 = 9;
    /// Answers a ping.
    pub const PONG: u8 = 10;
}

/// One whole, unmasked, unfragmented frame at the start of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// More bytes are needed.
    Partial,
    /// A frame: opcode, payload, and the number of its bytes.
    Whole(u8, &'a [u8], usize),
    /// Not a frame that a server may send to this client.
    Illegal,
}

/// Parses the frame at the start of `bytes`.
#[must_use]
pub fn frame(bytes: &[u8]) -> Frame<'_> {
    let [first, second, ..] = *bytes else {
        return Frame::Partial;
    };
    // FIN must be set and no reserved bit: the client requested no extension, and no peer fragments 100 bytes.
    if first & 0xf0 != 0x80 || second & 0x80 != 0 {
        return Frame::Illegal;
    }
    let (length, head) = match second {
        126 => match bytes.get(2..4) {
            Some(&[a, b]) => (u64::from(u16::from_be_bytes([a, b])), 4),
            _ => return Frame::Partial,
        },
        127 => match bytes.get(2..10).and_then(|eight| eight.try_into().ok()) {
            Some(eight) => (u64::from_be_bytes(eight), 10),
            None => return Frame::Partial,
        },
        short => (u64::from(short), 2),
    };
    let Ok(length @ 0..=0x100_0000) = usize::try_from(length) else {
        return Frame::Illegal;
    };
    match bytes.get(head..head + length) {
        Some(payload) => Frame::Whole(first & 0x0f, payload, head + length),
        None => Frame::Partial,
    }
}

/// The label in the text of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label {
    /// Distinguishes this run from an earlier one, whose messages a server with a Redis may still deliver.
    pub run: u16,
    /// Whether it is a probe, which is sent before the delivery check begins.
    pub probe: bool,
    /// The room it was sent to.
    pub room: u32,
    /// The sender, counted within its room.
    pub sender: u32,
    /// The sender's number for it.
    pub number: u64,
}

/// Bytes of a label as text: `m` or `p`, then hexadecimal fields of fixed width.
const LABEL: usize = 1 + 4 + 6 + 4 + 10;
/// The length of the shortest JSON that can contain a label.
pub const SHORTEST: usize = LABEL + br#"{"message": ""}"#.len();

/// Writes and parses the chat's JSON, always of one size.
#[derive(Debug, Clone)]
pub struct Script {
    dialect: Dialect,
    padding: Vec<u8>,
}

impl Script {
    /// Creates a script whose JSON has `bytes` bytes as the client writes it.
    #[must_use]
    pub fn new(dialect: Dialect, bytes: usize) -> Self {
        let padding = b" the quick brown fox jumps over the lazy dog;".iter().copied();
        Self { dialect, padding: padding.cycle().take(bytes.saturating_sub(SHORTEST)).collect() }
    }

    /// Returns the text frame that sends a message.
    #[must_use]
    pub fn message(&self, label: &Label) -> Vec<u8> {
        let (before, after) = self.dialect.wrapping();
        let mut text = String::with_capacity(SHORTEST);
        let kind = if label.probe { 'p' } else { 'm' };
        write!(
            text,
            r#"{{"message": "{kind}{:04x}{:06x}{:04x}{:010x}"#,
            label.run, label.room, label.sender, label.number
        )
        .expect("writing to a String cannot fail");
        let payload = [before, text.as_bytes(), &self.padding, br#""}"#, after].concat();
        client_frame(opcode::TEXT, &payload)
    }

    /// Returns the label of a received text, if every byte of it matches a message of this script.
    #[must_use]
    pub fn read(&self, payload: &[u8]) -> Option<Label> {
        let (before, after) = self.dialect.wrapping();
        let json = payload.strip_prefix(before)?.strip_suffix(after)?;
        let json = json.strip_prefix(br#"{"message":"#)?;
        let json = json.strip_prefix(b" ").unwrap_or(json);
        let text = json.strip_prefix(b"\"")?.strip_suffix(br#""}"#)?;
        let (label, padding) = text.split_at_checked(LABEL)?;
        if padding != self.padding {
            return None;
        }
        let number = |from: usize, to: usize| hexadecimal(&label[from..to]);
        Some(Label {
            probe: match label[0] {
                b'm' => false,
                b'p' => true,
                _ => return None,
            },
            run: u16::try_from(number(1, 5)?).ok()?,
            room: u32::try_from(number(5, 11)?).ok()?,
            sender: u32::try_from(number(11, 15)?).ok()?,
            number: number(15, 25)?,
        })
    }
}

fn hexadecimal(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |value, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABEL: Label = Label { run: 0xbeef, probe: false, room: 0x1234, sender: 7, number: 0xfedc_ba98 };

    fn payload(dialect: Dialect) -> (Script, Vec<u8>) {
        let script = Script::new(dialect, 100);
        // A masked frame's payload follows its head of two bytes and its key of four.
        let payload = script.message(&LABEL)[6..].to_vec();
        (script, payload)
    }

    #[test]
    fn message_has_the_requested_size_and_is_parsed() {
        let (script, payload) = payload(Dialect::Plain);
        assert_eq!(payload.len(), 100);
        assert_eq!(script.read(&payload), Some(LABEL));
        let compact = String::from_utf8(payload).expect("ASCII").replacen(": ", ":", 1);
        assert_eq!(script.read(compact.as_bytes()), Some(LABEL));
    }

    #[test]
    fn socket_io_message_contains_the_same_object() {
        let (script, payload) = payload(Dialect::SocketIo);
        assert!(payload.starts_with(br#"42["message",{"message": "m"#) && payload.ends_with(br#""}]"#));
        assert_eq!(script.read(&payload), Some(LABEL));
    }

    #[test]
    fn any_changed_byte_is_detected() {
        let (script, payload) = payload(Dialect::Plain);
        for place in 0..payload.len() {
            let mut changed = payload.clone();
            changed[place] ^= 0x11;
            assert_ne!(script.read(&changed), Some(LABEL), "byte {place}");
        }
        assert_eq!(script.read(&payload[..99]), None);
        assert_eq!(script.read(&[&payload[..], b" "].concat()), None);
    }

    #[test]
    fn frame_of_every_length_form_is_parsed_when_complete() {
        for length in [0, 1, 125, 126, 127, 65_535, 65_536] {
            let mut bytes = client_frame(opcode::TEXT, &vec![b'x'; length]);
            // Converts the client's frame into a server's frame, without mask bit and key.
            bytes[1] &= 0x7f;
            let key = bytes.len() - length - 4;
            bytes.drain(key..key + 4);
            assert_eq!(frame(&bytes), Frame::Whole(opcode::TEXT, &vec![b'x'; length], bytes.len()));
            for cut in [0, 1, bytes.len() - 1] {
                assert_eq!(frame(&bytes[..cut.min(bytes.len() - 1)]), Frame::Partial);
            }
        }
    }

    #[test]
    fn illegal_server_frames_are_rejected() {
        assert_eq!(frame(&[0x81, 0x80, 0, 0, 0, 0]), Frame::Illegal, "masked");
        assert_eq!(frame(&[0x01, 0]), Frame::Illegal, "fragmented");
        assert_eq!(frame(&[0xc1, 0]), Frame::Illegal, "compressed");
    }

    #[test]
    fn handshake_response_is_checked() {
        let good = format!("HTTP/1.1 101 Switching Protocols\r\nsec-websocket-accept: {ACCEPT}\r\n\r\n");
        assert_eq!(answer(good.as_bytes()), Answer::Accepted(good.len()));
        assert_eq!(answer(&good.as_bytes()[..40]), Answer::Partial);
        assert!(matches!(answer(b"HTTP/1.1 403 Forbidden\r\n\r\n"), Answer::Refused(line) if line.contains("403")));
        assert!(matches!(answer(b"HTTP/1.1 101 x\r\nSec-WebSocket-Accept: y\r\n\r\n"), Answer::Refused(_)));
    }
}

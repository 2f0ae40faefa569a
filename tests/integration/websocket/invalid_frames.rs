//! The response to each invalid frame.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::example::Example;
use crate::web::handshake::{KEY, upgrade};

/// Returns a client's frame with a mask of zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first, 0x80 | u8::try_from(payload.len()).unwrap(), 0, 0, 0, 0];
    bytes.extend(payload);
    bytes
}

/// Returns the chat's response to a frame: its first byte and its payload.
fn answer_to(chat: &Example, sent: &[u8]) -> (u8, Vec<u8>) {
    let mut socket = TcpStream::connect(chat.address()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let request = upgrade("/ws/chat/lobby/", &format!("{KEY}Sec-WebSocket-Version: 13\n"));
    // The frame is sent with the handshake, before the response: it must not get lost.
    let mut bytes = request.replace('\n', "\r\n").into_bytes();
    bytes.extend(sent);
    socket.write_all(&bytes).unwrap();
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\n") {
        socket.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    let mut head = [0; 2];
    socket.read_exact(&mut head).expect("a response arrives in time");
    let mut length = usize::from(head[1]);
    if length == 126 {
        let mut more = [0; 2];
        socket.read_exact(&mut more).unwrap();
        length = usize::from(u16::from_be_bytes(more));
    }
    let mut payload = vec![0; length];
    socket.read_exact(&mut payload).unwrap();
    (head[0], payload)
}

#[test]
fn invalid_frame_gets_its_response() {
    let chat = Example::start("chat", &[]);
    let close = |code: u16| move |payload: &[u8]| payload[..2] == code.to_be_bytes();
    let error = |payload: &[u8]| {
        let answer: serde_json::Value = serde_json::from_slice(payload).unwrap();
        answer["error"]["code"] == "malformed_json"
    };
    let (opcode, payload) = answer_to(&chat, &frame(0x81, br#"{"message": "early"}"#));
    assert_eq!((opcode, payload.as_slice()), (0x81, &br#"{"message":"early"}"#[..]));
    // Invalid JSON, or JSON that is not a command: an error frame, and the connection stays open.
    for text in [&b"{"[..], b"[]", b"{}", br#"{"message": 7}"#, b""] {
        let (opcode, payload) = answer_to(&chat, &frame(0x81, text));
        assert!(opcode == 0x81 && error(&payload), "{text:?}: {opcode:x} {payload:?}");
    }
    for (sent, code) in [
        (frame(0x82, b"binary"), 1003),
        (frame(0x81, b"\xff\xfe"), 1007),
        (frame(0xf1, b"{}"), 1002),
        (vec![0x81, 0x02, b'{', b'}'], 1002),
        (vec![0x82, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 1, 0, 0, 0, 0], 1009),
        (frame(0x88, &1000_u16.to_be_bytes()), 1000),
    ] {
        let (opcode, payload) = answer_to(&chat, &sent);
        assert!(opcode == 0x88 && close(code)(&payload), "{sent:?}: {opcode:x} {payload:?}");
    }
}

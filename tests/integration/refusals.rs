//! What a client that is not ours sees when it is refused: plain bytes over a socket.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use channels_runtime::prelude::*;

use crate::example::Example;

/// Sends a request and gives the status and the whole answer.
fn ask(address: SocketAddr, request: &str) -> (u16, String) {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket.write_all(request.replace('\n', "\r\n").as_bytes()).unwrap();
    let mut answer = Vec::new();
    let mut piece = [0; 1024];
    while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
        let length = socket.read(&mut piece).expect("an answer, never a hang");
        assert!(length > 0, "an answer before the end: {}", String::from_utf8_lossy(&answer));
        answer.extend(&piece[..length]);
    }
    _ = socket.shutdown(Shutdown::Both);
    let answer = String::from_utf8(answer).unwrap();
    (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
}

const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n";

fn handshake(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\nHost: test\nConnection: keep-alive, Upgrade\nUpgrade: WebSocket\n{headers}\n")
}

#[test]
fn every_wrong_handshake_has_its_status() {
    let chat = Example::start("chat", &[]);
    let version = format!("{KEY}Sec-WebSocket-Version: 13\n");
    for (request, wanted) in [
        (handshake("/ws/chat/lobby/", &version), 101),
        (handshake("/ws/chat/lobby", &version), 101),
        (handshake("/ws/nothing/here/", &version), 404),
        (handshake("/", &version), 200),
        (handshake(&format!("/ws/chat/{}/", "x".repeat(100)), &version), 404),
        (handshake("/ws/chat/no%20room/", &version), 404),
        (handshake("/ws/chat/lobby/", &format!("{KEY}Sec-WebSocket-Version: 8\n")), 426),
        (handshake("/ws/chat/lobby/", KEY), 426),
        (handshake("/ws/chat/lobby/", "Sec-WebSocket-Version: 13\n"), 400),
        (handshake("/ws/chat/lobby/", "Sec-WebSocket-Key: short\nSec-WebSocket-Version: 13\n"), 400),
        ("GET /ws/chat/lobby/ HTTP/1.1\nHost: test\n\n".into(), 400),
        (format!("GET /ws/chat/lobby/ HTTP/1.1\nHost: test\nUpgrade: websocket\n{version}\n"), 400),
        ("POST /ws/chat/lobby/ HTTP/1.1\nHost: test\nContent-Length: 0\n\n".into(), 405),
    ] {
        let (status, answer) = ask(chat.address(), &request);
        assert_eq!(status, wanted, "{request}\n{answer}");
        if wanted == 426 {
            assert!(answer.contains("sec-websocket-version: 13"), "{answer}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_in_connect_is_a_403() {
    struct Closed;
    #[consumer]
    impl Closed {
        #[connect]
        fn connect(_cx: &mut Context<Self>) -> Result<Self, Reject> {
            Err(Reject::default())
        }
    }
    let channels = Channels::builder().build();
    let server = channels.bind(([127, 0, 0, 1], 0).into()).await.unwrap();
    let address = server.local_addr();
    let serving = tokio::spawn(server.serve(channels.route::<Closed>(warp::path!("closed"))));
    let request = handshake("/closed", &format!("{KEY}Sec-WebSocket-Version: 13\n"));
    let (status, _) = tokio::task::spawn_blocking(move || ask(address, &request)).await.unwrap();
    assert_eq!(status, 403);
    channels.shutdown(Duration::from_secs(5)).await;
    serving.await.unwrap();
}

/// A frame of a client, masked with zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first, 0x80 | u8::try_from(payload.len()).unwrap(), 0, 0, 0, 0];
    bytes.extend(payload);
    bytes
}

/// What the chat answers to a frame: its first two bytes (opcode and length) and its payload.
fn answer_to(chat: &Example, sent: &[u8]) -> (u8, Vec<u8>) {
    let mut socket = TcpStream::connect(chat.address()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let request = handshake("/ws/chat/lobby/", &format!("{KEY}Sec-WebSocket-Version: 13\n"));
    // The frame comes with the handshake, before its answer: it must not get lost.
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
    socket.read_exact(&mut head).expect("an answer, never a hang");
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
fn every_wrong_frame_has_its_answer() {
    let chat = Example::start("chat", &[]);
    let close = |code: u16| move |payload: &[u8]| payload[..2] == code.to_be_bytes();
    let error = |payload: &[u8]| {
        let answer: serde_json::Value = serde_json::from_slice(payload).unwrap();
        answer["error"]["code"] == "malformed_json"
    };
    let (opcode, payload) = answer_to(&chat, &frame(0x81, br#"{"message": "early"}"#));
    assert_eq!((opcode, payload.as_slice()), (0x81, &br#"{"message":"early"}"#[..]));
    // JSON that is none, or not what is wanted: an error frame, and the connection lives.
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

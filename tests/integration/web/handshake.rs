//! The HTTP status of each handshake.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use channels_runtime::prelude::*;

use crate::support::app::Server;
use crate::support::example::Example;

/// Sends a request and returns the status and the whole head of the response.
pub(crate) fn ask(address: SocketAddr, request: &str) -> (u16, String) {
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

pub(crate) const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n";

pub(crate) fn handshake(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\nHost: test\nConnection: keep-alive, Upgrade\nUpgrade: WebSocket\n{headers}\n")
}

#[test]
fn invalid_handshake_gets_its_status() {
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
async fn rejected_connect_returns_403() {
    struct Closed;
    #[consumer]
    impl Closed {
        #[connect]
        fn connect(_cx: &mut Context<Self>) -> Result<Self, Reject> {
            Err(Reject::default())
        }
    }
    let channels = Channels::builder().build().unwrap();
    let server = Server::start(&channels, channels.route::<Closed>(warp::path!("closed"))).await;
    let address = server.address;
    let request = handshake("/closed", &format!("{KEY}Sec-WebSocket-Version: 13\n"));
    let (status, _) = tokio::task::spawn_blocking(move || ask(address, &request)).await.unwrap();
    assert_eq!(status, 403);
    server.stop().await;
}

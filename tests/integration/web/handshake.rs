//! The HTTP status of each handshake.

use channels_runtime::prelude::*;

use crate::support::app::Server;
use crate::support::client::send_request;
use crate::support::example::Example;

pub(crate) const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n";

/// Returns the request of a handshake without a key and a version.
pub(crate) fn upgrade(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\nHost: test\nConnection: keep-alive, Upgrade\nUpgrade: WebSocket\n{headers}\n")
}

#[tokio::test]
async fn invalid_handshake_gets_its_status() {
    let chat = Example::start("chat", &[]);
    let version = format!("{KEY}Sec-WebSocket-Version: 13\n");
    for (request, wanted) in [
        (upgrade("/ws/chat/lobby/", &version), 101),
        (upgrade("/ws/chat/lobby", &version), 101),
        (upgrade("/ws/nothing/here/", &version), 404),
        (upgrade("/", &version), 200),
        (upgrade(&format!("/ws/chat/{}/", "x".repeat(100)), &version), 404),
        (upgrade("/ws/chat/no%20room/", &version), 404),
        (upgrade("/ws/chat/lobby/", &format!("{KEY}Sec-WebSocket-Version: 8\n")), 426),
        (upgrade("/ws/chat/lobby/", KEY), 426),
        (upgrade("/ws/chat/lobby/", "Sec-WebSocket-Version: 13\n"), 400),
        (upgrade("/ws/chat/lobby/", "Sec-WebSocket-Key: short\nSec-WebSocket-Version: 13\n"), 400),
        ("GET /ws/chat/lobby/ HTTP/1.1\nHost: test\n\n".into(), 400),
        (format!("GET /ws/chat/lobby/ HTTP/1.1\nHost: test\nUpgrade: websocket\n{version}\n"), 400),
        ("POST /ws/chat/lobby/ HTTP/1.1\nHost: test\nContent-Length: 0\n\n".into(), 405),
    ] {
        let response = send_request(chat.address(), &request).await;
        assert_eq!(response.status, wanted, "{request}\n{}", response.head);
        if wanted == 426 {
            assert_eq!(response.header("sec-websocket-version"), Some("13"), "{}", response.head);
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
    let request = upgrade("/closed", &format!("{KEY}Sec-WebSocket-Version: 13\n"));
    assert_eq!(send_request(server.address, &request).await.status, 403);
    server.stop().await;
}

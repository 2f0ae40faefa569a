//! `examples/forced-logout`: all connections of one user close, and no others.

use futures_util::SinkExt;
use tokio_tungstenite::tungstenite::Message;

use super::Client;
use crate::support::client::send_request;
use crate::support::example::Example;

impl Client {
    async fn enter(example: &Example, name: &str) -> Self {
        let mut client = Self::connect(example, &format!("/ws/account?name={name}")).await;
        assert_eq!(client.next().await, Message::text(format!("You are {name}.")));
        client
    }
}

#[tokio::test]
async fn forced_logout_refuses_pages_of_other_sites() {
    let example = Example::start("forced-logout", &[]);
    let mut ann = Client::enter(&example, "ann").await;
    for (origin, status) in [("http://evil.example", 403), ("null", 403), ("http://x", 200)] {
        let request =
            format!("POST /logout/ann HTTP/1.1\nhost: x\norigin: {origin}\ncontent-length: 0\nconnection: close\n\n");
        assert_eq!(send_request(example.address(), &request).await.status, status, "{origin}");
    }
    assert_eq!(ann.closed().await.0, 4001);
}

/// Sends `POST /logout/<name>`.
async fn log_out(example: &Example, name: &str) {
    let request = format!("POST /logout/{name} HTTP/1.1\nhost: x\ncontent-length: 0\nconnection: close\n\n");
    let response = send_request(example.address(), &request).await;
    assert_eq!(response.status, 200, "{}", response.head);
    assert_eq!(response.body().await, format!("{name} was logged out\n"));
}

#[tokio::test]
async fn forced_logout_closes_all_connections_of_one_user() {
    let example = Example::start("forced-logout", &[]);
    let mut ann = Client::enter(&example, "ann").await;
    let mut ann_again = Client::enter(&example, "ann").await;
    let mut bob = Client::enter(&example, "bob").await;

    log_out(&example, "nobody").await;
    log_out(&example, "ann").await;
    let forced = (4001, "logged out by somebody else".to_owned());
    assert_eq!(ann.closed().await, forced);
    assert_eq!(ann_again.closed().await, forced);

    // Bob's connection is still served.
    bob.0.send(Message::Ping("still here?".into())).await.unwrap();
    assert_eq!(bob.next().await, Message::Pong("still here?".into()));
    log_out(&example, "bob").await;
    assert_eq!(bob.closed().await, forced);

    // A user who was logged out can connect again.
    let mut ann = Client::enter(&example, "ann").await;
    log_out(&example, "ann").await;
    assert_eq!(ann.closed().await, forced);
}

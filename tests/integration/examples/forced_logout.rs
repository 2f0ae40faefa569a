//! `examples/forced-logout`: all connections of one user close, and no others.

use std::time::Duration;

use super::Client;
use crate::support::client::send_request;
use crate::support::example::Example;
use crate::support::until::until_within;

#[tokio::test]
async fn forced_logout_refuses_pages_of_other_sites() {
    let example = Example::start("forced-logout", &[]);
    let mut ann = Client::connect(&example, "/ws/account/ann/").await;
    for (origin, status) in [("http://evil.example", 403), ("null", 403), ("http://x", 200)] {
        let request =
            format!("POST /logout/ann HTTP/1.1\nhost: x\norigin: {origin}\ncontent-length: 0\nconnection: close\n\n");
        assert_eq!(send_request(example.address(), &request).await.status, status, "{origin}");
    }
    assert_eq!(ann.closed().await.0, 4001);
}

/// Returns the response of `POST /logout/<username>`.
async fn log_out(example: &Example, username: &str) -> String {
    let request = format!("POST /logout/{username} HTTP/1.1\nhost: x\ncontent-length: 0\nconnection: close\n\n");
    let response = send_request(example.address(), &request).await;
    assert_eq!(response.status, 200, "{}", response.head);
    response.body().await
}

#[tokio::test]
async fn forced_logout_closes_all_connections_of_one_user() {
    let example = Example::start("forced-logout", &[]);
    let mut ann = Client::connect(&example, "/ws/account/ann/").await;
    let mut ann_again = Client::connect(&example, "/ws/account/ann/").await;
    let mut bob = Client::connect(&example, "/ws/account/bob/").await;

    assert_eq!(log_out(&example, "nobody").await, "nobody had 0 open\n");
    assert_eq!(log_out(&example, "ann").await, "ann had 2 open\n");
    let forced = (4001, "logged out by somebody else".to_owned());
    assert_eq!(ann.closed().await, forced);
    assert_eq!(ann_again.closed().await, forced);

    // The records of the closed connections are removed. Bob's record and connection remain.
    until_within(Duration::from_secs(30), "the records of ann are deleted", async || {
        log_out(&example, "ann").await == "ann had 0 open\n"
    })
    .await;
    assert_eq!(log_out(&example, "bob").await, "bob had 1 open\n");
    assert_eq!(bob.closed().await, forced);

    // A user who was logged out can connect again.
    let mut ann = Client::connect(&example, "/ws/account/ann/").await;
    assert_eq!(log_out(&example, "ann").await, "ann had 1 open\n");
    assert_eq!(ann.closed().await, forced);
}

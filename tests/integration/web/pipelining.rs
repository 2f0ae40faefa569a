//! A client that sends many HTTP requests without waiting for the responses.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use channels_runtime::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::yield_now;
use warp::Filter;

use crate::support::app::Server;
use crate::support::until::within;

const REQUESTS: usize = 400;

/// The largest number of requests that the server may answer before another task has its turn.
const TURN: usize = 8;

/// All tasks run on one thread, so the counter shows how many requests are answered between two turns of this task.
#[tokio::test]
async fn pipelined_requests_are_answered_in_turns() {
    static ANSWERED: AtomicUsize = AtomicUsize::new(0);

    let channels = Channels::builder().build().unwrap();
    let page = warp::path!("page").map(|| {
        ANSWERED.fetch_add(1, Relaxed);
        "a page"
    });
    let server = Server::start(&channels, page).await;
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    let requests = "GET /page HTTP/1.1\r\nHost: ours\r\n\r\n".repeat(REQUESTS);
    socket.write_all(requests.as_bytes()).await.unwrap();
    let longest = async {
        let (mut longest, mut before) = (0, 0);
        while before < REQUESTS {
            yield_now().await;
            let answered = ANSWERED.load(Relaxed);
            (longest, before) = (longest.max(answered - before), answered);
        }
        longest
    };
    let (reading, mut writing) = socket.into_split();
    let responses = tokio::spawn(async move {
        let mut responses = Vec::new();
        let mut reading = reading;
        reading.read_to_end(&mut responses).await.unwrap();
        String::from_utf8(responses).unwrap()
    });
    let longest = within(longest).await;
    assert!(longest <= TURN, "{longest} requests in one turn");
    writing.shutdown().await.unwrap();
    let responses = within(responses).await.unwrap();
    assert_eq!(responses.matches("HTTP/1.1 200 OK").count(), REQUESTS);
    server.stop().await;
}

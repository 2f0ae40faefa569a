//! Messages that clients begin and do not finish.

use channels_runtime::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::admission::echo_server::{say, serve_echo};
use crate::support::client::until_closed;
use crate::support::until::{until, within};

/// The header of a text of 60,000 bytes, and all but the last byte of it.
fn begin() -> Vec<u8> {
    let mut frame = vec![0x81, 0x80 | 126];
    frame.extend(60_000_u16.to_be_bytes());
    frame.extend([0; 4]);
    frame.resize(frame.len() + 59_999, b'x');
    frame
}

/// Sixteen messages of nearly 64 KiB, where four fit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unfinished_messages_share_limit_of_memory() {
    let builder = Channels::builder().max_message_size(64 * 1024).unfinished_limit(256 * 1024);
    let server = serve_echo(builder).await;
    let stats = || server.channels.stats().connections;
    let mut quiet = server.enter().await.socket;
    let mut unfinished = Vec::new();
    for number in 1..=16_u64 {
        let mut socket = server.enter().await.socket;
        socket.write_all(&begin()).await.unwrap();
        // At most four fit.
        until("an older message is dropped", || stats().unfinished + 4 >= number).await;
        unfinished.push(socket);
    }
    // The oldest were closed.
    for mut socket in unfinished.drain(..8) {
        assert_eq!(within(socket.read_u16()).await.unwrap() >> 8, 0x88);
        assert_eq!(within(socket.read_u16()).await.unwrap(), 1013);
        until_closed(socket).await;
    }
    // A client without an unfinished message is not affected, and the last message can be finished.
    assert_eq!(say(&mut quiet, "hi").await, "hi 127.0.0.1");
    let mut last = unfinished.pop().unwrap();
    last.write_all(b"x").await.unwrap();
    let mut head = [0; 2];
    within(last.read_exact(&mut head)).await.unwrap();
    assert_eq!(head, [0x81, 126], "the echo");
    drop((last, unfinished, quiet));
    server.stop().await;
}

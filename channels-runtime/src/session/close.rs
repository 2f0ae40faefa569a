//! The end of a closing connection: the server writes the close frame, and the client answers it or disconnects.

use std::future::poll_fn;
use std::task::{Poll, ready};
use std::time::Duration;

use crate::connection::Output;
use crate::consumer::{Consumer, Context};
use crate::session::input::Input;
use crate::support::yield_now;
use crate::websocket::ClientMessage;

/// The time in which the client must answer a close frame. Then the socket is closed anyway.
const CLOSE_DEADLINE: Duration = Duration::from_secs(5);

/// The event that a closing connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CloseWait {
    /// The output is written.
    Flush,
    /// The client's close frame arrives, and then the output is written.
    Answer,
    /// The client closes its end. Its bytes are ignored, because the client has violated the protocol.
    Disconnect,
}

/// Waits until the close frame is written and the client has answered or disconnected, at most until a deadline.
pub(super) async fn wait<C: Consumer>(cx: &mut Context<C>, input: &mut Input, wait: CloseWait) {
    _ = tokio::time::timeout(CLOSE_DEADLINE, wait_without_deadline(cx, input, wait)).await;
}

/// Reads and ignores the client's further bytes. Otherwise the kernel would answer them with a reset, and the client might not
/// receive the close frame.
async fn wait_without_deadline<C: Consumer>(cx: &mut Context<C>, input: &mut Input, mut wait: CloseWait) {
    let mut half_closed = false;
    if wait == CloseWait::Flush && input.has_rest() {
        // The client sent data after its close frame.
        wait = CloseWait::Disconnect;
    }
    poll_fn(|task| {
        let output = cx.connection().poll_output(task);
        if output == Output::Broken {
            return Poll::Ready(());
        }
        while wait == CloseWait::Answer {
            match ready!(input.poll_read(cx, task)) {
                Ok(Some(ClientMessage::Close(_)) | None) => wait = CloseWait::Flush,
                Ok(Some(_)) => {
                    if input.ends_turn() {
                        return yield_now(task);
                    }
                }
                Err(_) => wait = CloseWait::Disconnect,
            }
        }
        if wait == CloseWait::Disconnect && output == Output::Flushed && !half_closed {
            // The client reads the close frame and then the end of the stream, and closes its end.
            half_closed = true;
            cx.connection().half_close(task);
        }
        if wait == CloseWait::Disconnect {
            if !ready!(cx.connection().poll_read(task, |read| read.map_or(true, <[u8]>::is_empty))) {
                // One read for each turn, because a client may send as fast as the server reads.
                return yield_now(task);
            }
            wait = CloseWait::Flush;
        }
        if output == Output::Flushed { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

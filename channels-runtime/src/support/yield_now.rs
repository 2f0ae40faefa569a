//! Yielding in a poll.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll};

/// Ends the poll of a task that has more to do. The task is polled again after the other tasks that are ready, and after those
/// whose sockets have become ready meanwhile. A task that only woke itself would keep tokio from polling the sockets.
pub(crate) fn yield_now<T>(task: &mut Context<'_>) -> Poll<T> {
    // The first poll of this future hands the waker over, and the future is not needed after that.
    _ = pin!(tokio::task::yield_now()).poll(task);
    Poll::Pending
}

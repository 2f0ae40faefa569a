//! Wakers of tasks that wait for a change.

use std::task::{Context, Waker};

/// Stores the waker of the current task, to be woken by [`wake`].
pub(crate) fn store(waker: &mut Option<Waker>, cx: &Context<'_>) {
    match waker {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *waker = Some(cx.waker().clone()),
    }
}

/// Wakes the waiting task, if there is one.
pub(crate) fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

//! Catching panics of user code.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;

/// Returns the message of a panic.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a value that is not text").into()
}

/// The future of a call of user code. It returns a panic of the call as an error.
pub(crate) struct CatchPanic<'a, T>(pub(crate) BoxFuture<'a, T>);

/// Calls user code, and catches a panic of the call and of its future.
pub(crate) fn catch_panic<'a, T: Send + 'a>(call: impl FnOnce() -> BoxFuture<'a, T>) -> CatchPanic<'a, T> {
    CatchPanic(match std::panic::catch_unwind(AssertUnwindSafe(call)) {
        Ok(future) => future,
        // `poll` catches it again and returns it.
        Err(panic) => Box::pin(async { std::panic::resume_unwind(panic) }),
    })
}

impl<T> Future for CatchPanic<'_, T> {
    type Output = Result<T, Box<dyn Any + Send>>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        match std::panic::catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(task))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}

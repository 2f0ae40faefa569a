//! A call that was made and not awaited.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;

/// What a call gives before its `.await`, which is what makes it happen.
///
/// It has a name because the compiler shows it where the `.await` was forgotten: of a boxed future it would show all of the
/// boxes.
#[must_use = "it does nothing before it is awaited: write `.await` behind the call"]
pub struct Unawaited<'a, T>(BoxFuture<'a, T>);

impl<'a, T> Unawaited<'a, T> {
    pub(crate) fn new(future: impl Future<Output = T> + Send + 'a) -> Self {
        Self(Box::pin(future))
    }
}

impl<T> Future for Unawaited<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<T> {
        self.0.as_mut().poll(task)
    }
}

impl<T> fmt::Debug for Unawaited<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unawaited").finish_non_exhaustive()
    }
}

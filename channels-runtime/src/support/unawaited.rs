//! A future with a name, for compiler messages about a missing `.await`.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;

/// A call that has no effect before its `.await`.
///
/// If the `.await` is missing, the compiler shows this type. For a boxed future, the compiler would show the nested types of
/// the box.
#[must_use = "it has no effect before it is awaited: write `.await` after the call"]
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

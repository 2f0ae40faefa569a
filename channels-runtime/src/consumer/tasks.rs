//! The tasks of a consumer.

use std::fmt;
use std::future::Future;

use tokio::task::{AbortHandle, JoinSet};

use crate::error::{BackgroundError, Result};

/// How many timers and pieces of work one consumer may have at the same time: as many as events wait for it by default.
const BOUND: usize = 100;

/// A consumer's tasks. Bound: [`BOUND`]; one more is refused. When this is dropped, they are aborted.
#[derive(Debug, Default)]
pub(crate) struct Tasks(JoinSet<()>);

impl Tasks {
    pub(crate) fn spawn(
        &mut self,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> Result<Background, BackgroundError> {
        // Those that are done give their place back.
        while self.0.try_join_next().is_some() {}
        if self.0.len() >= BOUND {
            return Err(BackgroundError::TooMany { bound: BOUND });
        }
        Ok(Background { task: self.0.spawn(work) })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Aborts all of them, and waits until none runs any more.
    pub(crate) async fn end(&mut self) {
        self.0.shutdown().await;
    }
}

/// A timer of a consumer, or a piece of work: what [`Context::after`](crate::Context::after), [`Context::every`](crate::Context::every) and [`Context::spawn`](crate::Context::spawn) give.
///
/// Dropping it does nothing: what it stands for goes on until it is done, or until the consumer ends.
#[derive(Clone)]
pub struct Background {
    task: AbortHandle,
}

impl Background {
    /// Ends it: a timer sends no more events (one that waits in the mailbox already is still handled), and work is dropped
    /// where it awaits. If it is done, nothing happens.
    pub fn cancel(&self) {
        self.task.abort();
    }

    /// Whether it is done, or was cancelled and has ended.
    pub fn is_finished(&self) -> bool {
        self.task.is_finished()
    }
}

impl fmt::Debug for Background {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Background").field("is_finished", &self.is_finished()).finish()
    }
}

//! Methods that block their thread, and async calls within them.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{self, Poll, Waker};

use tokio::runtime::{Handle, RuntimeFlavor};

use crate::consumer::context::Context;
use crate::error::{BlockingError, Result};
use crate::layer::batching;

fn runtime_has_threads() -> bool {
    Handle::current().runtime_flavor() != RuntimeFlavor::CurrentThread
}

/// Runs code that may block. Other tasks of this thread are moved to another thread first, if the runtime has several.
// The closure borrows the consumer, so `spawn_blocking` cannot run it.
pub(crate) fn run<T>(call: impl FnOnce() -> T) -> T {
    // Otherwise the messages of an open batch would wait as long as the call blocks.
    batching::flush();
    if runtime_has_threads() { tokio::task::block_in_place(call) } else { call() }
}

impl<C> Context<C> {
    /// Runs an async closure and blocks the thread until the closure is done. A `blocking` method uses it to send, to join
    /// groups, or to await anything else.
    ///
    /// ```
    /// use channels_runtime::prelude::*;
    ///
    /// #[event("report.build")]
    /// struct ReportBuild { path: String }
    ///
    /// #[derive(Default)]
    /// struct ReportConsumer { built: u32 }
    ///
    /// #[consumer]
    /// impl ReportConsumer {
    ///     #[handler("report.build", blocking)]
    ///     fn build(&mut self, cx: &mut Context<Self>, event: &ReportBuild) -> Result<()> {
    ///         let text = std::fs::read_to_string(&event.path)?;   // blocks only its own thread
    ///         self.built += 1;
    ///         cx.block_on(async |cx| cx.send_text(text).await)
    ///     }
    /// }
    /// ```
    ///
    /// While the closure waits, the connection's output is still written.
    ///
    /// # Errors
    /// The error of the closure. [`BlockingError::OneThread`] if the closure has to wait and the runtime has only one thread.
    /// (Sends to the client, and to groups of the in-memory layer, do not wait while there is space.)
    pub fn block_on<T>(&mut self, call: impl AsyncFnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let output = self.output();
        let mut call = pin!(call(self));
        if !runtime_has_threads() {
            return match call.as_mut().poll(&mut task::Context::from_waker(Waker::noop())) {
                Poll::Ready(done) => done,
                Poll::Pending => Err(BlockingError::OneThread.into()),
            };
        }
        // This thread runs the session, so no other task writes the pending output.
        let drive = poll_fn(|task| {
            let done = call.as_mut().poll(task);
            if done.is_pending() {
                output(task);
            }
            done
        });
        run(|| Handle::current().block_on(drive))
    }
}

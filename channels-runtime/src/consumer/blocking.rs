//! Methods that block their thread, and what is async within them.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{self, Poll, Waker};

use tokio::runtime::{Handle, RuntimeFlavor};

use crate::consumer::context::Context;
use crate::error::{BlockingError, Result};
use crate::layer::batching;

fn has_threads() -> bool {
    Handle::current().runtime_flavor() != RuntimeFlavor::CurrentThread
}

/// Runs what may block. What else waits for this thread goes to another one first, if the runtime has others.
// The closure borrows the consumer, so it cannot go to a thread of its own (`spawn_blocking`).
pub(crate) fn run<T>(call: impl FnOnce() -> T) -> T {
    // Otherwise the messages of an open batch would wait as long as the call blocks.
    batching::flush();
    if has_threads() { tokio::task::block_in_place(call) } else { call() }
}

impl<C> Context<C> {
    /// Blocks the thread until the async closure is done: how a method marked `blocking` sends, joins groups, or awaits
    /// anything else.
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
    ///         let text = std::fs::read_to_string(&event.path)?;   // blocks its thread, and nobody else
    ///         self.built += 1;
    ///         cx.block_on(async |cx| cx.send_text(text).await)
    ///     }
    /// }
    /// ```
    ///
    /// While it waits, what the connection has to send goes out.
    ///
    /// # Errors
    /// Those of the closure; [`BlockingError::OneThread`] where it would have to wait and the runtime has only one thread.
    /// (Sends to the client and, with the layer in memory, to groups are done without waiting as long as there is room.)
    pub fn block_on<T>(&mut self, work: impl AsyncFnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let output = self.output();
        let mut work = pin!(work(self));
        if !has_threads() {
            return match work.as_mut().poll(&mut task::Context::from_waker(Waker::noop())) {
                Poll::Ready(done) => done,
                Poll::Pending => Err(BlockingError::OneThread.into()),
            };
        }
        // The session is this very thread, so nobody else would write what a full socket holds up.
        let drive_output_while = poll_fn(|task| {
            let done = work.as_mut().poll(task);
            if done.is_pending() {
                output(task);
            }
            done
        });
        run(|| Handle::current().block_on(drive_output_while))
    }
}

//! The end of a connection: `#[disconnect]`.

use crate::consumer::{Consumer, Context};
use crate::error::shown_error;
use crate::session::spans;
use crate::session::spans::within;
use crate::support::{catch_panic, panic_message};
use crate::websocket::CloseCode;

/// Leaves the groups, ends timers and spawned tasks, then runs `#[disconnect]` once.
pub(crate) async fn end<C: Consumer>(consumer: &mut C, cx: &mut Context<C>, code: CloseCode) {
    cx.leave();
    cx.end_background().await;
    match catch_panic(|| within(spans::call::<C>("disconnect"), || consumer.disconnect(cx, code))).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::error!(consumer = C::INFO.name, error = shown_error(error), "`disconnect` failed");
        }
        Err(panic) => {
            let panic = shown_error(panic_message(&*panic));
            tracing::error!(consumer = C::INFO.name, panic, "`disconnect` panicked");
        }
    }
}

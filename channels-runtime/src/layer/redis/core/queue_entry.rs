//! The entry of a queue: how it is popped and opened.

use std::time::Duration;

use bytes::Bytes;
use deadpool_redis::redis::{Cmd, cmd};

use crate::codec::Envelope;
use crate::error::DecodeError;
use crate::layer::redis::clock;
use crate::layer::redis::core::state::CoreState;

/// A sealed message and its score.
pub(super) type QueueEntry = (Vec<u8>, f64);

/// The reply to [`pop_oldest`]: the key of the queue, a sealed message and its score.
pub(super) type PoppedEntry = (String, Vec<u8>, f64);

/// Returns the command that pops the oldest entry of a queue, and waits up to `block` for one.
pub(super) fn pop_oldest(queue: &str, block: Duration) -> Cmd {
    let mut pop = cmd("BZPOPMIN");
    pop.arg(queue).arg(block.as_secs());
    pop
}

/// Opens an entry and calls `deliver` with its message and the names of the channels that the message is for. Counts an
/// entry that has expired or is invalid; `source` names the queue in the log.
pub(super) fn open_entry<T>(
    state: &CoreState,
    source: &str,
    (message, score): QueueEntry,
    deliver: impl FnOnce(Envelope, &[std::borrow::Cow<'_, str>]) -> Result<T, DecodeError>,
) -> Option<T> {
    let counters = state.table.counters();
    let now = clock::now();
    if score <= clock::cutoff(now, state.config.expiry) {
        counters.count_expired_in_queue(source, now - score);
        return None;
    }
    let delivered = state.codec.open(Bytes::from(message)).and_then(|body| {
        let (envelope, channels) = Envelope::from_shared_queue(&body, state.codec.format())?;
        deliver(envelope, &channels)
    });
    delivered.map_err(|error| counters.count_garbage(source, &error)).ok()
}

//! Opening the entries of a queue.

use bytes::Bytes;

use crate::codec::Envelope;
use crate::error::DecodeError;
use crate::layer::redis::clock;
use crate::layer::redis::core::state::CoreState;
use crate::layer::redis::pop::QueueEntry;

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

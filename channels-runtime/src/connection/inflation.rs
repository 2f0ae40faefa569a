//! Inflating of a client's compressed messages.

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt};

use crate::connection::connection::Connection;
use crate::websocket::{CompressedMessage, InflatedMessage, ProtocolError};

/// The size from which a compressed message is inflated on a thread for blocking work, in bytes. Inflating a smaller one takes at
/// most a few hundred microseconds, whatever the client sends.
const LARGE: usize = 4 * 1024;

type Inflated = Result<InflatedMessage, ProtocolError>;

/// A message that is inflated on another thread. Few clients have one, so it is boxed.
pub(crate) type Inflation = Option<BoxFuture<'static, Inflated>>;

/// Inflates a message immediately, or starts to inflate a large one on a thread for blocking work. The memory of a message that
/// waits for a thread counts as that of an unfinished message.
pub(crate) fn inflate(
    connection: &Connection,
    message: CompressedMessage,
    inflation: &mut Inflation,
) -> Option<Inflated> {
    let shared = Arc::clone(connection.shared());
    let max = shared.limits.max_message;
    let compression = Arc::clone(shared.compression.as_ref().expect("the client has negotiated compression"));
    if message.len() < LARGE {
        return Some(compression.inflate(&message, max));
    }
    let lease = connection.lease_memory();
    lease.set(message.len());
    *inflation = Some(
        async move {
            let inflated = shared.large_frames.decode(move || compression.inflate(&message, max)).await;
            drop(lease);
            inflated
        }
        .boxed(),
    );
    None
}

//! The state that all connections of a server share.

use std::fmt;
use std::sync::Arc;
#[cfg(feature = "jwt")]
use std::sync::OnceLock;

#[cfg(feature = "jwt")]
use crate::auth::TicketKeys;

#[cfg(feature = "backend")]
use crate::backend::Backend;
use crate::connection::large_frames::LargeFrames;
use crate::connection::rate_limit::Rate;
use crate::connection::stats::ConnectionCounters;
use crate::connection::write_queue::WriteQueue;
use crate::layer::ChannelLayer;
use crate::support::MemoryBudget;
use crate::websocket::Compression;

/// The layer, the limits, the counters and the write queue of all connections of a server.
pub(crate) struct Shared {
    pub(crate) layer: ChannelLayer,
    pub(crate) limits: Limits,
    pub(crate) counters: ConnectionCounters,
    /// `None` if messages are not compressed.
    pub(crate) compression: Option<Arc<Compression>>,
    /// The backend of the application.
    #[cfg(feature = "backend")]
    pub(crate) backend: Option<Backend>,
    pub(crate) write_queue: WriteQueue,
    pub(crate) large_frames: LargeFrames,
    /// The memory of messages that clients have not finished.
    pub(crate) unfinished: Arc<MemoryBudget>,
    /// Not set if the application accepts no tickets.
    #[cfg(feature = "jwt")]
    pub(crate) tickets: OnceLock<TicketKeys>,
}

/// The limits of one connection. They are the same for all connections of a server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// The largest message that a client may send, in bytes.
    pub(crate) max_message: usize,
    /// The maximum number of bytes of the unfinished messages of all clients.
    pub(crate) unfinished: usize,
    /// The maximum number of bytes that may be pending for the client. A frame that exceeds it closes the connection with 1013.
    pub(crate) outbound: usize,
    /// The rate at which the client may send.
    pub(crate) inbound: Rate,
    /// The size from which messages to the client are compressed, in bytes. `None`: never.
    pub(crate) compression: Option<usize>,
}

impl Shared {
    pub(crate) fn new(
        layer: ChannelLayer,
        limits: Limits,
        #[cfg(feature = "backend")] backend: Option<Backend>,
    ) -> Arc<Self> {
        Arc::new(Self {
            #[cfg(feature = "backend")]
            backend,
            layer,
            limits,
            counters: ConnectionCounters::default(),
            compression: limits.compression.and_then(Compression::new),
            write_queue: WriteQueue::default(),
            large_frames: LargeFrames::default(),
            unfinished: MemoryBudget::new(limits.unfinished),
            #[cfg(feature = "jwt")]
            tickets: OnceLock::new(),
        })
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("layer", &self.layer).finish_non_exhaustive()
    }
}

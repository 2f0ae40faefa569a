//! The state of the core layer, shared with its tasks.

use crate::layer::config::LayerConfig;
use crate::layer::local_table::LocalTable;
use crate::layer::redis::codec::Codec;
use crate::layer::redis::core::keys::Keys;

/// The local table, and everything that is fixed when the layer starts.
pub(super) struct CoreState {
    pub(super) table: LocalTable,
    pub(super) config: LayerConfig,
    pub(super) codec: Codec,
    pub(super) keys: Keys,
    /// The number of servers.
    pub(super) servers: usize,
    /// The prefix of the channel names of this process: `specific.<32 hex digits>!`.
    pub(super) process: String,
}

impl CoreState {
    /// Returns the key of this process's queue.
    pub(super) fn own_queue(&self) -> String {
        self.keys.queue(&self.process)
    }
}

//! The state that the core layer shares with its tasks.

use crate::layer::config::LayerConfig;
use crate::layer::redis::codec::Codec;
use crate::layer::redis::core::keys::Keys;
use crate::layer::table::LocalTable;

/// What the tasks share with the layer.
pub(super) struct Shared {
    pub(super) table: LocalTable,
    pub(super) config: LayerConfig,
    pub(super) codec: Codec,
    pub(super) keys: Keys,
    pub(super) servers: usize,
    /// What the names of this process's channels begin with: `specific.<32 hex digits>!`.
    pub(super) process: String,
}

impl Shared {
    pub(super) fn own_queue(&self) -> String {
        self.keys.queue(&self.process)
    }
}

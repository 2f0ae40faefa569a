//! Whether a connection's messages are compressed, in both directions.

use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering::Relaxed;

/// The consumer has turned compression off.
const OFF: u8 = 1;
/// The handler of an event that is never compressed is running.
const PLAIN_EVENT: u8 = 2;
/// A frame of the connection's own handler was compressed.
const USED: u8 = 4;
/// The response to the handshake has accepted compression.
const ACCEPTED: u8 = 8;

/// Whether a connection's messages are compressed, in one byte. Only the connection's own task changes it.
#[derive(Debug, Default)]
pub(super) struct CompressionState(AtomicU8);

impl CompressionState {
    /// Returns whether frames of the connection's own handlers may be compressed.
    pub(super) fn compresses_replies(&self) -> bool {
        self.0.load(Relaxed) & (OFF | PLAIN_EVENT) == 0
    }

    pub(super) fn turn_off(&self) {
        self.0.fetch_or(OFF, Relaxed);
    }

    /// Starts or ends the handler of an event that is never compressed.
    pub(super) fn set_plain_event(&self, is_plain: bool) {
        if is_plain {
            self.0.fetch_or(PLAIN_EVENT, Relaxed);
        } else {
            self.0.fetch_and(!PLAIN_EVENT, Relaxed);
        }
    }

    pub(super) fn mark_used(&self) {
        self.0.fetch_or(USED, Relaxed);
    }

    /// Accepts compression in the response to the handshake, unless it was turned off before a frame was compressed. Returns
    /// whether it is accepted.
    pub(super) fn accept(&self) -> bool {
        let is_accepted = self.0.load(Relaxed) & (OFF | USED) != OFF;
        if is_accepted {
            self.0.fetch_or(ACCEPTED, Relaxed);
        }
        is_accepted
    }

    /// Returns whether the client may compress its messages.
    pub(super) fn is_accepted(&self) -> bool {
        self.0.load(Relaxed) & ACCEPTED != 0
    }
}

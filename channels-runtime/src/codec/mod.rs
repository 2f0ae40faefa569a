//! The encoding of events in the layer, and of client commands.

mod command;
mod envelope;
mod format;
#[cfg(feature = "redis")]
mod recipients;
mod tagged;

pub use command::{ParsedFrame, decode_command, named_command};
pub use envelope::Envelope;
pub use format::Format;

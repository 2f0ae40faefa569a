//! The encoding of events in the channel layer, and the decoding of client commands.

mod command;
mod command_probe;
mod envelope;
#[cfg(any(feature = "redis", test))]
mod envelope_wire;
mod format;
#[cfg(any(feature = "redis", test))]
mod recipients;
mod tagged;

pub use command::{ParsedFrame, decode_command, named_command};
pub(crate) use command_probe::unsendable;
pub use envelope::Envelope;
pub use format::Format;

//! The encoding of events in the channel layer, and the decoding of client commands.

#[cfg(test)]
mod chat_message;
mod command;
mod command_probe;
mod deserializer;
mod envelope;
#[cfg(any(feature = "redis", test))]
mod envelope_wire;
#[cfg(any(feature = "redis", test))]
mod find_tag;
mod format;
mod json_literals;
mod key;
mod key_serializer;
mod private_json;
#[cfg(any(feature = "redis", test))]
mod recipients;
mod reserved;
mod serializer;
#[cfg(test)]
mod shapes_tests;
mod tagged;
mod writer;

pub(crate) use command::{CommandFields, named_command};
pub use command::{ParsedFrame, Received, decode_command};
pub(crate) use command_probe::unsendable;
pub use envelope::Envelope;
pub use format::Format;

//! The fields of a message that the layer itself writes. No payload may have them.

/// The field with the name of an event, as in Django Channels.
pub(super) const TYPE: &str = "type";

/// The field with the recipients of a message. The core layer of channels_redis adds it, because channels share a queue.
pub(super) const TO: &str = "__asgi_channel__";

/// All of these fields.
pub(super) const RESERVED: [&str; 2] = [TYPE, TO];

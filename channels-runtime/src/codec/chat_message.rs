//! An event for unit tests of the codec.

use serde::{Deserialize, Serialize};

use crate::event::Event;

/// A payload that refuses unknown fields, so that a test sees which fields it is given.
#[derive(Serialize, Deserialize, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct ChatMessage {
    pub(super) text: String,
    pub(super) at: Option<u64>,
}

impl Event for ChatMessage {
    type Itself = Self;
    type Retention = crate::event::Kept;
    const TYPE: &'static str = "chat.message";
}

//! A message that was sent through a layer for tests.

use std::fmt;

use crate::codec::Envelope;
use crate::error::shown;
use crate::name::{ChannelName, GroupName};

/// A message that was sent, with or without a receiver.
#[derive(Clone)]
#[non_exhaustive]
pub struct Sent {
    /// The group or channel of the message.
    pub to: Target,
    /// The excluded member: the connection that sent it with `group_send_others`.
    pub but: Option<ChannelName>,
    /// The number of the sending process: 0 for the layer that [`LayerProbe::process`](crate::testing::LayerProbe::process) returned
    /// first.
    pub process: usize,
    /// The message.
    pub envelope: Envelope,
}

/// The target of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// `group_send`.
    Group(GroupName),
    /// `send`.
    Channel(ChannelName),
}

impl Target {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Group(group) => group.as_str(),
            Self::Channel(channel) => channel.as_str(),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(group) => write!(f, "group `{group}`"),
            Self::Channel(channel) => write!(f, "channel `{channel}`"),
        }
    }
}

/// `process 0 to group `chat_lobby`: {"message":"hi","type":"chat.message"}`
impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} to {}", self.process, self.to)?;
        if let Some(but) = &self.but {
            write!(f, " but `{but}`")?;
        }
        f.write_str(": ")?;
        match self.envelope.to_value() {
            Ok(value) => f.write_str(shown(&value.to_string())),
            Err(error) => write!(f, "`{}`, which is not JSON: {error}", self.envelope.event_name()),
        }
    }
}

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sent({self})")
    }
}

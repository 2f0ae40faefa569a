//! The steps of a session, and the triggers of its handlers.

use std::sync::Arc;

use crate::connection::Event;
use crate::event::HistoryLost;
use crate::layer::Gap;
use crate::session::close::CloseWait;
use crate::session::input::Read;
use crate::websocket::{ClientMessage, CloseCode, ProtocolError};

/// The next step of a session.
pub(super) enum Step {
    Event(Event),
    Gap(Gap),
    HistoryLost(Arc<HistoryLost>),
    Client(ClientMessage),
    ProtocolError(ProtocolError),
    /// The server closes the connection.
    Closing(CloseCode),
    LayerClosed,
    /// The client has disconnected.
    Disconnected,
}

impl Step {
    pub(super) fn with_trigger(self) -> (Self, Trigger) {
        let trigger = match &self {
            Self::Event(_) => Trigger::Event,
            Self::Gap(gap) => Trigger::Gap(*gap),
            Self::HistoryLost(_) => Trigger::HistoryLost,
            _ => Trigger::Client,
        };
        (self, trigger)
    }
}

impl From<Read> for Step {
    fn from(read: Read) -> Self {
        match read {
            Ok(Some(message)) => Self::Client(message),
            Ok(None) => Self::Disconnected,
            Err(violation) => Self::ProtocolError(violation),
        }
    }
}

/// The cause of a handler's call, or the end of the connection, which has no handler.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Trigger {
    Event,
    Client,
    /// A command of the client, by its index among the commands of the consumer.
    Command(u8),
    Gap(Gap),
    HistoryLost,
    End(CloseCode, CloseWait),
}

impl Trigger {
    /// Returns the attribute of the handler, for the log.
    pub(super) fn attribute(self) -> &'static str {
        match self {
            Self::Event => "handler",
            Self::Client | Self::Command(_) => "receive",
            Self::Gap(gap) => gap.attribute(),
            Self::HistoryLost => "history_lost",
            Self::End(..) => "disconnect",
        }
    }
}

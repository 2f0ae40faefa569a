//! Prepared messages, and the kinds of mailbox that they are prepared for.

use std::any::{Any, TypeId};
use std::sync::Arc;

use crate::codec::Envelope;
use crate::error::DecodeError;
use crate::event::{DropHint, HistoryLost, MailboxPolicy};
use crate::websocket::{Compressor, EncodedFrame};

/// A message prepared for one kind of mailbox.
#[derive(Clone)]
pub(crate) enum Delivery {
    /// An encoded frame for the client.
    Frame(EncodedFrame, DropHint),
    /// An event for the consumer: an `Arc<Delivered<C::Event>>`.
    Event(Arc<dyn Any + Send + Sync>, DropHint, MailboxPolicy),
    /// The message itself, for a channel without a consumer.
    Raw(Envelope),
    /// The notice that messages may be missing.
    #[cfg_attr(
        not(any(feature = "redis", feature = "testing")),
        expect(dead_code, reason = "within one process no message is lost")
    )]
    Gap(Gap),
    /// The notice that kept events of a group cannot be sent again.
    HistoryLost(Arc<HistoryLost>),
    /// No output: the handler rendered nothing for this client.
    Nothing,
}

impl Delivery {
    /// Returns how the message may be dropped.
    pub(crate) fn drop_hint(&self) -> DropHint {
        match self {
            Self::Frame(_, hint) | Self::Event(_, hint, _) => *hint,
            Self::Raw(_) | Self::Gap(_) | Self::HistoryLost(_) | Self::Nothing => DropHint::default(),
        }
    }

    /// Returns the frame, if the delivery is a frame without a drop hint.
    pub(crate) fn undroppable_frame(&self) -> Option<&EncodedFrame> {
        match self {
            Self::Frame(frame, hint) if hint.is_undroppable() => Some(frame),
            _ => None,
        }
    }
}

/// The start or the end of a gap, in which events may be lost. It runs `#[layer_lost]` or `#[layer_restored]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Gap {
    /// This process lost the connection to a server of the layer.
    Lost,
    /// All connections work again, and the servers know the memberships of this process.
    Restored,
}

impl Gap {
    /// Returns the attribute of the method that handles it.
    pub(crate) fn attribute(self) -> &'static str {
        match self {
            Self::Lost => "layer_lost",
            Self::Restored => "layer_restored",
        }
    }
}

/// The reason why a message could not be prepared.
#[derive(Debug)]
pub(crate) enum Undeliverable {
    /// The consumer has no handler for the event.
    Unhandled { consumer: &'static str },
    /// The message does not fit the event's type.
    Undecodable { consumer: &'static str, error: DecodeError },
    /// The handler without `self` failed or panicked.
    Failed { consumer: &'static str, error: DecodeError },
}

/// Prepares a message for the mailboxes of one kind. The compressor is for the clients that inflate messages.
pub(crate) type Prepare = fn(&Envelope, Option<&Compressor>) -> Result<Delivery, Undeliverable>;

/// A kind of mailbox: the connections of one consumer, or the channels without one. Mailboxes of one kind share each prepared
/// message.
///
/// A type identifies the kind, because two functions may have one address, and one function may have two. Each mailbox holds
/// a reference to its kind, which is one word.
#[derive(Debug)]
pub(crate) struct MailboxKind {
    // Not the `TypeId` itself, which the oldest supported compiler cannot compute in a constant.
    id: fn() -> TypeId,
    pub(crate) prepare: Prepare,
    /// The output contains the positions of the client: it receives server-sent events.
    pub(crate) marks_positions: bool,
}

impl MailboxKind {
    /// Returns the kind that `T` identifies. All calls with the same `T` must have the same `prepare`.
    pub(crate) const fn of<T: 'static>(prepare: Prepare) -> Self {
        Self { id: TypeId::of::<T>, prepare, marks_positions: false }
    }

    /// Returns this kind with output that contains the positions.
    pub(crate) const fn marking_positions(self) -> Self {
        Self { marks_positions: true, ..self }
    }
}

impl PartialEq for MailboxKind {
    fn eq(&self, other: &Self) -> bool {
        // Nearly always both are the same constant.
        std::ptr::eq(self, other) || (self.id)() == (other.id)()
    }
}

/// The error of a mailbox that holds `capacity` messages, and therefore dropped the new one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full {
    pub(crate) capacity: usize,
}

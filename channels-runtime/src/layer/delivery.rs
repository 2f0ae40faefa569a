//! A message prepared for one kind of mailbox.

use std::any::{Any, TypeId};
use std::sync::Arc;

use crate::codec::Envelope;
use crate::error::DecodeError;
use crate::event::{DropHint, MailboxPolicy};
use crate::websocket::EncodedFrame;

/// A message, made ready for one kind of mailbox.
#[derive(Clone)]
pub(crate) enum Delivery {
    /// A finished frame for the client.
    Frame(EncodedFrame, DropHint),
    /// An event for the consumer: an `Arc<Delivered<C::Event>>`.
    Event(Arc<dyn Any + Send + Sync>, DropHint, MailboxPolicy),
    /// The message as it is.
    Raw(Envelope),
    /// No message, but word that some may be missing.
    #[cfg_attr(not(feature = "redis"), expect(dead_code, reason = "within one process nothing can be lost"))]
    Gap(Gap),
    /// Nothing at all: a rendering that shows this client nothing.
    Nothing,
}

impl Delivery {
    /// What may be lost of it.
    pub(crate) fn loss(&self) -> DropHint {
        match self {
            Self::Frame(_, loss) | Self::Event(_, loss, _) => *loss,
            Self::Raw(_) | Self::Gap(_) | Self::Nothing => DropHint::default(),
        }
    }

    /// The frame, if it is one that must not be lost.
    pub(crate) fn plain(&self) -> Option<&EncodedFrame> {
        match self {
            Self::Frame(frame, loss) if *loss == DropHint::default() => Some(frame),
            _ => None,
        }
    }
}

/// Between the two, events may have been missed: what `#[layer_lost]` and `#[layer_restored]` are called for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Gap {
    /// A connection to the other end of the layer is lost.
    Lost,
    /// All connections work again, and what this process has joined is known at the other end.
    Restored,
}

impl Gap {
    /// The attribute of its method.
    pub(crate) fn attribute(self) -> &'static str {
        match self {
            Self::Lost => "layer_lost",
            Self::Restored => "layer_restored",
        }
    }
}

/// Why a message could not be made ready.
#[derive(Debug)]
pub(crate) enum Undeliverable {
    /// The consumer has no handler of that name.
    Unhandled { consumer: &'static str },
    /// It is not what its payload says.
    Undecodable { consumer: &'static str, error: DecodeError },
}

/// Prepares a message for the mailboxes of one kind.
pub(crate) type Prepare = fn(&Envelope) -> Result<Delivery, Undeliverable>;

/// A kind of mailbox: the connections of one consumer, or the channels without one. Mailboxes of one kind share each prepared
/// message.
///
/// A type identifies the kind, because two functions may have one address, and one function may have two. Each mailbox holds
/// a reference to its kind, which is one word.
#[derive(Debug)]
pub(crate) struct MailboxKind {
    // Not the `TypeId` itself: the oldest supported compiler makes none in a constant.
    id: fn() -> TypeId,
    pub(crate) prepare: Prepare,
}

impl MailboxKind {
    /// Returns the kind that `T` identifies. There is one `prepare` for each `T`.
    pub(crate) const fn of<T: 'static>(prepare: Prepare) -> Self {
        Self { id: TypeId::of::<T>, prepare }
    }
}

impl PartialEq for MailboxKind {
    fn eq(&self, other: &Self) -> bool {
        // Nearly always it is one constant.
        std::ptr::eq(self, other) || (self.id)() == (other.id)()
    }
}

/// The mailbox holds as many messages as its capacity allows; the new one was dropped.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full {
    pub(crate) capacity: usize,
}

//! The traits by which the compiler checks handlers, memberships and sends.

use crate::event::group::Group;
use crate::name::{ChannelName, Untyped};

/// `ChatConsumer: Handles<ChatMessage>`: the consumer has a `#[handler]` for the event.
///
/// `G` is the source of the event: a group that the consumer joins, [`ChannelName`] for an event that is sent to its channel, or
/// [`Timer`].
#[diagnostic::on_unimplemented(
    message = "consumer `{Self}` has no handler for `{E}`, which reaches it through `{G}`",
    label = "`{Self}` does not handle `{E}`",
    note = "add a `#[handler(\"..\")]` method for `{E}` to `impl {Self}`"
)]
// `E` has no bound here: if it is not an event, the compiler reports this at its handler or its group.
pub trait Handles<E, G: ?Sized = ChannelName> {
    /// The consumer itself. A bound on it is not checked for a consumer without a handler for the event, so such a consumer causes
    /// only one compiler error.
    #[doc(hidden)]
    type Itself;
}

// A channel name from a plain string has no consumer type, so the compiler cannot check its events.
impl<E, G: ?Sized> Handles<E, G> for Untyped {
    type Itself = Self;
}

/// The source of the events of `cx.after(..)` and `cx.every(..)`: [`Handles`] names it in compiler errors.
#[derive(Debug)]
#[non_exhaustive]
pub enum Timer {}

/// `Room: JoinedBy<ChatConsumer>`: the consumer handles every event of the group. `#[group]` implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a group, so `{C}` cannot join it",
    label = "not a group",
    note = "write `#[group(\"its_name_{{field}}\", events(..))]` above a struct, and join a value of it: `&Room {{ id: 7 }}`"
)]
pub trait JoinedBy<C>: Group {}

/// `ChatConsumer: Joins<Room>`: the consumer lists the group in `#[consumer(groups(Room))]`. A consumer without a list can join
/// any group.
#[diagnostic::on_unimplemented(
    message = "consumer `{Self}` does not list the group `{G}`",
    label = "`{G}` is not in the list",
    note = "add it to the list: `#[consumer(groups(.., {G}))]`"
)]
pub trait Joins<G: ?Sized> {}

impl<G: ?Sized> Joins<G> for Untyped {}

/// `ChatConsumer: Sends<ChatLine>`: the consumer lists the type in `#[consumer(sends(ChatLine))]`.
#[diagnostic::on_unimplemented(
    message = "consumer `{Self}` does not list `{T}` as a type that it sends",
    label = "`{T}` is not in the list",
    note = "send text with `cx.send_text(..)`",
    note = "add any other type to the list, `#[consumer(sends(.., {T}))]`, or send it unchecked with `cx.send_json(..)`"
)]
pub trait Sends<T: ?Sized> {}

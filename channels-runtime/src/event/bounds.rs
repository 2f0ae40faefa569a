//! The traits by which the compiler checks who handles, joins and sends what.

use crate::event::group::Group;
use crate::name::{ChannelName, Untyped};

/// `ChatConsumer: Handles<ChatMessage>`: the consumer has a `#[handler]` for the event.
///
/// `G` is where the event comes from: a group that the consumer joins, or its [`ChannelName`] for what is sent to that.
#[diagnostic::on_unimplemented(
    message = "consumer `{Self}` has no handler for `{E}`, which reaches it through `{G}`",
    label = "`{Self}` does not handle `{E}`",
    note = "add a `#[handler(\"..\")]` method for `{E}` to `impl {Self}`"
)]
// `E` is not asked to be an event here: where it is none, its handler or its group has said so.
pub trait Handles<E, G: ?Sized = ChannelName> {}

// A name made from a plain string does not know its consumer, so nothing is checked.
impl<E, G: ?Sized> Handles<E, G> for Untyped {}

/// `Room: JoinedBy<ChatConsumer>`: the consumer handles every event of the group. `#[group]` writes it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a group, so `{C}` cannot join it",
    label = "not a group",
    note = "write `#[group(\"its_name_{{field}}\", events(..))]` above a struct, and join a value of it: `&Room {{ id: 7 }}`"
)]
pub trait JoinedBy<C>: Group {}

/// `ChatConsumer: Joins<Room>`: the consumer lists the group in `#[consumer(groups(Room))]`. One that lists none joins any.
#[diagnostic::on_unimplemented(
    message = "consumer `{Self}` does not say that it joins `{G}`",
    label = "`{G}` is not in the list",
    note = "add it to the list: `#[consumer(groups(.., {G}))]`"
)]
pub trait Joins<G: ?Sized> {}

impl<G: ?Sized> Joins<G> for Untyped {}

/// `ChatConsumer: Sends<ChatLine>`: the consumer says so in `#[consumer(sends(ChatLine))]`.
#[diagnostic::on_unimplemented(
    message = "consumer `{Self}` does not say that it sends `{T}`",
    label = "`{T}` is not in the list",
    note = "text goes with `cx.send_text(..)`",
    note = "anything else stands in the list, `#[consumer(sends(.., {T}))]`, or goes unchecked with `cx.send_json(..)`"
)]
pub trait Sends<T: ?Sized> {}

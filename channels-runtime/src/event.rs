//! Events and groups: the typed side of what travels through the channel layer.

use std::num::NonZeroU64;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::fields::fields_of;
use crate::name::{ChannelName, GroupName, NameError, Untyped};

/// A message of the channel layer: a struct with `#[event("chat.message")]` above it.
///
/// On the wire it is the flat map of Django Channels, `{"type": "chat.message", ..fields}`.
///
/// # What may be lost
///
/// An event that is worth little beside the others, or nothing once there is a newer one, can say so:
///
/// ```
/// # use channels_runtime::prelude::*;
/// #[event("cursor.move", volatile, coalesce = "user_id")]
/// struct CursorMove { user_id: u64, x: f64, y: f64 }
/// ```
///
/// - `volatile`: where there is no room, it goes first. In a full mailbox the oldest volatile event gives way before
///   anything else; for a client that reads slowly (its socket takes no more, or half of its outbound queue is full) it is
///   not sent at all, where any other frame would wait and in the end close the connection.
/// - `coalesce = "user_id"`: of those that wait for one connection, only the newest with the same value in this field is
///   kept, at its own place in the order. As long as nothing waits, every one is delivered.
///
/// Neither changes what is on the wire, nor the order. What was left out is counted:
/// [`LayerStats::dropped_volatile`](crate::LayerStats::dropped_volatile),
/// [`LayerStats::coalesced`](crate::LayerStats::coalesced).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event",
    label = "not an event",
    note = "an event is a struct of your own, with `#[event(\"its.name\")]` above it"
)]
pub trait Event: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Itself. What is asked of it is not asked of a type that is no event.
    #[doc(hidden)]
    type Itself;

    /// The name on the wire: the value of `type`.
    const TYPE: &'static str;

    /// Where the type is defined, to tell two types of one name apart at compile time. `#[event]` writes it.
    #[doc(hidden)]
    const DEFINED: &'static str = "";

    /// Whether it goes first where there is no room. `#[event(.., volatile)]` writes it.
    const VOLATILE: bool = false;

    /// What a newer event must share with it to take its place. `#[event(.., coalesce = "field")]` writes it.
    #[doc(hidden)]
    fn key(&self) -> Option<NonZeroU64> {
        None
    }
}

/// What may be lost of one event on its way: its `volatile` and `coalesce`.
///
/// Eight bytes, because each message that waits carries it: the lowest bit says whether it is volatile, the others are its
/// key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Loss(u64);

impl Loss {
    pub(crate) fn of<E: Event>(event: &E) -> Self {
        let key = event.key().map_or(0, |key| (key.get() & !1).max(2));
        Self(key | u64::from(E::VOLATILE))
    }

    /// What a newer event must share with it to take its place.
    pub fn key(self) -> Option<NonZeroU64> {
        NonZeroU64::new(self.0 & !1)
    }

    /// Whether it goes first where there is no room.
    pub fn is_volatile(self) -> bool {
        self.0 & 1 == 1
    }
}

/// A group: a struct with `#[group("chat_{room}", events(ChatMessage))]` above it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a group",
    label = "not a group",
    note = "a group is a struct with `#[group(\"its_name_{{field}}\", events(..))]` above it; pass a value of it: `&Room {{ id: 7 }}`",
    note = "with nothing but a name, `group_send_raw` sends to it, and the compiler checks nothing"
)]
pub trait Group: Send + Sync {
    /// Itself. What is asked of it is not asked of a type that is no group.
    #[doc(hidden)]
    type Itself: ?Sized;

    /// How the name is built: `"chat_{room}"`.
    const PATTERN: &'static str;

    /// The events that it carries.
    const EVENTS: &'static [EventInfo];

    /// The name of this one group.
    ///
    /// # Errors
    /// When a field makes it longer than 99 characters or holds a character that a name may not have.
    fn name(&self) -> Result<GroupName, NameError>;
}

/// `Room: Carries<ChatMessage>`: the group lists the event, so it may be sent there.
#[diagnostic::on_unimplemented(
    message = "group `{Self}` does not carry the event `{E}`",
    label = "`{E}` is not in the list of this group",
    note = "a group lists its events: `#[group(\"..\", events(.., {E}))] struct {Self}`"
)]
pub trait Carries<E>: Group<Itself = Self> {}

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

/// An event as a fact to read at run time.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct EventInfo {
    /// The name on the wire: `"chat.message"`.
    pub name: &'static str,
    /// The Rust type's path, from [`std::any::type_name`].
    pub payload: fn() -> &'static str,
    /// The fields, by their names on the wire. Empty where serde does not know them beforehand, as for a flattened one.
    pub fields: fn() -> &'static [&'static str],
    pub(crate) defined: &'static str,
}

impl EventInfo {
    /// The row of `E`.
    pub const fn of<E: Event>() -> Self {
        Self { name: E::TYPE, payload: std::any::type_name::<E>, fields: fields_of::<E>, defined: E::DEFINED }
    }
}

/// A group as a fact to read at run time.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct GroupInfo {
    /// The path of the Rust type.
    pub group: fn() -> &'static str,
    /// How the name is built: `"chat_{room}"`.
    pub pattern: &'static str,
    /// The events that it carries.
    pub events: &'static [EventInfo],
}

impl GroupInfo {
    /// The facts of `G`.
    pub const fn of<G: Group>() -> Self {
        Self { group: std::any::type_name::<G>, pattern: G::PATTERN, events: G::EVENTS }
    }
}

//! Events and groups: the typed side of what travels through the channel layer.

use std::num::NonZeroU64;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::event::field_names::fields_of;

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
/// [`LayerStats::dropped_volatile`](crate::stats::LayerStats::dropped_volatile),
/// [`LayerStats::coalesced`](crate::stats::LayerStats::coalesced).
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

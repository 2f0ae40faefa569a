//! Events: the typed messages of the channel layer.

use std::num::NonZeroU64;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::event::field_names::fields_of;

/// A message of the channel layer: a struct with `#[event("chat.message")]` above it.
///
/// Its encoding is the flat map of Django Channels, `{"type": "chat.message", ..fields}`.
///
/// # Drop hints
///
/// An event can declare that it is less important than others, or that a newer one replaces it:
///
/// ```
/// # use channels_runtime::prelude::*;
/// #[event("cursor.move", volatile, coalesce = "user_id")]
/// struct CursorMove { user_id: u64, x: f64, y: f64 }
/// ```
///
/// - `volatile`: it is dropped first. A full mailbox drops its oldest volatile event before any other event. A client that reads
///   slowly (its socket is full, or half of its outbound queue) does not receive it; any other frame would wait, and eventually close
///   the connection.
/// - `coalesce = "user_id"`: of the events that wait for one connection, only the newest with the same value in this field is kept, at
///   its own position in the order. If no event waits, each one is delivered.
///
/// Neither changes the encoding or the order. Dropped events are counted:
/// [`LayerStats::dropped_volatile`](crate::stats::LayerStats::dropped_volatile),
/// [`LayerStats::coalesced`](crate::stats::LayerStats::coalesced).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event",
    label = "not an event",
    note = "an event is a struct of your own, with `#[event(\"its.name\")]` above it"
)]
pub trait Event: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The type itself. Bounds on it do not apply to a type that is not an event.
    #[doc(hidden)]
    type Itself;

    /// The name of the event: the value of `type`.
    const TYPE: &'static str;

    /// The place of the definition, which distinguishes two types with one name at compile time. `#[event]` sets it.
    #[doc(hidden)]
    const DEFINED: &'static str = "";

    /// Whether it is dropped first. `#[event(.., volatile)]` sets it. Default: `false`.
    const VOLATILE: bool = false;

    /// Returns the key that a newer event must share to replace this one. `#[event(.., coalesce = "field")]` implements it.
    #[doc(hidden)]
    fn key(&self) -> Option<NonZeroU64> {
        None
    }
}

/// The description of an event at run time.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct EventInfo {
    /// The name of the event: `"chat.message"`.
    pub name: &'static str,
    /// Returns the path of the Rust type, from [`std::any::type_name`].
    pub payload: fn() -> &'static str,
    /// Returns the encoded names of the fields. The list is empty if serde does not know them in advance, as for a flattened field.
    pub fields: fn() -> &'static [&'static str],
    pub(crate) defined: &'static str,
}

impl EventInfo {
    /// Describes `E`.
    pub const fn of<E: Event>() -> Self {
        Self { name: E::TYPE, payload: std::any::type_name::<E>, fields: fields_of::<E>, defined: E::DEFINED }
    }
}

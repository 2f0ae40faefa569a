//! Events: the typed messages of the channel layer.

use std::num::NonZeroU64;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::event::field_names::fields_of;

/// A message of the channel layer: a struct with `#[event("chat.message")]` above it.
///
/// It is encoded as in Django Channels, as a flat map: `{"type": "chat.message", ..fields}`.
///
/// # Drop hints
///
/// An event can declare that it is less important than other events, or that a newer one replaces it:
///
/// ```
/// # use channels_runtime::prelude::*;
/// #[event("cursor.move", volatile, coalesce = "user_id")]
/// struct CursorMove { user_id: u64, x: f64, y: f64 }
/// ```
///
/// - `volatile`: the event is dropped first. A full mailbox drops its oldest volatile event before any other event. A client
///   that reads slowly (its socket is full, or its outbound queue is half full) does not receive the event. Any other frame
///   would wait, and too many such frames close the connection.
/// - `coalesce = "user_id"`: of the events that wait for one connection and have the same value in this field, only the newest
///   is kept, at its own position in the order. If no such event waits, each one is delivered.
///
/// Neither hint changes the encoding or the order. Dropped events are counted:
/// [`LayerStats::dropped_volatile`](crate::stats::LayerStats::dropped_volatile),
/// [`LayerStats::coalesced`](crate::stats::LayerStats::coalesced).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event",
    label = "not an event",
    note = "an event is a struct of your own, with `#[event(\"its.name\")]` above it"
)]
pub trait Event: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The type itself. A bound on it is not checked for a type that is not an event, so such a type causes only one compiler
    /// error.
    #[doc(hidden)]
    type Itself;

    /// Whether histories keep the event: [`Kept`](crate::history::Kept), or [`Volatile`](crate::history::Volatile). `#[event]`
    /// sets it.
    #[doc(hidden)]
    type Retention;

    /// The name of the event: the value of `type`.
    const TYPE: &'static str;

    /// The place of the definition. At compile time it distinguishes two types with the same event name. `#[event]` sets it.
    #[doc(hidden)]
    const DEFINED: &'static str = "";

    /// `true` if the event is dropped before other events. `#[event(.., volatile)]` sets it. Default: `false`.
    const VOLATILE: bool = false;

    /// `true` if messages with the event are never compressed. `#[event(.., uncompressed)]` sets it. Default: `false`.
    const UNCOMPRESSED: bool = false;

    /// Returns the key of the event: a newer event with the same key replaces it. `#[event(.., coalesce = "field")]` implements
    /// this.
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
    /// Returns the encoded names of the fields. The list is empty if serde does not know them in advance, as for a flattened
    /// field.
    pub fields: fn() -> &'static [&'static str],
    pub(crate) defined: &'static str,
}

impl EventInfo {
    /// Describes `E`.
    pub const fn of<E: Event>() -> Self {
        Self { name: E::TYPE, payload: std::any::type_name::<E>, fields: fields_of::<E>, defined: E::DEFINED }
    }
}

//! Groups: named sets of channels, and the events that they carry.

use std::time::Duration;

use crate::event::event::EventInfo;
use crate::name::{GroupName, NameError};

/// A group: a struct with `#[group("chat_{room}", events(ChatMessage))]` above it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a group",
    label = "not a group",
    note = "a group is a struct with `#[group(\"its_name_{{field}}\", events(..))]` above it; pass a value of it: `&Room {{ id: 7 }}`",
    note = "to send to a name without a type, use `group_send_raw`, which the compiler does not check"
)]
pub trait Group: Send + Sync {
    /// The type itself. A bound on it is not checked for a type that is not a group, so such a type causes only one compiler
    /// error.
    #[doc(hidden)]
    type Itself: ?Sized;

    /// The pattern of the name: `"chat_{room}"`.
    const PATTERN: &'static str;

    /// The pattern with a character for each field, by the texts that it may become: `\u{1}` for any text, `\u{2}` for digits and
    /// `-`, `\u{3}` for the unknown text of a type of the user's. `#[group]` sets it.
    #[doc(hidden)]
    const SHAPE: &'static str = Self::PATTERN;

    /// The events that the group carries.
    const EVENTS: &'static [EventInfo];

    /// The history of the group. `None` without `history(..)`.
    const HISTORY: Option<History> = None;

    /// Returns the name of this group.
    ///
    /// # Errors
    /// If the fields make the name longer than 99 characters, or contain a character that is not allowed in a name.
    fn name(&self) -> Result<GroupName, NameError>;
}

/// `Room: Carries<ChatMessage>`: the group lists the event, so the event can be sent to the group.
#[diagnostic::on_unimplemented(
    message = "group `{Self}` does not carry the event `{E}`",
    label = "`{E}` is not in the list of this group",
    note = "a group lists its events: `#[group(\"..\", events(.., {E}))] struct {Self}`"
)]
pub trait Carries<E>: Group<Itself = Self> {
    /// The group itself. A bound on it is not checked for a group that does not carry the event, so such a group causes only one
    /// compiler error.
    #[doc(hidden)]
    type Carrier: ?Sized;
}

/// The history of a group: `#[group(.., history(size = 100, ttl = "10m"))]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct History {
    /// The most events that are kept, from 1 to 1,000.
    pub size: u16,
    /// The time for which events are kept after the last one, from 1 s to 24 h.
    pub ttl: Duration,
}

impl History {
    /// Makes the history that `#[group]` describes and has checked.
    #[doc(hidden)]
    pub const fn checked(size: u16, ttl_seconds: u32) -> Self {
        Self { size, ttl: Duration::from_secs(ttl_seconds as u64) }
    }
}

/// The description of a group at run time.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct GroupInfo {
    /// Returns the path of the Rust type, from [`std::any::type_name`].
    pub group: fn() -> &'static str,
    /// The pattern of the name: `"chat_{room}"`.
    pub pattern: &'static str,
    /// The events that the group carries.
    pub events: &'static [EventInfo],
    pub(crate) shape: &'static str,
}

impl GroupInfo {
    /// Describes `G`.
    pub const fn of<G: Group>() -> Self {
        Self { group: std::any::type_name::<G>, pattern: G::PATTERN, events: G::EVENTS, shape: G::SHAPE }
    }
}

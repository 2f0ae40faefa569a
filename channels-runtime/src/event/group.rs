//! Groups: named sets of channels, and the events that they carry.

use crate::event::event::EventInfo;
use crate::name::{GroupName, NameError};

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

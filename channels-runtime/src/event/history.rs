//! Histories: the kept events of a group, and the traits by which the compiler checks that a gap is handled.

use std::fmt;

use serde::ser::{Serialize, Serializer};

use crate::event::group::Group;
use crate::event::position::Position;
use crate::name::GroupName;

/// The retention of an event that is kept in the histories of its groups: [`Event::Retention`](crate::Event).
#[derive(Debug)]
#[non_exhaustive]
pub enum Kept {}

/// The retention of a volatile event, which no history keeps.
#[derive(Debug)]
#[non_exhaustive]
pub enum Volatile {}

/// `Room: Recoverable`: the group has a history. `#[group(.., history(..))]` implements it.
#[diagnostic::on_unimplemented(
    message = "group `{Self}` has no history",
    label = "`{Self}` keeps no events",
    note = "add one to the group: `#[group(.., history(size = 100, ttl = \"10m\"))]`",
    note = "or join it with `cx.group_add(..)`: its members receive the events that are sent from now on"
)]
pub trait Recoverable: Group {
    /// The group itself. A bound on it is not checked for a group without a history, so such a group causes only one compiler
    /// error.
    #[doc(hidden)]
    type Joinable: ?Sized;
}

/// `Room: Plain`: the group has no history. `#[group]` implements it.
#[diagnostic::on_unimplemented(
    message = "group `{Self}` has a history, so `group_add` cannot join it",
    label = "`{Self}` keeps its events for clients that come back",
    note = "join it with `cx.group_add_since(&group, &cx.resume()).await?`: without a position from the start, a client could not say what it has missed",
    note = "a client that needs no history joins with `cx.group_add_since(&group, &Since::START)`"
)]
pub trait Plain: Group {
    /// The group itself; see [`Recoverable`].
    #[doc(hidden)]
    type Joinable: ?Sized;
}

/// `Room: ReachesOthers<E::Retention>`: an event with this retention may be sent to all members except one.
///
/// A kept event may not: its sender would get it when it comes back.
#[diagnostic::on_unimplemented(
    message = "`group_send_others` cannot send an event that group `{Self}` keeps",
    label = "the history of `{Self}` keeps this event",
    note = "its sender would get it after a reconnect: send it to all members with `cx.group_send(..)`, and let the page of the sender ignore it",
    note = "or declare the event `volatile`: then no history keeps it"
)]
pub trait ReachesOthers<R> {}

/// `ChatConsumer: HandlesAt<ChatMessage, Room, Kept>`: the handler of the event takes its position.
#[diagnostic::on_unimplemented(
    message = "the handler of `{E}` in consumer `{Self}` does not take its position, but group `{G}` has a history",
    label = "`{Self}` does not tell its client the positions of `{E}`",
    note = "add `at: &Position` as the last argument of the handler, and send it to the client with the event",
    note = "or declare the event `volatile`: then no history keeps it"
)]
pub trait HandlesAt<E, G: ?Sized, R> {}

// No history keeps a volatile event, so its handler needs no position.
#[diagnostic::do_not_recommend]
impl<C, E, G: ?Sized> HandlesAt<E, G, Volatile> for C {}

/// `ChatConsumer: HandlesHistoryLost`: the consumer has a `#[history_lost]` method.
#[diagnostic::on_unimplemented(
    message = "consumer `{Self}` joins a group with a history, but has no `#[history_lost]` method",
    label = "`{Self}` does not handle a gap",
    note = "add `#[history_lost] async fn history_lost(&mut self, cx: &mut Context<Self>, lost: &HistoryLost) -> Result<()>`, which tells the client to load the current state"
)]
pub trait HandlesHistoryLost {}

/// The notice that a client missed events of a group which the layer cannot send again. It runs `#[history_lost]`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HistoryLost {
    /// The name of the group.
    pub group: GroupName,
    /// The reason.
    pub cause: Cause,
    /// The position from which on the client receives everything again.
    pub at: Position,
}

impl HistoryLost {
    pub(crate) fn new(group: GroupName, cause: Cause, at: Position) -> Self {
        Self { group, cause, at }
    }
}

/// The reason why missed events cannot be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// More events were missed than the history keeps, or the history has expired or was deleted.
    Forgotten,
    /// The position is of another server, or of the same server before it restarted.
    OtherServer,
    /// More was missed than the connection may receive at once: half of the outbound limit, or the mailbox's capacity.
    TooMuch,
    /// The client sent a text that is not a position.
    Unreadable,
    /// The layer keeps no history, as the core layer of Redis.
    NotKept,
}

impl Cause {
    /// All causes.
    #[cfg(feature = "contract")]
    pub(crate) const ALL: [Self; 5] =
        [Self::Forgotten, Self::OtherServer, Self::TooMuch, Self::Unreadable, Self::NotKept];

    /// Returns the name of the cause for a client or a log: `"forgotten"`, `"other_server"`, `"too_much"`, `"unreadable"` or
    /// `"not_kept"`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Forgotten => "forgotten",
            Self::OtherServer => "other_server",
            Self::TooMuch => "too_much",
            Self::Unreadable => "unreadable",
            Self::NotKept => "not_kept",
        }
    }
}

/// Writes the name of the cause.
impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The result of [`Context::group_add_since`](crate::Context::group_add_since).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "send `at` to the client, so that it has a position before the first event"]
#[non_exhaustive]
pub struct Joined {
    /// The position of the client after the join. The client sends it if it comes back before it has received an event.
    ///
    /// If events were missed, this is the position before them, because the client has not received them yet. After
    /// a loss, the client has no new position yet ([`Position::is_none`]). It keeps its old one until `#[history_lost]` sends it
    /// [`HistoryLost::at`].
    pub at: Position,
    /// The number of missed events that the connection receives now.
    pub missed: usize,
    /// The reason why missed events cannot be sent again. Then `#[history_lost]` runs after `#[connect]`.
    pub lost: Option<Cause>,
}

impl Joined {
    pub(crate) fn new(at: Position, missed: usize, lost: Option<Cause>) -> Self {
        Self { at, missed, lost }
    }
}

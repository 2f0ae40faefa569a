//! Events and groups: the typed side of the messages in the channel layer.

mod bounds;
mod event;
mod field_names;
mod group;
mod overflow;

pub use bounds::{Handles, JoinedBy, Joins, Sends};
pub use event::{Event, EventInfo};
pub(crate) use field_names::fields_of;
pub use group::{Carries, Group, GroupInfo};
pub use overflow::{DropHint, MailboxPolicy};

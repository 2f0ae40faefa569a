//! Events and groups: the types of messages in the channel layer, and of their addressees.

mod bounds;
mod event;
mod field_names;
mod group;
mod overflow;

pub use bounds::{Handles, JoinedBy, Joins, Sends, Timer};
pub use event::{Event, EventInfo};
pub(crate) use field_names::fields_of;
pub use group::{Carries, Group, GroupInfo};
pub use overflow::{DropHint, MailboxPolicy};

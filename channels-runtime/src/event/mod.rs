//! Events and groups: the types of messages in the channel layer, and of their addressees.

mod bounds;
mod by_name;
mod event;
mod field_names;
mod group;
mod history;
mod overflow;
mod position;

pub use bounds::{Handles, JoinedBy, Joins, Sends, Timer};
pub use by_name::{ByName, EventVisitor, ListedEvent, NameMismatch, ReadPart, name_parts, read_part};
pub use event::{Event, EventInfo};
pub(crate) use field_names::fields_of;
pub use group::{Carries, Group, GroupInfo, History};
pub use history::{Cause, HistoryLost, Joined};
pub use history::{HandlesAt, HandlesHistoryLost, Kept, Plain, ReachesOthers, Recoverable, Volatile};
pub use overflow::{DropHint, MailboxPolicy};

pub(crate) use position::{Id, Reign};
pub use position::{NotAPosition, Position, Since};

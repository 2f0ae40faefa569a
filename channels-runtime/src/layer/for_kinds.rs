//! Values for kinds of mailboxes. Nearly always there is one kind.

use smallvec::SmallVec;

use crate::layer::delivery::MailboxKind;

/// A value for each kind of mailbox.
pub(crate) type ForKinds<T> = SmallVec<[(&'static MailboxKind, T); 1]>;

pub(crate) fn of_kind<'a, T>(all: &'a ForKinds<T>, kind: &MailboxKind) -> Option<&'a T> {
    all.iter().find(|(known, _)| *known == kind).map(|(_, found)| found)
}

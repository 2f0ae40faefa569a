//! The members of a group that receive compressed messages.

use std::sync::Arc;

use crate::layer::mailbox::Mailbox;
use crate::layer::write_priority::WritePriority;
use crate::websocket::{Compression, Compressor};

/// The number of members whose clients inflate messages. Boxed, because without compression no group has one.
#[derive(Default)]
pub(super) struct Readers(Option<Box<Counted>>);

struct Counted {
    members: u32,
    /// That of the newest member. Nearly always all members belong to one application.
    compression: Arc<Compression>,
}

impl Readers {
    /// Counts a new member.
    pub(super) fn add(&mut self, member: &dyn Mailbox) {
        let Some(compression) = member.compression() else { return };
        let counted =
            self.0.get_or_insert_with(|| Box::new(Counted { members: 0, compression: Arc::clone(compression) }));
        counted.members += 1;
        if !Arc::ptr_eq(&counted.compression, compression) {
            counted.compression = Arc::clone(compression);
        }
    }

    /// Removes a member that has left.
    pub(super) fn remove(&mut self, member: &dyn Mailbox) {
        if let Some(counted) = &mut self.0
            && member.compression().is_some()
        {
            counted.members -= 1;
            if counted.members == 0 {
                self.0 = None;
            }
        }
    }

    /// Returns the compressor of a message to the group. `None` if no member receives compressed messages.
    pub(super) fn compressor(&self) -> Option<Compressor> {
        let Counted { members, compression } = &**self.0.as_ref()?;
        let are_many = WritePriority::of(*members as usize) == WritePriority::Bulk;
        Some(Compressor::new(Arc::clone(compression), are_many))
    }
}

//! The methods of the local table for gaps: the times in which messages from other processes may be lost.

use tokio::time::Instant;

use crate::layer::delivery::{Delivery, Gap};
use crate::layer::local_table::LocalTable;
use crate::layer::mailbox::NamedMailbox;
use crate::support::lock;

impl LocalTable {
    /// Records the loss of a server. If no other server is lost, notifies every channel, after the messages that have arrived.
    pub(crate) fn lost(&self) {
        let mut lost = lock(&self.lost);
        *lost += 1;
        if *lost == 1 {
            self.counters().count_gap();
            self.notify(Gap::Lost);
        }
    }

    /// Records that a lost server replies again and knows the memberships of this process. If no other server is lost, notifies
    /// every channel.
    pub(crate) fn restored(&self) {
        let mut lost = lock(&self.lost);
        *lost -= 1;
        if *lost == 0 {
            self.notify(Gap::Restored);
        }
    }

    fn notify(&self, gap: Gap) {
        let _operation = self.operation();
        let now = Instant::now();
        // A mailbox accepts a gap even if it is full.
        self.channels.each(|NamedMailbox(mailbox), _| _ = mailbox.deliver(&Delivery::Gap(gap), now));
    }
}

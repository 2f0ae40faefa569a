//! The methods of the local table that only a layer with servers needs: gaps, lists of names, and delivery to listed channels.

use tokio::time::Instant;

use crate::codec::Envelope;
use crate::layer::delivery::{Delivery, Gap};
use crate::layer::group_members::{GroupMembers, deliver_to};
use crate::layer::local_table::LocalTable;
use crate::layer::mailbox::NamedMailbox;
use crate::layer::prepared::Prepared;
use crate::name::{ChannelName, GroupName};
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

    /// Returns whether a channel of this process is in the group.
    pub(crate) fn is_member(&self, group: &GroupName, name: &ChannelName) -> bool {
        self.members_of(group, |members| members.contains(name.as_str())).unwrap_or(false)
    }

    /// Returns all groups that have a member here, with these members.
    pub(crate) fn memberships(&self) -> Vec<(GroupName, Vec<ChannelName>)> {
        let mut all = Vec::new();
        let names = |members: &GroupMembers| members.names().cloned().collect();
        self.each_group(|group, members| all.push((group.clone(), names(members))));
        all
    }

    /// Returns the names of all channels.
    pub(crate) fn channel_names(&self) -> Vec<ChannelName> {
        let mut all = Vec::new();
        self.channels.each(|NamedMailbox(mailbox), _| all.push(mailbox.name().clone()));
        all
    }

    /// Returns the groups that have a member here.
    pub(crate) fn groups(&self) -> Vec<GroupName> {
        let mut all = Vec::new();
        self.each_group(|group, _| all.push(group.clone()));
        all
    }

    /// Delivers a message to these channels, one after the other. A channel whose mailbox is full misses the message, which is
    /// counted. A name without a channel here is also counted: the channel may have left while the message was in flight.
    pub(crate) fn send_many<S: AsRef<str>>(&self, names: &[S], envelope: &Envelope) {
        let operation = self.operation();
        let mailboxes: Vec<_> = names.iter().filter_map(|name| operation.mailbox(name.as_ref())).collect();
        self.counters().count_unread(names.len() - mailboxes.len());
        let mut prepared = Prepared::for_kinds(mailboxes.iter().map(|mailbox| mailbox.kind()));
        let to = names.first().map_or("", AsRef::as_ref);
        prepared.prepare(self.counters(), envelope, to);
        self.counters().count_deliveries(deliver_to(&mailboxes, &prepared), Some(envelope));
    }
}

//! The methods of the local table that only a layer with servers needs: lists of names, and delivery to listed channels.

use crate::codec::Envelope;
use crate::layer::group_members::{GroupMembers, deliver_to};
use crate::layer::local_table::LocalTable;
use crate::layer::mailbox::NamedMailbox;
use crate::layer::prepared::Prepared;
use crate::layer::readers::Readers;
use crate::name::{ChannelName, GroupName};

impl LocalTable {
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
        let mut readers = Readers::default();
        mailboxes.iter().for_each(|mailbox| readers.add(&**mailbox));
        let kinds = mailboxes.iter().map(|mailbox| mailbox.kind());
        let mut prepared = Prepared::for_kinds(kinds).with_compressor(readers.compressor());
        let to = names.first().map_or("", AsRef::as_ref);
        prepared.prepare(self.counters(), envelope, to);
        self.counters().count_deliveries(deliver_to(&mailboxes, &prepared), Some(envelope));
    }
}

//! The methods of the local table for histories that a server keeps: a process recalls them, and continues with its messages.

use std::sync::Arc;

use tokio::time::Instant;

use crate::codec::Envelope;
use crate::event::{History, HistoryLost, Id, Position, Reign, Since};
use crate::layer::chain::{Chain, Heard, Link, Linked, Recalled};
use crate::layer::delivery::Delivery;
use crate::layer::group_history::{Entries, GroupHistory, KeptMessage};
use crate::layer::group_members::{DeliveredMessages, GroupMembers};
use crate::layer::histories::Arrival;
use crate::layer::local_table::LocalTable;
use crate::layer::prepared::Prepared;
use crate::name::GroupName;

impl LocalTable {
    /// Opens the history of a group for a join, so that its messages are held until the history is recalled. The caller closes
    /// it with [`Self::close_history`].
    pub(crate) fn open_history(&self, group: &GroupName, history: History) {
        let now = Instant::now();
        let mut operation = self.operation();
        let mut shard = self.groups.of(group);
        let (_, members) = shard.get_or_default(group);
        operation.deliver_waiting(members);
        let bytes = || self.histories.count_bytes();
        let make = || Box::new(GroupHistory::new(Chain::waiting(history.size), history, false, bytes(), now));
        members.history.get_or_insert_with(make).joining += 1;
    }

    /// Ends a join. Returns whether the group is no longer used here.
    pub(crate) fn close_history(&self, group: &GroupName) -> bool {
        let removed;
        {
            let mut shard = self.groups.of(group);
            let Some((_, members)) = shard.get_mut(group) else { return false };
            let Some(history) = &mut members.history else { return false };
            // A flush may have removed the history of this join, and another join may have opened it again.
            history.joining = history.joining.saturating_sub(1);
            if history.joining > 0 || !members.is_empty() {
                return false;
            }
            removed = shard.remove(group);
        }
        drop(removed);
        true
    }

    /// Returns whether messages to the group must reach this process.
    pub(crate) fn is_wanted(&self, group: &GroupName) -> bool {
        self.members_of(group, GroupMembers::is_wanted).unwrap_or(false)
    }

    /// Returns the groups whose messages must reach this process, and for each whether it has a history.
    pub(crate) fn wanted_groups(&self) -> Vec<(GroupName, bool)> {
        let mut all = Vec::new();
        self.groups.each(|group, members| {
            if members.is_wanted() {
                all.push((group.clone(), members.history.is_some()));
            }
        });
        all
    }

    /// Returns whether the group has a history here.
    pub(crate) fn has_history(&self, group: &GroupName) -> bool {
        self.members_of(group, |members| members.history.is_some()).unwrap_or(false)
    }

    /// Makes a history wait for a recall, because messages may have been lost. Has no effect on a group without one.
    pub(crate) fn hold_history(&self, group: &GroupName) {
        let _dropped = {
            let mut shard = self.groups.of(group);
            shard.get_mut(group).and_then(|(_, members)| members.history.as_mut()).map(|history| history.wait())
        };
    }

    /// Removes the kept messages of a group. The next join asks the server for those that it still has.
    pub(crate) fn cut_history(&self, group: &GroupName) {
        self.remove_kept(group, GroupHistory::cut);
    }

    /// Begins a recall of a group's history, which then waits for the answer. Returns the identity of the newest message that this
    /// process knows, which is `None` if the answer must contain all kept messages. Returns `None` if the group has no history
    /// here, or if the history is live and `is_suspect` does not say that messages may have been lost.
    pub(crate) fn begin_recall(&self, group: &GroupName, is_suspect: bool) -> Option<Option<Id>> {
        let mut shard = self.groups.of(group);
        let (_, members) = shard.get_mut(group)?;
        let history = members.history.as_mut()?;
        if !history.chain.is_waiting() {
            if !is_suspect {
                return None;
            }
            history.wait();
        }
        Some(history.chain.newest())
    }

    /// Returns whether a client's position is not known here, although it may be one of this server. Then this process may be
    /// behind the client, or no longer has the messages in its memory.
    pub(crate) fn is_behind(&self, group: &GroupName, since: &Since) -> bool {
        let Ok(Some(position)) = since.of(group) else { return false };
        let is_behind = |history: &GroupHistory| {
            history.reign() == Some(position.reign()) && history.chain.since(&position).is_err()
        };
        self.members_of(group, |members| members.history.as_deref().is_some_and(is_behind)).unwrap_or(false)
    }

    /// Delivers a message that a server has linked. Returns whether the history of the group must be recalled.
    pub(crate) fn hear(&self, group: &GroupName, link: Link, envelope: &Envelope) -> bool {
        self.send_to_members(group, envelope, None, Some(&Arrival::Linked(link)))
    }

    /// Takes the answer of a recall: the server's reign, its newest identity, and the kept messages, which may be left out if
    /// the newest identity is known. Delivers the missed messages and then the held ones. Returns whether the history must be
    /// recalled again.
    ///
    /// One task calls this for a group, so that the messages keep their order.
    pub(crate) fn recalled(&self, group: &GroupName, reign: Reign, top: Id, kept: Vec<(Link, Envelope)>) -> bool {
        let entry = |(link, envelope): (Link, Envelope)| {
            let envelope = envelope.at(Position::new(group, reign, link.at));
            Linked { link, message: KeptMessage { envelope, prepared: Prepared::default() } }
        };
        let kept = kept.into_iter().map(entry).collect();
        let replaced;
        let missed = {
            let mut operation = self.operation();
            let mut shard = self.groups.of(group);
            let Some((_, members)) = shard.get_mut(group) else { return false };
            operation.deliver_waiting(members);
            let Some(history) = &mut members.history else { return false };
            let recalled = history.chain.recalled(reign, top, kept);
            history.count_bytes();
            history.last_message = Instant::now();
            let Recalled { missed, lost, dropped } = recalled;
            replaced = dropped;
            if let Some(cause) = lost {
                let at = history.top(group);
                let lost = Delivery::HistoryLost(Arc::new(HistoryLost::new(group.clone(), cause, at)));
                self.counters().count_history_lost(members.len());
                members.notify(&lost, Instant::now());
            }
            missed
        };
        drop(replaced);
        let again = self.deliver_missed(group, missed);
        self.sweep_histories(Instant::now());
        again
    }

    /// Delivers the missed messages of a recall, and then the held ones. Returns whether the history must be recalled again.
    fn deliver_missed(&self, group: &GroupName, missed: Vec<Linked<KeptMessage>>) -> bool {
        for linked in missed {
            self.deliver_held(group, linked);
        }
        loop {
            let next = {
                let mut shard = self.groups.of(group);
                let Some(history) = shard.get_mut(group).and_then(|(_, members)| members.history.as_mut()) else {
                    return false;
                };
                history.next_held()
            };
            match next {
                Ok(None) => return false,
                Ok(Some(linked)) => {
                    if self.deliver_held(group, linked) {
                        return true;
                    }
                }
                Err(_) => return true,
            }
        }
    }

    /// Appends and delivers a message while its chain waits. Returns whether the history must be recalled again.
    fn deliver_held(&self, group: &GroupName, linked: Linked<KeptMessage>) -> bool {
        let Linked { link, message: KeptMessage { envelope, .. } } = linked;
        let looked = self.members_of(group, |members| {
            let history = members.history.as_ref()?;
            Some((members.kinds(None), history.reign()?, history.chain.hear_held(link)))
        });
        let Some(Some((mut prepared, reign, heard))) = looked else { return false };
        if heard == Heard::Double {
            return false;
        }
        let envelope = envelope.at(Position::new(group, reign, link.at));
        if heard == Heard::Next {
            prepared.prepare(self.counters(), &envelope, group.as_str());
        }
        let mut dropped = Entries::new();
        let delivered: Option<DeliveredMessages>;
        let mut shard = self.prepare_for_all(self.groups.hash(group), group, &envelope, &mut prepared);
        let Some((_, members)) = shard.get_mut(group) else { return false };
        delivered = members.deliver_waiting();
        let Some(history) = &mut members.history else { return false };
        // Only this task changes a chain that waits. But the group may have been left and joined again: then this is another
        // chain.
        let is_current = history.reign() == Some(reign) && history.chain.is_waiting();
        match history.chain.hear_held(link) {
            Heard::Next if is_current && heard == Heard::Next => {}
            Heard::Double => return false,
            Heard::Next | Heard::Held => {
                let message = KeptMessage { envelope, prepared: Prepared::default() };
                let linked = Linked { link, message };
                history.put_back(linked);
                return true;
            }
        }
        let now = Instant::now();
        history.last_message = now;
        let message = KeptMessage { envelope: envelope.clone(), prepared: prepared.clone() };
        dropped.extend(history.append(Linked { link, message }));
        let count = members.deliver(&prepared, now, None);
        drop(shard);
        self.counters().count_deliveries(count, Some(&envelope));
        if let Some(delivered) = &delivered {
            delivered.count(self.counters());
        }
        drop(dropped);
        false
    }
}

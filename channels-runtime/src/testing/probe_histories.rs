//! The histories of groups in a test, as the server of the layer keeps them.

use std::collections::{BTreeMap, VecDeque};

use tokio::time::Instant;

use crate::codec::Envelope;
use crate::event::{History, Id, Position, Reign};
use crate::layer::Link;
use crate::name::GroupName;

/// The histories of all groups.
pub(super) struct ProbeHistories {
    reign: Reign,
    groups: BTreeMap<GroupName, Kept>,
    /// The number of the next identity: the same in every run, unlike those of a real layer.
    next: u64,
}

struct Kept {
    newest: Id,
    /// Bound: the `size` of the sender's history.
    messages: VecDeque<(Link, Envelope)>,
    expires: Instant,
}

/// The history of a group at one time, for a process.
pub(super) struct Recalled {
    pub(super) reign: Reign,
    pub(super) newest: Id,
    pub(super) messages: Vec<(Link, Envelope)>,
}

impl Default for ProbeHistories {
    fn default() -> Self {
        Self { reign: Reign::random(), groups: BTreeMap::new(), next: 0 }
    }
}

impl ProbeHistories {
    fn next_id(&mut self) -> Id {
        self.next += 1;
        let mut id = [0; 12];
        id[4..].copy_from_slice(&self.next.to_be_bytes());
        Id(id)
    }

    fn of(&mut self, group: &GroupName) -> &mut Kept {
        let now = Instant::now();
        if !self.groups.contains_key(group) {
            let kept = Kept { newest: self.next_id(), messages: VecDeque::new(), expires: now };
            self.groups.insert(group.clone(), kept);
        }
        let kept = self.groups.get_mut(group).expect("it was just added");
        if kept.expires <= now {
            kept.messages.clear();
        }
        kept
    }

    /// Keeps a message. Returns its link.
    pub(super) fn record(&mut self, group: &GroupName, envelope: &Envelope, history: History) -> Link {
        let at = self.next_id();
        let kept = self.of(group);
        let link = Link { prev: kept.newest, at };
        kept.newest = at;
        kept.messages.push_back((link, envelope.clone()));
        while kept.messages.len() > history.size.into() {
            kept.messages.pop_front();
        }
        kept.expires = Instant::now() + history.ttl;
        link
    }

    /// Returns the history of a group, without the messages if the process knows the newest one.
    pub(super) fn recall(&mut self, group: &GroupName, known: Option<Id>) -> Recalled {
        let reign = self.reign;
        let kept = self.of(group);
        let is_known = known == Some(kept.newest);
        let messages = if is_known { Vec::new() } else { kept.messages.iter().cloned().collect() };
        Recalled { reign, newest: kept.newest, messages }
    }

    /// Returns the kept messages of a group, the oldest first.
    pub(super) fn kept(&mut self, group: &GroupName) -> Vec<Envelope> {
        let Recalled { reign, messages, .. } = self.recall(group, None);
        let at = |(link, envelope): (Link, Envelope)| envelope.at(Position::new(group, reign, link.at));
        messages.into_iter().map(at).collect()
    }

    /// Removes the kept messages of a group.
    pub(super) fn forget(&mut self, group: &GroupName) {
        self.of(group).messages.clear();
    }
}

//! The mailbox behind a channel name, and the batch that it takes.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use smallvec::SmallVec;
use tokio::time::Instant;

use crate::layer::delivery::{Delivery, Full, Prepare};
use crate::layer::scheduled::Scheduled;
use crate::layer::write_priority::WritePriority;
use crate::name::ChannelName;
use crate::websocket::EncodedFrame;

/// What stands behind a channel name in this process.
pub(crate) trait Mailbox: Send + Sync {
    /// The channel's name.
    fn name(&self) -> &ChannelName;

    fn prepare(&self) -> Prepare;

    /// Takes a message that came `now`. Never waits. `false` if it may be lost, and was: that is counted already.
    fn deliver(&self, delivery: &Delivery, now: Instant) -> Result<bool, Full>;

    /// Takes the messages of a batch, in their order. A mailbox whose output needs a write is added to the list.
    fn deliver_all<'a>(&'a self, batch: &Batch<'_>, _: &mut Scheduled<'a>) -> DeliveryCount {
        let mut taken = DeliveryCount::default();
        for (delivery, at) in &batch.deliveries {
            taken.add(&self.deliver(delivery, *at));
        }
        taken
    }

    /// Whoever reads the mailbox is told that nothing more will come.
    fn layer_closed(&self);
}

/// A mailbox as an entry of a table, found by its name, which is kept in it alone: there are many of them, in several tables.
#[derive(Clone)]
pub(super) struct NamedMailbox(pub(super) Arc<dyn Mailbox>);

impl Borrow<str> for NamedMailbox {
    fn borrow(&self) -> &str {
        self.0.name().as_str()
    }
}

impl Hash for NamedMailbox {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.name().as_str().hash(state);
    }
}

impl PartialEq for NamedMailbox {
    fn eq(&self, other: &Self) -> bool {
        self.0.name() == other.0.name()
    }
}

impl Eq for NamedMailbox {}

/// Finished frames of so many bytes in all are joined once, for everyone. More is written in pieces as well.
const JOINED: usize = 16 * 1024;

/// Messages for one kind of mailbox, in their order.
pub(crate) struct Batch<'a> {
    pub(crate) deliveries: SmallVec<[(&'a Delivery, Instant); 16]>,
    /// All of them in one, if they are finished frames, of which none may be lost.
    pub(crate) joined: Option<EncodedFrame>,
    /// For how many they are.
    pub(crate) reach: WritePriority,
}

impl<'a> Batch<'a> {
    pub(crate) fn of(deliveries: SmallVec<[(&'a Delivery, Instant); 16]>, reach: WritePriority) -> Self {
        let frames: Option<SmallVec<[&EncodedFrame; 16]>> =
            deliveries.iter().map(|(delivery, _)| delivery.plain()).collect();
        let is_worth_it = |frames: &SmallVec<[&EncodedFrame; 16]>| {
            frames.len() > 1 && frames.iter().map(|frame| frame.as_bytes().len()).sum::<usize>() <= JOINED
        };
        let joined = frames.filter(is_worth_it).map(|frames| EncodedFrame::joined(&frames));
        Self { deliveries, joined, reach }
    }
}

/// What became of messages: how many mailboxes took one, and how many were full.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DeliveryCount {
    pub(crate) delivered: u64,
    pub(crate) full: u64,
}

impl DeliveryCount {
    pub(crate) fn add(&mut self, delivered: &Result<bool, Full>) {
        match delivered {
            Ok(taken) => self.delivered += u64::from(*taken),
            Err(Full { .. }) => self.full += 1,
        }
    }
}

impl std::ops::AddAssign for DeliveryCount {
    fn add_assign(&mut self, other: Self) {
        self.delivered += other.delivered;
        self.full += other.full;
    }
}

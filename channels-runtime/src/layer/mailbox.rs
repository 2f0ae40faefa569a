//! The mailbox of a channel, and the batch that it receives.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use smallvec::SmallVec;
use tokio::time::Instant;

use crate::layer::delivery::{Delivery, Full, MailboxKind};
use crate::layer::scheduled::Scheduled;
use crate::layer::write_priority::WritePriority;
use crate::name::ChannelName;
use crate::websocket::{Compression, EncodedFrame};

/// The receiver of a channel in this process.
pub(crate) trait Mailbox: Send + Sync {
    /// Returns the channel's name.
    fn name(&self) -> &ChannelName;

    /// Returns the kind of mailbox, which decides how messages are prepared for it.
    fn kind(&self) -> &'static MailboxKind;

    /// Returns the compression of the mailbox's application, if its client receives compressed messages. Never changes.
    fn compression(&self) -> Option<&Arc<Compression>> {
        None
    }

    /// Receives a message that arrived `now`. Never waits. Returns `Ok(false)` if the mailbox has dropped the message by its
    /// [drop hint](crate::event::DropHint), and has counted the drop.
    fn deliver(&self, delivery: &Delivery, now: Instant) -> Result<bool, Full>;

    /// Receives the messages of a batch in order. A mailbox that then has output to write adds its connection to the list.
    fn deliver_all<'a>(&'a self, batch: &Batch<'_>, _: &mut Scheduled<'a>) -> DeliveryCount {
        let mut count = DeliveryCount::default();
        for (delivery, at) in &batch.deliveries {
            count.add(&self.deliver(delivery, *at));
        }
        count
    }

    /// Receives the messages that its client missed, before all messages of their group that it has received since it joined.
    ///
    /// # Errors
    /// They are more than the mailbox may receive at once. Then it has received none of them.
    fn replay(&self, missed: &[Delivery]) -> Result<(), TooMuch> {
        let now = Instant::now();
        missed.iter().try_for_each(|delivery| self.deliver(delivery, now).map(drop).map_err(|_| TooMuch))
    }

    /// Notifies the mailbox that the layer is closed, so that it receives nothing more.
    fn layer_closed(&self);
}

/// The error of missed messages that are more than a mailbox may receive at once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooMuch;

/// A mailbox as the entry of a table, found by its name. The entry does not copy the name, because each mailbox has entries in
/// several tables.
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

/// The largest total size, in bytes, of frames that are joined once for all members. Larger frames cost no more separately.
const MAX_JOINED: usize = 16 * 1024;

/// Messages for one kind of mailbox, in order.
pub(crate) struct Batch<'a> {
    pub(crate) deliveries: SmallVec<[(&'a Delivery, Instant); 16]>,
    /// All messages as one frame buffer, if all are frames without a drop hint.
    pub(crate) joined: Option<EncodedFrame>,
    /// The priority of the output that they cause.
    pub(crate) priority: WritePriority,
}

impl<'a> Batch<'a> {
    pub(crate) fn of(deliveries: SmallVec<[(&'a Delivery, Instant); 16]>, priority: WritePriority) -> Self {
        let frames: Option<SmallVec<[&EncodedFrame; 16]>> =
            deliveries.iter().map(|(delivery, _)| delivery.undroppable_frame()).collect();
        let is_worthwhile = |frames: &SmallVec<[&EncodedFrame; 16]>| {
            frames.len() > 1 && frames.iter().map(|frame| frame.plain().len()).sum::<usize>() <= MAX_JOINED
        };
        let joined = frames.filter(is_worthwhile).map(|frames| EncodedFrame::joined(&frames));
        Self { deliveries, joined, priority }
    }
}

/// The result of deliveries.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DeliveryCount {
    /// Messages that a mailbox accepted.
    pub(crate) delivered: u64,
    /// Messages that a full mailbox missed.
    pub(crate) full: u64,
}

impl DeliveryCount {
    pub(crate) fn add(&mut self, result: &Result<bool, Full>) {
        match result {
            Ok(delivered) => self.delivered += u64::from(*delivered),
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

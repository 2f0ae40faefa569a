//! The history of a group in this process: its chain, with each kept message prepared for the kinds of its members.

use std::collections::VecDeque;
use std::ops::Range;

use tokio::time::Instant;

use crate::codec::Envelope;
use crate::event::{Cause, History, Id, Position, Reign, Since};
#[cfg(any(feature = "redis", feature = "testing"))]
use crate::layer::chain::Overflowed;
use crate::layer::chain::{Chain, ChainMessage, Linked};
use crate::layer::counters::Counters;
use crate::layer::delivery::{Delivery, MailboxKind};
use crate::layer::histories::HistoryBytes;
use crate::layer::prepared::Prepared;
use crate::name::GroupName;
use crate::websocket::{Compressor, EncodedFrame};

/// The bytes that an entry of the chain takes besides its message, for the limit of the memory.
const ENTRY: usize = 200;

/// A kept message.
#[derive(Clone)]
pub(super) struct KeptMessage {
    pub(super) envelope: Envelope,
    /// The message as it was prepared for the members, so that a replay does not render it again. `None` if that failed.
    pub(super) prepared: Prepared,
}

impl ChainMessage for KeptMessage {
    fn bytes(&self) -> usize {
        // The frame that members receive is about as large as the message. Its compressed form is not counted.
        ENTRY + 2 * self.envelope.body().len()
    }
}

/// The entries of a chain.
pub(super) type Entries = VecDeque<Linked<KeptMessage>>;

/// The history of a group in this process.
pub(super) struct GroupHistory {
    pub(super) chain: Chain<KeptMessage>,
    pub(super) history: History,
    /// The joins that wait for the chain. While there are any, the history is needed although the group has no member.
    pub(super) joining: usize,
    /// This process keeps the history itself, so the history outlives its members.
    pub(super) is_own: bool,
    /// The time of the last message.
    pub(super) last_message: Instant,
    /// The time at which the last member left.
    pub(super) last_member: Instant,
    /// The time under which [`Histories`](super::histories::Histories) lists the history. `None` if it is not listed.
    pub(super) retained: Option<Instant>,
    /// The bytes of the chain. The limit of the memory counts them until the history is dropped.
    bytes: HistoryBytes,
    /// The frames after a position as one buffer, for the clients that come back together.
    replay: Option<JoinedReplay>,
}

/// The frames after a position as one buffer.
struct JoinedReplay {
    kind: &'static MailboxKind,
    since: Id,
    top: Id,
    frames: EncodedFrame,
}

/// The part of a history that a member has missed.
pub(super) struct Missed {
    /// The position of the newest message.
    pub(super) at: Position,
    /// The position before the missed messages.
    pub(super) before: Position,
    /// The number of missed messages.
    pub(super) count: usize,
    /// The missed messages, or the reason why they cannot be sent.
    pub(super) messages: Result<MissedMessages, Cause>,
}

/// The messages that a member has missed.
pub(super) enum MissedMessages {
    Entries(Vec<Linked<KeptMessage>>),
    /// All of them as one buffer, which a member of the same kind has had before.
    Joined(EncodedFrame),
}

impl GroupHistory {
    pub(super) fn new(
        chain: Chain<KeptMessage>,
        history: History,
        is_own: bool,
        bytes: HistoryBytes,
        now: Instant,
    ) -> Self {
        let (last_message, last_member) = (now, now);
        Self { chain, history, joining: 0, is_own, last_message, last_member, retained: None, bytes, replay: None }
    }

    /// Counts the bytes of the chain, after it has changed.
    pub(super) fn count_bytes(&mut self) {
        self.bytes.set(self.chain.bytes());
    }

    /// Returns the bytes of the chain, as they are counted.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.chain.bytes()
    }

    /// Appends the newest message. Returns the one that is no longer kept.
    pub(super) fn append(&mut self, linked: Linked<KeptMessage>) -> Option<Linked<KeptMessage>> {
        self.replay = None;
        let trimmed = self.chain.append(linked);
        self.count_bytes();
        trimmed
    }

    /// Holds a message, like [`Chain::hold`].
    pub(super) fn hold(&mut self, linked: Linked<KeptMessage>) -> bool {
        let starts = self.chain.hold(linked);
        self.count_bytes();
        starts
    }

    /// Takes the next held message, like [`Chain::next_held`].
    #[cfg(any(feature = "redis", feature = "testing"))]
    pub(super) fn next_held(&mut self) -> Result<Option<Linked<KeptMessage>>, Overflowed> {
        let next = self.chain.next_held();
        self.count_bytes();
        next
    }

    /// Puts a held message back, or holds it if the chain is live.
    #[cfg(any(feature = "redis", feature = "testing"))]
    pub(super) fn put_back(&mut self, linked: Linked<KeptMessage>) {
        if self.chain.is_waiting() {
            self.chain.put_back(linked);
        } else {
            self.chain.hold(linked);
        }
        self.count_bytes();
    }

    /// Starts to wait for a recall, like [`Chain::wait`].
    #[cfg(any(feature = "redis", feature = "testing"))]
    pub(super) fn wait(&mut self) -> Entries {
        let dropped = self.chain.wait();
        self.count_bytes();
        dropped
    }

    /// Returns the reign. `None` before the first recall.
    pub(super) fn reign(&self) -> Option<Reign> {
        self.chain.top().map(|(reign, _)| reign)
    }

    /// Returns the position of the newest message.
    pub(super) fn top(&self, group: &GroupName) -> Position {
        self.chain.top().map_or(Position::NONE, |(reign, id)| Position::new(group, reign, id))
    }

    /// Removes the messages if the last one is too old. Returns them. A server decides itself whether its messages have expired.
    pub(super) fn expire(&mut self, now: Instant) -> Entries {
        if now < self.last_message + self.history.ttl {
            return Entries::new();
        }
        if self.is_own { self.forget() } else { self.cut() }
    }

    /// Returns the time until which a history without members is kept.
    pub(super) fn due(&self) -> Instant {
        self.last_message.max(self.last_member) + self.history.ttl
    }

    /// Removes the messages. Returns them.
    pub(super) fn forget(&mut self) -> Entries {
        self.replay = None;
        let forgotten = self.chain.forget();
        self.count_bytes();
        forgotten
    }

    /// Removes the messages, but a recall may return them again. Returns them.
    pub(super) fn cut(&mut self) -> Entries {
        self.replay = None;
        let cut = self.chain.cut();
        self.count_bytes();
        cut
    }

    /// Returns what a member has missed since its position.
    pub(super) fn missed(&self, group: &GroupName, since: &Since, kind: &MailboxKind) -> Missed {
        let range = match since.of(group) {
            Ok(None) => Ok(0..0),
            Ok(Some(position)) => self.chain.since(&position),
            Err(_) => Err(Cause::Unreadable),
        };
        let at = self.top(group);
        let first = range.as_ref().ok().and_then(|range| self.chain.kept().range(range.clone()).next());
        let before = first.map_or(at, |first| Position::new(group, at.reign(), first.link.prev));
        let count = range.as_ref().map_or(0, ExactSizeIterator::len);
        let messages = range.map(|range| match self.joined(&range, kind) {
            Some(frames) => MissedMessages::Joined(frames),
            None => MissedMessages::Entries(self.chain.kept().range(range).cloned().collect()),
        });
        Missed { at, before, count, messages }
    }

    fn joined(&self, range: &Range<usize>, kind: &MailboxKind) -> Option<EncodedFrame> {
        let replay = self.replay.as_ref()?;
        let first = self.chain.kept().get(range.start)?;
        let (_, top) = self.chain.top()?;
        let is_same = replay.since == first.link.prev && replay.top == top && replay.kind == kind;
        is_same.then(|| replay.frames.clone())
    }

    /// Keeps what was prepared for a replay, for the next client that comes back.
    pub(super) fn remember(
        &mut self,
        kind: &'static MailboxKind,
        entries: &[Linked<KeptMessage>],
        joined: Option<&EncodedFrame>,
    ) {
        let mut index = self.chain.kept().len();
        for entry in entries.iter().rev() {
            // Both are in the order of the chain, which may have grown meanwhile.
            while index > 0 {
                index -= 1;
                let Some(kept) = self.chain.kept().get(index) else { break };
                if kept.link.at != entry.link.at {
                    continue;
                }
                if let Some(message) = self.chain.get_mut(index) {
                    message.prepared.add_kind_of(&entry.message.prepared, kind);
                }
                break;
            }
        }
        if let (Some(frames), Some(first), Some(last)) = (joined, entries.first(), entries.last()) {
            self.replay =
                Some(JoinedReplay { kind, since: first.link.prev, top: last.link.at, frames: frames.clone() });
        }
    }
}

/// Prepares the messages of a replay that are not prepared for this kind yet. Runs user code, so the caller holds no lock.
/// Returns whether any was.
pub(super) fn prepare(
    entries: &mut [Linked<KeptMessage>],
    kind: &'static MailboxKind,
    counters: &Counters,
    group: &GroupName,
    compressor: Option<&Compressor>,
) -> bool {
    let mut any = false;
    for Linked { message, .. } in entries {
        if !message.prepared.has_kind(kind) {
            let mut prepared = Prepared::for_kinds([kind]).with_compressor(compressor.cloned());
            prepared.prepare(counters, &message.envelope, group.as_str());
            message.prepared.append(prepared);
            any = true;
        }
    }
    any
}

/// The largest total size, in bytes, of a replay that is joined to one buffer.
const MAX_JOINED: usize = 1024 * 1024;

/// Returns the deliveries of a replay, and all of them as one buffer, if all are frames that are never dropped.
pub(super) fn deliveries(entries: &[Linked<KeptMessage>], kind: &MailboxKind) -> (Vec<Delivery>, Option<EncodedFrame>) {
    let found = entries.iter().filter_map(|entry| entry.message.prepared.delivery(kind).cloned());
    let found: Vec<Delivery> = found.filter(|delivery| !matches!(delivery, Delivery::Nothing)).collect();
    let frames: Option<Vec<&EncodedFrame>> = found.iter().map(Delivery::undroppable_frame).collect();
    let bytes = |frames: &[&EncodedFrame]| frames.iter().map(|frame| frame.plain().len()).sum::<usize>();
    let frames = frames.filter(|frames| frames.len() > 1 && bytes(frames) <= MAX_JOINED);
    let joined = frames.map(|frames| EncodedFrame::joined(&frames));
    (found, joined)
}

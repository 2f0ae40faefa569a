//! The history of a group in this process: its chain, with each kept message prepared for the kinds of its members.

use std::collections::VecDeque;
use std::ops::Range;

use tokio::time::Instant;

use crate::codec::Envelope;
use crate::event::{Cause, History, Id, Position, Reign, Since};
use crate::layer::chain::{Chain, ChainMessage, Linked};
use crate::layer::counters::Counters;
use crate::layer::delivery::{Delivery, MailboxKind};
use crate::layer::for_kinds::{ForKinds, of_kind};
use crate::name::GroupName;
use crate::websocket::EncodedFrame;

/// The bytes that an entry of the chain takes besides its message, for the limit of the memory.
const ENTRY: usize = 200;

/// A kept message.
#[derive(Clone)]
pub(super) struct KeptMessage {
    pub(super) envelope: Envelope,
    /// The message as it was prepared for the members, so that a replay does not render it again. `None` if that failed.
    pub(super) prepared: ForKinds<Option<Delivery>>,
}

impl ChainMessage for KeptMessage {
    fn bytes(&self) -> usize {
        ENTRY + self.envelope.body().len()
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
    /// The messages after the client's position, or the reason why they cannot be sent.
    pub(super) entries: Result<Vec<Linked<KeptMessage>>, Cause>,
    /// The entries as one buffer, if a member of this kind has had the same ones.
    pub(super) joined: Option<EncodedFrame>,
}

impl GroupHistory {
    pub(super) fn new(chain: Chain<KeptMessage>, history: History, is_own: bool, now: Instant) -> Self {
        Self { chain, history, joining: 0, is_own, last_message: now, last_member: now, replay: None }
    }

    /// Returns the reign. `None` before the first recall.
    pub(super) fn reign(&self) -> Option<Reign> {
        self.chain.top().map(|(reign, _)| reign)
    }

    /// Returns the position of the newest message.
    pub(super) fn top(&self, group: &GroupName) -> Position {
        self.chain.top().map_or(Position::NONE, |(reign, id)| Position::new(group, reign, id))
    }

    /// Removes the messages if the last one is too old. Returns them.
    pub(super) fn expire(&mut self, now: Instant) -> Entries {
        if now < self.last_message + self.history.ttl { Entries::new() } else { self.forget() }
    }

    /// Returns the time until which a history without members is kept.
    pub(super) fn due(&self) -> Instant {
        self.last_message.max(self.last_member) + self.history.ttl
    }

    /// Removes the messages. Returns them.
    pub(super) fn forget(&mut self) -> Entries {
        self.replay = None;
        self.chain.forget()
    }

    /// Removes the messages, but a recall may return them again. Returns them.
    pub(super) fn cut(&mut self) -> Entries {
        self.replay = None;
        self.chain.cut()
    }

    /// Returns what a member has missed since its position.
    pub(super) fn missed(&self, group: &GroupName, since: &Since, kind: &MailboxKind) -> Missed {
        let range = match since.of(group) {
            Ok(None) => Ok(0..0),
            Ok(Some(position)) => self.chain.since(&position),
            Err(_) => Err(Cause::Unreadable),
        };
        let joined = range.as_ref().ok().and_then(|range| self.joined(range, kind));
        let entries = range.map(|range| self.chain.kept().range(range).cloned().collect());
        Missed { at: self.top(group), entries, joined }
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
                if let Some(message) = self.chain.get_mut(index)
                    && of_kind(&message.prepared, kind).is_none()
                    && let Some(delivery) = of_kind(&entry.message.prepared, kind)
                {
                    message.prepared.push((kind, delivery.clone()));
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
) -> bool {
    let mut any = false;
    for Linked { message, .. } in entries {
        if of_kind(&message.prepared, kind).is_none() {
            let delivery = counters.prepare(kind, &message.envelope, group.as_str());
            message.prepared.push((kind, delivery));
            any = true;
        }
    }
    any
}

/// The largest total size, in bytes, of a replay that is joined to one buffer.
const MAX_JOINED: usize = 1024 * 1024;

/// Returns the deliveries of a replay, and all of them as one buffer, if all are frames that are never dropped.
pub(super) fn deliveries(entries: &[Linked<KeptMessage>], kind: &MailboxKind) -> (Vec<Delivery>, Option<EncodedFrame>) {
    let found = entries.iter().filter_map(|entry| of_kind(&entry.message.prepared, kind)?.clone());
    let found: Vec<Delivery> = found.filter(|delivery| !matches!(delivery, Delivery::Nothing)).collect();
    let frames: Option<Vec<&EncodedFrame>> = found.iter().map(Delivery::undroppable_frame).collect();
    let bytes = |frames: &[&EncodedFrame]| frames.iter().map(|frame| frame.as_bytes().len()).sum::<usize>();
    let frames = frames.filter(|frames| frames.len() > 1 && bytes(frames) <= MAX_JOINED);
    let joined = frames.map(|frames| EncodedFrame::joined(&frames));
    (found, joined)
}

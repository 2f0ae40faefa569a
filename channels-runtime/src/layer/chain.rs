//! The chain: the kept messages of one group in this process, each of which names its predecessor.
//!
//! One rule decides everything: is the message that was seen last still in the chain? It finds trimmed, expired and deleted
//! histories, lost and doubled messages, and the histories of servers that have diverged after a failover.
//!
//! The chain is pure: it has no clock, no lock and no channel. It is in one of two states. If it is *live*, a message whose
//! predecessor is the newest one is appended, and delivered by the caller. If it *waits*, a recall is under way: further messages
//! are held until the answer has been appended, so that they cannot overtake it.
//!
//! | state | message | next state | result |
//! |---|---|---|---|
//! | live | its predecessor is the newest message | live | [`Heard::Next`], the caller appends it |
//! | live | it is in the chain | live | [`Heard::Double`] |
//! | live | any other | waits, the message is held | [`Heard::Held`], the caller recalls |
//! | waits | any | waits, the message is held | [`Heard::Held`] |
//!
//! While the chain waits, the caller appends what [`Chain::recalled`] returns, then the held messages that [`Chain::next_held`]
//! returns one after the other. The last call makes the chain live again.

use std::collections::VecDeque;
use std::ops::Range;

use crate::event::{Cause, Id, Position, Reign};

/// The most messages that a chain holds while it waits. Beyond it they are dropped, and the next recall finds them.
const MOST_HELD: usize = 1024;

/// The identity of a message, and that of its predecessor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) prev: Id,
    pub(crate) at: Id,
}

/// A message of a chain.
pub(super) trait ChainMessage {
    /// Returns the bytes that the message takes in the chain.
    fn bytes(&self) -> usize;
}

/// A message with its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Linked<M> {
    pub(super) link: Link,
    pub(super) message: M,
}

/// The kept messages of one group in this process.
#[derive(Debug)]
pub(super) struct Chain<M> {
    /// Contiguous: each entry is the predecessor of the next one. Bound: `size`.
    kept: VecDeque<Linked<M>>,
    size: usize,
    /// The total of [`ChainMessage::bytes`].
    bytes: usize,
    /// The reign and the identity of the newest message, even if it is not kept. `None` before the first recall.
    top: Option<(Reign, Id)>,
    /// The messages that arrived while a recall is under way. `None` while the chain is live.
    held: Option<Held<M>>,
}

#[derive(Debug)]
struct Held<M> {
    /// Bound: [`MOST_HELD`].
    messages: VecDeque<Linked<M>>,
    /// Messages were dropped, so another recall must follow.
    overflowed: bool,
}

/// The result of a message that arrived.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// The message is the next one. The caller appends it, and delivers it under the same lock.
    Next,
    /// The message is in the chain already.
    Double,
    /// The message must be held. If the chain was live, the caller recalls.
    Held,
}

/// The result of a recall.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Recalled<M> {
    /// The messages after the newest one. The caller appends and delivers them.
    Missed(Vec<Linked<M>>),
    /// The newest message is not in the history any more: the members have missed messages that cannot be sent again. The chain
    /// continues with the recalled history.
    Lost {
        cause: Cause,
        /// The messages that the chain no longer keeps, which the caller drops without its lock.
        replaced: VecDeque<Linked<M>>,
    },
}

impl<M: ChainMessage> Chain<M> {
    /// Makes the chain of a history that begins in this process, with a first identity.
    pub(super) fn new(size: u16, reign: Reign, top: Id) -> Self {
        Self { held: None, top: Some((reign, top)), ..Self::waiting(size) }
    }

    /// Makes a chain that waits for its first recall.
    pub(super) fn waiting(size: u16) -> Self {
        let held = Held { messages: VecDeque::new(), overflowed: false };
        Self { kept: VecDeque::new(), size: size.into(), bytes: 0, top: None, held: Some(held) }
    }

    /// Returns the reign and the identity of the newest message. `None` before the first recall.
    pub(super) fn top(&self) -> Option<(Reign, Id)> {
        self.top
    }

    /// Returns whether a recall is under way.
    pub(super) fn is_waiting(&self) -> bool {
        self.held.is_some()
    }

    /// Returns the kept messages, the oldest first.
    pub(super) fn kept(&self) -> &VecDeque<Linked<M>> {
        &self.kept
    }

    /// Returns the entry at this index.
    pub(super) fn get_mut(&mut self, index: usize) -> Option<&mut M> {
        self.kept.get_mut(index).map(|entry| &mut entry.message)
    }

    /// Returns the total of [`ChainMessage::bytes`].
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Starts to wait. Returns `false` if the chain waits already.
    pub(super) fn wait(&mut self) -> bool {
        if self.held.is_some() {
            return false;
        }
        self.held = Some(Held { messages: VecDeque::new(), overflowed: false });
        true
    }

    /// Decides about a message that arrived.
    pub(super) fn hear(&self, link: Link) -> Heard {
        if self.is_waiting() { Heard::Held } else { self.hear_held(link) }
    }

    /// Decides about a message of [`Self::next_held`], as if the chain were live.
    pub(super) fn hear_held(&self, link: Link) -> Heard {
        match self.top {
            Some((_, top)) if link.prev == top => Heard::Next,
            Some((_, top)) if link.at == top || self.contains(link.at) => Heard::Double,
            _ => Heard::Held,
        }
    }

    fn contains(&self, at: Id) -> bool {
        self.kept.iter().rev().any(|entry| entry.link.at == at)
    }

    /// Holds a message, and starts to wait. Returns `true` if the chain was live: the caller recalls.
    pub(super) fn hold(&mut self, linked: Linked<M>) -> bool {
        let starts = self.wait();
        if let Some(held) = &mut self.held {
            if held.messages.len() < MOST_HELD {
                held.messages.push_back(linked);
            } else {
                held.overflowed = true;
            }
        }
        starts
    }

    /// Appends the message after the newest one. Returns the message that the chain no longer keeps, which the caller drops
    /// without its lock.
    pub(super) fn append(&mut self, linked: Linked<M>) -> Option<Linked<M>> {
        debug_assert!(self.top.is_some_and(|(_, top)| top == linked.link.prev), "a message names its predecessor");
        if let Some((_, top)) = &mut self.top {
            *top = linked.link.at;
        }
        let trimmed = if self.kept.len() >= self.size { self.kept.pop_front() } else { None };
        self.bytes += linked.message.bytes();
        self.kept.push_back(linked);
        if let Some(trimmed) = &trimmed {
            self.bytes -= trimmed.message.bytes();
        }
        trimmed
    }

    /// Returns the indices of the messages after a position.
    ///
    /// # Errors
    /// The position is of another reign, or is not in the chain any more.
    pub(super) fn since(&self, position: &Position) -> Result<Range<usize>, Cause> {
        let (reign, top) = self.top.ok_or(Cause::Forgotten)?;
        if position.reign() != reign {
            return Err(Cause::OtherServer);
        }
        self.after(position.id(), top).ok_or(Cause::Forgotten)
    }

    fn after(&self, id: Id, top: Id) -> Option<Range<usize>> {
        let end = self.kept.len();
        if id == top {
            return Some(end..end);
        }
        // Most clients have missed little.
        Some(self.kept.iter().rposition(|entry| entry.link.prev == id)?..end)
    }

    /// Takes the answer of a recall: the reign, the newest identity, and the kept messages, which may be left out if the newest
    /// identity is that of the chain. The chain still waits.
    pub(super) fn recalled(&mut self, reign: Reign, top: Id, mut kept: Vec<Linked<M>>) -> Recalled<M> {
        let before = self.top;
        if before == Some((reign, top)) {
            return Recalled::Missed(Vec::new());
        }
        let is_whole = kept.windows(2).all(|pair| pair[0].link.at == pair[1].link.prev)
            && kept.last().is_none_or(|last| last.link.at == top);
        if !is_whole {
            kept.clear();
        }
        if let Some((known, newest)) = before
            && known == reign
            && let Some(first) = kept.iter().position(|entry| entry.link.prev == newest)
        {
            return Recalled::Missed(kept.split_off(first));
        }
        let excess = kept.len().saturating_sub(self.size);
        let kept = kept.into_iter().skip(excess).collect();
        let replaced = std::mem::replace(&mut self.kept, kept);
        self.bytes = self.kept.iter().map(|entry| entry.message.bytes()).sum();
        self.top = Some((reign, top));
        match before {
            None => Recalled::Missed(Vec::new()),
            Some((known, _)) if known == reign => Recalled::Lost { cause: Cause::Forgotten, replaced },
            Some(_) => Recalled::Lost { cause: Cause::OtherServer, replaced },
        }
    }

    /// Takes the next held message. `Ok(None)`: there is none, and the chain is live again.
    ///
    /// # Errors
    /// Messages were dropped, because too many arrived: the caller recalls again.
    pub(super) fn next_held(&mut self) -> Result<Option<Linked<M>>, Overflowed> {
        let Some(held) = &mut self.held else { return Ok(None) };
        if let Some(next) = held.messages.pop_front() {
            return Ok(Some(next));
        }
        if std::mem::take(&mut held.overflowed) {
            return Err(Overflowed);
        }
        self.held = None;
        Ok(None)
    }

    /// Puts back a held message before the others, because it is not the next one. The caller recalls again.
    pub(super) fn put_back(&mut self, linked: Linked<M>) {
        if let Some(held) = &mut self.held {
            held.messages.push_front(linked);
        }
    }

    /// Removes the kept messages, and returns them. Later positions stay valid.
    pub(super) fn forget(&mut self) -> VecDeque<Linked<M>> {
        self.bytes = 0;
        std::mem::take(&mut self.kept)
    }
}

/// The error of a chain that has dropped held messages.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Overflowed;

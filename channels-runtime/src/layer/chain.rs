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
//!
//! A held message may be neither the next one nor in the chain. If it arrived after the recall was asked for, the answer does
//! not contain it yet: it is put back, and the caller recalls again. Otherwise the server had recorded it before it answered, so
//! it is older than the whole history, and is a double. So a message causes at most one more recall.

use std::collections::VecDeque;
use std::ops::Range;

use crate::event::{Cause, Id, Position, Reign};

/// The most messages that a chain holds while it waits. Beyond it they are dropped, and the next recall finds them.
const MOST_HELD: usize = 1024;

/// The most bytes of these messages.
const MOST_HELD_BYTES: usize = 4 * 1024 * 1024;

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
    /// Entries were removed that the server may still keep.
    is_cut: bool,
    /// The messages that arrived while a recall is under way. `None` while the chain is live.
    held: Option<Held<M>>,
}

#[derive(Debug)]
struct Held<M> {
    /// Bound: [`MOST_HELD`] and [`MOST_HELD_BYTES`].
    messages: VecDeque<Linked<M>>,
    /// The total of [`ChainMessage::bytes`].
    bytes: usize,
    /// The number of the first messages that arrived before the recall was asked for, so that its answer decides about them.
    decided: usize,
    /// The message that was taken last is one of them.
    is_decided: bool,
    /// Messages were dropped, so another recall must follow.
    overflowed: bool,
}

impl<M> Default for Held<M> {
    fn default() -> Self {
        Self { messages: VecDeque::new(), bytes: 0, decided: 0, is_decided: false, overflowed: false }
    }
}

/// The result of a message that arrived.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// The message is the next one. The caller appends it, and delivers it under the same lock.
    Next,
    /// The message is in the chain already, or is older than the chain.
    Double,
    /// The message must be held. If the chain was live, the caller recalls.
    Held,
}

/// The result of a recall.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Recalled<M> {
    /// The messages after the newest one. The caller appends and delivers them.
    pub(super) missed: Vec<Linked<M>>,
    /// The newest message is not in the history any more: the members have missed messages that cannot be sent again. The chain
    /// continues with the recalled history.
    pub(super) lost: Option<Cause>,
    /// The messages that the chain no longer keeps, which the caller drops without its lock.
    pub(super) dropped: VecDeque<Linked<M>>,
}

impl<M: ChainMessage> Chain<M> {
    /// Makes the chain of a history that begins in this process, with a first identity.
    pub(super) fn new(size: u16, reign: Reign, top: Id) -> Self {
        Self { held: None, top: Some((reign, top)), ..Self::waiting(size) }
    }

    /// Makes a chain that waits for its first recall.
    pub(super) fn waiting(size: u16) -> Self {
        let held = Some(Held::default());
        Self { kept: VecDeque::new(), size: size.into(), bytes: 0, top: None, is_cut: false, held }
    }

    /// Returns the reign and the identity of the newest message. `None` before the first recall.
    pub(super) fn top(&self) -> Option<(Reign, Id)> {
        self.top
    }

    /// Returns the newest identity for a recall. `None` if the recall must return all kept messages.
    pub(super) fn newest(&self) -> Option<Id> {
        if self.is_cut { None } else { self.top.map(|(_, id)| id) }
    }

    /// Returns whether entries were removed that a recall may return again.
    #[cfg(test)]
    pub(super) fn is_cut(&self) -> bool {
        self.is_cut
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

    /// Returns the total of [`ChainMessage::bytes`], of the kept and the held messages.
    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.held.as_ref().map_or(0, |held| held.bytes)
    }

    /// Starts to wait, because messages may have been lost. The caller then recalls. Returns the messages that were held: the
    /// answer contains them, unless another server has taken over, which does not know them.
    pub(super) fn wait(&mut self) -> VecDeque<Linked<M>> {
        self.held.replace(Held::default()).map(|held| held.messages).unwrap_or_default()
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
            Some(_) if self.held.as_ref().is_some_and(|held| held.is_decided) => Heard::Double,
            _ => Heard::Held,
        }
    }

    fn contains(&self, at: Id) -> bool {
        self.kept.iter().rev().any(|entry| entry.link.at == at)
    }

    /// Holds a message, and starts to wait. Returns `true` if the chain was live: the caller recalls.
    pub(super) fn hold(&mut self, linked: Linked<M>) -> bool {
        let starts = self.held.is_none();
        let held = self.held.get_or_insert_default();
        let bytes = held.bytes + linked.message.bytes();
        if held.messages.len() < MOST_HELD && bytes <= MOST_HELD_BYTES {
            held.bytes = bytes;
            held.messages.push_back(linked);
            held.decided += usize::from(starts);
        } else {
            held.overflowed = true;
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
    /// identity is [`Self::newest`]. The chain then waits.
    ///
    /// The answer may be older than the chain, if recalls overlap. Then it changes nothing.
    pub(super) fn recalled(&mut self, reign: Reign, top: Id, mut kept: Vec<Linked<M>>) -> Recalled<M> {
        self.held.get_or_insert_default().is_decided = false;
        let is_whole = kept.windows(2).all(|pair| pair[0].link.at == pair[1].link.prev)
            && kept.last().is_none_or(|last| last.link.at == top);
        if !is_whole {
            kept.clear();
        }
        let (mut missed, mut lost) = (Vec::new(), None);
        match self.top {
            Some((known, newest)) if known == reign => {
                if let Some(first) = kept.iter().position(|entry| entry.link.prev == newest) {
                    missed = kept.split_off(first);
                } else if top != newest && !self.contains(top) {
                    lost = Some(Cause::Forgotten);
                }
            }
            Some(_) => lost = Some(Cause::OtherServer),
            None => {}
        }
        // What is left of the answer ends with the newest message of the chain, or replaces the chain.
        let replaces = self.top.is_none() || lost.is_some();
        let ends_here = || kept.last().is_some_and(|last| self.top.is_some_and(|(_, newest)| newest == last.link.at));
        let mut dropped = VecDeque::new();
        if replaces || (self.is_cut && kept.len() > self.kept.len() && ends_here()) {
            let excess = kept.len().saturating_sub(self.size);
            dropped = std::mem::replace(&mut self.kept, kept.into_iter().skip(excess).collect());
            self.bytes = self.kept.iter().map(|entry| entry.message.bytes()).sum();
        }
        if replaces {
            self.top = Some((reign, top));
        }
        self.is_cut = false;
        Recalled { missed, lost, dropped }
    }

    /// Takes the next held message. After the last one, returns `Ok(None)`, and the chain is live again.
    ///
    /// # Errors
    /// Messages were dropped, because too many arrived: the caller recalls again.
    pub(super) fn next_held(&mut self) -> Result<Option<Linked<M>>, Overflowed> {
        let Some(held) = &mut self.held else { return Ok(None) };
        if let Some(next) = held.messages.pop_front() {
            held.bytes -= next.message.bytes();
            held.is_decided = held.decided > 0;
            held.decided = held.decided.saturating_sub(1);
            return Ok(Some(next));
        }
        if std::mem::take(&mut held.overflowed) {
            return Err(Overflowed);
        }
        // Without a newest message, this is another chain than the one that was recalled. It waits for its own recall.
        if self.top.is_some() {
            self.held = None;
        }
        Ok(None)
    }

    /// Puts back a held message before the others, because it is not the next one. The caller recalls again. The answer then
    /// decides about all messages that are held now.
    pub(super) fn put_back(&mut self, linked: Linked<M>) {
        if let Some(held) = &mut self.held {
            held.bytes += linked.message.bytes();
            held.messages.push_front(linked);
            held.decided = held.messages.len();
        }
    }

    /// Removes the kept messages, and returns them. Later positions stay valid.
    pub(super) fn forget(&mut self) -> VecDeque<Linked<M>> {
        self.bytes = 0;
        std::mem::take(&mut self.kept)
    }

    /// Removes the kept messages like [`Self::forget`], but a recall may return them again.
    pub(super) fn cut(&mut self) -> VecDeque<Linked<M>> {
        self.is_cut |= !self.kept.is_empty();
        self.forget()
    }
}

/// The error of a chain that has dropped held messages.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Overflowed;

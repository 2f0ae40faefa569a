//! What gives way where there is no room: in a full mailbox, and behind a client that reads slowly.
//!
//! First what is outdated (an older event with the same key), then what may be lost (volatile events), and only then does
//! the consumer's policy count. Whatever stays keeps its order: a newer event never moves to the place of an older one.

use std::num::NonZeroU64;

use crate::connection::connection::{Connection, State};
use crate::connection::inbox::InboxItem;
use crate::connection::outbound::{Outbound, Stage};
use crate::event::{DropHint, MailboxPolicy};
use crate::layer::Full;
use crate::support::count;
use crate::websocket::CloseCode;

/// How far back an older event of the same key is looked for. A mailbox of frames may be long, and whoever sends should
/// not have to walk through all of it; what is not found is only sent in vain.
const REACH: usize = 1024;

impl Outbound {
    /// The client does not keep up: its socket is full, or half of what may wait for it does.
    fn is_behind(&self) -> bool {
        self.blocked || self.is_half_full()
    }
}

impl State {
    /// Takes out the event that a newer one of the same key makes outdated.
    pub(super) fn outdated(&mut self, key: NonZeroU64) -> Option<InboxItem> {
        let from = self.mailbox.len().saturating_sub(REACH);
        let at = self.mailbox.range(from..).rposition(|(_, waiting)| waiting.loss().key() == Some(key))?;
        Some(self.take(from + at))
    }

    /// Takes out the oldest event that is so.
    fn oldest_event(&mut self, is_so: impl Fn(DropHint) -> bool) -> Option<InboxItem> {
        let is_it = |(_, waiting): &_| matches!(waiting, InboxItem::Event(_, loss) if is_so(*loss));
        let at = self.mailbox.iter().position(is_it)?;
        Some(self.take(at))
    }

    fn take(&mut self, at: usize) -> InboxItem {
        let taken = self.mailbox.remove(at).expect("it was found there");
        match &taken {
            InboxItem::Event(..) => self.events -= 1,
            InboxItem::Frame(frame, _) => {
                self.outbound.weight -= self.outbound.weigh_mail(frame);
                self.outbound.tell_room();
            }
            InboxItem::Gap(_) => {}
        }
        taken
    }

    /// Whether the frames that wait may wait on, for newer ones to take their place: the first of them is worth nothing
    /// once there is a newer one, the socket takes no more anyway, and no event waits behind them.
    pub(super) fn holds_back(&self) -> bool {
        let may_wait = || self.mailbox.front().is_some_and(|(_, first)| first.loss().key().is_some());
        self.outbound.blocked && self.events == 0 && may_wait()
    }

    /// Lets the frames at the head of the mailbox go out. The handler that they wait for does not run.
    pub(super) fn let_out(&mut self) {
        while let Some((_, InboxItem::Frame(frame, _))) = self.mailbox.front() {
            self.outbound.weight -= self.outbound.weigh_mail(frame);
            self.outbound.push(frame);
            self.mailbox.pop_front();
        }
    }
}

impl Connection {
    /// Gives up a frame that need not reach a client that does not keep up.
    pub(super) fn gives_up(&self, state: &State, loss: DropHint) -> bool {
        let gives_up = loss.is_volatile() && state.outbound.is_behind();
        if gives_up {
            self.counters().count_volatile(1);
        }
        gives_up
    }

    /// Makes room for a frame where the limit is reached: the volatile ones that wait go first.
    pub(super) fn make_room_for_frame(&self, state: &mut State) {
        let before = state.mailbox.len();
        let State { mailbox, outbound, .. } = state;
        mailbox.retain(|waiting| match waiting {
            InboxItem::Frame(frame, loss) if loss.is_volatile() => {
                outbound.weight -= outbound.weigh_mail(frame);
                false
            }
            _ => true,
        });
        self.counters().count_volatile(before - state.mailbox.len());
        state.outbound.tell_room();
    }

    /// Makes room for an event in a full mailbox, and puts into `gone` what gives way. `false` if the event itself does.
    pub(super) fn make_room_for_event(
        &self,
        state: &mut State,
        loss: DropHint,
        policy: MailboxPolicy,
        gone: &mut Vec<InboxItem>,
    ) -> Result<bool, Full> {
        if let Some(volatile) = state.oldest_event(DropHint::is_volatile) {
            self.counters().count_volatile(1);
            gone.push(volatile);
            return Ok(true);
        }
        if loss.is_volatile() {
            self.counters().count_volatile(1);
            return Ok(false);
        }
        let full = Full { capacity: self.mailbox_capacity as usize };
        match policy {
            MailboxPolicy::DropNewest => Err(full),
            MailboxPolicy::DropOldest => {
                // A mailbox without capacity holds nothing that could give way.
                gone.push(state.oldest_event(|_| true).ok_or(full)?);
                self.counters().count_oldest();
                Ok(true)
            }
            MailboxPolicy::Disconnect => {
                if matches!(state.outbound.stage, Stage::Connecting | Stage::Open) {
                    count(&self.shared.counters.behind);
                    self.close_locked(state, CloseCode::TRY_AGAIN_LATER, "too many events wait for this connection");
                }
                Err(full)
            }
        }
    }
}

//! A message that is prepared for the mailboxes of a group.

use std::panic::{AssertUnwindSafe, catch_unwind};

use smallvec::smallvec;
use tokio::time::Instant;

use crate::codec::Envelope;
use crate::error::shown_error;
use crate::layer::counters::Counters;
use crate::layer::delivery::{Delivery, MailboxKind};
use crate::layer::for_kinds::{ForKinds, of_kind};
use crate::layer::mailbox::Batch;
use crate::layer::write_priority::WritePriority;
use crate::support::panic_message;
use crate::websocket::Compressor;

/// A message that is prepared once per kind of mailbox. Nearly always there is one kind.
#[derive(Clone, Default)]
pub(super) struct Prepared {
    deliveries: ForKinds<Option<Delivery>>,
    /// Compresses the message when it is prepared. `None` if no mailbox of these kinds has a client that inflates it.
    compressor: Option<Compressor>,
}

/// Delivers or drops a message, which may drop a payload. A payload's `Drop` is user code: its panic is logged, and must not end
/// the caller, which is often the task that receives for all channels of this process. Returns `None` after a panic.
pub(super) fn caught<T>(run: impl FnOnce() -> T) -> Option<T> {
    let outcome = catch_unwind(AssertUnwindSafe(run));
    outcome
        .map_err(|panic| {
            tracing::error!(panic = shown_error(panic_message(&*panic)), "the delivery of an event panicked")
        })
        .ok()
}

impl Drop for Prepared {
    fn drop(&mut self) {
        let deliveries = std::mem::take(&mut self.deliveries);
        caught(|| drop(deliveries));
    }
}

impl Prepared {
    /// Lists the distinct kinds. The message is not prepared for them yet.
    pub(super) fn for_kinds(kinds: impl IntoIterator<Item = &'static MailboxKind>) -> Self {
        let mut prepared = Self::default();
        for kind in kinds {
            if of_kind(&prepared.deliveries, kind).is_none() {
                prepared.deliveries.push((kind, None));
            }
        }
        prepared
    }

    /// Sets the compressor.
    pub(super) fn with_compressor(mut self, compressor: Option<Compressor>) -> Self {
        self.compressor = compressor;
        self
    }

    pub(super) fn kinds(&self) -> impl Iterator<Item = &'static MailboxKind> {
        self.deliveries.iter().map(|(kind, _)| *kind)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.deliveries.is_empty()
    }

    /// Removes the kinds that `other` lists.
    pub(super) fn without(mut self, other: &Self) -> Self {
        self.deliveries.retain(|(kind, _)| of_kind(&other.deliveries, kind).is_none());
        self
    }

    /// Adds the kinds of `other`, which must be new.
    pub(super) fn append(&mut self, mut other: Self) {
        self.deliveries.append(&mut other.deliveries);
    }

    /// Adds what `other` has for this kind, if it is new here.
    pub(super) fn add_kind_of(&mut self, other: &Self, kind: &'static MailboxKind) {
        if let Some(delivery) = of_kind(&other.deliveries, kind)
            && !self.has_kind(kind)
        {
            self.deliveries.push((kind, delivery.clone()));
        }
    }

    /// Returns whether the message was prepared for this kind, even if that failed.
    pub(super) fn has_kind(&self, kind: &MailboxKind) -> bool {
        of_kind(&self.deliveries, kind).is_some()
    }

    /// Prepares the message for each kind.
    pub(super) fn prepare(&mut self, counters: &Counters, envelope: &Envelope, to: &str) {
        let compressor = self.compressor.take();
        for (kind, delivery) in &mut self.deliveries {
            *delivery = counters.prepare(kind, envelope, to, compressor.as_ref());
        }
    }

    /// Returns whether a member receives the message, and the message is not volatile.
    pub(super) fn is_lasting(&self) -> bool {
        let is_lasting = |delivery: &Delivery| match delivery {
            Delivery::Frame(_, hint) | Delivery::Event(_, hint, _) => !hint.is_volatile(),
            _ => false,
        };
        self.deliveries.iter().any(|(_, delivery)| delivery.as_ref().is_some_and(is_lasting))
    }

    /// Returns the prepared message for this kind, if its preparation succeeded.
    pub(super) fn delivery(&self, kind: &MailboxKind) -> Option<&Delivery> {
        of_kind(&self.deliveries, kind)?.as_ref()
    }

    /// Returns a batch of this one message for each kind whose preparation succeeded.
    pub(crate) fn ready(&self, at: Instant, mailboxes: usize) -> Ready<'_> {
        let ready = self.deliveries.iter().filter_map(|(kind, delivery)| Some((*kind, delivery.as_ref()?)));
        let batch = |delivery| Batch::of(smallvec![(delivery, at)], WritePriority::of(mailboxes));
        ready.map(|(kind, delivery)| (kind, batch(delivery))).collect()
    }
}

/// A batch for each kind of mailbox.
pub(crate) type Ready<'a> = ForKinds<Batch<'a>>;

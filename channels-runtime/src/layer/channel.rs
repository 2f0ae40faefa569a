//! A channel without a consumer: its mailbox is a queue that the channel's owner reads.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::codec::Envelope;
use crate::layer::backend::Backend;
use crate::layer::config::LayerConfig;
use crate::layer::counters::Counters;
use crate::layer::delivery::{Delivery, Full, MailboxKind, Undeliverable};
use crate::layer::mailbox::Mailbox;
use crate::name::ChannelName;

use crate::support::lock;
use crate::websocket::Compressor;

/// A channel without a consumer: its name, and the receiver of the messages to this name.
///
/// [`ChannelLayer::new_channel`](crate::ChannelLayer::new_channel) returns it. On drop, the channel leaves its groups and the
/// layer.
pub struct Channel {
    queue: Arc<Queue>,
    backend: Arc<dyn Backend>,
    /// The channel has left the layer, so another channel may have its name.
    left: AtomicBool,
}

impl Channel {
    pub(crate) fn new(backend: Arc<dyn Backend>, config: &LayerConfig) -> Self {
        let name = backend.new_channel_name();
        Self::with_name(backend, config, name)
    }

    /// Makes a channel with this name, which must be unused.
    pub(crate) fn with_name(backend: Arc<dyn Backend>, config: &LayerConfig, name: ChannelName) -> Self {
        let queue = Queue::new(&*backend, config, name);
        backend.table().register(&(Arc::clone(&queue) as Arc<dyn Mailbox>));
        Self { queue, backend, left: AtomicBool::new(false) }
    }

    /// Makes a channel with this name. Returns `None` if this process already has a channel with this name.
    pub(crate) fn named(backend: Arc<dyn Backend>, config: &LayerConfig, name: ChannelName) -> Option<Self> {
        let queue = Queue::new(&*backend, config, name);
        let registered = backend.table().register_new(&(Arc::clone(&queue) as Arc<dyn Mailbox>));
        registered.then(|| Self { queue, backend, left: AtomicBool::new(false) })
    }

    /// Returns the name that others send to.
    pub fn name(&self) -> &ChannelName {
        &self.queue.name
    }

    /// Waits for the next message, in the order of the sends. Returns `None` when the layer is closed.
    ///
    /// # Cancel safety
    /// Dropping the future loses no message.
    pub async fn receive(&self) -> Option<Envelope> {
        loop {
            let arrived = self.queue.arrived.notified();
            {
                let mut state = self.queue.lock();
                if let Some(envelope) = self.queue.pop(&mut state) {
                    return Some(envelope);
                }
                if state.closed {
                    return None;
                }
            }
            arrived.await;
        }
    }

    /// Removes the channel from the layer. Messages that have arrived can still be received.
    pub(crate) fn leave(&self) {
        if !self.left.swap(true, Relaxed) {
            self.backend.release(self.name());
        }
    }

    /// Returns the next message if one has arrived.
    pub fn try_receive(&self) -> Option<Envelope> {
        self.queue.pop(&mut self.queue.lock())
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.leave();
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Channel").field(&self.name().as_str()).finish()
    }
}

struct Queue {
    name: ChannelName,
    state: Mutex<State>,
    arrived: Notify,
    capacity: usize,
    expiry: Duration,
    counters: Arc<Counters>,
}

/// The waiting messages. Bound: `capacity`. Policy: a further message is dropped. Its sender gets an error if the layer can
/// return one.
#[derive(Default)]
struct State {
    messages: VecDeque<(Instant, Envelope)>,
    closed: bool,
}

impl Queue {
    fn new(backend: &dyn Backend, config: &LayerConfig, name: ChannelName) -> Arc<Self> {
        Arc::new(Self {
            capacity: config.capacity_of(name.as_str()),
            name,
            state: Mutex::default(),
            arrived: Notify::new(),
            expiry: config.expiry,
            counters: Arc::clone(backend.table().counters()),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Removes and returns the first message that has not expired.
    fn pop(&self, state: &mut State) -> Option<Envelope> {
        self.expire(state);
        state.messages.pop_front().map(|(_, envelope)| envelope)
    }

    /// Drops and counts the expired messages.
    fn expire(&self, state: &mut State) {
        while state.messages.front().is_some_and(|(at, _)| at.elapsed() >= self.expiry) {
            state.messages.pop_front();
            self.counters.count_expired();
        }
    }
}

fn unchanged(envelope: &Envelope, _: Option<&Compressor>) -> Result<Delivery, Undeliverable> {
    Ok(Delivery::Raw(envelope.clone()))
}

impl Mailbox for Queue {
    fn name(&self) -> &ChannelName {
        &self.name
    }

    fn kind(&self) -> &'static MailboxKind {
        const { &MailboxKind::of::<Self>(unchanged) }
    }

    fn deliver(&self, delivery: &Delivery, now: Instant) -> Result<bool, Full> {
        let Delivery::Raw(envelope) = delivery else { return Ok(true) };
        let mut state = self.lock();
        self.expire(&mut state);
        if state.messages.len() >= self.capacity {
            return Err(Full { capacity: self.capacity });
        }
        state.messages.push_back((now, envelope.clone()));
        drop(state);
        self.arrived.notify_waiters();
        Ok(true)
    }

    fn layer_closed(&self) {
        self.lock().closed = true;
        self.arrived.notify_waiters();
    }
}

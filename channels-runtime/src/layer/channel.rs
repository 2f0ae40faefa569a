//! A mailbox that is a plain queue: a channel without a consumer, read by whoever made it.

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

/// A channel of one's own: a name that others send to, and the receiving end.
///
/// Made by [`ChannelLayer::new_channel`](crate::ChannelLayer::new_channel). When it is dropped, the channel is gone and
/// has left its groups.
pub struct Channel {
    queue: Arc<Queue>,
    backend: Arc<dyn Backend>,
    /// Its name may be another channel's by now.
    left: AtomicBool,
}

impl Channel {
    pub(crate) fn new(backend: Arc<dyn Backend>, config: &LayerConfig) -> Self {
        let name = backend.new_channel_name();
        Self::with_name(backend, config, name)
    }

    /// The channel of that name, which nobody else has.
    pub(crate) fn with_name(backend: Arc<dyn Backend>, config: &LayerConfig, name: ChannelName) -> Self {
        let queue = Queue::new(&*backend, config, name);
        backend.table().register(&(Arc::clone(&queue) as Arc<dyn Mailbox>));
        Self { queue, backend, left: AtomicBool::new(false) }
    }

    /// The channel of that name. `None` if this process has one.
    pub(crate) fn named(backend: Arc<dyn Backend>, config: &LayerConfig, name: ChannelName) -> Option<Self> {
        let queue = Queue::new(&*backend, config, name);
        let registered = backend.table().register_new(&(Arc::clone(&queue) as Arc<dyn Mailbox>));
        registered.then(|| Self { queue, backend, left: AtomicBool::new(false) })
    }

    /// The name that others send to.
    pub fn name(&self) -> &ChannelName {
        &self.queue.name
    }

    /// The next message, in the order they were sent. `None` once the layer is closed.
    ///
    /// # Cancel safety
    /// A message is only taken when it is returned; dropping the future loses nothing.
    pub async fn receive(&self) -> Option<Envelope> {
        loop {
            let arrived = self.queue.arrived.notified();
            {
                let mut state = self.queue.lock();
                self.queue.expire(&mut state);
                if let Some((_, envelope)) = state.messages.pop_front() {
                    return Some(envelope);
                }
                if state.closed {
                    return None;
                }
            }
            arrived.await;
        }
    }

    /// Takes the channel out of the layer: what came so far can be received, and nothing more comes.
    pub(crate) fn leave(&self) {
        if !self.left.swap(true, Relaxed) {
            self.backend.release(self.name());
        }
    }

    /// The next message, if there is one already.
    pub fn try_receive(&self) -> Option<Envelope> {
        let mut state = self.queue.lock();
        self.queue.expire(&mut state);
        state.messages.pop_front().map(|(_, envelope)| envelope)
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

/// Bound: `capacity`. Policy: the new message is dropped and its sender told, where the sender can be told.
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

    fn expire(&self, state: &mut State) {
        while state.messages.front().is_some_and(|(at, _)| at.elapsed() >= self.expiry) {
            state.messages.pop_front();
            self.counters.count_expired();
        }
    }
}

fn as_it_is(envelope: &Envelope) -> Result<Delivery, Undeliverable> {
    Ok(Delivery::Raw(envelope.clone()))
}

impl Mailbox for Queue {
    fn name(&self) -> &ChannelName {
        &self.name
    }

    fn kind(&self) -> &'static MailboxKind {
        const { &MailboxKind::of::<Self>(as_it_is) }
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

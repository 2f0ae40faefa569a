//! A worker's end of the shared queue of its channel.

use std::sync::Arc;
use std::task::{Context, Poll};

use crate::codec::Envelope;
use crate::error::DecodeError;
use crate::layer::backend::WorkerQueue;
use crate::layer::redis::clock;
use crate::layer::redis::host::Host;
use crate::layer::redis::pubsub::job_offers::message_of;
use crate::layer::redis::pubsub::state::PubSubState;
use crate::layer::redis::pubsub::subscriptions::Subscriptions;
use crate::layer::redis::worker_queue::{PoppedJob, RedisWorkerQueue};
use crate::name::ChannelName;

/// The subscription of a worker to its channel. The last one of this process ends the subscription on drop.
pub(super) struct JobSubscription {
    pub(super) state: Arc<PubSubState>,
    pub(super) subscriptions: Arc<Subscriptions>,
    pub(super) channel: ChannelName,
}

impl Drop for JobSubscription {
    fn drop(&mut self) {
        if self.state.jobs.close(self.channel.as_str()) {
            self.subscriptions.mark_dirty(self.channel.to_string());
        }
    }
}

/// The queue of a worker's channel, and the subscription that fills it.
pub(super) struct PubSubWorkerQueue {
    queue: RedisWorkerQueue,
    _subscription: JobSubscription,
}

impl PubSubWorkerQueue {
    /// `host` is the server of the channel.
    pub(super) fn new(subscription: JobSubscription, host: Arc<Host>) -> Self {
        let state = Arc::clone(&subscription.state);
        let key = state.job_queue(&subscription.channel);
        let counters = Arc::clone(state.table.counters());
        let open = move |job| open_job(&state, job);
        let queue = RedisWorkerQueue::new(std::iter::once(host), &key, &counters, true, None, Box::new(open));
        Self { queue, _subscription: subscription }
    }
}

fn open_job(state: &PubSubState, PoppedJob { entry: (member, score), popped_at }: PoppedJob) -> Option<Envelope> {
    let counters = state.table.counters();
    if popped_at.is_some_and(|now| score <= clock::cutoff(now, state.config.expiry)) {
        counters.count_expired();
        return None;
    }
    let message = message_of(member).ok_or(DecodeError::Truncated);
    let opened = message.and_then(|sealed| Envelope::from_wire(state.codec.open(sealed)?, state.codec.format()));
    opened.map_err(|error| counters.count_garbage("a worker's queue", &error)).ok()
}

impl WorkerQueue for PubSubWorkerQueue {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Envelope> {
        self.queue.poll_next(cx)
    }

    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<Option<Envelope>> {
        self.queue.poll_rest(cx)
    }
}

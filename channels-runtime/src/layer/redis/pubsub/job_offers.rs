//! The task that offers the jobs of a worker channel to the shared queue, and the scripts in Redis that it uses.

use std::sync::Arc;

use bytes::Bytes;
use deadpool_redis::redis::{Cmd, cmd};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::error::{Error, LayerError};
use crate::layer::redis::clock;
use crate::layer::redis::commands::Commands;
use crate::layer::redis::connection_error::{ConnectionError, unavailable};
use crate::layer::redis::limits::DEADLINE;
use crate::layer::redis::pubsub::job_topics::{JobTopic, Offer};
use crate::layer::redis::pubsub::peers::PeerMessage;
use crate::layer::redis::pubsub::state::PubSubState;
use crate::layer::redis::pubsub::subscriptions::Subscriptions;
use crate::layer::redis::reconnect_backoff::ReconnectBackoff;

/// Begins an epoch: publishes the marker. Also removes expired jobs, which proves that this process may write to the queue.
const BEGIN: &str = "\
local time = redis.call('TIME')
redis.call('ZREMRANGEBYSCORE', KEYS[1], 0, time[1] - ARGV[3])
return redis.call('PUBLISH', ARGV[1], ARGV[2])";

/// Adds jobs with consecutive numbers to the queue, up to its capacity. The first key holds the last number of the epoch that
/// was offered: smaller numbers are skipped, because a process that has offered a job has also offered all jobs before it. So a
/// job is added once, whichever process offers it first, and repeating the script after a lost reply is safe.
///
/// Returns the number of jobs that the full queue dropped. The script removes expired jobs last, like the script of the core
/// layer, so that Redis fails before any change if it is out of memory. The score is the time of Redis, because the clocks of
/// the processes differ; jobs with the same score are in the order of their numbers, with which each member begins.
const OFFER: &str = "\
local last, next = tonumber(redis.call('GET', KEYS[1]) or 0), tonumber(ARGV[1])
local newest = next + #ARGV - 5
if newest <= last then
  return 0
end
local time = redis.call('TIME')
local expired = time[1] - ARGV[3]
local now = time[1] + time[2] / 1000000
local waiting = redis.call('ZCOUNT', KEYS[2], '(' .. expired, '+inf')
local dropped = 0
for i = 5, #ARGV do
  if next > last then
    if waiting >= tonumber(ARGV[2]) then
      dropped = dropped + 1
    else
      redis.call('ZADD', KEYS[2], now, ARGV[i])
      waiting = waiting + 1
    end
  end
  next = next + 1
end
redis.call('SET', KEYS[1], newest, 'EX', ARGV[4])
redis.call('EXPIRE', KEYS[2], ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[2], 0, expired)
return dropped";

/// The seconds for which Redis keeps the last number of an epoch. A process that offers a job later than this after another
/// process would add it a second time.
const KEEP_NUMBER: u32 = 24 * 60 * 60;

/// The largest number of jobs in one script, and the size in bytes after which no further job is added.
const BATCH: usize = 64;
const BATCH_BYTES: usize = 256 * 1024;

/// The length of an epoch's name and of a number, which a member of the queue has before the message.
const MEMBER_PREFIX: usize = 32 + 8;

/// The offers of one worker channel of this process.
pub(super) struct JobOffers {
    pub(super) state: Arc<PubSubState>,
    pub(super) topic: Arc<JobTopic>,
    pub(super) commands: Commands,
    pub(super) subscriptions: Arc<Subscriptions>,
}

impl JobOffers {
    /// Waits until this process numbers the jobs. Then each job that is published is queued.
    ///
    /// # Errors
    /// If Redis does not reply in time, or refuses the topic or the commands.
    pub(super) async fn wait_until_numbering(&self) -> Result<(), LayerError> {
        if *self.topic.is_numbering.borrow() {
            return Ok(());
        }
        let mut numbering = self.topic.is_numbering.subscribe();
        self.begin_epoch().await?;
        let marker = timeout(DEADLINE, numbering.wait_for(|is_numbering| *is_numbering)).await;
        let arrived = marker.map_err(|late| unavailable("subscribing to a worker's channel", late))?;
        arrived.map(drop).map_err(|_| LayerError::Closed)
    }

    /// Subscribes to the topic, and publishes a marker.
    async fn begin_epoch(&self) -> Result<(), LayerError> {
        let Self { state, topic, commands, subscriptions } = self;
        // Read before the subscriptions are confirmed: if the connection is lost in between, the marker is ignored here.
        let connection = subscriptions.connection();
        subscriptions.confirmed(state.processes.clone()).await?;
        subscriptions.confirmed(topic.channel.to_string()).await?;
        let marker = PeerMessage::JobEpoch(topic.marker(connection)).seal(&state.codec);
        let mut begin = cmd("EVAL");
        begin.arg(BEGIN).arg(1).arg(state.job_queue(&topic.channel));
        begin.arg(&state.processes).arg(&marker[..]).arg(clock::whole_seconds(state.config.expiry));
        commands.send::<u64>("joining the queue of a worker's channel", begin).await.map(drop)
    }

    /// Offers jobs until the topic has ended and all offers are queued, or until the layer is closed. Begins a new epoch
    /// whenever the numbers of this process are no longer valid.
    pub(super) async fn run(self, mut offers: mpsc::Receiver<Offer>) {
        let topic = &self.topic;
        let mut connections = self.subscriptions.connections();
        let mut batch = Vec::new();
        loop {
            let wants_epoch = tokio::select! {
                // A batch is received as a whole or not at all, and the other branches only wait.
                received = offers.recv_many(&mut batch, BATCH) => {
                    if received == 0 {
                        return;
                    }
                    false
                }
                // The layer is closed if this is an error, and then the next command fails.
                _ = connections.changed() => true,
                () = topic.out_of_step.notified() => true,
                () = topic.ended.cancelled(), if !offers.is_closed() => {
                    offers.close();
                    false
                }
            };
            if wants_epoch && !topic.ended.is_cancelled() {
                topic.is_numbering.send_replace(false);
                let mut backoff = ReconnectBackoff::new();
                while let Err(error) = self.begin_epoch().await {
                    if self.is_final(error, &mut backoff).await {
                        return;
                    }
                }
            }
            let mut unsent = &batch[..];
            let mut backoff = ReconnectBackoff::new();
            while !unsent.is_empty() {
                let (offer, rest) = self.offer(unsent);
                match self.commands.send("queueing the jobs of a worker", offer).await {
                    Ok(dropped) => {
                        self.state.table.counters().count_full_queue(topic.channel.as_str(), dropped);
                        unsent = rest;
                        backoff.reset();
                    }
                    Err(error) => {
                        if self.is_final(error, &mut backoff).await {
                            return;
                        }
                    }
                }
            }
            batch.clear();
        }
    }

    /// Logs an error, and waits before the next attempt. Returns `true` immediately if the layer is closed.
    async fn is_final(&self, error: LayerError, backoff: &mut ReconnectBackoff) -> bool {
        if matches!(error, LayerError::Closed) {
            return true;
        }
        let (channel, error) = (self.topic.channel.as_str(), Error::from(error));
        if backoff.is_fresh() {
            tracing::warn!(channel, %error, "cannot queue a worker's jobs in Redis; will retry");
        } else {
            tracing::debug!(channel, %error, "still cannot queue a worker's jobs in Redis");
        }
        backoff.wait_after(&ConnectionError::Closed).await;
        false
    }

    /// Returns the command for the first of these offers, and the offers that it does not contain.
    fn offer<'a>(&self, offers: &'a [Offer]) -> (Cmd, &'a [Offer]) {
        let Self { state, topic, .. } = self;
        let Offer { epoch, number: first, .. } = &offers[0];
        let mut offer = cmd("EVAL");
        offer.arg(OFFER).arg(2);
        offer.arg(state.job_number(&topic.channel, epoch)).arg(state.job_queue(&topic.channel));
        offer.arg(first).arg(state.config.capacity_of(topic.channel.as_str()));
        offer.arg(clock::whole_seconds(state.config.expiry)).arg(KEEP_NUMBER);
        let (mut count, mut bytes) = (0, 0);
        for job in offers {
            let follows = job.epoch == *epoch && job.number == first + count as u64;
            if !follows || bytes > BATCH_BYTES {
                break;
            }
            offer.arg(member(job));
            count += 1;
            bytes += job.sealed.len();
        }
        (offer, &offers[count..])
    }
}

/// Returns the member of the sorted set: the name of the epoch, the number and the message.
fn member(job: &Offer) -> Vec<u8> {
    [job.epoch.as_bytes(), &job.number.to_be_bytes(), &job.sealed].concat()
}

/// Returns the message of a member, or `None` if the member is too short.
pub(super) fn message_of(member: Vec<u8>) -> Option<Bytes> {
    let member = Bytes::from(member);
    (member.len() >= MEMBER_PREFIX).then(|| member.slice(MEMBER_PREFIX..))
}

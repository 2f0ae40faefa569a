//! The memberships of this process's channels on one Redis server, where other processes read them.
//!
//! One task writes the memberships of the local table to the server. It repeats a failed write, and renews each membership long
//! before it expires.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use deadpool_redis::redis::{Pipeline, RedisError, RedisResult, Value};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use crate::error::LayerError;
use crate::layer::redis::clock;
use crate::layer::redis::connection_error::{ConnectionError, WRONG_TYPE, unavailable};
use crate::layer::redis::core::state::CoreState;
use crate::layer::redis::host::Host;
use crate::layer::redis::last_error::LastError;
use crate::layer::redis::limits::DEADLINE;
use crate::layer::redis::pipeline::usual_reply_time;
use crate::layer::redis::pipeline_connection::PipelineConnection;
use crate::layer::redis::reconciler::Reconciler;
use crate::layer::redis::reconnect_backoff::ReconnectBackoff;
use crate::layer::redis::shard::shard_of;
use crate::name::{ChannelName, GroupName};
use crate::support::lock;

/// The largest number of memberships written in one round trip.
const BATCH: usize = 512;

/// The bound of joins and leaves that wait while Redis is unreachable. Policy: a further join returns an error; a further leave
/// is not written, so the membership expires in Redis. Messages sent to it until then find no channel here and are ignored.
pub(super) const PENDING: usize = 100_000;

/// The number of renewals of a membership before it would expire.
const RENEWALS: u32 = 3;

/// The shortest and the longest time between two renewals.
const RENEWAL_PERIOD: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(86_400));

/// The time until a membership that Redis refused is written again, because permissions or keys may have changed.
pub(super) const RETRY_REFUSED: Duration = Duration::from_secs(1);

pub(super) type Membership = (GroupName, ChannelName);

/// The errors of the groups whose memberships Redis refused: the key is of another type, or the command is not allowed.
type Refused = HashMap<GroupName, Arc<RedisError>>;

/// The server that memberships are written to: Redis, or a stand-in in a test.
pub(super) trait MembershipServer: fmt::Debug + Send {
    /// Runs the commands in order. Returns a reply for each, or the reason why they may not have been executed.
    fn run(
        &mut self,
        pipeline: Pipeline,
    ) -> impl Future<Output = Result<Vec<RedisResult<Value>>, ConnectionError>> + Send;

    /// Closes the connection after an error. The next pipeline opens another one.
    fn discard(&mut self) {}

    /// Releases the connection, because no membership is left to write.
    fn release(&mut self) {}
}

impl MembershipServer for PipelineConnection {
    async fn run(&mut self, pipeline: Pipeline) -> Result<Vec<RedisResult<Value>>, ConnectionError> {
        let reply_time = usual_reply_time(&pipeline);
        Self::run(self, pipeline, reply_time).await
    }

    fn discard(&mut self) {
        Self::discard(self);
    }

    fn release(&mut self) {
        Self::release(self);
    }
}

/// The memberships on one server.
pub(super) struct Memberships {
    pub(super) core: Arc<CoreState>,
    /// The index of the server.
    index: usize,
    state: Mutex<State>,
    changed: Notify,
    /// The server replied after it was unreachable.
    reconnected: Notify,
    settled: Notify,
    last_error: LastError,
}

#[derive(Default)]
pub(super) struct State {
    /// The memberships to write. Bound: [`PENDING`] dirty ones, plus a batch that failed.
    pub(super) reconciler: Reconciler<Membership>,
    /// The memberships to write after all dirty ones. Bound: the memberships in the table at the last renewal.
    renewing: VecDeque<Membership>,
    /// The memberships that Redis refused. Bound: [`PENDING`].
    pub(super) refused: Vec<Membership>,
    /// The time to write the refused memberships again.
    retry_at: Option<Instant>,
    /// A leave was dropped, and this was logged.
    pub(super) overflowed: bool,
}

impl State {
    fn is_settled(&self) -> bool {
        self.reconciler.is_settled() && self.renewing.is_empty()
    }

    /// Logs that a leave was dropped. Logs it once until all memberships are written.
    fn overflow(&mut self) {
        if !std::mem::replace(&mut self.overflowed, true) {
            tracing::warn!(
                "too many leaves while Redis is unreachable or rejects them: memberships are left in Redis until they expire"
            );
        }
    }

    /// Keeps a refused membership for another attempt. Otherwise a channel that left would stay a member until it expires.
    pub(super) fn keep_refused(&mut self, membership: Membership) {
        if self.refused.len() < PENDING {
            self.refused.push(membership);
            self.retry_at.get_or_insert_with(|| Instant::now() + RETRY_REFUSED);
        } else {
            self.overflow();
        }
    }

    /// Marks the refused memberships dirty if it is time to write them again. Otherwise returns that time.
    fn retry_refused(&mut self) -> Option<Instant> {
        let retry_at = self.retry_at.filter(|at| *at > Instant::now());
        if retry_at.is_none() {
            self.retry_at = None;
            for membership in std::mem::take(&mut self.refused) {
                self.reconciler.mark_dirty(membership);
            }
        }
        retry_at
    }

    /// Takes the next batch: dirty memberships, then those to renew.
    fn take_batch(&mut self) -> Vec<Membership> {
        let space = BATCH.saturating_sub(self.reconciler.dirty()).min(self.renewing.len());
        for membership in self.renewing.drain(..space) {
            self.reconciler.mark_dirty(membership);
        }
        if self.renewing.is_empty() {
            // Release memory: a queue that is drained keeps its allocation.
            self.renewing = VecDeque::new();
        }
        self.reconciler.take_batch(BATCH)
    }
}

impl Memberships {
    pub(super) fn new(core: Arc<CoreState>, index: usize) -> Self {
        let (changed, reconnected, settled) = (Notify::new(), Notify::new(), Notify::new());
        Self { core, index, state: Mutex::default(), changed, reconnected, settled, last_error: LastError::default() }
    }

    /// Returns the error of the last batch, if it failed.
    pub(super) fn last_error(&self) -> Option<Arc<ConnectionError>> {
        self.last_error.get()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        #[cfg(test)]
        crate::support::point_before(&self.state);
        lock(&self.state)
    }

    /// Waits until Redis holds this membership if the table does, and otherwise until Redis does not.
    ///
    /// # Cancel safety
    /// The table decides what is written: dropping this future changes nothing.
    pub(super) async fn confirmed(&self, group: &GroupName, channel: &ChannelName) -> Result<(), LayerError> {
        const ACTION: &str = "writing a membership";
        let confirmation = {
            let mut state = self.lock();
            if state.reconciler.dirty() >= PENDING {
                return Err(unavailable(ACTION, "too many memberships wait for Redis"));
            }
            state.reconciler.confirm((group.clone(), channel.clone()))
        };
        self.changed.notify_one();
        confirmation.wait(ACTION, &self.last_error).await
    }

    /// Marks a membership to be written again, because the channel has left.
    pub(super) fn mark_dirty(&self, group: GroupName, channel: ChannelName) {
        let mut state = self.lock();
        if state.reconciler.dirty() < PENDING {
            state.reconciler.mark_dirty((group, channel));
            drop(state);
            self.changed.notify_one();
        } else {
            state.overflow();
        }
    }

    /// Writes all memberships again, immediately. The server replies again, and may have lost its data.
    pub(super) fn on_reconnect(&self) {
        self.renew();
        self.reconnected.notify_one();
    }

    /// Writes all memberships again.
    pub(super) fn renew(&self) {
        self.check_all(self.core.table.memberships());
    }

    /// Writes again those of these memberships that belong to this server.
    pub(super) fn check_all(&self, memberships: Vec<(GroupName, Vec<ChannelName>)>) {
        let here =
            memberships.into_iter().filter(|(group, _)| shard_of(group.as_str(), self.core.servers) == self.index);
        let all = here.flat_map(|(group, channels)| channels.into_iter().map(move |channel| (group.clone(), channel)));
        self.lock().renewing = all.collect();
        self.changed.notify_one();
    }

    /// Waits until no membership is left to write.
    pub(super) async fn settled(&self) {
        loop {
            let settled = self.settled.notified();
            if self.lock().is_settled() {
                return;
            }
            settled.await;
        }
    }

    /// Ends all waits with [`LayerError::Closed`].
    pub(super) fn close(&self) {
        let mut state = self.lock();
        *state = State::default();
        drop(state);
        self.settled.notify_waiters();
    }

    /// Writes memberships to the host until the future is dropped.
    pub(super) async fn run(self: Arc<Self>, host: Arc<Host>) {
        self.run_with(&mut PipelineConnection::new(host)).await;
    }

    pub(super) async fn run_with(&self, redis: &mut impl MembershipServer) {
        let mut next_renewal = Instant::now();
        let mut backoff = ReconnectBackoff::new();
        loop {
            let error = Arc::new(self.reconcile(redis, &mut next_renewal, &mut backoff).await);
            self.last_error.set(&error);
            if error.is_refusal() {
                self.lock().reconciler.refuse_awaited(&error);
            }
            if backoff.is_fresh() {
                tracing::warn!(redis = ?redis, %error, "cannot write memberships to Redis; will retry");
            } else {
                tracing::debug!(redis = ?redis, %error, "still cannot write memberships to Redis");
            }
            tokio::select! {
                () = backoff.wait_after(&error) => {}
                // A notification from before this wait is kept. At worst, it costs one more attempt.
                () = self.reconnected.notified() => {}
            }
        }
    }

    /// Writes memberships until the server fails. Then the batch in flight is dirty again.
    pub(super) async fn reconcile(
        &self,
        redis: &mut impl MembershipServer,
        next_renewal: &mut Instant,
        backoff: &mut ReconnectBackoff,
    ) -> ConnectionError {
        let (shortest, longest) = RENEWAL_PERIOD;
        let period = (self.core.config.group_expiry / (RENEWALS + 1)).clamp(shortest, longest);
        loop {
            if *next_renewal <= Instant::now() {
                self.renew();
                *next_renewal += period;
            }
            let next_check = self.lock().retry_refused().unwrap_or(*next_renewal).min(*next_renewal);
            let batch = self.lock().take_batch();
            if batch.is_empty() {
                tokio::select! {
                    // Both are cancel safe: a notification without a waiter is kept, and the time is absolute.
                    () = self.changed.notified() => {}
                    () = tokio::time::sleep_until(next_check) => {}
                }
                continue;
            }
            let written = timeout(DEADLINE, self.write(redis, &batch)).await;
            match written.unwrap_or_else(|late| Err(late.into())) {
                Ok(refused) => {
                    backoff.reset();
                    self.last_error.clear();
                    self.log_refused(redis, &refused);
                    self.settle(batch, &refused);
                }
                Err(error) => {
                    redis.discard();
                    self.lock().reconciler.fail_batch();
                    return error;
                }
            }
            let mut state = self.lock();
            if state.is_settled() {
                state.overflowed &= !state.refused.is_empty();
                drop(state);
                self.settled.notify_waiters();
                redis.release();
            }
        }
    }

    fn log_refused(&self, redis: &impl MembershipServer, refused: &Refused) {
        for (group, error) in refused {
            if self.core.table.counters().count_refusal(group, error.code() == Some(WRONG_TYPE)) {
                tracing::warn!(redis = ?redis, %group, %error, "Redis rejected the memberships of a group");
            } else {
                tracing::debug!(redis = ?redis, %group, %error, "Redis rejected the memberships of a group");
            }
        }
    }

    /// Notifies the callers of a batch. A refused membership is written again later, so that it does not delay the others.
    fn settle(&self, batch: Vec<Membership>, refused: &Refused) {
        let mut state = self.lock();
        for membership in batch {
            let error = refused.get(&membership.0);
            state.reconciler.settle(
                &membership,
                &error.map_or(Ok(()), |error| Err(Arc::new(ConnectionError::Refused(Arc::clone(error))))),
            );
            // A key of another type does not have members, so writing again is not necessary.
            if error.is_some_and(|error| error.code() != Some(WRONG_TYPE)) {
                state.keep_refused(membership);
            }
        }
    }

    /// Writes a batch. Returns the errors of the groups that Redis refused.
    async fn write(&self, redis: &mut impl MembershipServer, batch: &[Membership]) -> Result<Refused, ConnectionError> {
        let (pipeline, groups) = self.pipeline(batch);
        let commands = pipeline.len();
        let replies = redis.run(pipeline).await?;
        let errors: Vec<_> =
            replies.into_iter().zip(groups).filter_map(|(reply, group)| Some((group, reply.err()?))).collect();
        // If Redis refused every command, the cause is the server and not a group: it became a replica, or still loads its
        // data. The exception is a batch in which every key is of another type.
        let all = errors.len() == commands && errors.iter().any(|(_, error)| error.code() != Some(WRONG_TYPE));
        match errors.into_iter().map(|(group, error)| (group, Arc::new(error))).collect::<Refused>() {
            refused if !all => Ok(refused),
            refused => {
                Err(refused.into_values().next().map(ConnectionError::Refused).unwrap_or(ConnectionError::Closed))
            }
        }
    }

    /// Returns the commands for a batch, and the group of each command.
    fn pipeline(&self, batch: &[Membership]) -> (Pipeline, Vec<GroupName>) {
        #[derive(Default)]
        struct Changes<'a> {
            joined: Vec<&'a str>,
            left: Vec<&'a str>,
        }
        let mut groups: HashMap<&GroupName, Changes<'_>> = HashMap::new();
        for (group, channel) in batch {
            let changes = groups.entry(group).or_default();
            // Read from the table now, so that after two concurrent changes the state after both is written.
            let is_member = self.core.table.is_member(group, channel);
            if is_member { &mut changes.joined } else { &mut changes.left }.push(channel.as_str());
        }
        let now = clock::now();
        let group_expiry = self.core.config.group_expiry;
        let mut pipeline = Pipeline::new();
        let mut group_of_command = Vec::new();
        for (group, Changes { joined, left }) in groups {
            let key = self.core.keys.group(group);
            if !left.is_empty() {
                pipeline.cmd("ZREM").arg(&key).arg(left);
            }
            if !joined.is_empty() {
                pipeline.cmd("ZREMRANGEBYSCORE").arg(&key).arg(0).arg(clock::cutoff(now, group_expiry));
                let add = pipeline.cmd("ZADD").arg(&key);
                for channel in joined {
                    add.arg(now).arg(channel);
                }
                pipeline.cmd("EXPIRE").arg(&key).arg(clock::whole_seconds(group_expiry));
            }
            group_of_command.resize(pipeline.len(), group.clone());
        }
        (pipeline, group_of_command)
    }
}

impl fmt::Debug for Memberships {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Memberships of server {}", self.index)
    }
}

//! The recalls of one Redis server: the task that reads the histories of the groups that wait for it.

use std::collections::HashSet;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use deadpool_redis::redis::{Pipeline, RedisResult, Value};
use futures_util::future::join_all;
use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until, timeout};

use crate::error::LayerError;
use crate::event::Id;
use crate::layer::redis::connection_error::{ConnectionError, WRONG_TYPE};
use crate::layer::redis::host::Host;
use crate::layer::redis::last_error::LastError;
use crate::layer::redis::limits::DEADLINE;
use crate::layer::redis::lua_script::ScriptCall;
use crate::layer::redis::pipeline_connection::PipelineConnection;
use crate::layer::redis::pubsub::recall::{Recall, Recalled};
use crate::layer::redis::pubsub::state::PubSubState;
use crate::layer::redis::reconciler::{Confirmation, Reconciler};
use crate::layer::redis::reconnect_backoff::ReconnectBackoff;
use crate::name::GroupName;
use crate::support::lock;

/// The most recalls in one round trip. After an error half as many, because the replies may be too large for the deadline.
const BATCH: usize = 64;

/// The time within which a working connection gets the replies, which may be large.
const REPLY_TIME: Duration = Duration::from_secs(2);

/// The time until a recall that Redis refused is sent again, because permissions or keys may have changed.
const RETRY_REFUSED: Duration = Duration::from_secs(1);

/// The action in an error.
pub(super) const ACTION: &str = "recalling the history of a group";

/// The recalls of one server. Each group has at most one under way in this process, however many callers wait for it.
pub(super) struct Recalls {
    layer: Arc<PubSubState>,
    state: Mutex<State>,
    changed: Notify,
    last_error: LastError,
    /// The server does not return the identity of its run, and this was logged.
    reign_is_unknown: AtomicBool,
}

#[derive(Default)]
struct State {
    /// The groups to recall. Bound: the groups with a history in this process, plus those that were left since they were marked.
    reconciler: Reconciler<GroupName>,
    /// The dirty groups to recall even if their histories are live by then, because messages may have been lost after the recall
    /// under way began.
    suspects: HashSet<GroupName>,
    /// The groups whose recalls Redis refused, and the time to send these again.
    refused: HashSet<GroupName>,
    retry_at: Option<Instant>,
    /// The groups whose kept messages were removed. An answer that is under way may still contain these.
    forgotten: Vec<GroupName>,
    closed: bool,
}

impl State {
    /// Marks the refused groups dirty if it is time. Otherwise returns that time.
    fn retry_refused(&mut self) -> Option<Instant> {
        let retry_at = self.retry_at.filter(|at| *at > Instant::now());
        if retry_at.is_none() {
            self.retry_at = None;
            for group in std::mem::take(&mut self.refused) {
                self.reconciler.mark_dirty(group);
            }
        }
        retry_at
    }
}

impl Recalls {
    pub(super) fn new(layer: Arc<PubSubState>) -> Self {
        let (changed, last_error) = (Notify::new(), LastError::default());
        Self { layer, state: Mutex::default(), changed, last_error, reign_is_unknown: AtomicBool::new(false) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Marks a group whose messages may have been lost.
    pub(super) fn mark_suspect(&self, group: GroupName) {
        let mut state = self.lock();
        state.suspects.insert(group.clone());
        state.reconciler.mark_dirty(group);
        drop(state);
        self.changed.notify_one();
    }

    fn confirm(&self, group: &GroupName, is_suspect: bool) -> Result<Confirmation, LayerError> {
        let mut state = self.lock();
        if state.closed {
            return Err(LayerError::Closed);
        }
        if is_suspect {
            state.suspects.insert(group.clone());
        }
        Ok(state.reconciler.confirm(group.clone()))
    }

    /// Waits until a history that waits for a recall has been recalled.
    ///
    /// # Cancel safety
    /// The table decides what is recalled: dropping this future changes nothing.
    pub(super) async fn confirmed(&self, group: &GroupName) -> Result<(), LayerError> {
        let confirmation = self.confirm(group, false)?;
        self.changed.notify_one();
        confirmation.wait(ACTION, &self.last_error).await
    }

    /// Recalls a history, whether it waits or not, and waits until it has been recalled.
    ///
    /// # Cancel safety
    /// If this future is dropped, the history is still recalled.
    pub(super) async fn repeated(&self, group: &GroupName) -> Result<(), LayerError> {
        let confirmation = self.confirm(group, true)?;
        self.changed.notify_one();
        confirmation.wait(ACTION, &self.last_error).await
    }

    /// Recalls the histories of these groups, and waits until Redis has replied to all of them, no longer than the deadline of a
    /// call. Those without a reply are recalled later.
    ///
    /// # Cancel safety
    /// If this future is dropped, the histories are still recalled.
    pub(super) async fn recover(&self, groups: &[GroupName]) {
        let confirmations: Vec<_> = groups
            .iter()
            .filter_map(|group| {
                self.layer.table.hold_history(group);
                self.confirm(group, true).ok()
            })
            .collect();
        self.changed.notify_one();
        join_all(confirmations.into_iter().map(|confirmation| confirmation.wait(ACTION, &self.last_error))).await;
    }

    /// Removes the kept messages of a group in this process, because they were removed in Redis.
    pub(super) fn forget(&self, group: GroupName) {
        self.layer.table.cut_history(&group);
        self.lock().forgotten.push(group);
        self.changed.notify_one();
    }

    /// Ends all waits with [`LayerError::Closed`].
    pub(super) fn close(&self) {
        *self.lock() = State { closed: true, ..State::default() };
    }

    /// Recalls histories until the future is dropped.
    pub(super) async fn run(self: Arc<Self>, host: Arc<Host>) {
        let mut redis = PipelineConnection::new(host);
        let (mut backoff, mut limit) = (ReconnectBackoff::new(), BATCH);
        loop {
            let error = Arc::new(self.recall_dirty(&mut redis, &mut backoff, &mut limit).await);
            redis.discard();
            self.fail(&error);
            if backoff.is_fresh() {
                tracing::warn!(redis = ?redis, %error, "cannot recall the histories of groups from Redis; will retry");
            } else {
                tracing::debug!(redis = ?redis, %error, "still cannot recall the histories of groups from Redis");
            }
            limit = (limit / 2).max(1);
            backoff.wait_after(&error).await;
        }
    }

    /// Marks the recalls in flight dirty again, because the server has failed.
    fn fail(&self, error: &Arc<ConnectionError>) {
        self.last_error.set(error);
        let mut state = self.lock();
        state.reconciler.fail_batch();
        if error.is_refusal() {
            state.reconciler.refuse_awaited(error);
        }
    }

    /// Recalls histories until the server fails. Then the batch in flight must be marked dirty again.
    async fn recall_dirty(
        &self,
        redis: &mut PipelineConnection,
        backoff: &mut ReconnectBackoff,
        limit: &mut usize,
    ) -> ConnectionError {
        loop {
            let (batch, forgotten, retry_at) = {
                let mut state = self.lock();
                let retry_at = state.retry_refused();
                (state.reconciler.take_batch(*limit), std::mem::take(&mut state.forgotten), retry_at)
            };
            // Here, because only this task adds answers. Each answer from now on is of a time after the removal.
            for group in forgotten {
                self.layer.table.cut_history(&group);
            }
            if batch.is_empty() {
                redis.release();
                tokio::select! {
                    // Both are cancel safe: a notification without a waiter is kept, and the time is absolute.
                    () = self.changed.notified() => {}
                    () = sleep_until(retry_at.unwrap_or_else(Instant::now)), if retry_at.is_some() => {}
                }
                continue;
            }
            let (groups, pipeline) = self.begin(batch);
            if groups.is_empty() {
                continue;
            }
            let replied = timeout(DEADLINE, redis.run(pipeline, REPLY_TIME)).await;
            let replies = match replied.unwrap_or_else(|late| Err(late.into())) {
                Ok(replies) => replies,
                Err(error) => return error,
            };
            if let Some(error) = refused_by_server(&replies) {
                return error;
            }
            backoff.reset();
            self.last_error.clear();
            *limit = (*limit * 2).min(BATCH);
            for (group, reply) in groups.iter().zip(replies) {
                self.answer(redis, group, reply);
                // The answer may be many messages to many members.
                yield_now().await;
            }
        }
    }

    /// Returns the groups of a batch whose histories wait for a recall, and the commands for these.
    fn begin(&self, batch: Vec<GroupName>) -> (Vec<GroupName>, Pipeline) {
        let (mut groups, mut pipeline) = (Vec::with_capacity(batch.len()), Pipeline::new());
        for group in batch {
            let is_suspect = self.lock().suspects.remove(&group);
            match self.layer.table.begin_recall(&group, is_suspect) {
                Some(known) => {
                    let recall = Recall { keys: self.layer.history_keys(&group), known };
                    pipeline.add_command(recall.command(!groups.is_empty()));
                    groups.push(group);
                }
                // It is live, or the last member has left.
                None => self.lock().reconciler.settle(&group, &Ok(())),
            }
        }
        (groups, pipeline)
    }

    /// Handles the reply to the recall of a group.
    fn answer(&self, redis: &PipelineConnection, group: &GroupName, reply: RedisResult<Value>) {
        let PubSubState { table, codec, .. } = &*self.layer;
        let recalled = match reply.and_then(Recalled::from_reply) {
            Ok(recalled) => recalled,
            Err(error) => {
                if table.counters().count_refusal(group, false) {
                    tracing::warn!(redis = ?redis, %group, %error, "Redis refused to recall the history of a group");
                } else {
                    tracing::debug!(redis = ?redis, %group, %error, "Redis refused to recall the history of a group");
                }
                let mut state = self.lock();
                state.reconciler.settle(group, &Err(Arc::new(error.into())));
                state.refused.insert(group.clone());
                state.retry_at.get_or_insert_with(|| Instant::now() + RETRY_REFUSED);
                return;
            }
        };
        if recalled.reign.is_none() && !self.reign_is_unknown.swap(true, Relaxed) {
            tracing::warn!(
                redis = ?redis,
                "Redis does not return the identity of its run; after a failover, messages may be missed without notice; allow the command INFO"
            );
        }
        let (reign, top) = (recalled.reign.unwrap_or_default(), recalled.top);
        let kept = recalled.open(codec, |error| table.counters().count_garbage(group.as_str(), &error));
        // If the key holds another text, no message is known to be the newest one, and the next message is a gap.
        let top = top.unwrap_or_else(Id::random);
        let again = table.recalled(group, reign, top, kept);
        let mut state = self.lock();
        if again {
            state.reconciler.repeat(group);
        } else {
            state.reconciler.settle(group, &Ok(()));
        }
    }
}

/// Returns an error if Redis refused every command: then the cause is the server and not a group. The exception is a batch in which
/// every key is of another type.
fn refused_by_server(replies: &[RedisResult<Value>]) -> Option<ConnectionError> {
    let mut first = None;
    for reply in replies {
        match reply {
            Ok(_) => return None,
            Err(error) if error.code() == Some(WRONG_TYPE) => {}
            Err(error) => first = first.or(Some(error)),
        }
    }
    first.map(|error| ConnectionError::Redis(error.clone()))
}

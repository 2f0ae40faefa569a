//! The memberships of this process's channels on one Redis server, where Python and other processes read them: one task
//! keeps them as the table of local channels says.
//!
//! As with subscriptions, the task is never told what to write. Whoever changes the table only says which membership to
//! look at again. So a join and a leave that cross each other cannot leave the wrong state behind, a write that failed is
//! made again, and a membership is renewed long before it expires.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use deadpool_redis::redis::{Pipeline, RedisError, RedisResult, Value};
use indexmap::IndexMap;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout};

use crate::error::LayerError;
use crate::layer::redis::core::Shared;
use crate::layer::redis::host::{Commanding, Host};
use crate::layer::redis::shard::shard_of;
use crate::layer::redis::{Backoff, DEADLINE, Lost, clock, unavailable};
use crate::name::{ChannelName, GroupName};

/// How many memberships are written in one round trip.
const BATCH: usize = 512;

/// How many joins and leaves wait while Redis is away. Policy: a further join is refused at once; a further leave is not
/// written, so that membership expires in Redis by itself, and what is sent to it meanwhile finds no channel here and is
/// passed over.
const PENDING: usize = 100_000;

/// A membership is renewed this many times before it would expire.
const RENEWALS: u32 = 3;

/// The shortest and the longest time between two renewals.
const PERIOD: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(86_400));

type Membership = (GroupName, ChannelName);

/// Who waits until a membership is written, and is told what Redis says.
type Waiting = oneshot::Sender<Result<(), Arc<RedisError>>>;

/// What Redis refused, by group: somebody else's key under that name, or a command that is not allowed on it.
type Refused = HashMap<GroupName, Arc<RedisError>>;

pub(super) struct Memberships {
    shared: Arc<Shared>,
    /// Which of the servers this one is.
    index: usize,
    state: Mutex<State>,
    changed: Notify,
    settled: Notify,
}

#[derive(Default)]
struct State {
    /// To be looked at, each with those who wait for it. Bound: [`PENDING`], and the batch that is put back.
    dirty: IndexMap<Membership, Vec<Waiting>>,
    /// To be looked at when nothing else is: at most all memberships there are, put in at once.
    renewing: VecDeque<Membership>,
    /// A batch is under way.
    writing: bool,
}

impl State {
    fn is_settled(&self) -> bool {
        self.dirty.is_empty() && self.renewing.is_empty() && !self.writing
    }
}

impl Memberships {
    pub(super) fn new(shared: Arc<Shared>, index: usize) -> Self {
        Self { shared, index, state: Mutex::default(), changed: Notify::new(), settled: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until Redis says what the table says.
    ///
    /// # Cancel safety
    /// The table decides, not the waiting: a dropped future changes nothing.
    pub(super) async fn written(&self, group: &GroupName, channel: &ChannelName) -> Result<(), LayerError> {
        let (tx, rx) = oneshot::channel();
        {
            let mut state = self.lock();
            if state.dirty.len() >= PENDING {
                return Err(unavailable("writing a membership", "too many wait for Redis already"));
            }
            state.dirty.entry((group.clone(), channel.clone())).or_default().push(tx);
        }
        self.changed.notify_one();
        match timeout(DEADLINE, rx).await {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(error))) => Err(unavailable("writing a membership", error)),
            Ok(Err(_)) => Err(LayerError::Closed),
            Err(late) => Err(unavailable("writing a membership", late)),
        }
    }

    /// A channel has left: look at this membership again.
    pub(super) fn look_at(&self, group: GroupName, channel: ChannelName) {
        let mut state = self.lock();
        if state.dirty.len() < PENDING {
            state.dirty.entry((group, channel)).or_default();
            drop(state);
            self.changed.notify_one();
        }
    }

    /// Looks at all memberships again.
    pub(super) fn renew(&self) {
        self.look_at_all(self.shared.table.memberships());
    }

    /// Looks at these again, as far as they belong on this server.
    pub(super) fn look_at_all(&self, memberships: Vec<(GroupName, Vec<ChannelName>)>) {
        let here =
            memberships.into_iter().filter(|(group, _)| shard_of(group.as_str(), self.shared.servers) == self.index);
        let all = here.flat_map(|(group, channels)| channels.into_iter().map(move |channel| (group.clone(), channel)));
        self.lock().renewing = all.collect();
        self.changed.notify_one();
    }

    /// Waits until nothing is left to write.
    pub(super) async fn settled(&self) {
        loop {
            let settled = self.settled.notified();
            if self.lock().is_settled() {
                return;
            }
            settled.await;
        }
    }

    /// Nobody will be told any more.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        *state = State::default();
        drop(state);
        self.settled.notify_waiters();
    }

    /// Works until it is dropped.
    pub(super) async fn run(self: Arc<Self>, host: Arc<Host>) {
        let (shortest, longest) = PERIOD;
        let period = (self.shared.config.group_expiry / (RENEWALS + 1)).clamp(shortest, longest);
        let mut next_renewal = Instant::now() + period;
        let mut held: Option<Commanding> = None;
        let mut backoff = Backoff::new();
        loop {
            if next_renewal <= Instant::now() {
                self.renew();
                next_renewal += period;
            }
            let Some(batch) = self.take() else {
                tokio::select! {
                    // Both may be dropped: a notification that nobody waits for is kept, and a point in time does not move.
                    () = self.changed.notified() => {}
                    () = tokio::time::sleep_until(next_renewal) => {}
                }
                continue;
            };
            let written = timeout(DEADLINE, self.write(&host, &mut held, &batch)).await;
            match written.unwrap_or_else(|late| Err(late.into())) {
                Ok(refused) => {
                    backoff.reset();
                    for (group, error) in &refused {
                        // It is tried again with the next renewal; until then it must not hold the others up.
                        tracing::warn!(redis = ?host, %group, %error, "Redis refuses the memberships of this group");
                    }
                    for ((group, _), waiting) in batch {
                        for waiting in waiting {
                            _ = waiting.send(refused.get(&group).map_or(Ok(()), |error| Err(Arc::clone(error))));
                        }
                    }
                    self.lock().writing = false;
                }
                Err(error) => {
                    tracing::warn!(redis = ?host, %error, "memberships could not be written to Redis; they will be");
                    held = None;
                    self.put_back(batch);
                    backoff.wait().await;
                }
            }
            if self.lock().is_settled() {
                self.settled.notify_waiters();
                // Back into the pool: joins and leaves come and go.
                held = None;
            }
        }
    }

    fn take(&self) -> Option<IndexMap<Membership, Vec<Waiting>>> {
        let mut state = self.lock();
        let urgent = state.dirty.len().min(BATCH);
        let mut batch: IndexMap<_, _> = state.dirty.drain(..urgent).collect();
        let more = state.renewing.len().min(BATCH - urgent);
        for membership in state.renewing.drain(..more) {
            batch.entry(membership).or_default();
        }
        if state.renewing.is_empty() {
            state.renewing = VecDeque::new();
        }
        state.writing = !batch.is_empty();
        state.writing.then_some(batch)
    }

    fn put_back(&self, batch: IndexMap<Membership, Vec<Waiting>>) {
        let mut state = self.lock();
        for (membership, waiting) in batch {
            let waiting = waiting.into_iter().filter(|waiting| !waiting.is_closed());
            state.dirty.entry(membership).or_default().extend(waiting);
        }
        state.writing = false;
    }

    async fn write(
        &self,
        host: &Host,
        held: &mut Option<Commanding>,
        batch: &IndexMap<Membership, Vec<Waiting>>,
    ) -> Result<Refused, Lost> {
        let (pipeline, groups) = self.pipeline(batch.keys());
        let mut commanding = match held.take() {
            Some(commanding) => commanding,
            None => host.commanding().await?,
        };
        let answers: RedisResult<Vec<RedisResult<Value>>> = pipeline.query_async(commanding.connection()).await;
        let failed = match answers {
            Ok(answers) => {
                let errors: Vec<_> = answers
                    .into_iter()
                    .zip(groups)
                    .filter_map(|(answer, group)| Some((group, answer.err()?)))
                    .collect();
                let all = errors.len() == pipeline.len();
                match errors.into_iter().map(|(group, error)| (group, Arc::new(error))).collect::<Refused>() {
                    refused if !all => {
                        *held = Some(commanding);
                        return Ok(refused);
                    }
                    // Nothing was done: it is not one group that is at fault, but the server (a replica now, still loading).
                    refused => refused.into_values().next().map(Lost::Refused).unwrap_or(Lost::Closed),
                }
            }
            Err(error) => error.into(),
        };
        commanding.discard();
        Err(failed)
    }

    /// The commands, and for each the group that it is for.
    fn pipeline<'a>(&self, batch: impl Iterator<Item = &'a Membership>) -> (Pipeline, Vec<GroupName>) {
        #[derive(Default)]
        struct OfGroup<'a> {
            joined: Vec<&'a str>,
            left: Vec<&'a str>,
        }
        let mut groups: HashMap<&GroupName, OfGroup<'_>> = HashMap::new();
        for (group, channel) in batch {
            let of_group = groups.entry(group).or_default();
            // Decided here and not when the change was made; so of two changes that cross, the state after both is written.
            let is_member = self.shared.table.is_member(group, channel);
            if is_member { &mut of_group.joined } else { &mut of_group.left }.push(channel.as_str());
        }
        let now = clock::now();
        let group_expiry = self.shared.config.group_expiry;
        let mut pipeline = Pipeline::new();
        let mut of = Vec::new();
        for (group, OfGroup { joined, left }) in groups {
            let key = self.shared.keys.group(group);
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
            of.resize(pipeline.len(), group.clone());
        }
        pipeline.ignore_errors();
        (pipeline, of)
    }
}

impl fmt::Debug for Memberships {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Memberships of server {}", self.index)
    }
}

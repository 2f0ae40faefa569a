//! The memberships of this process's channels on one Redis server, where Python and other processes read them: one task
//! keeps them as the table of local channels says.
//!
//! As with subscriptions, the task is never told what to write. Whoever changes the table only says which membership to
//! look at again. So a join and a leave that cross each other cannot leave the wrong state behind, a write that failed is
//! made again, and a membership is renewed long before it expires.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use deadpool_redis::redis::{Pipeline, RedisError, RedisResult, Value};
use indexmap::IndexMap;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout};

use crate::error::LayerError;
use crate::layer::redis::backoff::Backoff;
use crate::layer::redis::clock;
use crate::layer::redis::connection_error::{ConnectionError, WRONG_TYPE, unavailable};
use crate::layer::redis::core::state::Shared;
use crate::layer::redis::host::{Commanding, Host};
use crate::layer::redis::limits::DEADLINE;
use crate::layer::redis::pipeline::{answers, usual};
use crate::layer::redis::shard::shard_of;
use crate::name::{ChannelName, GroupName};
use crate::support::lock;

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

/// After how long a membership that Redis refused is looked at again: what was not allowed may be allowed now.
const AGAIN: Duration = Duration::from_secs(1);

type Membership = (GroupName, ChannelName);

/// Who waits until a membership is written, and is told what Redis says.
type Waiting = oneshot::Sender<Result<(), Arc<RedisError>>>;

/// What Redis refused, by group: somebody else's key under that name, or a command that is not allowed on it.
type Refused = HashMap<GroupName, Arc<RedisError>>;

/// Where memberships are written: a server of Redis, or what stands for one in a test.
trait Server: fmt::Debug + Send {
    /// Does the commands in their order. Gives an answer for each, or why they may not have been done.
    fn ask(
        &mut self,
        pipeline: Pipeline,
    ) -> impl Future<Output = Result<Vec<RedisResult<Value>>, ConnectionError>> + Send;

    /// The connection led nowhere: the next question needs another one.
    fn discard(&mut self) {}

    /// There is nothing to ask for now.
    fn release(&mut self) {}
}

struct Connected {
    host: Arc<Host>,
    /// Between two questions that follow each other.
    held: Option<Commanding>,
}

impl Server for Connected {
    async fn ask(&mut self, pipeline: Pipeline) -> Result<Vec<RedisResult<Value>>, ConnectionError> {
        let Self { host, held } = self;
        let held = match held {
            Some(held) => held,
            none => none.insert(host.commanding().await?),
        };
        let usual = usual(&pipeline);
        tokio::select! {
            biased;
            answers = answers(pipeline, held.connection()) => answers,
            // Dropped when the answers come: what it opened meanwhile is closed again.
            _ = host.overtaken(usual) => Err(ConnectionError::Overtaken),
        }
    }

    fn discard(&mut self) {
        if let Some(commanding) = self.held.take() {
            commanding.discard();
        }
    }

    fn release(&mut self) {
        // Back into the pool: joins and leaves come and go.
        self.held = None;
    }
}

impl fmt::Debug for Connected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.host.fmt(f)
    }
}

pub(super) struct Memberships {
    shared: Arc<Shared>,
    /// Which of the servers this one is.
    index: usize,
    state: Mutex<State>,
    changed: Notify,
    /// The server was away, and answers again.
    back: Notify,
    settled: Notify,
}

#[derive(Default)]
struct State {
    /// To be looked at, each with those who wait for it. Bound: [`PENDING`], and the batch that is put back.
    dirty: IndexMap<Membership, Vec<Waiting>>,
    /// To be looked at when nothing else is: at most all memberships there are, put in at once.
    renewing: VecDeque<Membership>,
    /// Refused by Redis, to be looked at again at that time. Bound: [`PENDING`], and a batch.
    refused: Vec<Membership>,
    again: Option<Instant>,
    /// A batch is under way.
    writing: bool,
    /// It was told that no more leaves are kept.
    overflows: bool,
}

impl State {
    fn is_settled(&self) -> bool {
        self.dirty.is_empty() && self.renewing.is_empty() && !self.writing
    }

    /// One is not kept, which is told once.
    fn overflow(&mut self) {
        if !std::mem::replace(&mut self.overflows, true) {
            tracing::warn!(
                "too many leave while Redis is away, or refuses: memberships are left in it until they expire"
            );
        }
    }
}

impl Memberships {
    pub(super) fn new(shared: Arc<Shared>, index: usize) -> Self {
        let (changed, back, settled) = (Notify::new(), Notify::new(), Notify::new());
        Self { shared, index, state: Mutex::default(), changed, back, settled }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        #[cfg(test)]
        crate::support::point_before(&self.state);
        lock(&self.state)
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
    pub(super) fn mark_dirty(&self, group: GroupName, channel: ChannelName) {
        let mut state = self.lock();
        if state.dirty.len() < PENDING {
            state.dirty.entry((group, channel)).or_default();
            drop(state);
            self.changed.notify_one();
        } else {
            state.overflow();
        }
    }

    /// The server has just answered, and may have come back empty: looks at all memberships again, and at once.
    pub(super) fn on_reconnect(&self) {
        self.renew();
        self.back.notify_one();
    }

    /// Looks at all memberships again.
    fn renew(&self) {
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
        self.keep_trying(&mut Connected { host, held: None }).await;
    }

    async fn keep_trying(&self, redis: &mut impl Server) {
        let mut next_renewal = Instant::now();
        let mut backoff = Backoff::new();
        loop {
            let error = self.keep(redis, &mut next_renewal, &mut backoff).await;
            if backoff.is_fresh() {
                tracing::warn!(redis = ?redis, %error, "memberships could not be written to Redis; they will be");
            } else {
                tracing::debug!(redis = ?redis, %error, "memberships can still not be written to Redis");
            }
            tokio::select! {
                () = backoff.wait_after(&error) => {}
                // A notice that comes while nobody waits is kept, and costs a try.
                () = self.back.notified() => {}
            }
        }
    }

    /// Keeps Redis as the table is, until it cannot be asked; then what was under way is to be looked at again.
    async fn keep(
        &self,
        redis: &mut impl Server,
        next_renewal: &mut Instant,
        backoff: &mut Backoff,
    ) -> ConnectionError {
        let (shortest, longest) = PERIOD;
        let period = (self.shared.config.group_expiry / (RENEWALS + 1)).clamp(shortest, longest);
        loop {
            if *next_renewal <= Instant::now() {
                self.renew();
                *next_renewal += period;
            }
            let next_look = self.look_at_refused().unwrap_or(*next_renewal).min(*next_renewal);
            let Some(batch) = self.take() else {
                tokio::select! {
                    // Both may be dropped: a notification that nobody waits for is kept, and a point in time does not move.
                    () = self.changed.notified() => {}
                    () = tokio::time::sleep_until(next_look) => {}
                }
                continue;
            };
            let written = timeout(DEADLINE, self.write(redis, &batch)).await;
            match written.unwrap_or_else(|late| Err(late.into())) {
                Ok(refused) => {
                    backoff.reset();
                    for (group, error) in &refused {
                        // It is tried again, and until then must not hold the others up.
                        if self.shared.table.counters().count_refusal(group, error.code() == Some(WRONG_TYPE)) {
                            tracing::warn!(redis = ?redis, %group, %error, "Redis refuses the memberships of this group");
                        } else {
                            tracing::debug!(redis = ?redis, %group, %error, "Redis refuses the memberships of this group");
                        }
                    }
                    for ((group, channel), waiting) in batch {
                        let error = refused.get(&group);
                        for waiting in waiting {
                            _ = waiting.send(error.map_or(Ok(()), |error| Err(Arc::clone(error))));
                        }
                        // In somebody else's key there is no member, and none can be.
                        if error.is_some_and(|error| error.code() != Some(WRONG_TYPE)) {
                            self.keep_refused((group, channel));
                        }
                    }
                    self.lock().writing = false;
                }
                Err(error) => {
                    redis.discard();
                    self.put_back(batch);
                    return error;
                }
            }
            let mut state = self.lock();
            if state.is_settled() {
                state.overflows &= !state.refused.is_empty();
                drop(state);
                self.settled.notify_waiters();
                redis.release();
            }
        }
    }

    /// Not written, and not forgotten: whoever has left would stay a member until that expires.
    fn keep_refused(&self, membership: Membership) {
        let mut state = self.lock();
        if state.refused.len() < PENDING {
            state.refused.push(membership);
            state.again.get_or_insert_with(|| Instant::now() + AGAIN);
        } else {
            state.overflow();
        }
    }

    /// Looks at what was refused, if it is time, or else gives when it is.
    fn look_at_refused(&self) -> Option<Instant> {
        let mut state = self.lock();
        let again = state.again.filter(|again| *again > Instant::now());
        if again.is_none() {
            state.again = None;
            for membership in std::mem::take(&mut state.refused) {
                state.dirty.entry(membership).or_default();
            }
        }
        again
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
        redis: &mut impl Server,
        batch: &IndexMap<Membership, Vec<Waiting>>,
    ) -> Result<Refused, ConnectionError> {
        let (pipeline, groups) = self.pipeline(batch.keys());
        let asked = pipeline.len();
        let answers = redis.ask(pipeline).await?;
        let errors: Vec<_> =
            answers.into_iter().zip(groups).filter_map(|(answer, group)| Some((group, answer.err()?))).collect();
        // With everything refused nothing was done, and it is not one group that is at fault, but the server (a replica now,
        // still loading): unless all of these keys are somebody else's.
        let all = errors.len() == asked && errors.iter().any(|(_, error)| error.code() != Some(WRONG_TYPE));
        match errors.into_iter().map(|(group, error)| (group, Arc::new(error))).collect::<Refused>() {
            refused if !all => Ok(refused),
            refused => {
                Err(refused.into_values().next().map(ConnectionError::Refused).unwrap_or(ConnectionError::Closed))
            }
        }
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
        (pipeline, of)
    }
}

impl fmt::Debug for Memberships {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Memberships of server {}", self.index)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

    use deadpool_redis::redis::{Arg, make_extension_error};
    use futures_util::FutureExt;
    use shuttle::future::yield_now;

    use super::*;
    use crate::layer::config::LayerConfig;
    use crate::layer::delivery::{Delivery, Full, MailboxKind};
    use crate::layer::mailbox::Mailbox;
    use crate::layer::redis::codec::Codec;
    use crate::layer::redis::core::keys::Keys;
    use crate::layer::table::LocalTable;
    use crate::support::{explore, point};

    struct Nobody(ChannelName);

    impl Mailbox for Nobody {
        fn name(&self) -> &ChannelName {
            &self.0
        }

        fn kind(&self) -> &'static MailboxKind {
            const { &MailboxKind::of::<Self>(|_| Ok(Delivery::Nothing)) }
        }

        fn deliver(&self, _: &Delivery, _: Instant) -> Result<bool, Full> {
            Ok(true)
        }

        fn layer_closed(&self) {}
    }

    type Members = Arc<Mutex<BTreeSet<(String, String)>>>;

    /// Keeps sets as Redis does, and is lost now and then, before or behind a command.
    #[derive(Debug)]
    struct Sets {
        members: Members,
        /// Before which commands it is lost.
        losses: Vec<usize>,
        commands: usize,
    }

    impl Sets {
        fn members(&self) -> MutexGuard<'_, BTreeSet<(String, String)>> {
            self.members.lock().unwrap()
        }
    }

    impl Server for Sets {
        async fn ask(&mut self, pipeline: Pipeline) -> Result<Vec<RedisResult<Value>>, ConnectionError> {
            let mut answers = Vec::new();
            yield_now().await;
            for command in pipeline.cmd_iter() {
                self.commands += 1;
                if self.losses.contains(&self.commands) {
                    return Err(ConnectionError::Closed);
                }
                let words = command.args_iter().map(|word| match word {
                    Arg::Simple(word) => String::from_utf8(word.to_vec()).unwrap(),
                    _ => panic!("a word"),
                });
                let words: Vec<String> = words.collect();
                let group = words[1].clone();
                answers.push(match words[0].as_str() {
                    _ if group.ends_with("refused") => Err(make_extension_error(WRONG_TYPE.into(), None)),
                    "ZREM" => {
                        self.members().retain(|(of, member)| *of != group || !words[2..].contains(member));
                        Ok(Value::Okay)
                    }
                    "ZADD" => {
                        let members = words[2..].chunks(2).map(|pair| (group.clone(), pair[1].clone()));
                        self.members().extend(members);
                        Ok(Value::Okay)
                    }
                    "ZREMRANGEBYSCORE" | "EXPIRE" => Ok(Value::Okay),
                    other => panic!("{other}"),
                });
                yield_now().await;
            }
            Ok(answers)
        }
    }

    fn group(name: &str) -> GroupName {
        GroupName::new(name).unwrap()
    }

    fn memberships() -> Memberships {
        let config = LayerConfig::default();
        let shared = Shared {
            table: LocalTable::new("Redis"),
            codec: Codec::for_core(&config),
            keys: Keys::new(&config.prefix),
            config,
            servers: 1,
            process: "specific.0!".into(),
        };
        Memberships::new(Arc::new(shared), 0)
    }

    /// Comes into groups and goes again, in the ways in which channels do.
    async fn visit(memberships: Arc<Memberships>, redis: Members, number: usize) {
        let table = &memberships.shared.table;
        let channel = ChannelName::new(format!("specific.0!{number}")).unwrap();
        table.register(&(Arc::new(Nobody(channel.clone())) as Arc<dyn Mailbox>));
        for round in 0..2 {
            let room = group("room");
            point();
            table.add(&room, &channel).expect("it is here");
            memberships.written(&room, &channel).await.expect("it is a member");
            let written = (memberships.shared.keys.group(&room), channel.to_string());
            assert!(redis.lock().unwrap().contains(&written), "whoever was told that it joined is a member in Redis");
            // Gives up before it is told anything.
            let other = group("other");
            point();
            table.add(&other, &channel);
            _ = memberships.written(&other, &channel).now_or_never();
            if round == 0 {
                point();
                table.discard(&other, &channel);
                memberships.written(&other, &channel).await.expect("it is none any more");
                assert!(!redis.lock().unwrap().contains(&(memberships.shared.keys.group(&other), channel.to_string())));
                table.discard(&room, &channel);
                memberships.mark_dirty(room, channel.clone());
            }
        }
        let refused = group("refused");
        table.add(&refused, &channel);
        memberships.written(&refused, &channel).await.expect_err("Redis refuses it, and nothing else");
        table.discard(&refused, &channel);
        // The first one stays in what it has joined last.
        if number > 0 {
            point();
            for (group, _) in table.remove(&channel).expect("it is here") {
                memberships.mark_dirty(group, channel.clone());
            }
        }
    }

    fn meet(losses: &[usize]) {
        // Paused time: no deadline passes, so whoever waits in vain waits for ever.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let _inside = runtime.enter();
        let memberships = Arc::new(memberships());
        let redis = Members::default();
        let writing = shuttle::future::spawn({
            let memberships = Arc::clone(&memberships);
            let mut server = Sets { members: Arc::clone(&redis), losses: losses.to_vec(), commands: 0 };
            async move {
                let mut next_renewal = Instant::now();
                loop {
                    memberships.keep(&mut server, &mut next_renewal, &mut Backoff::new()).await;
                    yield_now().await;
                }
            }
        });
        let visitors =
            [0, 1, 2].map(|number| shuttle::future::spawn(visit(Arc::clone(&memberships), Arc::clone(&redis), number)));
        let renewing = shuttle::future::spawn({
            let memberships = Arc::clone(&memberships);
            async move {
                for _ in 0..3 {
                    memberships.renew();
                    yield_now().await;
                }
            }
        });
        shuttle::future::block_on(async {
            for visitor in visitors {
                visitor.await.unwrap();
            }
            renewing.await.unwrap();
            memberships.settled().await;
            let left = |group: &str| (format!("asgi:group:{group}"), "specific.0!0".to_owned());
            assert_eq!(*redis.lock().unwrap(), BTreeSet::from([left("other"), left("room")]));
            writing.abort();
            // It may be in the middle of a turn, which needs the runtime.
            _ = writing.await;
        });
    }

    /// A server that is away, until it is not.
    #[derive(Debug, Default)]
    struct Away {
        on_reconnect: Arc<AtomicBool>,
        asked: Arc<AtomicUsize>,
    }

    impl Server for Away {
        async fn ask(&mut self, pipeline: Pipeline) -> Result<Vec<RedisResult<Value>>, ConnectionError> {
            self.asked.fetch_add(1, Relaxed);
            if self.on_reconnect.load(Relaxed) {
                Ok(vec![Ok(Value::Okay); pipeline.len()])
            } else {
                Err(ConnectionError::Closed)
            }
        }
    }

    // Paused time: what is measured is what was slept.
    #[tokio::test(start_paused = true)]
    async fn whoever_waits_to_try_again_tries_when_the_server_is_back() {
        let memberships = Arc::new(memberships());
        let channel = ChannelName::new("specific.0!1").unwrap();
        let mailbox: Arc<dyn Mailbox> = Arc::new(Nobody(channel.clone()));
        memberships.shared.table.register(&mailbox);
        memberships.shared.table.add(&group("room"), &channel);
        let mut server = Away::default();
        let (on_reconnect, asked) = (Arc::clone(&server.on_reconnect), Arc::clone(&server.asked));
        let trying = tokio::spawn({
            let memberships = Arc::clone(&memberships);
            async move { memberships.keep_trying(&mut server).await }
        });
        while asked.load(Relaxed) < 20 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        on_reconnect.store(true, Relaxed);
        let begun = Instant::now();
        memberships.on_reconnect();
        memberships.settled().await;
        assert_eq!((begun.elapsed(), asked.load(Relaxed)), (Duration::ZERO, 21));
        trying.abort();
    }

    #[tokio::test]
    async fn what_waits_for_a_redis_that_is_away_is_bounded() {
        let memberships = memberships();
        let channel = |number: usize| ChannelName::new(format!("specific.0!{number}")).unwrap();
        for number in 0..PENDING + 10 {
            memberships.mark_dirty(group("room"), channel(number));
        }
        let refused = memberships.written(&group("room"), &channel(PENDING)).await.unwrap_err();
        assert!(matches!(refused, LayerError::Unavailable { .. }), "{refused}");
        let mut server = Away { on_reconnect: Arc::new(true.into()), ..Away::default() };
        {
            let state = memberships.lock();
            assert_eq!((state.dirty.len(), state.overflows), (PENDING, true));
        }
        tokio::select! {
            () = memberships.keep_trying(&mut server) => {}
            () = memberships.settled() => {}
        }
        assert!(!memberships.lock().overflows, "the next time it is told again");
    }

    #[tokio::test(start_paused = true)]
    async fn what_redis_refuses_is_bounded_and_that_is_told_once_until_it_is_written() {
        let memberships = memberships();
        let membership = |number: usize| (group("room"), ChannelName::new(format!("specific.0!{number}")).unwrap());
        for number in 0..PENDING + 10 {
            memberships.keep_refused(membership(number));
        }
        let mut server = Away { on_reconnect: Arc::new(true.into()), ..Away::default() };
        let (room, channel) = membership(PENDING + 10);
        memberships.mark_dirty(room, channel);
        for (passed, expected) in [(AGAIN / 2, (PENDING, true)), (AGAIN, (0, false))] {
            tokio::select! {
                () = memberships.keep_trying(&mut server) => {}
                () = tokio::time::sleep(passed) => {}
            }
            let state = memberships.lock();
            assert_eq!((state.refused.len(), state.overflows), expected);
        }
    }

    #[test]
    fn joins_and_leaves_meet_the_one_who_writes() {
        explore(|| meet(&[]));
    }

    #[test]
    fn joins_and_leaves_meet_a_lost_connection() {
        explore(|| meet(&[2, 3, 7, 12]));
    }
}

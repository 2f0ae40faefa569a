//! The subscriptions of this process on one Redis server: one connection, and the task that owns it.
//!
//! What should be subscribed is never told to the task; it is read from the table of local channels when the task gets to
//! it. Whoever changes the table only says which name to look at again. So a join and a leave that cross each other cannot
//! leave the wrong state behind, and after a lost connection everything is subscribed anew from the same source.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use deadpool_redis::redis::aio::PubSubSink;
use deadpool_redis::redis::{Msg, RedisError, RedisResult};
use futures_util::{FutureExt, Stream, StreamExt};
use indexmap::IndexSet;
use tokio::sync::{Notify, oneshot};
use tokio::time::{sleep, timeout};

use crate::error::LayerError;
use crate::layer::batching;
use crate::layer::redis::backoff::Backoff;
use crate::layer::redis::connection_error::{ConnectionError, unavailable};
use crate::layer::redis::host::{Host, USUAL};
use crate::layer::redis::limits::{DEADLINE, TURN};
use crate::support::lock;

/// How many names go into one SUBSCRIBE.
const BATCH: usize = 512;

/// How long the connection may say nothing before it is asked whether it is alive: a bus that is silent and one that is dead
/// look the same.
const PROBE: Duration = Duration::from_secs(1);

/// What the subscriber serves: the table's side of it.
pub(super) trait Topics: Send + Sync + 'static {
    /// What a message says about those that come behind it on the same connection.
    type Mark: Default + Send;

    /// Whether this name of Redis has to be subscribed, by the table as it is now.
    fn is_wanted(&self, topic: &str) -> bool;
    /// All names that have to be subscribed on this server, those first that a new connection has to hear first.
    fn wanted(&self) -> Vec<String>;
    /// A message came.
    fn arrived(&self, mark: &mut Self::Mark, topic: &str, body: Bytes);
    /// Messages may be missed from now on.
    fn lost(&self);
    /// No longer: all that is wanted is subscribed.
    fn restored(&self);
}

/// Where subscriptions are made: a connection, or what stands for one in a test.
trait Subscribing: Send {
    fn subscribe(&mut self, topics: &[String]) -> impl Future<Output = RedisResult<()>> + Send;
    fn unsubscribe(&mut self, topics: &[String]) -> impl Future<Output = RedisResult<()>> + Send;
    fn ping(&mut self) -> impl Future<Output = RedisResult<()>> + Send;
}

impl Subscribing for PubSubSink {
    async fn subscribe(&mut self, topics: &[String]) -> RedisResult<()> {
        Self::subscribe(self, topics).await
    }

    async fn unsubscribe(&mut self, topics: &[String]) -> RedisResult<()> {
        Self::unsubscribe(self, topics).await
    }

    async fn ping(&mut self) -> RedisResult<()> {
        Self::ping::<Vec<String>>(self).await.map(drop)
    }
}

/// Who waits until a name is subscribed, and is told if Redis refuses it.
type Waiting = oneshot::Sender<Result<(), Arc<RedisError>>>;

/// What Redis says to somebody who may not.
const REFUSED: &str = "NOPERM";

/// The subscriptions of one server.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Names to look at again, each once. Bound: the names that changed since the task last took them all, which it does
    /// once in a round trip; while Redis is away, since the last try to reach it.
    dirty: IndexSet<String>,
    confirmed: HashSet<String>,
    waiting: HashMap<String, Vec<Waiting>>,
    closed: bool,
    /// The connection is lost, or not everything is subscribed again yet.
    lost: bool,
}

impl Subscriptions {
    fn lock(&self) -> MutexGuard<'_, State> {
        #[cfg(test)]
        crate::support::point_before(&self.state);
        lock(&self.state)
    }

    /// Waits until a name that the table wants is subscribed.
    ///
    /// # Cancel safety
    /// The table decides, not the waiting: a dropped future changes nothing.
    pub(super) async fn confirmed(&self, topic: String) -> Result<(), LayerError> {
        let confirmed = {
            let mut state = self.lock();
            if state.closed {
                return Err(LayerError::Closed);
            }
            if state.confirmed.contains(&topic) {
                return Ok(());
            }
            let (tx, rx) = oneshot::channel();
            state.dirty.insert(topic.clone());
            state.waiting.entry(topic).or_default().push(tx);
            rx
        };
        self.changed.notify_one();
        match timeout(DEADLINE, confirmed).await {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(error))) => Err(unavailable("SUBSCRIBE", error)),
            Ok(Err(_)) => Err(LayerError::Closed),
            Err(late) => Err(unavailable("SUBSCRIBE", late)),
        }
    }

    /// The table has changed: look at this name again.
    pub(super) fn mark_dirty(&self, topic: String) {
        self.lock().dirty.insert(topic);
        self.changed.notify_one();
    }

    /// The connection is lost, or could not be made. The next one begins with all that the table wants, so nothing needs to
    /// be kept for it but those who still wait. Gives whether this is the beginning of a gap.
    fn lost(&self) -> bool {
        let state = &mut *self.lock();
        state.confirmed.clear();
        state.dirty.clear();
        state.waiting.retain(|_, waiting| {
            waiting.retain(|waiting| !waiting.is_closed());
            !waiting.is_empty()
        });
        !std::mem::replace(&mut state.lost, true)
    }

    /// Nobody will be told any more.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.waiting.clear();
    }

    /// Works until it is dropped: connects, subscribes what the table wants, hands messages on; and again, when the
    /// connection is lost.
    pub(super) async fn run(self: Arc<Self>, host: Arc<Host>, topics: Arc<impl Topics>) {
        let mut backoff = Backoff::new();
        loop {
            let Err(error) = self.connected(&host, &*topics, &mut backoff).await;
            if self.lost() {
                tracing::warn!(redis = ?host, %error, "the subscriptions in Redis are lost; what is sent meanwhile does not arrive here");
                topics.lost();
            } else {
                tracing::debug!(redis = ?host, %error, "the subscriptions in Redis are still lost");
            }
            host.forget_idle();
            backoff.wait_after(&error).await;
        }
    }

    async fn connected(
        &self,
        host: &Host,
        topics: &impl Topics,
        backoff: &mut Backoff,
    ) -> Result<std::convert::Infallible, ConnectionError> {
        let connection = host.subscribing().await?;
        let (sink, stream) = connection.split();
        self.begin(topics);
        let heard = AtomicBool::default();
        // Three loops that end only with an error; then the connection is over, so dropping the others loses nothing.
        tokio::select! {
            error = self.subscribe(sink.clone(), topics, backoff) => Err(error),
            error = probe(sink, &heard, || host.overtaken(USUAL).map(drop)) => Err(error),
            () = batching::batched(read(stream, topics, &heard)) => Err(ConnectionError::Closed),
        }
    }

    /// A new connection has nothing yet.
    fn begin(&self, topics: &impl Topics) {
        // Added to what waits already: a name that was joined while the table was read must not get lost.
        let wanted = topics.wanted();
        let state = &mut *self.lock();
        let dirty = std::mem::take(&mut state.dirty);
        state.dirty.extend(wanted);
        state.dirty.extend(dirty);
        state.dirty.extend(state.waiting.keys().cloned());
    }

    /// What has to be subscribed and unsubscribed by now.
    fn changes(&self, topics: &impl Topics) -> (Vec<String>, Vec<String>) {
        let state = &mut *self.lock();
        let (mut add, mut remove) = (Vec::new(), Vec::new());
        for topic in state.dirty.drain(..) {
            // Decided and noted under one lock: who joins after this line finds the name unconfirmed, and waits.
            match (topics.is_wanted(&topic), state.confirmed.contains(&topic)) {
                (true, false) => add.push(topic),
                (false, true) => {
                    state.confirmed.remove(&topic);
                    remove.push(topic);
                }
                (false, false) => _ = state.waiting.remove(&topic),
                (true, true) => {
                    for waiting in state.waiting.remove(&topic).into_iter().flatten() {
                        _ = waiting.send(Ok(()));
                    }
                }
            }
        }
        (add, remove)
    }

    /// Redis has these now.
    fn subscribed(&self, batch: &[String]) {
        let mut state = self.lock();
        for topic in batch {
            state.confirmed.insert(topic.clone());
            for waiting in state.waiting.remove(topic).into_iter().flatten() {
                _ = waiting.send(Ok(()));
            }
        }
    }

    /// All is subscribed that has to be, but for what was joined since: what Redis refuses now is a name, and not this process.
    fn is_whole(&self) -> bool {
        let state = self.lock();
        !state.lost && !state.confirmed.is_empty()
    }

    /// Redis refuses a batch as a whole. What it takes of it is subscribed, and whoever waits for the rest is told.
    async fn subscribe_each(&self, sink: &mut impl Subscribing, batch: &[String]) -> Result<(), ConnectionError> {
        for topic in batch {
            match answered(sink.subscribe(std::slice::from_ref(topic))).await {
                Ok(()) => self.subscribed(std::slice::from_ref(topic)),
                Err(ConnectionError::Redis(error)) if error.code() == Some(REFUSED) => {
                    let error = Arc::new(error);
                    for waiting in self.lock().waiting.remove(topic).into_iter().flatten() {
                        _ = waiting.send(Err(Arc::clone(&error)));
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Brings Redis to what the table wants, whenever something changed.
    async fn subscribe(
        &self,
        mut sink: impl Subscribing,
        topics: &impl Topics,
        backoff: &mut Backoff,
    ) -> ConnectionError {
        loop {
            let (add, remove) = self.changes(topics);
            for batch in remove.chunks(BATCH) {
                if let Err(error) = answered(sink.unsubscribe(batch)).await {
                    return error;
                }
            }
            for batch in add.chunks(BATCH) {
                match answered(sink.subscribe(batch)).await {
                    Ok(()) => self.subscribed(batch),
                    Err(ConnectionError::Redis(error)) if error.code() == Some(REFUSED) && self.is_whole() => {
                        if let Err(error) = self.subscribe_each(&mut sink, batch).await {
                            return error;
                        }
                    }
                    Err(error) => return error,
                }
            }
            backoff.reset();
            let was_lost = std::mem::take(&mut self.lock().lost);
            if was_lost {
                tracing::info!("the subscriptions in Redis work again");
                topics.restored();
            }
            self.changed.notified().await;
        }
    }
}

/// Hands on what comes, until the connection ends.
async fn read(mut stream: impl Stream<Item = Msg> + Unpin, topics: &impl Topics, heard: &AtomicBool) {
    let mut turn = 0;
    let mut mark = Default::default();
    let mut next = stream.next().await;
    while let Some(message) = next {
        heard.store(true, Relaxed);
        turn += 1;
        let pauses = turn % TURN == 0;
        // What is here already is handled together with this.
        let following = stream.next().now_or_never();
        let more = !pauses && matches!(following, Some(Some(_)));
        batching::more_follows(more);
        topics.arrived(&mut mark, message.get_channel_name(), Bytes::copy_from_slice(message.get_payload_bytes()));
        if pauses {
            tokio::task::yield_now().await;
        }
        next = match following {
            Some(following) => following,
            None => stream.next().await,
        };
    }
}

/// Asks a connection that says nothing whether it is alive, until it is not: it has no answer within the deadline, or none
/// where a new connection has been answered (`overtaken`). Whatever it says meanwhile is an answer, too: what has to come
/// before the answer to a PING may be long.
async fn probe<F: Future<Output = ()>>(
    mut sink: impl Subscribing,
    heard: &AtomicBool,
    overtaken: impl Fn() -> F,
) -> ConnectionError {
    loop {
        sleep(PROBE).await;
        if heard.swap(false, Relaxed) {
            continue;
        }
        let lost = tokio::select! {
            biased;
            answer = answered(sink.ping()) => match answer {
                Ok(()) => continue,
                Err(lost) => lost,
            },
            // Dropped when the answer comes: what it opened meanwhile is closed again.
            () = overtaken() => ConnectionError::Overtaken,
        };
        if matches!(lost, ConnectionError::Redis(_)) || !heard.load(Relaxed) {
            return lost;
        }
    }
}

async fn answered<T>(command: impl Future<Output = RedisResult<T>>) -> Result<T, ConnectionError> {
    Ok(timeout(DEADLINE, command).await??)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::future::pending;
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    use deadpool_redis::redis::Value;
    use proptest::prelude::*;
    use shuttle::future::yield_now;
    use tokio::time::Instant;

    use super::*;
    use crate::codec::{Envelope, Format};
    use crate::layer::handle::ChannelLayer;
    use crate::name::GroupName;
    use crate::support::{explore, point};

    #[derive(Default)]
    struct Table(Mutex<BTreeSet<String>>);

    impl Topics for Table {
        type Mark = ();

        fn is_wanted(&self, topic: &str) -> bool {
            self.0.lock().unwrap().contains(topic)
        }

        fn wanted(&self) -> Vec<String> {
            self.0.lock().unwrap().iter().cloned().collect()
        }

        fn lost(&self) {}

        fn restored(&self) {}

        fn arrived(&self, (): &mut (), _: &str, _: Bytes) {}
    }

    /// Hands what comes by the name of a group to its members.
    struct Members(ChannelLayer);

    impl Topics for Members {
        type Mark = ();

        fn is_wanted(&self, _: &str) -> bool {
            true
        }

        fn wanted(&self) -> Vec<String> {
            Vec::new()
        }

        fn lost(&self) {}

        fn restored(&self) {}

        fn arrived(&self, (): &mut (), topic: &str, body: Bytes) {
            if topic == GROUP {
                let envelope = Envelope::from_wire(body, Format::Json).unwrap();
                self.0.backend().table().group_send(&GroupName::new(topic).unwrap(), &envelope);
            }
        }
    }

    const GROUP: &str = "group";

    #[tokio::test]
    async fn what_waits_for_more_is_handed_over_when_the_line_ends_on_what_is_for_no_group() {
        let message = |topic: &str| {
            let parts = ["message", topic, r#"{"type": "a"}"#];
            let parts = parts.map(|part| Value::BulkString(part.into()));
            Msg::from_owned_value(Value::Array(parts.into())).unwrap()
        };
        for (line, expected) in [
            (&[GROUP, "elsewhere"][..], 1),
            (&[GROUP, GROUP, "elsewhere"], 2),
            (&["elsewhere", GROUP], 1),
            (&[GROUP, "elsewhere", GROUP, "elsewhere", "elsewhere"], 2),
        ] {
            let layer = ChannelLayer::in_memory();
            let channel = layer.new_channel().await.unwrap();
            layer.backend().table().add(&GroupName::new(GROUP).unwrap(), channel.name()).unwrap();
            let line = futures_util::stream::iter(line.iter().map(|topic| message(topic)));
            batching::batched(read(line, &Members(layer), &AtomicBool::default())).await;
            let received = std::iter::from_fn(|| channel.try_receive()).count();
            assert_eq!(received, expected);
        }
    }

    #[derive(Debug, Clone)]
    enum Call {
        Join(usize),
        Leave(usize),
        /// Whoever waits the longest goes away.
        Cancel,
        /// The task looks at what has changed, and asks Redis.
        Look,
        /// Redis answers what it was asked first.
        Answer,
        /// The connection is lost, and the next one made.
        Lose,
    }

    fn calls() -> impl Strategy<Value = Vec<Call>> {
        let call = prop_oneof![
            5 => (0..4_usize).prop_map(Call::Join),
            4 => (0..4_usize).prop_map(Call::Leave),
            1 => Just(Call::Cancel),
            4 => Just(Call::Look),
            6 => Just(Call::Answer),
            1 => Just(Call::Lose),
        ];
        prop::collection::vec(call, 0..80)
    }

    type Joining = (String, Pin<Box<dyn Future<Output = Result<(), LayerError>>>>);

    /// A Redis that does what it is asked, in order, and the one task that asks.
    #[derive(Default)]
    struct Redis {
        subscribed: BTreeSet<String>,
        /// To do, one after the other; the task looks again only when all is done.
        asked: std::collections::VecDeque<(bool, String)>,
    }

    impl Redis {
        fn look(&mut self, subscriptions: &Subscriptions, table: &Table) {
            if self.asked.is_empty() {
                let (add, remove) = subscriptions.changes(table);
                self.asked.extend(remove.into_iter().map(|topic| (false, topic)));
                self.asked.extend(add.into_iter().map(|topic| (true, topic)));
            }
        }

        fn answer(&mut self, subscriptions: &Subscriptions) {
            match self.asked.pop_front() {
                Some((true, topic)) => {
                    self.subscribed.insert(topic.clone());
                    subscriptions.subscribed(&[topic]);
                }
                Some((false, topic)) => _ = self.subscribed.remove(&topic),
                None => {}
            }
        }
    }

    fn poll(joining: &mut Vec<Joining>, table: &Table, redis: &Redis) {
        let mut task = Context::from_waker(Waker::noop());
        joining.retain_mut(|(topic, joined)| match joined.as_mut().poll(&mut task) {
            Poll::Pending => true,
            Poll::Ready(Ok(())) => {
                // Told so while it is still a member, it hears everything from now on.
                assert!(!table.is_wanted(topic) || redis.subscribed.contains(topic), "{topic} is not subscribed");
                false
            }
            Poll::Ready(Err(error)) => {
                assert!(!table.is_wanted(topic), "{topic}: {error}");
                false
            }
        });
    }

    fn run(calls: Vec<Call>) {
        // Paused time: no deadline passes.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let _inside = runtime.enter();
        let (subscriptions, table, mut redis) = (Arc::<Subscriptions>::default(), Table::default(), Redis::default());
        let mut joining: Vec<Joining> = Vec::new();
        for call in calls {
            match call {
                Call::Join(at) => {
                    let topic = format!("group-{at}");
                    // Here first, then there.
                    table.0.lock().unwrap().insert(topic.clone());
                    let (this, of) = (Arc::clone(&subscriptions), topic.clone());
                    joining.push((topic, Box::pin(async move { this.confirmed(of).await })));
                }
                Call::Leave(at) => {
                    let topic = format!("group-{at}");
                    if table.0.lock().unwrap().remove(&topic) {
                        subscriptions.mark_dirty(topic);
                    }
                }
                Call::Cancel if joining.is_empty() => {}
                Call::Cancel => _ = joining.remove(0),
                Call::Look => redis.look(&subscriptions, &table),
                Call::Answer => redis.answer(&subscriptions),
                Call::Lose => {
                    redis = Redis::default();
                    subscriptions.lost();
                    subscriptions.begin(&table);
                }
            }
            poll(&mut joining, &table, &redis);
        }
        // The task goes on until there is nothing left to do.
        for _ in 0..100 {
            redis.look(&subscriptions, &table);
            redis.answer(&subscriptions);
            poll(&mut joining, &table, &redis);
        }
        assert_eq!(redis.subscribed, *table.0.lock().unwrap(), "Redis has what the table wants");
        assert!(joining.is_empty(), "nobody waits for ever");
        let state = subscriptions.lock();
        assert!(state.dirty.is_empty() && state.waiting.is_empty(), "nothing is kept: {state:?}");
        assert_eq!(state.confirmed, redis.subscribed.iter().cloned().collect::<HashSet<_>>());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 500, ..ProptestConfig::default() })]

        #[test]
        fn redis_comes_to_what_the_table_wants_in_any_order_of_events(calls in calls()) {
            run(calls);
        }
    }

    #[tokio::test]
    async fn what_waits_for_a_redis_that_is_away_is_bounded() {
        let subscriptions = Subscriptions::default();
        let mut task = Context::from_waker(Waker::noop());
        let waits = Box::pin(subscriptions.confirmed("asgi.waits".into()));
        let mut waits = waits;
        assert!(waits.as_mut().poll(&mut task).is_pending());
        for attempt in 0..1000 {
            let mut gone = Box::pin(subscriptions.confirmed(format!("asgi.{attempt}")));
            assert!(gone.as_mut().poll(&mut task).is_pending());
            drop(gone);
            subscriptions.mark_dirty(format!("asgi.{attempt}"));
        }
        subscriptions.lost();
        let state = subscriptions.lock();
        assert_eq!((state.dirty.len(), state.waiting.len()), (0, 1), "only the one who still waits");
    }

    /// A connection that answers a PING so many times, and then goes silent.
    struct Answers(usize);

    impl Subscribing for Answers {
        async fn subscribe(&mut self, _: &[String]) -> RedisResult<()> {
            pending().await
        }

        async fn unsubscribe(&mut self, _: &[String]) -> RedisResult<()> {
            pending().await
        }

        async fn ping(&mut self) -> RedisResult<()> {
            match self.0.checked_sub(1) {
                Some(left) => self.0 = left,
                None => pending().await,
            }
            Ok(())
        }
    }

    // Paused time: what is measured is what was slept.
    #[tokio::test(start_paused = true)]
    async fn a_silent_line_is_found_out_and_one_that_speaks_is_left_alone() {
        let (heard, begun) = (AtomicBool::default(), Instant::now());
        // Nothing comes through at all.
        let lost = probe(Answers(0), &heard, pending).await;
        assert!(matches!(lost, ConnectionError::Late(_)), "{lost}");
        assert_eq!(begun.elapsed(), PROBE + DEADLINE);

        // It was asked ten times, and forgotten then; whoever knocks anew is answered.
        let begun = Instant::now();
        let lost = probe(Answers(10), &heard, || sleep(USUAL)).await;
        assert!(matches!(lost, ConnectionError::Overtaken), "{lost}");
        assert_eq!(begun.elapsed(), 11 * PROBE + USUAL);

        // So much is under way that the answer comes late, or never.
        let begun = Instant::now();
        let speaks = async {
            for _ in 0..1000 {
                sleep(PROBE + USUAL / 3).await;
                heard.store(true, Relaxed);
            }
        };
        tokio::select! {
            lost = probe(Answers(0), &heard, || sleep(USUAL)) => panic!("{lost}"),
            () = speaks => {}
        }
        assert_eq!(begun.elapsed(), (PROBE + USUAL / 3) * 1000);
    }

    /// Who is in which group, and what Redis sends of them: both as several tasks see them at once.
    #[derive(Default)]
    struct Shared {
        members: Mutex<BTreeSet<(String, usize)>>,
        redis: Mutex<BTreeSet<String>>,
        /// How often the connection was lost.
        losses: Mutex<usize>,
    }

    impl Topics for Arc<Shared> {
        type Mark = ();

        fn is_wanted(&self, topic: &str) -> bool {
            self.members.lock().unwrap().iter().any(|(of, _)| of == topic)
        }

        fn wanted(&self) -> Vec<String> {
            point();
            self.members.lock().unwrap().iter().map(|(topic, _)| topic.clone()).collect()
        }

        fn lost(&self) {}

        fn restored(&self) {}

        fn arrived(&self, (): &mut (), _: &str, _: Bytes) {}
    }

    impl Subscribing for Arc<Shared> {
        async fn subscribe(&mut self, topics: &[String]) -> RedisResult<()> {
            yield_now().await;
            self.redis.lock().unwrap().extend(topics.iter().cloned());
            yield_now().await;
            Ok(())
        }

        async fn unsubscribe(&mut self, topics: &[String]) -> RedisResult<()> {
            yield_now().await;
            self.redis.lock().unwrap().retain(|topic| !topics.contains(topic));
            yield_now().await;
            Ok(())
        }

        async fn ping(&mut self) -> RedisResult<()> {
            Ok(())
        }
    }

    /// Comes into a group, and goes again if it does not stay.
    async fn visit(subscriptions: Arc<Subscriptions>, shared: Arc<Shared>, topic: &str, member: usize, stays: bool) {
        let membership = (topic.to_owned(), member);
        point();
        shared.members.lock().unwrap().insert(membership.clone());
        point();
        let before = *shared.losses.lock().unwrap();
        subscriptions.confirmed(topic.into()).await.expect("it is a member");
        // From now on it hears everything, until the connection is lost or it goes.
        for _ in 0..3 {
            let heard = shared.redis.lock().unwrap().contains(topic);
            assert!(heard || before != *shared.losses.lock().unwrap(), "{topic} is not subscribed for {member}");
            point();
        }
        if !stays {
            point();
            shared.members.lock().unwrap().remove(&membership);
            if !shared.is_wanted(topic) {
                subscriptions.mark_dirty(topic.into());
            }
        }
    }

    fn meet(loses: bool) {
        // Paused time: no deadline passes, so whoever waits in vain waits for ever.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let _inside = runtime.enter();
        let (subscriptions, shared) = (Arc::<Subscriptions>::default(), Arc::<Shared>::default());
        let (lose, lost) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let subscribing = shuttle::future::spawn({
            let (subscriptions, shared) = (Arc::clone(&subscriptions), Arc::clone(&shared));
            let (lose, lost) = (Arc::clone(&lose), Arc::clone(&lost));
            async move {
                loop {
                    subscriptions.begin(&shared);
                    let mut backoff = Backoff::new();
                    tokio::select! {
                        biased;
                        () = lose.notified() => {}
                        _ = subscriptions.subscribe(Arc::clone(&shared), &shared, &mut backoff) => {}
                    }
                    subscriptions.lost();
                    // Nobody comes between these: a connection is lost when that is found out.
                    *shared.losses.lock().unwrap() += 1;
                    shared.redis.lock().unwrap().clear();
                    lost.notify_one();
                }
            }
        });
        let visitors = [("both", 1, false), ("both", 2, true), ("gone", 3, false)];
        let visitors = visitors.map(|(topic, member, stays)| {
            let (subscriptions, shared) = (Arc::clone(&subscriptions), Arc::clone(&shared));
            shuttle::future::spawn(async move {
                for stays in [false, false, stays] {
                    visit(Arc::clone(&subscriptions), Arc::clone(&shared), topic, member, stays).await;
                }
            })
        });
        shuttle::future::block_on(async {
            if loses {
                point();
                lose.notify_one();
                lost.notified().await;
            }
            for visitor in visitors {
                visitor.await.unwrap();
            }
            // When this one is in, what was to look at before it is done.
            visit(Arc::clone(&subscriptions), Arc::clone(&shared), "last", 4, true).await;
            let wanted = BTreeSet::from(["both".to_owned(), "last".to_owned()]);
            assert_eq!(*shared.redis.lock().unwrap(), wanted);
            subscribing.abort();
        });
    }

    #[test]
    fn joins_and_leaves_meet_the_one_who_subscribes() {
        explore(|| meet(false));
    }

    #[test]
    fn joins_and_leaves_meet_a_lost_connection() {
        explore(|| meet(true));
    }
}

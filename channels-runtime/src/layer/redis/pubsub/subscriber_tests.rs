//! Tests of the subscriber: a model in any order of events, interleaved tasks, and bounds.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use deadpool_redis::redis::RedisResult;
use proptest::prelude::*;
use shuttle::future::yield_now;
use tokio::sync::Notify;

use crate::error::LayerError;
use crate::layer::redis::connection_error::ConnectionError;
use crate::layer::redis::pubsub::subscriber::subscribe;
use crate::layer::redis::pubsub::subscription_sink::SubscriptionSink;
use crate::layer::redis::pubsub::subscriptions::Subscriptions;
use crate::layer::redis::pubsub::topics::Topics;
use crate::layer::redis::reconnect_backoff::ReconnectBackoff;
use crate::support::{explore, point};

#[derive(Default)]
struct Table(Mutex<BTreeSet<String>>);

impl Topics for Table {
    type ReadState = ();

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

#[derive(Debug, Clone)]
enum Call {
    Join(usize),
    Leave(usize),
    /// Drops the oldest waiting join.
    Cancel,
    /// The task takes the changes, and sends commands for them.
    Take,
    /// Redis executes the oldest command.
    Execute,
    /// The connection is lost, and the next one connects.
    Lose,
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let call = prop_oneof![
        5 => (0..4_usize).prop_map(Call::Join),
        4 => (0..4_usize).prop_map(Call::Leave),
        1 => Just(Call::Cancel),
        4 => Just(Call::Take),
        6 => Just(Call::Execute),
        1 => Just(Call::Lose),
    ];
    prop::collection::vec(call, 0..80)
}

type Joining = (String, Pin<Box<dyn Future<Output = Result<(), LayerError>>>>);

/// A model of Redis, which executes commands in order, and of the subscriber.
#[derive(Default)]
struct Redis {
    subscribed: BTreeSet<String>,
    /// The commands in flight: whether to subscribe or to unsubscribe, and the topic. The subscriber takes changes only when no
    /// command is in flight.
    commands: VecDeque<(bool, String)>,
}

impl Redis {
    fn take(&mut self, subscriptions: &Subscriptions, table: &Table) {
        if self.commands.is_empty() {
            let (add, remove) = subscriptions.take_changes(table);
            self.commands.extend(remove.into_iter().map(|topic| (false, topic)));
            self.commands.extend(add.into_iter().map(|topic| (true, topic)));
        }
    }

    fn execute(&mut self, subscriptions: &Subscriptions) {
        match self.commands.pop_front() {
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
            // A confirmed member receives everything from now on.
            assert!(!table.is_wanted(topic) || redis.subscribed.contains(topic), "{topic} is not subscribed");
            false
        }
        Poll::Ready(Err(error)) => {
            assert!(!table.is_wanted(topic), "{topic}: {error}");
            false
        }
    });
}

fn check(calls: Vec<Call>) {
    // Paused time: no deadline passes.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let _inside = runtime.enter();
    let (subscriptions, table, mut redis) = (Arc::<Subscriptions>::default(), Table::default(), Redis::default());
    let mut joining: Vec<Joining> = Vec::new();
    for call in calls {
        match call {
            Call::Join(index) => {
                let topic = format!("group-{index}");
                // The table first, then Redis.
                table.0.lock().unwrap().insert(topic.clone());
                let (subscriptions, confirmed) = (Arc::clone(&subscriptions), topic.clone());
                joining.push((topic, Box::pin(async move { subscriptions.confirmed(confirmed).await })));
            }
            Call::Leave(index) => {
                let topic = format!("group-{index}");
                if table.0.lock().unwrap().remove(&topic) {
                    subscriptions.mark_dirty(topic);
                }
            }
            Call::Cancel if joining.is_empty() => {}
            Call::Cancel => _ = joining.remove(0),
            Call::Take => redis.take(&subscriptions, &table),
            Call::Execute => redis.execute(&subscriptions),
            Call::Lose => {
                redis = Redis::default();
                subscriptions.lost(&Arc::new(ConnectionError::Closed));
                subscriptions.connected(&table);
            }
        }
        poll(&mut joining, &table, &redis);
    }
    // The subscriber continues until no change is left.
    for _ in 0..100 {
        redis.take(&subscriptions, &table);
        redis.execute(&subscriptions);
        poll(&mut joining, &table, &redis);
    }
    assert_eq!(redis.subscribed, *table.0.lock().unwrap(), "Redis has the topics that the table wants");
    assert!(joining.is_empty(), "every join ends");
    let state = subscriptions.lock();
    assert!(state.reconciler.is_settled(), "nothing is kept: {state:?}");
    assert_eq!(state.confirmed, redis.subscribed.iter().cloned().collect::<HashSet<_>>());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn subscriptions_match_table_in_any_order_of_events(calls in calls()) {
        check(calls);
    }
}

#[tokio::test]
async fn lost_connection_keeps_only_awaited_topics() {
    let subscriptions = Subscriptions::default();
    let mut task = Context::from_waker(Waker::noop());
    let mut waiting = Box::pin(subscriptions.confirmed("asgi.waiting".into()));
    assert!(waiting.as_mut().poll(&mut task).is_pending());
    for attempt in 0..1000 {
        let mut cancelled = Box::pin(subscriptions.confirmed(format!("asgi.{attempt}")));
        assert!(cancelled.as_mut().poll(&mut task).is_pending());
        drop(cancelled);
        subscriptions.mark_dirty(format!("asgi.{attempt}"));
    }
    subscriptions.lost(&Arc::new(ConnectionError::Closed));
    let mut state = subscriptions.lock();
    assert_eq!(state.reconciler.take_batch(usize::MAX), ["asgi.waiting"], "only the topic that a caller waits for");
}

/// The members of groups, and the subscriptions in Redis, for concurrent tasks.
#[derive(Default)]
struct Network {
    members: Mutex<BTreeSet<(String, usize)>>,
    redis: Mutex<BTreeSet<String>>,
    /// The number of lost connections.
    losses: Mutex<usize>,
}

impl Topics for Arc<Network> {
    type ReadState = ();

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

impl SubscriptionSink for Arc<Network> {
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

/// Joins a group, and leaves it unless the member stays.
async fn join(subscriptions: Arc<Subscriptions>, network: Arc<Network>, topic: &str, member: usize, stays: bool) {
    let membership = (topic.to_owned(), member);
    point();
    network.members.lock().unwrap().insert(membership.clone());
    point();
    let before = *network.losses.lock().unwrap();
    subscriptions.confirmed(topic.into()).await.expect("the join is confirmed");
    // From now on it receives everything, until the connection is lost or it leaves.
    for _ in 0..3 {
        let subscribed = network.redis.lock().unwrap().contains(topic);
        assert!(subscribed || before != *network.losses.lock().unwrap(), "{topic} is not subscribed for {member}");
        point();
    }
    if !stays {
        point();
        network.members.lock().unwrap().remove(&membership);
        if !network.is_wanted(topic) {
            subscriptions.mark_dirty(topic.into());
        }
    }
}

fn interleave(loses: bool) {
    // Paused time: no deadline passes, so a wait without an end is a deadlock.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let _inside = runtime.enter();
    let (subscriptions, network) = (Arc::<Subscriptions>::default(), Arc::<Network>::default());
    let (lose, lost) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let subscribing = shuttle::future::spawn({
        let (subscriptions, network) = (Arc::clone(&subscriptions), Arc::clone(&network));
        let (lose, lost) = (Arc::clone(&lose), Arc::clone(&lost));
        async move {
            loop {
                subscriptions.connected(&network);
                let mut backoff = ReconnectBackoff::new();
                tokio::select! {
                    biased;
                    () = lose.notified() => {}
                    _ = subscribe(&subscriptions, Arc::clone(&network), &network, &mut backoff) => {}
                }
                subscriptions.lost(&Arc::new(ConnectionError::Closed));
                // No other task runs between these: a connection is lost when its loss is detected.
                *network.losses.lock().unwrap() += 1;
                network.redis.lock().unwrap().clear();
                lost.notify_one();
            }
        }
    });
    let members = [("both", 1, false), ("both", 2, true), ("left", 3, false)];
    let members = members.map(|(topic, member, stays)| {
        let (subscriptions, network) = (Arc::clone(&subscriptions), Arc::clone(&network));
        shuttle::future::spawn(async move {
            for stays in [false, false, stays] {
                join(Arc::clone(&subscriptions), Arc::clone(&network), topic, member, stays).await;
            }
        })
    });
    shuttle::future::block_on(async {
        if loses {
            point();
            lose.notify_one();
            lost.notified().await;
        }
        for member in members {
            member.await.unwrap();
        }
        // When this join is confirmed, all earlier changes are written.
        join(Arc::clone(&subscriptions), Arc::clone(&network), "last", 4, true).await;
        let wanted = BTreeSet::from(["both".to_owned(), "last".to_owned()]);
        assert_eq!(*network.redis.lock().unwrap(), wanted);
        subscribing.abort();
    });
}

#[test]
fn interleaved_joins_and_leaves_reach_redis() {
    explore(|| interleave(false));
}

#[test]
fn interleaved_joins_and_leaves_reach_redis_after_lost_connection() {
    explore(|| interleave(true));
}

//! Tests of the memberships: interleaved joins and leaves, lost connections, and bounds.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use deadpool_redis::redis::{Arg, Pipeline, RedisResult, Value, make_extension_error};
use futures_util::FutureExt;
use shuttle::future::yield_now;
use tokio::time::Instant;

use crate::error::LayerError;
use crate::layer::config::LayerConfig;
use crate::layer::delivery::{Delivery, Full, MailboxKind};
use crate::layer::local_table::LocalTable;
use crate::layer::mailbox::Mailbox;
use crate::layer::redis::codec::Codec;
use crate::layer::redis::connection_error::{ConnectionError, WRONG_TYPE};
use crate::layer::redis::core::keys::Keys;
use crate::layer::redis::core::memberships::{MembershipServer, Memberships, PENDING, RETRY_REFUSED};
use crate::layer::redis::core::state::CoreState;
use crate::layer::redis::reconnect_backoff::ReconnectBackoff;
use crate::name::{ChannelName, GroupName};
use crate::support::{explore, point};

/// A mailbox that ignores its messages.
struct Ignore(ChannelName);

impl Mailbox for Ignore {
    fn name(&self) -> &ChannelName {
        &self.0
    }

    fn kind(&self) -> &'static MailboxKind {
        const { &MailboxKind::of::<Self>(|_, _| Ok(Delivery::Nothing)) }
    }

    fn deliver(&self, _: &Delivery, _: Instant) -> Result<bool, Full> {
        Ok(true)
    }

    fn layer_closed(&self) {}
}

/// The members in Redis: the key of a group, and a channel.
type Members = Arc<Mutex<BTreeSet<(String, String)>>>;

/// A stand-in for Redis that keeps sorted sets. Some commands fail with a lost connection. The earlier commands of their
/// pipeline are executed.
#[derive(Debug)]
struct SortedSets {
    members: Members,
    /// The numbers of the commands that fail.
    losses: Vec<usize>,
    commands: usize,
}

impl SortedSets {
    fn members(&self) -> MutexGuard<'_, BTreeSet<(String, String)>> {
        self.members.lock().unwrap()
    }
}

impl MembershipServer for SortedSets {
    async fn run(&mut self, pipeline: Pipeline) -> Result<Vec<RedisResult<Value>>, ConnectionError> {
        let mut replies = Vec::new();
        yield_now().await;
        for command in pipeline.cmd_iter() {
            self.commands += 1;
            if self.losses.contains(&self.commands) {
                return Err(ConnectionError::Closed);
            }
            let arguments = command.args_iter().map(|argument| match argument {
                Arg::Simple(argument) => String::from_utf8(argument.to_vec()).unwrap(),
                _ => panic!("expected a plain argument"),
            });
            let arguments: Vec<String> = arguments.collect();
            let group = arguments[1].clone();
            replies.push(match arguments[0].as_str() {
                _ if group.ends_with("refused") => Err(make_extension_error(WRONG_TYPE.into(), None)),
                "ZREM" => {
                    self.members().retain(|(of, member)| *of != group || !arguments[2..].contains(member));
                    Ok(Value::Okay)
                }
                "ZADD" => {
                    let members = arguments[2..].chunks(2).map(|pair| (group.clone(), pair[1].clone()));
                    self.members().extend(members);
                    Ok(Value::Okay)
                }
                "ZREMRANGEBYSCORE" | "EXPIRE" => Ok(Value::Okay),
                other => panic!("unexpected command {other}"),
            });
            yield_now().await;
        }
        Ok(replies)
    }
}

fn group(name: &str) -> GroupName {
    GroupName::new(name).unwrap()
}

fn memberships() -> Memberships {
    let config = LayerConfig::default();
    let core = CoreState {
        table: LocalTable::new("Redis"),
        codec: Codec::for_core(&config),
        keys: Keys::new(&config.prefix),
        config,
        servers: 1,
        process: "specific.0!".into(),
    };
    Memberships::new(Arc::new(core), 0)
}

/// Joins and leaves groups in all the ways in which a channel can.
async fn join_and_leave(memberships: Arc<Memberships>, redis: Members, number: usize) {
    let table = &memberships.core.table;
    let channel = ChannelName::new(format!("specific.0!{number}")).unwrap();
    table.register(&(Arc::new(Ignore(channel.clone())) as Arc<dyn Mailbox>));
    for round in 0..2 {
        let room = group("room");
        point();
        table.add(&room, &channel).expect("the channel is registered");
        memberships.confirmed(&room, &channel).await.expect("the join is confirmed");
        let member = (memberships.core.keys.group(&room), channel.to_string());
        assert!(redis.lock().unwrap().contains(&member), "a confirmed channel is a member in Redis");
        // Cancels the join before its confirmation.
        let other = group("other");
        point();
        table.add(&other, &channel);
        _ = memberships.confirmed(&other, &channel).now_or_never();
        if round == 0 {
            point();
            table.discard(&other, &channel);
            memberships.confirmed(&other, &channel).await.expect("the leave is confirmed");
            assert!(!redis.lock().unwrap().contains(&(memberships.core.keys.group(&other), channel.to_string())));
            table.discard(&room, &channel);
            memberships.mark_dirty(room, channel.clone());
        }
    }
    let refused = group("refused");
    table.add(&refused, &channel);
    memberships.confirmed(&refused, &channel).await.expect_err("Redis refuses this group only");
    table.discard(&refused, &channel);
    // The first channel stays in the groups that it joined in its last round.
    if number > 0 {
        point();
        for (group, _) in table.remove(&channel).expect("the channel is registered") {
            memberships.mark_dirty(group, channel.clone());
        }
    }
}

fn interleave(losses: &[usize]) {
    // Paused time: no deadline passes, so a wait without an end is a deadlock.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let _inside = runtime.enter();
    let memberships = Arc::new(memberships());
    let redis = Members::default();
    let writing = shuttle::future::spawn({
        let memberships = Arc::clone(&memberships);
        let mut server = SortedSets { members: Arc::clone(&redis), losses: losses.to_vec(), commands: 0 };
        async move {
            let mut next_renewal = Instant::now();
            loop {
                memberships.reconcile(&mut server, &mut next_renewal, &mut ReconnectBackoff::new()).await;
                yield_now().await;
            }
        }
    });
    let channels = [0, 1, 2]
        .map(|number| shuttle::future::spawn(join_and_leave(Arc::clone(&memberships), Arc::clone(&redis), number)));
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
        for channel in channels {
            channel.await.unwrap();
        }
        renewing.await.unwrap();
        memberships.settled().await;
        let member = |group: &str| (format!("asgi:group:{group}"), "specific.0!0".to_owned());
        assert_eq!(*redis.lock().unwrap(), BTreeSet::from([member("other"), member("room")]));
        writing.abort();
        // Waits, because the task may be running and needs the runtime.
        _ = writing.await;
    });
}

/// A server that is unreachable until it is restored.
#[derive(Debug, Default)]
struct Unreachable {
    restored: Arc<AtomicBool>,
    pipelines: Arc<AtomicUsize>,
}

impl MembershipServer for Unreachable {
    async fn run(&mut self, pipeline: Pipeline) -> Result<Vec<RedisResult<Value>>, ConnectionError> {
        self.pipelines.fetch_add(1, Relaxed);
        if self.restored.load(Relaxed) {
            Ok(vec![Ok(Value::Okay); pipeline.len()])
        } else {
            Err(ConnectionError::Closed)
        }
    }
}

// Paused time: the measured time is the time slept.
#[tokio::test(start_paused = true)]
async fn reconnect_ends_backoff() {
    let memberships = Arc::new(memberships());
    let channel = ChannelName::new("specific.0!1").unwrap();
    let mailbox: Arc<dyn Mailbox> = Arc::new(Ignore(channel.clone()));
    memberships.core.table.register(&mailbox);
    memberships.core.table.add(&group("room"), &channel);
    let mut server = Unreachable::default();
    let (restored, pipelines) = (Arc::clone(&server.restored), Arc::clone(&server.pipelines));
    let writing = tokio::spawn({
        let memberships = Arc::clone(&memberships);
        async move { memberships.run_with(&mut server).await }
    });
    while pipelines.load(Relaxed) < 20 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    restored.store(true, Relaxed);
    let begun = Instant::now();
    memberships.on_reconnect();
    memberships.settled().await;
    assert_eq!((begun.elapsed(), pipelines.load(Relaxed)), (Duration::ZERO, 21));
    writing.abort();
}

#[tokio::test]
async fn pending_memberships_are_bounded() {
    let memberships = memberships();
    let channel = |number: usize| ChannelName::new(format!("specific.0!{number}")).unwrap();
    for number in 0..PENDING + 10 {
        memberships.mark_dirty(group("room"), channel(number));
    }
    let refused = memberships.confirmed(&group("room"), &channel(PENDING)).await.unwrap_err();
    assert!(matches!(refused, LayerError::Unavailable { .. }), "{refused}");
    let mut server = Unreachable { restored: Arc::new(true.into()), ..Unreachable::default() };
    {
        let state = memberships.lock();
        assert_eq!((state.reconciler.dirty(), state.overflowed), (PENDING, true));
    }
    tokio::select! {
        () = memberships.run_with(&mut server) => {}
        () = memberships.settled() => {}
    }
    assert!(!memberships.lock().overflowed, "the next overflow is logged again");
}

#[tokio::test(start_paused = true)]
async fn refused_memberships_are_bounded_and_retried() {
    let memberships = memberships();
    let membership = |number: usize| (group("room"), ChannelName::new(format!("specific.0!{number}")).unwrap());
    for number in 0..PENDING + 10 {
        memberships.lock().keep_refused(membership(number));
    }
    let mut server = Unreachable { restored: Arc::new(true.into()), ..Unreachable::default() };
    let (room, channel) = membership(PENDING + 10);
    memberships.mark_dirty(room, channel);
    for (passed, expected) in [(RETRY_REFUSED / 2, (PENDING, true)), (RETRY_REFUSED, (0, false))] {
        tokio::select! {
            () = memberships.run_with(&mut server) => {}
            () = tokio::time::sleep(passed) => {}
        }
        let state = memberships.lock();
        assert_eq!((state.refused.len(), state.overflowed), expected);
    }
}

#[test]
fn interleaved_joins_and_leaves_reach_redis() {
    explore(|| interleave(&[]));
}

#[test]
fn interleaved_joins_and_leaves_reach_redis_after_lost_connections() {
    explore(|| interleave(&[2, 3, 7, 12]));
}

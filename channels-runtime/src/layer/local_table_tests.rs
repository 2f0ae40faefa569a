//! Tests of the table: a comparison with a simple model for any order of calls, and batching.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;
use tokio::time::Instant;

use crate::codec::{Envelope, Format};
use crate::event::{DropHint, MailboxPolicy};
use crate::layer::batching;
use crate::layer::batching::BatchScope;
use crate::layer::delivery::{Delivery, Full, MailboxKind, Undeliverable};
use crate::layer::local_table::{LocalTable, MembershipChange};
use crate::layer::mailbox::Mailbox;
use crate::name::{ChannelName, GroupName};
use crate::websocket::Compressor;

const CHANNELS: usize = 6;
const GROUPS: usize = 4;
const CAPACITY: usize = 3;

#[derive(Debug)]
struct Inbox {
    name: ChannelName,
    messages: Mutex<VecDeque<u64>>,
    closed: AtomicBool,
}

fn raw(envelope: &Envelope, _: Option<&Compressor>) -> Result<Delivery, Undeliverable> {
    Ok(Delivery::Raw(envelope.clone()))
}

impl Inbox {
    fn new(at: usize) -> Arc<Self> {
        let (messages, closed) = Default::default();
        Arc::new(Self { name: channel(at), messages, closed })
    }

    fn numbers(&self) -> Vec<u64> {
        self.messages.lock().unwrap().iter().copied().collect()
    }
}

impl Mailbox for Inbox {
    fn name(&self) -> &ChannelName {
        &self.name
    }

    fn kind(&self) -> &'static MailboxKind {
        const { &MailboxKind::of::<Self>(raw) }
    }

    fn deliver(&self, delivery: &Delivery, _: Instant) -> Result<bool, Full> {
        let Delivery::Raw(envelope) = delivery else { panic!("prepared by `raw`") };
        let mut messages = self.messages.lock().unwrap();
        if messages.len() >= CAPACITY {
            return Err(Full { capacity: CAPACITY });
        }
        messages.push_back(envelope.to_value().unwrap()["number"].as_u64().unwrap());
        Ok(true)
    }

    fn layer_closed(&self) {
        self.closed.store(true, Relaxed);
    }
}

/// A call of the table. Channels and groups are numbers; the group comes first.
#[derive(Debug, Clone)]
enum Call {
    Register(usize),
    Remove(usize),
    Add(usize, usize),
    Discard(usize, usize),
    Send(usize),
    SendMany(Vec<usize>),
    GroupSend(usize),
    GroupSendOthers(usize, usize),
    Read(usize),
    Flush,
    Close,
}

/// Calls, each with the argument of [`batching::more_follows`]: if it is true, a message to a group may wait for the next one.
fn calls() -> impl Strategy<Value = Vec<(Call, bool)>> {
    let (channel, group) = (0..CHANNELS, 0..GROUPS);
    let call = prop_oneof![
        6 => channel.clone().prop_map(Call::Register),
        3 => channel.clone().prop_map(Call::Remove),
        8 => (group.clone(), channel.clone()).prop_map(|(group, channel)| Call::Add(group, channel)),
        4 => (group.clone(), channel.clone()).prop_map(|(group, channel)| Call::Discard(group, channel)),
        4 => channel.clone().prop_map(Call::Send),
        2 => prop::collection::vec(channel.clone(), 0..5).prop_map(Call::SendMany),
        6 => group.clone().prop_map(Call::GroupSend),
        3 => (group, channel.clone()).prop_map(|(group, own)| Call::GroupSendOthers(group, own)),
        4 => channel.prop_map(Call::Read),
        1 => Just(Call::Flush),
        1 => Just(Call::Close),
    ];
    prop::collection::vec((call, prop::bool::ANY), 0..80)
}

#[derive(Default)]
struct Model {
    channels: BTreeMap<usize, (Arc<Inbox>, VecDeque<u64>)>,
    groups: BTreeMap<usize, BTreeSet<usize>>,
    delivered: u64,
    dropped: u64,
    unread: u64,
    closed: bool,
}

impl Model {
    fn deliver(&mut self, channel: usize, number: u64) -> bool {
        let messages = &mut self.channels.get_mut(&channel).unwrap().1;
        let fits = messages.len() < CAPACITY;
        if fits {
            messages.push_back(number);
            self.delivered += 1;
        }
        fits
    }

    fn leave(&mut self, group: usize, channel: usize) -> MembershipChange {
        let Some(members) = self.groups.get_mut(&group) else { return MembershipChange::None };
        match (members.remove(&channel), members.is_empty()) {
            (false, _) => MembershipChange::None,
            (true, false) => MembershipChange::OfMember,
            (true, true) => {
                self.groups.remove(&group);
                MembershipChange::OfGroup
            }
        }
    }
}

fn channel(number: usize) -> ChannelName {
    ChannelName::new(format!("specific.a!{number}")).unwrap()
}

fn group(number: usize) -> GroupName {
    GroupName::new(format!("group-{number}")).unwrap()
}

fn envelope(number: u64) -> Envelope {
    Envelope::from_value(&json!({"type": "a", "number": number}), Format::Json).unwrap()
}

fn run(calls: Vec<(Call, bool)>) {
    let (table, mut model) = (LocalTable::new("a model"), Model::default());
    let _scope = BatchScope::enter();
    let mut number = 0;
    for (call, more) in calls {
        number += 1;
        batching::more_follows(more);
        let envelope = envelope(number);
        match call {
            Call::Register(at) => {
                let inbox = Inbox::new(at);
                let is_new = !model.channels.contains_key(&at);
                assert_eq!(table.register_new(&(Arc::clone(&inbox) as Arc<dyn Mailbox>)), is_new);
                if is_new {
                    assert_eq!(inbox.closed.load(Relaxed), model.closed, "a channel of a closed layer is notified");
                    model.channels.insert(at, (inbox, VecDeque::new()));
                }
            }
            Call::Remove(at) => {
                let left = table.remove(&channel(at));
                assert_eq!(left.is_some(), model.channels.remove(&at).is_some());
                let mut left = left.unwrap_or_default();
                left.sort_by(|(one, _), (other, _)| one.cmp(other));
                let of: Vec<usize> =
                    (0..GROUPS).filter(|of| model.groups.get(of).is_some_and(|g| g.contains(&at))).collect();
                let expected: Vec<_> = of.into_iter().map(|of| (group(of), model.leave(of, at))).collect();
                assert_eq!(left, expected);
            }
            Call::Add(of, at) => {
                let change = table.add(&group(of), &channel(at));
                let expected = model.channels.contains_key(&at).then(|| {
                    let members = model.groups.entry(of).or_default();
                    match (members.is_empty(), members.insert(at)) {
                        (_, false) => MembershipChange::None,
                        (true, true) => MembershipChange::OfGroup,
                        (false, true) => MembershipChange::OfMember,
                    }
                });
                assert_eq!(change, expected);
            }
            Call::Discard(of, at) => assert_eq!(table.discard(&group(of), &channel(at)), model.leave(of, at)),
            Call::Send(at) => {
                let expected = match model.channels.contains_key(&at) {
                    false => {
                        model.unread += 1;
                        Ok(false)
                    }
                    true if model.deliver(at, number) => Ok(true),
                    true => Err(Full { capacity: CAPACITY }),
                };
                assert_eq!(table.send(&channel(at), &envelope), expected);
            }
            Call::SendMany(to) => {
                let names: Vec<String> = to.iter().map(|at| channel(*at).to_string()).collect();
                table.send_many(&names, &envelope);
                for at in to {
                    if !model.channels.contains_key(&at) {
                        model.unread += 1;
                    } else if !model.deliver(at, number) {
                        model.dropped += 1;
                    }
                }
            }
            Call::GroupSend(of) => {
                table.group_send(&group(of), &envelope);
                for at in model.groups.get(&of).cloned().unwrap_or_default() {
                    if !model.deliver(at, number) {
                        model.dropped += 1;
                    }
                }
            }
            Call::GroupSendOthers(of, own) => {
                table.group_send_others(&group(of), &envelope, &channel(own));
                let mut members = model.groups.get(&of).cloned().unwrap_or_default();
                members.remove(&own);
                for at in members {
                    if !model.deliver(at, number) {
                        model.dropped += 1;
                    }
                }
            }
            Call::Read(at) => {
                // Another task reads, so this task's turn is over.
                batching::flush();
                if let Some((inbox, messages)) = model.channels.get_mut(&at) {
                    assert_eq!(inbox.messages.lock().unwrap().pop_front(), messages.pop_front());
                }
            }
            Call::Flush => {
                table.flush();
                model.groups.clear();
            }
            Call::Close => {
                table.close();
                for (inbox, _) in std::mem::take(&mut model.channels).into_values() {
                    assert!(inbox.closed.load(Relaxed), "every channel is notified");
                }
                model.groups.clear();
                model.closed = true;
            }
        }
        if !more {
            batching::flush();
            check(&table, &model);
        }
    }
    batching::flush();
    check(&table, &model);
}

fn check(table: &LocalTable, model: &Model) {
    assert_eq!(table.channels(), model.channels.len());
    for at in 0..CHANNELS {
        assert_eq!(table.has_channel(&channel(at)), model.channels.contains_key(&at));
        if let Some((inbox, messages)) = model.channels.get(&at) {
            assert_eq!(*inbox.messages.lock().unwrap(), *messages, "in order, and each once");
        }
    }
    for of in 0..GROUPS {
        let members = model.groups.get(&of).cloned().unwrap_or_default();
        assert_eq!(table.members(&group(of)), members.len());
        let names: BTreeSet<_> = table.member_names(&group(of)).iter().map(ChannelName::to_string).collect();
        assert_eq!(names, members.iter().map(|at| channel(*at).to_string()).collect());
        for at in 0..CHANNELS {
            assert_eq!(table.is_member(&group(of), &channel(at)), members.contains(&at));
        }
    }
    let mut groups = table.groups();
    groups.sort();
    assert_eq!(groups, model.groups.keys().map(|of| group(*of)).collect::<Vec<_>>());
    let memberships: usize = table.memberships().iter().map(|(_, members)| members.len()).sum();
    assert_eq!(memberships, model.groups.values().map(BTreeSet::len).sum::<usize>());
    let stats = table.stats();
    let counted = (stats.delivered, stats.dropped_full, stats.unread);
    assert_eq!(counted, (model.delivered, model.dropped, model.unread));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn table_matches_model(calls in calls()) {
        run(calls);
    }
}

/// An operation of one thread on a group with a waiting message of another thread, and the messages that the member has
/// received after it.
type Operation = (&'static str, fn(&LocalTable), &'static [u64]);

const OPERATIONS: [Operation; 7] = [
    ("sends", |table| table.group_send(&group(0), &envelope(2)), &[1, 2]),
    ("sends to the others", |table| table.group_send_others(&group(0), &envelope(2), &channel(1)), &[1, 2]),
    ("joins", |table| assert_eq!(table.add(&group(0), &channel(1)), Some(MembershipChange::OfMember)), &[1]),
    ("leaves", |table| assert_eq!(table.discard(&group(0), &channel(0)), MembershipChange::OfGroup), &[1]),
    ("removes its channel", |table| assert!(table.remove(&channel(0)).is_some()), &[1]),
    ("removes all groups", LocalTable::flush, &[1]),
    ("closes the layer", LocalTable::close, &[1]),
];

#[test]
fn waiting_message_is_delivered_before_operation_of_another_thread() {
    for (name, perform, expected) in OPERATIONS {
        let table = LocalTable::new("a model");
        let [member, other] = [0, 1].map(|at| {
            let inbox = Inbox::new(at);
            table.register(&(Arc::clone(&inbox) as Arc<dyn Mailbox>));
            inbox
        });
        table.add(&group(0), &channel(0)).unwrap();
        let received = std::thread::scope(|threads| {
            // Created here, so that the other thread continues if this one panics.
            let ((waits, waiting), (done, over)) = (mpsc::channel(), mpsc::channel::<()>());
            let table = &table;
            threads.spawn(move || {
                let scope = BatchScope::enter();
                batching::more_follows(true);
                table.group_send(&group(0), &envelope(1));
                waits.send(()).unwrap();
                _ = over.recv();
                drop(scope);
            });
            waiting.recv().unwrap();
            let before = member.numbers();
            perform(table);
            drop(done);
            [before, member.numbers()]
        });
        assert_eq!(received, [&[], expected], "another thread {name}");
        assert_eq!(member.numbers(), expected, "nothing is delivered twice when another thread {name}");
        assert!(other.numbers().is_empty(), "it joined after the message was sent");
    }
}

/// A table with one member in group 0.
fn table_with_member() -> (LocalTable, Arc<Inbox>) {
    let (table, member) = (LocalTable::new("a model"), Inbox::new(0));
    table.register(&(Arc::clone(&member) as Arc<dyn Mailbox>));
    table.add(&group(0), &channel(0)).unwrap();
    (table, member)
}

#[test]
fn message_in_scope_waits_until_scope_ends() {
    let (table, member) = table_with_member();
    let scope = BatchScope::enter();
    batching::more_follows(true);
    table.group_send(&group(0), &envelope(1));
    assert!(member.numbers().is_empty(), "more follows");
    drop(scope);
    assert_eq!(member.numbers(), [1]);
}

#[test]
fn message_outside_of_scope_does_not_wait() {
    let (table, member) = table_with_member();
    batching::more_follows(true);
    table.group_send(&group(0), &envelope(1));
    assert_eq!(member.numbers(), [1]);
    // An announcement outside of a scope does not apply within it.
    let _scope = BatchScope::enter();
    table.group_send(&group(0), &envelope(2));
    assert_eq!(member.numbers(), [1, 2]);
}

#[test]
fn inner_scope_delivers_outer_batch_and_outer_scope_continues() {
    let (table, member) = table_with_member();
    let outer = BatchScope::enter();
    let send = |number| {
        batching::more_follows(true);
        table.group_send(&group(0), &envelope(number));
    };
    send(1);
    let inner = BatchScope::enter();
    assert_eq!(member.numbers(), [1]);
    send(2);
    drop(inner);
    assert_eq!(member.numbers(), [1, 2]);
    send(3);
    assert_eq!(member.numbers(), [1, 2], "the outer scope continues");
    drop(outer);
    assert_eq!(member.numbers(), [1, 2, 3]);
}

#[tokio::test]
async fn each_poll_of_a_batched_future_is_a_scope() {
    let (table, member) = table_with_member();
    batching::batched(async {
        for number in 1..=2 {
            batching::more_follows(true);
            table.group_send(&group(0), &envelope(number));
            assert_eq!(member.numbers().len() + 1, usize::try_from(number).unwrap());
            tokio::task::yield_now().await;
        }
        batching::more_follows(true);
        table.group_send(&group(0), &envelope(3));
        assert_eq!(member.numbers(), [1, 2]);
    })
    .await;
    assert_eq!(member.numbers(), [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn message_waiting_for_a_millisecond_is_delivered_by_next_send() {
    let (table, member) = table_with_member();
    let scope = BatchScope::enter();
    let send = |number| {
        batching::more_follows(true);
        table.group_send(&group(0), &envelope(number));
        member.numbers()
    };
    assert!(send(1).is_empty(), "more follows");
    tokio::time::advance(Duration::from_micros(999)).await;
    assert!(send(2).is_empty(), "it has not waited for a millisecond");
    tokio::time::advance(Duration::from_micros(1)).await;
    assert_eq!(send(3), [1, 2, 3]);
    drop(scope);
    assert_eq!(member.numbers(), [1, 2, 3], "nothing is delivered twice");
}

/// A payload whose `Drop` panics.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        // A second panic on a thread that already panics would abort the tests.
        if !std::thread::panicking() {
            panic!("the drop of a payload");
        }
    }
}

/// A mailbox that receives payloads, and drops an older one on each delivery if `drops` is set.
struct Armed {
    name: ChannelName,
    drops: bool,
    deliveries: Mutex<usize>,
}

impl Armed {
    fn register(table: &LocalTable, at: usize, drops: bool) -> Arc<Self> {
        let mailbox = Arc::new(Self { name: channel(at), drops, deliveries: Mutex::default() });
        table.register(&(Arc::clone(&mailbox) as Arc<dyn Mailbox>));
        mailbox
    }

    fn deliveries(&self) -> usize {
        *self.deliveries.lock().unwrap()
    }
}

impl Mailbox for Armed {
    fn name(&self) -> &ChannelName {
        &self.name
    }

    fn kind(&self) -> &'static MailboxKind {
        const {
            &MailboxKind::of::<Self>(|_, _| {
                Ok(Delivery::Event(Arc::new(Bomb), DropHint::default(), MailboxPolicy::default()))
            })
        }
    }

    fn deliver(&self, _: &Delivery, _: Instant) -> Result<bool, Full> {
        *self.deliveries.lock().unwrap() += 1;
        if self.drops {
            drop(Bomb);
        }
        Ok(true)
    }

    fn layer_closed(&self) {}
}

#[test]
fn panic_of_payload_drop_stays_in_the_table() {
    let table = LocalTable::new("a test");
    let members = [(0, false), (1, true), (2, false)].map(|(at, drops)| Armed::register(&table, at, drops));
    for member in &members {
        table.add(&group(0), &member.name).unwrap();
    }
    let received = |expected: [usize; 3]| {
        assert_eq!(members.each_ref().map(|member| member.deliveries()), expected);
    };
    table.group_send(&group(0), &envelope(1));
    received([1, 1, 1]);
    table.group_send_others(&group(0), &envelope(2), &channel(0));
    received([1, 2, 2]);
    assert_eq!(table.send(&channel(1), &envelope(3)), Ok(true));
    assert_eq!(table.send(&channel(2), &envelope(4)), Ok(true));
    received([1, 3, 3]);
    table.send_many(&[channel(0).as_str(), channel(1).as_str(), channel(2).as_str()], &envelope(5));
    received([2, 4, 4]);
    {
        // These wait for each other, and are dropped at the end of the scope.
        let _scope = BatchScope::enter();
        for number in 6..8 {
            batching::more_follows(true);
            table.group_send(&group(0), &envelope(number));
        }
        received([2, 4, 4]);
    }
    // The member that panicked misses the rest of its batch.
    received([4, 5, 6]);
    // The join delivers what waits, and drops it.
    let _scope = BatchScope::enter();
    batching::more_follows(true);
    table.group_send(&group(0), &envelope(8));
    table.discard(&group(0), &channel(0));
    received([5, 6, 7]);
}

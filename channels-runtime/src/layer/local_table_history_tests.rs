//! Tests of groups with a history in the local table.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::codec::{Envelope, Format};
use crate::event::{Cause, History, Id, Joined, Position, Reign, Since};
use crate::layer::batching;
use crate::layer::batching::BatchScope;
use crate::layer::chain::Link;
use crate::layer::delivery::{Delivery, Full, MailboxKind, Undeliverable};
use crate::layer::local_table::LocalTable;
use crate::layer::local_table_history::NotReady;
use crate::layer::mailbox::Mailbox;
use crate::name::{ChannelName, GroupName};

const REIGN: Reign = Reign([1, 1, 1, 1]);
const OTHER: Reign = Reign([2, 2, 2, 2]);
const TTL: Duration = Duration::from_secs(600);
const HISTORY: History = History { size: 4, ttl: TTL };

#[derive(Debug, Clone, Copy, PartialEq)]
enum Seen {
    Message(u64),
    Lost(Cause),
}

use Seen::{Lost, Message};

/// A member of the kind that `K` identifies. It remembers what it has received, as its client would.
struct Member<K> {
    name: ChannelName,
    received: Mutex<(Vec<Seen>, Option<Position>)>,
    kind: PhantomData<fn() -> K>,
}

thread_local! {
    /// Runs at the next preparation of a message, as the user's code could.
    static HOOK: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
}

fn at_next_preparation(run: impl FnOnce() + 'static) {
    HOOK.set(Some(Box::new(run)));
}

fn prepare(envelope: &Envelope) -> Result<Delivery, Undeliverable> {
    if let Some(run) = HOOK.take() {
        run();
    }
    Ok(Delivery::Raw(envelope.clone()))
}

impl<K: 'static> Member<K> {
    fn register(table: &LocalTable, at: usize) -> Arc<Self> {
        let member = Arc::new(Self { name: channel(at), received: Mutex::default(), kind: PhantomData });
        table.register(&(Arc::clone(&member) as Arc<dyn Mailbox>));
        member
    }

    fn seen(&self) -> Vec<Seen> {
        self.received.lock().unwrap().0.clone()
    }

    fn since(&self) -> Since {
        self.received.lock().unwrap().1.map_or(Since::START, Since::from)
    }
}

impl<K: 'static> Mailbox for Member<K> {
    fn name(&self) -> &ChannelName {
        &self.name
    }

    fn kind(&self) -> &'static MailboxKind {
        const { &MailboxKind::of::<K>(prepare) }
    }

    fn deliver(&self, delivery: &Delivery, _: Instant) -> Result<bool, Full> {
        let mut received = self.received.lock().unwrap();
        let (seen, at) = match delivery {
            Delivery::Raw(envelope) => (Message(number(envelope)), *envelope.position()),
            Delivery::HistoryLost(lost) => (Lost(lost.cause), lost.at),
            _ => return Ok(true),
        };
        received.0.push(seen);
        received.1 = Some(at);
        Ok(true)
    }

    fn layer_closed(&self) {}
}

fn number(envelope: &Envelope) -> u64 {
    envelope.to_value().unwrap()["number"].as_u64().unwrap()
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

fn table() -> Arc<LocalTable> {
    Arc::new(LocalTable::new("a test"))
}

fn join(table: &LocalTable, of: usize, at: usize, since: &Since) -> Joined {
    table.add_since(&group(of), &channel(at), HISTORY, REIGN, since).expect("the channel is registered")
}

fn record(table: &LocalTable, of: usize, number: u64) {
    table.record(&group(of), &envelope(number), HISTORY, REIGN);
}

fn id(number: u64) -> Id {
    let mut id = [0; 12];
    id[..8].copy_from_slice(&number.to_be_bytes());
    Id(id)
}

/// The link of a message whose predecessor has the number before it.
fn link(number: u64) -> Link {
    Link { prev: id(number - 1), at: id(number) }
}

fn hear(table: &LocalTable, number: u64) -> bool {
    table.hear(&group(0), link(number), &envelope(number))
}

fn recalled(table: &LocalTable, reign: Reign, top: u64, kept: impl IntoIterator<Item = u64>) -> bool {
    let kept = kept.into_iter().map(|number| (link(number), envelope(number))).collect();
    table.recalled(&group(0), reign, id(top), kept)
}

fn join_recalled(table: &LocalTable, at: usize, since: &Since) -> Result<Joined, NotReady> {
    let joined = table.add_recalled(&group(0), &channel(at), since)?;
    Ok(joined.expect("the channel is registered"))
}

/// A table whose group 0 has a member. The server keeps the messages 1 to `top`.
fn recalled_table(top: u64) -> (Arc<LocalTable>, Arc<Member<u8>>) {
    let table = table();
    let member = Member::register(&table, 0);
    table.open_history(&group(0), HISTORY);
    assert!(!recalled(&table, REIGN, top, 1..=top));
    assert_eq!(join_recalled(&table, 0, &Since::START).unwrap().lost, None);
    assert!(!table.close_history(&group(0)));
    (table, member)
}

#[test]
fn client_receives_what_it_missed_and_then_the_next_messages() {
    let table = table();
    let (one, two) = (Member::<u8>::register(&table, 1), Member::<u8>::register(&table, 2));
    let start = join(&table, 0, 1, &Since::START);
    (1..=3).for_each(|number| record(&table, 0, number));
    assert_eq!(one.seen(), [Message(1), Message(2), Message(3)]);
    let joined = join(&table, 0, 2, &start.at.into());
    assert_eq!((joined.missed, joined.lost), (3, None));
    record(&table, 0, 4);
    assert_eq!(two.seen(), [Message(1), Message(2), Message(3), Message(4)]);
    assert_eq!(one.since(), two.since());
    assert_eq!((table.stats().recovered, table.stats().replayed), (1, 3));
    table.remove(&two.name);
    record(&table, 0, 5);
    let two = Member::<u8>::register(&table, 2);
    assert_eq!(join(&table, 0, 2, &one.since()).missed, 0);
    assert!(two.seen().is_empty());
}

#[test]
fn forgotten_position_is_told_before_next_message() {
    let table = table();
    let member = Member::<u8>::register(&table, 1);
    let other = Member::<u8>::register(&table, 2);
    let start = join(&table, 0, 1, &Since::START);
    (1..=5).for_each(|number| record(&table, 0, number));
    assert_eq!(join(&table, 0, 2, &start.at.into()).lost, Some(Cause::Forgotten));
    record(&table, 0, 6);
    assert_eq!(other.seen(), [Lost(Cause::Forgotten), Message(6)]);
    let foreign = Position::new(&group(0), OTHER, id(1));
    table.discard(&group(0), &other.name);
    assert_eq!(join(&table, 0, 2, &foreign.into()).lost, Some(Cause::OtherServer));
    table.discard(&group(0), &other.name);
    assert_eq!(join(&table, 0, 2, &"garbage".into()).lost, Some(Cause::Unreadable));
    assert_eq!(table.stats().history_lost, 3);
    assert_eq!(member.seen().len(), 6);
}

#[test]
fn member_that_joins_while_message_is_prepared_receives_it() {
    let table = table();
    let (_one, two) = (Member::<u8>::register(&table, 1), Member::<u16>::register(&table, 2));
    _ = join(&table, 0, 1, &Since::START);
    let joins = Arc::clone(&table);
    at_next_preparation(move || _ = join(&joins, 0, 2, &Since::START));
    record(&table, 0, 1);
    assert_eq!(two.seen(), [Message(1)], "its position is before the message");

    // The same while the chain waits.
    let (table, _member) = recalled_table(1);
    let two = Member::<u16>::register(&table, 2);
    let joins = Arc::clone(&table);
    at_next_preparation(move || _ = join_recalled(&joins, 2, &Since::START).unwrap());
    assert!(!hear(&table, 2));
    assert_eq!(two.seen(), [Message(2)]);
}

#[test]
fn message_is_rendered_with_position_of_current_server() {
    let (table, member) = recalled_table(1);
    let other = Arc::clone(&table);
    at_next_preparation(move || {
        other.hold_history(&group(0));
        assert!(!recalled(&other, OTHER, 1, [1]));
    });
    assert!(hear(&table, 2), "the chain is recalled, because its server is another one");
    assert!(!recalled(&table, OTHER, 2, 1..=2));
    assert_eq!(member.seen(), [Lost(Cause::OtherServer), Message(2)]);
    assert_eq!(member.since(), Position::new(&group(0), OTHER, id(2)).into());
}

#[test]
fn messages_held_during_recall_are_delivered_once_in_order() {
    let (table, member) = recalled_table(1);
    assert!(hear(&table, 3), "message 2 is lost");
    assert!(!hear(&table, 4) && !hear(&table, 3));
    assert!(member.seen().is_empty());
    assert!(!recalled(&table, REIGN, 3, 1..=3));
    assert_eq!(member.seen(), [Message(2), Message(3), Message(4)]);
    assert!(!hear(&table, 5));
    assert_eq!(member.seen().last(), Some(&Message(5)));
}

#[test]
fn message_older_than_history_does_not_recall_for_ever() {
    let (table, member) = recalled_table(1);
    assert!(hear(&table, 3));
    assert!(!hear(&table, 4));
    // The server has trimmed them meanwhile.
    assert!(recalled(&table, REIGN, 9, [9]), "message 4 arrived after the recall was asked for");
    assert!(!recalled(&table, REIGN, 9, []));
    assert_eq!(member.seen(), [Lost(Cause::Forgotten)]);
    assert!(!hear(&table, 10));
    assert_eq!(member.seen(), [Lost(Cause::Forgotten), Message(10)]);
}

#[test]
fn history_is_closed_more_often_than_opened_after_flush() {
    let table = table();
    Member::<u8>::register(&table, 0);
    table.open_history(&group(0), HISTORY);
    table.flush();
    table.open_history(&group(0), HISTORY);
    assert!(!recalled(&table, REIGN, 1, [1]));
    _ = join_recalled(&table, 0, &Since::START).unwrap();
    assert!(!table.close_history(&group(0)) && !table.close_history(&group(0)));
    assert!(table.is_wanted(&group(0)));
}

#[test]
fn message_that_waits_for_next_one_is_not_doubled_by_join() {
    let table = table();
    let (one, two) = (Member::<u8>::register(&table, 1), Member::<u8>::register(&table, 2));
    let start = join(&table, 0, 1, &Since::START);
    let scope = BatchScope::enter();
    for number in 1..=2 {
        batching::more_follows(true);
        record(&table, 0, number);
    }
    assert!(one.seen().is_empty(), "they wait");
    assert_eq!(join(&table, 0, 2, &start.at.into()).missed, 2);
    drop(scope);
    record(&table, 0, 3);
    for member in [one, two] {
        assert_eq!(member.seen(), [Message(1), Message(2), Message(3)]);
    }
}

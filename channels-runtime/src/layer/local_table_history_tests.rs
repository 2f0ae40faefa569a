//! Tests of groups with a history in the local table.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;
use tokio::time::{Instant, advance};

use crate::codec::{Envelope, Format};
use crate::event::{Cause, DropHint, History, Id, Joined, MailboxPolicy, Position, Reign, Since};
use crate::layer::batching;
use crate::layer::batching::BatchScope;
use crate::layer::chain::Link;
use crate::layer::delivery::{Delivery, Full, MailboxKind, Undeliverable};
use crate::layer::histories::MOST_RETAINED;
use crate::layer::local_table::LocalTable;
use crate::layer::local_table_history::NotReady;
use crate::layer::mailbox::Mailbox;
use crate::name::{ChannelName, GroupName};
use crate::websocket::Compressor;

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

fn prepare(envelope: &Envelope, _: Option<&Compressor>) -> Result<Delivery, Undeliverable> {
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

pub(super) fn number(envelope: &Envelope) -> u64 {
    envelope.to_value().unwrap()["number"].as_u64().unwrap()
}

pub(super) fn channel(number: usize) -> ChannelName {
    ChannelName::new(format!("specific.a!{number}")).unwrap()
}

pub(super) fn group(number: usize) -> GroupName {
    GroupName::new(format!("group-{number}")).unwrap()
}

pub(super) fn envelope(number: u64) -> Envelope {
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

fn kept(table: &LocalTable, of: usize) -> Vec<u64> {
    table.kept(&group(of)).iter().map(number).collect()
}

fn bytes(table: &LocalTable) -> usize {
    table.histories().bytes()
}

/// Returns the number of entries, with those of groups without members.
fn entries(table: &LocalTable) -> usize {
    table.groups.len()
}

pub(super) fn id(number: u64) -> Id {
    let mut id = [0; 12];
    id[..8].copy_from_slice(&number.to_be_bytes());
    Id(id)
}

/// The link of a message whose predecessor has the number before it.
pub(super) fn link(number: u64) -> Link {
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

fn position(number: u64) -> Since {
    Position::new(&group(0), REIGN, id(number)).into()
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
fn answer_for_chain_that_is_gone_does_not_make_next_one_live() {
    let (table, member) = recalled_table(1);
    assert!(hear(&table, 3));
    let reopens = Arc::clone(&table);
    at_next_preparation(move || {
        reopens.discard(&group(0), &channel(0));
        reopens.open_history(&group(0), HISTORY);
    });
    _ = recalled(&table, REIGN, 3, 2..=3);
    assert_eq!(join_recalled(&table, 0, &Since::START), Err(NotReady));
    assert!(!recalled(&table, REIGN, 3, 1..=3) || !recalled(&table, REIGN, 3, 1..=3));
    assert_eq!(join_recalled(&table, 0, &position(1)).unwrap().missed, 2);
    assert!(member.seen().ends_with(&[Message(2), Message(3)]));
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

#[tokio::test(start_paused = true)]
async fn history_is_removed_after_its_time_without_members() {
    let table = table();
    let member = Member::<u8>::register(&table, 0);
    _ = join(&table, 0, 0, &Since::START);
    record(&table, 0, 1);
    table.remove(&member.name);
    advance(TTL - Duration::from_millis(1)).await;
    record(&table, 1, 1);
    assert_eq!((kept(&table, 0), entries(&table)), (vec![1], 2));
    advance(Duration::from_millis(1)).await;
    record(&table, 1, 2);
    assert_eq!(entries(&table), 1, "its entry is gone");
    // A group that never had a member.
    advance(TTL).await;
    record(&table, 2, 1);
    assert_eq!((entries(&table), kept(&table, 1)), (1, vec![]));
    advance(TTL).await;
    assert!(kept(&table, 2).is_empty());
    assert_eq!(bytes(&table), 0);
}

#[tokio::test(start_paused = true)]
async fn history_with_members_forgets_messages_after_its_time() {
    let table = table();
    let (_one, two) = (Member::<u8>::register(&table, 0), Member::<u8>::register(&table, 1));
    let start = join(&table, 0, 0, &Since::START);
    record(&table, 0, 1);
    advance(TTL).await;
    assert_eq!(join(&table, 0, 1, &start.at.into()).lost, Some(Cause::Forgotten));
    assert_eq!(two.seen(), [Lost(Cause::Forgotten)]);
    assert_eq!((kept(&table, 0), bytes(&table)), (vec![], 0));
    // A server forgets them at the same time.
    let (table, _member) = recalled_table(2);
    Member::<u8>::register(&table, 1);
    advance(TTL).await;
    assert_eq!(join_recalled(&table, 1, &position(1)).unwrap().lost, Some(Cause::Forgotten));
}

#[tokio::test(start_paused = true)]
async fn long_history_does_not_delay_removal_of_short_one() {
    let table = table();
    let long = History { ttl: TTL * 100, ..HISTORY };
    table.record(&group(0), &envelope(1), long, REIGN);
    record(&table, 1, 1);
    advance(TTL).await;
    table.record(&group(0), &envelope(2), long, REIGN);
    assert_eq!((entries(&table), kept(&table, 0)), (1, vec![1, 2]));
}

#[tokio::test(start_paused = true)]
async fn group_that_is_left_often_does_not_displace_other_histories() {
    let table = table();
    record(&table, 1, 1);
    for _ in 0..=MOST_RETAINED {
        let member = Member::<u8>::register(&table, 0);
        _ = join(&table, 0, 0, &Since::START);
        record(&table, 0, 1);
        table.remove(&member.name);
    }
    record(&table, 0, 1);
    assert_eq!((kept(&table, 1), entries(&table)), (vec![1], 2));
}

#[tokio::test(start_paused = true)]
async fn number_of_histories_without_members_is_bounded() {
    let table = table();
    for at in 0..MOST_RETAINED + 50 {
        record(&table, at, 1);
        advance(Duration::from_millis(1)).await;
    }
    assert_eq!(entries(&table), MOST_RETAINED);
    assert!(kept(&table, 49).is_empty() && kept(&table, 50) == [1], "the oldest ones are forgotten");
    // Without any send, too.
    for at in 0..50 {
        let member = Member::<u8>::register(&table, at);
        _ = join(&table, MOST_RETAINED + 100 + at, at, &Since::START);
        table.remove(&member.name);
    }
    // The group of the last leave is checked by the next call.
    assert_eq!(entries(&table), MOST_RETAINED + 1);
}

#[tokio::test(start_paused = true)]
async fn least_recently_used_history_is_forgotten_beyond_limit_of_memory() {
    let table = table();
    for of in 0..4 {
        record(&table, of, 1);
        advance(Duration::from_millis(1)).await;
    }
    record(&table, 0, 2);
    table.histories().set_limit(bytes(&table));
    advance(Duration::from_millis(1)).await;
    record(&table, 3, 2);
    assert_eq!([0, 1, 2, 3].map(|of| kept(&table, of).len()), [2, 0, 0, 2]);
    assert!(bytes(&table) <= table.histories().limit());
}

#[tokio::test(start_paused = true)]
async fn history_of_server_that_needs_memory_is_recalled_by_next_join() {
    let (table, member) = recalled_table(2);
    let other = Member::<u8>::register(&table, 1);
    table.histories().set_limit(1);
    assert!(!hear(&table, 3));
    assert_eq!((bytes(&table), member.seen()), (0, vec![Message(3)]));
    table.histories().set_limit(1 << 20);
    assert_eq!(join_recalled(&table, 1, &position(3)).unwrap().lost, None, "it has missed nothing");
    table.discard(&group(0), &other.name);
    assert!(table.is_behind(&group(0), &position(1)) && !table.is_behind(&group(0), &position(3)));
    assert_eq!(table.begin_recall(&group(0), true), Some(None), "the recall returns all messages");
    table.open_history(&group(0), HISTORY);
    assert!(!recalled(&table, REIGN, 3, 1..=3));
    assert_eq!(join_recalled(&table, 1, &position(1)).unwrap().missed, 2);
    assert_eq!((other.seen(), member.seen()), (vec![Message(2), Message(3)], vec![Message(3)]));
}

#[test]
fn held_messages_count_for_memory_and_are_bounded() {
    let (table, member) = recalled_table(1);
    let before = bytes(&table);
    assert!(hear(&table, 3) && !hear(&table, 4));
    assert!(bytes(&table) > before, "they are held");
    table.hold_history(&group(0));
    assert_eq!(bytes(&table), before);

    // More bytes than a chain holds: those beyond are recalled once more.
    let large = "x".repeat(100 * 1024);
    let large = |number: u64| {
        let value = json!({"type": "a", "number": number, "text": large});
        Envelope::from_value(&value, Format::Json).unwrap()
    };
    for number in 5..=99 {
        table.hear(&group(0), link(number), &large(number));
    }
    assert!(bytes(&table) < before + 5 * 1024 * 1024, "{}", bytes(&table));
    let again = (0..9).take_while(|_| recalled(&table, REIGN, 99, [])).count();
    assert_eq!(again, 2, "once for the held messages, and once for those beyond");
    assert_eq!(member.seen(), [Lost(Cause::Forgotten)]);
    assert!(bytes(&table) < before + 5 * 1024);
    assert!(!hear(&table, 100));
    assert_eq!(member.seen(), [Lost(Cause::Forgotten), Message(100)]);
}

#[test]
fn bytes_of_removed_histories_are_released() {
    let (table, member) = recalled_table(4);
    assert!(bytes(&table) > 0);
    table.remove(&member.name);
    assert_eq!((entries(&table), bytes(&table)), (0, 0));
    let (table, _member) = recalled_table(4);
    table.flush();
    assert_eq!((entries(&table), bytes(&table)), (0, 0));
    let (table, _member) = recalled_table(4);
    table.close();
    assert_eq!((entries(&table), bytes(&table)), (0, 0));
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

/// A mailbox that drops what it receives.
struct Armed(ChannelName);

impl Mailbox for Armed {
    fn name(&self) -> &ChannelName {
        &self.0
    }

    fn kind(&self) -> &'static MailboxKind {
        const {
            &MailboxKind::of::<Self>(|_, _| {
                Ok(Delivery::Event(Arc::new(Bomb), DropHint::default(), MailboxPolicy::default()))
            })
        }
    }

    fn deliver(&self, _: &Delivery, _: Instant) -> Result<bool, Full> {
        Ok(true)
    }

    fn layer_closed(&self) {}
}

#[tokio::test(start_paused = true)]
async fn panic_of_payload_drop_does_not_leave_the_history() {
    let table = table();
    let register = |at| table.register(&(Arc::new(Armed(channel(at))) as Arc<dyn Mailbox>));
    let fill = |of| (1..=6).for_each(|number| record(&table, of, number));
    for at in 0..6 {
        register(at);
        _ = join(&table, at, at, &Since::START);
        fill(at);
    }
    table.forget_history(&group(0));
    table.histories().set_limit(1);
    record(&table, 1, 7);
    table.histories().set_limit(1 << 30);
    (0..6).for_each(fill);
    table.remove(&channel(5));
    advance(TTL).await;
    // Expires, by a look, by a join, by a send, and without members.
    _ = table.kept(&group(0));
    register(9);
    _ = join(&table, 1, 9, &Since::START);
    record(&table, 2, 7);
    table.flush();
    assert_eq!((entries(&table), bytes(&table)), (0, 0));
    // A chain of a server.
    table.open_history(&group(0), HISTORY);
    _ = recalled(&table, REIGN, 4, 1..=4);
    _ = join_recalled(&table, 0, &position(1)).unwrap();
    table.hold_history(&group(0));
    _ = recalled(&table, OTHER, 4, 1..=4);
    _ = join_recalled(&table, 1, &Position::new(&group(0), OTHER, id(1)).into());
    table.close_history(&group(0));
    table.close();
}

#[derive(Debug, Clone)]
enum Call {
    Join(usize, usize, bool),
    Leave(usize, usize),
    Record(usize, u8),
    Forget(usize),
    Limit(usize),
    Advance(u64),
    Flush,
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let (group, channel) = (|| 0..4_usize, || 0..4_usize);
    let call = prop_oneof![
        4 => (group(), channel(), any::<bool>()).prop_map(|(of, at, back)| Call::Join(of, at, back)),
        3 => (group(), channel()).prop_map(|(of, at)| Call::Leave(of, at)),
        8 => (group(), any::<u8>()).prop_map(|(of, number)| Call::Record(of, number)),
        1 => group().prop_map(Call::Forget),
        1 => (0..4000_usize).prop_map(Call::Limit),
        2 => (0..900_u64).prop_map(Call::Advance),
        1 => Just(Call::Flush),
    ];
    prop::collection::vec(call, 0..80)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn bytes_are_the_sum_of_all_histories(calls in calls()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let table = table();
            let members = [0, 1, 2, 3].map(|at| Member::<u8>::register(&table, at));
            for call in calls {
                match call {
                    Call::Join(of, at, back) => {
                        let since = if back { members[at].since() } else { Since::START };
                        _ = join(&table, of, at, &since);
                    }
                    Call::Leave(of, at) => _ = table.discard(&group(of), &channel(at)),
                    Call::Record(of, number) => record(&table, of, number.into()),
                    Call::Forget(of) => table.forget_history(&group(of)),
                    Call::Limit(limit) => table.histories().set_limit(limit),
                    Call::Advance(seconds) => advance(Duration::from_secs(seconds)).await,
                    Call::Flush => table.flush(),
                }
                let mut sum = 0;
                table.groups.each(|_, members| sum += members.history.as_ref().map_or(0, |history| history.bytes()));
                assert_eq!(bytes(&table), sum);
                table.groups.each(|group, members| {
                    let is_retained = members.is_empty() && members.history.is_some();
                    assert_eq!(table.histories().is_retained(group), is_retained, "{group}");
                    assert!(is_retained || !members.is_empty(), "an entry without a use");
                });
            }
            (0..4).for_each(|at| _ = table.remove(&channel(at)));
            advance(TTL * 3).await;
            (0..4).for_each(|_| record(&table, 9, 1));
            assert_eq!(entries(&table), 1, "all others are removed");
        });
    }
}

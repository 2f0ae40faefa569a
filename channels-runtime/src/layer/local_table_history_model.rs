//! Model checks of a group whose history a server keeps: members join with a position and leave, messages are lost, doubled and
//! fanned out, and the history is recalled, in hundreds of orders.

use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use shuttle::thread::{spawn, yield_now};
use tokio::time::Instant;

use crate::codec::Envelope;
use crate::event::{Cause, History, Id, Position, Reign, Since};
use crate::layer::chain::Link;
use crate::layer::delivery::{Delivery, Full, MailboxKind};
use crate::layer::local_table::LocalTable;
use crate::layer::local_table_history::NotReady;
use crate::layer::local_table_history_tests::{channel, envelope, group, id, link, number};
use crate::layer::mailbox::{Mailbox, TooMuch};
use crate::name::ChannelName;
use crate::support::{explore, lock, point};

/// The number of messages that the sender sends while members join and leave.
const MESSAGES: u64 = 4;

/// The tasks that send, join and leave: the sender, the members, and the task of the scenario.
const CALLERS: usize = 4;

/// The number of times that a member joins.
const STAYS: usize = 2;

/// The server, the network to the process, and the recalls of the process.
struct Model {
    table: LocalTable,
    history: History,
    state: Mutex<State>,
}

struct State {
    reign: Reign,
    /// The number of the newest message.
    newest: u64,
    /// The messages that have not reached the process.
    in_flight: Vec<u64>,
    /// The history must be recalled, and messages may have been lost.
    is_dirty: bool,
    is_suspect: bool,
    /// The number of requests to recall, and of those that are settled.
    requests: u64,
    settled: u64,
    /// The number of tasks that have ended: the [`CALLERS`], then the receiver.
    ended: usize,
}

/// A fault of the network or of the server, while the messages are sent.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    /// Message 2 is lost and message 3 doubled.
    Messages,
    /// The connection breaks, and what is in flight is lost.
    Connection,
    /// As [`Self::Connection`], and another server takes over, with the same messages.
    Failover,
}

impl Model {
    fn new(size: u16) -> Arc<Self> {
        let state = State {
            reign: Reign([1; 4]),
            newest: 0,
            in_flight: Vec::new(),
            is_dirty: false,
            is_suspect: false,
            requests: 0,
            settled: 0,
            ended: 0,
        };
        let history = History { size, ttl: Duration::from_secs(600) };
        Arc::new(Self { table: LocalTable::new("a model"), history, state: Mutex::new(state) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        point();
        // No task is switched while this lock is held.
        lock(&self.state)
    }

    /// Sends the next message `copies` times.
    fn send(&self, copies: usize) {
        let mut state = self.lock();
        state.newest += 1;
        let message = state.newest;
        state.in_flight.extend(std::iter::repeat_n(message, copies));
    }

    /// Marks the history for a recall. Returns the number of the request.
    fn request(&self, is_suspect: bool) -> u64 {
        let mut state = self.lock();
        state.is_dirty = true;
        state.is_suspect |= is_suspect;
        state.requests += 1;
        state.requests
    }

    fn wait_until(&self, is_true: impl Fn(&State) -> bool) {
        while !is_true(&self.lock()) {
            yield_now();
        }
    }

    /// Receives messages, as the task of the subscription, until the callers have ended.
    fn receive(&self) {
        loop {
            let next = {
                let mut state = self.lock();
                if state.in_flight.is_empty() && state.ended == CALLERS {
                    state.ended += 1;
                    return;
                }
                let has_message = !state.in_flight.is_empty();
                has_message.then(|| state.in_flight.remove(0))
            };
            let Some(next) = next else {
                yield_now();
                continue;
            };
            if self.table.hear(&group(0), link(next), &envelope(next)) {
                self.request(true);
            }
        }
    }

    /// Loses the connection and gets it back, as the task of the subscription.
    fn reconnect(&self, fault: Fault) {
        self.table.hold_history(&group(0));
        {
            let mut state = self.lock();
            state.in_flight.clear();
            if fault == Fault::Failover {
                state.reign = Reign([2; 4]);
            }
        }
        self.table.hold_history(&group(0));
        self.request(true);
    }

    /// Recalls the history, until the callers and the receiver have ended.
    fn recall(&self) {
        loop {
            let (is_suspect, requests) = {
                let mut state = self.lock();
                if !state.is_dirty {
                    // The receiver may find a gap in its last message.
                    if state.ended == CALLERS + 1 {
                        return;
                    }
                    drop(state);
                    yield_now();
                    continue;
                }
                state.is_dirty = false;
                (std::mem::take(&mut state.is_suspect), state.requests)
            };
            let again = match self.table.begin_recall(&group(0), is_suspect) {
                None => false,
                Some(known) => {
                    let (reign, newest, kept) = self.read(known);
                    // The answer is in flight.
                    point();
                    self.table.recalled(&group(0), reign, id(newest), kept)
                }
            };
            let mut state = self.lock();
            if again {
                state.is_dirty = true;
            } else {
                state.settled = state.settled.max(requests);
            }
        }
    }

    /// Reads the history in the server.
    fn read(&self, known: Option<Id>) -> (Reign, u64, Vec<(Link, Envelope)>) {
        let state = self.lock();
        let oldest = state.newest.saturating_sub(self.history.size.into()) + 1;
        let is_known = known == Some(id(state.newest));
        let kept =
            if is_known { Vec::new() } else { (oldest..=state.newest).map(|at| (link(at), envelope(at))).collect() };
        (state.reign, state.newest, kept)
    }

    /// Joins, as the pub/sub layer does.
    fn join(&self, name: &ChannelName, since: &Since) -> Position {
        self.table.open_history(&group(0), self.history);
        if self.table.is_behind(&group(0), since) {
            let request = self.request(true);
            self.wait_until(|state| state.settled >= request);
        }
        let joined = loop {
            match self.table.add_recalled(&group(0), name, since) {
                Ok(joined) => break joined.expect("the channel is registered"),
                Err(NotReady) => {
                    let request = self.request(false);
                    self.wait_until(|state| state.settled >= request);
                }
            }
        };
        self.table.close_history(&group(0));
        joined.at
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Seen {
    Message(u64),
    /// Messages up to this one are lost.
    Lost(Cause, u64),
}

/// A member of the kind that `K` identifies, and its client.
struct Member<K> {
    name: ChannelName,
    received: Mutex<Received>,
    kind: PhantomData<fn() -> K>,
}

#[derive(Default)]
struct Received {
    /// The newest message when the client came first.
    start: u64,
    /// What the client has received, with the position of each.
    seen: Vec<(Seen, Position)>,
    /// The length of `seen` when the last join began: missed messages are inserted there.
    joined: usize,
    /// The position before the first message.
    first: Option<Position>,
}

impl Received {
    fn since(&self) -> Since {
        self.seen.last().map(|(_, at)| *at).or(self.first).map_or(Since::START, Since::from)
    }
}

fn seen(delivery: &Delivery) -> (Seen, Position) {
    match delivery {
        Delivery::Raw(envelope) => (Seen::Message(number(envelope)), *envelope.position()),
        Delivery::HistoryLost(lost) => (Seen::Lost(lost.cause, number_of(lost.at.id())), lost.at),
        _ => panic!("nothing else is delivered"),
    }
}

impl<K: 'static> Member<K> {
    fn register(model: &Model, at: usize) -> Arc<Self> {
        let member = Arc::new(Self { name: channel(at), received: Mutex::default(), kind: PhantomData });
        model.table.register(&(Arc::clone(&member) as Arc<dyn Mailbox>));
        member
    }

    /// Joins with the position that the client has.
    fn join(&self, model: &Model) {
        let since = {
            let mut received = lock(&self.received);
            received.joined = received.seen.len();
            received.since()
        };
        let at = model.join(&self.name, &since);
        if since == Since::START {
            let mut received = lock(&self.received);
            (received.start, received.first) = (number_of(at.id()), Some(at));
        }
    }

    /// Checks that the client has received every message after its first visit once and in order, except for losses of which it
    /// was told.
    fn check(&self, newest: u64, causes: &[Cause]) {
        let received = lock(&self.received);
        let mut last = received.start;
        for (seen, _) in &received.seen {
            match *seen {
                Seen::Message(message) => assert_eq!(message, last + 1, "{:?}", received.seen),
                Seen::Lost(cause, at) => {
                    assert!(causes.contains(&cause) && at >= last, "{:?} after {last}", received.seen);
                }
            }
            let (Seen::Message(at) | Seen::Lost(_, at)) = *seen;
            last = at;
        }
        assert_eq!(last, newest, "{:?}", received.seen);
    }
}

fn number_of(Id(id): Id) -> u64 {
    u64::from_be_bytes(id[..8].try_into().unwrap())
}

impl<K: 'static> Mailbox for Member<K> {
    fn name(&self) -> &ChannelName {
        &self.name
    }

    fn kind(&self) -> &'static MailboxKind {
        const {
            &MailboxKind::of::<K>(|envelope, _| {
                // The user's code takes time.
                point();
                Ok(Delivery::Raw(envelope.clone()))
            })
        }
    }

    fn deliver(&self, delivery: &Delivery, _: Instant) -> Result<bool, Full> {
        lock(&self.received).seen.push(seen(delivery));
        Ok(true)
    }

    fn replay(&self, missed: &[Delivery]) -> Result<(), TooMuch> {
        let mut received = lock(&self.received);
        let joined = received.joined;
        received.seen.splice(joined..joined, missed.iter().map(seen));
        Ok(())
    }

    fn layer_closed(&self) {}
}

/// Joins and leaves `STAYS` times, and joins to stay.
fn visit<K: 'static>(model: &Model, member: &Member<K>) {
    for _ in 0..STAYS {
        member.join(model);
        model.table.discard(&group(0), &member.name);
    }
    member.join(model);
}

/// Runs one scenario with two members of different kinds, which are not prepared together.
fn play(size: u16, fault: Fault, causes: &[Cause]) {
    let model = Model::new(size);
    let (one, two) = (Member::<u8>::register(&model, 1), Member::<u16>::register(&model, 2));
    let run = |task: fn(&Model)| {
        let model = Arc::clone(&model);
        spawn(move || task(&model))
    };
    let serving = [run(Model::receive), run(Model::recall)];
    let end = |model: &Model| model.lock().ended += 1;
    let sending = {
        let model = Arc::clone(&model);
        spawn(move || {
            for message in 1..=MESSAGES {
                match (fault, message) {
                    (Fault::Messages, 2) => model.send(0),
                    (Fault::Messages, 3) => model.send(2),
                    (Fault::Connection | Fault::Failover, 3) => {
                        model.reconnect(fault);
                        model.send(1);
                    }
                    _ => model.send(1),
                }
            }
            end(&model);
        })
    };
    let visits = {
        let (first, second) = (Arc::clone(&model), Arc::clone(&model));
        let (one, two) = (Arc::clone(&one), Arc::clone(&two));
        [
            spawn(move || {
                visit(&first, &one);
                end(&first);
            }),
            spawn(move || {
                visit(&second, &two);
                end(&second);
            }),
        ]
    };
    sending.join().unwrap();
    for visit in visits {
        visit.join().unwrap();
    }
    // A fault of the last message shows at the next one.
    model.send(1);
    end(&model);
    for serving in serving {
        serving.join().unwrap();
    }
    one.check(MESSAGES + 1, causes);
    two.check(MESSAGES + 1, causes);
}

#[test]
fn members_receive_each_message_once_although_messages_are_lost() {
    explore(|| play(100, Fault::Messages, &[]));
}

#[test]
fn members_receive_each_message_once_although_connection_is_lost() {
    explore(|| play(100, Fault::Connection, &[]));
}

#[test]
fn members_are_told_of_messages_that_are_not_kept() {
    explore(|| play(1, Fault::Messages, &[Cause::Forgotten]));
    explore(|| play(1, Fault::Connection, &[Cause::Forgotten]));
}

#[test]
fn members_are_told_of_other_server() {
    explore(|| play(100, Fault::Failover, &[Cause::OtherServer]));
}

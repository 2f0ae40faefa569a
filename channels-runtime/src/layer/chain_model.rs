//! A random model of the chain: a server that keeps a history, processes that follow it, clients that come and go, and faults.
//!
//! It drives the real [`Chain`]. Between two notices of a lost history, each client must receive each message exactly once, in
//! order. Changed rules ([`Rules`]) show that the model finds a wrong chain.
//!
//! `CHAIN_MODEL_CASES=40000 cargo test -p channels-runtime chain_model` runs more cases.

use std::collections::VecDeque;

use proptest::prelude::*;
use proptest::test_runner::{TestError, TestRng, TestRunner};

use super::chain::{Chain, ChainMessage, Heard, Link, Linked, Recalled};
use crate::event::{Cause, Id, Position, Reign};
use crate::name::GroupName;

const PROCESSES: usize = 2;
const CLIENTS: usize = 4;
/// The most messages that the server and a chain keep.
const SIZE: u16 = 4;

/// The number of a message, in the order of the server.
type Number = u64;

impl ChainMessage for Number {
    fn bytes(&self) -> usize {
        1
    }
}

/// The rules that the model follows. All but one are wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rules {
    Correct,
    /// All servers have the same reign.
    NoReign,
    /// A message is appended even if its predecessor is not the newest one.
    AnyPredecessor,
    /// A client with an unknown position has missed nothing.
    UnknownPositionIsFine,
}

/// The fate of a message on its way to one process.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Arrives,
    ArrivesTwice,
    IsLost,
}

#[derive(Debug, Clone)]
enum Step {
    Send([Fate; PROCESSES]),
    /// An earlier message arrives again.
    Repeat(usize, usize),
    /// A process handles this number of messages.
    Handle(usize, usize),
    /// A process receives the answer of a recall.
    Answer(usize),
    /// A process loses its connection, or is connected again.
    Connection(usize),
    /// A process suspects that it has lost messages.
    Suspect(usize),
    /// A client joins on a process, or leaves.
    Client(usize, usize),
    /// A replica copies the server.
    Replicate,
    /// The replica becomes the server. The messages since the last copy are gone.
    Failover,
    /// The server evicts the messages, or they expire.
    Evict,
    /// The server loses all of its data, and nobody notices.
    Flush,
    /// A process needs the memory of its chain.
    Cut(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let fate = || prop_oneof![92 => Just(Fate::Arrives), 5 => Just(Fate::ArrivesTwice), 3 => Just(Fate::IsLost)];
    let (process, client) = (|| 0..PROCESSES, 0..CLIENTS);
    let step = prop_oneof![
        900 => [fate(), fate()].prop_map(Step::Send),
        20 => (process(), 0..12_usize).prop_map(|(process, back)| Step::Repeat(process, back)),
        300 => (process(), 1..5_usize).prop_map(|(process, messages)| Step::Handle(process, messages)),
        250 => process().prop_map(Step::Answer),
        160 => process().prop_map(Step::Connection),
        20 => process().prop_map(Step::Suspect),
        300 => (client, process()).prop_map(|(client, process)| Step::Client(client, process)),
        40 => Just(Step::Replicate),
        40 => Just(Step::Failover),
        20 => Just(Step::Evict),
        10 => Just(Step::Flush),
        20 => process().prop_map(Step::Cut),
    ];
    prop::collection::vec(step, 0..120)
}

fn id(number: u64) -> Id {
    let mut id = [0; 12];
    id[..8].copy_from_slice(&number.to_be_bytes());
    Id(id)
}

/// The predecessor of the first message of a server.
const NO_ID: Id = Id([0xff; 12]);

#[derive(Clone, Default)]
struct Server {
    kept: Vec<Linked<Number>>,
    last: Option<Id>,
    /// All messages that it has recorded.
    recorded: Vec<Linked<Number>>,
}

/// The answer of a recall, as the server has given it.
struct Answer {
    reign: u32,
    top: Id,
    kept: Vec<Linked<Number>>,
}

#[derive(Default)]
struct Process {
    is_cut_off: bool,
    /// `None` without members: the process is not subscribed.
    chain: Option<Chain<Number>>,
    arrived: VecDeque<Linked<Number>>,
    /// The answers on their way.
    answers: VecDeque<Answer>,
    members: Vec<usize>,
    joining: Vec<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Received {
    Message(Number),
    /// A first visit, or a notice of a lost history.
    Notice,
}

#[derive(Default)]
struct Client {
    position: Option<Position>,
    received: Vec<Received>,
}

struct Model {
    rules: Rules,
    group: GroupName,
    server: Server,
    replica: Option<Server>,
    reign: u32,
    processes: [Process; PROCESSES],
    clients: [Client; CLIENTS],
    ids: u64,
    /// The number of messages.
    sent: Number,
}

impl Model {
    fn new(rules: Rules) -> Self {
        Self {
            rules,
            group: GroupName::new("group").unwrap(),
            server: Server::default(),
            replica: None,
            reign: 0,
            processes: Default::default(),
            clients: Default::default(),
            ids: 0,
            sent: 0,
        }
    }

    fn new_id(&mut self) -> Id {
        self.ids += 1;
        id(self.ids)
    }

    fn reign_of(&self, reign: u32) -> Reign {
        Reign(if self.rules == Rules::NoReign { [0; 4] } else { reign.to_be_bytes() })
    }

    /// Records a message, as the server's script does.
    fn send(&mut self, fates: [Fate; PROCESSES]) {
        let at = self.new_id();
        let link = Link { prev: self.server.last.unwrap_or(NO_ID), at };
        let linked = Linked { link, message: self.sent };
        self.server.last = Some(at);
        self.server.kept.push(linked.clone());
        if self.server.kept.len() > SIZE.into() {
            self.server.kept.remove(0);
        }
        self.server.recorded.push(linked.clone());
        self.sent += 1;
        for (process, fate) in self.processes.iter_mut().zip(fates) {
            let copies = match fate {
                Fate::Arrives => 1,
                Fate::ArrivesTwice => 2,
                Fate::IsLost => 0,
            };
            if process.chain.is_some() && !process.is_cut_off {
                process.arrived.extend((0..copies).map(|_| linked.clone()));
            }
        }
    }

    /// Asks the server for a recall. It answers now, and the answer arrives later.
    fn recall(&mut self, at: usize) {
        let Some(chain) = &self.processes[at].chain else { return };
        if self.processes[at].is_cut_off {
            // The process recalls when it is connected again.
            return;
        }
        let since = chain.newest();
        let top = match self.server.last {
            Some(last) => last,
            None => self.new_id(),
        };
        self.server.last = Some(top);
        let kept = if since == Some(top) { Vec::new() } else { self.server.kept.clone() };
        self.processes[at].answers.push_back(Answer { reign: self.reign, top, kept });
    }

    fn deliver(&mut self, at: usize, linked: &Linked<Number>) {
        let process = &mut self.processes[at];
        let chain = process.chain.as_mut().unwrap();
        let (reign, top) = chain.top().unwrap();
        // The chain refuses another predecessor.
        let link = Link { prev: top, at: linked.link.at };
        chain.append(Linked { link, message: linked.message });
        for member in &process.members {
            let client = &mut self.clients[*member];
            client.received.push(Received::Message(linked.message));
            client.position = Some(Position::new(&self.group, reign, link.at));
        }
    }

    fn hear(&mut self, at: usize, linked: Linked<Number>) {
        let Some(chain) = &mut self.processes[at].chain else { return };
        match chain.hear(linked.link) {
            Heard::Next => self.deliver(at, &linked),
            Heard::Double => {}
            Heard::Held if self.rules == Rules::AnyPredecessor && !chain.is_waiting() => self.deliver(at, &linked),
            Heard::Held => {
                if chain.hold(linked) {
                    self.recall(at);
                }
            }
        }
    }

    fn answer(&mut self, at: usize) {
        let Some(Answer { reign, top, kept }) = self.processes[at].answers.pop_front() else { return };
        let reign = self.reign_of(reign);
        let process = &mut self.processes[at];
        let Some(chain) = &mut process.chain else { return };
        let Recalled { missed, lost, .. } = chain.recalled(reign, top, kept);
        if lost.is_some() {
            let (reign, top) = chain.top().unwrap();
            for member in &process.members {
                let client = &mut self.clients[*member];
                client.received.push(Received::Notice);
                client.position = Some(Position::new(&self.group, reign, top));
            }
        }
        for linked in missed {
            self.deliver(at, &linked);
        }
        while let Some(linked) = self.processes[at].chain.as_mut().unwrap().next_held().unwrap() {
            let chain = self.processes[at].chain.as_mut().unwrap();
            match chain.hear_held(linked.link) {
                Heard::Next => self.deliver(at, &linked),
                Heard::Double => {}
                Heard::Held if self.rules == Rules::AnyPredecessor => self.deliver(at, &linked),
                Heard::Held => {
                    chain.put_back(linked);
                    self.recall(at);
                    break;
                }
            }
        }
        self.complete_joins(at);
    }

    /// Begins a join. It is complete when the chain is live.
    fn join(&mut self, client: usize, at: usize) {
        let process = &mut self.processes[at];
        process.joining.push(client);
        if process.chain.is_none() {
            process.chain = Some(Chain::waiting(SIZE));
            process.arrived.clear();
            self.recall(at);
        }
        self.complete_joins(at);
    }

    fn complete_joins(&mut self, at: usize) {
        let process = &mut self.processes[at];
        let Some(chain) = process.chain.as_ref().filter(|chain| !chain.is_waiting()) else { return };
        let (reign, top) = chain.top().expect("a live chain has a newest message");
        for joining in std::mem::take(&mut process.joining) {
            let client = &mut self.clients[joining];
            let since = client.position.map(|position| chain.since(&position));
            if since == Some(Err(Cause::Forgotten)) && chain.is_cut() {
                process.joining.push(joining);
                continue;
            }
            let missed = match since {
                None => Err(()),
                Some(Err(Cause::Forgotten)) if self.rules == Rules::UnknownPositionIsFine => Ok(0..0),
                Some(since) => since.map_err(drop),
            };
            match missed {
                Ok(range) => {
                    let missed = chain.kept().range(range).map(|linked| Received::Message(linked.message));
                    client.received.extend(missed);
                }
                Err(()) => client.received.push(Received::Notice),
            }
            client.position = Some(Position::new(&self.group, reign, top));
            process.members.push(joining);
        }
        if !process.joining.is_empty() {
            self.suspect(at);
        }
    }

    fn leave(&mut self, client: usize) -> bool {
        for process in &mut self.processes {
            let before = process.members.len() + process.joining.len();
            process.members.retain(|member| *member != client);
            process.joining.retain(|member| *member != client);
            if process.members.len() + process.joining.len() < before {
                if process.members.is_empty() && process.joining.is_empty() {
                    // An answer may still be on its way to the next chain.
                    process.chain = None;
                    process.arrived.clear();
                }
                return true;
            }
        }
        false
    }

    fn reconnect(&mut self, at: usize) {
        let process = &mut self.processes[at];
        process.is_cut_off = false;
        process.arrived.clear();
        process.answers.clear();
        self.suspect(at);
    }

    fn suspect(&mut self, at: usize) {
        if let Some(chain) = &mut self.processes[at].chain {
            chain.wait();
            self.recall(at);
        }
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Send(fates) => self.send(fates),
            Step::Repeat(at, back) => {
                let process = &mut self.processes[at];
                if process.chain.is_some()
                    && !process.is_cut_off
                    && let Some(linked) = self.server.recorded.iter().rev().nth(back)
                {
                    process.arrived.push_back(linked.clone());
                }
            }
            Step::Handle(at, messages) => {
                for _ in 0..messages {
                    if let Some(linked) = self.processes[at].arrived.pop_front() {
                        self.hear(at, linked);
                    }
                }
            }
            Step::Answer(at) => self.answer(at),
            Step::Connection(at) if self.processes[at].is_cut_off => self.reconnect(at),
            Step::Connection(at) => self.processes[at].is_cut_off = true,
            Step::Suspect(at) => self.suspect(at),
            Step::Client(client, at) => {
                if !self.leave(client) && !self.processes[at].is_cut_off {
                    self.join(client, at);
                }
            }
            Step::Replicate => self.replica = Some(self.server.clone()),
            Step::Failover => {
                if let Some(replica) = self.replica.take() {
                    self.server = replica;
                    self.reign += 1;
                    (0..PROCESSES).for_each(|at| self.reconnect(at));
                }
            }
            Step::Evict => self.server.kept.clear(),
            Step::Flush => self.server = Server::default(),
            Step::Cut(at) => {
                if let Some(chain) = &mut self.processes[at].chain {
                    chain.cut();
                }
            }
        }
    }

    /// Lets everything arrive that is on its way.
    fn settle(&mut self) -> Result<(), String> {
        for at in 0..PROCESSES {
            self.processes[at].is_cut_off = false;
            while let Some(linked) = self.processes[at].arrived.pop_front() {
                self.hear(at, linked);
            }
            self.suspect(at);
            // Each held message may need a recall of its own.
            for _ in 0..200 {
                self.answer(at);
            }
            let process = &self.processes[at];
            if let Some(chain) = &process.chain {
                if chain.is_waiting() || !process.joining.is_empty() || !process.answers.is_empty() {
                    return Err(format!("process {at} recalls for ever"));
                }
                let newest = (self.reign_of(self.reign), self.server.last.unwrap());
                if chain.top() != Some(newest) {
                    return Err(format!("process {at} is not at the newest message"));
                }
            }
        }
        Ok(())
    }

    /// Between two notices, a client has received each message once and in order.
    fn check(&self) -> Result<(), String> {
        for (name, client) in self.clients.iter().enumerate() {
            for run in client.received.split(|received| *received == Received::Notice) {
                for pair in run.windows(2) {
                    let [Received::Message(one), Received::Message(next)] = pair else { unreachable!("no notice") };
                    if one + 1 != *next {
                        return Err(format!("client {name} received {next} after {one}"));
                    }
                }
            }
        }
        for process in &self.processes {
            if let Some(chain) = &process.chain {
                let kept = chain.kept();
                assert!(kept.len() <= SIZE.into() && chain.bytes() == kept.len());
                assert!(kept.iter().zip(kept.iter().skip(1)).all(|(one, next)| one.link.at == next.link.prev));
            }
        }
        Ok(())
    }
}

fn play(rules: Rules, steps: Vec<Step>) -> Result<(), String> {
    let mut model = Model::new(rules);
    for step in steps {
        model.take(&step);
    }
    model.settle()?;
    model.check()
}

fn cases() -> u32 {
    std::env::var("CHAIN_MODEL_CASES").map_or(2_000, |cases| cases.parse().expect("`CHAIN_MODEL_CASES` is a number"))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn client_receives_each_message_once_and_in_order_or_is_told(steps in steps()) {
        play(Rules::Correct, steps).map_err(TestCaseError::fail)?;
    }
}

/// Asserts that the model finds these rules to be wrong.
fn finds(rules: Rules) {
    let config = ProptestConfig { failure_persistence: None, cases: 2_000, max_shrink_iters: 0, ..Default::default() };
    let rng = TestRng::deterministic_rng(config.rng_algorithm);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let result = runner.run(&steps(), |steps| play(rules, steps).map_err(TestCaseError::fail));
    let Err(TestError::Fail(reason, _)) = result else { panic!("{rules:?} were not found to be wrong: {result:?}") };
    assert!(reason.message().contains("received"), "a client noticed it: {reason}");
}

#[test]
fn chain_without_reigns_is_found_to_be_wrong() {
    finds(Rules::NoReign);
}

#[test]
fn chain_without_predecessors_is_found_to_be_wrong() {
    finds(Rules::AnyPredecessor);
}

#[test]
fn chain_that_accepts_unknown_positions_is_found_to_be_wrong() {
    finds(Rules::UnknownPositionIsFine);
}

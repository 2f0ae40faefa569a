//! The play: rooms with their members and senders, messages under way, and what is measured of them.

use std::collections::VecDeque;
use std::time::Duration;

use crate::books::{Books, SPAN, Verdict};
use crate::histogram::Histogram;
use crate::net::{Id, Net, Seat, Ticket};
use crate::process::{self, Cpu};
use crate::wire::{Label, Script};

/// When a sender sends.
#[derive(Debug, Clone, Copy)]
pub enum Pace {
    /// So many messages are under way at any time: the next goes out when one has reached every member.
    UnderWay(u32),
    /// At fixed moments, whatever is under way.
    Every(Duration),
}

/// A room to be played.
#[derive(Debug, Clone, Copy)]
pub struct RoomSpec {
    /// Its members.
    pub members: u32,
    /// How many of its members send.
    pub senders: u32,
    /// When each of them sends.
    pub pace: Pace,
    /// Rooms of one class share their figures.
    pub class: usize,
    /// Its last member never reads.
    pub slow: bool,
}

#[derive(Debug, Clone, Copy)]
struct UnderWay {
    sent_at: u64,
    /// Members that have not received it.
    outstanding: u32,
}

#[derive(Debug)]
struct Sender {
    connection: Id,
    room: u32,
    local: u32,
    class: usize,
    pace: Pace,
    next_at: u64,
    owed: u32,
    /// Messages from number `base` on.
    messages: VecDeque<UnderWay>,
    base: u64,
    unfinished: u32,
}

#[derive(Debug)]
struct Room {
    first_sender: usize,
    first_connection: Id,
    members: u32,
    /// Members that a probe has reached.
    reached: Vec<bool>,
    missing: u32,
}

/// The figures of one class in one window.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// Deliveries within the window.
    pub deliveries: u64,
    /// From the send call to the return of the read that brought the message.
    pub latency: Histogram,
}

/// One measured window.
#[derive(Debug)]
pub struct Window {
    /// Its length in seconds.
    pub seconds: f64,
    /// CPU of the servers.
    pub server: Cpu,
    /// CPU of the processes beside them (Redis).
    pub side: Cpu,
    /// CPU of this process.
    pub load: Cpu,
    /// CPU of everything else on the machine, as a share of one core.
    pub foreign: f64,
    /// Reads that returned bytes.
    pub reads: u64,
    /// Figures by class.
    pub classes: Vec<Figures>,
}

impl Window {
    /// Deliveries of all classes.
    #[must_use]
    pub fn deliveries(&self) -> u64 {
        self.classes.iter().map(|class| class.deliveries).sum()
    }
}

/// The processes to weigh.
#[derive(Debug, Clone, Default)]
pub struct Watched {
    /// The servers' roots.
    pub servers: Vec<u32>,
    /// What they use beside them.
    pub side: Vec<u32>,
}

/// One set of rooms on one set of connections.
#[derive(Debug)]
pub struct Play {
    script: Script,
    run: u16,
    /// The first room's number on the wire; the books count from 0.
    offset: u32,
    /// The books.
    pub books: Books,
    rooms: Vec<Room>,
    senders: Vec<Sender>,
    tickets: Vec<Ticket>,
    slow: Vec<(Id, Seat)>,
    figures: Vec<Figures>,
    measuring: bool,
    enabled: Vec<bool>,
    sending: bool,
    ready: Vec<usize>,
    probes_seen: u64,
    give_up: u64,
    /// Messages that were not waited for any longer.
    pub given_up: u64,
}

impl Play {
    /// Seats the members of `specs`; their connections are those that `net` opens next.
    #[must_use]
    pub fn new(net: &Net, script: Script, run: u16, offset: u32, specs: &[RoomSpec], give_up: Duration) -> Self {
        let classes = specs.iter().map(|spec| spec.class + 1).max().unwrap_or(0);
        let mut play = Self {
            script,
            run,
            offset,
            books: Books::default(),
            rooms: Vec::new(),
            senders: Vec::new(),
            tickets: Vec::new(),
            slow: Vec::new(),
            figures: vec![Figures::default(); classes],
            measuring: false,
            enabled: vec![true; classes],
            sending: false,
            ready: Vec::new(),
            probes_seen: 0,
            give_up: u64::try_from(give_up.as_nanos()).expect("a short patience"),
            given_up: 0,
        };
        let mut connection = net.len();
        for spec in specs {
            let room = play.books.room(spec.members, spec.senders);
            if spec.slow {
                let seat = Seat { room: offset + room, member: spec.members - 1 };
                play.books.excuse(room, seat.member);
                play.slow.push((connection + spec.members as usize - 1, seat));
            }
            play.rooms.push(Room {
                first_sender: play.senders.len(),
                first_connection: connection,
                members: spec.members,
                reached: vec![false; spec.members as usize],
                missing: spec.members,
            });
            for local in 0..spec.senders {
                play.senders.push(Sender {
                    connection: connection + local as usize,
                    room,
                    local,
                    class: spec.class,
                    pace: spec.pace,
                    next_at: 0,
                    owed: play.books.owed(room),
                    messages: VecDeque::new(),
                    base: 0,
                    unfinished: 0,
                });
            }
            play.tickets.extend((0..spec.members).map(|member| Ticket {
                seat: Seat { room: offset + room, member },
                cramped: spec.slow && member == spec.members - 1,
            }));
            connection += spec.members as usize;
        }
        play
    }

    /// The connections to open, in order.
    #[must_use]
    pub fn tickets(&self) -> Vec<Ticket> {
        self.tickets.clone()
    }

    /// Takes a text that a connection received.
    pub fn text(&mut self, seat: Seat, payload: &[u8], now: u64) {
        let Some(label) = self.script.read(payload).filter(|label| label.run == self.run) else {
            return self.books.malformed();
        };
        let (Some(room), Some(addressed)) = (seat.room.checked_sub(self.offset), label.room.checked_sub(self.offset))
        else {
            return self.books.malformed();
        };
        if label.probe && addressed == room {
            let page = &mut self.rooms[room as usize];
            let reached = &mut page.reached[seat.member as usize];
            page.missing -= u32::from(!*reached);
            *reached = true;
            self.probes_seen += 1;
            return;
        }
        match self.books.received(room, seat.member, addressed, label.sender, label.number) {
            Verdict::Fresh | Verdict::Late => {}
            Verdict::Double | Verdict::WrongRoom | Verdict::Unknown => return,
        }
        let index = self.rooms[room as usize].first_sender + label.sender as usize;
        let sender = &mut self.senders[index];
        if self.measuring {
            self.figures[sender.class].deliveries += 1;
        }
        if self.slow.iter().any(|(_, slow)| *slow == seat) {
            return;
        }
        let Some(message) = label
            .number
            .checked_sub(sender.base)
            .and_then(|place| sender.messages.get_mut(usize::try_from(place).ok()?))
        else {
            return;
        };
        if self.measuring {
            self.figures[sender.class].latency.add(now.saturating_sub(message.sent_at));
        }
        message.outstanding -= 1;
        if message.outstanding == 0 {
            sender.unfinished -= 1;
            while sender.messages.front().is_some_and(|message| message.outstanding == 0) {
                sender.messages.pop_front();
                sender.base += 1;
            }
            self.ready.push(index);
        }
    }

    fn send(&mut self, index: usize, net: &mut Net) {
        let sender = &mut self.senders[index];
        let number = self.books.sent(sender.room, sender.local);
        let label =
            Label { run: self.run, probe: false, room: self.offset + sender.room, sender: sender.local, number };
        let frame = self.script.message(&label);
        sender.messages.push_back(UnderWay { sent_at: net.now(), outstanding: sender.owed });
        sender.unfinished += 1;
        net.write(sender.connection, &frame);
    }

    /// Sends what a sender of the closed loop may send now.
    fn fill(&mut self, index: usize, net: &mut Net) {
        while let Pace::UnderWay(limit) = self.senders[index].pace {
            let sender = &self.senders[index];
            if !self.sending || !self.enabled[sender.class] || sender.unfinished >= limit {
                break;
            }
            // A server that reorders may finish many messages before an old one.
            if sender.messages.len() as u64 >= SPAN || !net.is_open(sender.connection) {
                break;
            }
            self.send(index, net);
        }
    }

    /// Sends what the clock asks for, and says when it asks next.
    fn tick(&mut self, net: &mut Net) -> u64 {
        let now = net.now();
        let mut next = u64::MAX;
        for index in 0..self.senders.len() {
            let Pace::Every(every) = self.senders[index].pace else {
                continue;
            };
            if !self.sending || !self.enabled[self.senders[index].class] {
                continue;
            }
            if self.senders[index].next_at <= now && net.is_open(self.senders[index].connection) {
                self.send(index, net);
                let every = u64::try_from(every.as_nanos()).expect("a short interval");
                // A moment that was missed by more than an interval is not made up for: no burst.
                self.senders[index].next_at = (self.senders[index].next_at + every).max(now);
            }
            next = next.min(self.senders[index].next_at);
        }
        next
    }

    /// Stops waiting for messages that are too old.
    fn give_up(&mut self, now: u64) {
        for index in 0..self.senders.len() {
            let sender = &mut self.senders[index];
            while let Some(message) = sender.messages.front() {
                if message.outstanding > 0 && now.saturating_sub(message.sent_at) < self.give_up {
                    break;
                }
                if message.outstanding > 0 {
                    sender.unfinished -= 1;
                    self.given_up += 1;
                    self.ready.push(index);
                }
                sender.messages.pop_front();
                sender.base += 1;
            }
        }
    }

    /// Goes on for a while: sends and receives until `done` or `until` (a moment of `net`'s clock).
    fn go(&mut self, net: &mut Net, until: u64, done: impl Fn(&Self) -> bool) {
        const LOOK: u64 = 50_000_000;
        let paced = self.senders.iter().any(|sender| matches!(sender.pace, Pace::Every(_)));
        let mut look_at = net.now() + LOOK;
        loop {
            let now = net.now();
            if now >= until || done(self) {
                return;
            }
            if now >= look_at {
                self.give_up(now);
                look_at = now + LOOK;
            }
            let tick = if paced { self.tick(net) } else { u64::MAX };
            let wake = until.min(look_at).min(tick).saturating_sub(net.now());
            let count = net.wait(Duration::from_nanos(wake));
            for event in 0..count {
                net.handle(event, &mut |seat, payload, now| self.text(seat, payload, now));
                while let Some(index) = self.ready.pop() {
                    self.fill(index, net);
                }
            }
            while let Some(index) = self.ready.pop() {
                self.fill(index, net);
            }
        }
    }

    /// Sends a probe to every room until each member has seen one: from then on every member is owed every message.
    ///
    /// A server may put a connection into its group after the handshake is answered, so an open connection alone
    /// proves nothing.
    ///
    /// # Errors
    ///
    /// When some member has seen none `within` that time.
    pub fn probe(&mut self, net: &mut Net, within: Duration) -> Result<(), String> {
        let end = net.now() + u64::try_from(within.as_nanos()).expect("a short patience");
        let mut attempt = 0;
        let mut owed = 0;
        while self.rooms.iter().any(|room| room.missing > 0) {
            if net.now() >= end {
                let missing: u32 = self.rooms.iter().map(|room| room.missing).sum();
                return Err(format!("{missing} members saw no probe within {within:?}"));
            }
            for (number, room) in (0..).zip(&self.rooms).filter(|(_, room)| room.missing > 0) {
                let label =
                    Label { run: self.run, probe: true, room: self.offset + number, sender: 0, number: attempt };
                net.write(room.first_connection, &self.script.message(&label));
                owed += u64::from(room.members);
            }
            attempt += 1;
            let until = (net.now() + 1_500_000_000).min(end);
            self.go(net, until, |play| play.rooms.iter().all(|room| room.missing == 0));
        }
        // What is still on its way must not reach into the first window.
        let until = (net.now() + 3_000_000_000).min(end);
        self.go(net, until, |play| play.probes_seen >= owed);
        Ok(())
    }

    /// Lets go of the readers that are to be slow: nothing is read from them any longer.
    pub fn mute(&mut self, net: &mut Net) {
        for (connection, _) in &self.slow {
            net.read_from(*connection, false);
        }
    }

    /// Reads what waits for the slow readers, for at most `within`, and says how many messages each has in the end
    /// and whether it is still connected.
    pub fn unmute(&mut self, net: &mut Net, within: Duration) -> Vec<(u64, bool)> {
        for (connection, _) in &self.slow {
            net.read_from(*connection, true);
        }
        let end = net.now() + u64::try_from(within.as_nanos()).expect("a short patience");
        let mut before = None;
        loop {
            let seen: u64 = self.slow.iter().map(|(_, seat)| self.books.distinct(self.room(*seat), seat.member)).sum();
            if before == Some(seen) || net.now() >= end {
                break;
            }
            before = Some(seen);
            // A server that was stopped by a full socket learns that it has room again by a timer, if the news is lost.
            let until = (net.now() + 1_500_000_000).min(end);
            self.go(net, until, |_| false);
        }
        let end = |(connection, seat): &(Id, Seat)| {
            (self.books.distinct(self.room(*seat), seat.member), net.is_open(*connection))
        };
        self.slow.iter().map(end).collect()
    }

    fn room(&self, seat: Seat) -> u32 {
        seat.room - self.offset
    }

    /// Plays the classes of `enabled` and measures `seconds` of it, after `warm_up`; then waits, at most `drain`, until
    /// nothing is under way.
    pub fn measure(
        &mut self,
        net: &mut Net,
        watched: &Watched,
        enabled: &[bool],
        warm_up: Duration,
        seconds: Duration,
        drain: Duration,
    ) -> Window {
        let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).expect("a short run");
        self.enabled = enabled.to_vec();
        self.sending = true;
        // Senders that keep time are spread over their interval, as people are.
        let now = net.now();
        let count = self.senders.len() as u64;
        for (place, sender) in (0..).zip(&mut self.senders) {
            if let Pace::Every(every) = sender.pace {
                sender.next_at = now + nanos(every) * place / count;
            }
        }
        self.ready.extend(0..self.senders.len());
        while let Some(index) = self.ready.pop() {
            self.fill(index, net);
        }
        self.go(net, now + nanos(warm_up), |_| false);

        for class in &mut self.figures {
            class.deliveries = 0;
            class.latency.clear();
        }
        self.measuring = true;
        let reads = net.reads;
        let before = Weighed::now(watched);
        let began = net.now();
        self.go(net, began + nanos(seconds), |_| false);
        let ended = net.now();
        let after = Weighed::now(watched);
        self.measuring = false;
        let reads = net.reads - reads;

        self.sending = false;
        let until = net.now() + nanos(drain);
        self.go(net, until, |play| play.senders.iter().all(|sender| sender.unfinished == 0));

        let seconds = (ended - began) as f64 / 1e9;
        let (server, side, load) = (after.server - before.server, after.side - before.side, after.load - before.load);
        let foreign = after.busy - before.busy - server.total - side.total - load.total;
        Window {
            seconds,
            server,
            side,
            load,
            foreign: (foreign / seconds).max(0.0),
            reads,
            classes: self.figures.clone(),
        }
    }
}

/// A reading of all the clocks that count CPU time.
#[derive(Debug, Clone, Copy)]
pub struct Weighed {
    server: Cpu,
    side: Cpu,
    load: Cpu,
    busy: f64,
}

impl Weighed {
    /// Reads them.
    #[must_use]
    pub fn now(watched: &Watched) -> Self {
        Self {
            server: process::cpu(&watched.servers),
            side: process::cpu(&watched.side),
            load: process::cpu(&[std::process::id()]),
            busy: process::machine_busy(),
        }
    }
}

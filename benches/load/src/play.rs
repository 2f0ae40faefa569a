//! The play: rooms with their members and senders, messages in flight, and the measurements.

use std::collections::VecDeque;
use std::time::Duration;

use crate::books::{Books, SPAN, Verdict};
use crate::histogram::Histogram;
use crate::net::{Id, Net, Seat, Ticket};
use crate::process::{self, Cpu};
use crate::wire::{Label, Script};

/// The timing of a sender.
#[derive(Debug, Clone, Copy)]
pub enum Pace {
    /// A constant number of messages in flight: the next is sent when one has reached every member.
    UnderWay(u32),
    /// At fixed intervals, whatever the number of messages in flight.
    Every(Duration),
}

/// A room of the play.
#[derive(Debug, Clone, Copy)]
pub struct RoomSpec {
    /// Its members.
    pub members: u32,
    /// The number of its members that send.
    pub senders: u32,
    /// The timing of each sender.
    pub pace: Pace,
    /// Rooms of one class have common results.
    pub class: usize,
    /// Whether its last member never reads.
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
    /// Members that have received a probe.
    reached: Vec<bool>,
    missing: u32,
}

/// The results of one class in one window.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// Deliveries in the window.
    pub deliveries: u64,
    /// The times from the send call to the return of the read that contained the message.
    pub latency: Histogram,
}

/// One measured window.
#[derive(Debug)]
pub struct Window {
    /// Its length in seconds.
    pub seconds: f64,
    /// CPU of the servers.
    pub server: Cpu,
    /// CPU of the processes that the servers use (Redis).
    pub side: Cpu,
    /// CPU of this process.
    pub load: Cpu,
    /// CPU of all other processes on the machine, as a share of one core.
    pub foreign: f64,
    /// Reads that returned bytes.
    pub reads: u64,
    /// The results by class.
    pub classes: Vec<Figures>,
}

impl Window {
    /// Returns the deliveries of all classes.
    #[must_use]
    pub fn deliveries(&self) -> u64 {
        self.classes.iter().map(|class| class.deliveries).sum()
    }
}

/// The processes to measure.
#[derive(Debug, Clone, Default)]
pub struct Watched {
    /// The root processes of the servers.
    pub servers: Vec<u32>,
    /// The processes that the servers use.
    pub side: Vec<u32>,
}

/// One set of rooms on one set of connections.
#[derive(Debug)]
pub struct Play {
    script: Script,
    run: u16,
    /// The first room's number on the wire; the delivery check counts from 0.
    offset: u32,
    /// The delivery check.
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
    /// Messages given up because they were too old.
    pub given_up: u64,
}

impl Play {
    /// Assigns the members of `specs` to the connections that `net` opens next.
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

    /// Returns the connections to open, in order.
    #[must_use]
    pub fn tickets(&self) -> Vec<Ticket> {
        self.tickets.clone()
    }

    /// Handles a text that a connection received.
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

    /// Sends the messages that a sender of the closed loop may send now.
    fn fill(&mut self, index: usize, net: &mut Net) {
        while let Pace::UnderWay(limit) = self.senders[index].pace {
            let sender = &self.senders[index];
            if !self.sending || !self.enabled[sender.class] || sender.unfinished >= limit {
                break;
            }
            // A server that reorders may complete many messages before an old one.
            if sender.messages.len() as u64 >= SPAN || !net.is_open(sender.connection) {
                break;
            }
            self.send(index, net);
        }
    }

    /// Sends the messages that are due, and returns the time of the next one.
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
                // A time that was missed by more than an interval is skipped, to avoid a burst.
                self.senders[index].next_at = (self.senders[index].next_at + every).max(now);
            }
            next = next.min(self.senders[index].next_at);
        }
        next
    }

    /// Gives up messages that are too old.
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

    /// Sends and receives until `done` returns true or until `until` (a time of `net`'s clock).
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

    /// Sends probes to every room until each member has received one. From then on every member is owed every message.
    ///
    /// A server may add a connection to its group after the response to the handshake, so an open connection alone is
    /// not sufficient.
    ///
    /// # Errors
    ///
    /// If a member has received no probe within `within`.
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
        // Remaining probes must not be delivered in the first window.
        let until = (net.now() + 3_000_000_000).min(end);
        self.go(net, until, |play| play.probes_seen >= owed);
        Ok(())
    }

    /// Stops reading from the slow readers.
    pub fn mute(&mut self, net: &mut Net) {
        for (connection, _) in &self.slow {
            net.read_from(*connection, false);
        }
    }

    /// Reads the backlog of the slow readers, for at most `within`. Returns, for each, the number of its messages in
    /// the end and whether it is still connected.
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
            // A server that was blocked by a full socket needs a timer to detect free space if the notification is
            // lost.
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

    /// Plays the classes of `enabled`, and measures `seconds` after `warm_up`. Then waits, for at most `drain`, until
    /// no message is in flight.
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
        // Senders with fixed intervals are spread over the interval, as real users are.
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

/// A reading of all CPU clocks.
#[derive(Debug, Clone, Copy)]
pub struct Weighed {
    server: Cpu,
    side: Cpu,
    load: Cpu,
    busy: f64,
}

impl Weighed {
    /// Reads the clocks.
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

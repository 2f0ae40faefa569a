//! Many client connections on one thread: raw non-blocking sockets and one epoll set.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::net::{self as socket, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};

use crate::wire::{self, Answer, Dialect, Frame, opcode};

/// Number of loopback source addresses for connections. Each address has its own range of ports, and `TIME_WAIT` keeps
/// the port of a closed connection for a minute.
const SOURCES: u32 = 200;

/// The room and member of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seat {
    /// The number of its room.
    pub room: u32,
    /// Its number within the room.
    pub member: u32,
}

/// A connection to open.
#[derive(Debug, Clone, Copy)]
pub struct Ticket {
    /// The room and member of the connection.
    pub seat: Seat,
    /// Whether it gets a receive buffer far below the kernel's default, for the member that never reads.
    pub cramped: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Connecting,
    Handshaking,
    /// Waits for socket.io's two frames after the WebSocket handshake.
    Greeting,
    Open,
    Closing,
    Gone,
}

#[derive(Debug)]
struct Connection {
    /// `None` once closed.
    fd: Option<OwnedFd>,
    seat: Seat,
    state: State,
    request: Vec<u8>,
    /// The start of an incomplete frame.
    rest: Vec<u8>,
    /// The bytes that the socket has not accepted yet.
    unsent: Vec<u8>,
}

/// The duration of connecting.
#[derive(Debug, Clone, Copy)]
pub struct Connected {
    /// The time from the first SYN to the last 101 response.
    pub elapsed: Duration,
}

/// All connections of a run.
pub struct Net {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
    connections: Vec<Connection>,
    buffer: Vec<u8>,
    targets: Vec<SocketAddrV4>,
    dialect: Dialect,
    started: Instant,
    opened: u32,
    /// Number of reads that returned bytes.
    pub reads: u64,
    /// Number of connections that the server closed while the client wanted them open.
    pub dropped: u64,
    /// The message of the first failure of a connection.
    pub failure: Option<String>,
}

/// The number of a connection, in the order of opening.
pub type Id = usize;

impl Net {
    /// Creates an empty set of connections. They are assigned to `targets` in turn.
    ///
    /// # Errors
    ///
    /// If the kernel cannot create an epoll set.
    pub fn new(targets: &[SocketAddrV4], dialect: Dialect) -> Result<Self, String> {
        Ok(Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC).map_err(|error| format!("epoll: {error}"))?,
            events: Vec::with_capacity(1024),
            connections: Vec::new(),
            buffer: vec![0; 64 * 1024],
            targets: targets.to_vec(),
            dialect,
            started: Instant::now(),
            opened: 0,
            reads: 0,
            dropped: 0,
            failure: None,
        })
    }

    /// Returns the nanoseconds since the start.
    #[must_use]
    pub fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).expect("a run is shorter than five centuries")
    }

    /// Opens a connection for each ticket, `pending` handshakes at a time, and returns when all are open.
    ///
    /// Texts that arrive meanwhile are passed to `texts`.
    ///
    /// # Errors
    ///
    /// If a connection is rejected, or `within` has passed.
    pub fn connect(
        &mut self,
        tickets: &[Ticket],
        pending: usize,
        within: Duration,
        texts: &mut impl FnMut(Seat, &[u8], u64),
    ) -> Result<Connected, String> {
        let began = Instant::now();
        let first = self.connections.len();
        let mut next = 0;
        loop {
            let open = self.opened as usize;
            while next < tickets.len() && next - open < pending {
                self.open(tickets[next])?;
                next += 1;
            }
            if open == tickets.len() {
                break;
            }
            if began.elapsed() > within {
                return Err(format!("only {open} of {} connections open after {within:?}", tickets.len()));
            }
            for event in 0..self.wait(Duration::from_millis(50)) {
                self.handle(event, texts);
            }
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
        }
        self.opened = 0;
        debug_assert!(self.connections[first..].iter().all(|connection| connection.state == State::Open));
        Ok(Connected { elapsed: began.elapsed() })
    }

    fn open(&mut self, ticket: Ticket) -> Result<(), String> {
        let id = self.connections.len();
        let target = self.targets[id % self.targets.len()];
        let fail = |what: &str, error: Errno| format!("connection {id}: {what}: {error}");
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let fd = socket::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)
            .map_err(|error| fail("socket", error))?;
        if target.ip().is_loopback() {
            let host = u8::try_from(2 + id as u32 % SOURCES).expect("at most 201");
            socket::bind(&fd, &SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, host), 0))
                .map_err(|error| fail("bind", error))?;
        }
        if ticket.cramped {
            sockopt::set_socket_recv_buffer_size(&fd, 2048).map_err(|error| fail("receive buffer", error))?;
        }
        match socket::connect(&fd, &target) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(error) => return Err(fail("connect", error)),
        }
        sockopt::set_tcp_nodelay(&fd, true).map_err(|error| fail("TCP_NODELAY", error))?;
        epoll::add(&self.epoll, &fd, epoll::EventData::new_u64(id as u64), epoll::EventFlags::OUT)
            .map_err(|error| fail("epoll", error))?;
        self.connections.push(Connection {
            fd: Some(fd),
            seat: ticket.seat,
            state: State::Connecting,
            request: self.dialect.request(&target.to_string(), ticket.seat.room).into_bytes(),
            rest: Vec::new(),
            unsent: Vec::new(),
        });
        Ok(())
    }

    /// Waits for events and returns their number. The caller passes each to [`Self::handle`].
    pub fn wait(&mut self, timeout: Duration) -> usize {
        let timeout = Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).expect("a short wait"),
            tv_nsec: i64::from(timeout.subsec_nanos()),
        };
        self.events.clear();
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut self.events), Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => self.events.len(),
            Err(error) => {
                self.failure.get_or_insert(format!("epoll_wait: {error}"));
                0
            }
        }
    }

    /// Handles an event: continues the handshake, or reads once and passes every whole text to `texts`.
    pub fn handle(&mut self, event: usize, texts: &mut impl FnMut(Seat, &[u8], u64)) {
        let event = self.events[event];
        let (flags, data) = (event.flags, event.data);
        let id = usize::try_from(data.u64()).expect("it was a usize");
        if self.connections[id].fd.is_none() {
            return;
        }
        if flags.contains(epoll::EventFlags::OUT) {
            self.writable(id);
        }
        if flags.intersects(epoll::EventFlags::IN | epoll::EventFlags::HUP | epoll::EventFlags::ERR) {
            self.readable(id, texts);
        }
    }

    fn writable(&mut self, id: Id) {
        let connection = &mut self.connections[id];
        let Some(fd) = &connection.fd else { return };
        if connection.state == State::Connecting {
            match sockopt::socket_error(fd) {
                Ok(Ok(())) => {}
                Ok(Err(error)) | Err(error) => return self.fail(id, &format!("connect: {error}")),
            }
            connection.state = State::Handshaking;
            let request = std::mem::take(&mut connection.request);
            self.interest(id, true);
            self.write(id, &request);
            return;
        }
        let unsent = std::mem::take(&mut connection.unsent);
        self.interest(id, true);
        self.write(id, &unsent);
    }

    /// Registers whether to read, and writes while bytes are unsent.
    fn interest(&mut self, id: Id, reading: bool) {
        let connection = &self.connections[id];
        let Some(fd) = &connection.fd else { return };
        let mut flags = epoll::EventFlags::empty();
        flags.set(epoll::EventFlags::IN, reading);
        flags.set(epoll::EventFlags::OUT, !connection.unsent.is_empty());
        if let Err(error) = epoll::modify(&self.epoll, fd, epoll::EventData::new_u64(id as u64), flags) {
            self.fail(id, &format!("epoll: {error}"));
        }
    }

    /// Stops or resumes reading from a connection.
    pub fn read_from(&mut self, id: Id, reading: bool) {
        self.interest(id, reading);
    }

    /// Writes a frame, and keeps the bytes that the socket does not accept. Returns `false` if the connection is
    /// closed.
    pub fn write(&mut self, id: Id, bytes: &[u8]) -> bool {
        let connection = &mut self.connections[id];
        let Some(fd) = &connection.fd else {
            return false;
        };
        if !connection.unsent.is_empty() {
            connection.unsent.extend(bytes);
            return true;
        }
        let sent = match socket::send(fd, bytes, SendFlags::NOSIGNAL) {
            Ok(sent) => sent,
            Err(Errno::AGAIN | Errno::INTR) => 0,
            Err(error) => {
                self.fail(id, &format!("send: {error}"));
                return false;
            }
        };
        if sent < bytes.len() {
            connection.unsent.extend(&bytes[sent..]);
            self.interest(id, true);
        }
        true
    }

    fn readable(&mut self, id: Id, texts: &mut impl FnMut(Seat, &[u8], u64)) {
        let connection = &mut self.connections[id];
        let Some(fd) = &connection.fd else { return };
        let count = match socket::recv(fd, &mut self.buffer[..], RecvFlags::empty()) {
            Ok((0, _)) => return self.fail(id, "closed by the server"),
            Ok((count, _)) => count,
            Err(Errno::AGAIN | Errno::INTR) => return,
            Err(error) => return self.fail(id, &format!("recv: {error}")),
        };
        if connection.state == State::Open {
            self.reads += 1;
        }
        let now = self.now();
        // Both are taken out while the frames are parsed, so that a frame can be answered.
        let buffer = std::mem::take(&mut self.buffer);
        let mut rest = std::mem::take(&mut self.connections[id].rest);
        if rest.is_empty() {
            let used = self.frames(id, &buffer[..count], now, texts);
            rest.extend(&buffer[used..count]);
        } else {
            rest.extend(&buffer[..count]);
            let used = self.frames(id, &rest, now, texts);
            rest.drain(..used);
        }
        self.buffer = buffer;
        self.connections[id].rest = rest;
    }

    /// Removes whole frames (or the response to the handshake) from the start of `bytes`, and returns the number of
    /// bytes removed.
    fn frames(&mut self, id: Id, bytes: &[u8], now: u64, texts: &mut impl FnMut(Seat, &[u8], u64)) -> usize {
        let mut used = 0;
        if self.connections[id].state == State::Handshaking {
            match wire::answer(bytes) {
                Answer::Partial => return 0,
                Answer::Refused(why) => {
                    self.fail(id, &why);
                    return bytes.len();
                }
                Answer::Accepted(head) => used = head,
            }
            match self.dialect {
                Dialect::Plain | Dialect::Deflate => self.opened(id),
                Dialect::SocketIo => self.connections[id].state = State::Greeting,
            }
        }
        loop {
            let (code, payload, length) = match wire::frame(&bytes[used..]) {
                Frame::Partial => return used,
                Frame::Whole(code, payload, length) => (code, payload, length),
                Frame::Illegal => {
                    self.fail(id, "a frame that no server may send");
                    return bytes.len();
                }
            };
            used += length;
            match (self.connections[id].state, code) {
                (State::Closing, opcode::CLOSE) => {
                    self.gone(id);
                    return bytes.len();
                }
                (State::Closing, _) | (_, opcode::PONG) => {}
                (_, opcode::CLOSE) => {
                    self.fail(id, "closed by the server with a close frame");
                    return bytes.len();
                }
                (_, opcode::PING) => {
                    self.write(id, &wire::client_frame(opcode::PONG, payload));
                }
                (State::Greeting, opcode::TEXT) if payload.starts_with(b"0") => {
                    self.write(id, &wire::client_frame(opcode::TEXT, b"40"));
                }
                (State::Greeting, opcode::TEXT) if payload.starts_with(b"40") => self.opened(id),
                // engine.io's own ping; the first may arrive before the handshake is complete.
                (_, opcode::TEXT) if payload == b"2" && self.dialect == Dialect::SocketIo => {
                    self.write(id, &wire::client_frame(opcode::TEXT, b"3"));
                }
                (State::Open, _) => texts(self.connections[id].seat, payload, now),
                _ => {
                    let text = String::from_utf8_lossy(payload);
                    self.fail(id, &format!("an unexpected frame: {code} {text:?}"));
                    return bytes.len();
                }
            }
        }
    }

    fn opened(&mut self, id: Id) {
        self.connections[id].state = State::Open;
        self.opened += 1;
    }

    fn fail(&mut self, id: Id, why: &str) {
        match self.connections[id].state {
            State::Closing | State::Gone => {}
            State::Open => {
                self.dropped += 1;
                self.failure.get_or_insert(format!("connection {id}: {why}"));
            }
            State::Connecting | State::Handshaking | State::Greeting => {
                self.failure = Some(format!("connection {id} (handshake): {why}"));
            }
        }
        self.gone(id);
    }

    fn gone(&mut self, id: Id) {
        let connection = &mut self.connections[id];
        connection.state = State::Gone;
        // Closing the descriptor removes it from the epoll set, because no other descriptor refers to the socket.
        connection.fd = None;
    }

    /// Returns whether the connection is still open.
    #[must_use]
    pub fn is_open(&self, id: Id) -> bool {
        self.connections[id].state == State::Open
    }

    /// Returns the number of connections that were opened and not removed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// Returns whether no connection was opened.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// Closes all connections from `first` on with the closing handshake, and removes them. A connection whose peer
    /// does not respond within `within` is cut.
    pub fn close(&mut self, first: Id, within: Duration) {
        let frame = wire::client_frame(opcode::CLOSE, &1000_u16.to_be_bytes());
        for id in first..self.connections.len() {
            if self.connections[id].state == State::Open {
                self.write(id, &frame);
                self.connections[id].state = State::Closing;
                self.interest(id, true);
            }
        }
        let until = Instant::now() + within;
        while Instant::now() < until && self.connections[first..].iter().any(|connection| connection.fd.is_some()) {
            for event in 0..self.wait(Duration::from_millis(20)) {
                self.handle(event, &mut |_, _, _| {});
            }
        }
        self.connections.truncate(first);
    }
}

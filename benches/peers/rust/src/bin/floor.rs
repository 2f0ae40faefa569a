//! The floor: a bare epoll loop that copies the frames of a member to every socket of its room. It decodes nothing, so
//! no server that reads and writes sockets in the same way can cost less.
//!
//! It makes one write per delivery. With `--batch`, the pending output of one socket at the end of a turn is joined in one
//! write.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use base64::Engine as _;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{self, RecvFlags, SendFlags, SocketFlags, sockopt};
use sha1::{Digest, Sha1};

const LISTENER: u64 = u64::MAX;

struct Connection {
    fd: OwnedFd,
    /// `None` until the response to the handshake.
    room: Option<Rc<str>>,
    /// The start of an incomplete frame or request.
    rest: Vec<u8>,
    unsent: Vec<u8>,
    /// Has unsent bytes for the end of the turn.
    dirty: bool,
    /// Waits for space in the socket.
    blocked: bool,
}

struct Floor {
    epoll: OwnedFd,
    batch: bool,
    /// Connections by slot; the slot of a closed connection is reused.
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    rooms: HashMap<Rc<str>, Vec<usize>>,
    dirty: Vec<usize>,
    broken: Vec<usize>,
}

fn main() {
    let address = peers::address();
    let listener = std::net::TcpListener::bind(address).expect("the port is free");
    // std listens with a backlog of 128; a second call changes it.
    net::listen(&listener, 4096).expect("it listens already");
    listener.set_nonblocking(true).expect("a socket");
    let mut floor = Floor {
        epoll: epoll::create(epoll::CreateFlags::CLOEXEC).expect("epoll"),
        batch: std::env::args().any(|argument| argument == "--batch"),
        connections: Vec::new(),
        free: Vec::new(),
        rooms: HashMap::new(),
        dirty: Vec::new(),
        broken: Vec::new(),
    };
    epoll::add(&floor.epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN).expect("epoll");
    peers::announce(address);
    let mut events = Vec::with_capacity(1024);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        events.clear();
        match epoll::wait(&floor.epoll, rustix::buffer::spare_capacity(&mut events), None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => panic!("epoll_wait: {error}"),
        }
        for event in &events {
            let (flags, data) = (event.flags, event.data);
            match data.u64() {
                LISTENER => floor.accept(&listener),
                slot => floor.ready(usize::try_from(slot).expect("it was one"), flags, &mut buffer),
            }
        }
        for slot in std::mem::take(&mut floor.dirty) {
            if let Some(connection) = &mut floor.connections[slot] {
                connection.dirty = false;
                floor.flush(slot);
            }
        }
        for slot in std::mem::take(&mut floor.broken) {
            floor.close(slot);
        }
    }
}

impl Floor {
    fn accept(&mut self, listener: &std::net::TcpListener) {
        while let Ok(fd) = net::accept_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
            if sockopt::set_tcp_nodelay(&fd, true).is_err() {
                continue;
            }
            let slot = self.free.pop().unwrap_or_else(|| {
                self.connections.push(None);
                self.connections.len() - 1
            });
            if epoll::add(&self.epoll, &fd, EventData::new_u64(slot as u64), EventFlags::IN).is_ok() {
                let connection =
                    Connection { fd, room: None, rest: Vec::new(), unsent: Vec::new(), dirty: false, blocked: false };
                self.connections[slot] = Some(connection);
            }
        }
    }

    fn ready(&mut self, slot: usize, flags: EventFlags, buffer: &mut [u8]) {
        if flags.contains(EventFlags::OUT) {
            self.flush(slot);
        }
        if !flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
            return;
        }
        let Some(connection) = &mut self.connections[slot] else { return };
        let count = match net::recv(&connection.fd, &mut *buffer, RecvFlags::empty()) {
            Ok((0, _)) => return self.close(slot),
            Ok((count, _)) => count,
            Err(Errno::AGAIN | Errno::INTR) => return,
            Err(_) => return self.close(slot),
        };
        let mut rest = std::mem::take(&mut connection.rest);
        let used = if rest.is_empty() {
            let used = self.take(slot, &mut buffer[..count]);
            rest.extend(&buffer[used..count]);
            used
        } else {
            rest.extend(&buffer[..count]);
            let used = self.take(slot, &mut rest);
            rest.drain(..used);
            used
        };
        match &mut self.connections[slot] {
            Some(connection) if used < usize::MAX => connection.rest = rest,
            _ => {}
        }
    }

    /// Removes the request or whole frames from the start of `bytes`, and returns the number of bytes removed.
    fn take(&mut self, slot: usize, bytes: &mut [u8]) -> usize {
        let mut used = 0;
        loop {
            let Some(connection) = &mut self.connections[slot] else { return bytes.len() };
            let Some(room) = connection.room.clone() else {
                let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return 0 };
                let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
                self.handshake(slot, &head);
                used = end + 4;
                continue;
            };
            let [first, second, ..] = bytes[used..] else { return used };
            let (length, head) = match second & 0x7f {
                126 => match bytes.get(used + 2..used + 4) {
                    Some(&[a, b]) => (usize::from(u16::from_be_bytes([a, b])), 4),
                    _ => return used,
                },
                127 => {
                    self.close(slot);
                    return bytes.len();
                }
                short => (usize::from(short), 2),
            };
            let body = used + head + 4;
            if bytes.len() < body + length {
                return used;
            }
            let key = [bytes[body - 4], bytes[body - 3], bytes[body - 2], bytes[body - 1]];
            for (byte, key) in bytes[body..body + length].iter_mut().zip(key.iter().cycle()) {
                *byte ^= key;
            }
            used = body + length;
            match first & 0x0f {
                1 => self.broadcast(&room, &bytes[body..used]),
                8 => {
                    self.write(slot, &[0x88, 0]);
                    self.close(slot);
                    return bytes.len();
                }
                _ => {}
            }
        }
    }

    fn handshake(&mut self, slot: usize, head: &str) {
        let header = |wanted: &str| {
            head.lines()
                .filter_map(|line| line.split_once(':'))
                .find_map(|(name, value)| name.eq_ignore_ascii_case(wanted).then(|| value.trim()))
        };
        let target = head.split(' ').nth(1).unwrap_or_default();
        let (Some(room), Some(key)) = (target.strip_prefix("/ws/chat/"), header("sec-websocket-key")) else {
            self.write(slot, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            return self.close(slot);
        };
        let digest = Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
        let accept = base64::engine::general_purpose::STANDARD.encode(digest);
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        let room: Rc<str> = room.into();
        self.rooms.entry(Rc::clone(&room)).or_default().push(slot);
        if let Some(connection) = &mut self.connections[slot] {
            connection.room = Some(room);
        }
        self.write(slot, answer.as_bytes());
    }

    fn broadcast(&mut self, room: &Rc<str>, payload: &[u8]) {
        let mut frame = Vec::with_capacity(payload.len() + 4);
        frame.push(0x81);
        match u8::try_from(payload.len()) {
            Ok(short @ 0..=125) => frame.push(short),
            _ => {
                frame.push(126);
                frame.extend(u16::try_from(payload.len()).expect("read as one").to_be_bytes());
            }
        }
        frame.extend(payload);
        let Some(members) = self.rooms.remove(room) else { return };
        for member in &members {
            if !self.batch {
                self.write(*member, &frame);
            } else if let Some(connection) = &mut self.connections[*member] {
                connection.unsent.extend(&frame);
                if !connection.dirty && !connection.blocked {
                    connection.dirty = true;
                    self.dirty.push(*member);
                }
            }
        }
        self.rooms.insert(Rc::clone(room), members);
    }

    fn write(&mut self, slot: usize, bytes: &[u8]) {
        let Some(connection) = &mut self.connections[slot] else { return };
        if !connection.unsent.is_empty() {
            connection.unsent.extend(bytes);
            return;
        }
        match net::send(&connection.fd, bytes, SendFlags::NOSIGNAL) {
            Ok(sent) if sent == bytes.len() => {}
            Ok(sent) => {
                connection.unsent.extend(&bytes[sent..]);
                self.block(slot, true);
            }
            Err(Errno::AGAIN | Errno::INTR) => {
                connection.unsent.extend(bytes);
                self.block(slot, true);
            }
            Err(_) => self.broken.push(slot),
        }
    }

    fn flush(&mut self, slot: usize) {
        let Some(connection) = &mut self.connections[slot] else { return };
        if connection.unsent.is_empty() {
            return;
        }
        match net::send(&connection.fd, &connection.unsent, SendFlags::NOSIGNAL) {
            Ok(sent) => {
                connection.unsent.drain(..sent);
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => return self.broken.push(slot),
        }
        let blocked = !connection.unsent.is_empty();
        if blocked != connection.blocked {
            self.block(slot, blocked);
        }
    }

    fn block(&mut self, slot: usize, blocked: bool) {
        let Some(connection) = &mut self.connections[slot] else { return };
        connection.blocked = blocked;
        let mut flags = EventFlags::IN;
        flags.set(EventFlags::OUT, blocked);
        if epoll::modify(&self.epoll, &connection.fd, EventData::new_u64(slot as u64), flags).is_err() {
            self.broken.push(slot);
        }
    }

    fn close(&mut self, slot: usize) {
        let Some(connection) = self.connections[slot].take() else { return };
        if let Some(room) = connection.room
            && let Some(members) = self.rooms.get_mut(&room)
        {
            members.retain(|member| *member != slot);
            if members.is_empty() {
                self.rooms.remove(&room);
            }
        }
        self.free.push(slot);
    }
}

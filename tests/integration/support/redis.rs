//! A Redis server that a test starts on a free port of loopback and stops when the test ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub(crate) struct RedisServer {
    child: Child,
    port: u16,
    folder: PathBuf,
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn new_folder() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("channels-redis-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

impl RedisServer {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// With more options, as on its command line.
    pub(crate) fn start_with(options: &[&str]) -> Self {
        Self::start_on(free_port(), options)
    }

    /// A copy of another one.
    pub(crate) fn start_replica(master: &Self) -> Self {
        let replica = Self::start_with(&["--replicaof", "127.0.0.1", &master.port.to_string()]);
        let begun = Instant::now();
        // The master answers when it has a replica, or after 4 s.
        while master.ask("WAIT 1 4000").number() == 0 {
            assert!(begun.elapsed() < Duration::from_secs(20), "the replica does not reach its master");
        }
        replica
    }

    /// A Sentinel that watches this one as `mymaster`, and puts a replica in its place half a second after it is gone.
    pub(crate) fn start_sentinel(master: &Self) -> Self {
        let port = free_port();
        let folder = new_folder();
        let file = folder.join("sentinel.conf");
        let watched = format!(
            "sentinel monitor mymaster 127.0.0.1 {} 1\n\
             sentinel down-after-milliseconds mymaster 500\n\
             sentinel failover-timeout mymaster 3000\n",
            master.port
        );
        std::fs::write(&file, format!("port {port}\nbind 127.0.0.1\ndir {}\n{watched}", folder.display())).unwrap();
        let mut command = Command::new("redis-server");
        command.arg(&file).arg("--sentinel");
        Self::run_program(command, port, folder)
    }

    fn start_on(port: u16, options: &[&str]) -> Self {
        let folder = new_folder();
        let mut command = Command::new("redis-server");
        command
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            // A replica gets its copy at once.
            .args(["--repl-diskless-sync-delay", "0"])
            .arg("--dir")
            .arg(&folder)
            .args(options);
        Self::run_program(command, port, folder)
    }

    fn run_program(mut command: Command, port: u16, folder: PathBuf) -> Self {
        let child = command
            .stdout(Stdio::null())
            .spawn()
            .expect("these tests need the program `redis-server`; `scripts/test` installs it");
        let server = Self { child, port, folder };
        let begun = Instant::now();
        while !server.answers() {
            assert!(begun.elapsed() < Duration::from_secs(20), "redis-server does not answer");
            std::thread::yield_now();
        }
        server
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Kills it and starts another one on the same port, with nothing in it.
    pub(crate) fn restart(self) -> Self {
        let port = self.port;
        drop(self);
        Self::start_on(port, &[])
    }

    /// Publishes bytes as they are, as a peer with a fault would.
    pub(crate) fn publish(&self, channel: &str, payload: &[u8]) {
        assert!(matches!(self.run(&[b"PUBLISH", channel.as_bytes(), payload]), Reply::Number(_)));
    }

    /// Runs a command, as raw as it can be: a look into Redis that owes nothing to the code under test.
    pub(crate) fn run(&self, command: &[&[u8]]) -> Reply {
        self.connect().run(command)
    }

    /// A connection that stays when others are refused.
    pub(crate) fn connect(&self) -> Connection {
        let socket = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        Connection(BufReader::new(socket))
    }

    /// Stops it (`STOP`) as a machine does that hangs, or lets it go on (`CONT`).
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status().unwrap();
        assert!(sent.success());
    }

    /// As [`Self::run`], of words.
    pub(crate) fn ask(&self, command: &str) -> Reply {
        self.connect().ask(command)
    }

    fn answers(&self) -> bool {
        TcpStream::connect(("127.0.0.1", self.port)).is_ok_and(|mut socket| {
            let mut answer = [0; 7];
            socket.write_all(b"PING\r\n").is_ok()
                && socket.set_read_timeout(Some(Duration::from_secs(5))).is_ok()
                && socket.read_exact(&mut answer).is_ok()
                // With a password it answers that it wants one.
                && (&answer == b"+PONG\r\n" || answer.starts_with(b"-NOAUTH"))
        })
    }
}

/// One connection to it.
pub(crate) struct Connection(BufReader<TcpStream>);

impl Connection {
    pub(crate) fn run(&mut self, command: &[&[u8]]) -> Reply {
        let mut bytes = format!("*{}\r\n", command.len()).into_bytes();
        for argument in command {
            bytes.extend(format!("${}\r\n", argument.len()).into_bytes());
            bytes.extend(*argument);
            bytes.extend(b"\r\n");
        }
        self.0.get_mut().write_all(&bytes).unwrap();
        Reply::read(&mut self.0)
    }

    /// As [`Self::run`], of words.
    pub(crate) fn ask(&mut self, command: &str) -> Reply {
        self.run(&command.split(' ').map(str::as_bytes).collect::<Vec<_>>())
    }
}

/// What Redis says.
#[derive(Debug, PartialEq, Clone)]
pub(crate) enum Reply {
    Nothing,
    Number(i64),
    Bytes(Vec<u8>),
    List(Vec<Self>),
    Error(String),
}

impl Reply {
    fn read(from: &mut impl BufRead) -> Self {
        let mut line = String::new();
        from.read_line(&mut line).unwrap();
        let (kind, rest) = line.trim_end().split_at(1);
        match kind {
            "+" => Self::Bytes(rest.into()),
            "-" => Self::Error(rest.into()),
            ":" => Self::Number(rest.parse().unwrap()),
            "$" if rest == "-1" => Self::Nothing,
            "*" if rest == "-1" => Self::Nothing,
            "$" => {
                let mut bytes = vec![0; rest.parse::<usize>().unwrap() + 2];
                from.read_exact(&mut bytes).unwrap();
                bytes.truncate(bytes.len() - 2);
                Self::Bytes(bytes)
            }
            "*" => Self::List((0..rest.parse().unwrap()).map(|_| Self::read(from)).collect()),
            other => panic!("{other}"),
        }
    }

    pub(crate) fn number(&self) -> i64 {
        match self {
            Self::Number(number) => *number,
            other => panic!("no number: {other:?}"),
        }
    }

    pub(crate) fn list(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            other => panic!("no list: {other:?}"),
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            other => panic!("no bytes: {other:?}"),
        }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }

    pub(crate) fn texts(&self) -> Vec<String> {
        self.list().iter().map(Self::text).collect()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
        _ = std::fs::remove_dir_all(&self.folder);
    }
}

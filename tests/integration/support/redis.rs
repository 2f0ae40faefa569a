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

    /// Starts a server with more options, as on the command line.
    pub(crate) fn start_with(options: &[&str]) -> Self {
        Self::start_on(free_port(), options)
    }

    /// Starts a replica of another server.
    pub(crate) fn start_replica(master: &Self) -> Self {
        let replica = Self::start_with(&["--replicaof", "127.0.0.1", &master.port.to_string()]);
        let begun = Instant::now();
        // The master replies when it has a replica, or after 4 s.
        while master.ask("WAIT 1 4000").number() == 0 {
            assert!(begun.elapsed() < Duration::from_secs(20), "the replica does not reach its master");
        }
        replica
    }

    /// Starts a Sentinel that watches this server as `mymaster`, and promotes a replica half a second after the server is
    /// gone.
    pub(crate) fn start_sentinel(master: &Self) -> Self {
        Self::start_sentinel_with(master.port, &[], "")
    }

    /// Starts a Sentinel, with more options as on the command line, and more lines of configuration.
    pub(crate) fn start_sentinel_with(master_port: u16, options: &[String], lines: &str) -> Self {
        let port = free_port();
        let folder = new_folder();
        let file = folder.join("sentinel.conf");
        let watched = format!(
            "sentinel monitor mymaster 127.0.0.1 {master_port} 1\n\
             sentinel down-after-milliseconds mymaster 500\n\
             sentinel failover-timeout mymaster 3000\n"
        );
        let folder_line = format!("dir {}", folder.display());
        std::fs::write(&file, format!("port {port}\nbind 127.0.0.1\n{folder_line}\n{watched}{lines}")).unwrap();
        let mut command = Command::new("redis-server");
        command.arg(&file).arg("--sentinel").args(options);
        Self::run_program(command, port, folder)
    }

    fn start_on(port: u16, options: &[&str]) -> Self {
        let folder = new_folder();
        let mut command = Command::new("redis-server");
        command
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            // A replica gets its copy immediately.
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

    /// Kills the server and starts an empty one on the same port.
    pub(crate) fn restart(self) -> Self {
        let port = self.port;
        drop(self);
        Self::start_on(port, &[])
    }

    /// Publishes raw bytes, as a faulty peer would.
    pub(crate) fn publish(&self, channel: &str, payload: &[u8]) {
        assert!(matches!(self.run(&[b"PUBLISH", channel.as_bytes(), payload]), Reply::Number(_)));
    }

    /// Runs a raw command, independently of the code under test.
    pub(crate) fn run(&self, command: &[&[u8]]) -> Reply {
        self.connect().run(command)
    }

    /// Opens a connection that stays open when others are refused.
    pub(crate) fn connect(&self) -> Connection {
        let socket = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        Connection(BufReader::new(socket))
    }

    /// Stops the process (`STOP`), as a machine that hangs, or continues it (`CONT`).
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status().unwrap();
        assert!(sent.success());
    }

    /// Runs a command of words, as [`Self::run`].
    pub(crate) fn ask(&self, command: &str) -> Reply {
        self.connect().ask(command)
    }

    fn answers(&self) -> bool {
        TcpStream::connect(("127.0.0.1", self.port)).is_ok_and(|mut socket| {
            let mut answer = [0; 7];
            socket.write_all(b"PING\r\n").is_ok()
                && socket.set_read_timeout(Some(Duration::from_secs(5))).is_ok()
                && socket.read_exact(&mut answer).is_ok()
                // With a password, the reply is that it is required.
                && (&answer == b"+PONG\r\n" || answer.starts_with(b"-NOAUTH"))
        })
    }
}

/// A connection to the server.
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

    /// Runs a command of words, as [`Self::run`].
    pub(crate) fn ask(&mut self, command: &str) -> Reply {
        self.run(&command.split(' ').map(str::as_bytes).collect::<Vec<_>>())
    }
}

/// A reply of Redis.
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
            other => panic!("not a number: {other:?}"),
        }
    }

    pub(crate) fn list(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            other => panic!("not a list: {other:?}"),
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            other => panic!("not bytes: {other:?}"),
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

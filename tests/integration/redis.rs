//! A redis-server of the test's own, on a free port of loopback, gone when the test is.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub(crate) struct RedisServer {
    child: Child,
    port: u16,
    folder: PathBuf,
}

impl RedisServer {
    pub(crate) fn start() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        Self::start_on(port)
    }

    fn start_on(port: u16) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("channels-redis-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .arg("--dir")
            .arg(&folder)
            .stdout(Stdio::null())
            .spawn()
            .expect("these tests need the program `redis-server`; `scripts/test` installs it");
        let server = Self { child, port, folder };
        let begun = Instant::now();
        while server.ask(b"PING\r\n").is_none_or(|answer| answer != b"+PONG\r\n") {
            assert!(begun.elapsed() < Duration::from_secs(20), "redis-server does not answer");
            std::thread::yield_now();
        }
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Kills it and starts another one on the same port, with nothing in it.
    pub(crate) fn restart(self) -> Self {
        let port = self.port;
        drop(self);
        Self::start_on(port)
    }

    /// Publishes bytes as they are, as a peer with a fault would.
    pub(crate) fn publish(&self, channel: &str, payload: &[u8]) {
        let mut command = format!("*3\r\n$7\r\nPUBLISH\r\n${}\r\n{channel}\r\n", channel.len()).into_bytes();
        command.extend(format!("${}\r\n", payload.len()).into_bytes());
        command.extend(payload);
        command.extend(b"\r\n");
        assert!(self.ask(&command).is_some_and(|answer| answer.starts_with(b":")));
    }

    fn ask(&self, command: &[u8]) -> Option<Vec<u8>> {
        let mut socket = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        socket.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        socket.write_all(command).ok()?;
        let mut answer = vec![0; 64];
        let length = socket.read(&mut answer).ok()?;
        answer.truncate(length);
        Some(answer)
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
        _ = std::fs::remove_dir_all(&self.folder);
    }
}

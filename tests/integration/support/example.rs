//! The examples as real processes: each starts on a free port and ends with the test.
//!
//! `cargo test --workspace` builds the examples; `cargo test --workspace --test integration` uses the ones that are there.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};

/// A running example.
pub(crate) struct Example {
    child: Child,
    address: SocketAddr,
}

impl Example {
    /// Starts the example with these flags and waits until it listens.
    pub(crate) fn start(name: &str, flags: &[&str]) -> Self {
        Self::start_at(name, "127.0.0.1:0", flags)
    }

    pub(crate) fn start_at(name: &str, address: &str, flags: &[&str]) -> Self {
        Self::launch(name, Command::new(program(name)).args(["--addr", address]).args(flags))
    }

    /// Starts the example with this soft and this hard limit of open files.
    #[allow(dead_code, reason = "not every test that includes this file uses it")]
    pub(crate) fn start_with_files(name: &str, soft: u32, hard: u32) -> Self {
        let limited = format!("ulimit -Sn {soft} && ulimit -Hn {hard} && exec \"$0\" \"$@\"");
        let mut shell = Command::new("sh");
        Self::launch(name, shell.args(["-c", &limited]).arg(program(name)).args(["--addr", "127.0.0.1:0"]))
    }

    /// Starts the example with these levels of its log, and also returns the log. At most 64 KiB fit into it before it is read.
    #[allow(dead_code, reason = "not every test that includes this file uses it")]
    pub(crate) fn start_with_log(name: &str, levels: &str) -> (Self, ChildStderr) {
        let mut command = Command::new(program(name));
        command.args(["--addr", "127.0.0.1:0"]).env("RUST_LOG", levels).env("NO_COLOR", "1").stderr(Stdio::piped());
        let mut example = Self::launch(name, &mut command);
        let log = example.child.stderr.take().expect("the log is a pipe");
        (example, log)
    }

    /// Starts the example with this value of Django's setting `CHANNEL_LAYERS`.
    #[allow(dead_code, reason = "not every test that includes this file uses it")]
    pub(crate) fn start_with_layers(name: &str, layers: &serde_json::Value) -> Self {
        let mut command = Command::new(program(name));
        Self::launch(name, command.args(["--addr", "127.0.0.1:0"]).env("CHANNEL_LAYERS", layers.to_string()))
    }

    fn launch(name: &str, command: &mut Command) -> Self {
        let mut child =
            command.stdout(Stdio::piped()).spawn().expect("cargo builds the examples before it runs the tests");
        let mut line = String::new();
        let out = child.stdout.take().expect("its output is a pipe");
        BufReader::new(out).read_line(&mut line).expect("its output is text");
        let address = line.trim().strip_prefix("listening on http://").and_then(|url| url.strip_suffix('/'));
        let address = address.unwrap_or_else(|| panic!("example {name} prints {line:?} instead of its address"));
        Self { child, address: address.parse().expect("the line ends with an address") }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the process id.
    #[allow(dead_code, reason = "not every test that includes this file uses it")]
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to the process, such as `TERM`.
    #[allow(dead_code, reason = "not every test that includes this file uses it")]
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.id().to_string()]).status();
        assert!(sent.expect("there is a program `kill`").success());
    }

    /// Waits until the process has ended.
    #[allow(dead_code, reason = "not every test that includes this file uses it")]
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().expect("the process is a child")
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Returns the path of an example. `target/<profile>/examples` is next to `target/<profile>/deps`, which holds this test.
pub(crate) fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("this test is a file");
    let profile = test.ancestors().nth(2).expect("the test is in target/<profile>/deps");
    profile.join("examples").join(name)
}

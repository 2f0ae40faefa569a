//! Python processes: `peer.py`, which runs real channels_redis for a test, and the tutorial's Django site.

use std::collections::HashMap;
use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::oneshot;

/// Time limit for a reply from Python; the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(30);

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("django")
}

/// Returns a command for a program of the virtual environment.
pub(crate) fn program(name: &str) -> Command {
    let path = folder().join(".venv/bin").join(name);
    assert!(
        path.exists(),
        "these tests run real Django Channels, and tests/django/.venv does not exist: run `scripts/python-env`"
    );
    Command::new(path)
}

/// A process that is killed on drop.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// An exception that Python raised.
#[derive(Debug)]
pub(crate) struct Raised {
    /// The class of the exception.
    pub(crate) name: String,
    pub(crate) text: String,
}

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Python raised {}: {}", self.name, self.text)
    }
}

type Answer = Result<Value, Raised>;

/// A process with layers of channels_redis. Calls can overlap.
pub(crate) struct Peer {
    input: Mutex<(ChildStdin, u64)>,
    waiting: Arc<Mutex<HashMap<u64, oneshot::Sender<Answer>>>>,
    _process: Process,
}

impl Peer {
    pub(crate) fn start() -> Self {
        let mut command = program("python");
        command.arg(folder().join("peer.py")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let waiting = Arc::<Mutex<HashMap<u64, oneshot::Sender<Answer>>>>::default();
        let answered = Arc::clone(&waiting);
        // The thread ends with the process.
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                let Ok(line) = line else { break };
                let mut reply: Value = serde_json::from_str(&line).expect("peer.py writes JSON");
                let id = reply["id"].as_u64().expect("peer.py answers a call");
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                let answer = match reply.get("error") {
                    Some(name) => Err(Raised { name: text(name), text: text(&reply["text"]) }),
                    None => Ok(reply["ok"].take()),
                };
                if let Some(waits) = answered.lock().unwrap().remove(&id) {
                    _ = waits.send(answer);
                }
            }
            // Pending calls fail: no further replies will come.
            answered.lock().unwrap().clear();
        });
        Self { input: Mutex::new((input, 0)), waiting, _process: Process(child) }
    }

    /// Calls a method of the class `Peer` in `peer.py`: `call("send", json!({"layer": .., ..}))`. The call has been sent
    /// when this returns; the future returns the reply.
    pub(crate) fn begin(&self, name: &str, arguments: &Value) -> impl Future<Output = Answer> + use<> {
        let (tx, rx) = oneshot::channel();
        let mut call = arguments.clone();
        {
            let mut input = self.input.lock().unwrap();
            input.1 += 1;
            call["id"] = input.1.into();
            call["do"] = name.into();
            self.waiting.lock().unwrap().insert(input.1, tx);
            writeln!(input.0, "{call}").expect("peer.py reads");
        }
        let name = name.to_owned();
        async move {
            let answer = tokio::time::timeout(PATIENCE, rx).await;
            answer.unwrap_or_else(|_| panic!("peer.py does not answer `{name}`")).expect("peer.py is running")
        }
    }

    pub(crate) async fn call(&self, name: &str, arguments: &Value) -> Value {
        self.begin(name, arguments).await.unwrap_or_else(|raised| panic!("{name}: {raised}"))
    }

    /// Sends a raw command to Redis.
    pub(crate) async fn redis(&self, url: &str, command: &Value) -> Value {
        self.call("redis", &json!({"url": url, "command": command})).await
    }
}

/// The tutorial's chat on daphne.
pub(crate) struct Daphne {
    address: SocketAddr,
    errors: Arc<Mutex<Vec<String>>>,
    _process: Process,
}

impl Daphne {
    /// Starts daphne with this `CHANNEL_LAYERS` and waits until it listens.
    pub(crate) fn start(layers: &Value) -> Self {
        let mut command = in_tutorial("daphne", layers);
        command.args(["--bind", "127.0.0.1", "--port", "0", "--verbosity", "1", "asgi:application"]);
        let (process, errors, address) = started(command, "Listening on TCP address ");
        Self { address: address.parse().expect("daphne logs its address"), errors, _process: process }
    }

    /// Returns the URL of a page (`http`) or a consumer (`ws`).
    pub(crate) fn url(&self, scheme: &str, path: &str) -> String {
        format!("{scheme}://{}{path}", self.address)
    }

    /// Waits until the log contains this text.
    pub(crate) async fn says(&self, text: &str) {
        let said = async {
            while !self.errors.lock().unwrap().iter().any(|line| line.contains(text)) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, said).await.is_err() {
            panic!("the log of daphne: {}", self.errors.lock().unwrap().join("\n"));
        }
    }
}

/// A plain WSGI Django, without Channels.
pub(crate) struct PlainSite {
    pub(crate) address: SocketAddr,
    _process: Process,
}

impl PlainSite {
    pub(crate) fn start() -> Self {
        let mut command = program("python");
        command.arg(folder().join("plain_site/site.py")).stdout(Stdio::null());
        let (process, _, address) = started(command, "listening on ");
        Self { address: address.parse().expect("the site logs its address"), _process: process }
    }
}

/// Returns a command for a program of the tutorial's site.
fn in_tutorial(name: &str, layers: &Value) -> Command {
    let mut command = program(name);
    command.current_dir(folder().join("tutorial")).env("CHANNEL_LAYERS", layers.to_string());
    // Discards daphne's access log, which has one line per connection.
    command.env("DJANGO_SETTINGS_MODULE", "settings").env("PYTHONUNBUFFERED", "1").stdout(Stdio::null());
    command
}

/// Starts a program and waits for a line with this text. Returns the process, its lines, and the text after the awaited one.
fn started(mut command: Command, awaited: &'static str) -> (Process, Arc<Mutex<Vec<String>>>, String) {
    command.stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let output = child.stderr.take().unwrap();
    let process = Process(child);
    let lines = Arc::<Mutex<Vec<String>>>::default();
    let kept = Arc::clone(&lines);
    let (tx, rx) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if let Some((_, behind)) = line.split_once(awaited) {
                _ = tx.send(behind.to_owned());
            }
            kept.lock().unwrap().push(line);
        }
    });
    let behind = rx
        .recv_timeout(PATIENCE)
        .unwrap_or_else(|_| panic!("the output of the program: {}", lines.lock().unwrap().join("\n")));
    (process, lines, behind)
}

/// The `runworker` command of Channels. It does not report when it is ready.
pub(crate) struct Worker {
    _process: Process,
}

impl Worker {
    pub(crate) fn start(layers: &Value, channel: &str) -> Self {
        let mut command = in_tutorial("python", layers);
        command.args(["-m", "django", "runworker", channel]);
        Self { _process: Process(command.spawn().unwrap()) }
    }
}

//! Commands to one Redis server: what waits goes out in one pipeline, in order.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use deadpool_redis::redis::{
    self, Cmd, FromRedisValue, Pipeline, RedisError, RedisResult, Script, ServerErrorKind, Value,
};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

use crate::error::LayerError;
use crate::layer::redis::connection_error::{ConnectionError, unavailable_at};
use crate::layer::redis::host::{Commanding, Host};
use crate::layer::redis::limits::DEADLINE;
use crate::layer::redis::pipeline::{answers, usual};

/// Bound: this many commands wait. Policy: the next sender waits for room, no longer than the deadline.
const QUEUE: usize = 1024;

/// The most commands in one pipeline.
const PIPELINE: usize = 256;

/// A connection that was not used for this long is asked whether it still works before it is used again.
const IDLE: Duration = Duration::from_secs(5);

/// Puts messages into queues, each only if it holds fewer than its capacity. Gives the places, from 0, of those that
/// are full, and of the keys that are no queues, which are left as they are: whatever is in one of them, the others get
/// their message.
///
/// channels_redis does the same in two to four commands, which let a queue grow beyond its capacity when two senders
/// meet. What has expired is removed last: a script that has written something is let through by a Redis that is out of
/// memory, and so the message would get in where no other would.
const STORE: &str = "\
local full, spoilt = {}, {}
for i, key in ipairs(KEYS) do
  local held = redis.pcall('ZCOUNT', key, '(' .. ARGV[2], '+inf')
  if type(held) == 'table' then
    if not string.find(held.err, 'WRONGTYPE', 1, true) then
      return held
    end
    spoilt[#spoilt + 1] = i - 1
  elseif held >= tonumber(ARGV[2 * i + 2]) then
    full[#full + 1] = i - 1
  else
    redis.call('ZADD', key, ARGV[1], ARGV[2 * i + 3])
    redis.call('EXPIRE', key, ARGV[3])
  end
end
for i, key in ipairs(KEYS) do
  redis.pcall('ZREMRANGEBYSCORE', key, 0, ARGV[2])
end
return {full, spoilt}";

/// The places, in the list of entries, of those whose message did not get in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotStored {
    /// The queue holds as many messages as its capacity allows.
    pub(super) full: Vec<usize>,
    /// The key is something else than a queue.
    pub(super) spoilt: Vec<usize>,
}

/// One message for each of several queues of a server.
#[derive(Debug)]
pub(super) struct Store {
    /// Of the new entries.
    pub(super) score: f64,
    /// Older entries are removed.
    pub(super) cutoff: f64,
    /// For how many seconds Redis keeps a queue.
    pub(super) expiry: u64,
    pub(super) entries: Vec<Entry>,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) queue: String,
    pub(super) capacity: usize,
    pub(super) message: Bytes,
}

impl Store {
    fn command(&self, loaded: bool) -> Cmd {
        static HASH: LazyLock<String> = LazyLock::new(|| Script::new(STORE).get_hash().to_owned());
        let mut command = if loaded { redis::cmd("EVALSHA") } else { redis::cmd("EVAL") };
        command.arg(if loaded { &HASH } else { STORE }).arg(self.entries.len());
        for entry in &self.entries {
            command.arg(&entry.queue);
        }
        command.arg(self.score).arg(self.cutoff).arg(self.expiry);
        for entry in &self.entries {
            command.arg(entry.capacity).arg(&entry.message[..]);
        }
        command
    }
}

enum Command {
    Plain(Cmd),
    Store(Store),
}

struct Waiting {
    command: Command,
    /// What it is, for the error message.
    action: &'static str,
    /// The sender is told when Redis has answered. It may have gone away meanwhile; the command is sent all the same.
    done: oneshot::Sender<Result<Value, LayerError>>,
}

/// The sending end of a [`run`].
#[derive(Debug, Clone)]
pub(super) struct Commands {
    queue: mpsc::Sender<Waiting>,
    /// The address of the server, for errors.
    server: Arc<str>,
}

impl Commands {
    /// Commands for a host, and the task that sends them until all ends are dropped.
    pub(super) fn new(host: Arc<Host>) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (tx, rx) = mpsc::channel(QUEUE);
        (Self { queue: tx, server: host.to_string().into() }, run(host, rx))
    }

    /// Sends a command, and waits until Redis has done it.
    ///
    /// Two calls of one sender, one after the other, are done in that order.
    pub(super) async fn send<T: FromRedisValue>(&self, action: &'static str, command: Cmd) -> Result<T, LayerError> {
        self.done(action, Command::Plain(command)).await
    }

    /// Puts messages into queues. Gives those that did not get in.
    pub(super) async fn store(&self, store: Store) -> Result<NotStored, LayerError> {
        let (full, spoilt) = self.done("ZADD", Command::Store(store)).await?;
        Ok(NotStored { full, spoilt })
    }

    async fn done<T: FromRedisValue>(&self, action: &'static str, command: Command) -> Result<T, LayerError> {
        let (done, answer) = oneshot::channel();
        let sent = async {
            self.queue.send(Waiting { command, action, done }).await.map_err(|_| LayerError::Closed)?;
            answer.await.unwrap_or(Err(LayerError::Closed))
        };
        let value =
            timeout(DEADLINE, sent).await.unwrap_or_else(|late| Err(unavailable_at(&self.server, action, late)))?;
        redis::from_redis_value(value).map_err(|error| unavailable_at(&self.server, action, error))
    }
}

async fn run(host: Arc<Host>, mut queue: mpsc::Receiver<Waiting>) {
    let mut batch = Vec::with_capacity(PIPELINE);
    let mut held: Option<(Commanding, Instant)> = None;
    // While one pipeline is under way, the next gathers: no command is held back, and a busy time needs few round trips.
    while queue.recv_many(&mut batch, PIPELINE).await > 0 {
        let sent = timeout(DEADLINE, async {
            let asked = pipeline(&mut batch);
            let usual = usual(&asked);
            let mut commanding = match held.take() {
                Some((commanding, used)) if used.elapsed() < IDLE => commanding,
                // The pool takes it back, and gives it out again if it answers.
                _ => host.commanding().await?,
            };
            #[cfg(feature = "metrics")]
            let begun = std::time::Instant::now();
            tokio::select! {
                biased;
                answers = answers(asked, commanding.connection()) => {
                    #[cfg(feature = "metrics")]
                    if answers.is_ok() {
                        crate::support::metrics::round_trip(begun.elapsed());
                    }
                    return Ok((commanding, answers));
                }
                // Dropped when the answers come; nothing was said on what it opened.
                fresh = host.overtaken(usual) => held = Some((fresh, Instant::now())),
            }
            commanding.discard();
            Err(ConnectionError::Overtaken)
        });
        match sent.await {
            Ok(Ok((commanding, Ok(answers)))) => {
                if answer(&mut batch, answers, &host) {
                    held = Some((commanding, Instant::now()));
                } else {
                    commanding.discard();
                }
            }
            // Whether Redis got some of it is not known. Sending again could deliver twice, so it is not done.
            Ok(Ok((commanding, Err(error)))) => {
                commanding.discard();
                fail(&mut batch, &Arc::new(error), &host);
            }
            Ok(Err(error)) => fail(&mut batch, &Arc::new(error), &host),
            Err(late) => {
                host.forget_idle();
                fail(&mut batch, &Arc::new(late.into()), &host);
            }
        }
    }
}

fn pipeline(batch: &mut [Waiting]) -> Pipeline {
    let mut pipeline = Pipeline::with_capacity(batch.len());
    // The first one brings the script with it, so that it is there for the others whatever happened to the server.
    let mut loaded = false;
    for waiting in batch {
        pipeline.add_command(match &mut waiting.command {
            Command::Plain(command) => std::mem::take(command),
            Command::Store(store) => store.command(std::mem::replace(&mut loaded, true)),
        });
    }
    pipeline
}

/// Tells everyone the answer. Gives whether the connection is still good.
fn answer(batch: &mut Vec<Waiting>, answers: Vec<RedisResult<Value>>, host: &Host) -> bool {
    let mut good = true;
    for (waiting, answer) in batch.drain(..).zip(answers) {
        let answer = answer.map_err(|error: RedisError| {
            // A master that became a replica stays connected and refuses to write.
            good &= error.kind() != ServerErrorKind::ReadOnly.into();
            unavailable_at(host, waiting.action, error)
        });
        _ = waiting.done.send(answer);
    }
    good
}

fn fail(batch: &mut Vec<Waiting>, error: &Arc<ConnectionError>, host: &Host) {
    for waiting in batch.drain(..) {
        _ = waiting.done.send(Err(unavailable_at(host, waiting.action, Arc::clone(error))));
    }
}

//! The command queue of one Redis server: queued commands are sent in one pipeline, in order.

use std::sync::Arc;

use deadpool_redis::redis::{self, Cmd, FromRedisValue, Pipeline, RedisError, RedisResult, ServerErrorKind, Value};
use smallvec::SmallVec;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::error::LayerError;
use crate::layer::redis::connection_error::{ConnectionError, unavailable_at};
use crate::layer::redis::host::Host;
use crate::layer::redis::kept_connection::KeptConnection;
use crate::layer::redis::last_error::LastError;
use crate::layer::redis::limits::{CALL_DEADLINE, DEADLINE};
use crate::layer::redis::lua_script::{LuaScript, ScriptCall};
use crate::layer::redis::pipeline::{run_pipeline, usual_reply_time};
use crate::layer::redis::store::{NotStored, Store};

/// The bound of the queue. Policy: a further sender waits for space, no longer than [`CALL_DEADLINE`].
const QUEUE: usize = 1024;

/// The largest number of commands in one pipeline.
const PIPELINE: usize = 256;

enum Command {
    Plain(Cmd),
    Script(Box<dyn ScriptCall>),
}

struct QueuedCommand {
    command: Command,
    /// The name of the command in an error.
    action: &'static str,
    /// Receives the reply. A command is sent even if its sender no longer waits.
    reply: oneshot::Sender<Result<Value, LayerError>>,
}

/// The sending end of the queue.
#[derive(Debug, Clone)]
pub(super) struct Commands {
    queue: mpsc::Sender<QueuedCommand>,
    /// The address of the server, for errors.
    server: Arc<str>,
    last_error: Arc<LastError>,
}

impl Commands {
    /// Returns the queue of a host, and the task that sends the commands until all sending ends are dropped.
    pub(super) fn new(host: Arc<Host>) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (tx, rx) = mpsc::channel(QUEUE);
        let last_error = Arc::<LastError>::default();
        let commands = Self { queue: tx, server: host.to_string().into(), last_error: Arc::clone(&last_error) };
        (commands, run(host, rx, last_error))
    }

    /// Returns the error of the last pipeline, if it failed.
    pub(super) fn last_error(&self) -> Option<Arc<ConnectionError>> {
        self.last_error.get()
    }

    /// Sends a command, and returns the reply of Redis. Redis executes consecutive calls of one sender in their order.
    pub(super) async fn send<T: FromRedisValue>(&self, action: &'static str, command: Cmd) -> Result<T, LayerError> {
        self.execute(action, Command::Plain(command)).await
    }

    /// Runs a script, like [`Self::send`].
    pub(super) async fn run<T: FromRedisValue>(
        &self,
        action: &'static str,
        call: impl ScriptCall + 'static,
    ) -> Result<T, LayerError> {
        self.execute(action, Command::Script(Box::new(call))).await
    }

    /// Adds messages to queues. Returns those that were not stored.
    pub(super) async fn store(&self, store: Store) -> Result<NotStored, LayerError> {
        let (full, wrong_type) = self.run("ZADD", store).await?;
        Ok(NotStored { full, wrong_type })
    }

    async fn execute<T: FromRedisValue>(&self, action: &'static str, command: Command) -> Result<T, LayerError> {
        let (tx, reply) = oneshot::channel();
        let sent = async {
            self.queue.send(QueuedCommand { command, action, reply: tx }).await.map_err(|_| LayerError::Closed)?;
            reply.await.unwrap_or(Err(LayerError::Closed))
        };
        let late = |late| Err(unavailable_at(&self.server, action, self.last_error.after_deadline(late)));
        let value = timeout(CALL_DEADLINE, sent).await.unwrap_or_else(late)?;
        redis::from_redis_value(value).map_err(|error| unavailable_at(&self.server, action, error))
    }
}

/// Sends queued commands until all sending ends are dropped.
async fn run(host: Arc<Host>, mut queue: mpsc::Receiver<QueuedCommand>, last_error: Arc<LastError>) {
    let mut batch = Vec::with_capacity(PIPELINE);
    let mut kept = KeptConnection::default();
    // Commands queue up while a pipeline is in flight. So an idle connection sends a command immediately, and a busy process
    // needs few round trips.
    while queue.recv_many(&mut batch, PIPELINE).await > 0 {
        let refused = run_batch(&host, &mut kept, &mut batch, &last_error).await;
        if !refused.is_empty() {
            // Redis did not execute these commands, so they can be sent again. A new connection may reach the master.
            batch = refused.into_iter().map(|(queued, _)| queued).collect();
            for (queued, error) in run_batch(&host, &mut kept, &mut batch, &last_error).await {
                _ = queued.reply.send(Err(unavailable_at(&host, queued.action, error)));
            }
        }
    }
}

/// Sends the commands of the batch in one pipeline, and sends each caller its reply. Returns the commands that Redis refused
/// because it is a replica.
async fn run_batch(
    host: &Arc<Host>,
    kept: &mut KeptConnection,
    batch: &mut Vec<QueuedCommand>,
    last_error: &LastError,
) -> Vec<(QueuedCommand, RedisError)> {
    let mut pipeline = pipeline(batch);
    let sent = timeout(DEADLINE, async {
        let connection = kept.get(host).await?;
        let reply_time = usual_reply_time(&pipeline);
        #[cfg(feature = "metrics")]
        let begun = std::time::Instant::now();
        tokio::select! {
            biased;
            replies = run_pipeline(&mut pipeline, connection.get_mut()) => {
                #[cfg(feature = "metrics")]
                if replies.is_ok() {
                    crate::support::metrics::round_trip(begun.elapsed());
                }
                replies
            }
            // When the replies come first, this drops the new connection, which has no command in flight.
            replacement = host.replacement(reply_time) => {
                kept.discard();
                kept.keep(replacement);
                Err(ConnectionError::Unresponsive)
            }
        }
    });
    // If a pipeline failed, Redis may have executed any of its commands. They are not repeated, because that could deliver a
    // message twice.
    let error = match sent.await {
        Ok(Ok(replies)) => {
            last_error.clear();
            let refused = deliver_replies(batch, replies, &pipeline, host);
            if !refused.is_empty() {
                // A master that became a replica keeps its connections, and refuses to write.
                kept.discard();
            }
            return refused;
        }
        Ok(Err(error)) => error,
        Err(late) => {
            host.lost();
            late.into()
        }
    };
    if !matches!(error, ConnectionError::Unresponsive) {
        kept.discard();
    }
    let error = Arc::new(error);
    last_error.set(&error);
    fail(batch, &error, host);
    Vec::new()
}

/// Takes the commands out of the batch.
fn pipeline(batch: &mut [QueuedCommand]) -> Pipeline {
    let mut pipeline = Pipeline::with_capacity(batch.len());
    let mut loaded: SmallVec<[&'static LuaScript; 2]> = SmallVec::new();
    for queued in batch {
        pipeline.add_command(match &mut queued.command {
            Command::Plain(command) => std::mem::take(command),
            Command::Script(call) => {
                let is_loaded = loaded.iter().any(|script| std::ptr::eq(*script, call.script()));
                if !is_loaded {
                    loaded.push(call.script());
                }
                call.command(is_loaded)
            }
        });
    }
    pipeline
}

/// Sends each caller its reply. Returns the commands that Redis refused because it is a replica, ready to be sent again.
fn deliver_replies(
    batch: &mut Vec<QueuedCommand>,
    replies: Vec<RedisResult<Value>>,
    pipeline: &Pipeline,
    host: &Host,
) -> Vec<(QueuedCommand, RedisError)> {
    let mut refused = Vec::new();
    for (index, (mut queued, reply)) in batch.drain(..).zip(replies).enumerate() {
        match reply {
            Err(error) if error.kind() == ServerErrorKind::ReadOnly.into() => {
                if let (Command::Plain(command), Some(sent)) = (&mut queued.command, pipeline.cmd_iter().nth(index)) {
                    command.clone_from(sent);
                }
                refused.push((queued, error));
            }
            reply => {
                let reply = reply.map_err(|error| unavailable_at(host, queued.action, error));
                _ = queued.reply.send(reply);
            }
        }
    }
    refused
}

/// Sends each caller the error.
fn fail(batch: &mut Vec<QueuedCommand>, error: &Arc<ConnectionError>, host: &Host) {
    for queued in batch.drain(..) {
        _ = queued.reply.send(Err(unavailable_at(host, queued.action, Arc::clone(error))));
    }
}

//! One Redis server: a pool of connections for commands, and dedicated connections.

use std::fmt;
use std::ops::DerefMut;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use deadpool_redis::redis::aio::{MultiplexedConnection, PubSub};
use deadpool_redis::redis::{AsyncConnectionConfig, Client, Value, cmd};
use deadpool_redis::{Pool, Runtime};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::time::{sleep, timeout};

use crate::error::LayerError;
use crate::layer::redis::address::RedisHost;
use crate::layer::redis::connection_error::{ConnectionError, unavailable, unavailable_at};
use crate::layer::redis::limits::DEADLINE;
use crate::layer::redis::reconnect_backoff::ReconnectBackoff;
use crate::layer::redis::role::check_role;
use crate::layer::redis::sentinel::SentinelGroup;
use crate::layer::redis::target::Target;
use crate::support::jittered;

/// The largest number of connections for commands to one server. A process uses one to four. The rest is for attempts to
/// connect while the server is unresponsive: an attempt must not wait until an older one ends.
const POOL: usize = 64;

/// The time within which a working connection gets the reply to a command. A connection without a reply after this time is
/// unresponsive, if a new connection gets a reply.
pub(super) const USUAL_REPLY_TIME: Duration = Duration::from_millis(750);

/// The further time to wait for the reply to an older command when a newer one has its reply: Redis replies to the older one
/// first.
const GRACE: Duration = Duration::from_millis(100);

/// The time between two concurrent attempts to connect, before jitter.
const NEXT_ATTEMPT: Duration = Duration::from_millis(400);

/// A Redis server, and the connections to it.
pub(super) struct Host {
    location: Location,
    /// The number of connections to this server that were lost.
    losses: AtomicU64,
}

/// The way to reach a server.
enum Location {
    /// A server at a fixed address.
    Server { client: Client, pool: Pool },
    /// A Sentinel group. Each new connection requests the current master from it, so connections follow a failover. Without a
    /// pool, because a pooled connection would stay with a demoted master.
    Sentinel(SentinelGroup),
}

/// A connection for commands, used by one task at a time.
pub(super) struct CommandConnection {
    lease: Lease,
    /// The value of [`Host::losses`] before the connection was opened or checked.
    losses: u64,
}

/// The owner of a connection.
enum Lease {
    /// A connection that returns to its pool on drop.
    Pooled(deadpool_redis::Connection),
    Dedicated(MultiplexedConnection),
}

impl CommandConnection {
    pub(super) fn get_mut(&mut self) -> &mut MultiplexedConnection {
        match &mut self.lease {
            Lease::Pooled(connection) => connection.deref_mut(),
            Lease::Dedicated(connection) => connection,
        }
    }

    /// Returns whether the connection is closed, as far as the task that reads it knows.
    ///
    /// The client library has no method for this. If the connection is closed, a command fails before it is sent. Otherwise
    /// the PING is dropped, and is either not sent or its reply is ignored.
    pub(super) fn is_closed(&mut self) -> bool {
        let ping = cmd("PING");
        let outcome = ping.query_async::<Value>(self.get_mut()).now_or_never();
        matches!(outcome, Some(Err(_)))
    }

    /// Closes the connection, because it or its server does not work.
    pub(super) fn discard(self) {
        match self.lease {
            Lease::Pooled(connection) => drop(deadpool_redis::Connection::take(connection)),
            Lease::Dedicated(connection) => drop(connection),
        }
    }
}

/// Returns settings without time limits. Each use of a connection has one, so a second limit would only make the error random.
fn settings() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None)
}

impl Host {
    /// Parses the address and reads the certificates, without connecting.
    pub(super) fn new(host: &RedisHost) -> Result<Self, LayerError> {
        let invalid = |error| unavailable("parsing the address of Redis", error);
        match Target::new(host).map_err(|error| unavailable("parsing the address of Redis", error))? {
            Target::Server(info) => {
                let client = Client::open(info.clone()).map_err(invalid)?;
                let manager = deadpool_redis::Manager::new_with_config(info, settings()).map_err(invalid)?;
                let pool = Pool::builder(manager).max_size(POOL).runtime(Runtime::Tokio1);
                let pool = pool.build().map_err(|error| unavailable("creating the connection pool", error))?;
                Ok(Self::at(Location::Server { client, pool }))
            }
            Target::Sentinel { sentinels, master, node } => {
                Ok(Self::at(Location::Sentinel(SentinelGroup::new(sentinels, master, node).map_err(invalid)?)))
            }
        }
    }

    fn at(location: Location) -> Self {
        Self { location, losses: AtomicU64::new(0) }
    }

    async fn client(&self) -> Result<Client, ConnectionError> {
        match &self.location {
            Location::Server { client, .. } => Ok(client.clone()),
            Location::Sentinel(group) => group.master(&settings()).await,
        }
    }

    /// Returns a connection for commands.
    pub(super) async fn command_connection(&self) -> Result<CommandConnection, ConnectionError> {
        first_outcome(|| self.open_command_connection()).await
    }

    /// Returns a connection for commands on which Redis has replied.
    async fn checked_connection(&self) -> Result<CommandConnection, ConnectionError> {
        first_outcome(|| async {
            let mut connection = self.open_command_connection().await?;
            cmd("PING").exec_async(connection.get_mut()).await?;
            check_role(connection.get_mut()).await?;
            Ok(connection)
        })
        .await
    }

    /// Checks that a new connection leads to a master.
    pub(super) async fn check_role(&self) -> Result<(), ConnectionError> {
        self.checked_connection().await.map(drop)
    }

    /// Replaces a connection that has just sent a command and gets no reply: waits for `reply_time`, and then until a new
    /// connection gets a reply. Returns the new one.
    ///
    /// # Cancel safety
    /// Drop the future when the reply comes. Dropping it closes the new connection.
    pub(super) async fn replacement(&self, reply_time: Duration) -> CommandConnection {
        sleep(reply_time).await;
        self.lost();
        let mut backoff = ReconnectBackoff::new();
        loop {
            match self.checked_connection().await {
                Ok(connection) => {
                    sleep(GRACE).await;
                    return connection;
                }
                Err(error) => backoff.wait_after(&error).await,
            }
        }
    }

    async fn open_command_connection(&self) -> Result<CommandConnection, ConnectionError> {
        // Read first: a loss while the connection is opened also concerns this connection.
        let losses = self.losses.load(Relaxed);
        let lease = match &self.location {
            Location::Server { pool, .. } => Lease::Pooled(pool.get().await?),
            Location::Sentinel(_) => Lease::Dedicated(self.open_dedicated(settings()).await?),
        };
        Ok(CommandConnection { lease, losses })
    }

    /// Returns a dedicated connection for blocking commands.
    pub(super) async fn blocking_connection(&self) -> Result<MultiplexedConnection, ConnectionError> {
        first_outcome(|| self.open_dedicated(settings())).await
    }

    async fn open_dedicated(&self, settings: AsyncConnectionConfig) -> Result<MultiplexedConnection, ConnectionError> {
        Ok(self.client().await?.get_multiplexed_async_connection_with_config(&settings).await?)
    }

    /// Returns a dedicated connection for subscriptions.
    pub(super) async fn pubsub_connection(&self) -> Result<PubSub, ConnectionError> {
        first_outcome(|| async { Ok(self.client().await?.get_async_pubsub().await?) }).await
    }

    /// Records that a connection to this server was lost. The server may have restarted, or may be another one now. So the idle
    /// connections are closed, and no task reuses an older connection.
    pub(super) fn lost(&self) {
        self.losses.fetch_add(1, Relaxed);
        if let Location::Server { pool, .. } = &self.location {
            pool.retain(|_, _| false);
        }
    }

    /// Returns whether a connection to this server was lost since this one was opened.
    pub(super) fn was_lost_since(&self, connection: &CommandConnection) -> bool {
        connection.losses != self.losses.load(Relaxed)
    }
}

/// Connects, and starts further concurrent attempts until one has an outcome. Returns the first outcome. After an interruption
/// of the network a new attempt succeeds, while an attempt from before the interruption may never get a reply.
async fn first_outcome<T, F: Future<Output = Result<T, ConnectionError>>>(
    connect: impl Fn() -> F,
) -> Result<T, ConnectionError> {
    // Bound: about ten attempts, because the first one ends at the deadline.
    let mut attempts = FuturesUnordered::new();
    loop {
        attempts.push(timeout(DEADLINE, connect()));
        tokio::select! {
            // The other attempts continue while a new one starts. They are dropped with the first outcome.
            Some(outcome) = attempts.next() => return outcome?,
            () = sleep(jittered(NEXT_ATTEMPT)) => {}
        }
    }
}

/// Shows the address without the login.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.location {
            Location::Server { client, .. } => write!(f, "{}", client.get_connection_info().addr()),
            Location::Sentinel(_) => f.write_str("the master of a Sentinel group"),
        }
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Host({self})")
    }
}

/// Parses the addresses and connects to each server, so that a wrong address or password is an error now instead of at the
/// first message.
pub(crate) async fn connect(hosts: impl IntoIterator<Item = RedisHost>) -> Result<Vec<Arc<Host>>, LayerError> {
    let hosts: Vec<_> = hosts.into_iter().map(|host| Host::new(&host).map(Arc::new)).collect::<Result<_, _>>()?;
    if hosts.is_empty() {
        return Err(unavailable("parsing the addresses of Redis", "the list is empty"));
    }
    for host in &hosts {
        // Checked with a command, because a server that requires a password accepts any connection.
        host.checked_connection().await.map_err(|error| unavailable_at(host, "connecting to Redis", error))?;
    }
    Ok(hosts)
}

/// Returns the source of messages for the log. Redis does not report which client sent a message.
pub(crate) fn peers(hosts: &[Arc<Host>]) -> String {
    let hosts: Vec<String> = hosts.iter().map(|host| host.to_string()).collect();
    format!("Redis at {}", hosts.join(", "))
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use tokio::time::Instant;

    use super::*;

    // Paused time: the measured time is the time slept.
    #[tokio::test(start_paused = true)]
    async fn restored_server_is_found_within_a_second() {
        for unresponsive in [0, 300, 1000, 3700] {
            let restored = Instant::now() + Duration::from_millis(unresponsive);
            let attempts = AtomicUsize::new(0);
            // An attempt that begins before `restored` never gets a reply.
            let connect = || {
                attempts.fetch_add(1, Relaxed);
                async move { if Instant::now() < restored { pending().await } else { Ok(()) } }
            };
            first_outcome(connect).await.unwrap();
            assert!(
                restored.elapsed() <= NEXT_ATTEMPT.mul_f64(1.5),
                "{:?} after {unresponsive} ms",
                restored.elapsed()
            );
            let most = 2 + usize::try_from(2 * unresponsive).unwrap() / NEXT_ATTEMPT.as_millis() as usize;
            assert!(attempts.load(Relaxed) <= most, "{attempts:?} in {unresponsive} ms");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn first_outcome_is_first_error_or_timeout() {
        let begun = Instant::now();
        let refused = first_outcome(|| async { Err::<(), _>(ConnectionError::Closed) }).await;
        assert!(matches!(refused, Err(ConnectionError::Closed)) && begun.elapsed().is_zero());
        let late = first_outcome(pending::<Result<(), ConnectionError>>).await;
        assert!(matches!(late, Err(ConnectionError::Late(_))));
        assert_eq!(begun.elapsed(), DEADLINE);
    }
}

//! One Redis server: connections for commands, and ways to open one for oneself.

use std::fmt;
use std::ops::DerefMut;
use std::sync::Arc;
use std::time::Duration;

use deadpool_redis::redis::aio::{MultiplexedConnection, PubSub};
use deadpool_redis::redis::sentinel::{SentinelClient, SentinelServerType};
use deadpool_redis::redis::{AsyncConnectionConfig, Client, ConnectionInfo, RedisResult, cmd};
use deadpool_redis::{Pool, Runtime, Timeouts};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

use crate::error::LayerError;
use crate::layer::redis::address::{RedisHost, Target};
use crate::layer::redis::backoff::{Backoff, jittered};
use crate::layer::redis::connection_error::{ConnectionError, unavailable, unavailable_at};
use crate::layer::redis::limits::DEADLINE;

/// How many connections for commands a process has to one server at most. It uses one to four; the others are tries to connect
/// while the line is silent, and none of these may have to wait until an older one is given up.
const POOL: usize = 64;

/// By now a command has its answer. If it has not, and a new connection is answered, then the line of the old one is dead.
pub(super) const USUAL: Duration = Duration::from_millis(750);

/// What was asked first is answered first: so long after the newer answer, the older one does not come any more.
const GRACE: Duration = Duration::from_millis(100);

/// How long a try to connect is alone, half of it to one and a half; then another one begins beside it.
const ALONE: Duration = Duration::from_millis(400);

pub(super) enum Host {
    Server {
        client: Client,
        pool: Pool,
    },
    /// Asked anew for each connection, so that after a failover the new master is found. No pool: a connection in it
    /// would outlive its master's rank.
    Sentinel(Mutex<SentinelClient>),
}

/// A connection for commands, to be used by one task at a time.
pub(super) enum Commanding {
    /// Goes back into its pool when it is dropped.
    Pooled(deadpool_redis::Connection),
    Own(MultiplexedConnection),
}

impl Commanding {
    pub(super) fn connection(&mut self) -> &mut MultiplexedConnection {
        match self {
            Self::Pooled(connection) => connection.deref_mut(),
            Self::Own(connection) => connection,
        }
    }

    /// Closes it: something is wrong with it, or with where it leads.
    pub(super) fn discard(self) {
        match self {
            Self::Pooled(connection) => drop(deadpool_redis::Connection::take(connection)),
            Self::Own(connection) => drop(connection),
        }
    }
}

/// The library's own limit is half a second, which a busy server may need.
fn settings() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new().set_connection_timeout(Some(DEADLINE)).set_response_timeout(Some(DEADLINE))
}

impl Host {
    /// Reads the address. Nothing is opened yet.
    pub(super) fn new(host: &RedisHost) -> Result<Self, LayerError> {
        let wrong = |error| unavailable("reading the address of Redis", error);
        match host.read().map_err(wrong)? {
            Target::Server(info) => {
                let client = open(host, info).map_err(wrong)?;
                let info = client.get_connection_info().clone();
                let manager = deadpool_redis::Manager::new_with_config(info, settings()).map_err(wrong)?;
                let timeouts = Timeouts { wait: Some(DEADLINE), create: Some(DEADLINE), recycle: Some(DEADLINE) };
                let pool = Pool::builder(manager).max_size(POOL).timeouts(timeouts).runtime(Runtime::Tokio1);
                let pool = pool.build().map_err(|error| unavailable("making the pool of connections", error))?;
                Ok(Self::Server { client, pool })
            }
            Target::Sentinel { sentinels, master, node } => {
                let client = SentinelClient::build(sentinels, master, Some(node), SentinelServerType::Master);
                Ok(Self::Sentinel(Mutex::new(client.map_err(wrong)?)))
            }
        }
    }

    async fn client(&self) -> RedisResult<Client> {
        match self {
            Self::Server { client, .. } => Ok(client.clone()),
            Self::Sentinel(sentinel) => sentinel.lock().await.async_get_client().await,
        }
    }

    /// A connection for commands.
    pub(super) async fn commanding(&self) -> Result<Commanding, ConnectionError> {
        first_outcome(|| self.open_commanding()).await
    }

    /// The same, and Redis has answered on it.
    pub(super) async fn answered(&self) -> Result<Commanding, ConnectionError> {
        first_outcome(|| async {
            let mut commanding = self.open_commanding().await?;
            cmd("PING").exec_async(commanding.connection()).await?;
            Ok(commanding)
        })
        .await
    }

    /// Waits until a new connection is answered, where an older one, asked now, has no answer within `usual`. Gives the
    /// new one.
    pub(super) async fn overtaken(&self, usual: Duration) -> Commanding {
        sleep(usual).await;
        self.forget_idle();
        let mut backoff = Backoff::new();
        loop {
            match self.answered().await {
                Ok(fresh) => {
                    sleep(GRACE).await;
                    return fresh;
                }
                Err(error) => backoff.wait_after(&error).await,
            }
        }
    }

    async fn open_commanding(&self) -> Result<Commanding, ConnectionError> {
        match self {
            Self::Server { pool, .. } => Ok(Commanding::Pooled(pool.get().await?)),
            Self::Sentinel(_) => Ok(Commanding::Own(self.open_dedicated(settings()).await?)),
        }
    }

    /// A connection of one's own for a command that Redis answers when it has something.
    pub(super) async fn blocking(&self) -> Result<MultiplexedConnection, ConnectionError> {
        first_outcome(|| self.open_dedicated(settings().set_response_timeout(None))).await
    }

    async fn open_dedicated(&self, settings: AsyncConnectionConfig) -> Result<MultiplexedConnection, ConnectionError> {
        Ok(self.client().await?.get_multiplexed_async_connection_with_config(&settings).await?)
    }

    /// A connection of one's own for subscriptions.
    pub(super) async fn subscribing(&self) -> Result<PubSub, ConnectionError> {
        first_outcome(|| async { Ok(self.client().await?.get_async_pubsub().await?) }).await
    }

    /// Closes the connections that nobody uses: another one to this server was lost, and so may they be.
    pub(super) fn forget_idle(&self) {
        if let Self::Server { pool, .. } = self {
            pool.retain(|_, _| false);
        }
    }
}

/// Connects. While a try has no outcome others begin beside it, and the first outcome counts: where nothing came through
/// for a while, those who knock later are answered, and those who knocked before may never be.
async fn first_outcome<T, F: Future<Output = Result<T, ConnectionError>>>(
    connect: impl Fn() -> F,
) -> Result<T, ConnectionError> {
    // Bound: those that begin within the deadline, when the first one has its outcome; ten or so.
    let mut tries = FuturesUnordered::new();
    loop {
        tries.push(timeout(DEADLINE, connect()));
        tokio::select! {
            // A try that has no outcome stays; one that has none when another is done is not needed.
            Some(outcome) = tries.next() => return outcome?,
            () = sleep(jittered(ALONE)) => {}
        }
    }
}

#[cfg(not(feature = "tls"))]
fn open(_: &RedisHost, info: ConnectionInfo) -> RedisResult<Client> {
    Client::open(info)
}

#[cfg(feature = "tls")]
fn open(host: &RedisHost, info: ConnectionInfo) -> RedisResult<Client> {
    use deadpool_redis::redis::{ErrorKind, RedisError, TlsCertificates};

    let Some(file) = host.custom_ca_file() else { return Client::open(info) };
    let root_cert = std::fs::read(file).map_err(|error| {
        let said = format!("{}: {error}", file.display());
        RedisError::from((ErrorKind::InvalidClientConfig, "the file of certificates cannot be read", said))
    })?;
    Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert: Some(root_cert) })
}

/// The address, without a password.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server { client, .. } => write!(f, "{}", client.get_connection_info().addr()),
            Self::Sentinel(_) => f.write_str("the master that a sentinel names"),
        }
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Host({self})")
    }
}

/// Reads the addresses and connects to each: a wrong address or password shows now, and not with the first message.
pub(crate) async fn connect(hosts: impl IntoIterator<Item = RedisHost>) -> Result<Vec<Arc<Host>>, LayerError> {
    let hosts: Vec<_> = hosts.into_iter().map(|host| Host::new(&host).map(Arc::new)).collect::<Result<_, _>>()?;
    if hosts.is_empty() {
        return Err(unavailable("reading the addresses of Redis", "the list is empty"));
    }
    for host in &hosts {
        // Asked something, because a server that wants a password lets everyone connect.
        let answered = timeout(DEADLINE, host.answered()).await.unwrap_or_else(|late| Err(late.into()));
        answered.map_err(|error| unavailable_at(host, "connecting to Redis", error))?;
    }
    Ok(hosts)
}

/// Where messages come from, for the log. Redis does not say which of its clients sent one.
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

    // Paused time: what is measured is what was slept.
    #[tokio::test(start_paused = true)]
    async fn a_line_that_speaks_again_is_found_within_a_second() {
        for silent in [0, 300, 1000, 3700] {
            let back = Instant::now() + Duration::from_millis(silent);
            let tries = AtomicUsize::new(0);
            // Who knocked while it was silent is never answered.
            let connect = || {
                tries.fetch_add(1, Relaxed);
                async move { if Instant::now() < back { pending().await } else { Ok(()) } }
            };
            first_outcome(connect).await.unwrap();
            assert!(back.elapsed() <= ALONE.mul_f64(1.5), "{:?} after {silent} ms", back.elapsed());
            let most = 2 + usize::try_from(2 * silent).unwrap() / ALONE.as_millis() as usize;
            assert!(tries.load(Relaxed) <= most, "{tries:?} in {silent} ms");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_try_that_fails_is_an_outcome_and_the_longest_try_ends_all() {
        let begun = Instant::now();
        let refused = first_outcome(|| async { Err::<(), _>(ConnectionError::Closed) }).await;
        assert!(matches!(refused, Err(ConnectionError::Closed)) && begun.elapsed().is_zero());
        let late = first_outcome(pending::<Result<(), ConnectionError>>).await;
        assert!(matches!(late, Err(ConnectionError::Late(_))));
        assert_eq!(begun.elapsed(), DEADLINE);
    }
}

//! One Redis server: connections for commands, and ways to open one for oneself.

use std::fmt;
use std::ops::DerefMut;

use deadpool_redis::redis::aio::{MultiplexedConnection, PubSub};
use deadpool_redis::redis::sentinel::{SentinelClient, SentinelServerType};
use deadpool_redis::redis::{AsyncConnectionConfig, Client, ConnectionInfo, RedisResult};
use deadpool_redis::{Pool, Runtime, Timeouts};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::error::LayerError;
use crate::layer::redis::address::{RedisHost, Target};
use crate::layer::redis::{DEADLINE, Lost, unavailable};

/// How many connections for commands a process has to one server at most.
const POOL: usize = 8;

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
    pub(super) async fn commanding(&self) -> Result<Commanding, Lost> {
        match self {
            Self::Server { pool, .. } => Ok(Commanding::Pooled(pool.get().await?)),
            Self::Sentinel(_) => Ok(Commanding::Own(self.dedicated(settings()).await?)),
        }
    }

    /// A connection of one's own for a command that Redis answers when it has something.
    pub(super) async fn blocking(&self) -> Result<MultiplexedConnection, Lost> {
        self.dedicated(settings().set_response_timeout(None)).await
    }

    async fn dedicated(&self, settings: AsyncConnectionConfig) -> Result<MultiplexedConnection, Lost> {
        let opened = async {
            let client = self.client().await?;
            client.get_multiplexed_async_connection_with_config(&settings).await
        };
        Ok(timeout(DEADLINE, opened).await??)
    }

    /// A connection of one's own for subscriptions.
    pub(super) async fn subscribing(&self) -> Result<PubSub, Lost> {
        let opened = async { self.client().await?.get_async_pubsub().await };
        Ok(timeout(DEADLINE, opened).await??)
    }
}

#[cfg(not(feature = "tls"))]
fn open(_: &RedisHost, info: ConnectionInfo) -> RedisResult<Client> {
    Client::open(info)
}

#[cfg(feature = "tls")]
fn open(host: &RedisHost, info: ConnectionInfo) -> RedisResult<Client> {
    use deadpool_redis::redis::{ErrorKind, RedisError, TlsCertificates};

    let Some(file) = host.ca_file() else { return Client::open(info) };
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

//! A Sentinel group: finds the current master.
//!
//! The client library also supports Sentinel. But it can neither use client certificates with an unverified server, nor skip the check
//! of the host name. The check often fails, because Sentinel reports IP addresses, which certificates seldom name.

use deadpool_redis::redis::{AsyncConnectionConfig, Client, ConnectionInfo, RedisResult, cmd};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use crate::layer::redis::connection_error::ConnectionError;
use crate::layer::redis::role::check_role;
use crate::layer::redis::target::at_address;

/// The Sentinels of one master.
pub(super) struct SentinelGroup {
    sentinels: Vec<Client>,
    master: String,
    /// The login and the TLS of the master, without its address.
    node: ConnectionInfo,
}

impl SentinelGroup {
    pub(super) fn new(sentinels: Vec<ConnectionInfo>, master: String, node: ConnectionInfo) -> RedisResult<Self> {
        let sentinels = sentinels.into_iter().map(Client::open).collect::<RedisResult<_>>()?;
        Ok(Self { sentinels, master, node })
    }

    /// Returns the master: the first server that a Sentinel names and that has this role itself.
    ///
    /// All Sentinels are asked together, so one that is unresponsive delays nothing.
    ///
    /// # Cancel safety
    /// Dropping the future closes its connections.
    pub(super) async fn master(&self, settings: &AsyncConnectionConfig) -> Result<Client, ConnectionError> {
        let mut lookups: FuturesUnordered<_> =
            self.sentinels.iter().map(|sentinel| self.master_by(sentinel, settings)).collect();
        let mut last = ConnectionError::NoMaster(self.master.clone());
        while let Some(outcome) = lookups.next().await {
            match outcome {
                Ok(master) => return Ok(master),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn master_by(&self, sentinel: &Client, settings: &AsyncConnectionConfig) -> Result<Client, ConnectionError> {
        let mut connection = sentinel.get_multiplexed_async_connection_with_config(settings).await?;
        let mut lookup = cmd("SENTINEL");
        lookup.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.master);
        let address: Option<(String, u16)> = lookup.query_async(&mut connection).await?;
        let (host, port) = address.ok_or_else(|| ConnectionError::NoMaster(self.master.clone()))?;
        let master = Client::open(at_address(&self.node, host, port))?;
        // A Sentinel may not know yet that its master is now a replica.
        let mut connection = master.get_multiplexed_async_connection_with_config(settings).await?;
        check_role(&mut connection).await?;
        Ok(master)
    }
}

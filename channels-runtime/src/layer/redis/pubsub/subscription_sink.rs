//! The sending half of a connection with subscriptions.

use deadpool_redis::redis::RedisResult;
use deadpool_redis::redis::aio::PubSubSink;
use tokio::time::timeout;

use crate::layer::redis::connection_error::ConnectionError;
use crate::layer::redis::limits::DEADLINE;

/// A connection that makes subscriptions, or a stand-in in a test.
pub(super) trait SubscriptionSink: Send {
    fn subscribe(&mut self, topics: &[String]) -> impl Future<Output = RedisResult<()>> + Send;
    fn unsubscribe(&mut self, topics: &[String]) -> impl Future<Output = RedisResult<()>> + Send;
    fn ping(&mut self) -> impl Future<Output = RedisResult<()>> + Send;
}

impl SubscriptionSink for PubSubSink {
    async fn subscribe(&mut self, topics: &[String]) -> RedisResult<()> {
        Self::subscribe(self, topics).await
    }

    async fn unsubscribe(&mut self, topics: &[String]) -> RedisResult<()> {
        Self::unsubscribe(self, topics).await
    }

    async fn ping(&mut self) -> RedisResult<()> {
        Self::ping::<Vec<String>>(self).await.map(drop)
    }
}

/// Waits for the reply to a command, no longer than [`DEADLINE`].
pub(super) async fn reply_to<T>(command: impl Future<Output = RedisResult<T>>) -> Result<T, ConnectionError> {
    Ok(timeout(DEADLINE, command).await??)
}

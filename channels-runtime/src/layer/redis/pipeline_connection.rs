//! The connection of a task that sends one pipeline after the other.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use deadpool_redis::redis::{Pipeline, RedisResult, Value};

use crate::layer::redis::connection_error::ConnectionError;
use crate::layer::redis::host::Host;
use crate::layer::redis::kept_connection::KeptConnection;
use crate::layer::redis::pipeline::run_pipeline;

/// The connection of one task to a server, opened when it is needed.
pub(super) struct PipelineConnection {
    host: Arc<Host>,
    connection: KeptConnection,
}

impl PipelineConnection {
    pub(super) fn new(host: Arc<Host>) -> Self {
        Self { host, connection: KeptConnection::default() }
    }

    /// Runs the commands in order. Returns a reply for each, or the reason why they may not have been executed. After
    /// `reply_time` without a reply, and when a new connection gets one, the connection is unresponsive.
    pub(super) async fn run(
        &mut self,
        mut pipeline: Pipeline,
        reply_time: Duration,
    ) -> Result<Vec<RedisResult<Value>>, ConnectionError> {
        let Self { host, connection } = self;
        let connection = connection.get(host).await?;
        tokio::select! {
            biased;
            replies = run_pipeline(&mut pipeline, connection.get_mut()) => replies,
            // When the replies come first, this is dropped, which closes the new connection.
            _ = host.replacement(reply_time) => Err(ConnectionError::Unresponsive),
        }
    }

    /// Closes the connection after an error. The next pipeline opens another one.
    pub(super) fn discard(&mut self) {
        self.connection.discard();
    }

    /// Releases the connection, because other tasks can use it until the next pipeline.
    pub(super) fn release(&mut self) {
        self.connection.release();
    }
}

impl fmt::Debug for PipelineConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.host.fmt(f)
    }
}

//! The connection for commands that a task keeps between two pipelines.

use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::Instant;

use crate::layer::redis::connection_error::ConnectionError;
use crate::layer::redis::host::{CommandConnection, Host};

/// The idle time after which a connection is returned to the pool, which checks it before it is used again.
const IDLE: Duration = Duration::from_secs(5);

/// A connection that is kept for the next pipeline, if there is one.
///
/// A command that is written to a closed connection fails, although Redis may be reachable again. So before each use, this
/// checks everything that the process knows about the connection.
#[derive(Default)]
pub(super) struct KeptConnection(Option<(CommandConnection, Instant)>);

impl KeptConnection {
    /// Returns the kept connection, or a new one if the kept one is old or was lost. After an error of the connection, or if the
    /// future of a command was dropped, the caller must [discard](Self::discard) it.
    pub(super) async fn get(&mut self, host: &Host) -> Result<&mut CommandConnection, ConnectionError> {
        if !self.is_usable(host).await {
            self.keep(host.command_connection().await?);
        }
        let (connection, used) = self.0.as_mut().expect("the connection was kept or opened");
        *used = Instant::now();
        Ok(connection)
    }

    /// Checks the kept connection, and closes it if it was lost. Returns whether it can be used.
    async fn is_usable(&mut self, host: &Host) -> bool {
        let Some((connection, used)) = &mut self.0 else { return false };
        let idle = used.elapsed();
        // Lets the task that reads the connection run, which notices the end of the stream.
        yield_now().await;
        if host.was_lost_since(connection) || connection.is_closed() {
            self.discard();
            return false;
        }
        if idle >= IDLE {
            self.release();
            return false;
        }
        true
    }

    /// Keeps a connection instead of the one before.
    pub(super) fn keep(&mut self, connection: CommandConnection) {
        self.0 = Some((connection, Instant::now()));
    }

    /// Closes the connection.
    pub(super) fn discard(&mut self) {
        if let Some((connection, _)) = self.0.take() {
            connection.discard();
        }
    }

    /// Returns the connection to the pool.
    pub(super) fn release(&mut self) {
        self.0 = None;
    }
}

//! Drain: closes the connections of a stopping server gradually.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::connection::Connection;
use crate::server::server::Server;
use crate::support::random_below;
use crate::websocket::CloseCode;

/// The time between two batches of closed connections.
const PERIOD: Duration = Duration::from_millis(50);

/// The highest rate at which connections are closed, so that a small server stops quickly.
const CLOSED_PER_SECOND: u32 = 1000;

/// The shortest time over which clients reconnect after a restart.
const LEAST_SPREAD: Duration = Duration::from_secs(1);

/// The connections and requests that had not ended when a shutdown stopped waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CutOff {
    pub(crate) connections: usize,
    pub(crate) requests: usize,
}

impl Server {
    /// Admits no more connections, closes the open ones over the drain window, and waits until they and the HTTP `requests` have
    /// ended: at most until the deadline, or until `abort` is done. Logs and returns what is left then.
    pub(crate) async fn shutdown(
        &self,
        deadline: Duration,
        requests: &TaskTracker,
        abort: impl Future<Output = ()>,
    ) -> Result<(), CutOff> {
        self.stopping.cancel();
        self.sessions.close();
        requests.close();
        let ended = async {
            tokio::join!(self.drain(deadline / 2), self.sessions.wait(), requests.wait());
            self.kicks.leave();
            #[cfg(feature = "backend")]
            if let Some(webhooks) = &self.webhooks {
                webhooks.delivered().await;
            }
            // Otherwise Redis would keep the memberships of this process for a day.
            self.layer().backend().settled().await;
        };
        // All three branches only wait. The first is preferred if the last connection ends at the deadline.
        let cause = tokio::select! {
            biased;
            () = ended => return Ok(()),
            () = abort => "a second signal",
            () = tokio::time::sleep(deadline) => "the deadline",
        };
        #[cfg(feature = "backend")]
        let webhooks = self.webhooks.as_ref().map_or(0, |webhooks| webhooks.pending());
        #[cfg(not(feature = "backend"))]
        let webhooks = 0;
        if webhooks > 0 {
            tracing::warn!(cause, webhooks, "the shutdown leaves events that the backend has not taken");
        }
        // A request for a server-sent event stream is a connection, too.
        let left = CutOff { connections: self.sessions.len(), requests: requests.len() };
        let CutOff { connections, requests } = left;
        if connections + requests == 0 && webhooks > 0 {
            return Ok(());
        }
        if connections + requests == 0 {
            tracing::warn!(cause, "memberships are left in Redis until they expire");
            return Ok(());
        }
        tracing::warn!(cause, connections, requests, "the shutdown leaves connections that have not ended");
        Err(left)
    }

    /// Closes the connections over the drain window, so that neither the reconnects nor the `disconnect` methods all run
    /// at the same moment.
    async fn drain(&self, limit: Duration) {
        // Weak, because a connection that ends meanwhile must release its socket.
        let connections: Vec<_> = self.registry.all().iter().map(Arc::downgrade).collect();
        let number = u32::try_from(connections.len()).unwrap_or(u32::MAX);
        let window = (Duration::from_secs(1) / CLOSED_PER_SECOND * number).min(self.settings.drain_window).min(limit);
        let batches = usize::try_from(window.as_millis() / PERIOD.as_millis()).unwrap_or(usize::MAX).max(1);
        let mut due = Instant::now();
        for batch in connections.chunks(connections.len().div_ceil(batches).max(1)) {
            // The first batch is closed immediately.
            tokio::time::sleep_until(due).await;
            for connection in batch.iter().filter_map(Weak::upgrade) {
                close_for_restart(&connection, window);
            }
            due += PERIOD;
        }
    }
}

/// Closes a connection with 1012, and asks its client for a random delay before it reconnects. The longest delay is `window`,
/// but at least a second.
pub(super) fn close_for_restart(connection: &Connection, window: Duration) {
    let spread = window.max(LEAST_SPREAD).as_millis();
    let delay = random_below(u64::try_from(spread).unwrap_or(u64::MAX));
    connection.close(CloseCode::SERVICE_RESTART, &format!("reconnect in {delay} ms"));
}

/// Returns the milliseconds in the reason of [`close_for_restart`].
pub(crate) fn reconnect_delay(reason: &str) -> Option<u64> {
    reason.strip_prefix("reconnect in ")?.strip_suffix(" ms")?.parse().ok()
}

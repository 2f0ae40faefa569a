//! Waiting for a condition, with a time limit.

use std::time::Duration;

/// Time limit for what takes a moment; the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until the condition holds. Panics with `what` after 20 s.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    until_within(PATIENCE, what, async || condition()).await;
}

/// Waits until the asynchronous condition holds. Panics with `what` at the time limit.
pub(crate) async fn until_within(limit: Duration, what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(limit, waiting).await.unwrap_or_else(|_| panic!("within {limit:?}: {what}"));
}

/// Returns the output of the future. Panics after 20 s.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("the future completes in time")
}

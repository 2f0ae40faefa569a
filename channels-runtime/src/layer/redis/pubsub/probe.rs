//! The liveness probe of a connection with subscriptions.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::time::sleep;

use crate::layer::redis::connection_error::ConnectionError;
use crate::layer::redis::pubsub::subscription_sink::{SubscriptionSink, reply_to};

/// The time without a message after which a PING is sent, because a connection without traffic and a dead one look the same.
const PROBE: Duration = Duration::from_secs(1);

/// Probes a connection until it is unresponsive: no reply comes within the deadline, or `replaced` returns because a new
/// connection got a reply. A message counts as a reply, because long messages may precede the reply to the PING.
pub(super) async fn probe<F: Future<Output = ()>>(
    mut sink: impl SubscriptionSink,
    received: &AtomicBool,
    replaced: impl Fn() -> F,
) -> ConnectionError {
    loop {
        sleep(PROBE).await;
        if received.swap(false, Relaxed) {
            continue;
        }
        let lost = tokio::select! {
            biased;
            reply = reply_to(sink.ping()) => match reply {
                Ok(()) => continue,
                Err(lost) => lost,
            },
            // When the reply comes first, this is dropped, which closes the new connection.
            () = replaced() => ConnectionError::Unresponsive,
        };
        if matches!(lost, ConnectionError::Redis(_)) || !received.load(Relaxed) {
            return lost;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use deadpool_redis::redis::RedisResult;
    use tokio::time::Instant;

    use super::*;
    use crate::layer::redis::host::USUAL_REPLY_TIME;
    use crate::layer::redis::limits::DEADLINE;

    /// A connection that replies to this many PINGs, and then is unresponsive.
    struct Replies(usize);

    impl SubscriptionSink for Replies {
        async fn subscribe(&mut self, _: &[String]) -> RedisResult<()> {
            pending().await
        }

        async fn unsubscribe(&mut self, _: &[String]) -> RedisResult<()> {
            pending().await
        }

        async fn ping(&mut self) -> RedisResult<()> {
            match self.0.checked_sub(1) {
                Some(left) => self.0 = left,
                None => pending().await,
            }
            Ok(())
        }
    }

    // Paused time: the measured time is the time slept.
    #[tokio::test(start_paused = true)]
    async fn probe_ends_unresponsive_connection_and_keeps_active_one() {
        let (received, begun) = (AtomicBool::default(), Instant::now());
        // No reply and no message arrives.
        let lost = probe(Replies(0), &received, pending).await;
        assert!(matches!(lost, ConnectionError::Late(_)), "{lost}");
        assert_eq!(begun.elapsed(), PROBE + DEADLINE);

        // Ten replies, then none, while a new connection gets a reply.
        let begun = Instant::now();
        let lost = probe(Replies(10), &received, || sleep(USUAL_REPLY_TIME)).await;
        assert!(matches!(lost, ConnectionError::Unresponsive), "{lost}");
        assert_eq!(begun.elapsed(), 11 * PROBE + USUAL_REPLY_TIME);

        // So many messages are in flight that the reply is late, or never comes.
        let begun = Instant::now();
        let messages = async {
            for _ in 0..1000 {
                sleep(PROBE + USUAL_REPLY_TIME / 3).await;
                received.store(true, Relaxed);
            }
        };
        tokio::select! {
            lost = probe(Replies(0), &received, || sleep(USUAL_REPLY_TIME)) => panic!("{lost}"),
            () = messages => {}
        }
        assert_eq!(begun.elapsed(), (PROBE + USUAL_REPLY_TIME / 3) * 1000);
    }
}

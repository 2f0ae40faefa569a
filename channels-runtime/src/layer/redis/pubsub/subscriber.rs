//! The subscriber of one Redis server: the task that owns the connection with the subscriptions.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use deadpool_redis::redis::Msg;
use futures_util::{FutureExt, Stream, StreamExt};

use crate::layer::batching;
use crate::layer::redis::commands::Commands;
use crate::layer::redis::connection_error::{ConnectionError, NO_PERMISSION};
use crate::layer::redis::host::{Host, USUAL_REPLY_TIME};
use crate::layer::redis::limits::TURN;
use crate::layer::redis::pubsub::probe::probe;
use crate::layer::redis::pubsub::role_watch::watch_role;
use crate::layer::redis::pubsub::subscription_sink::{SubscriptionSink, reply_to};
use crate::layer::redis::pubsub::subscriptions::Subscriptions;
use crate::layer::redis::pubsub::topics::Topics;
use crate::layer::redis::reconnect_backoff::ReconnectBackoff;

/// The largest number of topics in one SUBSCRIBE or UNSUBSCRIBE.
const BATCH: usize = 512;

/// Connects, subscribes the wanted topics and delivers messages until the future is dropped. Reconnects when the connection
/// is lost.
pub(super) async fn run(
    host: Arc<Host>,
    commands: Commands,
    subscriptions: Arc<Subscriptions>,
    topics: Arc<impl Topics>,
) {
    let mut backoff = ReconnectBackoff::new();
    loop {
        let Err(error) = serve(&host, &commands, &subscriptions, &*topics, &mut backoff).await;
        let error = Arc::new(error);
        if subscriptions.lost(&error) {
            tracing::warn!(redis = ?host, %error, "Redis subscriptions lost; messages are lost until they are restored");
            topics.lost();
        } else {
            tracing::debug!(redis = ?host, %error, "Redis subscriptions still lost");
        }
        host.lost();
        backoff.wait_after(&error).await;
    }
}

/// Connects, and serves the connection until it is lost.
async fn serve(
    host: &Host,
    commands: &Commands,
    subscriptions: &Subscriptions,
    topics: &impl Topics,
    backoff: &mut ReconnectBackoff,
) -> Result<Infallible, ConnectionError> {
    // A connection with subscriptions cannot be asked for the role of its server.
    host.check_role().await?;
    let connection = host.pubsub_connection().await?;
    let (sink, stream) = connection.split();
    subscriptions.connected(topics);
    let received = AtomicBool::default();
    // Each loop ends only when the connection is lost, so dropping the others loses nothing.
    tokio::select! {
        error = subscribe(subscriptions, sink.clone(), topics, backoff) => Err(error),
        error = watch_role(commands) => Err(error),
        error = probe(sink, &received, || host.replacement(USUAL_REPLY_TIME).map(drop)) => Err(error),
        () = batching::batched(read(stream, topics, &received)) => Err(ConnectionError::Closed),
    }
}

/// Subscribes and unsubscribes topics after each change, so that they match the table, until the connection is lost.
pub(super) async fn subscribe(
    subscriptions: &Subscriptions,
    mut sink: impl SubscriptionSink,
    topics: &impl Topics,
    backoff: &mut ReconnectBackoff,
) -> ConnectionError {
    loop {
        let (add, remove) = subscriptions.take_changes(topics);
        for batch in remove.chunks(BATCH) {
            if let Err(error) = reply_to(sink.unsubscribe(batch)).await {
                return error;
            }
        }
        for batch in add.chunks(BATCH) {
            match reply_to(sink.subscribe(batch)).await {
                Ok(()) => subscriptions.subscribed(batch),
                Err(ConnectionError::Redis(error))
                    if error.code() == Some(NO_PERMISSION) && subscriptions.is_restored() =>
                {
                    if let Err(error) = subscribe_each(subscriptions, &mut sink, batch).await {
                        return error;
                    }
                }
                Err(error) => return error,
            }
        }
        backoff.reset();
        if subscriptions.is_lost() {
            topics.recover().await;
        }
        if subscriptions.restored() {
            tracing::info!("Redis subscriptions restored");
            topics.restored();
        }
        subscriptions.changed().await;
    }
}

/// Subscribes the topics of a batch one by one, because one forbidden topic makes Redis refuse the whole batch. The callers
/// that wait for a refused topic get an error.
async fn subscribe_each(
    subscriptions: &Subscriptions,
    sink: &mut impl SubscriptionSink,
    batch: &[String],
) -> Result<(), ConnectionError> {
    for topic in batch {
        match reply_to(sink.subscribe(std::slice::from_ref(topic))).await {
            Ok(()) => subscriptions.subscribed(std::slice::from_ref(topic)),
            Err(ConnectionError::Redis(error)) if error.code() == Some(NO_PERMISSION) => {
                subscriptions.refused(topic, error);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Delivers messages until the connection ends.
async fn read(mut stream: impl Stream<Item = Msg> + Unpin, topics: &impl Topics, received: &AtomicBool) {
    let mut turn = 0;
    let mut state = Default::default();
    let mut next = stream.next().await;
    while let Some(message) = next {
        received.store(true, Relaxed);
        turn += 1;
        let pauses = turn % TURN == 0;
        // A message that has arrived already is delivered in the same batch.
        let following = stream.next().now_or_never();
        let more = !pauses && matches!(following, Some(Some(_)));
        batching::more_follows(more);
        topics.arrived(&mut state, message.get_channel_name(), Bytes::copy_from_slice(message.get_payload_bytes()));
        if pauses {
            tokio::task::yield_now().await;
        }
        next = match following {
            Some(following) => following,
            None => stream.next().await,
        };
    }
}

#[cfg(test)]
mod tests {
    use deadpool_redis::redis::Value;

    use super::*;
    use crate::codec::{Envelope, Format};
    use crate::layer::handle::ChannelLayer;
    use crate::name::GroupName;

    /// Delivers messages of [`GROUP`] to its members.
    struct Members(ChannelLayer);

    impl Topics for Members {
        type ReadState = ();

        fn is_wanted(&self, _: &str) -> bool {
            true
        }

        fn wanted(&self) -> Vec<String> {
            Vec::new()
        }

        fn lost(&self) {}

        fn restored(&self) {}

        fn arrived(&self, (): &mut (), topic: &str, body: Bytes) {
            if topic == GROUP {
                let envelope = Envelope::from_wire(body, Format::Json).unwrap();
                self.0.backend().table().group_send(&GroupName::new(topic).unwrap(), &envelope);
            }
        }
    }

    const GROUP: &str = "group";

    #[tokio::test]
    async fn last_message_for_another_topic_delivers_batch() {
        let message = |topic: &str| {
            let parts = ["message", topic, r#"{"type": "a"}"#];
            let parts = parts.map(|part| Value::BulkString(part.into()));
            Msg::from_owned_value(Value::Array(parts.into())).unwrap()
        };
        for (topics, expected) in [
            (&[GROUP, "elsewhere"][..], 1),
            (&[GROUP, GROUP, "elsewhere"], 2),
            (&["elsewhere", GROUP], 1),
            (&[GROUP, "elsewhere", GROUP, "elsewhere", "elsewhere"], 2),
        ] {
            let layer = ChannelLayer::in_memory();
            let channel = layer.new_channel().await.unwrap();
            layer.backend().table().add(&GroupName::new(GROUP).unwrap(), channel.name()).unwrap();
            let messages = futures_util::stream::iter(topics.iter().map(|topic| message(topic)));
            read(messages, &Members(layer), &AtomicBool::default()).await;
            let received = std::iter::from_fn(|| channel.try_receive()).count();
            assert_eq!(received, expected);
        }
    }
}

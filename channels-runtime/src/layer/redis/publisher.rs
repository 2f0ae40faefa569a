//! Sends to one Redis server: what waits goes out in one pipeline, in order.

use std::sync::Arc;

use bytes::Bytes;
use deadpool_redis::redis::Pipeline;
use tokio::sync::{mpsc, oneshot};

use crate::error::LayerError;
use crate::layer::redis::{DEADLINE, Host, unavailable};

/// Bound: this many sends wait. Policy: the next sender waits for room, no longer than the deadline.
const QUEUE: usize = 1024;

/// The most sends in one pipeline.
const PIPELINE: usize = 256;

/// One `PUBLISH`.
struct Publish {
    channel: String,
    body: Bytes,
    /// The sender is told when Redis has answered. It may have gone away meanwhile; the message is sent all the same.
    done: oneshot::Sender<Result<(), LayerError>>,
}

/// The sending end of a [`run`].
#[derive(Debug, Clone)]
pub(super) struct Publisher(mpsc::Sender<Publish>);

impl Publisher {
    /// The publisher of a host, and the task that works for it until the publisher is dropped.
    pub(super) fn new(host: Arc<Host>) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (tx, rx) = mpsc::channel(QUEUE);
        (Self(tx), run(host, rx))
    }

    /// Publishes, and waits until Redis has it.
    ///
    /// Two calls of one sender, one after the other, arrive in that order.
    pub(super) async fn publish(&self, channel: String, body: Bytes) -> Result<(), LayerError> {
        let (done, answer) = oneshot::channel();
        let sent = async {
            self.0.send(Publish { channel, body, done }).await.map_err(|_| LayerError::Closed)?;
            answer.await.unwrap_or(Err(LayerError::Closed))
        };
        tokio::time::timeout(DEADLINE, sent).await.unwrap_or_else(|late| Err(unavailable("PUBLISH", late)))
    }
}

async fn run(host: Arc<Host>, mut queue: mpsc::Receiver<Publish>) {
    let mut batch = Vec::with_capacity(PIPELINE);
    // While one pipeline is under way, the next gathers: no send is held back, and a busy time needs few round trips.
    while queue.recv_many(&mut batch, PIPELINE).await > 0 {
        let sent = tokio::time::timeout(DEADLINE, send(&host, &batch)).await;
        match sent {
            Ok(Ok(())) => {
                for publish in batch.drain(..) {
                    _ = publish.done.send(Ok(()));
                }
            }
            // Whether Redis got some of it is not known. Sending again could deliver twice, so it is not done.
            Ok(Err(error)) => {
                let error = Arc::new(error);
                for publish in batch.drain(..) {
                    _ = publish.done.send(Err(unavailable("PUBLISH", Arc::clone(&error))));
                }
            }
            Err(_) => {
                for publish in batch.drain(..) {
                    _ = publish.done.send(Err(unavailable("PUBLISH", "Redis does not answer")));
                }
            }
        }
    }
}

async fn send(host: &Host, batch: &[Publish]) -> Result<(), Failure> {
    let mut connection = host.pool.get().await?;
    let mut pipeline = Pipeline::with_capacity(batch.len());
    for publish in batch {
        pipeline.cmd("PUBLISH").arg(&publish.channel).arg(&publish.body[..]).ignore();
    }
    Ok(pipeline.exec_async(&mut connection).await?)
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("no connection to Redis")]
    Pool(#[from] deadpool_redis::PoolError),
    #[error("Redis refused")]
    Redis(#[from] deadpool_redis::redis::RedisError),
}

//! The blocking channel layer, for synchronous code: a separate thread, a command, a script.

use std::future::Future;
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};

use serde_json::Value;
use tokio::runtime::{Builder, Handle};

use crate::error::LayerError;
use crate::event::{Carries, Event, Group, Handles};
use crate::layer::handle::ChannelLayer;
use crate::name::ChannelName;

/// A channel layer whose methods block the thread until they are done. [`ChannelLayer::blocking`] returns it.
///
/// It works on every thread that does not run async code. The program does not need a runtime.
///
/// ```
/// # use channels_runtime::prelude::*;
/// # #[event("news.posted")] struct NewsPosted { headline: String }
/// # #[group("news", events(NewsPosted))] struct News;
/// fn main() -> Result<()> {
///     let layer = ChannelLayer::in_memory().blocking();
///     layer.group_send(&News, &NewsPosted { headline: "it rains".into() })?;
///     Ok(())
/// }
/// ```
///
/// Connections to Redis need a runtime. A program without one creates it, and opens the layer in it:
///
/// ```no_run
/// # use channels_runtime::prelude::*;
/// # #[event("news.posted")] struct NewsPosted { headline: String }
/// # #[group("news", events(NewsPosted))] struct News;
/// fn main() -> Result<()> {
///     let runtime = tokio::runtime::Runtime::new()?;
///     let layer = runtime.block_on(ChannelLayer::redis_pubsub(&["redis://127.0.0.1:6379/0"]))?;
///     layer.blocking().group_send(&News, &NewsPosted { headline: "it rains".into() })?;
///     Ok(())
/// }
/// ```
#[derive(Debug, Clone)]
pub struct BlockingChannelLayer {
    pub(crate) layer: ChannelLayer,
}

impl ChannelLayer {
    /// Returns the blocking version of this layer, like Django's `async_to_sync`.
    pub fn blocking(&self) -> BlockingChannelLayer {
        BlockingChannelLayer::new(self.clone())
    }
}

impl BlockingChannelLayer {
    pub(crate) fn new(layer: ChannelLayer) -> Self {
        Self { layer }
    }

    /// Sends an event to every member of a group: the blocking version of [`ChannelLayer::group_send`].
    ///
    /// # Errors
    /// The errors of that method, and [`LayerError::BlockingInAsync`] on a thread that runs async code.
    pub fn group_send<G, E>(&self, group: &G, event: &E) -> Result<(), LayerError>
    where
        G: Group<Itself: Carries<E::Itself>> + ?Sized,
        E: Event,
    {
        let (layer, group, outgoing) = (self.layer.clone(), group.name(), self.layer.encode_for::<G, E>(event));
        self.block_on(async move { layer.deliver_to_group(group, outgoing).await })
    }

    /// Sends an event to one channel: the blocking version of [`ChannelLayer::send`].
    ///
    /// # Errors
    /// The errors of that method, and [`LayerError::BlockingInAsync`] on a thread that runs async code.
    pub fn send<C, E>(&self, channel: &ChannelName<C>, event: &E) -> Result<(), LayerError>
    where
        C: Handles<E::Itself>,
        E: Event,
    {
        let envelope = crate::codec::Envelope::from_event(event, self.layer.backend().format())?;
        let (layer, channel) = (self.layer.clone(), channel.untyped());
        self.block_on(async move { layer.backend().send(&channel, envelope).await })
    }

    /// Sends an untyped message to a group: the blocking version of [`ChannelLayer::group_send_raw`].
    ///
    /// # Errors
    /// The errors of that method, and [`LayerError::BlockingInAsync`] on a thread that runs async code.
    pub fn group_send_raw(&self, group: &str, message: Value) -> Result<(), LayerError> {
        let (layer, group) = (self.layer.clone(), group.to_owned());
        self.block_on(async move { layer.group_send_raw(&group, message).await })
    }

    /// Sends an untyped message to one channel: the blocking version of [`ChannelLayer::send_raw`].
    ///
    /// # Errors
    /// The errors of that method, and [`LayerError::BlockingInAsync`] on a thread that runs async code.
    pub fn send_raw(&self, channel: &str, message: Value) -> Result<(), LayerError> {
        let (layer, channel) = (self.layer.clone(), channel.to_owned());
        self.block_on(async move { layer.send_raw(&channel, message).await })
    }

    /// Returns the members of a group: the blocking version of [`ChannelLayer::group_members`].
    ///
    /// # Errors
    /// The errors of that method, and [`LayerError::BlockingInAsync`] on a thread that runs async code.
    pub fn group_members<G: Group + ?Sized>(&self, group: &G) -> Result<Vec<ChannelName>, LayerError> {
        let (layer, group) = (self.layer.clone(), group.name()?);
        self.block_on(async move { layer.backend().group_members(&group).await })
    }

    /// Returns the number of members of a group: the blocking version of [`ChannelLayer::group_count`].
    ///
    /// # Errors
    /// The errors of that method, and [`LayerError::BlockingInAsync`] on a thread that runs async code.
    pub fn group_count<G: Group + ?Sized>(&self, group: &G) -> Result<usize, LayerError> {
        let (layer, group) = (self.layer.clone(), group.name()?);
        self.block_on(async move { layer.backend().group_count(&group).await })
    }

    /// Blocks until a future with a deadline is done. If the layer has no runtime, the future runs in a new one, whose clock
    /// its deadline needs.
    pub(crate) fn wait_for<F, T>(&self, done: F) -> Result<T, LayerError>
    where
        F: Future<Output = Result<T, LayerError>> + Send + 'static,
        T: Send + 'static,
    {
        if self.layer.backend().runtime().is_some() || Handle::try_current().is_ok() {
            return self.block_on(done);
        }
        let clock = Builder::new_current_thread().enable_time().build();
        clock.expect("a runtime with only a clock needs no system resource").block_on(done)
    }

    fn block_on<F, T>(&self, done: F) -> Result<T, LayerError>
    where
        F: Future<Output = Result<T, LayerError>> + Send + 'static,
        T: Send + 'static,
    {
        if Handle::try_current().is_ok() {
            return Err(LayerError::BlockingInAsync);
        }
        let Some(runtime) = self.layer.backend().runtime() else {
            // A layer without a runtime (the in-memory layer) never waits, so its future is done at the first poll.
            return match std::pin::pin!(done).poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(done) => done,
                Poll::Pending => unreachable!("a layer without a runtime never waits"),
            };
        };
        // The runtime's threads run the future, because they run the layer's I/O. The only message of the channel is the
        // result.
        let (tx, rx) = mpsc::sync_channel(1);
        runtime.spawn(async move { _ = tx.send(done.await) });
        rx.recv().unwrap_or(Err(LayerError::Closed))
    }
}

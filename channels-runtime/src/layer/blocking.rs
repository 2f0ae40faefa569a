//! The layer for plain synchronous code: a thread of its own, a command, a script.

use std::future::Future;
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};

use serde_json::Value;
use tokio::runtime::{Builder, Handle};

use crate::error::LayerError;
use crate::event::{Carries, Event, Group, Handles};
use crate::layer::handle::ChannelLayer;
use crate::name::ChannelName;

/// A channel layer whose methods block the thread until they are done. Made by [`ChannelLayer::blocking`].
///
/// It may be used on any thread that does not run async code, with or without a runtime anywhere.
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
/// Over Redis the connections live in a runtime, so a program without one makes it, and asks it once:
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
    /// The same layer for plain synchronous code: what `async_to_sync` is in Django.
    pub fn blocking(&self) -> BlockingChannelLayer {
        BlockingChannelLayer::new(self.clone())
    }
}

impl BlockingChannelLayer {
    pub(crate) fn new(layer: ChannelLayer) -> Self {
        Self { layer }
    }

    /// The twin of [`ChannelLayer::group_send`].
    ///
    /// # Errors
    /// The same, and [`LayerError::BlockingInAsync`] on a thread that runs async code.
    pub fn group_send<G, E>(&self, group: &G, event: &E) -> Result<(), LayerError>
    where
        G: Group<Itself: Carries<E::Itself>> + ?Sized,
        E: Event,
    {
        let envelope = crate::codec::Envelope::from_event(event, self.layer.backend().format())?;
        let (layer, group) = (self.layer.clone(), group.name()?);
        self.block_on(async move { layer.backend().group_send(&group, envelope).await })
    }

    /// The twin of [`ChannelLayer::send`].
    ///
    /// # Errors
    /// The same, and [`LayerError::BlockingInAsync`] on a thread that runs async code.
    pub fn send<C, E>(&self, channel: &ChannelName<C>, event: &E) -> Result<(), LayerError>
    where
        C: Handles<E::Itself>,
        E: Event,
    {
        let envelope = crate::codec::Envelope::from_event(event, self.layer.backend().format())?;
        let (layer, channel) = (self.layer.clone(), channel.untyped());
        self.block_on(async move { layer.backend().send(&channel, envelope).await })
    }

    /// The twin of [`ChannelLayer::group_send_raw`].
    ///
    /// # Errors
    /// The same, and [`LayerError::BlockingInAsync`] on a thread that runs async code.
    pub fn group_send_raw(&self, group: &str, message: Value) -> Result<(), LayerError> {
        let (layer, group) = (self.layer.clone(), group.to_owned());
        self.block_on(async move { layer.group_send_raw(&group, message).await })
    }

    /// The twin of [`ChannelLayer::send_raw`].
    ///
    /// # Errors
    /// The same, and [`LayerError::BlockingInAsync`] on a thread that runs async code.
    pub fn send_raw(&self, channel: &str, message: Value) -> Result<(), LayerError> {
        let (layer, channel) = (self.layer.clone(), channel.to_owned());
        self.block_on(async move { layer.send_raw(&channel, message).await })
    }

    /// The twin of [`ChannelLayer::group_members`].
    ///
    /// # Errors
    /// The same, and [`LayerError::BlockingInAsync`] on a thread that runs async code.
    pub fn group_members<G: Group + ?Sized>(&self, group: &G) -> Result<Vec<ChannelName>, LayerError> {
        let (layer, group) = (self.layer.clone(), group.name()?);
        self.block_on(async move { layer.backend().group_members(&group).await })
    }

    /// The twin of [`ChannelLayer::group_count`].
    ///
    /// # Errors
    /// The same, and [`LayerError::BlockingInAsync`] on a thread that runs async code.
    pub fn group_count<G: Group + ?Sized>(&self, group: &G) -> Result<usize, LayerError> {
        let (layer, group) = (self.layer.clone(), group.name()?);
        self.block_on(async move { layer.backend().group_count(&group).await })
    }

    /// For what waits for somebody else, and has a deadline: where the layer has no runtime, it gets a clock for so long.
    pub(crate) fn wait_for<F, T>(&self, done: F) -> Result<T, LayerError>
    where
        F: Future<Output = Result<T, LayerError>> + Send + 'static,
        T: Send + 'static,
    {
        if self.layer.backend().runtime().is_some() || Handle::try_current().is_ok() {
            return self.block_on(done);
        }
        let clock = Builder::new_current_thread().enable_time().build();
        clock.expect("a clock alone takes nothing from the system").block_on(done)
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
            // A layer without a runtime (the one in memory) never waits, so its future is done when it is first asked.
            return match std::pin::pin!(done).poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(done) => done,
                Poll::Pending => unreachable!("a layer that has no runtime has nothing to wait for"),
            };
        };
        // The runtime's own threads do the work: the I/O of the layer lives there. One answer, so one place.
        let (tx, rx) = mpsc::sync_channel(1);
        runtime.spawn(async move { _ = tx.send(done.await) });
        rx.recv().unwrap_or(Err(LayerError::Closed))
    }
}

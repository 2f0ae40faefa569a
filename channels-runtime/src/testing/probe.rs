//! Layers for tests: for any number of simulated processes, in memory, with a record of every message.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::sync::Arc;

use tokio_util::task::AbortOnDropHandle;

use crate::error::LayerError;
use crate::event::{Carries, Event, Handles};
use crate::layer::{ChannelLayer, LayerConfig};
use crate::name::ChannelName;
use crate::support::Unawaited;
use crate::testing::deadlines::{PATIENCE, SILENCE};
use crate::testing::probe_bus::{Bus, Fault, Shared, take_turns};
use crate::testing::probe_node::Node;
use crate::testing::sent::{Sent, Target};

/// Channel layers for a test: one for each simulated process, all in memory, with a record of every message.
///
/// ```
/// use channels_runtime::prelude::*;
/// use channels_runtime::testing::LayerProbe;
///
/// #[event("report.ready")]
/// struct ReportReady { id: u64 }
///
/// #[group("user-{id}", events(ReportReady))]
/// struct User { id: u64 }
///
/// /// The function under test.
/// async fn finish_report(layer: &ChannelLayer) -> Result<()> {
///     Ok(layer.group_send(&User { id: 7 }, &ReportReady { id: 1 }).await?)
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
/// let probe = LayerProbe::new();
/// finish_report(&probe.process()).await?;
/// let sent = probe.assert_sent::<ReportReady>(&User { id: 7 }).await;
/// assert_eq!(sent.id, 1);
/// probe.assert_nothing_more().await;
/// # Ok(()) }
/// ```
///
/// The record also contains the messages that the test itself sends through one of the layers. It only grows, so do not use this
/// layer in a server.
#[derive(Clone)]
pub struct LayerProbe {
    bus: Arc<Bus>,
}

impl LayerProbe {
    /// Creates layers in which a message has reached all processes when its send returns.
    pub fn new() -> Self {
        Self { bus: Arc::new(Bus { shared: Arc::default(), turns: None }) }
    }

    /// Creates layers that behave like those over Redis: each process gets all messages in one order, but at its own time. The
    /// seed chooses the next process, and how many times other tasks run before it. A send to a full channel returns no error.
    ///
    /// On a runtime with one thread and a paused clock, a test runs in the same order for the same seed, if it waits for nothing
    /// outside and uses no randomness (`tokio::select!` does, unless it is `biased`). So a test with many seeds finds code that
    /// depends on the order, and the seed reproduces it.
    ///
    /// ```
    /// # use channels_runtime::prelude::*;
    /// # use channels_runtime::testing::LayerProbe;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// for seed in 0..20 {
    ///     let probe = LayerProbe::with_seed(seed);
    ///     let (here, there) = (probe.process(), probe.process());
    ///     // .. the test, which names the seed if it fails
    /// }
    /// # }
    /// ```
    ///
    /// # Panics
    /// If it is called outside of a tokio runtime.
    pub fn with_seed(seed: u64) -> Self {
        let shared = Arc::new(Shared::with_turns());
        let turns = tokio::spawn(take_turns(Arc::clone(&shared), seed));
        Self { bus: Arc::new(Bus { shared, turns: Some(AbortOnDropHandle::new(turns)) }) }
    }

    /// Returns the layer of one more process. The processes share messages only: each has its own channels and members, and a
    /// handler without `self` renders once in each process. As over Redis, each job for a worker's channel goes to one of the
    /// workers of all processes.
    pub fn process(&self) -> ChannelLayer {
        self.process_with(LayerConfig::default())
    }

    /// Returns the layer of one more process, with settings.
    pub fn process_with(&self, config: LayerConfig) -> ChannelLayer {
        let node = Node::new(Arc::clone(&self.bus), config.clone());
        ChannelLayer::new(Arc::new(node), config)
    }

    /// Loses the next message on its way to a process: 0 is the layer that [`Self::process`] returned first. If it is for a group
    /// with a history, the process notices the loss at the next message of the group, or when a client joins, and recalls it.
    ///
    /// ```
    /// use channels_runtime::prelude::*;
    /// use channels_runtime::testing::LayerProbe;
    ///
    /// #[event("news.posted")]
    /// struct NewsPosted { headline: String }
    ///
    /// #[group("news", events(NewsPosted))]
    /// struct News;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// let probe = LayerProbe::new();
    /// let (here, there) = (probe.process(), probe.process());
    /// let mut reader = there.new_channel().await?;
    /// there.group_add(&News, reader.name()).await?;
    ///
    /// probe.lose_next(1);
    /// probe.double_next(1);
    /// for headline in ["it rains", "the sun shines"] {
    ///     here.group_send(&News, &NewsPosted { headline: headline.into() }).await?;
    /// }
    /// // Without a history, the process does not notice either fault.
    /// for _ in 0..2 {
    ///     let received: NewsPosted = reader.receive().await.expect("an open layer").decode()?;
    ///     assert_eq!(received.headline, "the sun shines");
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// The faults of several calls apply to the next messages, one each. Messages to groups without members in the process do not
    /// count, and neither do jobs of workers.
    ///
    /// # Panics
    /// If there is no such process.
    #[track_caller]
    pub fn lose_next(&self, process: usize) {
        self.bus.shared.check_process(process);
        self.bus.shared.add_fault(process, Fault::Lose);
    }

    /// Lets the next message to a process arrive twice. If it is for a group with a history, the process drops the second one.
    /// Otherwise like [`Self::lose_next`].
    ///
    /// # Panics
    /// If there is no such process.
    #[track_caller]
    pub fn double_next(&self, process: usize) {
        self.bus.shared.check_process(process);
        self.bus.shared.add_fault(process, Fault::Double);
    }

    /// Cuts a process off from the others, as if its connection to Redis broke. The consumers of the process run `#[layer_lost]`.
    /// Messages to the process are lost. Its sends and joins fail with
    /// [`LayerError::Unavailable`](crate::error::LayerError::Unavailable). Its workers still receive jobs. Has no effect on a
    /// process that is cut off already.
    ///
    /// # Panics
    /// If there is no such process.
    #[track_caller]
    pub fn cut_off(&self, process: usize) {
        self.bus.shared.check_process(process);
        self.bus.shared.cut_off(process);
    }

    /// Connects a process again. The members of groups with a history first receive what they missed, or run `#[history_lost]` if
    /// it is not kept any more. Then the consumers of the process run `#[layer_restored]`. Has no effect on a process that is not
    /// cut off.
    ///
    /// # Panics
    /// If there is no such process.
    ///
    /// # Cancel safety
    /// If the future is dropped before it has returned, the process may receive messages but does not run `#[layer_restored]`.
    #[track_caller]
    pub fn restore(&self, process: usize) -> Unawaited<'_, ()> {
        self.bus.shared.check_process(process);
        Unawaited::new(self.bus.shared.restore(process))
    }

    /// Returns every message so far, in the order of the sends.
    pub fn sent(&self) -> Vec<Sent> {
        self.bus.shared.lock().record.iter().map(|entry| entry.sent.clone()).collect()
    }

    /// Returns the next event of this type that was sent to the group: the first that no assertion has returned yet. Waits up to
    /// a second.
    ///
    /// # Panics
    /// If there is no such event, or it does not fit the type. The panic lists the sent messages.
    ///
    /// # Cancel safety
    /// An event counts as returned when the future returns it. Dropping the future loses nothing.
    #[track_caller]
    pub fn assert_sent<E: Event>(&self, group: &impl Carries<E>) -> Unawaited<'_, E> {
        let group = group.name().map(Target::Group).map_err(LayerError::from);
        Unawaited::new(self.next::<E>(group, Location::caller()))
    }

    /// Returns the next event of this type that was sent to the channel: the first that no assertion has returned yet. Waits up
    /// to a second.
    ///
    /// # Panics
    /// If there is no such event, or it does not fit the type. The panic lists the sent messages.
    ///
    /// # Cancel safety
    /// An event counts as returned when the future returns it. Dropping the future loses nothing.
    #[track_caller]
    pub fn assert_sent_to<E: Event>(&self, channel: &ChannelName<impl Handles<E>>) -> Unawaited<'_, E> {
        Unawaited::new(self.next::<E>(Ok(Target::Channel(channel.untyped())), Location::caller()))
    }

    async fn next<E: Event>(&self, to: Result<Target, LayerError>, at: &'static Location<'static>) -> E {
        let to = to.unwrap_or_else(|error| panic!("{error}, expected at {at}"));
        let found = async {
            loop {
                let more = self.bus.shared.changed.notified();
                if let Some(envelope) = self.bus.shared.lock().take(&to, E::TYPE) {
                    return envelope;
                }
                more.await;
            }
        };
        let Ok(envelope) = tokio::time::timeout(PATIENCE, found).await else {
            panic!("no `{}` was sent to {to}, expected at {at}{}", E::TYPE, self.bus.shared.lock());
        };
        envelope.decode().unwrap_or_else(|error| {
            panic!("the event that was sent to {to} does not fit, expected at {at}: {error}{}", self.bus.shared.lock())
        })
    }

    /// Asserts that only messages were sent that earlier assertions have returned, and that no other is sent for a tenth of a
    /// second.
    ///
    /// # Panics
    /// If there are other messages. The panic lists them.
    #[track_caller]
    pub fn assert_nothing_more(&self) -> impl Future<Output = ()> {
        let at = Location::caller();
        async move {
            let sent = async {
                loop {
                    let more = self.bus.shared.changed.notified();
                    if self.bus.shared.lock().record.iter().any(|entry| !entry.is_returned) {
                        return;
                    }
                    more.await;
                }
            };
            if tokio::time::timeout(SILENCE, sent).await.is_ok() {
                panic!("other messages were sent before {at}{}", self.bus.shared.lock());
            }
        }
    }
}

impl Default for LayerProbe {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for LayerProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.bus.shared.lock();
        f.debug_struct("LayerProbe")
            .field("processes", &state.processes.len())
            .field("sent", &state.record.len())
            .field("has_turns", &self.bus.turns.is_some())
            .finish()
    }
}

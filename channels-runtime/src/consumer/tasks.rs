//! The timers and tasks of one consumer, and their common bound.

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::codec::Envelope;
use crate::consumer::background::Background;
use crate::consumer::timer_driver::TimerDriver;
use crate::error::BackgroundError;
use crate::layer::ChannelLayer;
use crate::name::ChannelName;

/// The bound on the timers and tasks of one consumer: the default capacity of its mailbox.
const BOUND: usize = 100;

/// The timers and tasks of one consumer. Bound: [`BOUND`] for both together; one more is rejected. Dropping it ends all of them.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    spawned: JoinSet<()>,
    /// `None` before the first timer.
    timers: Option<TimerDriver>,
}

/// The time at which a timer fires: once after a delay, or once in each period.
#[derive(Debug, Clone, Copy)]
pub(super) enum When {
    After(Duration),
    Every(Duration),
}

impl Tasks {
    /// Spawns a task.
    pub(super) fn spawn(
        &mut self,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> Result<Background, BackgroundError> {
        self.check_bound()?;
        Ok(Background::of_task(self.spawned.spawn(task)))
    }

    /// Starts a timer, which sends an event to the consumer's own channel.
    pub(super) fn start_timer(
        &mut self,
        layer: &ChannelLayer,
        channel: &ChannelName,
        when: When,
        envelope: Envelope,
    ) -> Result<Background, BackgroundError> {
        self.check_bound()?;
        let driver = self.timers.get_or_insert_with(|| TimerDriver::new(layer.clone(), channel.clone()));
        Ok(Background::of_timer(match when {
            When::After(delay) => driver.add_once(delay, envelope),
            When::Every(period) => driver.add_periodic(period, envelope),
        }))
    }

    fn check_bound(&mut self) -> Result<(), BackgroundError> {
        // Tasks that have ended do not count.
        while self.spawned.try_join_next().is_some() {}
        let timers = self.timers.as_ref().map_or(0, TimerDriver::len);
        if self.spawned.len() + timers < BOUND { Ok(()) } else { Err(BackgroundError::TooMany { bound: BOUND }) }
    }

    /// Returns whether no timer or task was started.
    pub(super) fn is_empty(&self) -> bool {
        self.spawned.is_empty() && self.timers.is_none()
    }

    /// Ends all timers and tasks. When it returns, none of them runs.
    pub(super) async fn end(&mut self) {
        if let Some(timers) = self.timers.take() {
            timers.end().await;
        }
        self.spawned.shutdown().await;
    }
}

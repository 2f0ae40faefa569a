//! The driver of a consumer's timers: the task that waits for them and delivers their events.

use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use crate::codec::Envelope;
use crate::consumer::timers::{TimerId, Timers};
use crate::layer::{ChannelLayer, Full};
use crate::name::ChannelName;
use crate::support::lock;

/// Delivers the events of a consumer's timers to the consumer's own mailbox.
///
/// One task waits for all timers. It starts with the first timer and ends when no timer is left. All timers end when the driver
/// is dropped.
#[derive(Debug)]
pub(super) struct TimerDriver {
    schedule: Arc<Schedule>,
    task: Option<JoinHandle<()>>,
}

/// The timers of a consumer, shared by its driver and the handles of the timers.
#[derive(Debug)]
struct Schedule {
    layer: ChannelLayer,
    channel: ChannelName,
    state: Mutex<State>,
    /// Notified when the next due time changes.
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    timers: Timers,
    /// Whether a task runs that will read `timers` again. The task resets this under the lock, so that no timer is added to a
    /// task that is about to end.
    is_driven: bool,
}

/// A handle of one timer. Does not keep the timer or its consumer alive.
#[derive(Clone)]
pub(super) struct TimerHandle {
    schedule: Weak<Schedule>,
    id: TimerId,
}

impl TimerDriver {
    /// Creates the driver of the consumer with this channel.
    pub(super) fn new(layer: ChannelLayer, channel: ChannelName) -> Self {
        let schedule = Schedule { layer, channel, state: Mutex::default(), changed: Notify::new() };
        Self { schedule: Arc::new(schedule), task: None }
    }

    /// Adds a timer that fires once.
    pub(super) fn add_once(&mut self, delay: Duration, envelope: Envelope) -> TimerHandle {
        self.add(|timers, now| timers.add_once(now, delay, envelope))
    }

    /// Adds a timer that fires once in each period.
    pub(super) fn add_periodic(&mut self, period: Duration, envelope: Envelope) -> TimerHandle {
        self.add(|timers, now| timers.add_periodic(now, period, envelope))
    }

    fn add(&mut self, add: impl FnOnce(&mut Timers, Instant) -> TimerId) -> TimerHandle {
        let (id, was_driven) = self.schedule.change(|state| {
            let id = add(&mut state.timers, Instant::now());
            (id, std::mem::replace(&mut state.is_driven, true))
        });
        if !was_driven {
            self.task = Some(tokio::spawn(Arc::clone(&self.schedule).run()));
        }
        TimerHandle { schedule: Arc::downgrade(&self.schedule), id }
    }

    /// Returns the number of timers that have not ended.
    pub(super) fn len(&self) -> usize {
        self.schedule.lock().timers.len()
    }

    /// Ends all timers. When it returns, no event of a timer is being delivered.
    pub(super) async fn end(mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            // An error means that the task was aborted.
            _ = task.await;
        }
    }
}

impl Drop for TimerDriver {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
        // A handle may outlive the driver.
        self.schedule.lock().timers.clear();
    }
}

impl Schedule {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Changes the timers, and wakes the driver if the next due time is a different one.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let (was_driven, before) = (state.is_driven, state.timers.next_due());
        let changed = change(&mut state);
        if was_driven && state.timers.next_due() != before {
            self.changed.notify_one();
        }
        changed
    }

    /// Delivers events until no timer is left or the mailbox no longer exists.
    async fn run(self: Arc<Self>) {
        while let Some(next) = self.deliver_due() {
            // After either of them, the timers are read again. `Notify` stores a notification that finds no waiter.
            _ = timeout_at(next, self.changed.notified()).await;
        }
    }

    /// Delivers the events that are due, and returns the time of the next one. `None` ends the driver.
    fn deliver_due(&self) -> Option<Instant> {
        let now = Instant::now();
        loop {
            let envelope = {
                let mut state = self.lock();
                match state.timers.pop_due(now) {
                    Some(envelope) => envelope,
                    None => {
                        let next = state.timers.next_due();
                        state.is_driven = next.is_some();
                        return next;
                    }
                }
            };
            // Without the lock: this decodes the event, which runs user code.
            if !self.deliver(&envelope) {
                let mut state = self.lock();
                state.timers.clear();
                state.is_driven = false;
                return None;
            }
        }
    }

    /// Delivers an event. Returns `false` if the mailbox no longer exists. A full mailbox drops the event, which is counted.
    fn deliver(&self, envelope: &Envelope) -> bool {
        let table = self.layer.backend().table();
        table.send(&self.channel, envelope).unwrap_or_else(|Full { .. }| {
            table.counters().count_full(self.channel.as_str());
            true
        })
    }
}

impl TimerHandle {
    /// Ends the timer.
    pub(super) fn cancel(&self) {
        if let Some(schedule) = self.schedule.upgrade() {
            schedule.change(|state| state.timers.cancel(self.id));
        }
    }

    /// Returns whether the timer has fired for the last time or was cancelled.
    pub(super) fn is_finished(&self) -> bool {
        self.schedule.upgrade().is_none_or(|schedule| !schedule.lock().timers.contains(self.id))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::*;
    use crate::layer::{Delivery, Mailbox, MailboxKind};

    const SECOND: Duration = Duration::from_secs(1);

    fn envelope(layer: &ChannelLayer) -> Envelope {
        Envelope::from_value(&serde_json::json!({ "type": "timer.rang" }), layer.backend().format()).unwrap()
    }

    async fn task_ends(driver: &mut TimerDriver) {
        driver.task.take().expect("a task was started").await.unwrap();
        assert!(!driver.schedule.lock().is_driven);
    }

    #[tokio::test(start_paused = true)]
    async fn driver_ends_with_the_last_timer_and_starts_again() {
        let layer = ChannelLayer::in_memory();
        let mailbox = layer.new_channel().await.unwrap();
        let mut driver = TimerDriver::new(layer.clone(), mailbox.name().clone());

        let fired = driver.add_once(SECOND, envelope(&layer));
        assert!(!fired.is_finished());
        mailbox.receive().await.unwrap();
        task_ends(&mut driver).await;
        assert!(fired.is_finished());

        let cancelled = driver.add_periodic(SECOND, envelope(&layer));
        tokio::task::yield_now().await;
        cancelled.cancel();
        task_ends(&mut driver).await;
        assert!(cancelled.is_finished());

        // The mailbox no longer exists.
        let undelivered = driver.add_periodic(SECOND, envelope(&layer));
        drop(mailbox);
        task_ends(&mut driver).await;
        assert!(undelivered.is_finished());
    }

    /// A mailbox whose first event panics, as the Drop of a payload may.
    struct PanicsOnce {
        name: ChannelName,
        deliveries: AtomicUsize,
    }

    impl Mailbox for PanicsOnce {
        fn name(&self) -> &ChannelName {
            &self.name
        }

        fn kind(&self) -> &'static MailboxKind {
            const { &MailboxKind::of::<Self>(|_, _| Ok(Delivery::Nothing)) }
        }

        fn deliver(&self, _: &Delivery, _: Instant) -> Result<bool, Full> {
            assert_ne!(self.deliveries.fetch_add(1, Relaxed), 0, "the first event panics");
            Ok(true)
        }

        fn layer_closed(&self) {}
    }

    #[tokio::test(start_paused = true)]
    async fn panic_of_one_event_does_not_end_timers() {
        let layer = ChannelLayer::in_memory();
        let name = layer.backend().new_channel_name();
        let mailbox = Arc::new(PanicsOnce { name: name.clone(), deliveries: AtomicUsize::new(0) });
        layer.backend().table().register(&(Arc::clone(&mailbox) as Arc<dyn Mailbox>));
        let mut driver = TimerDriver::new(layer.clone(), name);
        let timer = driver.add_periodic(SECOND, envelope(&layer));
        tokio::time::sleep(SECOND * 7 / 2).await;
        assert_eq!((mailbox.deliveries.load(Relaxed), timer.is_finished()), (3, false));
        driver.end().await;
    }

    #[tokio::test(start_paused = true)]
    async fn handle_of_ended_timer_does_not_cancel_later_timer() {
        let layer = ChannelLayer::in_memory();
        let mailbox = layer.new_channel().await.unwrap();
        let mut driver = TimerDriver::new(layer.clone(), mailbox.name().clone());
        drop(mailbox);
        let ended = driver.add_once(SECOND, envelope(&layer));
        task_ends(&mut driver).await;
        let later = driver.add_once(SECOND, envelope(&layer));
        ended.cancel();
        assert!(!later.is_finished());
        driver.end().await;
    }

    #[tokio::test(start_paused = true)]
    async fn timers_end_with_their_driver() {
        let layer = ChannelLayer::in_memory();
        let mailbox = layer.new_channel().await.unwrap();
        for is_dropped in [true, false] {
            let mut driver = TimerDriver::new(layer.clone(), mailbox.name().clone());
            let timer = driver.add_periodic(SECOND, envelope(&layer));
            mailbox.receive().await.unwrap();
            if is_dropped {
                drop(driver)
            } else {
                driver.end().await
            }
            assert!(timer.is_finished());
            timer.cancel();
            assert!(tokio::time::timeout(5 * SECOND, mailbox.receive()).await.is_err());
        }
    }
}

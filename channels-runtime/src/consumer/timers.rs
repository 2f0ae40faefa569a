//! The timers of one consumer, as data: when each is due, and which event it sends.
//!
//! Nothing here reads a clock or waits. [`TimerDriver`](crate::consumer::timer_driver::TimerDriver) does both.

use std::time::Duration;

use tokio::time::Instant;

use crate::codec::Envelope;
use crate::support::LONGEST;

/// The shortest period: the resolution of tokio's clock.
const SHORTEST_PERIOD: Duration = Duration::from_millis(1);

/// Identifies one timer of a consumer. Never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TimerId(u64);

/// One timer: it sends its event when it is due, and again after each period.
#[derive(Debug)]
pub(super) struct Timer {
    pub(super) id: TimerId,
    pub(super) due: Instant,
    /// `None` for a timer that fires once.
    pub(super) period: Option<Duration>,
    pub(super) envelope: Envelope,
}

/// The timers of one consumer, in order of their due times.
#[derive(Debug, Default)]
pub(super) struct Timers {
    /// The next timer is the last one. Timers with the same due time fire in the order in which they were added.
    latest_first: Vec<Timer>,
    next_id: u64,
}

impl Timers {
    /// Adds a timer that fires once. A delay is at most 30 years.
    pub(super) fn add_once(&mut self, now: Instant, delay: Duration, envelope: Envelope) -> TimerId {
        self.add(now + delay.min(LONGEST), None, envelope)
    }

    /// Adds a timer that fires once in each period, the first time after one period. A period is between a millisecond and
    /// 30 years.
    pub(super) fn add_periodic(&mut self, now: Instant, period: Duration, envelope: Envelope) -> TimerId {
        let period = period.clamp(SHORTEST_PERIOD, LONGEST);
        self.add(now + period, Some(period), envelope)
    }

    fn add(&mut self, due: Instant, period: Option<Duration>, envelope: Envelope) -> TimerId {
        let id = TimerId(self.next_id);
        self.next_id += 1;
        self.insert(Timer { id, due, period, envelope });
        id
    }

    fn insert(&mut self, timer: Timer) {
        let index = self.latest_first.partition_point(|other| (other.due, other.id) > (timer.due, timer.id));
        self.latest_first.insert(index, timer);
    }

    /// Removes a timer. Returns `false` if the timer has already ended.
    pub(super) fn cancel(&mut self, id: TimerId) -> bool {
        let index = self.latest_first.iter().position(|timer| timer.id == id);
        index.map(|index| self.latest_first.remove(index)).is_some()
    }

    /// Removes all timers.
    pub(super) fn clear(&mut self) {
        self.latest_first = Vec::new();
    }

    /// Returns the time at which the next timer is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.latest_first.last().map(|timer| timer.due)
    }

    /// Returns the event of the next timer that is due, and removes that timer or moves it to its next period. Called until it
    /// returns `None`, it returns one event for each due timer.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Envelope> {
        let timer = self.latest_first.pop_if(|timer| timer.due <= now)?;
        let Some(period) = timer.period else { return Some(timer.envelope) };
        let envelope = timer.envelope.clone();
        self.insert(Timer { due: next_period(timer.due, period, now), ..timer });
        Some(envelope)
    }

    /// Returns the timers in the order in which they fire next.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &Timer> {
        self.latest_first.iter().rev()
    }

    pub(super) fn contains(&self, id: TimerId) -> bool {
        self.iter().any(|timer| timer.id == id)
    }

    pub(super) fn len(&self) -> usize {
        self.iter().len()
    }
}

/// Returns the first time after `now` that is a whole number of periods after `due`. Missed periods are skipped.
fn next_period(due: Instant, period: Duration, now: Instant) -> Instant {
    let since_last = now.duration_since(due).as_nanos() % period.as_nanos();
    let since_last = Duration::from_nanos(u64::try_from(since_last).expect("shorter than a period of 30 years"));
    now + (period - since_last)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::codec::Format;

    fn envelope(name: &str) -> Envelope {
        Envelope::from_value(&serde_json::json!({ "type": name }), Format::Json).unwrap()
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Returns the names of the events that are due.
    fn pop_all(timers: &mut Timers, now: Instant) -> Vec<String> {
        std::iter::from_fn(|| timers.pop_due(now)).map(|envelope| envelope.event_name().to_owned()).collect()
    }

    #[test]
    fn timers_fire_in_order_of_due_time_then_age() {
        let (begin, mut timers) = (Instant::now(), Timers::default());
        for (delay, name) in [(500, "d"), (300, "b"), (100, "a"), (300, "c")] {
            timers.add_once(begin, ms(delay), envelope(name));
        }
        assert_eq!(timers.next_due(), Some(begin + ms(100)));
        assert_eq!(pop_all(&mut timers, begin + ms(99)), Vec::<String>::new());
        assert_eq!(pop_all(&mut timers, begin + ms(300)), ["a", "b", "c"]);
        assert_eq!((timers.len(), timers.next_due()), (1, Some(begin + ms(500))));
        assert_eq!(pop_all(&mut timers, begin + ms(501)), ["d"]);
        assert_eq!((timers.len(), timers.next_due()), (0, None));
    }

    #[test]
    fn periodic_timer_skips_missed_periods() {
        let (begin, mut timers) = (Instant::now(), Timers::default());
        timers.add_periodic(begin, ms(400), envelope("tick"));
        for (now, next) in [(400, 800), (801, 1200), (4100, 4400), (4400, 4800)] {
            assert_eq!(pop_all(&mut timers, begin + ms(now)), ["tick"], "at {now}");
            assert_eq!(timers.next_due(), Some(begin + ms(next)), "after {now}");
        }
    }

    #[test]
    fn cancelled_timer_never_fires() {
        let (begin, mut timers) = (Instant::now(), Timers::default());
        let once = timers.add_once(begin, ms(1), envelope("once"));
        let periodic = timers.add_periodic(begin, ms(1), envelope("periodic"));
        assert!(timers.contains(once) && timers.cancel(once));
        assert!(!timers.contains(once) && !timers.cancel(once));
        assert_eq!(pop_all(&mut timers, begin + ms(1)), ["periodic"]);
        assert!(timers.cancel(periodic));
        assert_eq!(timers.len(), 0);
    }

    #[test]
    fn timers_are_listed_in_order() {
        let (begin, mut timers) = (Instant::now(), Timers::default());
        let late = timers.add_once(begin, ms(9), envelope("late"));
        let tick = timers.add_periodic(begin, ms(5), envelope("tick"));
        let listed: Vec<_> =
            timers.iter().map(|timer| (timer.id, timer.due, timer.period, timer.envelope.event_name())).collect();
        assert_eq!(listed, [(tick, begin + ms(5), Some(ms(5)), "tick"), (late, begin + ms(9), None, "late")]);
        timers.clear();
        assert!(!timers.contains(tick) && !timers.contains(late));
    }

    #[test]
    fn delay_and_period_have_limits() {
        let (begin, mut timers) = (Instant::now(), Timers::default());
        timers.add_once(begin, Duration::MAX, envelope("once"));
        timers.add_periodic(begin, Duration::MAX, envelope("seldom"));
        timers.add_periodic(begin, Duration::ZERO, envelope("often"));
        let due: Vec<_> = timers.iter().map(|timer| timer.due.duration_since(begin)).collect();
        assert_eq!(due, [SHORTEST_PERIOD, LONGEST, LONGEST]);
    }

    #[derive(Debug, Clone)]
    enum Step {
        After(u64),
        Every(u64),
        Cancel(prop::sample::Index),
        Advance(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..2000_u64).prop_map(Step::After),
            (0..2000_u64).prop_map(Step::Every),
            any::<prop::sample::Index>().prop_map(Step::Cancel),
            (0..3000_u64).prop_map(Step::Advance),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Compares the timers with a model that advances in milliseconds.
        #[test]
        fn timers_fire_like_the_model(steps in prop::collection::vec(step(), 0..60)) {
            let (begin, mut timers, mut now) = (Instant::now(), Timers::default(), 0);
            // The due time and the period of each timer.
            let mut model: BTreeMap<TimerId, (u64, Option<u64>)> = BTreeMap::new();
            let mut ids = Vec::new();
            for step in steps {
                match step {
                    Step::After(delay) => {
                        let id = timers.add_once(begin + ms(now), ms(delay), envelope(&ids.len().to_string()));
                        model.insert(id, (now + delay, None));
                        ids.push(id);
                    }
                    Step::Every(period) => {
                        let id = timers.add_periodic(begin + ms(now), ms(period), envelope(&ids.len().to_string()));
                        let period = period.max(1);
                        model.insert(id, (now + period, Some(period)));
                        ids.push(id);
                    }
                    Step::Cancel(index) if !ids.is_empty() => {
                        let id = *index.get(&ids);
                        prop_assert_eq!(timers.cancel(id), model.remove(&id).is_some());
                    }
                    Step::Cancel(_) => {}
                    Step::Advance(by) => {
                        now += by;
                        let mut due: Vec<_> = model.iter().filter(|(_, (due, _))| *due <= now).collect();
                        due.sort_by_key(|(id, (due, _))| (*due, **id));
                        let due: Vec<_> = due.into_iter().map(|(id, _)| *id).collect();
                        let names = due.iter().map(|id| ids.iter().position(|other| other == id).unwrap().to_string());
                        prop_assert_eq!(pop_all(&mut timers, begin + ms(now)), names.collect::<Vec<_>>());
                        for id in due {
                            let (due, period) = model[&id];
                            match period {
                                None => _ = model.remove(&id),
                                Some(period) => {
                                    let next = (due..).step_by(usize::try_from(period).unwrap()).find(|at| *at > now);
                                    model.insert(id, (next.unwrap(), Some(period)));
                                }
                            }
                        }
                    }
                }
                let mut listed: Vec<_> = model.iter().map(|(id, (due, _))| (begin + ms(*due), *id)).collect();
                listed.sort_unstable();
                prop_assert_eq!(timers.iter().map(|timer| (timer.due, timer.id)).collect::<Vec<_>>(), listed);
            }
        }
    }
}

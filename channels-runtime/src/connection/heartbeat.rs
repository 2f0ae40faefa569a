//! The heartbeat policy: when a silent client is pinged, and when it is dropped.

use std::time::Duration;

/// How many rounds fit into the shortest time that matters: so much of it is at most cut off.
const ROUNDS: u32 = 4;

/// The most rounds that are counted: a connection counts in sixteen bits.
const MOST: u32 = 30_000;

/// After how many rounds what happens to a client that says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HeartbeatPolicy {
    pub(crate) round: Duration,
    /// It is asked with a ping.
    pub(crate) ask: u32,
    /// It is taken for gone.
    pub(crate) lost: u32,
    /// It is there, and has said nothing but pongs for too long.
    pub(crate) idle: u32,
}

impl HeartbeatPolicy {
    /// `None` if nobody is ever asked, and silence has no end.
    pub(crate) fn new(heartbeat: Option<(Duration, Duration)>, idle: Option<Duration>) -> Option<Self> {
        // A deadline that ends before the question would leave no time for the answer.
        let heartbeat = heartbeat.filter(|(interval, _)| !interval.is_zero());
        let heartbeat =
            heartbeat.map(|(interval, deadline)| (interval, if deadline > interval { deadline } else { interval * 2 }));
        let idle = idle.filter(|limit| !limit.is_zero());
        let answer = heartbeat.map(|(interval, deadline)| interval.min(deadline - interval));
        let shortest = answer.into_iter().chain(idle).min()?;
        let longest = heartbeat.map(|(_, deadline)| deadline).into_iter().chain(idle).max()?;
        let round = (shortest / ROUNDS).max(longest / MOST).max(Duration::from_millis(1));
        let rounds = |time: Duration| u32::try_from(time.as_nanos() / round.as_nanos()).unwrap_or(MOST).max(1);
        let (ask, lost) = heartbeat.map_or((u32::MAX, u32::MAX), |(interval, deadline)| {
            let ask = rounds(interval);
            (ask, rounds(deadline).max(ask + 1))
        });
        // One round more than fit, because the first of them may have begun long before the silence did: whoever speaks
        // within the limit is never sent away.
        let idle = idle.map_or(u32::MAX, |limit| rounds(limit + round - Duration::from_nanos(1)) + 1);
        Some(Self { round, ask, lost, idle })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_round_is_short_enough_for_every_limit() {
        let usual = HeartbeatPolicy::new(Some((20 * SECOND, 30 * SECOND)), None).unwrap();
        assert_eq!(usual, HeartbeatPolicy { round: SECOND * 5 / 2, ask: 8, lost: 12, idle: u32::MAX });
        let idle = HeartbeatPolicy::new(None, Some(60 * SECOND)).unwrap();
        assert_eq!((idle.round, idle.ask, idle.lost, idle.idle), (15 * SECOND, u32::MAX, u32::MAX, 5));
        let both = HeartbeatPolicy::new(Some((20 * SECOND, 30 * SECOND)), Some(600 * SECOND)).unwrap();
        assert_eq!((both.ask, both.lost, both.idle), (8, 12, 241));
        assert_eq!(HeartbeatPolicy::new(None, None), None);
        assert_eq!(HeartbeatPolicy::new(Some((Duration::ZERO, SECOND)), None), None);
    }

    #[test]
    fn limits_that_make_no_sense_together_still_leave_time_to_answer() {
        for deadline in [Duration::ZERO, SECOND, 20 * SECOND] {
            let patience = HeartbeatPolicy::new(Some((20 * SECOND, deadline)), None).unwrap();
            assert_eq!((patience.ask, patience.lost), (4, 8));
        }
        // A year of silence beside a quick heartbeat: counted in rounds that are longer, and still in sixteen bits.
        let patience = HeartbeatPolicy::new(Some((SECOND, 2 * SECOND)), Some(365 * 86_400 * SECOND)).unwrap();
        assert!(patience.idle <= MOST + 2 && patience.ask < patience.lost, "{patience:?}");
        let patience = HeartbeatPolicy::new(Some((Duration::from_nanos(1), Duration::from_nanos(2))), None).unwrap();
        assert!(patience.round >= Duration::from_millis(1) && patience.ask < patience.lost, "{patience:?}");
    }
}

//! The heartbeat policy: the silent rounds before a client is pinged, and before it is dropped.

use std::time::Duration;

/// The number of rounds in the shortest time limit. A limit is exceeded by at most this part of it.
const ROUNDS: u32 = 4;

/// The highest number of rounds. A connection counts them in 16 bits.
const MAX_ROUNDS: u32 = 30_000;

/// The number of silent rounds before each step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HeartbeatPolicy {
    pub(crate) round: Duration,
    /// Silent rounds before the client is pinged.
    pub(crate) ask: u32,
    /// Silent rounds before the client is dropped.
    pub(crate) lost: u32,
    /// Rounds without a message before the connection is closed. A pong is not a message.
    pub(crate) idle: u32,
}

impl HeartbeatPolicy {
    /// Makes a policy from the interval and deadline of the heartbeat, and the idle limit. Returns `None` if all are off.
    pub(crate) fn new(heartbeat: Option<(Duration, Duration)>, idle: Option<Duration>) -> Option<Self> {
        // A deadline before the ping would leave no time for the pong.
        let heartbeat = heartbeat.filter(|(interval, _)| !interval.is_zero());
        let heartbeat =
            heartbeat.map(|(interval, deadline)| (interval, if deadline > interval { deadline } else { interval * 2 }));
        let idle = idle.filter(|limit| !limit.is_zero());
        let pong = heartbeat.map(|(interval, deadline)| interval.min(deadline - interval));
        let shortest = pong.into_iter().chain(idle).min()?;
        let longest = heartbeat.map(|(_, deadline)| deadline).into_iter().chain(idle).max()?;
        let round = (shortest / ROUNDS).max(longest / MAX_ROUNDS).max(Duration::from_millis(1));
        let rounds = |time: Duration| u32::try_from(time.as_nanos() / round.as_nanos()).unwrap_or(MAX_ROUNDS).max(1);
        let (ask, lost) = heartbeat.map_or((u32::MAX, u32::MAX), |(interval, deadline)| {
            let ask = rounds(interval);
            (ask, rounds(deadline).max(ask + 1))
        });
        // One more round, because the first round may have begun before the silence: a client that sends within the limit is
        // never closed.
        let idle = idle.map_or(u32::MAX, |limit| rounds(limit + round - Duration::from_nanos(1)) + 1);
        Some(Self { round, ask, lost, idle })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn round_is_short_enough_for_every_limit() {
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
    fn contradictory_limits_leave_time_for_pong() {
        for deadline in [Duration::ZERO, SECOND, 20 * SECOND] {
            let policy = HeartbeatPolicy::new(Some((20 * SECOND, deadline)), None).unwrap();
            assert_eq!((policy.ask, policy.lost), (4, 8));
        }
        // An idle limit of a year with a short heartbeat: the rounds are longer, so that 16 bits suffice.
        let policy = HeartbeatPolicy::new(Some((SECOND, 2 * SECOND)), Some(365 * 86_400 * SECOND)).unwrap();
        assert!(policy.idle <= MAX_ROUNDS + 2 && policy.ask < policy.lost, "{policy:?}");
        let policy = HeartbeatPolicy::new(Some((Duration::from_nanos(1), Duration::from_nanos(2))), None).unwrap();
        assert!(policy.round >= Duration::from_millis(1) && policy.ask < policy.lost, "{policy:?}");
    }
}

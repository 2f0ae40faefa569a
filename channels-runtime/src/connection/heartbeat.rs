//! The heartbeat policy: the number of silent rounds after which a client is pinged, and after which it is dropped.

use std::time::Duration;

/// The number of rounds in the shortest time limit. So an action is late by at most a quarter of its limit.
const ROUNDS: u32 = 4;

/// The highest number of rounds. A connection counts them in 16 bits.
const MAX_ROUNDS: u32 = 30_000;

/// The length of a round, and the number of rounds before each action. A round is silent if the client sends nothing in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HeartbeatPolicy {
    /// The length of a round.
    pub(crate) round: Duration,
    /// Silent rounds before the client is pinged.
    pub(crate) ping_after: u32,
    /// Silent rounds before the client is dropped.
    pub(crate) drop_after: u32,
    /// Rounds without a message before the connection is closed. A pong is not a message.
    pub(crate) close_idle_after: u32,
}

impl HeartbeatPolicy {
    /// Makes a policy from the interval and the deadline of the heartbeat, and from the idle limit. Returns `None` if both the
    /// heartbeat and the idle limit are off.
    pub(crate) fn new(heartbeat: Option<(Duration, Duration)>, idle: Option<Duration>) -> Option<Self> {
        let heartbeat = heartbeat.filter(|(interval, _)| !interval.is_zero());
        // The deadline must be after the ping, to leave time for the pong.
        let heartbeat =
            heartbeat.map(|(interval, deadline)| (interval, if deadline > interval { deadline } else { interval * 2 }));
        let idle = idle.filter(|limit| !limit.is_zero());
        let heartbeat_limit = heartbeat.map(|(interval, deadline)| interval.min(deadline - interval));
        let shortest = heartbeat_limit.into_iter().chain(idle).min()?;
        let longest = heartbeat.map(|(_, deadline)| deadline).into_iter().chain(idle).max()?;
        let round = (shortest / ROUNDS).max(longest / MAX_ROUNDS).max(Duration::from_millis(1));
        let rounds = |time: Duration| u32::try_from(time.as_nanos() / round.as_nanos()).unwrap_or(MAX_ROUNDS).max(1);
        let (ping_after, drop_after) = heartbeat.map_or((u32::MAX, u32::MAX), |(interval, deadline)| {
            let ping_after = rounds(interval);
            (ping_after, rounds(deadline).max(ping_after + 1))
        });
        // The first round may have begun before the last message, so one more round is added. A client that sends within the
        // limit is never closed.
        let close_idle_after = idle.map_or(u32::MAX, |limit| rounds(limit + round - Duration::from_nanos(1)) + 1);
        Some(Self { round, ping_after, drop_after, close_idle_after })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn round_is_short_enough_for_every_limit() {
        let usual = HeartbeatPolicy::new(Some((20 * SECOND, 30 * SECOND)), None).unwrap();
        assert_eq!(
            usual,
            HeartbeatPolicy { round: SECOND * 5 / 2, ping_after: 8, drop_after: 12, close_idle_after: u32::MAX }
        );
        let idle = HeartbeatPolicy::new(None, Some(60 * SECOND)).unwrap();
        assert_eq!(
            (idle.round, idle.ping_after, idle.drop_after, idle.close_idle_after),
            (15 * SECOND, u32::MAX, u32::MAX, 5)
        );
        let both = HeartbeatPolicy::new(Some((20 * SECOND, 30 * SECOND)), Some(600 * SECOND)).unwrap();
        assert_eq!((both.ping_after, both.drop_after, both.close_idle_after), (8, 12, 241));
        assert_eq!(HeartbeatPolicy::new(None, None), None);
        assert_eq!(HeartbeatPolicy::new(Some((Duration::ZERO, SECOND)), None), None);
    }

    #[test]
    fn contradictory_limits_leave_time_for_pong() {
        for deadline in [Duration::ZERO, SECOND, 20 * SECOND] {
            let policy = HeartbeatPolicy::new(Some((20 * SECOND, deadline)), None).unwrap();
            assert_eq!((policy.ping_after, policy.drop_after), (4, 8));
        }
        // With an idle limit of a year and a short heartbeat, the rounds are longer, so that 16 bits suffice.
        let policy = HeartbeatPolicy::new(Some((SECOND, 2 * SECOND)), Some(365 * 86_400 * SECOND)).unwrap();
        assert!(policy.close_idle_after <= MAX_ROUNDS + 2 && policy.ping_after < policy.drop_after, "{policy:?}");
        let policy = HeartbeatPolicy::new(Some((Duration::from_nanos(1), Duration::from_nanos(2))), None).unwrap();
        assert!(policy.round >= Duration::from_millis(1) && policy.ping_after < policy.drop_after, "{policy:?}");
    }
}

//! Random numbers, for example to spread reconnects over time.

#[cfg(any(feature = "backend", feature = "redis"))]
use std::time::Duration;

/// Returns between half and one and a half of the pause, so that those that lost the same server try again at different times.
#[cfg(any(feature = "backend", feature = "redis"))]
pub(crate) fn jittered(pause: Duration) -> Duration {
    let random = uuid::Uuid::new_v4().as_u128() as u32;
    pause.mul_f64(0.5 + f64::from(random) / f64::from(u32::MAX))
}

/// Returns an unpredictable number below `end`.
pub(crate) fn random_below(end: u64) -> u64 {
    use std::hash::BuildHasher;
    // Each `RandomState` has different keys, which come from the system's random numbers.
    std::hash::RandomState::new().hash_one(0) % end.max(1)
}

//! Random numbers, for example to spread reconnects over time.

/// Returns an unpredictable number below `end`.
pub(crate) fn random_below(end: u64) -> u64 {
    use std::hash::BuildHasher;
    // Each `RandomState` has different keys, which come from the system's random numbers.
    std::hash::RandomState::new().hash_one(0) % end.max(1)
}

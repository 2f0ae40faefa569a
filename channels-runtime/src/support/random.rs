//! Random numbers for spreading work over time.

/// A number below `end` that nobody can foresee.
pub(crate) fn random_below(end: u64) -> u64 {
    use std::hash::BuildHasher;
    // Each state is keyed anew by the system's random numbers.
    std::hash::RandomState::new().hash_one(0) % end.max(1)
}

//! Log records that appear once per distinct problem.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::sync::Mutex;

use crate::support::lock;

/// The number of problems that are logged. There is a limit, because a peer may invent names.
const MAX_LOGGED: usize = 1024;

/// Logs each distinct problem once. Bound: 1,024 problems; further ones are only counted.
#[derive(Debug, Default)]
pub(super) struct LogOnce {
    hasher: RandomState,
    /// Hashes, because a peer may also invent long names.
    problems: Mutex<HashSet<u64>>,
}

impl LogOnce {
    /// Returns whether this problem is new and below the limit, so that it is logged.
    pub(super) fn is_new(&self, problem: impl Hash) -> bool {
        let mut problems = lock(&self.problems);
        if problems.len() >= MAX_LOGGED || !problems.insert(self.hasher.hash_one(problem)) {
            return false;
        }
        if problems.len() == MAX_LOGGED {
            tracing::warn!(
                problems = MAX_LOGGED,
                "too many distinct messages were dropped; further ones are only counted"
            );
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::{LogOnce, MAX_LOGGED};

    #[test]
    fn problem_is_new_once_and_below_limit() {
        let once = LogOnce::default();
        assert!(once.is_new("a"));
        assert!(!once.is_new("a"));
        assert!((1..MAX_LOGGED).all(|number| once.is_new(number)));
        assert!(!once.is_new("b"));
    }
}

//! The groups of one channel.

use std::collections::HashSet;
use std::hash::Hash;

use crate::name::GroupName;

/// The largest number of groups in a list. A list is searched, which is faster than a set if it is short.
const MAX_LISTED: usize = 16;

/// The groups of a channel, so that it leaves them without a search of the table.
///
/// Most of the many channels are in one group, and need no allocation. Adding and removing a group takes the same time for any
/// number of groups.
#[expect(clippy::box_collection, reason = "each channel reserves the space of the largest variant")]
#[derive(Debug)]
pub(super) enum JoinedGroups<G = GroupName> {
    One(G),
    /// No group, or a few. An empty list has no allocation.
    Few(Vec<G>),
    /// More than [`MAX_LISTED`] groups, or a number that was larger before.
    Many(Box<HashSet<G>>),
}

impl<G> Default for JoinedGroups<G> {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl<G: Hash + Eq> JoinedGroups<G> {
    /// Adds a group that is not in the collection.
    pub(super) fn push(&mut self, group: G) {
        *self = match std::mem::take(self) {
            Self::Few(list) if list.is_empty() => Self::One(group),
            Self::One(first) => Self::Few(vec![first, group]),
            Self::Few(mut list) if list.len() < MAX_LISTED => {
                list.push(group);
                Self::Few(list)
            }
            Self::Few(list) => Self::Many(Box::new(list.into_iter().chain([group]).collect())),
            Self::Many(mut set) => {
                set.insert(group);
                Self::Many(set)
            }
        };
    }

    /// Removes a group, if the collection contains it.
    pub(super) fn remove(&mut self, group: &G) {
        match self {
            Self::One(only) if only == group => *self = Self::default(),
            Self::One(_) => {}
            Self::Few(list) => {
                if let Some(index) = list.iter().position(|joined| joined == group) {
                    list.swap_remove(index);
                }
            }
            Self::Many(set) => {
                set.remove(group);
                // Half of the limit, so that a channel that joins and leaves one group does not convert each time.
                if set.len() <= MAX_LISTED / 2 {
                    *self = Self::Few(set.drain().collect());
                } else if set.len() * 4 < set.capacity() {
                    // Release memory after a peak, in steps that keep the average cost of a removal constant.
                    set.shrink_to(set.len() * 2);
                }
            }
        }
    }

    /// Removes all groups.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl<G> IntoIterator for JoinedGroups<G> {
    type Item = G;
    type IntoIter = std::iter::Chain<
        std::iter::Chain<std::option::IntoIter<G>, std::vec::IntoIter<G>>,
        std::iter::Flatten<std::option::IntoIter<HashSet<G>>>,
    >;

    fn into_iter(self) -> Self::IntoIter {
        let (one, few, many) = match self {
            Self::One(group) => (Some(group), Vec::new(), None),
            Self::Few(list) => (None, list, None),
            Self::Many(set) => (None, Vec::new(), Some(*set)),
        };
        one.into_iter().chain(few).chain(many.into_iter().flatten())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::BTreeSet;
    use std::hash::Hasher;

    use proptest::prelude::*;

    use super::*;

    thread_local! {
        static COMPARISONS: Cell<usize> = const { Cell::new(0) };
    }

    /// A group whose comparisons are counted.
    #[derive(Debug, Clone, Eq)]
    struct Counted(usize);

    impl Hash for Counted {
        fn hash<H: Hasher>(&self, state: &mut H) {
            self.0.hash(state);
        }
    }

    impl PartialEq for Counted {
        fn eq(&self, other: &Self) -> bool {
            COMPARISONS.set(COMPARISONS.get() + 1);
            self.0 == other.0
        }
    }

    #[test]
    fn work_of_joining_and_leaving_is_linear() {
        for count in [1_000, 10_000] {
            for newest_first in [false, true] {
                COMPARISONS.set(0);
                let mut groups = JoinedGroups::default();
                (0..count).for_each(|number| groups.push(Counted(number)));
                for number in 0..count {
                    groups.remove(&Counted(if newest_first { count - 1 - number } else { number }));
                }
                assert_eq!(groups.into_iter().count(), 0);
                // A search of a list would need a quarter of the square of the number.
                assert!(COMPARISONS.get() < 8 * count, "{} comparisons for {count} groups", COMPARISONS.get());
            }
        }
    }

    #[test]
    fn collection_is_small_and_releases_memory() {
        assert!(size_of::<JoinedGroups>() <= 24, "each channel holds one: {} bytes", size_of::<JoinedGroups>());
        let mut groups = JoinedGroups::default();
        (0..10_000).for_each(|number| groups.push(number));
        (100..10_000).for_each(|number| groups.remove(&number));
        assert!(matches!(&groups, JoinedGroups::Many(set) if set.capacity() < 1_000));
        (4..100).for_each(|number| groups.remove(&number));
        assert!(matches!(&groups, JoinedGroups::Few(list) if list.len() == 4));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn collection_is_a_set(changes in prop::collection::vec((any::<bool>(), 0..40_u8), 0..200)) {
            let (mut groups, mut model) = (JoinedGroups::default(), BTreeSet::new());
            for (joins, group) in changes {
                if !joins {
                    groups.remove(&group);
                    model.remove(&group);
                } else if model.insert(group) {
                    groups.push(group);
                }
            }
            let mut left: Vec<_> = groups.into_iter().collect();
            left.sort_unstable();
            assert_eq!(left, model.into_iter().collect::<Vec<_>>());
        }
    }
}

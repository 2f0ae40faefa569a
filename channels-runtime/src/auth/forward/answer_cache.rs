//! A cache whose entries have a common lifetime.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

/// The key of an answer: a keyed hash of the credentials that were sent to the backend.
pub(super) type Key = [u8; 32];

/// Answers by key. Bound: `capacity`. Policy: a further answer replaces the oldest.
#[derive(Debug)]
pub(super) struct AnswerCache<T> {
    entries: HashMap<Key, Entry<T>>,
    /// The keys in the order in which their entries end. A key whose entry was replaced is listed twice.
    order: VecDeque<(Instant, Key)>,
}

#[derive(Debug)]
struct Entry<T> {
    until: Instant,
    value: T,
}

impl<T> Default for AnswerCache<T> {
    fn default() -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new() }
    }
}

impl<T> AnswerCache<T> {
    pub(super) fn get(&self, key: &Key) -> Option<&T> {
        self.entries.get(key).filter(|entry| entry.until > Instant::now()).map(|entry| &entry.value)
    }

    /// Adds an answer for this time, which is the same in all calls.
    pub(super) fn insert(&mut self, key: Key, value: T, ttl: Duration, capacity: usize) {
        let now = Instant::now();
        let until = now + ttl;
        if ttl.is_zero() || capacity == 0 {
            return;
        }
        self.entries.insert(key, Entry { until, value });
        self.order.push_back((until, key));
        while let Some((end, oldest)) = self.order.front().copied() {
            let is_current = self.entries.get(&oldest).is_some_and(|entry| entry.until == end);
            // A replaced answer may be listed any number of times, so the list has a bound of its own.
            if is_current && end > now && self.entries.len() <= capacity && self.order.len() <= 2 * capacity {
                break;
            }
            self.order.pop_front();
            if is_current {
                self.entries.remove(&oldest);
            }
        }
    }

    pub(super) fn remove(&mut self, key: &Key) {
        self.entries.remove(key);
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(10);

    fn key(number: usize) -> Key {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&number.to_le_bytes());
        key
    }

    #[tokio::test(start_paused = true)]
    async fn answer_is_kept_for_its_time() {
        let mut cache = AnswerCache::default();
        cache.insert(key(1), "ann", TTL, 10);
        tokio::time::advance(TTL / 2).await;
        cache.insert(key(2), "bob", TTL, 10);
        assert_eq!((cache.get(&key(1)), cache.get(&key(2)), cache.get(&key(3))), (Some(&"ann"), Some(&"bob"), None));
        tokio::time::advance(TTL / 2).await;
        assert_eq!((cache.get(&key(1)), cache.get(&key(2))), (None, Some(&"bob")));
        cache.insert(key(3), "cid", TTL, 10);
        assert_eq!(cache.len(), 2, "an ended answer leaves the memory");
        cache.remove(&key(2));
        assert_eq!(cache.get(&key(2)), None);
    }

    #[tokio::test(start_paused = true)]
    async fn full_cache_replaces_oldest_answer() {
        let mut cache = AnswerCache::default();
        for number in 0..100 {
            cache.insert(key(number), number, TTL, 10);
        }
        assert_eq!((cache.len(), cache.get(&key(89)), cache.get(&key(90))), (10, None, Some(&90)));
    }

    #[tokio::test(start_paused = true)]
    async fn replaced_answer_ends_with_its_own_time() {
        let mut cache = AnswerCache::default();
        for number in 0..1000 {
            cache.insert(key(1), number, TTL, 10);
        }
        assert!(cache.order.len() <= 20 && cache.get(&key(1)) == Some(&999));
        tokio::time::advance(TTL / 2).await;
        cache.insert(key(1), 1000, TTL, 10);
        tokio::time::advance(TTL / 2).await;
        cache.insert(key(2), 0, TTL, 10);
        assert_eq!(cache.get(&key(1)), Some(&1000));
    }
}

//! A map in shards, each with its own lock.
//!
//! Two threads seldom wait for one lock, and the map grows in small steps. A single table of a hundred thousand connections
//! would block all threads while its size doubles, and would fragment the memory.

use std::borrow::Borrow;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::sync::{Mutex, MutexGuard};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::support::lock;

const SHARDS: usize = 64;

type Table<K, V> = HashTable<(K, V)>;

/// A map with one lock per shard.
pub(super) struct ShardedMap<K, V> {
    shards: Box<[Mutex<Table<K, V>>]>,
    hasher: RandomState,
}

/// The locked shard of a key.
pub(super) struct Shard<'a, K, V> {
    table: MutexGuard<'a, Table<K, V>>,
    hash: u64,
    hasher: &'a RandomState,
}

fn lock_shard<K, V>(shard: &Mutex<Table<K, V>>) -> MutexGuard<'_, Table<K, V>> {
    #[cfg(test)]
    crate::support::point_before(shard);
    lock(shard)
}

impl<K: Hash + Eq, V> ShardedMap<K, V> {
    pub(super) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect(), hasher: RandomState::new() }
    }

    pub(super) fn hash<Q: Hash + ?Sized>(&self, key: &Q) -> u64
    where
        K: Borrow<Q>,
    {
        self.hasher.hash_one(key)
    }

    /// Locks the shard of the key with this hash. Only this key may be looked up in the shard.
    pub(super) fn at(&self, hash: u64) -> Shard<'_, K, V> {
        // The shard's table uses the lowest and the highest bits.
        let number = usize::try_from((hash >> 32) % SHARDS as u64).expect("the number is less than `SHARDS`");
        Shard { table: lock_shard(&self.shards[number]), hash, hasher: &self.hasher }
    }

    /// Locks the shard of a key.
    pub(super) fn of<Q: Hash + ?Sized>(&self, key: &Q) -> Shard<'_, K, V>
    where
        K: Borrow<Q>,
    {
        self.at(self.hash(key))
    }

    /// Calls `look` with each entry, under the lock of its shard.
    pub(super) fn each(&self, mut look: impl FnMut(&K, &V)) {
        for shard in &self.shards {
            for (key, value) in &*lock_shard(shard) {
                look(key, value);
            }
        }
    }

    /// Locks all shards. The caller must not hold a lock of a shard.
    pub(super) fn lock_all(&self) -> Vec<MutexGuard<'_, Table<K, V>>> {
        self.shards.iter().map(lock_shard).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock_shard(shard).len()).sum()
    }
}

impl<K: Hash + Eq, V> Shard<'_, K, V> {
    /// Returns the entry of a key: the map's copy of the key, and its value.
    pub(super) fn get<Q: Eq + ?Sized>(&self, key: &Q) -> Option<&(K, V)>
    where
        K: Borrow<Q>,
    {
        self.table.find(self.hash, |(known, _)| known.borrow() == key)
    }

    pub(super) fn get_mut<Q: Eq + ?Sized>(&mut self, key: &Q) -> Option<(&K, &mut V)>
    where
        K: Borrow<Q>,
    {
        self.table.find_mut(self.hash, |(known, _)| known.borrow() == key).map(|(known, value)| (&*known, value))
    }

    /// Returns the entry of a key, with the default value if the key is new.
    pub(super) fn get_or_default(&mut self, key: &K) -> (&K, &mut V)
    where
        K: Clone,
        V: Default,
    {
        let hasher = self.hasher;
        let entry = self.table.entry(self.hash, |(known, _)| known == key, |(known, _)| hasher.hash_one(known));
        let (known, value) = entry.or_insert_with(|| (key.clone(), V::default())).into_mut();
        (known, value)
    }

    /// Inserts an entry. Returns `false` if the key exists; then nothing changes.
    pub(super) fn insert_new(&mut self, key: K, value: V) -> bool {
        let hasher = self.hasher;
        match self.table.entry(self.hash, |(known, _)| *known == key, |(known, _)| hasher.hash_one(known)) {
            Entry::Occupied(_) => false,
            Entry::Vacant(vacant) => {
                vacant.insert((key, value));
                true
            }
        }
    }

    pub(super) fn remove<Q: Eq + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let found = self.table.find_entry(self.hash, |(known, _)| known.borrow() == key).ok()?;
        let ((_, value), _) = found.remove();
        if self.table.len() * 4 < self.table.capacity() {
            // Release memory after a peak, in steps that keep the average cost of a removal constant.
            let (keep, hasher) = (self.table.len() * 2, self.hasher);
            self.table.shrink_to(keep, |(known, _)| hasher.hash_one(known));
        }
        Some(value)
    }
}

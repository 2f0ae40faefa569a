//! Functions that lock without regard to poisoning.

use std::sync::{Mutex, MutexGuard, PoisonError};
#[cfg(feature = "metrics")]
use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Locks a mutex, even if a thread panicked while it held the lock.
///
/// No user code runs under a lock of this crate, and each critical section keeps the data valid at every step that can panic.
/// So the data of a poisoned lock is valid.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Locks for reading; see [`lock`].
#[cfg(feature = "metrics")]
pub(crate) fn read<T: ?Sized>(shared: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    shared.read().unwrap_or_else(PoisonError::into_inner)
}

/// Locks for writing; see [`lock`].
#[cfg(feature = "metrics")]
pub(crate) fn write<T: ?Sized>(shared: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    shared.write().unwrap_or_else(PoisonError::into_inner)
}

//! Tasks that meet at a lock, in thousands of orders: the code of connections, of the flusher and of subscriptions under
//! shuttle's scheduler.
//!
//! Only one task runs at a time, and where another one may go on, shuttle decides: before each lock, and at each `await`.
//! What happens under a lock nobody else sees, so the orders of these points are all that threads could make of it.
//! A task that sleeps beside something to do ends in a deadlock, which shuttle reports with the order that led there.

use std::cell::Cell;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Mutex, TryLockError};

use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner};

/// How many orders of each kind a test tries.
const ORDERS: usize = 300;

/// How often a chosen order may let one task overtake where it would not have to.
const CHANGES: usize = 3;

/// What an assertion's message needs more than shuttle's default.
const STACK: usize = 512 * 1024;

thread_local! {
    static EXPLORING: Cell<bool> = const { Cell::new(false) };
}

/// Another task may go on here, if this is one of a scenario.
pub(crate) fn point() {
    if EXPLORING.get() {
        // Any operation of a type of shuttle's is one.
        shuttle::sync::atomic::AtomicBool::new(false).load(SeqCst);
    }
}

/// The same before a lock. Whoever holds it goes on first: of real threads, this one would sleep.
pub(crate) fn point_before<T>(lock: &Mutex<T>) {
    point();
    while EXPLORING.get() && matches!(lock.try_lock(), Err(TryLockError::WouldBlock)) {
        shuttle::thread::yield_now();
    }
}

/// Runs a scenario in many orders: in any, and in those where tasks run for long before others overtake them.
pub(crate) fn explore(scenario: impl Fn() + Clone + Send + Sync + 'static) {
    struct Explored;

    impl Drop for Explored {
        fn drop(&mut self) {
            EXPLORING.set(false);
        }
    }

    EXPLORING.set(true);
    let _explored = Explored;
    let config = || {
        let mut config = Config::new();
        config.stack_size = STACK;
        config
    };
    Runner::new(RandomScheduler::new(ORDERS), config()).run(scenario.clone());
    Runner::new(PctScheduler::new(CHANGES, ORDERS), config()).run(scenario);
}

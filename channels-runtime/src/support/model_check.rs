//! Model checking: runs connections, the write queue and subscriptions under shuttle's scheduler, in hundreds of orders.
//!
//! One task runs at a time. Before each lock and at each `await`, shuttle decides which task continues. Changes under a lock are
//! invisible to other tasks, so the orders of these points cover all orders of real threads. If a task sleeps although it has
//! work, the scenario ends in a deadlock, which shuttle reports with its order.

use std::cell::Cell;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Mutex, TryLockError};

use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner};

/// The number of orders of each kind that a test runs.
const ORDERS: usize = 300;

/// The number of task switches in an order that no task waits for.
const CHANGES: usize = 3;

/// The stack of a task. The message of a failed assertion does not fit into shuttle's default.
const STACK: usize = 512 * 1024;

thread_local! {
    static EXPLORING: Cell<bool> = const { Cell::new(false) };
}

/// Lets another task of the scenario continue. Has no effect outside of a scenario.
pub(crate) fn point() {
    if EXPLORING.get() {
        // Any operation of a shuttle type lets shuttle switch tasks.
        shuttle::sync::atomic::AtomicBool::new(false).load(SeqCst);
    }
}

/// Does the same before a lock, and waits until no other task holds the lock.
pub(crate) fn point_before<T>(lock: &Mutex<T>) {
    point();
    while EXPLORING.get() && matches!(lock.try_lock(), Err(TryLockError::WouldBlock)) {
        shuttle::thread::yield_now();
    }
}

/// Runs a scenario in many orders: in random ones, and in ones with few task switches.
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

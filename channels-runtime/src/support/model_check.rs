//! Model checking with shuttle: runs the tasks of a test in hundreds of orders.
//!
//! The tests check connections, the write queue and subscriptions. One task runs at a time. Before each lock and at each
//! `await`, shuttle decides which task continues. Other tasks cannot see changes under a lock, so the orders of these points
//! cover all orders of real threads. If a task sleeps although it has work, the scenario ends in a deadlock. Shuttle reports
//! the deadlock and its order.

use std::cell::Cell;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Mutex, TryLockError};

use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner};

/// The number of orders that each of the two schedulers runs.
const ORDERS: usize = 300;

/// The number of task switches that the PCT scheduler forces in each order.
const SWITCHES: usize = 3;

/// The stack of a task. The message of a failed assertion does not fit into shuttle's default.
const STACK: usize = 512 * 1024;

thread_local! {
    static EXPLORING: Cell<bool> = const { Cell::new(false) };
}

/// Lets shuttle switch to another task of the scenario. Has no effect outside of a scenario.
pub(crate) fn point() {
    if EXPLORING.get() {
        // Any operation of a shuttle type lets shuttle switch tasks.
        shuttle::sync::atomic::AtomicBool::new(false).load(SeqCst);
    }
}

/// Lets shuttle switch tasks before a lock, as [`point`] does, and waits until no other task holds the lock.
pub(crate) fn point_before<T>(lock: &Mutex<T>) {
    point();
    while EXPLORING.get() && matches!(lock.try_lock(), Err(TryLockError::WouldBlock)) {
        shuttle::thread::yield_now();
    }
}

/// Runs a scenario in random orders, and in orders with few task switches.
pub(crate) fn explore(scenario: impl Fn() + Clone + Send + Sync + 'static) {
    struct StopExploring;

    impl Drop for StopExploring {
        fn drop(&mut self) {
            EXPLORING.set(false);
        }
    }

    EXPLORING.set(true);
    let _stop = StopExploring;
    let config = || {
        let mut config = Config::new();
        config.stack_size = STACK;
        config
    };
    Runner::new(RandomScheduler::new(ORDERS), config()).run(scenario.clone());
    Runner::new(PctScheduler::new(SWITCHES, ORDERS), config()).run(scenario);
}

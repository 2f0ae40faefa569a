//! The handle to a timer or a spawned task.

use std::fmt;

use tokio::task::AbortHandle;

use crate::consumer::timer_driver::TimerHandle;

/// A handle to a timer or a spawned task, returned by [`Context::after`](crate::Context::after),
/// [`Context::every`](crate::Context::every) and [`Context::spawn`](crate::Context::spawn).
///
/// Dropping the handle has no effect: the timer or task runs until it is done or its consumer ends.
#[derive(Clone)]
pub struct Background(Kind);

#[derive(Clone)]
enum Kind {
    Timer(TimerHandle),
    Task(AbortHandle),
}

impl Background {
    pub(super) fn of_timer(timer: TimerHandle) -> Self {
        Self(Kind::Timer(timer))
    }

    pub(super) fn of_task(task: AbortHandle) -> Self {
        Self(Kind::Task(task))
    }

    /// Cancels the timer or task. A timer sends no more events; an event that is already in the mailbox is still handled. A
    /// task is dropped at its next `.await`. Has no effect if the timer or task has ended.
    pub fn cancel(&self) {
        match &self.0 {
            Kind::Timer(timer) => timer.cancel(),
            Kind::Task(task) => task.abort(),
        }
    }

    /// Returns whether the timer or task has ended.
    pub fn is_finished(&self) -> bool {
        match &self.0 {
            Kind::Timer(timer) => timer.is_finished(),
            Kind::Task(task) => task.is_finished(),
        }
    }
}

impl fmt::Debug for Background {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Background").field("is_finished", &self.is_finished()).finish()
    }
}

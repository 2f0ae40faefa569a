//! Utilities without domain knowledge: locks, wakers, buffers, counters, metrics, rate limits, panics, signals.

mod buffer;
mod counters;
mod log_limit;
mod longest;
mod memory_budget;
pub(crate) mod metrics;
#[cfg(test)]
mod model_check;
mod panic;
mod random;
mod shutdown_signal;
mod spare_pool;
mod sync;
mod token_bucket;
mod unawaited;
mod wakers;
mod yield_now;

pub(crate) use buffer::with_buffer;
pub(crate) use counters::{count, counted};
pub(crate) use log_limit::LogLimit;
pub(crate) use longest::LONGEST;
pub(crate) use memory_budget::{Lease, MemoryBudget, Revoke};
#[cfg(test)]
pub(crate) use model_check::{explore, point, point_before};
pub(crate) use panic::{CatchPanic, catch_panic, panic_message};
#[cfg(any(feature = "backend", feature = "redis"))]
pub(crate) use random::jittered;
pub(crate) use random::random_below;
pub(crate) use shutdown_signal::signal;
pub(crate) use spare_pool::SparePool;
pub(crate) use sync::lock;
pub(crate) use token_bucket::TokenBucket;
pub use unawaited::Unawaited;
pub(crate) use wakers::{store, wake};
pub(crate) use yield_now::yield_now;

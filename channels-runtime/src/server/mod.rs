//! The server: all open connections, their heartbeat, login expiry, and the drain.
//!
//! `server` holds the state that connections share, `registration` and `spawn` start a connection, `registry` and `login_expiry`
//! watch the open ones, `announced_contracts` counts their contracts, and `drain` closes them.

mod announced_contracts;
mod drain;
mod job_stats;
mod login_expiry;
mod publish_stats;
mod registration;
mod registry;
mod server;
mod spawn;

pub(crate) use announced_contracts::is_fingerprint;
pub(crate) use drain::{CutOff, reconnect_delay};
pub(crate) use job_stats::JobCounters;
pub use job_stats::JobStats;
pub(crate) use publish_stats::PublishCounters;
pub use publish_stats::PublishStats;
pub(crate) use registration::AdmissionPermit;
pub(crate) use server::{Authenticator, Server, Settings};

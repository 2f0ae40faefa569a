//! The server: all open connections, their heartbeat, the end of their logins, and the drain.

mod drain;
mod job_stats;
mod login_expiry;
mod registration;
mod registry;
mod server;
mod spawn;

pub(crate) use drain::reconnect_delay;
pub(crate) use job_stats::JobCounters;
pub use job_stats::JobStats;
pub(crate) use registration::AdmissionPermit;
pub(crate) use server::{Authenticator, Server, Settings};

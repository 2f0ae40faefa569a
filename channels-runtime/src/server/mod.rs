//! The server: all open connections, their heartbeat, login expiry, and the drain.
//!
//! `server` holds the state that connections share, `login_terms` checks a login, `registration` and `spawn` start a
//! connection, `registry`, `login_expiry` and `reauth` watch the open ones, `announced_contracts` counts their contracts,
//! `webhooks` notifies the backend of them, `user_registry` and `kicks` close those of a user, and `drain` closes all.

mod announced_contracts;
mod authenticator;
mod drain;
mod job_stats;
mod kicks;
mod login_expiry;
mod login_terms;
mod publish_stats;
mod reauth;
mod registration;
mod registry;
mod server;
mod spawn;
mod user_registry;
#[cfg(feature = "backend")]
mod webhooks;

pub(crate) use announced_contracts::is_fingerprint;
pub(crate) use authenticator::Authenticator;
pub(crate) use drain::{CutOff, reconnect_delay};
pub(crate) use job_stats::JobCounters;
pub use job_stats::JobStats;
pub(crate) use login_terms::LoginTerms;
#[cfg(feature = "publish")]
pub(crate) use publish_stats::PublishCounters;
pub use publish_stats::PublishStats;
pub(crate) use registration::AdmissionPermit;
pub(crate) use server::{Server, Settings};

//! Logins that a backend knows: [`ForwardAuth`] forwards a client's credentials to a URL.

mod answer_cache;
mod breaker;
mod credentials;
mod forward_auth;
mod question;
mod stats;

pub use forward_auth::ForwardAuth;
pub(crate) use stats::ForwardAuthCounters;
pub use stats::ForwardAuthStats;

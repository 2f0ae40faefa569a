//! Publishing over HTTP: a route on which a backend sends events to groups and channels.
//!
//! `publish` holds the settings and `route` answers requests. A request passes `credentials` and `replay`, `request` reads its
//! body, `targets` checks its messages against the application's types, `idempotency` finds out whether they were sent before,
//! and `delivery` sends them. `refusal` is the response to a request that fails one of these steps.

mod credentials;
mod delivery;
mod idempotency;
mod publish;
mod publisher;
mod refusal;
mod replay;
mod request;
mod route;
mod targets;

pub use publish::{Publish, PublishBuilder};

//! Requests to a backend that speaks HTTP, such as a plain Django.
//!
//! [`Backend`] takes commands of consumers, and is notified of connections. [`ForwardAuth`](crate::auth::ForwardAuth) asks a backend who
//! a client is.

#[allow(clippy::module_inception, reason = "the file is named for the type that it defines")]
mod backend;
mod client;
mod error;
mod signature;
mod stats;
mod url;

pub use backend::{Backend, BackendResponse};
pub(crate) use client::{Answer, HttpClient, NoAnswer};
pub use error::BackendError;
pub use stats::BackendStats;
pub(crate) use url::BackendUrl;
pub use url::UrlError;

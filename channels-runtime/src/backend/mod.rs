//! Requests to a backend that speaks HTTP, such as a plain Django.

mod client;
mod url;

pub(crate) use client::{Answer, HttpClient, NoAnswer};
pub(crate) use url::BackendUrl;
pub use url::UrlError;

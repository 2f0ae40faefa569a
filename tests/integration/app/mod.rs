//! The application: metrics, inspection, health and the log.

mod anyhow;
mod client_text;
mod extreme_settings;
mod health;
mod inspection;
mod log_records;
mod metrics;
mod secrets;
pub(crate) mod source;

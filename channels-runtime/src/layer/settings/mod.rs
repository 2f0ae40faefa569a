//! Layers from settings: the `CHANNEL_LAYERS` of a Django project, as JSON.

mod backend_kind;
mod config_error;
mod layer_config;
mod open;
#[cfg(feature = "redis")]
mod redis_config;
#[cfg(feature = "redis")]
mod redis_host;
mod section;

pub use config_error::ConfigError;
#[cfg(all(feature = "redis", any(test, fuzzing)))]
pub(crate) use open::read;

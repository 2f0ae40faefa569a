//! The `CONFIG` of a Redis layer.

use serde_json::Value;

use crate::layer::config::LayerConfig;
use crate::layer::redis::{RedisHost, check_prefix};
use crate::layer::settings::backend_kind::BackendKind;
use crate::layer::settings::config_error::ConfigError;
use crate::layer::settings::layer_config::read_config;
use crate::layer::settings::redis_host::read_host;
use crate::layer::settings::section::Section;

const CORE_KEYS: [&str; 9] = [
    "hosts",
    "prefix",
    "expiry",
    "group_expiry",
    "capacity",
    "channel_capacity",
    "symmetric_encryption_keys",
    "random_prefix_length",
    "serializer_format",
];

/// channels_redis 4.0 and later never call the functions `on_disconnect` and `on_reconnect`. Here only null is legal for them.
const PUBSUB_KEYS: [&str; 10] = [
    "hosts",
    "prefix",
    "symmetric_encryption_keys",
    "serializer_format",
    "on_disconnect",
    "on_reconnect",
    "expiry",
    "group_expiry",
    "capacity",
    "channel_capacity",
];

/// Reads the hosts and the configuration of a Redis layer.
pub(super) fn read_redis_config(
    alias: &str,
    kind: BackendKind,
    path: String,
    config: Value,
) -> Result<(Vec<RedisHost>, LayerConfig), ConfigError> {
    let legal: &'static [&'static str] = if kind == BackendKind::Core { &CORE_KEYS } else { &PUBSUB_KEYS };
    let mut section = Section::new(alias, path, config, legal)?;
    let config = read_config(&mut section)?;
    if kind == BackendKind::PubSub {
        check_prefix(&config.prefix).map_err(|error| section.wrong("prefix", error.to_string()))?;
    }
    for callback in ["on_disconnect", "on_reconnect"] {
        section.take(callback, "null, the only legal value here", |_| None::<()>)?;
    }
    let wanted = "a list of Redis hosts, even if there is only one";
    let hosts = section.take("hosts", wanted, |value| value.as_array().cloned())?;
    let hosts = hosts.filter(|hosts| !hosts.is_empty()).unwrap_or_else(|| vec!["redis://localhost:6379".into()]);
    let path = section.path_of("hosts");
    let read = |(index, value)| read_host(alias, format!("{path}[{index}]"), value);
    let hosts = hosts.into_iter().enumerate().map(read).collect::<Result<_, _>>()?;
    Ok((hosts, config))
}

//! The `CONFIG` keys of all layers: capacities, expiries and the format of messages.

use std::time::Duration;

use serde_json::Value;

use crate::codec::Format;
use crate::layer::config::LayerConfig;
use crate::layer::setting_number::{integer, number};
use crate::layer::settings::config_error::ConfigError;
use crate::layer::settings::section::Section;

/// Reads the configuration from a section, whose legal keys decide which of these settings it can contain.
pub(super) fn read_config(section: &mut Section<'_>) -> Result<LayerConfig, ConfigError> {
    let mut config = LayerConfig::default();
    let seconds = |value: &Value| Duration::try_from_secs_f64(number(value)?).ok();
    let count = |value: &Value| usize::try_from(integer(value)?).ok().filter(|n| *n > 0);
    if let Some(capacity) = section.take("capacity", "a number of messages above 0", count)? {
        config.capacity = capacity;
    }
    let capacities = |value: &Value| -> Option<Vec<(String, usize)>> {
        value.as_object()?.iter().map(|(pattern, value)| Some((pattern.clone(), count(value)?))).collect()
    };
    let wanted = "an object of patterns and numbers of messages, such as {\"thumbnails*\": 500}";
    for (pattern, capacity) in section.take("channel_capacity", wanted, capacities)?.unwrap_or_default() {
        config = config.channel_capacity(&pattern, capacity);
    }
    if let Some(expiry) = section.take("expiry", "a number of seconds", seconds)? {
        config = config.expiry(expiry);
    }
    if let Some(expiry) = section.take("group_expiry", "a number of seconds", seconds)? {
        config = config.group_expiry(expiry);
    }
    if let Some(prefix) = section.string("prefix")? {
        config.prefix = prefix;
    }
    let format = |value: &Value| match value.as_str()? {
        "msgpack" => Some(Format::Msgpack),
        "json" => Some(Format::Json),
        _ => None,
    };
    if let Some(format) = section.take("serializer_format", "\"msgpack\" or \"json\"", format)? {
        config.serializer_format = format;
    }
    // As in channels_redis, a negative length is 0.
    let length = |value: &Value| usize::try_from(integer(value)?.max(0)).ok().filter(|length| *length <= 1024);
    if let Some(length) = section.take("random_prefix_length", "a number of bytes, 1024 at most", length)? {
        config.random_prefix_length = length;
    }
    let keys = |value: &Value| -> Option<Vec<String>> {
        value.as_array()?.iter().map(|key| key.as_str().map(String::from)).collect()
    };
    if let Some(keys) = section.take("symmetric_encryption_keys", "a list of strings", keys)? {
        config = config.symmetric_encryption_keys(keys);
    }
    // The other values are checked above, with their kinds.
    if let Some(problem) = config.problems().first() {
        let key = problem.name().trim_start_matches("LayerConfig::");
        return Err(section.wrong(key, problem.problem()));
    }
    Ok(config)
}

//! How a layer is set up: from code, or from the environment as Django's settings write it.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::envelope::Format;
use crate::layer::ChannelLayer;
use crate::layer::pattern::ChannelCapacity;

/// The environment variable with the layers: a JSON object as Django's `CHANNEL_LAYERS`.
const VARIABLE: &str = "CHANNEL_LAYERS";

/// The limits of a layer, and how it writes its messages. The defaults are those of Django Channels.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// How many messages a mailbox holds: 100.
    pub capacity: usize,
    /// How long a message may wait in a mailbox: 60 s.
    pub expiry: Duration,
    /// How long a membership in Redis lasts that its owner does not renew: 86,400 s. Within a process, a channel is in its
    /// groups for as long as it lives.
    pub group_expiry: Duration,
    /// What stands before every name in Redis: `"asgi"`.
    pub prefix: String,
    /// How messages are written in Redis: msgpack.
    pub serializer_format: Format,
    /// How many random bytes stand before a message in the core layer: 12. All processes must use the same number.
    pub random_prefix_length: usize,
    pub(crate) channel_capacity: ChannelCapacity,
    pub(crate) symmetric_encryption_keys: Secrets,
}

/// Strings that no log shows.
#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) struct Secrets(Vec<String>);

impl Secrets {
    #[cfg(feature = "redis")]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} secrets", self.0.len())
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            capacity: 100,
            expiry: Duration::from_secs(60),
            group_expiry: Duration::from_secs(86_400),
            prefix: "asgi".into(),
            serializer_format: Format::Msgpack,
            random_prefix_length: 12,
            channel_capacity: ChannelCapacity::default(),
            symmetric_encryption_keys: Secrets::default(),
        }
    }
}

impl Config {
    /// A mailbox holds this many messages.
    #[must_use]
    pub fn with_capacity(mut self, capacity: usize) -> Self {
        self.capacity = capacity;
        self
    }

    /// Channels whose names fit this pattern have another capacity. Of several patterns, the first that fits counts.
    ///
    /// A pattern is what Python's `fnmatch` takes: `*`, `?`, `[a-z]`, `[!a-z]`.
    #[must_use]
    pub fn with_channel_capacity(mut self, pattern: &str, capacity: usize) -> Self {
        self.channel_capacity.push(pattern, capacity);
        self
    }

    /// A message waits this long at most.
    #[must_use]
    pub fn with_expiry(mut self, expiry: Duration) -> Self {
        self.expiry = expiry;
        self
    }

    /// A membership in Redis that is not renewed lasts this long. The core layer renews those of living channels.
    #[must_use]
    pub fn with_group_expiry(mut self, group_expiry: Duration) -> Self {
        self.group_expiry = group_expiry;
        self
    }

    /// Messages are written like this. All processes must use the same format.
    #[must_use]
    pub fn with_serializer_format(mut self, format: Format) -> Self {
        self.serializer_format = format;
        self
    }

    /// Messages in Redis are encrypted with the first of these keys, and read with any of them. So a key is changed by
    /// putting the new one in front everywhere, and taking the old one out when every process has both.
    #[must_use]
    pub fn with_symmetric_encryption_keys<K: Into<String>>(mut self, keys: impl IntoIterator<Item = K>) -> Self {
        self.symmetric_encryption_keys = Secrets(keys.into_iter().map(Into::into).collect());
        self
    }

    /// This many random bytes stand before a message in the core layer. All processes must use the same number; with 0,
    /// of two equal messages in one queue the first is lost, because a sorted set has no entry twice.
    #[must_use]
    pub fn with_random_prefix_length(mut self, length: usize) -> Self {
        self.random_prefix_length = length;
        self
    }

    /// How many messages wait for this channel at most.
    pub(crate) fn capacity_of(&self, channel: &str) -> usize {
        self.channel_capacity.of(channel).unwrap_or(self.capacity)
    }

    /// Every name in Redis begins with this. Python peers must use the same.
    #[must_use]
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }
}

/// What is wrong with the configuration of a layer, and where.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// `CHANNEL_LAYERS` is not JSON.
    #[error(
        "{VARIABLE} is not a JSON object such as {{\"default\": {{\"BACKEND\": \"channels.layers.InMemoryChannelLayer\"}}}}"
    )]
    NotJson(#[source] serde_json::Error),
    /// A key is missing, unknown, or holds something that is not legal there.
    #[error("{VARIABLE}[\"{alias}\"]{path}: {problem}")]
    Setting {
        /// The layer's name.
        alias: String,
        /// Where in it: `["CONFIG"]["capacity"]`.
        path: String,
        /// What is wrong, and what is legal.
        problem: String,
    },
    /// Redis could not be reached, or its address is not one.
    #[error("the layer \"{alias}\" cannot be opened")]
    Open {
        /// The layer's name.
        alias: String,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

const MEMORY: &str = "channels.layers.InMemoryChannelLayer";
const PUBSUB: &str = "channels_redis.pubsub.RedisPubSubChannelLayer";
const BACKENDS: [&str; 2] = [MEMORY, PUBSUB];

/// One layer's part of the settings, with its place for the error messages.
struct Settings<'a> {
    alias: &'a str,
    config: Map<String, Value>,
}

impl Settings<'_> {
    fn wrong(&self, key: &str, problem: impl Into<String>) -> ConfigError {
        let path = format!("[\"CONFIG\"][\"{key}\"]");
        ConfigError::Setting { alias: self.alias.into(), path, problem: problem.into() }
    }

    fn take<T>(
        &mut self,
        key: &str,
        wanted: &str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        match self.config.remove(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match read(&value) {
                Some(read) => Ok(Some(read)),
                None => Err(self.wrong(key, format!("{value} is not {wanted}"))),
            },
        }
    }

    fn limits(&mut self) -> Result<Config, ConfigError> {
        let mut config = Config::default();
        let seconds = |value: &Value| value.as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let count = |value: &Value| value.as_u64().and_then(|count| usize::try_from(count).ok()).filter(|n| *n > 0);
        if let Some(capacity) = self.take("capacity", "a number of messages above 0", count)? {
            config.capacity = capacity;
        }
        if let Some(expiry) = self.take("expiry", "a number of seconds", seconds)? {
            config.expiry = expiry;
        }
        if let Some(expiry) = self.take("group_expiry", "a number of seconds", seconds)? {
            config.group_expiry = expiry;
        }
        if let Some(prefix) = self.take("prefix", "a string", |value| value.as_str().map(String::from))? {
            config.prefix = prefix;
        }
        Ok(config)
    }

    fn no_more(&self, legal: &str) -> Result<(), ConfigError> {
        match self.config.keys().next() {
            None => Ok(()),
            Some(key) => Err(self.wrong(key, format!("unknown key; legal are {legal}"))),
        }
    }
}

impl ChannelLayer {
    /// The layer `"default"` of the environment variable `CHANNEL_LAYERS`, which holds JSON in the shape of Django's
    /// setting of that name; the one in memory if the variable is not set. Every layer in it is
    /// [installed](Self::install) under its alias.
    ///
    /// ```json
    /// {"default": {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
    ///              "CONFIG": {"hosts": ["redis://127.0.0.1:6379/0"], "prefix": "asgi"}}}
    /// ```
    ///
    /// # Errors
    /// When the variable is not such an object, has unknown keys or values, has no layer `"default"`, or a Redis cannot be
    /// reached.
    pub async fn from_env() -> Result<Self, ConfigError> {
        match std::env::var(VARIABLE) {
            Ok(json) => Self::from_json(&json).await,
            Err(_) => Ok(Self::in_memory()),
        }
    }

    /// As [`Self::from_env`], from a string.
    ///
    /// # Errors
    /// The same.
    pub async fn from_json(json: &str) -> Result<Self, ConfigError> {
        let aliases: Map<String, Value> = serde_json::from_str(json).map_err(ConfigError::NotJson)?;
        let mut default = None;
        for (alias, settings) in aliases {
            let layer = open(&alias, settings).await?;
            layer.install(&alias);
            if alias == "default" {
                default = Some(layer);
            }
        }
        default.ok_or_else(|| ConfigError::Setting {
            alias: "default".into(),
            path: String::new(),
            problem: "there is no layer of that name".into(),
        })
    }
}

async fn open(alias: &str, settings: Value) -> Result<ChannelLayer, ConfigError> {
    let wrong = |path: &str, problem: String| ConfigError::Setting { alias: alias.into(), path: path.into(), problem };
    let Value::Object(mut settings) = settings else {
        return Err(wrong("", "must be an object with `BACKEND` and `CONFIG`".into()));
    };
    let legal = || BACKENDS.map(|backend| format!("\"{backend}\"")).join(", ");
    let Some(Value::String(backend)) = settings.remove("BACKEND") else {
        return Err(wrong("[\"BACKEND\"]", format!("must be one of {}", legal())));
    };
    let config = match settings.remove("CONFIG") {
        None => Map::new(),
        Some(Value::Object(config)) => config,
        Some(other) => return Err(wrong("[\"CONFIG\"]", format!("{other} is not an object"))),
    };
    // What Django's test runner uses; nothing here reads it.
    settings.remove("TEST_CONFIG");
    if let Some(key) = settings.keys().next() {
        return Err(wrong(&format!("[\"{key}\"]"), "unknown key; legal are BACKEND, CONFIG, TEST_CONFIG".into()));
    }
    let mut settings = Settings { alias, config };
    match backend.as_str() {
        MEMORY => {
            let config = settings.limits()?;
            settings.no_more("capacity, expiry, group_expiry")?;
            Ok(ChannelLayer::in_memory_with(config))
        }
        #[cfg(feature = "redis")]
        PUBSUB => {
            let config = settings.limits()?;
            let strings = |value: &Value| -> Option<Vec<String>> {
                value.as_array()?.iter().map(|host| host.as_str().map(String::from)).collect()
            };
            let hosts = settings.take("hosts", "a list of addresses such as \"redis://127.0.0.1:6379/0\"", strings)?;
            settings.no_more("hosts, prefix, capacity, expiry, group_expiry")?;
            let hosts = hosts.unwrap_or_else(|| vec!["redis://localhost:6379".into()]);
            ChannelLayer::redis_pubsub_with(&hosts, config)
                .await
                .map_err(|source| ConfigError::Open { alias: alias.into(), source: source.into() })
        }
        other => Err(wrong("[\"BACKEND\"]", format!("\"{other}\" is not known; legal are {}", legal()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn error(json: &str) -> String {
        ChannelLayer::from_json(json).await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn a_mistake_says_where_it_is_and_what_is_legal() {
        let memory = |config: &str| format!(r#"{{"default": {{"BACKEND": "{MEMORY}", "CONFIG": {config}}}}}"#);
        let layer = ChannelLayer::from_json(&memory(r#"{"capacity": 7, "expiry": 0.5}"#)).await.unwrap();
        assert_eq!(layer.config().capacity, 7);
        assert_eq!(layer.config().expiry, Duration::from_millis(500));

        let said = error(&memory(r#"{"capcity": 7}"#)).await;
        assert!(said.contains(r#"["default"]["CONFIG"]["capcity"]: unknown key; legal are capacity"#), "{said}");
        let said = error(&memory(r#"{"capacity": "many"}"#)).await;
        assert!(said.contains(r#""many" is not a number of messages above 0"#), "{said}");
        let said = error(r#"{"default": {"BACKEND": "channels_rabbitmq.core"}}"#).await;
        assert!(said.contains("is not known; legal are \"channels.layers.InMemoryChannelLayer\""), "{said}");
        let said = error("{}").await;
        assert!(said.contains("there is no layer of that name"), "{said}");
        assert!(error("[").await.contains("is not a JSON object"));
    }
}

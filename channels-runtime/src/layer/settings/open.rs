//! Opening layers: from the environment, a file or a string.

use std::path::Path;

use serde_json::{Map, Value};

use crate::layer::handle::ChannelLayer;
use crate::layer::settings::backend_kind::BackendKind;
use crate::layer::settings::config_error::{ConfigError, VARIABLE};
use crate::layer::settings::layer_config::read_config;
#[cfg(feature = "redis")]
use crate::layer::settings::redis_config::read_redis_config;
use crate::layer::settings::section::Section;

/// The environment variable with the path of a file that holds the layers.
const FILE_VARIABLE: &str = "CHANNEL_LAYERS_FILE";

const LAYER_KEYS: [&str; 3] = ["BACKEND", "CONFIG", "TEST_CONFIG"];
const MEMORY_KEYS: [&str; 4] = ["capacity", "channel_capacity", "expiry", "group_expiry"];

impl ChannelLayer {
    /// Opens the layers of the environment variable `CHANNEL_LAYERS`, or of the file that `CHANNEL_LAYERS_FILE` names.
    /// [Installs](Self::install) each layer under its alias. Returns the layer `"default"`, or an in-memory layer if neither
    /// variable is set.
    ///
    /// The layers are JSON in the form of Django's setting `CHANNEL_LAYERS`:
    ///
    /// ```json
    /// {"default": {"BACKEND": "channels_redis.core.RedisChannelLayer",
    ///              "CONFIG": {"hosts": [["127.0.0.1", 6379]], "capacity": 1500, "expiry": 10}}}
    /// ```
    ///
    /// Each key of `CONFIG` in channels_redis has the same meaning here. An entry of `hosts` is an address, a host with a port,
    /// or an object with `address` (or `host` and `port`), `db`, `username`, `password`, and the `ssl_*` options of redis-py. For
    /// Sentinel, the object has `sentinels`, `master_name` and `sentinel_kwargs`. A number can be text.
    ///
    /// # Errors
    /// The JSON has another form, has unknown keys or invalid values, or does not contain a layer `"default"`; the file cannot
    /// be read; a Redis server cannot be reached.
    pub async fn from_env() -> Result<Self, ConfigError> {
        match (std::env::var(VARIABLE), std::env::var_os(FILE_VARIABLE)) {
            (Ok(json), _) => Self::from_json(&json).await,
            (Err(_), Some(file)) => Self::from_file(file).await,
            (Err(_), None) => {
                tracing::info!("`CHANNEL_LAYERS` is not set, so the channel layer is in memory");
                Ok(Self::in_memory())
            }
        }
    }

    /// Opens the layers of a file, like [`Self::from_env`].
    ///
    /// # Errors
    /// The errors of [`Self::from_env`].
    pub async fn from_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        // A blocking read is fast enough: a few hundred bytes, once, at the start.
        let json = std::fs::read_to_string(path).map_err(|source| ConfigError::File { path: path.into(), source })?;
        Self::from_json(&json).await
    }

    /// Opens the layers of a string, like [`Self::from_env`].
    ///
    /// # Errors
    /// The errors of [`Self::from_env`], except those of a file.
    pub async fn from_json(json: &str) -> Result<Self, ConfigError> {
        let aliases: Map<String, Value> = serde_json::from_str(json).map_err(ConfigError::NotJson)?;
        let mut default = None;
        for (alias, settings) in aliases {
            let layer = LayerSettings::new(&alias, settings)?.open().await?;
            layer.install(&alias);
            if alias == "default" {
                default = Some(layer);
            }
        }
        default.ok_or_else(|| ConfigError::setting("default", String::new(), "there is no layer of that name"))
    }
}

/// A layer's settings: its backend and its `CONFIG`. `TEST_CONFIG` is for Django's test runner and is ignored.
struct LayerSettings<'a> {
    section: Section<'a>,
    backend: Option<String>,
    config: Value,
}

/// The place of `CONFIG` in a layer's settings.
const CONFIG_PATH: &str = "[\"CONFIG\"]";

impl<'a> LayerSettings<'a> {
    fn new(alias: &'a str, value: Value) -> Result<Self, ConfigError> {
        let mut section = Section::new(alias, String::new(), value, &LAYER_KEYS)?;
        let backend = section.take_value("BACKEND").and_then(|backend| backend.as_str().map(String::from));
        let config = section.take_value("CONFIG").unwrap_or_else(|| Map::new().into());
        Ok(Self { section, backend, config })
    }

    async fn open(self) -> Result<ChannelLayer, ConfigError> {
        let Self { section, backend, config } = self;
        let legal = || BackendKind::ALL.map(|kind| format!("\"{}\"", kind.path())).join(", ");
        let Some(backend) = backend else {
            return Err(section.wrong("BACKEND", format!("must be one of {}", legal())));
        };
        match BackendKind::of(&backend) {
            Some(BackendKind::Memory) => {
                let mut config = Section::new(section.alias(), CONFIG_PATH.into(), config, &MEMORY_KEYS)?;
                Ok(ChannelLayer::in_memory_with(read_config(&mut config)?))
            }
            #[cfg(feature = "redis")]
            Some(kind @ (BackendKind::Core | BackendKind::PubSub)) => open_redis(section.alias(), kind, config).await,
            #[cfg(not(feature = "redis"))]
            Some(BackendKind::Core | BackendKind::PubSub) => {
                Err(section.wrong("BACKEND", "needs the feature `redis` of channels-runtime"))
            }
            None => Err(section.wrong("BACKEND", format!("\"{backend}\" is not known; legal are {}", legal()))),
        }
    }
}

#[cfg(feature = "redis")]
async fn open_redis(alias: &str, kind: BackendKind, config: Value) -> Result<ChannelLayer, ConfigError> {
    let (hosts, config) = read_redis_config(alias, kind, CONFIG_PATH.into(), config)?;
    let opened = if kind == BackendKind::Core {
        ChannelLayer::redis_core_with(&hosts, config).await
    } else {
        ChannelLayer::redis_pubsub_with(&hosts, config).await
    };
    opened.map_err(|source| ConfigError::Open { alias: alias.into(), source: source.into() })
}

/// Reads all settings, and the addresses in them, without opening a layer.
#[cfg(all(feature = "redis", any(test, fuzzing)))]
pub(crate) fn read(json: &str) -> Result<(), Box<dyn std::error::Error>> {
    let aliases: Map<String, Value> = serde_json::from_str(json)?;
    for (alias, settings) in aliases {
        let LayerSettings { backend, config, .. } = LayerSettings::new(&alias, settings)?;
        let kind = BackendKind::of(&backend.unwrap_or_default()).unwrap_or(BackendKind::Core);
        for host in read_redis_config(&alias, kind, CONFIG_PATH.into(), config)?.0 {
            host.check()?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::codec::Format;
    use crate::layer::config::LayerConfig;

    async fn error_of(json: &str) -> String {
        ChannelLayer::from_json(json).await.unwrap_err().to_string()
    }

    fn layers(backend: &str, config: &str) -> String {
        format!(r#"{{"default": {{"BACKEND": "{backend}", "CONFIG": {config}, "TEST_CONFIG": {{"x": 1}}}}}}"#)
    }

    #[tokio::test]
    async fn error_in_settings_names_place_and_legal_values() {
        let error = error_of(&layers(BackendKind::Memory.path(), r#"{"capcity": 7}"#)).await;
        assert!(error.contains(r#"["default"]["CONFIG"]["capcity"]: unknown key; legal are capacity"#), "{error}");
        let error = error_of(&layers(BackendKind::Memory.path(), r#"{"capacity": 0}"#)).await;
        assert!(error.contains("0 is not a number of messages above 0"), "{error}");
        let error = error_of(r#"{"default": {"BACKEND": "channels_rabbitmq.core"}}"#).await;
        assert!(error.contains("is not known; legal are \"channels.layers.InMemoryChannelLayer\""), "{error}");
        let error = error_of("{}").await;
        assert!(error.contains("there is no layer of that name"), "{error}");
        assert!(error_of("[").await.contains("is not a JSON object"));
        let error = error_of(r#"{"default": 7}"#).await;
        assert!(error.contains(r#"CHANNEL_LAYERS["default"]: 7 is not an object"#), "{error}");
        let error = error_of(r#"{"default": {"BACKEND": "x", "ROUTING": "y"}}"#).await;
        assert!(error.contains(r#"["ROUTING"]: unknown key; legal are BACKEND, CONFIG, TEST_CONFIG"#), "{error}");
        let missing = ChannelLayer::from_file("no-such-file.json").await.unwrap_err().to_string();
        assert!(missing.contains("no-such-file.json, cannot be read"), "{missing}");
    }

    #[cfg(feature = "redis")]
    #[tokio::test]
    async fn error_in_redis_settings_names_place_and_legal_values() {
        for (kind, config, expected) in [
            (BackendKind::Core, r#"{"hosts": "redis://h"}"#, "a list of Redis hosts, even if there is only one"),
            (BackendKind::Core, r#"{"on_disconnect": null}"#, "unknown key; legal are hosts, prefix, expiry"),
            (BackendKind::Core, r#"{"symmetric_encryption_keys": "k"}"#, "this string is not a list of strings"),
            (
                BackendKind::Core,
                r#"{"symmetric_encryption_keys": [""]}"#,
                "[\"symmetric_encryption_keys\"]: a key has 0 bytes, but it needs at least 16",
            ),
            (BackendKind::Core, r#"{"serializer_format": "yaml"}"#, r#"is not "msgpack" or "json""#),
            (BackendKind::Core, r#"{"channel_capacity": {"a": "b"}}"#, "is not an object of patterns"),
            (BackendKind::Core, r#"{"prefix": 7}"#, "7 is not a string"),
            (BackendKind::PubSub, r#"{"random_prefix_length": 12}"#, "unknown key; legal are hosts, prefix, symmetric"),
            (BackendKind::PubSub, r#"{"on_reconnect": "f"}"#, "is not null, the only legal value here"),
            (
                BackendKind::PubSub,
                r#"{"prefix": "my\nsite"}"#,
                "[\"prefix\"]: the prefix \"my\\nsite\" cannot begin the name of a channel",
            ),
        ] {
            let error = error_of(&layers(kind.path(), config)).await;
            assert!(error.contains(expected), "{error}");
        }
    }

    #[tokio::test]
    async fn settings_apply_each_key() {
        let layer = ChannelLayer::from_json(&layers(
            BackendKind::Memory.path(),
            r#"{"capacity": 7, "expiry": 0.5, "group_expiry": 60, "channel_capacity": {"b*": 2, "*": 3}}"#,
        ))
        .await
        .unwrap();
        let config = layer.config();
        assert_eq!((config.capacity, config.expiry), (7, Duration::from_millis(500)));
        assert_eq!(config.group_expiry, Duration::from_secs(60));
        // The first matching pattern, in the order of the JSON.
        assert_eq!((config.capacity_of("bb"), config.capacity_of("a")), (2, 3));

        let all = r#"{"prefix": "p", "serializer_format": "json", "random_prefix_length": -1,
                      "symmetric_encryption_keys": ["the first of two keys", "the second of two keys"], "capacity": null}"#;
        let value = serde_json::from_str(all).unwrap();
        let legal = &["prefix", "serializer_format", "random_prefix_length", "symmetric_encryption_keys", "capacity"];
        let config = read_config(&mut Section::new("x", String::new(), value, legal).unwrap()).unwrap();
        assert_eq!(
            config,
            LayerConfig::default()
                .prefix("p")
                .serializer_format(Format::Json)
                .random_prefix_length(0)
                .symmetric_encryption_keys(["the first of two keys", "the second of two keys"])
        );
    }
}

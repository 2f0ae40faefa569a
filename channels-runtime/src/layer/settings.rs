//! A layer as Django's settings describe it: the `CHANNEL_LAYERS` of a project, as JSON.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value};

use crate::codec::Format;
use crate::layer::config::LayerConfig;
use crate::layer::handle::ChannelLayer;

/// The environment variable with the layers, and the one with the name of a file that holds them.
const VARIABLE: &str = "CHANNEL_LAYERS";
const FILE_VARIABLE: &str = "CHANNEL_LAYERS_FILE";

const MEMORY: &str = "channels.layers.InMemoryChannelLayer";
const CORE: &str = "channels_redis.core.RedisChannelLayer";
const PUBSUB: &str = "channels_redis.pubsub.RedisPubSubChannelLayer";
const BACKENDS: [&str; 3] = [MEMORY, CORE, PUBSUB];

/// What is wrong with the configuration of a layer, and where.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("the file of {VARIABLE}, {}, cannot be read", .path.display())]
    File {
        /// Its name.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
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

impl ChannelLayer {
    /// The layer `"default"` of the environment variable `CHANNEL_LAYERS`, which holds JSON in the shape of Django's
    /// setting of that name, or of the file that `CHANNEL_LAYERS_FILE` names; the one in memory if neither is set. Every
    /// layer in it is [installed](Self::install) under its alias.
    ///
    /// ```json
    /// {"default": {"BACKEND": "channels_redis.core.RedisChannelLayer",
    ///              "CONFIG": {"hosts": [["127.0.0.1", 6379]], "capacity": 1500, "expiry": 10}}}
    /// ```
    ///
    /// Every key of `CONFIG` that the layers of channels_redis know is known here and means the same. An entry of `hosts`
    /// is an address, a host with a port, or an object with `address` (or `host`, `port`, `ssl`), `db`, `username`,
    /// `password`, `ssl_ca_certs`, or for Sentinel with `sentinels` and `master_name`.
    ///
    /// # Errors
    /// When it is not such an object, has unknown keys or values, has no layer `"default"`, or a Redis cannot be reached.
    pub async fn from_env() -> Result<Self, ConfigError> {
        match (std::env::var(VARIABLE), std::env::var_os(FILE_VARIABLE)) {
            (Ok(json), _) => Self::from_json(&json).await,
            (Err(_), Some(file)) => Self::from_file(file).await,
            (Err(_), None) => Ok(Self::in_memory()),
        }
    }

    /// As [`Self::from_env`], from a file.
    ///
    /// # Errors
    /// The same, and when the file cannot be read.
    pub async fn from_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        // A few hundred bytes, once, before anything else runs.
        let json = std::fs::read_to_string(path).map_err(|source| ConfigError::File { path: path.into(), source })?;
        Self::from_json(&json).await
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

/// An object of the settings, whose entries are taken out one by one, with its place for the error messages.
struct Settings<'a> {
    alias: &'a str,
    path: String,
    entries: Map<String, Value>,
    legal: &'static [&'static str],
}

impl<'a> Settings<'a> {
    /// `legal` are the keys that it may have.
    fn new(alias: &'a str, path: String, value: Value, legal: &'static [&'static str]) -> Result<Self, ConfigError> {
        let entries = match value {
            Value::Object(entries) => entries,
            other => return Err(wrong(alias, path, format!("{} is not an object", shown(&other)))),
        };
        let this = Self { alias, path, entries, legal };
        match this.entries.keys().find(|key| !legal.contains(&key.as_str())) {
            Some(key) => Err(this.wrong(key, format!("unknown key; legal are {}", this.legal.join(", ")))),
            None => Ok(this),
        }
    }

    fn wrong(&self, key: &str, problem: impl Into<String>) -> ConfigError {
        wrong(self.alias, format!("{}[\"{key}\"]", self.path), problem)
    }

    #[cfg(feature = "redis")]
    fn has(&self, key: &str) -> bool {
        self.entries.get(key).is_some_and(|value| !value.is_null())
    }

    /// Takes an entry out. `null` is as good as nothing, as `None` is in Python.
    fn take<T>(
        &mut self,
        key: &str,
        wanted: &str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        match self.entries.remove(key) {
            None | Some(Value::Null) => Ok(None),
            // Not the value: it may be a password in the wrong place.
            Some(value) => match read(&value) {
                Some(read) => Ok(Some(read)),
                None => Err(self.wrong(key, format!("{} is not {wanted}", shown(&value)))),
            },
        }
    }

    fn string(&mut self, key: &str) -> Result<Option<String>, ConfigError> {
        self.take(key, "a string", |value| value.as_str().map(String::from))
    }

    fn config(&mut self) -> Result<LayerConfig, ConfigError> {
        let mut config = LayerConfig::default();
        let seconds = |value: &Value| value.as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let count = |value: &Value| value.as_u64().and_then(|count| usize::try_from(count).ok()).filter(|n| *n > 0);
        if let Some(capacity) = self.take("capacity", "a number of messages above 0", count)? {
            config.capacity = capacity;
        }
        let capacities = |value: &Value| -> Option<Vec<(String, usize)>> {
            value.as_object()?.iter().map(|(pattern, value)| Some((pattern.clone(), count(value)?))).collect()
        };
        let wanted = "an object of patterns and numbers of messages, such as {\"thumbnails*\": 500}";
        for (pattern, capacity) in self.take("channel_capacity", wanted, capacities)?.unwrap_or_default() {
            config = config.channel_capacity(&pattern, capacity);
        }
        if let Some(expiry) = self.take("expiry", "a number of seconds", seconds)? {
            config.expiry = expiry;
        }
        if let Some(expiry) = self.take("group_expiry", "a number of seconds", seconds)? {
            config.group_expiry = expiry;
        }
        if let Some(prefix) = self.string("prefix")? {
            config.prefix = prefix;
        }
        let format = |value: &Value| match value.as_str()? {
            "msgpack" => Some(Format::Msgpack),
            "json" => Some(Format::Json),
            _ => None,
        };
        if let Some(format) = self.take("serializer_format", "\"msgpack\" or \"json\"", format)? {
            config.serializer_format = format;
        }
        // As in channels_redis, nothing below 0 is more than nothing.
        let length = |value: &Value| usize::try_from(value.as_i64()?.max(0)).ok().filter(|length| *length <= 1024);
        if let Some(length) = self.take("random_prefix_length", "a number of bytes, 1024 at most", length)? {
            config.random_prefix_length = length;
        }
        let keys = |value: &Value| -> Option<Vec<String>> {
            value.as_array()?.iter().map(|key| key.as_str().map(String::from)).collect()
        };
        if let Some(keys) = self.take("symmetric_encryption_keys", "a list of strings", keys)? {
            config = config.symmetric_encryption_keys(keys);
        }
        Ok(config)
    }
}

fn wrong(alias: &str, path: String, problem: impl Into<String>) -> ConfigError {
    ConfigError::Setting { alias: alias.into(), path, problem: problem.into() }
}

/// A value for an error message: what it is, and what it holds only if that can be no secret.
fn shown(value: &Value) -> String {
    match value {
        Value::String(_) => "this string".into(),
        Value::Array(_) => "this list".into(),
        Value::Object(_) => "this object".into(),
        plain => plain.to_string(),
    }
}

async fn open(alias: &str, settings: Value) -> Result<ChannelLayer, ConfigError> {
    // TEST_CONFIG is for Django's test runner; nothing here reads it.
    let mut settings = Settings::new(alias, String::new(), settings, &["BACKEND", "CONFIG", "TEST_CONFIG"])?;
    let legal = || BACKENDS.map(|backend| format!("\"{backend}\"")).join(", ");
    let Some(Value::String(backend)) = settings.entries.remove("BACKEND") else {
        return Err(settings.wrong("BACKEND", format!("must be one of {}", legal())));
    };
    let config = settings.entries.remove("CONFIG").unwrap_or_else(|| Map::new().into());
    let path = "[\"CONFIG\"]".to_owned();
    match backend.as_str() {
        MEMORY => {
            let legal = &["capacity", "channel_capacity", "expiry", "group_expiry"];
            Ok(ChannelLayer::in_memory_with(Settings::new(alias, path, config, legal)?.config()?))
        }
        #[cfg(feature = "redis")]
        CORE | PUBSUB => redis::open(alias, &backend, path, config).await,
        #[cfg(not(feature = "redis"))]
        CORE | PUBSUB => Err(settings.wrong("BACKEND", "needs the feature `redis` of channels-runtime")),
        other => Err(settings.wrong("BACKEND", format!("\"{other}\" is not known; legal are {}", legal()))),
    }
}

/// Reads a document to the end, addresses too, and opens nothing.
#[cfg(all(feature = "redis", any(test, fuzzing)))]
pub(crate) fn read(json: &str) -> Result<(), Box<dyn std::error::Error>> {
    let aliases: Map<String, Value> = serde_json::from_str(json)?;
    for (alias, settings) in aliases {
        let mut settings = Settings::new(&alias, String::new(), settings, &["BACKEND", "CONFIG", "TEST_CONFIG"])?;
        let backend = settings.string("BACKEND")?.unwrap_or_default();
        let config = settings.entries.remove("CONFIG").unwrap_or_else(|| Map::new().into());
        for host in redis::read(&alias, &backend, "[\"CONFIG\"]".into(), config)?.0 {
            host.read()?;
        }
    }
    Ok(())
}

#[cfg(feature = "redis")]
mod redis {
    use super::*;
    use crate::layer::redis::{RedisHost, check_prefix};

    const OF_CORE: [&str; 9] = [
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

    /// `on_disconnect` and `on_reconnect` are functions in Python, and not called there since 4.0; here they may be null.
    const OF_PUBSUB: [&str; 10] = [
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

    const OF_HOST: [&str; 19] = [
        "address",
        "host",
        "port",
        "unix_socket_path",
        "path",
        "db",
        "username",
        "password",
        "ssl",
        "ssl_ca_certs",
        "sentinels",
        "master_name",
        "sentinel_kwargs",
        // How redis-py treats its sockets; the connections here have limits of their own.
        "socket_timeout",
        "socket_connect_timeout",
        "socket_keepalive",
        "health_check_interval",
        "retry_on_timeout",
        "max_connections",
    ];

    const OF_SENTINEL: [&str; 2] = ["username", "password"];

    pub(super) async fn open(
        alias: &str,
        backend: &str,
        path: String,
        config: Value,
    ) -> Result<ChannelLayer, ConfigError> {
        let (hosts, config) = read(alias, backend, path, config)?;
        let opened = if backend == CORE {
            ChannelLayer::redis_core_with(&hosts, config).await
        } else {
            ChannelLayer::redis_pubsub_with(&hosts, config).await
        };
        opened.map_err(|source| ConfigError::Open { alias: alias.into(), source: source.into() })
    }

    pub(super) fn read(
        alias: &str,
        backend: &str,
        path: String,
        config: Value,
    ) -> Result<(Vec<RedisHost>, LayerConfig), ConfigError> {
        let is_core = backend == CORE;
        let legal: &'static [&'static str] = if is_core { &OF_CORE } else { &OF_PUBSUB };
        let mut settings = Settings::new(alias, path, config, legal)?;
        let config = settings.config()?;
        if backend == PUBSUB {
            check_prefix(&config.prefix).map_err(|error| settings.wrong("prefix", error.to_string()))?;
        }
        for callback in ["on_disconnect", "on_reconnect"] {
            settings.take(callback, "null, the only legal value here", |_| None::<()>)?;
        }
        let wanted = "a list of Redis hosts, even if there is only one";
        let hosts = settings.take("hosts", wanted, |value| value.as_array().cloned())?;
        let hosts = hosts.filter(|hosts| !hosts.is_empty()).unwrap_or_else(|| vec!["redis://localhost:6379".into()]);
        let read = |(at, value)| host(alias, format!("{}[\"hosts\"][{at}]", settings.path), value);
        let hosts = hosts.into_iter().enumerate().map(read).collect::<Result<_, _>>()?;
        Ok((hosts, config))
    }

    fn host(alias: &str, path: String, value: Value) -> Result<RedisHost, ConfigError> {
        match value {
            Value::String(url) => Ok(url.into()),
            Value::Array(_) => match host_and_port(&value) {
                Some(url) => Ok(url.into()),
                None => Err(wrong(alias, path, "a list here is [\"host\", port]")),
            },
            Value::Object(_) => described(Settings::new(alias, path, value, &OF_HOST)?),
            other => {
                let wanted = "an address such as \"redis://127.0.0.1:6379/0\", [\"host\", port], or an object";
                Err(wrong(alias, path, format!("{} is not {wanted}", shown(&other))))
            }
        }
    }

    fn described(mut settings: Settings<'_>) -> Result<RedisHost, ConfigError> {
        let mut host = if settings.has("sentinels") || settings.has("master_name") {
            let sentinels = |value: &Value| -> Option<Vec<String>> {
                value.as_array().filter(|list| !list.is_empty())?.iter().map(host_and_port).collect()
            };
            let wanted = "a list such as [[\"10.0.0.1\", 26379]]";
            let sentinels = settings.take("sentinels", wanted, sentinels)?;
            let sentinels = sentinels.ok_or_else(|| settings.wrong("sentinels", format!("must be {wanted}")))?;
            let master = settings.string("master_name")?;
            let master = master.ok_or_else(|| settings.wrong("master_name", "must be the name of the master"))?;
            let mut host = RedisHost::sentinel(sentinels, master);
            if let Some(login) = settings.entries.remove("sentinel_kwargs").filter(|login| !login.is_null()) {
                let path = format!("{}[\"sentinel_kwargs\"]", settings.path);
                let mut login = Settings::new(settings.alias, path, login, &OF_SENTINEL)?;
                let username = login.string("username")?;
                if let Some(password) = login.string("password")? {
                    host = host.sentinel_login(username.as_deref(), &password);
                }
            }
            host
        } else if let Some(address) = settings.string("address")? {
            address.into()
        } else if let Some(socket) = settings.string("unix_socket_path")?.or(settings.string("path")?) {
            format!("unix://{socket}").into()
        } else {
            let name = settings.string("host")?.unwrap_or_else(|| "localhost".into());
            let port = settings.take("port", "a port", port)?.unwrap_or(6379);
            url(&name, port).into()
        };
        if let Some(db) = settings.take("db", "a number", Value::as_i64)? {
            host = host.db(db);
        }
        if let Some(username) = settings.string("username")? {
            host = host.username(username);
        }
        if let Some(password) = settings.string("password")? {
            host = host.password(password);
        }
        if settings.take("ssl", "true or false", Value::as_bool)?.unwrap_or_default() {
            host = host.tls();
        }
        if let Some(file) = settings.string("ssl_ca_certs")? {
            host = host.ca_file(file);
        }
        Ok(host)
    }

    fn port(value: &Value) -> Option<u16> {
        u16::try_from(value.as_u64()?).ok()
    }

    fn host_and_port(value: &Value) -> Option<String> {
        match value.as_array()?.as_slice() {
            [Value::String(host), number] => Some(url(host, port(number)?)),
            _ => None,
        }
    }

    fn url(host: &str, port: u16) -> String {
        // An address of IPv6 stands in brackets.
        if host.contains(':') { format!("redis://[{host}]:{port}") } else { format!("redis://{host}:{port}") }
    }

    #[cfg(test)]
    mod tests {
        use serde_json::json;

        use super::*;

        fn read(value: Value) -> Result<RedisHost, String> {
            host("default", "[\"hosts\"][0]".into(), value).map_err(|error| error.to_string())
        }

        #[test]
        fn a_host_is_written_as_in_django() {
            let plain = RedisHost::from("redis://10.0.0.1:6380");
            assert_eq!(read(json!("redis://10.0.0.1:6380")).unwrap(), plain);
            assert_eq!(read(json!(["10.0.0.1", 6380])).unwrap(), plain);
            assert_eq!(read(json!({"address": "redis://10.0.0.1:6380"})).unwrap(), plain);
            assert_eq!(read(json!({"host": "10.0.0.1", "port": 6380, "socket_timeout": 3})).unwrap(), plain);
            assert_eq!(read(json!(["::1", 6379])).unwrap(), RedisHost::from("redis://[::1]:6379"));
            assert_eq!(
                read(json!({"host": "h", "db": 3, "username": "u", "password": "p", "ssl": true})).unwrap(),
                RedisHost::from("redis://h:6379").db(3).username("u").password("p").tls()
            );
            assert_eq!(
                read(json!({"sentinels": [["a", 26379], ["b", 26379]], "master_name": "m", "db": 1,
                            "sentinel_kwargs": {"password": "s"}, "password": "p"}))
                .unwrap(),
                RedisHost::sentinel(["redis://a:26379", "redis://b:26379"], "m")
                    .sentinel_login(None, "s")
                    .db(1)
                    .password("p")
            );
        }

        #[test]
        fn a_mistake_in_a_host_says_where_it_is_and_tells_no_secret() {
            for (value, said) in [
                (json!(7), "[0]: 7 is not an address such as"),
                (json!(["h"]), "[0]: a list here is [\"host\", port]"),
                (json!({"hosst": "h"}), "[0][\"hosst\"]: unknown key; legal are address, host, port"),
                (json!({"host": "h", "port": 70_000}), "[0][\"port\"]: 70000 is not a port"),
                (json!({"master_name": "m"}), "[0][\"sentinels\"]: must be a list such as"),
                (json!({"sentinels": [["a", 1]]}), "[0][\"master_name\"]: must be the name"),
                (
                    json!({"sentinels": [["a", 1]], "master_name": "m", "sentinel_kwargs": {"pass": "x"}}),
                    "[\"sentinel_kwargs\"][\"pass\"]: unknown key; legal are username, password",
                ),
                (json!({"password": ["secret"]}), "[\"password\"]: this list is not a string"),
            ] {
                let error = read(value).unwrap_err();
                assert!(error.contains(said), "{error}");
                assert!(!error.contains("secret"), "{error}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn error(json: &str) -> String {
        ChannelLayer::from_json(json).await.unwrap_err().to_string()
    }

    fn of(backend: &str, config: &str) -> String {
        format!(r#"{{"default": {{"BACKEND": "{backend}", "CONFIG": {config}, "TEST_CONFIG": {{"x": 1}}}}}}"#)
    }

    #[tokio::test]
    async fn a_mistake_says_where_it_is_and_what_is_legal() {
        let said = error(&of(MEMORY, r#"{"capcity": 7}"#)).await;
        assert!(said.contains(r#"["default"]["CONFIG"]["capcity"]: unknown key; legal are capacity"#), "{said}");
        let said = error(&of(MEMORY, r#"{"capacity": 0}"#)).await;
        assert!(said.contains("0 is not a number of messages above 0"), "{said}");
        let said = error(r#"{"default": {"BACKEND": "channels_rabbitmq.core"}}"#).await;
        assert!(said.contains("is not known; legal are \"channels.layers.InMemoryChannelLayer\""), "{said}");
        let said = error("{}").await;
        assert!(said.contains("there is no layer of that name"), "{said}");
        assert!(error("[").await.contains("is not a JSON object"));
        let said = error(r#"{"default": 7}"#).await;
        assert!(said.contains(r#"CHANNEL_LAYERS["default"]: 7 is not an object"#), "{said}");
        let said = error(r#"{"default": {"BACKEND": "x", "ROUTING": "y"}}"#).await;
        assert!(said.contains(r#"["ROUTING"]: unknown key; legal are BACKEND, CONFIG, TEST_CONFIG"#), "{said}");
        let missing = ChannelLayer::from_file("no-such-file.json").await.unwrap_err().to_string();
        assert!(missing.contains("no-such-file.json, cannot be read"), "{missing}");
    }

    #[cfg(feature = "redis")]
    #[tokio::test]
    async fn a_mistake_in_a_redis_layer_too() {
        for (backend, config, expected) in [
            (CORE, r#"{"hosts": "redis://h"}"#, "a list of Redis hosts, even if there is only one"),
            (CORE, r#"{"on_disconnect": null}"#, "unknown key; legal are hosts, prefix, expiry"),
            (CORE, r#"{"symmetric_encryption_keys": "k"}"#, "this string is not a list of strings"),
            (CORE, r#"{"serializer_format": "yaml"}"#, r#"is not "msgpack" or "json""#),
            (CORE, r#"{"channel_capacity": {"a": "b"}}"#, "is not an object of patterns"),
            (CORE, r#"{"prefix": 7}"#, "7 is not a string"),
            (PUBSUB, r#"{"random_prefix_length": 12}"#, "unknown key; legal are hosts, prefix, symmetric"),
            (PUBSUB, r#"{"on_reconnect": "f"}"#, "is not null, the only legal value here"),
            (
                PUBSUB,
                r#"{"prefix": "my site"}"#,
                "[\"prefix\"]: the prefix `my site` cannot begin the name of a channel",
            ),
        ] {
            let said = error(&of(backend, config)).await;
            assert!(said.contains(expected), "{said}");
        }
    }

    #[tokio::test]
    async fn every_key_is_read() {
        let layer = ChannelLayer::from_json(&of(
            MEMORY,
            r#"{"capacity": 7, "expiry": 0.5, "group_expiry": 60, "channel_capacity": {"b*": 2, "*": 3}}"#,
        ))
        .await
        .unwrap();
        let config = layer.config();
        assert_eq!((config.capacity, config.expiry), (7, Duration::from_millis(500)));
        assert_eq!(config.group_expiry, Duration::from_secs(60));
        // In the order of the document.
        assert_eq!((config.capacity_of("bb"), config.capacity_of("a")), (2, 3));

        let all = r#"{"prefix": "p", "serializer_format": "json", "random_prefix_length": -1,
                      "symmetric_encryption_keys": ["a", "b"], "capacity": null}"#;
        let value = serde_json::from_str(all).unwrap();
        let legal = &["prefix", "serializer_format", "random_prefix_length", "symmetric_encryption_keys", "capacity"];
        let config = Settings::new("x", String::new(), value, legal).unwrap().config().unwrap();
        assert_eq!(
            config,
            LayerConfig::default()
                .prefix("p")
                .serializer_format(Format::Json)
                .random_prefix_length(0)
                .symmetric_encryption_keys(["a", "b"])
        );
    }
}

//! The hosts of a Redis layer.

use serde_json::Value;

use crate::layer::redis::RedisHost;
use crate::layer::settings::config_error::ConfigError;
use crate::layer::settings::section::{Section, shown};

const HOST_KEYS: [&str; 19] = [
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
    // Socket options of redis-py, which are ignored: the connections of this crate have their own limits.
    "socket_timeout",
    "socket_connect_timeout",
    "socket_keepalive",
    "health_check_interval",
    "retry_on_timeout",
    "max_connections",
];

const SENTINEL_KEYS: [&str; 2] = ["username", "password"];

/// Reads an entry of `hosts`. `path` is its place in the layer's settings.
pub(super) fn read_host(alias: &str, path: String, value: Value) -> Result<RedisHost, ConfigError> {
    match value {
        Value::String(url) => Ok(url.into()),
        Value::Array(_) => match host_and_port(&value) {
            Some(url) => Ok(url.into()),
            None => Err(ConfigError::setting(alias, path, "a list here is [\"host\", port]")),
        },
        Value::Object(_) => read_object(Section::new(alias, path, value, &HOST_KEYS)?),
        other => {
            let wanted = "an address such as \"redis://127.0.0.1:6379/0\", [\"host\", port], or an object";
            Err(ConfigError::setting(alias, path, format!("{} is not {wanted}", shown(&other))))
        }
    }
}

fn read_object(mut section: Section<'_>) -> Result<RedisHost, ConfigError> {
    let mut host = if section.has("sentinels") || section.has("master_name") {
        let sentinels = |value: &Value| -> Option<Vec<String>> {
            value.as_array().filter(|list| !list.is_empty())?.iter().map(host_and_port).collect()
        };
        let wanted = "a list such as [[\"10.0.0.1\", 26379]]";
        let sentinels = section.take("sentinels", wanted, sentinels)?;
        let sentinels = sentinels.ok_or_else(|| section.wrong("sentinels", format!("must be {wanted}")))?;
        let master = section.string("master_name")?;
        let master = master.ok_or_else(|| section.wrong("master_name", "must be the name of the master"))?;
        let mut host = RedisHost::sentinel(sentinels, master);
        if let Some(login) = section.take_value("sentinel_kwargs").filter(|login| !login.is_null()) {
            let path = section.path_of("sentinel_kwargs");
            let mut login = Section::new(section.alias(), path, login, &SENTINEL_KEYS)?;
            let username = login.string("username")?;
            if let Some(password) = login.string("password")? {
                host = host.sentinel_login(username.as_deref(), &password);
            }
        }
        host
    } else if let Some(address) = section.string("address")? {
        address.into()
    } else if let Some(socket) = section.string("unix_socket_path")?.or(section.string("path")?) {
        format!("unix://{socket}").into()
    } else {
        let name = section.string("host")?.unwrap_or_else(|| "localhost".into());
        let port = section.take("port", "a port", port)?.unwrap_or(6379);
        url(&name, port).into()
    };
    if let Some(db) = section.take("db", "a number", Value::as_i64)? {
        host = host.db(db);
    }
    if let Some(username) = section.string("username")? {
        host = host.username(username);
    }
    if let Some(password) = section.string("password")? {
        host = host.password(password);
    }
    if section.take("ssl", "true or false", Value::as_bool)?.unwrap_or_default() {
        host = host.tls();
    }
    if let Some(file) = section.string("ssl_ca_certs")? {
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
    // In a URL, an IPv6 address is in brackets.
    if host.contains(':') { format!("redis://[{host}]:{port}") } else { format!("redis://{host}:{port}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> Result<RedisHost, String> {
        read_host("default", "[\"hosts\"][0]".into(), value).map_err(|error| error.to_string())
    }

    #[test]
    fn host_reads_like_in_channels_redis() {
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
    fn error_in_host_names_place_without_secret() {
        for (value, expected) in [
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
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}

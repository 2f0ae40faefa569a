//! The hosts of a Redis layer.

use serde_json::Value;

use crate::layer::redis::{ConnectionOptions, DEFAULT_HOST, DEFAULT_PORT, OptionProblem, RedisHost};
use crate::layer::setting_number::integer;
use crate::layer::settings::config_error::ConfigError;
use crate::layer::settings::section::{Section, shown};

/// The keys for the place of a server. An entry has those of one kind.
const PLACE_KEYS: [&str; 8] =
    ["address", "host", "port", "unix_socket_path", "path", "sentinels", "master_name", "sentinel_kwargs"];

/// Reads an entry of `hosts`. `path` is its place in the layer's settings.
pub(super) fn read_host(alias: &str, path: String, value: Value) -> Result<RedisHost, ConfigError> {
    let host = match value {
        Value::String(url) => url.into(),
        Value::Array(_) => {
            let host = host_and_port(&value);
            host.ok_or_else(|| ConfigError::setting(alias, path.clone(), "a list here is [\"host\", port]"))?
        }
        Value::Object(_) => read_object(Section::open(alias, path.clone(), value)?)?,
        other => {
            let wanted = "an address such as \"redis://127.0.0.1:6379/0\", [\"host\", port], or an object";
            return Err(ConfigError::setting(alias, path, format!("{} is not {wanted}", shown(&other))));
        }
    };
    host.check().map_err(|error| ConfigError::setting(alias, path, error.to_string()))?;
    Ok(host)
}

fn read_object(mut section: Section<'_>) -> Result<RedisHost, ConfigError> {
    let (host, kind) = if let Some(address) = section.string("address")? {
        (address.into(), "address")
    } else if section.has("sentinels") || section.has("master_name") {
        (read_sentinels(&mut section)?, "sentinels")
    } else if let Some(socket) = section.string("unix_socket_path")? {
        (RedisHost::unix(socket), "unix_socket_path")
    } else if let Some(socket) = section.string("path")? {
        (RedisHost::unix(socket), "path")
    } else {
        let name =
            section.take("host", "a host", |value| value.as_str().filter(|host| !host.is_empty()).map(String::from))?;
        let port = section.take("port", "a port", port)?.unwrap_or(DEFAULT_PORT);
        (RedisHost::tcp(name.unwrap_or_else(|| DEFAULT_HOST.into()), port), "host")
    };
    if section.is_false("ssl") && host.is_tls() {
        return Err(section.wrong("ssl", "has no effect: `rediss://` in the address asks for TLS"));
    }
    Ok(host.with_defaults(read_options(section, kind)?))
}

fn read_sentinels(section: &mut Section<'_>) -> Result<RedisHost, ConfigError> {
    let sentinels = |value: &Value| -> Option<Vec<RedisHost>> {
        value.as_array().filter(|list| !list.is_empty())?.iter().map(host_and_port).collect()
    };
    let wanted = "a list such as [[\"10.0.0.1\", 26379]]";
    let sentinels = section.take("sentinels", wanted, sentinels)?;
    let sentinels = sentinels.ok_or_else(|| section.wrong("sentinels", format!("must be {wanted}")))?;
    let master = section.string("master_name")?;
    let master = master.ok_or_else(|| section.wrong("master_name", "must be the name of the master"))?;
    section
        .take("is_master", "true, the only legal value: a layer writes", |value| value.as_bool().filter(|is| *is))?;
    let options = match section.take_value("sentinel_kwargs").filter(|options| !options.is_null()) {
        Some(options) => {
            let path = section.path_of("sentinel_kwargs");
            read_options(Section::open(section.alias(), path, options)?, "sentinels")?
        }
        None => ConnectionOptions::default(),
    };
    let sentinels = sentinels.into_iter().map(|sentinel| sentinel.with_defaults(options.clone()));
    Ok(RedisHost::sentinel(sentinels, master))
}

/// Reads the remaining entries: options of the connection to a place of this kind.
fn read_options(mut section: Section<'_>, kind: &str) -> Result<ConnectionOptions, ConfigError> {
    let mut options = ConnectionOptions::default();
    for (key, value) in section.take_all() {
        let problem = match options.set(&key, &value) {
            Ok(()) => continue,
            Err(OptionProblem::Unknown) if PLACE_KEYS.contains(&key.as_str()) => {
                if value.is_null() {
                    continue;
                }
                format!("has no effect together with `{kind}`")
            }
            Err(OptionProblem::Unknown) => {
                format!("unknown key; legal are {}, {}", PLACE_KEYS.join(", "), ConnectionOptions::names())
            }
            // Without the value, which may be a misplaced password.
            Err(OptionProblem::IsNot(wanted)) => format!("{} is not {wanted}", shown(&value)),
            Err(OptionProblem::Refused(reason)) => reason.into(),
        };
        return Err(section.wrong(&key, problem));
    }
    Ok(options)
}

fn port(value: &Value) -> Option<u16> {
    u16::try_from(integer(value)?).ok().filter(|port| *port > 0)
}

fn host_and_port(value: &Value) -> Option<RedisHost> {
    match value.as_array()?.as_slice() {
        [Value::String(host), number] if !host.is_empty() => Some(RedisHost::tcp(host, port(number)?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> Result<RedisHost, String> {
        read_host("default", "[\"hosts\"][0]".into(), value).map_err(|error| error.to_string())
    }

    /// `tests/django/settings.rs` writes what redis-py makes of each entry.
    #[cfg(feature = "tls")]
    #[test]
    fn host_means_the_same_as_in_redis_py() {
        let cases: Vec<Value> = serde_json::from_str(include_str!("../../../corpus/redis_hosts.json")).unwrap();
        for case in &cases {
            let (host, theirs) = (&case["host"], &case["redis_py"]);
            let ours = read(host.clone()).map(|host| host.meaning());
            match (&ours, theirs.get("error")) {
                // What redis-py drops silently is an error here.
                (Err(error), None) => {
                    let expected = case["refused"].as_str().unwrap_or_else(|| panic!("{host}: {error}"));
                    assert!(error.contains(expected), "{host}: {error}");
                }
                (Err(_), Some(_)) => {}
                // redis-py has no setting for these.
                (Ok(_), Some(_)) => {
                    assert_eq!(case["more"], true, "{host} is accepted, but redis-py refuses it: {theirs}")
                }
                (Ok(ours), None) => assert_eq!((ours, case.get("refused")), (theirs, None), "{host}"),
            }
        }
    }

    #[test]
    fn error_in_host_names_place_without_secret() {
        let sentinels = |more: Value| {
            let mut host = json!({"sentinels": [["a", 1]], "master_name": "m"});
            host.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            host
        };
        for (value, expected) in [
            (json!(7), "[0]: 7 is not an address such as"),
            (json!(["h"]), "[0]: a list here is [\"host\", port]"),
            (json!(["h", 6379, 0]), "[0]: a list here is [\"host\", port]"),
            (json!("redis://h?bd=3"), "[0]: unknown key `bd` in the query of the address"),
            (json!({"address": "redis://:secret#1@h"}), "[0]: an address has no part after `#`"),
            (json!({"hosst": "h"}), "[0][\"hosst\"]: unknown key; legal are address, host, port"),
            (json!({"host": "h", "port": 70_000}), "[0][\"port\"]: 70000 is not a port"),
            (json!({"host": "h", "port": "x"}), "[0][\"port\"]: this string is not a port"),
            (json!({"address": "redis://h", "port": 1}), "[0][\"port\"]: has no effect together with `address`"),
            (
                json!({"address": "redis://h", "sentinels": []}),
                "[0][\"sentinels\"]: has no effect together with `address`",
            ),
            (json!({"path": "/s", "host": "h"}), "[0][\"host\"]: has no effect together with `path`"),
            (json!({"host": "h", "ssl_ca_certs": "f"}), "[0]: `ssl_ca_certs` has no effect without TLS"),
            (json!({"address": "rediss://h", "ssl": false}), "[0][\"ssl\"]: has no effect: `rediss://`"),
            (json!({"host": "h", "ssl": "yes"}), "[0][\"ssl\"]: this string is not true or false"),
            (json!({"host": "h", "ssl_ciphers": "ALL"}), "[0][\"ssl_ciphers\"]: the cipher suites cannot be chosen"),
            (json!({"master_name": "m"}), "[0][\"sentinels\"]: must be a list such as"),
            (json!({"sentinels": [["a", 1]]}), "[0][\"master_name\"]: must be the name"),
            (sentinels(json!({"host": "h"})), "[0][\"host\"]: has no effect together with `sentinels`"),
            (sentinels(json!({"ssl_ca_certs": "f"})), "[0]: `ssl_ca_certs` has no effect without TLS"),
            (sentinels(json!({"is_master": false})), "[0][\"is_master\"]: false is not true, the only legal value"),
            (
                sentinels(json!({"sentinel_kwargs": {"pass": "x"}})),
                "[\"sentinel_kwargs\"][\"pass\"]: unknown key; legal are address",
            ),
            (sentinels(json!({"sentinel_kwargs": {"db": "3"}})), "[0]: a Sentinel has no databases"),
            (json!({"password": ["secret"]}), "[\"password\"]: this list is not a string"),
        ] {
            let error = read(value).unwrap_err();
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}

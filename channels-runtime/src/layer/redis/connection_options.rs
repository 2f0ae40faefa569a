//! The options of a connection to Redis, by the names of redis-py's arguments.

use std::fmt;
use std::path::PathBuf;

use serde_json::Value;

use crate::layer::redis::tls_options::TlsOptions;
use crate::layer::setting_number::integer;

/// The options that have an effect here.
const OPTIONS: [&str; 12] = [
    "db",
    "username",
    "password",
    "ssl",
    "ssl_cert_reqs",
    "ssl_check_hostname",
    "ssl_ca_certs",
    "ssl_ca_path",
    "ssl_ca_data",
    "ssl_certfile",
    "ssl_keyfile",
    "ssl_min_version",
];

/// Options that change nothing here: the connections of this crate have their own time limits, checks and replies, and every
/// option that loosens the verification of certificates beyond [`OPTIONS`] is not needed.
const IGNORED: [&str; 20] = [
    "check_connection",
    "client_name",
    "decode_responses",
    "encoding",
    "encoding_errors",
    "health_check_interval",
    "lib_name",
    "lib_version",
    "max_connections",
    "protocol",
    "retry_on_error",
    "retry_on_timeout",
    "socket_connect_timeout",
    "socket_keepalive",
    "socket_keepalive_options",
    "socket_read_size",
    "socket_timeout",
    "socket_type",
    "single_connection_client",
    "ssl_exclude_verify_flags",
];

/// Options that would change something, but cannot be set here.
const REFUSED: [(&str, &str); 12] = [
    ("ssl_ciphers", "the cipher suites cannot be chosen here: they are those of rustls, which are safe"),
    (
        "ssl_password",
        "an encrypted key cannot be read here: write the key without a password, readable only by this program",
    ),
    ("ssl_include_verify_flags", "the flags of OpenSSL cannot be set here"),
    ("connection_class", "a class of Python cannot be used here"),
    ("connection_pool", "an object of Python cannot be used here"),
    ("credential_provider", "an object of Python cannot be used here: write `username` and `password`"),
    ("driver_info", "an object of Python cannot be used here"),
    ("encoder_class", "a class of Python cannot be used here"),
    ("event_dispatcher", "an object of Python cannot be used here"),
    ("parser_class", "a class of Python cannot be used here"),
    ("redis_connect_func", "a function of Python cannot be used here"),
    ("retry", "an object of Python cannot be used here: failed connections are retried without it"),
];

/// The options of a connection. `None` is the default of redis-py.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct ConnectionOptions {
    pub(super) db: Option<i64>,
    pub(super) username: Option<String>,
    pub(super) password: Option<String>,
    pub(super) tls: Option<bool>,
    pub(super) tls_options: TlsOptions,
}

/// The reason why an option cannot be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OptionProblem {
    Unknown,
    /// The value is not of this kind.
    IsNot(&'static str),
    /// The option exists in redis-py, but not here.
    Refused(&'static str),
}

impl ConnectionOptions {
    /// Returns the names of the options that have an effect.
    pub(crate) fn names() -> String {
        OPTIONS.join(", ")
    }

    /// Sets an option by its name in redis-py. A number can be text, because settings often come from environment variables.
    pub(crate) fn set(&mut self, name: &str, value: &Value) -> Result<(), OptionProblem> {
        let tls = &mut self.tls_options;
        match name {
            "db" => self.db = optional(value, integer, "a number")?,
            "username" => self.username = text(value)?,
            "password" => self.password = text(value)?,
            "ssl" => self.tls = optional(value, Value::as_bool, "true or false")?,
            "ssl_cert_reqs" => tls.verify = Some(is_verified(value)?),
            "ssl_check_hostname" => {
                tls.verify_hostname = Some(value.as_bool().ok_or(OptionProblem::IsNot("true or false"))?);
            }
            "ssl_ca_certs" => tls.ca_file = path(value)?,
            "ssl_ca_path" => tls.ca_folder = path(value)?,
            "ssl_ca_data" => tls.ca_data = text(value)?,
            "ssl_certfile" => tls.certificate = path(value)?,
            "ssl_keyfile" => tls.key = path(value)?,
            "ssl_min_version" => check_min_version(value)?,
            ignored if IGNORED.contains(&ignored) => {}
            _ => {
                let refused = REFUSED.iter().find(|(refused, _)| *refused == name);
                let (_, reason) = refused.ok_or(OptionProblem::Unknown)?;
                if !is_nothing(value) {
                    return Err(OptionProblem::Refused(reason));
                }
            }
        }
        Ok(())
    }

    /// Returns these options, and `other` for those that are not set.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            db: self.db.or(other.db),
            username: self.username.or(other.username),
            password: self.password.or(other.password),
            tls: self.tls.or(other.tls),
            tls_options: self.tls_options.or(other.tls_options),
        }
    }
}

// Without the password and the username.
impl fmt::Debug for ConnectionOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionOptions").field("db", &self.db).field("tls", &self.tls).finish_non_exhaustive()
    }
}

fn optional<T>(value: &Value, read: fn(&Value) -> Option<T>, wanted: &'static str) -> Result<Option<T>, OptionProblem> {
    if value.is_null() { Ok(None) } else { read(value).map(Some).ok_or(OptionProblem::IsNot(wanted)) }
}

/// Reads text. Empty text is no value, as in redis-py: it often comes from an environment variable that is not set.
fn text(value: &Value) -> Result<Option<String>, OptionProblem> {
    let text = optional(value, |value| value.as_str().map(String::from), "a string")?;
    Ok(text.filter(|text| !text.is_empty()))
}

fn path(value: &Value) -> Result<Option<PathBuf>, OptionProblem> {
    Ok(text(value)?.map(PathBuf::from))
}

fn is_nothing(value: &Value) -> bool {
    value.is_null() || value.as_str() == Some("") || value.as_array().is_some_and(Vec::is_empty)
}

/// Reads `ssl_cert_reqs`: its text, or Python's `ssl.VerifyMode` as JSON. For a client, `optional` is `required`.
fn is_verified(value: &Value) -> Result<bool, OptionProblem> {
    match (value, value.as_str(), value.as_u64()) {
        (Value::Null | Value::Bool(false), ..) | (_, Some("none"), _) | (.., Some(0)) => Ok(false),
        (Value::Bool(true), ..) | (_, Some("optional" | "required"), _) | (.., Some(1 | 2)) => Ok(true),
        _ => Err(OptionProblem::IsNot("\"none\", \"optional\" or \"required\"")),
    }
}

/// Checks a version of TLS, as the number that Python has for it. Connections use at least TLS 1.2.
fn check_min_version(value: &Value) -> Result<(), OptionProblem> {
    const MINIMUM_SUPPORTED: i64 = -2;
    const TLS_1_2: i64 = 0x0303;
    match optional(value, integer, "a number of Python's `ssl.TLSVersion`")? {
        None | Some(MINIMUM_SUPPORTED | ..=TLS_1_2) => Ok(()),
        Some(_) => Err(OptionProblem::Refused("TLS 1.2 cannot be refused here: let the Redis server refuse it")),
    }
}

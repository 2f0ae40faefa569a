//! The address, the login and the TLS of a Redis server: an entry of channels_redis' `hosts`.

use std::fmt;
use std::path::PathBuf;

use crate::layer::redis::connection_options::ConnectionOptions;
use crate::layer::redis::redis_url::{Place, RedisUrl};

/// One Redis server, or the master of a Sentinel group: an entry of a layer's hosts.
///
/// Converts from text with an address, as redis-py reads it: `redis://user:password@host:6379/0`, `rediss://..` (with the feature
/// `tls`), or `unix:///path/to/redis.sock?db=0`. A query can set `db`, `username`, `password`, `ssl_cert_reqs` and the other
/// options of redis-py: `rediss://host?ssl_ca_certs=/etc/redis/ca.pem`. A setter has priority over the address. An error in the
/// address is reported when the layer is opened.
///
/// ```
/// use channels_runtime::layer::RedisHost;
///
/// let plain = RedisHost::from("redis://127.0.0.1:6379/0");
/// let replicated = RedisHost::sentinel(["redis://10.0.0.1:26379", "redis://10.0.0.2:26379"], "mymaster")
///     .password("of the master");
/// // Sentinels with a login or TLS of their own are hosts, too.
/// let sentinels = ["10.0.0.1", "10.0.0.2"]
///     .map(|host| RedisHost::from(format!("rediss://{host}:26379")).ca_file("ca.pem").password("of the Sentinels"));
/// let secured = RedisHost::sentinel(sentinels, "mymaster").tls().ca_file("ca.pem").password("of the master");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct RedisHost {
    pub(super) location: Location,
    pub(super) options: ConnectionOptions,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Location {
    Server(Place),
    Sentinel {
        sentinels: Vec<RedisHost>,
        master: String,
    },
    /// An address that cannot be read: the problem.
    Unreadable(String),
}

/// A problem of a [`RedisHost`]. Its text contains no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct HostError(pub(super) String);

impl RedisHost {
    fn at(location: Location) -> Self {
        Self { location, options: ConnectionOptions::default() }
    }

    /// Returns the host for a server at this host name or IP address, and this port.
    pub(crate) fn tcp(host: impl Into<String>, port: u16) -> Self {
        Self::at(Location::Server(Place::Tcp { host: host.into(), port }))
    }

    /// Returns the host for a server at this Unix socket.
    pub(crate) fn unix(path: impl Into<String>) -> Self {
        Self::at(Location::Server(Place::Unix(path.into())))
    }

    /// Returns the host for the master with this name, which these Sentinels monitor. After a failover, connections go to
    /// the promoted master.
    ///
    /// Each Sentinel has its own login and TLS. Those of this host are for the master.
    pub fn sentinel<S: Into<Self>>(sentinels: impl IntoIterator<Item = S>, master: impl Into<String>) -> Self {
        let sentinels = sentinels.into_iter().map(Into::into).collect();
        Self::at(Location::Sentinel { sentinels, master: master.into() })
    }

    /// Sets the number of the database. Databases do not separate pub/sub layers.
    #[must_use]
    pub fn db(mut self, db: i64) -> Self {
        self.options.db = Some(db);
        self
    }

    /// Sets the username.
    #[must_use]
    pub fn username(mut self, username: impl Into<String>) -> Self {
        self.options.username = Some(username.into());
        self
    }

    /// Sets the password.
    #[must_use]
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.options.password = Some(password.into());
        self
    }

    /// Connects over TLS, like `rediss://` in an address. Needs the feature `tls`.
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.options.tls = Some(true);
        self
    }

    /// Sets a PEM file with root certificates for the server's certificate. They are trusted in addition to the root
    /// certificates of the system, as with `ssl_ca_certs` of redis-py. Needs TLS.
    #[must_use]
    pub fn ca_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.options.tls_options.ca_file = Some(file.into());
        self
    }

    /// Sets the PEM files with the client's certificate and its key, for a server with `tls-auth-clients yes`. Both can be the
    /// same file. The key is not encrypted. Needs TLS.
    #[must_use]
    pub fn client_certificate(mut self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.options.tls_options.certificate = Some(certificate.into());
        self.options.tls_options.key = Some(key.into());
        self
    }

    /// Accepts each certificate of the server, like `ssl_cert_reqs: none` of redis-py. The connection is encrypted, but another
    /// server can pose as this one. Needs TLS.
    #[must_use]
    pub fn accept_invalid_certificates(mut self) -> Self {
        self.options.tls_options.verify = Some(false);
        self
    }

    /// Accepts a certificate that names another server, like `ssl_check_hostname: false` of redis-py. A trusted issuer must have
    /// signed it. Needs TLS.
    #[must_use]
    pub fn accept_invalid_hostnames(mut self) -> Self {
        self.options.tls_options.verify_hostname = Some(false);
        self
    }

    /// Returns whether the address or a setter asks for TLS.
    pub(crate) fn is_tls(&self) -> bool {
        self.options.tls == Some(true)
    }

    /// Sets further options. An option of the address has priority, as in redis-py.
    pub(crate) fn with_defaults(mut self, options: ConnectionOptions) -> Self {
        self.options = self.options.or(options);
        self
    }

    /// Checks the address and the options, without reading a file.
    ///
    /// # Errors
    /// The address cannot be read, an option has no effect, or the feature `tls` is missing.
    pub(crate) fn check(&self) -> Result<(), HostError> {
        let fail = |problem: &str| Err(HostError(problem.into()));
        let is_tls = self.is_tls();
        match &self.location {
            Location::Unreadable(problem) => return fail(problem),
            Location::Server(Place::Unix(_)) if is_tls => return fail("a Unix socket has no TLS"),
            Location::Sentinel { sentinels, .. } if sentinels.is_empty() => {
                return fail("the list of Sentinels is empty");
            }
            Location::Sentinel { sentinels, .. } => {
                for sentinel in sentinels {
                    if matches!(sentinel.location, Location::Sentinel { .. }) {
                        return fail("a Sentinel is a server, not another Sentinel group");
                    }
                    if sentinel.options.db.is_some_and(|db| db != 0) {
                        return fail("a Sentinel has no databases: set `db` next to `sentinels`, for the master");
                    }
                    sentinel.check()?;
                }
            }
            Location::Server(_) => {}
        }
        let tls = &self.options.tls_options;
        if is_tls {
            if !cfg!(feature = "tls") {
                return fail("TLS needs the feature `tls` of channels-runtime");
            }
            if tls.key.is_some() && tls.certificate.is_none() {
                return fail("`ssl_keyfile` has no effect without `ssl_certfile`");
            }
        } else if let Some(option) = tls.first_set() {
            let problem =
                format!("`{option}` has no effect without TLS: write `rediss://` in an address, or \"ssl\": true");
            return fail(&problem);
        }
        Ok(())
    }
}

#[cfg(test)]
impl RedisHost {
    /// Returns the meaning of the host, in the form of `corpus/redis_hosts.json`.
    pub(crate) fn meaning(&self) -> serde_json::Value {
        use serde_json::json;

        let mut meaning = match &self.location {
            Location::Server(Place::Tcp { host, port }) => json!({"host": host, "port": port}),
            Location::Server(Place::Unix(path)) => json!({"path": path}),
            Location::Sentinel { sentinels, master } => {
                json!({"master": master, "sentinels": sentinels.iter().map(Self::meaning).collect::<Vec<_>>()})
            }
            Location::Unreadable(problem) => panic!("{problem}"),
        };
        let ConnectionOptions { db, username, password, tls_options: tls, .. } = &self.options;
        meaning["db"] = db.unwrap_or_default().into();
        let has_login = username.is_some() || password.is_some();
        meaning["login"] =
            if has_login { json!([username, password.as_deref().unwrap_or_default()]) } else { json!(null) };
        let verify = tls.verify.unwrap_or(true);
        meaning["tls"] = match self.is_tls() {
            false => json!(null),
            true => json!({
                "verify": verify,
                "verify_hostname": verify && tls.verify_hostname.unwrap_or(true),
                "ca_file": tls.ca_file,
                "ca_folder": tls.ca_folder,
                "ca_data": tls.ca_data,
                "certificate": tls.certificate,
                "key": tls.key,
            }),
        };
        meaning
    }
}

impl From<&str> for RedisHost {
    fn from(url: &str) -> Self {
        match RedisUrl::parse(url) {
            Ok(RedisUrl { place, options }) => Self { location: Location::Server(place), options },
            Err(problem) => Self::at(Location::Unreadable(problem)),
        }
    }
}

impl From<String> for RedisHost {
    fn from(url: String) -> Self {
        url.as_str().into()
    }
}

// Without the login, because logs contain this text.
impl fmt::Debug for RedisHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.location {
            Location::Server(Place::Tcp { host, port }) => write!(f, "RedisHost({host}:{port})"),
            Location::Server(Place::Unix(path)) => write!(f, "RedisHost({path})"),
            Location::Sentinel { sentinels, master } => {
                write!(f, "RedisHost({master:?} of {} sentinels)", sentinels.len())
            }
            Location::Unreadable(problem) => write!(f, "RedisHost(unreadable: {problem})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setter_has_priority_over_address() {
        let host = RedisHost::from("redis://a:x@h/1").db(5).username("u").password("p");
        assert_eq!(host, RedisHost::tcp("h", 6379).db(5).username("u").password("p"));
        let defaults = RedisHost::tcp("h", 6379).db(5).username("u").options;
        assert_eq!(
            RedisHost::from("redis://h/1").with_defaults(defaults),
            RedisHost::tcp("h", 6379).db(1).username("u")
        );
    }

    #[test]
    fn debug_hides_passwords() {
        for url in ["redis://ann:secret@h:1/0", "unix:///run/redis.sock?password=secret", "redis://:secret#x@h"] {
            assert!(!format!("{:?}", RedisHost::from(url).password("secret")).contains("secret"));
        }
    }

    #[test]
    fn option_without_effect_is_error() {
        let sentinel = |host: &str| RedisHost::sentinel([host], "m");
        for (host, expected) in [
            (RedisHost::from("redis://h").ca_file("ca.pem"), "`ssl_ca_certs` has no effect without TLS"),
            (RedisHost::from("redis://h?ssl_cert_reqs=none"), "`ssl_cert_reqs` has no effect without TLS"),
            (RedisHost::from("unix:///s?ssl_certfile=c"), "`ssl_certfile` has no effect without TLS"),
            (RedisHost::from("unix:///s").tls(), "a Unix socket has no TLS"),
            (sentinel("redis://h").ca_file("ca.pem"), "`ssl_ca_certs` has no effect without TLS"),
            (sentinel("redis://h/3"), "a Sentinel has no databases"),
            (sentinel("redis://h?bd=3"), "unknown key `bd`"),
            (RedisHost::sentinel(Vec::<String>::new(), "m"), "the list of Sentinels is empty"),
            (RedisHost::sentinel([sentinel("redis://h")], "m"), "not another Sentinel group"),
        ] {
            let error = host.check().expect_err(expected).to_string();
            assert!(error.contains(expected), "{error}");
        }
        #[cfg(feature = "tls")]
        {
            let error = RedisHost::from("rediss://h?ssl_keyfile=k").check().unwrap_err().to_string();
            assert!(error.contains("`ssl_keyfile` has no effect without `ssl_certfile`"), "{error}");
        }
        #[cfg(not(feature = "tls"))]
        {
            let error = RedisHost::from("rediss://h").check().unwrap_err().to_string();
            assert!(error.contains("needs the feature `tls`"), "{error}");
        }
    }
}

//! The address and the login of a Redis server: the contents of an entry of channels_redis' `hosts`.

use std::fmt;
use std::path::PathBuf;

use deadpool_redis::redis::sentinel::SentinelNodeConnectionInfo;
use deadpool_redis::redis::{
    ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo, RedisConnectionInfo, RedisError, RedisResult,
    TlsMode, parse_redis_url,
};

/// One Redis server, or the master of a Sentinel group: an entry of a layer's hosts.
///
/// Converts from a string with an address: `redis://user:password@host:6379/0`, `rediss://..` (with the feature `tls`),
/// or `unix:///path/to/redis.sock?db=0`.
///
/// ```
/// use channels_runtime::layer::RedisHost;
///
/// let plain = RedisHost::from("redis://127.0.0.1:6379/0");
/// let replicated = RedisHost::sentinel(["redis://10.0.0.1:26379", "redis://10.0.0.2:26379"], "mymaster")
///     .password("of the master");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct RedisHost {
    location: Location,
    db: Option<i64>,
    username: Option<String>,
    password: Option<String>,
    tls: bool,
    ca: Option<PathBuf>,
}

#[derive(Clone, PartialEq, Eq)]
enum Location {
    Server(String),
    Sentinel { sentinels: Vec<String>, master: String, username: Option<String>, password: Option<String> },
}

impl RedisHost {
    fn at(location: Location) -> Self {
        Self { location, db: None, username: None, password: None, tls: false, ca: None }
    }

    /// Returns the host for the master with this name, which these Sentinels monitor. After a failover, connections go to
    /// the promoted master.
    pub fn sentinel<S: Into<String>>(sentinels: impl IntoIterator<Item = S>, master: impl Into<String>) -> Self {
        let sentinels = sentinels.into_iter().map(Into::into).collect();
        Self::at(Location::Sentinel { sentinels, master: master.into(), username: None, password: None })
    }

    /// Sets the login for the Sentinels themselves.
    #[must_use]
    pub fn sentinel_login(mut self, username: Option<&str>, password: &str) -> Self {
        if let Location::Sentinel { username: sentinel_username, password: sentinel_password, .. } = &mut self.location
        {
            (*sentinel_username, *sentinel_password) = (username.map(String::from), Some(password.into()));
        }
        self
    }

    /// Sets the number of the database. Databases do not separate pub/sub layers.
    #[must_use]
    pub fn db(mut self, db: i64) -> Self {
        self.db = Some(db);
        self
    }

    /// Sets the username.
    #[must_use]
    pub fn username(mut self, username: impl Into<String>) -> Self {
        self.username = Some(username.into());
        self
    }

    /// Sets the password.
    #[must_use]
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// Connects over TLS, like `rediss://` in an address. Needs the feature `tls`.
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Sets a PEM file with the root certificates for the server's certificate. Default: the root certificates of the
    /// system. Needs the feature `tls`.
    #[must_use]
    pub fn ca_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.ca = Some(file.into());
        self
    }

    #[cfg(feature = "tls")]
    pub(super) fn custom_ca_file(&self) -> Option<&PathBuf> {
        self.ca.as_ref()
    }

    /// Parses the address.
    ///
    /// # Errors
    /// If it is not an address, or needs the feature `tls`.
    pub(crate) fn read(&self) -> RedisResult<Target> {
        if !cfg!(feature = "tls") && (self.tls || self.ca.is_some()) {
            return Err(invalid("TLS needs the feature `tls` of channels-runtime"));
        }
        match &self.location {
            Location::Server(url) => {
                let info = connection_info(url)?;
                let login = self.login(info.redis_settings().clone());
                let info = if self.tls { over_tls(info)? } else { info };
                Ok(Target::Server(info.set_redis_settings(login)))
            }
            Location::Sentinel { sentinels, master, username, password } => {
                if sentinels.is_empty() {
                    return Err(invalid("the list of Sentinels is empty"));
                }
                let log_in = |url: &String| {
                    let info = connection_info(url)?;
                    let mut login = info.redis_settings().clone();
                    if let Some(username) = username {
                        login = login.set_username(username);
                    }
                    if let Some(password) = password {
                        login = login.set_password(password);
                    }
                    Ok(info.set_redis_settings(login))
                };
                let sentinels = sentinels.iter().map(log_in).collect::<RedisResult<Vec<_>>>()?;
                let login = self.login(RedisConnectionInfo::default());
                let mut node = SentinelNodeConnectionInfo::default().set_redis_connection_info(login);
                if self.tls {
                    node = node.set_tls_mode(TlsMode::Secure);
                }
                Ok(Target::Sentinel { sentinels, master: master.clone(), node })
            }
        }
    }

    fn login(&self, mut login: RedisConnectionInfo) -> RedisConnectionInfo {
        if let Some(db) = self.db {
            login = login.set_db(db);
        }
        if let Some(username) = &self.username {
            login = login.set_username(username);
        }
        if let Some(password) = &self.password {
            login = login.set_password(password);
        }
        login
    }
}

/// A parsed address.
#[derive(Debug)]
pub(crate) enum Target {
    Server(ConnectionInfo),
    Sentinel { sentinels: Vec<ConnectionInfo>, master: String, node: SentinelNodeConnectionInfo },
}

fn invalid(problem: &'static str) -> RedisError {
    RedisError::from((ErrorKind::InvalidClientConfig, problem))
}

fn over_tls(info: ConnectionInfo) -> RedisResult<ConnectionInfo> {
    let ConnectionAddr::Tcp(host, port) = info.addr().clone() else {
        return Ok(info);
    };
    Ok(info.set_addr(ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }))
}

/// Parses an address like redis-py: the query can name a database, and a Unix socket has its login before the path or in
/// the query.
fn connection_info(url: &str) -> RedisResult<ConnectionInfo> {
    let not_an_address = || invalid("an address begins with redis://, rediss:// or unix://");
    if url.starts_with("rediss://") && !cfg!(feature = "tls") {
        return Err(invalid("rediss:// needs the feature `tls` of channels-runtime"));
    }
    let (parsed, login) = match url.strip_prefix("unix://").and_then(|rest| rest.split_once("@/")) {
        Some((login, path)) => {
            let parsed = parse_redis_url(&format!("unix:///{path}"));
            let login = parse_redis_url(&format!("redis://{login}@localhost")).ok_or_else(not_an_address)?;
            (parsed, Some(login.into_connection_info()?.redis_settings().clone()))
        }
        None => (parse_redis_url(url), None),
    };
    let parsed = parsed.ok_or_else(not_an_address)?;
    let query: Vec<(String, String)> =
        parsed.query_pairs().map(|(key, value)| (key.into_owned(), value.into_owned())).collect();
    let parameter = |key: &str| query.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
    let is_socket = parsed.scheme() == "unix";
    let info = parsed.into_connection_info()?;
    let mut settings = login.unwrap_or_else(|| info.redis_settings().clone());
    if let Some(db) = parameter("db") {
        settings = settings.set_db(db.parse().map_err(|_| invalid("the number of the database is not a number"))?);
    }
    if is_socket {
        if let Some(username) = parameter("username") {
            settings = settings.set_username(username);
        }
        if let Some(password) = parameter("password") {
            settings = settings.set_password(password);
        }
    }
    Ok(info.set_redis_settings(settings))
}

impl From<&str> for RedisHost {
    fn from(url: &str) -> Self {
        Self::at(Location::Server(url.into()))
    }
}

impl From<String> for RedisHost {
    fn from(url: String) -> Self {
        Self::at(Location::Server(url))
    }
}

// Addresses contain passwords, and logs contain this text.
impl fmt::Debug for RedisHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.location {
            Location::Server(url) => {
                let without_login = url.rsplit('@').next().unwrap_or_default();
                write!(f, "RedisHost({:?})", without_login.split('?').next().unwrap_or_default())
            }
            Location::Sentinel { sentinels, master, .. } => {
                write!(f, "RedisHost({master:?} of {} sentinels)", sentinels.len())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(host: impl Into<RedisHost>) -> (String, RedisConnectionInfo) {
        match host.into().read().unwrap() {
            Target::Server(info) => (info.addr().to_string(), info.redis_settings().clone()),
            Target::Sentinel { .. } => panic!("expected a server"),
        }
    }

    #[test]
    fn address_parses_like_in_redis_py() {
        for (url, expected, db, username, password) in [
            ("redis://localhost", "localhost:6379", 0, None, None),
            ("redis://127.0.0.1:6380/3", "127.0.0.1:6380", 3, None, None),
            ("redis://127.0.0.1:6380?db=4", "127.0.0.1:6380", 4, None, None),
            ("redis://ann:p%40ss@h:1/2", "h:1", 2, Some("ann"), Some("p@ss")),
            ("redis://:secret@h:1/0", "h:1", 0, None, Some("secret")),
            ("unix:///run/redis.sock", "/run/redis.sock", 0, None, None),
            ("unix:///run/redis.sock?db=2&password=x", "/run/redis.sock", 2, None, Some("x")),
            ("unix://ann@/run/redis.sock?db=1", "/run/redis.sock", 1, Some("ann"), None),
            ("unix://ann:p%40ss@/run/redis.sock", "/run/redis.sock", 0, Some("ann"), Some("p@ss")),
        ] {
            let (addr, login) = read(url);
            assert_eq!(addr, expected, "{url}");
            assert_eq!((login.db(), login.username(), login.password()), (db, username, password), "{url}");
        }
        let (_, login) = read(RedisHost::from("redis://h/1").db(5).username("u").password("p"));
        assert_eq!((login.db(), login.username(), login.password()), (5, Some("u"), Some("p")));
        for bad in ["http://h", "h:6379", "redis://h/x", "redis://h?db=x", ""] {
            assert!(RedisHost::from(bad).read().is_err(), "{bad}");
        }
    }

    #[test]
    fn debug_hides_passwords() {
        for url in ["redis://ann:secret@h:1/0", "unix:///run/redis.sock?password=secret"] {
            assert!(!format!("{:?}", RedisHost::from(url).password("secret")).contains("secret"));
        }
    }

    #[test]
    fn sentinel_login_differs_from_login_of_master() {
        let host = RedisHost::sentinel(["redis://a:26379", "redis://b:26379"], "mymaster")
            .sentinel_login(None, "of the sentinels")
            .password("of the master")
            .db(3);
        let Target::Sentinel { sentinels, master, .. } = host.read().unwrap() else { panic!("expected Sentinels") };
        assert_eq!((sentinels.len(), master.as_str()), (2, "mymaster"));
        assert_eq!(sentinels[1].redis_settings().password(), Some("of the sentinels"));
        assert!(RedisHost::sentinel(Vec::<String>::new(), "mymaster").read().is_err());
    }
}

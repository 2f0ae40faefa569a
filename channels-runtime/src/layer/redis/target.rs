//! The conversion of a [`RedisHost`] into the connection settings of the client library.

use deadpool_redis::redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo};

use crate::layer::redis::address::{HostError, Location, RedisHost};
use crate::layer::redis::connection_options::ConnectionOptions;
use crate::layer::redis::redis_url::Place;

/// The servers of a host.
#[derive(Debug)]
pub(super) enum Target {
    Server(ConnectionInfo),
    Sentinel {
        sentinels: Vec<ConnectionInfo>,
        master: String,
        /// The login and the TLS of the master. Its address is a placeholder.
        node: ConnectionInfo,
    },
}

impl Target {
    /// Reads the host, and the files of its certificates.
    ///
    /// # Errors
    /// The errors of [`RedisHost::check`], and those of the files.
    pub(super) fn new(host: &RedisHost) -> Result<Self, HostError> {
        host.check()?;
        match &host.location {
            Location::Server(place) => Ok(Self::Server(connection_info(place, &host.options)?)),
            Location::Sentinel { sentinels, master } => {
                let server = |sentinel: &RedisHost| match &sentinel.location {
                    Location::Server(place) => connection_info(place, &sentinel.options),
                    _ => Err(HostError("a Sentinel is a server".into())),
                };
                let sentinels = sentinels.iter().map(server).collect::<Result<_, _>>()?;
                let unknown = Place::Tcp { host: String::new(), port: 0 };
                let node = connection_info(&unknown, &host.options)?;
                Ok(Self::Sentinel { sentinels, master: master.clone(), node })
            }
            Location::Unreadable(problem) => Err(HostError(problem.clone())),
        }
    }
}

/// Returns this connection to another server, over TLS if it is over TLS.
pub(super) fn at_address(info: &ConnectionInfo, new_host: String, new_port: u16) -> ConnectionInfo {
    let mut address = info.addr().clone();
    match &mut address {
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
            (*host, *port) = (new_host, new_port);
        }
        other => *other = ConnectionAddr::Tcp(new_host, new_port),
    }
    info.clone().set_addr(address)
}

fn connection_info(place: &Place, options: &ConnectionOptions) -> Result<ConnectionInfo, HostError> {
    let is_tls = options.tls == Some(true);
    let address = match place {
        Place::Unix(path) => ConnectionAddr::Unix(path.into()),
        Place::Tcp { host, port } if is_tls => ConnectionAddr::TcpTls {
            host: host.clone(),
            port: *port,
            insecure: options.tls_options.verify == Some(false),
            tls_params: None,
        },
        Place::Tcp { host, port } => ConnectionAddr::Tcp(host.clone(), *port),
    };
    let mut login = RedisConnectionInfo::default();
    if let Some(db) = options.db {
        login = login.set_db(db);
    }
    if let Some(username) = &options.username {
        // A user without a password (`nopass`) logs in with an empty one. Without it, the client would not log in.
        login = login.set_username(username).set_password("");
    }
    if let Some(password) = &options.password {
        login = login.set_password(password);
    }
    let info = address.into_connection_info().map_err(|error| HostError(error.to_string()))?.set_redis_settings(login);
    #[cfg(feature = "tls")]
    if is_tls {
        return crate::layer::redis::tls::with_certificates(info, &options.tls_options);
    }
    Ok(info)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn login_has_empty_password_only_for_user_without_one() {
        for (url, username, password) in [
            ("redis://h", None, None),
            ("redis://:@h", None, None),
            ("redis://ann@h", Some("ann"), Some("")),
            ("redis://ann:p%40ss@h", Some("ann"), Some("p@ss")),
            ("redis://:secret@h", None, Some("secret")),
        ] {
            let Target::Server(info) = Target::new(&url.into()).unwrap() else { panic!("expected a server") };
            let login = info.redis_settings();
            assert_eq!((login.username(), login.password()), (username, password), "{url}");
        }
    }

    #[test]
    fn sentinel_login_differs_from_login_of_master() {
        let sentinels = ["a", "b"].map(|host| RedisHost::tcp(host, 26379).password("of the sentinels"));
        let host = RedisHost::sentinel(sentinels, "mymaster").password("of the master").db(3);
        let Target::Sentinel { sentinels, master, node } = Target::new(&host).unwrap() else {
            panic!("expected Sentinels")
        };
        assert_eq!((sentinels.len(), master.as_str()), (2, "mymaster"));
        assert_eq!(sentinels[1].addr().to_string(), "b:26379");
        assert_eq!(sentinels[1].redis_settings().password(), Some("of the sentinels"));
        let node = at_address(&node, "10.0.0.9".into(), 6380);
        assert_eq!((node.addr().to_string().as_str(), node.redis_settings().db()), ("10.0.0.9:6380", 3));
        assert_eq!(node.redis_settings().password(), Some("of the master"));
    }
}

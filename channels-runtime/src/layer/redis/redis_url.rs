//! The address of a Redis server as a URL, read as redis-py reads it.

use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::layer::redis::connection_options::{ConnectionOptions, OptionProblem};

/// The host of redis-py when an address names none.
pub(crate) const DEFAULT_HOST: &str = "localhost";
/// The port of redis-py when an address names none.
pub(crate) const DEFAULT_PORT: u16 = 6379;

/// The texts that mean false in a query, in upper case.
const FALSE: [&str; 5] = ["0", "F", "FALSE", "N", "NO"];

/// An address: the place, and the options that it contains.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RedisUrl {
    pub(super) place: Place,
    pub(super) options: ConnectionOptions,
}

/// The place of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Tcp { host: String, port: u16 },
    Unix(String),
}

impl RedisUrl {
    /// Parses an address as redis-py's `parse_url`. Text that redis-py drops silently is an error here, because it has no effect:
    /// a fragment, a path that is not a number, and text between `unix://` and the path.
    ///
    /// # Errors
    /// The problem, without the login of the address.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let no_scheme = "an address begins with `redis://`, `rediss://` or `unix://`";
        let (scheme, rest) = url.trim().split_once("://").ok_or(no_scheme)?;
        if rest.contains('#') {
            return Err("an address has no part after `#`: in a password, write `%23`".into());
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path_of_url) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let (login, server) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (username, password) = login.split_once(':').unwrap_or((login, ""));
        // Before the query: if a password contains `?`, the port is wrong, and the query contains the rest of the password.
        let (host_of_url, port_of_url) = host_and_port(server)?;
        let mut options = ConnectionOptions::default();
        let mut place = [None, None, None];
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            // redis-py decodes twice, takes the first of several values, and ignores empty ones.
            let value = decoded(&value);
            match place_index(&name) {
                _ if value.is_empty() => {}
                Some(index) => _ = place[index].get_or_insert(value),
                None => set(&mut options, &name, value)?,
            }
        }
        let [host, port, path] = place;
        // The login before the host has priority over one in the query.
        let login = |text| Some(decoded(text)).filter(|text| !text.is_empty());
        options.username = login(username).or(options.username);
        options.password = login(password).or(options.password);
        let unused = |name: &str| Err(format!("`{name}` in the query of the address has no effect here"));
        let place = match scheme.to_ascii_lowercase().as_str() {
            "unix" => {
                if !server.is_empty() {
                    return Err("the path of a socket begins after three slashes: `unix:///run/redis.sock`".into());
                }
                if host.is_some() || port.is_some() {
                    return unused(if host.is_some() { "host" } else { "port" });
                }
                let named = Some(decoded(path_of_url)).filter(|path| !path.is_empty()).or(path);
                Place::Unix(named.ok_or("the path of the socket is missing: write `unix:///run/redis.sock`")?)
            }
            scheme @ ("redis" | "rediss") => {
                if path.is_some() {
                    return unused("path");
                }
                if host_of_url.is_some() && host.is_some() {
                    return unused("host");
                }
                if port_of_url.is_some() && port.is_some() {
                    return unused("port");
                }
                let port = port.map(|port| parse_port(port.trim())).transpose()?.or(port_of_url);
                let db = path_of_url.trim_matches('/');
                if !db.is_empty() {
                    let db =
                        decoded(db).trim().parse().map_err(|_| "the path of an address is the number of a database")?;
                    // A number in the query has priority.
                    options.db.get_or_insert(db);
                }
                if scheme == "rediss" {
                    options.tls = Some(true);
                }
                Place::Tcp {
                    host: host_of_url.or(host).unwrap_or_else(|| DEFAULT_HOST.into()),
                    port: port.unwrap_or(DEFAULT_PORT),
                }
            }
            _ => return Err(no_scheme.into()),
        };
        Ok(Self { place, options })
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn place_index(name: &str) -> Option<usize> {
    ["host", "port", "path"].iter().position(|known| *known == name)
}

/// Sets an option from a query. The first of several values has priority.
fn set(options: &mut ConnectionOptions, name: &str, value: String) -> Result<(), String> {
    let value = match name {
        "ssl" => return Err("`ssl` in the query of an address: write `rediss://`".into()),
        "ssl_check_hostname" => Value::Bool(!FALSE.contains(&value.to_ascii_uppercase().as_str())),
        _ => Value::String(value),
    };
    let mut read = ConnectionOptions::default();
    let outcome = read.set(name, &value);
    *options = std::mem::take(options).or(read);
    outcome.map_err(|problem| {
        let name: String = name.chars().take(50).flat_map(char::escape_debug).collect();
        match problem {
            OptionProblem::Unknown => {
                let legal = ConnectionOptions::names();
                format!("unknown key `{name}` in the query of the address; legal are {legal}")
            }
            OptionProblem::IsNot(wanted) => format!("`{name}` in the query of the address is not {wanted}"),
            OptionProblem::Refused(reason) => format!("`{name}` in the query of the address: {reason}"),
        }
    })
}

/// Parses `host:port`, `[address]:port`, or only a part of it.
fn host_and_port(server: &str) -> Result<(Option<String>, Option<u16>), String> {
    let (host, port) = match server.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or("`]` is missing after an IPv6 address")?;
            let port = if port.is_empty() { None } else { Some(port.strip_prefix(':').ok_or(NO_PORT)?) };
            (host, port)
        }
        None => match server.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (server, None),
        },
    };
    let host = Some(decoded(host).to_lowercase()).filter(|host| !host.is_empty());
    // As in redis-py, the port 0 is the default.
    let port = port.filter(|port| !port.is_empty()).map(parse_port).transpose()?.filter(|port| *port > 0);
    Ok((host, port))
}

const NO_PORT: &str = "the port of an address is a number up to 65535; in a password, write `/`, `?`, `@` and `:` as `%2F`, `%3F`, \
                       `%40` and `%3A`";

fn parse_port(port: &str) -> Result<u16, String> {
    port.parse().map_err(|_| NO_PORT.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problem_of_address_names_key_without_secret() {
        for (url, expected) in [
            ("http://h", "begins with `redis://`"),
            ("h:6379", "begins with `redis://`"),
            ("", "begins with `redis://`"),
            ("redis://h/x", "the number of a database"),
            ("redis://h/1/2", "the number of a database"),
            ("redis://h?db=x", "`db` in the query of the address is not a number"),
            ("redis://h?bd=3", "unknown key `bd` in the query of the address; legal are db, username"),
            ("unix:///s?bd=3", "unknown key `bd`"),
            ("unix:///s?pass=secret", "unknown key `pass`"),
            ("rediss://h?ssl_cert_reqs=CERT_NONE", "`ssl_cert_reqs` in the query of the address is not \"none\""),
            ("rediss://h?ssl_ciphers=ALL", "`ssl_ciphers` in the query of the address: the cipher suites"),
            ("redis://h?ssl=true", "write `rediss://`"),
            ("redis://h?host=secret", "`host` in the query of the address has no effect"),
            ("redis://:sec#ret@h", "write `%23`"),
            ("redis://:sec/ret@h", "in a password, write"),
            ("redis://:sec?sec=ret@h", "in a password, write"),
            ("redis://h:70000", "a number up to 65535"),
            ("redis://[::1", "`]` is missing"),
            ("unix://run/redis.sock", "three slashes"),
            ("unix://", "the path of the socket is missing"),
        ] {
            let problem = RedisUrl::parse(url).expect_err(url);
            assert!(problem.contains(expected), "{url}: {problem}");
            assert!(!problem.contains("sec"), "{problem}");
        }
    }
}

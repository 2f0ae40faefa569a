//! The facts of a connection, fixed when it is made.

use std::any::Any;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use http::{HeaderMap, Uri};

/// Headers that the handshake has used up; nobody needs them afterwards.
const OF_THE_HANDSHAKE: [&str; 6] = [
    "connection",
    "upgrade",
    "sec-websocket-key",
    "sec-websocket-version",
    "sec-websocket-extensions",
    "sec-websocket-protocol",
];

/// Path, query, headers, cookies, subprotocols, address and user of a connection.
///
/// It is kept for the connection's whole life, so it is packed: one block of text, without the headers that belong to the
/// handshake alone.
#[derive(Clone)]
pub struct Scope {
    /// Lines: the path; the query behind its `?`, or nothing; the subprotocols with commas between them; the client's
    /// address, or nothing; and then a line for each header, `name:value`, the name in lower case. None of them can hold a
    /// line feed.
    facts: Box<[u8]>,
    user: Option<Arc<dyn Any + Send + Sync>>,
}

impl Scope {
    /// That of a worker: its path is the channel that it reads.
    pub(crate) fn of_worker(channel: &str) -> Self {
        Self { facts: format!("{channel}\n\n\n").into_bytes().into(), user: None }
    }

    pub(crate) fn new(uri: &Uri, headers: &HeaderMap, client: Option<SocketAddr>) -> Self {
        let mut facts = uri.path().as_bytes().to_vec();
        facts.push(b'\n');
        if let Some(query) = uri.query() {
            facts.push(b'?');
            facts.extend_from_slice(query.as_bytes());
        }
        facts.push(b'\n');
        for offered in headers.get_all("sec-websocket-protocol") {
            facts.extend_from_slice(offered.as_bytes());
            facts.push(b',');
        }
        facts.push(b'\n');
        if let Some(client) = client {
            facts.extend_from_slice(client.to_string().as_bytes());
        }
        for (name, value) in headers {
            if !OF_THE_HANDSHAKE.contains(&name.as_str()) {
                facts.push(b'\n');
                facts.extend_from_slice(name.as_str().as_bytes());
                facts.push(b':');
                facts.extend_from_slice(value.as_bytes());
            }
        }
        Self { facts: facts.into(), user: None }
    }

    fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.facts.split(|byte| *byte == b'\n')
    }

    fn line(&self, number: usize) -> &str {
        // The path and the query of a URI are text; a header that is none counts as not there.
        self.lines().nth(number).and_then(|line| std::str::from_utf8(line).ok()).unwrap_or_default()
    }

    fn headers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.lines().skip(4).filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            Some((&line[..colon], &line[colon + 1..]))
        })
    }

    /// The path of the request, still percent-encoded: `/ws/chat/lobby/`.
    pub fn path(&self) -> &str {
        self.line(0)
    }

    /// What stands behind the `?`, still percent-encoded.
    pub fn query_string(&self) -> Option<&str> {
        self.line(1).strip_prefix('?')
    }

    /// A header, if it is there and is text. The first one, if there are several of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers()
            .find(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()))
            .and_then(|(_, value)| std::str::from_utf8(value).ok())
    }

    /// A cookie.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.headers()
            .filter(|(known, _)| *known == b"cookie")
            .filter_map(|(_, value)| std::str::from_utf8(value).ok())
            .flat_map(|cookies| cookies.split(';'))
            .filter_map(|cookie| cookie.trim().split_once('='))
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.trim_matches('"'))
    }

    /// The subprotocols that the client offers, in its order of preference.
    pub fn subprotocols(&self) -> impl Iterator<Item = &str> {
        self.line(2).split(',').map(str::trim).filter(|offered| !offered.is_empty())
    }

    /// The address of the peer: the client's, or that of the proxy in front.
    pub fn client(&self) -> Option<SocketAddr> {
        self.line(3).parse().ok()
    }

    /// Who it is: what the authenticator of [`Channels`](crate::Channels) found out, if it made a `U`.
    pub fn user<U: Any + Send + Sync>(&self) -> Option<&U> {
        self.user.as_deref()?.downcast_ref()
    }

    pub(crate) fn set_user(&mut self, user: Option<Arc<dyn Any + Send + Sync>>) {
        self.user = user;
    }
}

impl fmt::Debug for Scope {
    // Neither query nor headers: they hold tokens and cookies, and this goes to logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("path", &self.path()).field("client", &self.client()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(headers: &[(&'static str, &str)]) -> Scope {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        Scope::new(&"/ws/chat/lob%20by/?token=1".parse().unwrap(), &headers, None)
    }

    #[test]
    fn a_scope_keeps_what_a_consumer_may_ask_for() {
        let scope = scope(&[
            ("host", "example.org"),
            ("cookie", "a=1; sessionid=\"x=y\""),
            ("sec-websocket-protocol", "chat.v2, chat.v1"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ]);
        assert_eq!(scope.path(), "/ws/chat/lob%20by/");
        assert_eq!(scope.query_string(), Some("token=1"));
        assert_eq!(scope.header("Host"), Some("example.org"));
        assert_eq!(scope.header("sec-websocket-key"), None);
        assert_eq!(scope.cookie("sessionid"), Some("x=y"));
        assert_eq!(scope.cookie("b"), None);
        assert_eq!(scope.subprotocols().collect::<Vec<_>>(), ["chat.v2", "chat.v1"]);
        assert_eq!(scope.client(), None);
        assert!(!format!("{scope:?}").contains("token"));
        for address in ["127.0.0.1:80", "[fe80::1%3]:443"] {
            let scope = Scope::new(&"/".parse().unwrap(), &HeaderMap::new(), Some(address.parse().unwrap()));
            assert_eq!(scope.client(), Some(address.parse().unwrap()));
        }
    }
}

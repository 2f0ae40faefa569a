//! The scope: the properties of a connection that are fixed at connect.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use http::{HeaderMap, Uri};

use crate::user::{SomeUser, shared_user_as, user_as};

/// Headers that only the handshake needs. They are not stored.
const HANDSHAKE_HEADERS: [&str; 6] = [
    "connection",
    "upgrade",
    "sec-websocket-key",
    "sec-websocket-version",
    "sec-websocket-extensions",
    "sec-websocket-protocol",
];

/// The subprotocol that marks the next one as a token.
pub(crate) const BEARER: &str = "bearer";

/// The path, query, headers, cookies, subprotocols, client address and user of a connection.
///
/// A scope is kept while its connection is open, so it is compact: it is one block of text, without the headers that only the
/// handshake needs.
#[derive(Clone)]
pub struct Scope {
    /// Lines of text, none of which can contain a line feed:
    ///
    /// 1. the path
    /// 2. the query with its `?`; empty without a query
    /// 3. the subprotocols, separated by commas
    /// 4. the client's address; empty if it is unknown
    /// 5. one line for each header, `name:value`, with the name in lower case
    facts: Box<[u8]>,
    user: Option<SomeUser>,
}

impl Scope {
    /// Creates the scope of a worker. Its path is the worker's channel.
    pub(crate) fn of_worker(channel: &str) -> Self {
        Self { facts: format!("{channel}\n\n\n").into_bytes().into(), user: None }
    }

    /// Creates the scope of a request. `token_parameter` is the query parameter that may hold a token.
    pub(crate) fn new(
        uri: &Uri,
        headers: &HeaderMap,
        client: Option<SocketAddr>,
        token_parameter: Option<&str>,
    ) -> Self {
        let mut facts = uri.path().as_bytes().to_vec();
        facts.push(b'\n');
        if let Some(query) = uri.query() {
            facts.push(b'?');
            facts.extend_from_slice(query.as_bytes());
        }
        facts.push(b'\n');
        let (subprotocols, token) = offered(headers);
        facts.extend_from_slice(subprotocols.join(",").as_bytes());
        facts.push(b'\n');
        if let Some(client) = client {
            facts.extend_from_slice(client.to_string().as_bytes());
        }
        for (name, value) in headers {
            if !HANDSHAKE_HEADERS.contains(&name.as_str()) {
                facts.push(b'\n');
                facts.extend_from_slice(name.as_str().as_bytes());
                facts.push(b':');
                facts.extend_from_slice(value.as_bytes());
            }
        }
        if !headers.contains_key(AUTHORIZATION) {
            let parameter = token_parameter.zip(uri.query()).and_then(|(parameter, query)| {
                form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == parameter).map(|(_, token)| token)
            });
            // A line feed would add another line to the facts. No token contains one.
            let token = token.map(Cow::Borrowed).or(parameter).filter(|token| !token.contains('\n'));
            if let Some(token) = token {
                facts.extend_from_slice(b"\nauthorization:Bearer ");
                facts.extend_from_slice(token.as_bytes());
            }
        }
        Self { facts: facts.into(), user: None }
    }

    /// Returns the number of bytes that the scope keeps.
    pub(crate) fn size(&self) -> usize {
        self.facts.len()
    }

    fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.facts.split(|byte| *byte == b'\n')
    }

    fn line(&self, number: usize) -> &str {
        // The path and the query of a URI are always valid UTF-8. Any other line that is not counts as empty.
        self.lines().nth(number).and_then(|line| std::str::from_utf8(line).ok()).unwrap_or_default()
    }

    fn headers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.lines().skip(4).filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            Some((&line[..colon], &line[colon + 1..]))
        })
    }

    /// Returns the path of the request, percent-encoded: `/ws/chat/lobby/`.
    pub fn path(&self) -> &str {
        self.line(0)
    }

    /// Returns the query after the `?`, percent-encoded.
    pub fn query_string(&self) -> Option<&str> {
        self.line(1).strip_prefix('?')
    }

    /// Returns the first header with this name, if its value is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.header_bytes(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Returns the first header with this name.
    pub(crate) fn header_bytes(&self, name: &str) -> Option<&[u8]> {
        self.headers().find(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }

    /// Returns all cookies, `name=value`, in their order. They are bytes, because one cookie that is not UTF-8 must not hide the
    /// others.
    pub(crate) fn cookies(&self) -> impl Iterator<Item = &[u8]> {
        let lines = self.headers().filter(|(known, _)| *known == b"cookie");
        let cookies = lines.flat_map(|(_, line)| line.split(|byte| *byte == b';'));
        cookies.map(<[u8]>::trim_ascii).filter(|cookie| !cookie.is_empty())
    }

    /// Returns the value of a cookie, without quotes around it. `None` if the value is not UTF-8.
    ///
    /// Of several cookies with this name the last one applies, as in Django.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let cookies = self.cookies().filter_map(|cookie| {
            let equals = cookie.iter().position(|byte| *byte == b'=')?;
            Some((cookie[..equals].trim_ascii(), cookie[equals + 1..].trim_ascii()))
        });
        let (_, value) = cookies.filter(|(known, _)| *known == name.as_bytes()).last()?;
        let value = std::str::from_utf8(value).ok()?;
        Some(value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value))
    }

    /// Returns the token of `Authorization: Bearer <token>`.
    ///
    /// A script on a page cannot send this header with a WebSocket. It has two other ways to send the token:
    ///
    /// - Two subprotocols, `new WebSocket(url, ["bearer", token])`. The response selects `bearer` unless the consumer selects
    ///   another subprotocol.
    /// - A parameter in the query, if [`token_parameter`](crate::ChannelsBuilder::token_parameter) allows it.
    ///
    /// The header has precedence over the subprotocols, and these over the query.
    pub fn bearer_token(&self) -> Option<&str> {
        let (kind, token) = self.header("authorization")?.split_once(' ')?;
        Some(token.trim()).filter(|token| kind.eq_ignore_ascii_case("bearer") && !token.is_empty())
    }

    /// Returns the subprotocols that the client offers, in its order of preference, without `bearer` and the token after it.
    pub fn subprotocols(&self) -> impl Iterator<Item = &str> {
        self.line(2).split(',').map(str::trim).filter(|offered| !offered.is_empty())
    }

    /// Returns the address of the client: the peer's address, or the one that a
    /// [trusted proxy](crate::ChannelsBuilder::trusted_proxies) sends. The port is 0 if the proxy does not send one.
    pub fn client(&self) -> Option<SocketAddr> {
        self.line(3).parse().ok()
    }

    /// Returns the user that the [authenticator](crate::ChannelsBuilder::authenticator) returned for this client.
    ///
    /// Returns `None` if the authenticator accepted the client as anonymous.
    ///
    /// Also returns `None` for every client if the application has no authenticator, or if `U` is not exactly the type of its
    /// users. These two are mistakes in the program, and are logged as an error once for each `U`.
    pub fn user<U: Any + Send + Sync>(&self) -> Option<&U> {
        user_as(self.user.as_ref()?)
    }

    pub(crate) fn shared_user<U: Any + Send + Sync>(&self) -> Option<Arc<U>> {
        shared_user_as(self.user.as_ref()?)
    }

    /// Returns the user of any type, or a placeholder for it.
    #[cfg(feature = "backend")]
    pub(crate) fn marker(&self) -> Option<&SomeUser> {
        self.user.as_ref()
    }

    pub(crate) fn set_user(&mut self, user: Option<SomeUser>) {
        self.user = user;
    }
}

/// Returns the subprotocols that the client offers, and the token if one of them is `bearer` and a token follows.
fn offered(headers: &HeaderMap) -> (Vec<&str>, Option<&str>) {
    let lines = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|line| line.to_str().ok());
    let mut words = lines.flat_map(|line| line.split(',')).map(str::trim).filter(|word| !word.is_empty());
    let (mut subprotocols, mut token) = (Vec::new(), None);
    while let Some(word) = words.next() {
        if token.is_none() && word.eq_ignore_ascii_case(BEARER) {
            token = words.next();
            if token.is_some() {
                continue;
            }
        }
        subprotocols.push(word);
    }
    (subprotocols, token)
}

/// Returns whether the client sent its token as a subprotocol. Then its browser requires that the response selects a
/// subprotocol.
pub(crate) fn offers_bearer(headers: &HeaderMap) -> bool {
    offered(headers).1.is_some()
}

impl fmt::Debug for Scope {
    // The query and the headers are omitted: they contain tokens and cookies, and `Debug` output is logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("path", &self.path()).field("client", &self.client()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(headers: &[(&'static str, &str)]) -> Scope {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        Scope::new(&"/ws/chat/lob%20by/?token=1".parse().unwrap(), &headers, None, Some("token"))
    }

    #[test]
    fn scope_returns_properties_of_request() {
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
            let scope = Scope::new(&"/".parse().unwrap(), &HeaderMap::new(), Some(address.parse().unwrap()), None);
            assert_eq!(scope.client(), Some(address.parse().unwrap()));
        }
    }

    #[test]
    fn cookie_is_read_as_in_django() {
        let cookie = |lines: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("cookie", http::HeaderValue::from_bytes(line).unwrap());
            }
            Scope::new(&"/".parse().unwrap(), &headers, None, None).cookie("id").map(str::to_owned)
        };
        for (lines, wanted) in [
            // A browser sends the cookie of the longest path first, and Django's `parse_cookie` takes the last.
            (&[&b"id=1; id=2"[..]][..], Some("2")),
            (&[b"id=1", b"a=b; id=2"], Some("2")),
            (&[b"other=\xff; id=1"], Some("1")),
            (&[b"id=1; other=\xff\xfe; x"], Some("1")),
            (&[b"id=\xff"], None),
            (&[b"\xff", b"id=1"], Some("1")),
            (&[b"id = 1 ;b=2"], Some("1")),
            (&[b"id=\"1\""], Some("1")),
            (&[b"id=\"1"], Some("\"1")),
            (&[b"id=a=b"], Some("a=b")),
            (&[b"id="], Some("")),
            (&[b"xid=1; ID=2"], None),
        ] {
            assert_eq!(cookie(lines).as_deref(), wanted, "{lines:?}");
        }
    }

    #[test]
    fn token_is_found_in_header_subprotocols_and_query() {
        let token = |headers: &[(&'static str, &str)]| scope(headers).bearer_token().map(str::to_owned);
        let header = ("authorization", "bearer  abc.def ");
        let offer = ("sec-websocket-protocol", "chat.v2, Bearer, x.y-z, chat.v1");
        assert_eq!(token(&[header, offer]).as_deref(), Some("abc.def"));
        assert_eq!(token(&[offer]).as_deref(), Some("x.y-z"));
        assert_eq!(token(&[]).as_deref(), Some("1"), "from the query");
        assert_eq!(token(&[("authorization", "Basic abc")]), None);
        assert_eq!(token(&[("authorization", "Bearer ")]), None);
        let offered = scope(&[offer]);
        assert_eq!(offered.subprotocols().collect::<Vec<_>>(), ["chat.v2", "chat.v1"]);
        let alone = scope(&[("sec-websocket-protocol", "bearer")]);
        assert_eq!(alone.subprotocols().collect::<Vec<_>>(), ["bearer"]);
        let uri = "/?a=b&token=x%0Acookie:sessionid=1".parse().unwrap();
        assert_eq!(Scope::new(&uri, &HeaderMap::new(), None, Some("token")).cookie("sessionid"), None);
        assert_eq!(Scope::new(&uri, &HeaderMap::new(), None, Some("token")).bearer_token(), None);
        let uri = "/?token=x".parse().unwrap();
        assert_eq!(
            Scope::new(&uri, &HeaderMap::new(), None, None).bearer_token(),
            None,
            "the query is not read by default"
        );
    }
}

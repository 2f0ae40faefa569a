//! Which pages may connect: what Django Channels' `OriginValidator` does, and the same host where nothing is said.
//!
//! A browser sends a site's cookies along with a WebSocket handshake, whichever page opens it. Without this check, any page
//! on the web could talk to the server in the name of whoever looks at it.

use crate::error::SettingsError;

/// The pages that may connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origins {
    /// Those from the host, and port, that the handshake goes to.
    SameHost,
    /// Those that fit one of these.
    Listed(Vec<Pattern>),
}

impl Origins {
    pub(crate) fn listed<S: AsRef<str>>(patterns: impl IntoIterator<Item = S>) -> Result<Self, SettingsError> {
        patterns.into_iter().map(|pattern| Pattern::new(pattern.as_ref())).collect::<Result<_, _>>().map(Self::Listed)
    }

    /// Whether a page of this origin may connect to this host.
    pub(crate) fn allow(&self, origin: &str, host: Option<&str>) -> bool {
        match self {
            Self::SameHost => {
                Origin::new(origin).zip(host.and_then(host_and_port)).is_some_and(|(origin, (host, port))| {
                    let port = port.or(default_port(&origin.scheme));
                    origin.host == host && origin.port == port
                })
            }
            Self::Listed(patterns) => {
                let origin = Origin::new(origin);
                patterns.iter().any(|pattern| match (pattern, &origin) {
                    (Pattern::Any, _) => true,
                    (Pattern::Host(domain), Some(origin)) => domain.holds(&origin.host),
                    (Pattern::Whole { scheme, domain, port }, Some(origin)) => {
                        *scheme == origin.scheme && *port == origin.port && domain.holds(&origin.host)
                    }
                    (_, None) => false,
                })
            }
        }
    }
}

/// `*`, `example.org`, `.example.org`, `https://example.org:8443`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pattern {
    Any,
    Host(Domain),
    Whole { scheme: String, domain: Domain, port: Option<u16> },
}

impl Pattern {
    fn new(pattern: &str) -> Result<Self, SettingsError> {
        let problem = |problem| SettingsError::Origin { pattern: pattern.to_owned(), problem };
        if pattern == "*" {
            return Ok(Self::Any);
        }
        let Some((scheme, rest)) = pattern.split_once("://") else {
            return match host_and_port(pattern) {
                Some((_, Some(_))) => Err(problem("with a port it needs its scheme, as in `https://example.org:8443`")),
                _ => Domain::new(pattern).map(Self::Host).map_err(problem),
            };
        };
        let scheme =
            scheme_of(scheme).ok_or_else(|| problem("before `://` stands a scheme, as in `https://example.org`"))?;
        let (host, port) = host_and_port(rest).ok_or_else(|| problem(NO_HOST))?;
        let port = port.or(default_port(&scheme));
        Ok(Self::Whole { scheme, domain: Domain::new(&host).map_err(problem)?, port })
    }
}

const NO_HOST: &str =
    "write `example.org`, `.example.org` for it and all below it, `https://example.org:8443`, or `*` for all";

/// A host; or, with a dot before it, a host and all below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Domain(String);

impl Domain {
    fn new(domain: &str) -> Result<Self, &'static str> {
        let domain = domain.to_ascii_lowercase();
        let name = domain.strip_prefix('.').unwrap_or(&domain);
        let is_one = is_host(name) && !domain.starts_with("..") && !domain.starts_with(".[");
        if is_one { Ok(Self(domain)) } else { Err(NO_HOST) }
    }

    /// Django's `is_same_domain`.
    fn holds(&self, host: &str) -> bool {
        match self.0.strip_prefix('.') {
            Some(name) => host == name || host.ends_with(&self.0),
            None => host == self.0,
        }
    }
}

/// The header `Origin`, if a page of a host sent it: not `null`, not a file.
struct Origin {
    scheme: String,
    host: String,
    port: Option<u16>,
}

impl Origin {
    fn new(origin: &str) -> Option<Self> {
        let (scheme, rest) = origin.split_once("://")?;
        let scheme = scheme_of(scheme)?;
        let (host, port) = host_and_port(rest)?;
        let port = port.or(default_port(&scheme));
        Some(Self { scheme, host, port })
    }
}

/// A scheme in lower case.
fn scheme_of(scheme: &str) -> Option<String> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    (!scheme.is_empty() && scheme.bytes().all(legal)).then(|| scheme.to_ascii_lowercase())
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    }
}

/// What stands for a host in a URL: no user, no path, nothing escaped.
fn is_host(host: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok()),
        None => !host.is_empty() && host.bytes().all(legal),
    }
}

/// `example.org:8000` in two parts, the host in lower case; nothing if it is more or less than that.
fn host_and_port(authority: &str) -> Option<(String, Option<u16>)> {
    let end_of_host = if authority.starts_with('[') { authority.find(']')? + 1 } else { 0 };
    let (host, port) = match authority[end_of_host..].find(':') {
        Some(colon) => {
            let (host, port) = authority.split_at(end_of_host + colon);
            let port = &port[1..];
            // `parse` would take a sign.
            if !port.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            (host, Some(port.parse().ok()?))
        }
        None => (authority, None),
    };
    is_host(host).then(|| (host.to_ascii_lowercase(), port))
}

/// The hosts that a request may name: Django's `ALLOWED_HOSTS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hosts(Option<Vec<Domain>>);

impl Hosts {
    pub(crate) fn any() -> Self {
        Self(None)
    }

    pub(crate) fn listed<S: AsRef<str>>(patterns: impl IntoIterator<Item = S>) -> Result<Self, SettingsError> {
        let mut domains = Vec::new();
        let mut any = false;
        for pattern in patterns {
            let pattern = pattern.as_ref();
            if pattern == "*" {
                any = true;
                continue;
            }
            let problem = "write `example.org`, `.example.org` for it and all below it, or `*` for all";
            let wrong = |_| SettingsError::Host { pattern: pattern.to_owned(), problem };
            domains.push(Domain::new(pattern).map_err(wrong)?);
        }
        Ok(Self((!any).then_some(domains)))
    }

    pub(crate) fn allow(&self, host: Option<&str>) -> bool {
        let Some(domains) = &self.0 else { return true };
        host.and_then(host_and_port).is_some_and(|(host, _)| domains.iter().any(|domain| domain.holds(&host)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_fits_what_it_says_and_no_more() {
        for (pattern, origin, wanted) in [
            ("example.org", "https://example.org", true),
            ("example.org", "https://example.org:8443", true),
            ("EXAMPLE.org", "https://Example.ORG", true),
            ("example.org", "https://www.example.org", false),
            ("example.org", "https://example.org.evil.net", false),
            ("example.org", "https://example.org@evil.net", false),
            ("example.org", "https://evil.net/https://example.org", false),
            (".example.org", "https://example.org", true),
            (".example.org", "https://notexample.org", false),
            (".example.org", "https://a.b.example.org:1", true),
            ("https://example.org", "https://example.org:443", true),
            ("https://example.org", "http://example.org", false),
            ("https://example.org:8443", "https://example.org:8443", true),
            ("https://example.org:8443", "https://example.org", false),
            ("[::1]", "http://[::1]:8000", true),
            ("http://[::1]:8000", "http://[::1]:8000", true),
            ("http://[::1]:8000", "http://[::1]:8001", false),
            ("chrome-extension://abcdef", "chrome-extension://abcdef", true),
            ("example.org", "null", false),
            ("example.org", "file://", false),
            ("example.org", "https://", false),
            ("example.org", "https://example.org:", false),
            ("example.org", "https://example.org:+443", false),
            ("example.org", "https://example.org:99999", false),
            ("example.org", "https://example.org/", false),
        ] {
            assert_eq!(Origins::listed([pattern]).unwrap().allow(origin, None), wanted, "{pattern} {origin}");
        }
    }

    #[test]
    fn the_same_host_is_the_same_host_and_port() {
        for (origin, host, wanted) in [
            ("http://127.0.0.1:8000", "127.0.0.1:8000", true),
            ("http://localhost:8000", "127.0.0.1:8000", false),
            ("http://localhost:8000", "localhost:8001", false),
            ("http://[::1]:8000", "[::1]:8000", true),
            ("https://example.org", "example.org", true),
            ("http://example.org", "EXAMPLE.org", true),
            ("https://example.org", "example.org:443", true),
            ("https://example.org:8443", "example.org", false),
            ("https://evil.net", "example.org", false),
            ("https://example.org.evil.net", "example.org", false),
            ("null", "null", false),
            ("", "", false),
        ] {
            assert_eq!(Origins::SameHost.allow(origin, Some(host)), wanted, "{origin} {host}");
        }
        assert!(!Origins::SameHost.allow("http://example.org", None));
    }

    #[test]
    fn a_pattern_that_can_fit_nothing_is_an_error() {
        for pattern in [
            "",
            ".",
            "*.example.org",
            "https://",
            "https://*.org",
            "example.org/",
            "https://example.org/x",
            "a b",
            "[::x]",
        ] {
            let error = Origins::listed([pattern]).unwrap_err().to_string();
            assert!(error.contains("write `example.org`"), "{error}");
        }
        for pattern in [" https://example.org", "://example.org", "http s://example.org"] {
            let error = Origins::listed([pattern]).unwrap_err().to_string();
            assert!(error.contains("before `://` stands a scheme"), "{error}");
        }
        let error = Origins::listed(["example.org:8000"]).unwrap_err().to_string();
        assert!(error.contains("needs its scheme"), "{error}");
        assert!(Hosts::listed(["https://example.org"]).is_err());
    }

    #[test]
    fn hosts_are_those_of_djangos_setting() {
        let hosts = Hosts::listed(["example.org", ".example.net", "[::1]"]).unwrap();
        for (host, wanted) in [
            ("example.org", true),
            ("EXAMPLE.ORG:8000", true),
            ("www.example.org", false),
            ("www.example.net", true),
            ("[::1]:8000", true),
            ("evil.net", false),
            ("", false),
        ] {
            assert_eq!(hosts.allow(Some(host)), wanted, "{host}");
        }
        assert!(!hosts.allow(None));
        assert!(Hosts::listed(["*"]).unwrap().allow(None) && Hosts::any().allow(Some("anything")));
    }
}

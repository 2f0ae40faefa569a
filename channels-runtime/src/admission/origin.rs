//! Origin and host checks: Django Channels' `OriginValidator` and Django's `ALLOWED_HOSTS`.
//!
//! A browser sends a site's cookies along with a WebSocket handshake, whichever page opens it. Without the origin check, any
//! page on the web could act for the user who looks at it.

use crate::error::SettingError;

/// The pages that may connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origins {
    /// Pages of the host and port of the handshake.
    SameHost,
    /// Pages that match a pattern.
    Listed(Vec<Pattern>),
}

impl Origins {
    /// Reads the patterns of `allowed_origins`, and adds a problem for each one that cannot match any origin.
    pub(crate) fn listed<S: AsRef<str>>(
        patterns: impl IntoIterator<Item = S>,
        problems: &mut Vec<SettingError>,
    ) -> Self {
        let read = |pattern: S| {
            let pattern = pattern.as_ref();
            let read = Pattern::new(pattern).map_err(|problem| format!("`{pattern}` is not an origin: {problem}"));
            read.map_err(|problem| problems.push(SettingError::new("allowed_origins", problem))).ok()
        };
        Self::Listed(patterns.into_iter().filter_map(read).collect())
    }

    /// Returns whether a page of this origin may connect to this host.
    pub(crate) fn allow(&self, header: &str, host: Option<&str>) -> bool {
        let origin = Origin::new(header);
        match self {
            Self::SameHost => origin.zip(host.and_then(host_and_port)).is_some_and(|(origin, (host, port))| {
                let port = port.or(default_port(&origin.scheme));
                origin.host == host && origin.port == port
            }),
            Self::Listed(patterns) => patterns.iter().any(|pattern| match (pattern, &origin) {
                (Pattern::Any, _) => true,
                (Pattern::Files, _) => header.eq_ignore_ascii_case(FILES),
                (Pattern::Host(domain), Some(origin)) => domain.holds(&origin.host),
                (Pattern::Whole { scheme, domain, port }, Some(origin)) => {
                    *scheme == origin.scheme && *port == origin.port && domain.holds(&origin.host)
                }
                (_, None) => false,
            }),
        }
    }
}

/// The origin of a page in an app on a phone that is loaded from a file.
const FILES: &str = "file://";

/// `*`, `example.org`, `.example.org`, `https://example.org:8443`, `file://`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pattern {
    Any,
    Files,
    Host(Domain),
    Whole { scheme: String, domain: Domain, port: Option<u16> },
}

impl Pattern {
    fn new(pattern: &str) -> Result<Self, &'static str> {
        match pattern.to_ascii_lowercase().as_str() {
            "*" => return Ok(Self::Any),
            FILES => return Ok(Self::Files),
            "null" => {
                return Err("any site can make a page with the origin `null`; write `*` if every page may connect");
            }
            _ => {}
        }
        let Some((scheme, rest)) = pattern.split_once("://") else {
            return match host_and_port(pattern) {
                Some((_, Some(_))) => Err("a port needs a scheme, as in `https://example.org:8443`"),
                _ => Domain::new(pattern).map(Self::Host),
            };
        };
        let scheme = scheme_of(scheme).ok_or("write a scheme before `://`, as in `https://example.org`")?;
        if scheme == "ws" || scheme == "wss" {
            return Err("an origin has the scheme of the page, not of the socket: write `https://` or `http://`");
        }
        let (host, port) = host_and_port(rest).ok_or(NO_HOST)?;
        if port == Some(0) {
            return Err("no page has the port 0");
        }
        let port = port.or(default_port(&scheme));
        Ok(Self::Whole { scheme, domain: Domain::new(&host)?, port })
    }
}

const NO_HOST: &str =
    "write `example.org`, `.example.org` for it and its subdomains, `https://example.org:8443`, or `*` for all";

/// A host; with a leading dot, a host and its subdomains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Domain(String);

impl Domain {
    fn new(domain: &str) -> Result<Self, &'static str> {
        let (dot, name) = domain.strip_prefix('.').map_or(("", domain), |name| (".", name));
        let name = normalised(name).filter(|name| dot.is_empty() || !name.starts_with('['));
        name.map(|name| Self(format!("{dot}{name}"))).ok_or(NO_HOST)
    }

    /// Returns whether this domain includes the host, as Django's `is_same_domain`.
    fn holds(&self, host: &str) -> bool {
        match self.0.strip_prefix('.') {
            Some(name) => host == name || host.ends_with(&self.0),
            None => host == self.0,
        }
    }
}

/// The header `Origin` of a page that has a host: not `null`, not a file.
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

/// Returns a legal scheme in lower case.
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

/// Returns the form of a host in which all its spellings are equal: in lower case, without the dot at the end of an absolute name
/// (as in Django), and with the shortest spelling of an IPv6 address (as in browsers). `None` if it is not a host.
fn normalised(host: &str) -> Option<String> {
    if let Some(rest) = host.strip_prefix('[') {
        let address: std::net::Ipv6Addr = rest.strip_suffix(']')?.parse().ok()?;
        return Some(format!("[{address}]"));
    }
    let host = host.strip_suffix('.').unwrap_or(host);
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let is_label = |label: &str| !label.is_empty() && label.bytes().all(legal);
    host.split('.').all(is_label).then(|| host.to_ascii_lowercase())
}

/// Returns whether this is a host with or without a port.
pub(crate) fn is_host_and_port(authority: &str) -> bool {
    host_and_port(authority).is_some()
}

/// Splits `example.org:8000` into the [normalised] host and the port. Returns `None` for anything else.
fn host_and_port(authority: &str) -> Option<(String, Option<u16>)> {
    let end_of_host = if authority.starts_with('[') { authority.find(']')? + 1 } else { 0 };
    let (host, port) = match authority[end_of_host..].find(':') {
        Some(colon) => {
            let (host, port) = authority.split_at(end_of_host + colon);
            let port = &port[1..];
            // `parse` would accept a sign.
            if !port.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            (host, Some(port.parse().ok()?))
        }
        None => (authority, None),
    };
    normalised(host).map(|host| (host, port))
}

/// The hosts that a request may name: Django's `ALLOWED_HOSTS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hosts(Option<Vec<Domain>>);

impl Hosts {
    pub(crate) fn any() -> Self {
        Self(None)
    }

    /// Reads the hosts of `allowed_hosts`, and adds a problem for each one that is not a host.
    pub(crate) fn listed<S: AsRef<str>>(
        patterns: impl IntoIterator<Item = S>,
        problems: &mut Vec<SettingError>,
    ) -> Self {
        let mut domains = Vec::new();
        let (mut any, mut is_empty) = (false, true);
        for pattern in patterns {
            is_empty = false;
            let pattern = pattern.as_ref();
            if pattern == "*" {
                any = true;
                continue;
            }
            match Domain::new(pattern) {
                Ok(domain) => domains.push(domain),
                Err(_) => {
                    let write = "write `example.org`, `.example.org` for it and its subdomains, or `*` for all";
                    let problem = format!("`{pattern}` is not a host: {write}");
                    problems.push(SettingError::new("allowed_hosts", problem));
                }
            }
        }
        if is_empty {
            let problem = "an empty list rejects every client; leave the setting out, or write `*` for all hosts";
            problems.push(SettingError::new("allowed_hosts", problem));
        }
        Self((!any).then_some(domains))
    }

    pub(crate) fn allow(&self, host: Option<&str>) -> bool {
        let Some(domains) = &self.0 else { return true };
        host.and_then(host_and_port).is_some_and(|(host, _)| domains.iter().any(|domain| domain.holds(&host)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads valid patterns.
    fn origins(patterns: &[&str]) -> Origins {
        let mut problems = Vec::new();
        let origins = Origins::listed(patterns, &mut problems);
        assert_eq!(problems, []);
        origins
    }

    /// Returns the problem of an invalid pattern.
    fn problem(pattern: &str) -> String {
        let mut problems = Vec::new();
        Origins::listed([pattern], &mut problems);
        problems.first().expect("a problem").to_string()
    }

    #[test]
    fn origin_pattern_matches_only_its_origins() {
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
            ("example.org", "https://example.org.", true),
            ("example.org.", "https://example.org", true),
            ("example.org", "https://example.org..", false),
            ("[0:0::1]", "http://[::1]:8000", true),
            ("file://", "file://", true),
            ("FILE://", "file://", true),
            ("file://", "null", false),
            ("file://", "https://file", false),
            ("example.org", "file://", false),
            ("example.org", "https://", false),
            ("example.org", "https://example.org:", false),
            ("example.org", "https://example.org:+443", false),
            ("example.org", "https://example.org:99999", false),
            ("example.org", "https://example.org/", false),
        ] {
            assert_eq!(origins(&[pattern]).allow(origin, None), wanted, "{pattern} {origin}");
        }
    }

    #[test]
    fn same_host_compares_host_and_port() {
        for (origin, host, wanted) in [
            ("http://127.0.0.1:8000", "127.0.0.1:8000", true),
            ("http://localhost:8000", "127.0.0.1:8000", false),
            ("http://localhost:8000", "localhost:8001", false),
            ("http://[::1]:8000", "[::1]:8000", true),
            ("https://example.org", "example.org", true),
            ("http://example.org", "EXAMPLE.org", true),
            ("http://example.org.", "example.org", true),
            ("http://example.org", "example.org.:80", true),
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
    fn pattern_without_host_is_error() {
        for pattern in [
            "",
            ".",
            "*.example.org",
            "https://",
            "https://*.org",
            "example.org/",
            "https://example.org/x",
            "a b",
            "a..b",
            "example.org..",
            "[::x]",
            ".[::1]",
        ] {
            let error = problem(pattern);
            assert!(error.contains("write `example.org`"), "{error}");
        }
        for pattern in [" https://example.org", "://example.org", "http s://example.org"] {
            let error = problem(pattern);
            assert!(error.contains("write a scheme before `://`"), "{error}");
        }
        for (pattern, expected) in [
            ("null", "write `*` if every page may connect"),
            ("wss://example.org", "write `https://` or `http://`"),
            ("https://example.org:0", "no page has the port 0"),
        ] {
            assert!(problem(pattern).contains(expected), "{pattern}: {}", problem(pattern));
        }
        let error = problem("example.org:8000");
        assert!(error.contains("a port needs a scheme"), "{error}");
        let mut problems = Vec::new();
        Hosts::listed(["https://example.org"], &mut problems);
        Hosts::listed(Vec::<String>::new(), &mut problems);
        assert_eq!(problems.len(), 2);
        assert!(problems[1].to_string().contains("an empty list rejects every client"), "{problems:?}");
    }

    #[test]
    fn hosts_match_as_djangos_allowed_hosts() {
        let mut problems = Vec::new();
        let hosts = Hosts::listed(["example.org", ".example.net", "[::1]", "dotted.example."], &mut problems);
        for (host, wanted) in [
            ("example.org", true),
            ("EXAMPLE.ORG:8000", true),
            ("www.example.org", false),
            ("www.example.net", true),
            ("[::1]:8000", true),
            ("[0:0:0:0:0:0:0:1]", true),
            ("example.org.", true),
            ("www.example.net.:8000", true),
            ("dotted.example", true),
            ("example.org..", false),
            ("evil.net", false),
            ("", false),
        ] {
            assert_eq!(hosts.allow(Some(host)), wanted, "{host}");
        }
        assert!(!hosts.allow(None));
        let all = Hosts::listed(["*"], &mut problems);
        assert!(all.allow(None) && Hosts::any().allow(Some("anything")) && problems.is_empty());
    }
}

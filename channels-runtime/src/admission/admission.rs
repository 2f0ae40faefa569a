//! Admission control: which pages and hosts may connect, and how many clients.
//!
//! Every check runs before any code of the application: an authenticator that queries a database never sees a handshake that is
//! rejected here.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use http::header::{HOST, ORIGIN};
use http::{HeaderMap, HeaderValue};

use crate::admission::open_files;
use crate::admission::open_files::FileShares;
use crate::admission::settings::Settings;
use crate::admission::stats::HandshakeCounters;
use crate::error::{Reject, shown};
use crate::support::{LogLimit, TokenBucket, count, lock, random_below};

/// The upper bound of `Retry-After`, in seconds. It is random, so that rejected clients do not all return together.
const RETRY_SPREAD: u64 = 5;

/// Admission control for a server.
#[derive(Debug)]
pub(crate) struct Admission {
    pub(crate) settings: Settings,
    pub(crate) counters: HandshakeCounters,
    /// For records of hosts and origins that are not allowed.
    denial_logs: LogLimit,
    max_connections: AtomicUsize,
    max_per_address: AtomicUsize,
    max_waiting: AtomicUsize,
    bucket: Mutex<TokenBucket>,
    admitted: AtomicUsize,
    /// Admitted connections by address; empty if there is no limit. Bound: `max_connections`.
    addresses: Mutex<HashMap<IpAddr, usize>>,
}

impl Admission {
    pub(crate) fn new(settings: Settings) -> Self {
        let admission = Self {
            max_connections: AtomicUsize::new(0),
            max_per_address: AtomicUsize::new(0),
            max_waiting: AtomicUsize::new(0),
            bucket: Mutex::new(TokenBucket::new(1, Instant::now())),
            settings,
            counters: HandshakeCounters::default(),
            denial_logs: LogLimit::default(),
            admitted: AtomicUsize::new(0),
            addresses: Mutex::default(),
        };
        admission.limit_by_files(open_files::soft_limit());
        admission
    }

    /// Sets the limits that have no setting of their own, and those that need more files than there are.
    fn limit_by_files(&self, files: usize) {
        let shares = FileShares::of(files, self.settings.max_waiting);
        let max_connections = self.settings.max_connections.unwrap_or(shares.connections);
        let max_per_address = self.settings.max_per_address.unwrap_or(max_connections.div_ceil(2));
        let rate = self.settings.handshakes_per_second;
        let rate = rate.unwrap_or_else(|| u32::try_from(shares.connections).unwrap_or(u32::MAX));
        self.max_connections.store(max_connections, Relaxed);
        self.max_per_address.store(max_per_address, Relaxed);
        self.max_waiting.store(shares.waiting, Relaxed);
        *lock(&self.bucket) = TokenBucket::new(rate, Instant::now());
    }

    /// Raises the limit of open files, and adapts the limits of sockets to it.
    pub(crate) fn raise_open_files(&self) {
        open_files::raise_soft_limit();
        let files = open_files::soft_limit();
        self.limit_by_files(files);
        let max_connections = self.max_connections();
        if max_connections > FileShares::of(files, self.settings.max_waiting).connections {
            tracing::warn!(
                max_connections,
                files,
                "`max_connections` needs more open files than the limit (`ulimit -n`)"
            );
        }
    }

    /// Returns the limit of waiting sockets.
    pub(crate) fn max_waiting(&self) -> usize {
        self.max_waiting.load(Relaxed)
    }

    /// Returns the limit of connections.
    pub(crate) fn max_connections(&self) -> usize {
        self.max_connections.load(Relaxed)
    }

    /// Returns the limit of connections from one address, if the address is limited.
    pub(crate) fn max_per_address(&self) -> usize {
        self.max_per_address.load(Relaxed)
    }

    /// Returns the number of admitted connections.
    pub(crate) fn admitted(&self) -> usize {
        self.admitted.load(Relaxed)
    }

    /// Returns the client's address: the one that a trusted proxy names, otherwise `peer`.
    pub(crate) fn client(&self, headers: &HeaderMap, peer: Option<SocketAddr>) -> Option<SocketAddr> {
        Some(self.settings.proxies.client(peer?, headers))
    }

    /// Checks the host and the origin of a request.
    pub(crate) fn check(&self, headers: &HeaderMap, peer: Option<SocketAddr>, path: &str) -> Result<(), Reject> {
        let Settings { origins, require_origin, hosts, proxies, .. } = &self.settings;
        let named = headers.get(HOST).and_then(|host| host.to_str().ok());
        let host = peer.and_then(|peer| proxies.host(peer, headers)).or(named);
        if !hosts.allow(host) {
            count(&self.counters.wrong_host);
            if self.denial_logs.allows() {
                let (host, path) = (host.map(shown), shown(path));
                tracing::warn!(host, path, "a handshake names a host that is not allowed; see `allowed_hosts`");
            }
            return Err(Reject::new(400).reason("this host is not served here"));
        }
        let mut given = headers.get_all(ORIGIN).iter();
        let allowed = match (given.next(), given.next()) {
            (None, _) => match headers.get("sec-fetch-site").map(HeaderValue::as_bytes) {
                // A browser omits the origin if a page requests something from its own host, and sends this header instead.
                Some(b"same-origin") => host.is_some_and(|host| {
                    ["https", "http"].iter().any(|scheme| origins.allow(&format!("{scheme}://{host}"), Some(host)))
                }),
                // Typed by the user, or not a browser.
                Some(b"none") | None => !require_origin,
                // A page of another site, in a request without CORS, for example for an image.
                Some(_) => false,
            },
            (Some(origin), None) => origin.to_str().is_ok_and(|origin| origins.allow(origin, host)),
            // A browser sends a single origin.
            (Some(_), Some(_)) => false,
        };
        if !allowed {
            count(&self.counters.wrong_origin);
            let origin = headers.get(ORIGIN).map(|origin| String::from_utf8_lossy(origin.as_bytes()));
            let origin = origin.as_deref().map(shown);
            if self.denial_logs.allows() {
                let (host, path) = (host.map(shown), shown(path));
                tracing::warn!(
                    origin,
                    host,
                    path,
                    "a handshake comes from an origin that is not allowed; see `allowed_origins`"
                );
            }
            let reason = match origin {
                Some(origin) => format!(
                    "pages of the origin `{origin}` may not connect to this server; to allow them, list the origin in \
                     `allowed_origins`"
                ),
                None => "a request without the header `Origin` may not connect to this server".into(),
            };
            return Err(Reject::forbidden().reason(reason));
        }
        Ok(())
    }

    /// Admits one more connection from this address, within the limits. Returns the address if it is counted.
    pub(crate) fn admit(&self, client: Option<SocketAddr>) -> Result<Option<Box<IpAddr>>, Reject> {
        let reject = |status, reason| Err(Reject::new(status).reason(reason).retry_after(retry_after()));
        if !lock(&self.bucket).take(Instant::now()) {
            count(&self.counters.too_fast);
            return reject(503, "too many clients are connecting; try again later");
        }
        let max_connections = self.max_connections();
        let one_more = |admitted| (admitted < max_connections).then_some(admitted + 1);
        if self.admitted.fetch_update(Relaxed, Relaxed, one_more).is_err() {
            count(&self.counters.full);
            return reject(503, "too many connections; try again later");
        }
        let max = self.max_per_address();
        // A private address may be a proxy that is missing from `trusted_proxies`. Then all clients share it.
        let is_limited = |client: IpAddr| self.settings.max_per_address.is_some() || !is_private(client);
        let Some(client) = client.map(|client| client.ip().to_canonical()).filter(|client| is_limited(*client)) else {
            return Ok(None);
        };
        if max >= max_connections {
            return Ok(None);
        }
        let address = counted_as(client);
        let mut addresses = lock(&self.addresses);
        let from_address = addresses.get(&address).copied().unwrap_or_default();
        if from_address >= max {
            drop(addresses);
            self.admitted.fetch_sub(1, Relaxed);
            count(&self.counters.address_full);
            return reject(429, "too many connections from your address");
        }
        addresses.insert(address, from_address + 1);
        Ok(Some(Box::new(address)))
    }

    /// Releases an admitted connection.
    pub(crate) fn release(&self, address: Option<&IpAddr>) {
        self.admitted.fetch_sub(1, Relaxed);
        let Some(address) = address else { return };
        let mut addresses = lock(&self.addresses);
        if let Entry::Occupied(mut from_address) = addresses.entry(*address) {
            *from_address.get_mut() -= 1;
            if *from_address.get() == 0 {
                from_address.remove();
            }
        }
        if addresses.len() * 4 < addresses.capacity() {
            let keep = addresses.len() * 2;
            addresses.shrink_to(keep);
        }
    }
}

/// Returns whether an address is of this machine or of a private network.
fn is_private(address: IpAddr) -> bool {
    match address {
        // The last range is for a provider's address translation (RFC 6598).
        IpAddr::V4(v4) => {
            v4.is_loopback() || v4.is_private() || v4.is_link_local() || matches!(v4.octets(), [100, 64..=127, ..])
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// Returns the part of an address that is counted: of IPv6, the 64 bits that a provider assigns to one home.
pub(crate) fn counted_as(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Returns a random delay for a client that was rejected under load.
pub(crate) fn retry_after() -> Duration {
    Duration::from_secs(1 + random_below(RETRY_SPREAD))
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;
    use crate::admission::origin::Origins;

    fn address(text: &str) -> Option<SocketAddr> {
        Some(SocketAddr::new(text.parse().unwrap(), 1))
    }

    #[test]
    fn address_limit_counts_and_releases() {
        let admission =
            Admission::new(Settings { max_connections: Some(5), max_per_address: Some(2), ..Settings::default() });
        let first = admission.admit(address("192.0.2.1")).unwrap();
        let mapped = admission.admit(address("::ffff:192.0.2.1")).unwrap();
        assert_eq!(first, mapped, "one address in two spellings");
        assert_eq!(admission.admit(address("192.0.2.1")).unwrap_err().status(), 429);
        // One home, two machines.
        admission.admit(address("2001:db8::1")).unwrap();
        admission.admit(address("2001:db8::2:3")).unwrap();
        assert_eq!(admission.admit(address("2001:db8::4")).unwrap_err().status(), 429);
        admission.admit(address("2001:db8:0:1::4")).unwrap();
        let full = admission.admit(address("192.0.2.9")).unwrap_err();
        assert_eq!(full.status(), 503);
        assert!((1..=5).contains(&full.delay().unwrap().as_secs()));
        let stats = admission.counters.snapshot();
        assert_eq!((admission.admitted(), stats.full, stats.address_full), (5, 1, 2));
        admission.release(first.as_deref());
        admission.admit(address("192.0.2.1")).unwrap();
        for client in ["192.0.2.1", "192.0.2.1", "2001:db8::", "2001:db8::", "2001:db8:0:1::"] {
            admission.release(Some(&client.parse().unwrap()));
        }
        assert!(admission.admitted() == 0 && lock(&admission.addresses).is_empty());
    }

    #[test]
    fn internet_address_gets_half_of_connections_by_default() {
        let admission = Admission::new(Settings { max_connections: Some(5), ..Settings::default() });
        for internet in ["203.0.113.5", "2001:db8::1"] {
            let permits: Vec<_> = (0..3).map(|_| admission.admit(address(internet)).unwrap()).collect();
            assert_eq!(admission.admit(address(internet)).unwrap_err().status(), 429, "{internet}");
            permits.iter().for_each(|permit| admission.release(permit.as_deref()));
        }
        // Each may be a proxy, so it is not counted.
        for private in [
            "127.0.0.1",
            "::ffff:127.0.0.1",
            "10.1.2.3",
            "192.168.0.1",
            "169.254.0.1",
            "100.64.0.1",
            "::1",
            "fd00::1",
            "fe80::1",
        ] {
            let permits: Vec<_> = (0..5).map(|_| admission.admit(address(private)).unwrap()).collect();
            assert_eq!(admission.admit(address(private)).unwrap_err().status(), 503, "{private}");
            assert!(permits.iter().all(Option::is_none));
            permits.iter().for_each(|permit| admission.release(permit.as_deref()));
        }
        // Without a limit nothing is counted.
        let admission = Admission::new(Settings { max_per_address: Some(usize::MAX), ..Settings::default() });
        assert_eq!(admission.admit(address("203.0.113.5")).unwrap(), None);
    }

    #[test]
    fn handshake_rate_defaults_to_open_files() {
        let by_files = FileShares::of(open_files::soft_limit(), Settings::default().max_waiting).connections;
        let admission = Admission::new(Settings { max_connections: Some(1), ..Settings::default() });
        assert_eq!((admission.max_connections(), admission.max_per_address()), (1, 1));
        let begun = Instant::now();
        let mut accepted = 0;
        while let Ok(permit) = admission.admit(address("127.0.0.1")) {
            admission.release(permit.as_deref());
            accepted += 1;
            assert!(accepted <= by_files * (2 + usize::try_from(begun.elapsed().as_secs()).unwrap()), "no end");
        }
        assert!(accepted >= by_files, "{accepted} of {by_files}");
        assert_eq!(admission.counters.snapshot().too_fast, 1);
    }

    #[test]
    fn rejected_address_is_not_kept() {
        let admission = Admission::new(Settings { max_per_address: Some(0), ..Settings::default() });
        for last in 0..10 {
            assert_eq!(admission.admit(address(&format!("192.0.2.{last}"))).unwrap_err().status(), 429);
        }
        assert_eq!((admission.admitted(), admission.counters.snapshot().address_full), (0, 10));
        assert!(lock(&admission.addresses).is_empty());
    }

    /// Reads patterns. `None` if one is invalid.
    fn origins(patterns: &[&str]) -> Option<Origins> {
        let mut problems = Vec::new();
        let origins = Origins::listed(patterns, &mut problems);
        problems.is_empty().then_some(origins)
    }

    /// The ten connections of `test_origin_validator` in `tests/security/test_websocket.py` of Django Channels, in its order. A
    /// list with a pattern that cannot match is an error here.
    #[test]
    fn origin_check_accepts_as_djangos_origin_validator() {
        let cases: [(&[&str], Option<&'static str>, bool); 10] = [
            (&["allowed-domain.com"], Some("http://allowed-domain.com"), true),
            (&["allowed-domain.com"], Some("http://bad-domain.com"), false),
            (&["*.allowed-domain.com"], Some("http://allowed-domain.com"), false),
            (&[".allowed-domain.com"], Some("http://www.allowed-domain.com"), true),
            (&["http://allowed-domain.com"], Some("http://allowed-domain.com"), true),
            (&["http://allowed-domain.com"], Some("https://bad-domain.com:443"), false),
            (&["*"], None, true),
            // Django Channels rejects it. Here a client without an origin is not a browser, and is accepted by default.
            (&[], None, true),
            (&[".allowed-domain.com"], Some(""), false),
            (&[".allowed-domain.com"], Some("something-invalid"), false),
        ];
        for (patterns, origin, wanted) in cases {
            let accepts = |require_origin| {
                let Some(origins) = origins(patterns) else { return false };
                let admission = Admission::new(Settings { origins, require_origin, ..Settings::default() });
                let headers = HeaderMap::from_iter(origin.map(|origin| (ORIGIN, HeaderValue::from_static(origin))));
                admission.check(&headers, None, "/").is_ok()
            };
            assert_eq!(accepts(false), wanted, "{patterns:?} {origin:?}");
            assert_eq!(accepts(true), wanted && origin.is_some(), "{patterns:?} {origin:?}, and an origin is required");
        }
    }

    #[test]
    fn sec_fetch_site_replaces_missing_origin() {
        let headers = |site: Option<&'static str>| {
            let mut headers = HeaderMap::from_iter([(HOST, HeaderValue::from_static("example.org:8000"))]);
            headers
                .extend(site.map(|site| (HeaderName::from_static("sec-fetch-site"), HeaderValue::from_static(site))));
            headers
        };
        let strict = || Settings { require_origin: true, ..Settings::default() };
        let listed = |pattern| Settings { origins: origins(&[pattern]).unwrap(), ..Settings::default() };
        for (settings, site, allowed) in [
            (Settings::default(), None, true),
            (Settings::default(), Some("none"), true),
            (Settings::default(), Some("same-origin"), true),
            (Settings::default(), Some("same-site"), false),
            (Settings::default(), Some("cross-site"), false),
            (strict(), None, false),
            (strict(), Some("none"), false),
            (strict(), Some("same-origin"), true),
            (listed("example.org"), Some("same-origin"), true),
            (listed("example.net"), Some("same-origin"), false),
            (listed("*"), Some("cross-site"), false),
        ] {
            let case = format!("{settings:?} {site:?}");
            assert_eq!(Admission::new(settings).check(&headers(site), None, "/").is_ok(), allowed, "{case}");
        }
    }

    #[test]
    fn uncounted_address_is_not_kept() {
        let admission = Admission::new(Settings::default());
        assert!(admission.max_connections() > 0);
        assert_eq!(admission.admit(address("127.0.0.1")).unwrap(), None);
        assert!(lock(&admission.addresses).is_empty());
    }
}

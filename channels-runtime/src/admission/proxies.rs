//! Trusted proxies: the client's address and the host that they forward.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

use crate::error::SettingError;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The proxies whose headers are trusted. Any client can send these headers; only those that a trusted proxy wrote are true.
#[derive(Debug, Default)]
pub(crate) struct Proxies {
    networks: Vec<IpNet>,
    /// Whether `X-Forwarded-Host` is trusted, too. A proxy that does not write this header passes on what a client wrote.
    forwarded_host: bool,
}

impl Proxies {
    /// Reads the networks of `trusted_proxies`, and adds a problem for each one that cannot be read.
    pub(crate) fn new<S: AsRef<str>>(networks: impl IntoIterator<Item = S>, problems: &mut Vec<SettingError>) -> Self {
        let parse = |network: &str| -> Option<IpNet> {
            let network = network.parse().ok().or_else(|| Some(network.parse::<IpAddr>().ok()?.into()))?;
            Some(canonical(network))
        };
        let read = |network: S| {
            let network = network.as_ref();
            let parsed = parse(network);
            if parsed.is_none() {
                let problem = format!("`{network}` is neither an address nor a network like `10.0.0.0/8`");
                problems.push(SettingError::new("trusted_proxies", problem));
            }
            parsed
        };
        Self { networks: networks.into_iter().filter_map(read).collect(), forwarded_host: false }
    }

    /// Trusts `X-Forwarded-Host` of these proxies, too.
    pub(crate) fn use_forwarded_host(&mut self) {
        self.forwarded_host = true;
    }

    fn trust(&self, address: IpAddr) -> bool {
        // A socket for both families shows an IPv4 peer as `::ffff:10.0.0.1`.
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// Returns the client's address: in `X-Forwarded-For`, the last one that is not a trusted proxy. The client could have
    /// written the addresses before it.
    pub(super) fn client(&self, peer: SocketAddr, headers: &HeaderMap) -> SocketAddr {
        let mut client = peer;
        for hop in words(headers, &FORWARDED_FOR) {
            if !self.trust(client.ip()) {
                break;
            }
            match parse(hop) {
                Some(address) => client = address,
                None => break,
            }
        }
        client
    }

    /// Returns the host that the client asked for, if a trusted proxy sends it and `X-Forwarded-Host` is trusted.
    pub(super) fn host<'a>(&self, peer: SocketAddr, headers: &'a HeaderMap) -> Option<&'a str> {
        if self.forwarded_host && self.trust(peer.ip()) { words(headers, &FORWARDED_HOST).next() } else { None }
    }
}

/// Returns the IPv4 network of a network such as `::ffff:10.0.0.0/104`. Addresses are compared in this form.
fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else { return network };
    let v4 = v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(96));
    v4.and_then(|(address, length)| IpNet::new(address.into(), length).ok()).unwrap_or(network)
}

/// Returns the words of all headers of this name, the last one first.
fn words<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines: Vec<_> = headers.get_all(name).iter().collect();
    // A line that is not text is one unreadable word.
    lines.into_iter().rev().flat_map(|line| line.to_str().unwrap_or("?").rsplit(',').map(str::trim))
}

/// Parses an address. Without a port, the port is 0.
fn parse(hop: &str) -> Option<SocketAddr> {
    let bare = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']')).unwrap_or(hop);
    hop.parse().ok().or_else(|| Some(SocketAddr::new(bare.parse().ok()?, 0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads valid networks.
    fn proxies(networks: &[&str]) -> Proxies {
        let mut problems = Vec::new();
        let proxies = Proxies::new(networks, &mut problems);
        assert_eq!(problems, []);
        proxies
    }

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn forwarded_client_counts_only_from_trusted_proxies() {
        let proxies = proxies(&["10.0.0.0/8", "::1", "::ffff:192.0.2.0/120"]);
        for (peer, forwarded, wanted) in [
            // Not a trusted proxy.
            ("203.0.113.5:1", &["1.1.1.1"][..], "203.0.113.5:1"),
            ("10.0.0.1:1", &[], "10.0.0.1:1"),
            ("10.0.0.1:1", &["203.0.113.5"], "203.0.113.5:0"),
            ("[::ffff:10.0.0.1]:1", &["203.0.113.5"], "203.0.113.5:0"),
            // The client wrote the first word itself.
            ("10.0.0.1:1", &["6.6.6.6, 203.0.113.5"], "203.0.113.5:0"),
            ("10.0.0.1:1", &["6.6.6.6", "203.0.113.5"], "203.0.113.5:0"),
            // Two proxies.
            ("10.0.0.1:1", &["6.6.6.6, 203.0.113.5, 192.0.2.7"], "203.0.113.5:0"),
            ("[::1]:1", &["203.0.113.5:4711"], "203.0.113.5:4711"),
            ("[::1]:1", &["2001:db8::5"], "[2001:db8::5]:0"),
            ("[::1]:1", &["[2001:db8::5]"], "[2001:db8::5]:0"),
            ("[::1]:1", &["[2001:db8::5]:4711"], "[2001:db8::5]:4711"),
            // A client inside the network.
            ("10.0.0.1:1", &["10.0.0.9"], "10.0.0.9:0"),
            // An unreadable word ends the search: the client is the proxy.
            ("10.0.0.1:1", &["203.0.113.5, unknown"], "10.0.0.1:1"),
            ("10.0.0.1:1", &["203.0.113.5,"], "10.0.0.1:1"),
        ] {
            let lines: Vec<_> = forwarded.iter().map(|line| ("x-forwarded-for", *line)).collect();
            let client = proxies.client(peer.parse().unwrap(), &headers(&lines));
            assert_eq!(client, wanted.parse().unwrap(), "{peer} {forwarded:?}");
        }
    }

    #[test]
    fn forwarded_host_is_read_only_if_set_and_from_trusted_proxies() {
        let mut proxies = proxies(&["127.0.0.1"]);
        let headers = headers(&[("x-forwarded-host", "evil.net, example.org")]);
        assert_eq!(proxies.host("127.0.0.1:1".parse().unwrap(), &headers), None);
        proxies.use_forwarded_host();
        assert_eq!(proxies.host("127.0.0.1:1".parse().unwrap(), &headers), Some("example.org"));
        assert_eq!(proxies.host("127.0.0.2:1".parse().unwrap(), &headers), None);
        assert_eq!(Proxies::default().host("127.0.0.1:1".parse().unwrap(), &headers), None);
    }

    #[test]
    fn unreadable_network_is_error() {
        for network in ["", "localhost", "10.0.0.0/33", "10.0.0"] {
            let mut problems = Vec::new();
            Proxies::new([network], &mut problems);
            assert!(problems[0].to_string().contains("10.0.0.0/8"), "{problems:?}");
        }
    }
}

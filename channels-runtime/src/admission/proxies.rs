//! Who the client is, when it comes through a proxy.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

use crate::error::SettingsError;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The proxies whose word counts. Anybody can send the headers; only what a proxy of ours has written is true.
#[derive(Debug, Default)]
pub(crate) struct Proxies(Vec<IpNet>);

impl Proxies {
    pub(crate) fn new<S: AsRef<str>>(networks: impl IntoIterator<Item = S>) -> Result<Self, SettingsError> {
        let parse = |network: &str| -> Option<IpNet> {
            network.parse().ok().or_else(|| Some(network.parse::<IpAddr>().ok()?.into()))
        };
        let networks = networks.into_iter().map(|network| {
            let network = network.as_ref();
            parse(network).ok_or_else(|| SettingsError::Network { network: network.to_owned() })
        });
        networks.collect::<Result<_, _>>().map(Self)
    }

    fn trust(&self, address: IpAddr) -> bool {
        // A socket for both families shows an IPv4 peer as `::ffff:10.0.0.1`.
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The address behind the proxies: in `X-Forwarded-For`, the last one that is no proxy of ours. Those before it could have
    /// been written by the client itself.
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

    /// The host that the client asked for, if a proxy of ours says so.
    pub(super) fn host<'a>(&self, peer: SocketAddr, headers: &'a HeaderMap) -> Option<&'a str> {
        if self.trust(peer.ip()) { words(headers, &FORWARDED_HOST).next() } else { None }
    }
}

/// What stands in all headers of this name, the last one first.
fn words<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines: Vec<_> = headers.get_all(name).iter().collect();
    // A line that is no text is one word that nobody understands.
    lines.into_iter().rev().flat_map(|line| line.to_str().unwrap_or("?").rsplit(',').map(str::trim))
}

/// An address, with or without a port; without one, it is 0.
fn parse(hop: &str) -> Option<SocketAddr> {
    let bare = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']')).unwrap_or(hop);
    hop.parse().ok().or_else(|| Some(SocketAddr::new(bare.parse().ok()?, 0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn only_what_a_proxy_of_ours_wrote_counts() {
        let proxies = Proxies::new(["10.0.0.0/8", "::1", "192.0.2.7"]).unwrap();
        for (peer, forwarded, wanted) in [
            // Nobody asked him.
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
            // Somebody inside.
            ("10.0.0.1:1", &["10.0.0.9"], "10.0.0.9:0"),
            // What cannot be read ends the search: it is the proxy's.
            ("10.0.0.1:1", &["203.0.113.5, unknown"], "10.0.0.1:1"),
            ("10.0.0.1:1", &["203.0.113.5,"], "10.0.0.1:1"),
        ] {
            let lines: Vec<_> = forwarded.iter().map(|line| ("x-forwarded-for", *line)).collect();
            let client = proxies.client(peer.parse().unwrap(), &headers(&lines));
            assert_eq!(client, wanted.parse().unwrap(), "{peer} {forwarded:?}");
        }
    }

    #[test]
    fn so_it_is_with_the_host() {
        let proxies = Proxies::new(["127.0.0.1"]).unwrap();
        let headers = headers(&[("x-forwarded-host", "evil.net, example.org")]);
        assert_eq!(proxies.host("127.0.0.1:1".parse().unwrap(), &headers), Some("example.org"));
        assert_eq!(proxies.host("127.0.0.2:1".parse().unwrap(), &headers), None);
        assert_eq!(Proxies::default().host("127.0.0.1:1".parse().unwrap(), &headers), None);
    }

    #[test]
    fn a_network_that_is_none_is_an_error() {
        for network in ["", "localhost", "10.0.0.0/33", "10.0.0"] {
            let error = Proxies::new([network]).unwrap_err().to_string();
            assert!(error.contains("10.0.0.0/8"), "{error}");
        }
    }
}

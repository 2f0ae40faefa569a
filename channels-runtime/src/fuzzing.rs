//! The fuzz targets of `fuzz/`, with the properties that hold for all bytes, and the replay of their corpora.
//!
//! Compiled for tests and for cargo-fuzz (`--cfg fuzzing`), never for users.

use std::collections::HashMap;

use bytes::Bytes;
use http::header::SEC_WEBSOCKET_EXTENSIONS;
use http::uri::Authority;
use http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::admission::{Hosts, Origins};
#[cfg(feature = "django")]
use crate::auth::{DjangoSessions, SessionError};
use crate::codec::{Envelope, Format};
use crate::error::SettingError;
use crate::layer::{Codec, LayerConfig, read_settings};
use crate::name::{ChannelName, GroupName};
use crate::websocket::{ClientMessage, Compression, Decoder, Frame, MessageRules, ProtocolError};

/// Decodes a client's bytes, and inflates compressed messages. However the bytes are split, the messages and the protocol error are
/// the same, and no message exceeds the limit. The first byte selects the limit and the size of the pieces.
pub fn frames(data: &[u8]) {
    let Some((seed, bytes)) = data.split_first() else { return };
    for compression in [None, Compression::new(1)] {
        decode_frames(*seed, bytes, compression.as_deref());
    }
}

fn decode_frames(seed: u8, bytes: &[u8], compression: Option<&Compression>) {
    let limit = 1 << (seed & 0x0f);
    let whole = decode(limit, std::iter::once(bytes), compression);
    let size = 1 + usize::from(seed >> 4);
    let pieces = decode(limit, bytes.chunks(size), compression);
    assert_eq!(whole, pieces, "in pieces of {size} bytes");
    for message in whole.0 {
        let length = match message {
            ClientMessage::Frame(Frame::Text(text)) => text.len(),
            ClientMessage::Frame(Frame::Binary(bytes)) => bytes.len(),
            ClientMessage::Ping(payload) => {
                assert!(payload.len() <= 125);
                continue;
            }
            ClientMessage::Pong | ClientMessage::Close(_) => continue,
            ClientMessage::Compressed(_) => unreachable!("it was inflated"),
        };
        assert!(length <= limit, "{length} bytes exceed the limit of {limit}");
    }
}

fn decode<'a>(
    limit: usize,
    pieces: impl Iterator<Item = &'a [u8]>,
    compression: Option<&Compression>,
) -> (Vec<ClientMessage>, Option<ProtocolError>) {
    let rules = MessageRules { max: limit, allow_compressed: compression.is_some() };
    let mut decoder = Decoder::default();
    let mut messages = Vec::new();
    for piece in pieces {
        let mut input = piece;
        loop {
            let next = match (decoder.next(input, rules, &mut 0), compression) {
                (Ok(Some(ClientMessage::Compressed(message))), Some(compression)) => {
                    let inflated = compression.inflate(&message, limit);
                    inflated.map(|inflated| Some(ClientMessage::Frame(inflated.frame)))
                }
                (next, _) => next,
            };
            match next {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => return (messages, Some(error)),
            }
            input = &[];
        }
    }
    (messages, None)
}

/// Negotiates compression. The lines are headers `Sec-WebSocket-Extensions`. The response to an accepted offer is an offer that
/// gets the same response, and a window in it was offered.
pub fn offers(data: &[u8]) {
    let Some(compression) = Compression::new(1) else { return };
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n') {
        let Ok(line) = HeaderValue::from_bytes(line) else { return };
        headers.append(SEC_WEBSOCKET_EXTENSIONS, line);
    }
    let Some(agreement) = compression.negotiate(&headers) else { return };
    let response = agreement.response.to_str().expect("a response is text");
    let mut parameters = response.split("; ");
    for wanted in ["permessage-deflate", "server_no_context_takeover", "client_no_context_takeover"] {
        assert_eq!(parameters.next(), Some(wanted), "{response}");
    }
    if let Some(window) = parameters.next() {
        let bits = window.strip_prefix("server_max_window_bits=").expect("no other parameter is known");
        assert!((8..=15).contains(&bits.parse::<u8>().expect("a number of bits")), "{response}");
        let is_offered = |line: &HeaderValue| line.to_str().is_ok_and(|line| line.contains(bits));
        assert!(headers.values().any(is_offered), "{response}");
    }
    assert_eq!(parameters.next(), None);
    let again = HeaderMap::from_iter([(SEC_WEBSOCKET_EXTENSIONS, agreement.response.clone())]);
    assert_eq!(compression.negotiate(&again), Some(agreement));
}

/// A payload with fields of every kind.
#[derive(Serialize, Deserialize, Debug)]
struct Payload {
    text: Option<String>,
    number: Option<i64>,
    float: Option<f64>,
    list: Option<Vec<Self>>,
    map: Option<HashMap<String, u8>>,
    any: Option<Value>,
}

/// Decodes a message from Redis, of both layers, plain and encrypted. A decoded message is the same after encoding and decoding.
pub fn envelopes(data: &[u8]) {
    for format in [Format::Msgpack, Format::Json] {
        let body = Bytes::copy_from_slice(data);
        let Ok(envelope) = Envelope::from_wire(body.clone(), format) else { continue };
        let (shared, to) =
            Envelope::from_shared_queue(&body, format).unwrap_or_else(|_| (envelope.clone(), Vec::new()));
        assert_eq!(shared.event_name(), envelope.event_name());
        _ = envelope.decode_payload::<Payload>();
        let Ok(value) = envelope.to_value() else { continue };
        let again = Envelope::from_value(&value, format).expect("the message has a type");
        assert_eq!(again.event_name(), envelope.event_name());
        assert_eq!(again.to_value().expect("an encoded message can be decoded"), value);
        if let Ok(sealed) = again.body_for(&to[..]) {
            let sealed = Bytes::from(sealed);
            let (_, routed) = Envelope::from_shared_queue(&sealed, format).expect("an encoded message can be decoded");
            assert_eq!(routed, to);
        }
    }
    let config = LayerConfig::default();
    let secret = config.clone().symmetric_encryption_keys(["the new key of a test", "the old key of a test"]);
    for codec in
        [Codec::for_pubsub(&config), Codec::for_core(&config), Codec::for_pubsub(&secret), Codec::for_core(&secret)]
    {
        _ = codec.open(Bytes::copy_from_slice(data));
        let sealed = codec.seal(Bytes::copy_from_slice(data));
        assert_eq!(codec.open(sealed).expect("it was sealed by the same codec"), data);
    }
}

/// Checks a string as a name. It is legal by the rules of Django Channels, or an error.
pub fn names(data: &[u8]) {
    let Ok(name) = std::str::from_utf8(data) else { return };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let fits = !name.is_empty() && name.len() < 100;
    let bangs = name.bytes().filter(|byte| *byte == b'!').count();
    let is_group = fits && name.bytes().all(plain);
    // A channel of a pub/sub layer begins with any prefix.
    let of_pubsub =
        |digits: &str| digits.len() == 32 && digits.bytes().all(|digit| b"0123456789abcdef".contains(&digit));
    let of_pubsub = name.rsplit_once("specific.").is_some_and(|(_, digits)| of_pubsub(digits))
        && name.chars().count() < 100
        && !name.contains(char::is_control);
    let is_channel = of_pubsub
        || fits && bangs <= 1 && !name.starts_with('!') && name.bytes().all(|byte| plain(byte) || byte == b'!');
    assert_eq!(GroupName::new(name).is_ok(), is_group, "{name:?} as a group");
    assert_eq!(ChannelName::new(name).is_ok(), is_channel, "{name:?} as a channel");
    let json = serde_json::to_string(name).expect("a string");
    assert_eq!(serde_json::from_str::<GroupName>(&json).is_ok(), is_group);
    match (serde_json::from_str::<ChannelName>(&json), ChannelName::new(name)) {
        (Ok(read), Ok(channel)) => {
            assert_eq!(read, channel);
            assert!(name.starts_with(channel.non_local()));
        }
        (Err(_), Err(error)) => assert!(!error.to_string().is_empty()),
        (read, checked) => panic!("{read:?} by serde, {checked:?} by `new`"),
    }
}

/// Checks an origin. The lines are the header `Origin`, the header `Host`, and the patterns of the site. An allowed page belongs
/// to the host that the crate `http`, and so hyper, reads in these headers.
pub fn origin(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.split('\n');
    let (origin, host) = (lines.next().unwrap_or_default(), lines.next());
    let read = read_origin(origin);

    let same_host = Origins::SameHost;
    if same_host.allow(origin, host) {
        let (scheme, origin_host, port) = read.clone().expect("an allowed origin is an origin");
        let host: Authority =
            host.expect("a missing host is not the same host").parse().expect("an allowed host is a host");
        let host_port = host.port_u16().or(default_port(&scheme));
        assert_eq!((origin_host, port), (spelling(host.host()), host_port), "{origin:?}");
    }
    assert_eq!(same_host.allow(origin, host), same_host.allow(&origin.to_ascii_uppercase(), host), "{origin:?}");

    for pattern in lines {
        let listed = match listed_origins(pattern) {
            Ok(listed) => listed,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                continue;
            }
        };
        let hosts = listed_hosts(pattern);
        if pattern == "*" {
            assert!(listed.allow(origin, host) && hosts.expect("`*` is a pattern").allow(host));
            continue;
        }
        if pattern.eq_ignore_ascii_case("file://") {
            assert_eq!(listed.allow(origin, host), origin.eq_ignore_ascii_case(pattern));
            continue;
        }
        let is_host = !pattern.contains("://");
        assert_eq!(hosts.is_ok(), is_host, "{pattern:?}");
        if let (Ok(hosts), Some(host)) = (hosts, host)
            && hosts.allow(Some(host))
        {
            let host: Authority = host.parse().expect("an allowed host is a host");
            assert!(is_below(host.host(), pattern), "{host} by {pattern:?}");
        }
        if listed.allow(origin, host) {
            let (scheme, origin_host, port) = read.clone().expect("an allowed origin is an origin");
            let domain = match pattern.split_once("://") {
                None => pattern,
                Some((wanted, rest)) => {
                    assert_eq!(scheme, wanted.to_ascii_lowercase());
                    let digits = |end: &&str| end.bytes().all(|byte| byte.is_ascii_digit());
                    let (domain, wanted) = rest.rsplit_once(':').filter(|(_, end)| digits(end)).unwrap_or((rest, ""));
                    assert_eq!(port, wanted.parse().ok().or(default_port(&scheme)), "{origin:?} by {pattern:?}");
                    domain
                }
            };
            assert!(is_below(&origin_host, domain), "{origin:?} by {pattern:?}");
        }
    }
    // A site that lists exactly this page allows it.
    if let Ok(listed) = listed_origins(origin)
        && origin.contains("://")
        && !origin.contains("://.")
        && read.is_some()
    {
        assert!(listed.allow(origin, None), "{origin:?} by itself");
    }
}

/// Reads one pattern of `allowed_origins`.
fn listed_origins(pattern: &str) -> Result<Origins, SettingError> {
    let mut problems = Vec::new();
    let origins = Origins::listed([pattern], &mut problems);
    problems.pop().map_or(Ok(origins), Err)
}

/// Reads one pattern of `allowed_hosts`.
fn listed_hosts(pattern: &str) -> Result<Hosts, SettingError> {
    let mut problems = Vec::new();
    let hosts = Hosts::listed([pattern], &mut problems);
    problems.pop().map_or(Ok(hosts), Err)
}

/// Reads scheme, host and port with `http`. The scheme is not parsed, because `http` does not accept all schemes.
fn read_origin(origin: &str) -> Option<(String, String, Option<u16>)> {
    let (scheme, rest) = origin.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let authority: Authority = rest.parse().ok()?;
    let port = authority.port_u16().or(default_port(&scheme));
    Some((scheme, spelling(authority.host()), port))
}

fn default_port(scheme: &str) -> Option<u16> {
    [("http", 80), ("ws", 80), ("https", 443), ("wss", 443)]
        .into_iter()
        .find(|(known, _)| *known == scheme)
        .map(|(_, port)| port)
}

/// Returns one spelling of all those of a host.
fn spelling(host: &str) -> String {
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')?.parse::<std::net::Ipv6Addr>().ok());
    address.map_or(host, |address| format!("[{address}]"))
}

/// Returns whether a pattern allows a host: `example.org` allows itself; `.example.org` also allows `www.example.org`.
fn is_below(host: &str, domain: &str) -> bool {
    let (host, domain) = (spelling(host), spelling(domain));
    host == domain || domain.strip_prefix('.').is_some_and(|name| host == name || host.ends_with(&domain))
}

/// Reads a session from a cookie and from a database row, as it is and signed by the site. A text without the right signature is
/// rejected. A signed text never causes a panic, and is rejected if it was signed for the other use.
#[cfg(feature = "django")]
pub fn django(data: &[u8]) {
    const KEY: &str = "the site's";
    let Ok(text) = std::str::from_utf8(data) else { return };
    let sessions = DjangoSessions::unchecked(vec!["current".into(), KEY.into()]);
    let (cookies, rows) = ("signed_cookies", "SessionStore");
    let salts =
        [("django.contrib.sessions.backends.signed_cookies", cookies), ("django.contrib.sessions.SessionStore", rows)];
    let open =
        |signed: &str, kind| if kind == cookies { sessions.verify_cookie(signed) } else { sessions.decode(signed) };
    for (salt, kind) in salts {
        // Some seeds are signed with this key, so they are accepted.
        if open(text, kind).is_ok() {
            let (stamped, _) = text.rsplit_once(':').expect("an accepted text has a signature");
            assert_eq!(signed(salt, KEY, stamped), text, "accepted without the key");
        }
        let sealed = signed(salt, KEY, text);
        let other = if kind == cookies { rows } else { cookies };
        assert_eq!(open(&sealed, other).err(), Some(SessionError::Signature), "signed for another use");
        assert_eq!(
            DjangoSessions::unchecked(vec!["current".into()]).decode(&sealed).err(),
            Some(SessionError::Signature)
        );
        let session = match open(&sealed, kind) {
            Ok(session) => session,
            Err(error) => {
                assert_ne!(error, SessionError::Signature, "{sealed:?}");
                continue;
            }
        };
        assert_eq!(session.ends().is_some(), kind == cookies, "only a cookie contains its end");
        assert_eq!(
            session.get::<Value>("_auth_user_id").and_then(|id| Some(id.as_str()?.to_owned())).as_deref(),
            session.user_id()
        );
        assert!(!sessions.fits_password(&session, text), "the session contains the hash of its own text");
        _ = session.login(());
    }
}

/// Signs a text that contains its time, like Django's `TimestampSigner`.
#[cfg(feature = "django")]
fn signed(salt: &str, key: &str, text: &str) -> String {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use hmac::{Hmac, Mac};
    use sha2::{Digest, Sha256};

    let key = Sha256::digest(format!("{salt}signer{key}"));
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("a key may have any length");
    mac.update(text.as_bytes());
    format!("{text}:{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

/// Reads a `CHANNEL_LAYERS` setting. An error has a message.
pub fn configuration(data: &[u8]) {
    let Ok(json) = std::str::from_utf8(data) else { return };
    if let Err(error) = read_settings(json) {
        assert!(!error.to_string().is_empty());
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    type Target = fn(&[u8]);

    const TARGETS: &[(&str, Target)] = &[
        ("frames", frames),
        ("offers", offers),
        ("envelopes", envelopes),
        ("names", names),
        ("configuration", configuration),
        ("origin", origin),
        #[cfg(feature = "django")]
        ("django", django),
    ];

    /// Returns the inputs of a target. They are part of the crate, so that its tests find them; `fuzz/corpus` links to them.
    fn corpus(name: &str) -> Vec<Vec<u8>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
        let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let all: Vec<_> = files.map(|file| fs::read(file.unwrap().path()).unwrap()).collect();
        assert!(all.len() >= 10, "{} contains only {} inputs", folder.display(), all.len());
        all
    }

    #[test]
    fn corpora_pass() {
        for (name, target) in TARGETS {
            for input in corpus(name) {
                target(&input);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 300, ..ProptestConfig::default() })]

        /// Replaces the fuzzer in tests: changes, removes and repeats some bytes of the inputs.
        #[test]
        fn changed_corpora_pass(
            which in any::<prop::sample::Index>(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 0..6),
        ) {
            thread_local!(static CORPORA: Vec<(Target, Vec<Vec<u8>>)> =
                TARGETS.iter().map(|(name, target)| (*target, corpus(name))).collect());
            CORPORA.with(|corpora| for (target, inputs) in corpora {
                let mut input = which.get(inputs).clone();
                for (at, byte, kind) in &changes {
                    let at = at.index(input.len() + 1);
                    match kind {
                        0 => input.insert(at, *byte),
                        1 if at < input.len() => input[at] = *byte,
                        2 => input.truncate(at),
                        _ => input.extend_from_within(at..),
                    }
                }
                target(&input);
            });
        }

        #[test]
        fn any_string_as_name_passes(name in "[a-zA-Z0-9._!-]{0,101}", more in ".{0,3}") {
            names(name.as_bytes());
            names(format!("{name}{more}").as_bytes());
        }
    }
}

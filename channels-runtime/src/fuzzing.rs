//! Where fuzzers come in, and what has to hold whatever the bytes are: the targets of `fuzz/`, and the replay of their
//! corpora. Compiled for tests and for cargo-fuzz (`--cfg fuzzing`), never for users.

use std::collections::HashMap;

use bytes::Bytes;
use http::uri::Authority;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::admission::{Hosts, Origins};
#[cfg(feature = "django")]
use crate::auth::{DjangoSessions, SessionError};
use crate::codec::{Envelope, Format};
use crate::error::SettingError;
use crate::layer::{Codec, LayerConfig, read_settings};
use crate::name::{ChannelName, GroupName};
use crate::websocket::{ClientMessage, Decoder, Frame, ProtocolError};

/// A client's bytes: however they are cut, the same messages come out, none beyond the limit, and the same mistake is
/// found. The first byte chooses the limit and the cuts.
pub fn frames(data: &[u8]) {
    let Some((seed, bytes)) = data.split_first() else { return };
    let limit = 1 << (seed & 0x0f);
    let whole = decode(limit, std::iter::once(bytes));
    let size = 1 + usize::from(seed >> 4);
    let pieces = decode(limit, bytes.chunks(size));
    assert_eq!(whole, pieces, "in pieces of {size}");
    for incoming in whole.0 {
        let length = match incoming {
            ClientMessage::Frame(Frame::Text(text)) => text.len(),
            ClientMessage::Frame(Frame::Binary(bytes)) => bytes.len(),
            ClientMessage::Ping(payload) => {
                assert!(payload.len() <= 125);
                continue;
            }
            ClientMessage::Pong | ClientMessage::Close(_) => continue,
        };
        assert!(length <= limit, "{length} bytes, and the limit is {limit}");
    }
}

fn decode<'a>(limit: usize, pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<ClientMessage>, Option<ProtocolError>) {
    let mut decoder = Decoder::default();
    let mut all = Vec::new();
    for piece in pieces {
        let mut input = piece;
        loop {
            match decoder.next(input, limit) {
                Ok(Some(incoming)) => all.push(incoming),
                Ok(None) => break,
                Err(violation) => return (all, Some(violation)),
            }
            input = &[];
        }
    }
    (all, None)
}

/// Fields of every kind that a message can have.
#[derive(Serialize, Deserialize, Debug)]
struct Payload {
    text: Option<String>,
    number: Option<i64>,
    float: Option<f64>,
    list: Option<Vec<Self>>,
    map: Option<HashMap<String, u8>>,
    any: Option<Value>,
}

/// A message from Redis, of both layers, plain and encrypted: what it says can be said again, and is the same then.
pub fn envelopes(data: &[u8]) {
    for format in [Format::Msgpack, Format::Json] {
        let body = Bytes::copy_from_slice(data);
        let Ok(envelope) = Envelope::from_wire(body.clone(), format) else { continue };
        let (shared, to) =
            Envelope::from_shared_queue(&body, format).unwrap_or_else(|_| (envelope.clone(), Vec::new()));
        assert_eq!(shared.event_name(), envelope.event_name());
        _ = envelope.decode_payload::<Payload>();
        let Ok(value) = envelope.to_value() else { continue };
        let again = Envelope::from_value(&value, format).expect("it has a type");
        assert_eq!(again.event_name(), envelope.event_name());
        assert_eq!(again.to_value().expect("what was written can be read"), value);
        if let Ok(sealed) = again.body_for(&to[..]) {
            let sealed = Bytes::from(sealed);
            let (_, routed) = Envelope::from_shared_queue(&sealed, format).expect("what was written can be read");
            assert_eq!(routed, to);
        }
    }
    let config = LayerConfig::default();
    let secret = config.clone().symmetric_encryption_keys(["new", "old"]);
    for codec in
        [Codec::for_pubsub(&config), Codec::for_core(&config), Codec::for_pubsub(&secret), Codec::for_core(&secret)]
    {
        _ = codec.open(Bytes::copy_from_slice(data));
        let sealed = codec.seal(Bytes::copy_from_slice(data));
        assert_eq!(codec.open(sealed).expect("its own seal"), data);
    }
}

/// A string as a name: legal by the words of Django Channels, or an error.
pub fn names(data: &[u8]) {
    let Ok(name) = std::str::from_utf8(data) else { return };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let fits = !name.is_empty() && name.len() < 100;
    let bangs = name.bytes().filter(|byte| *byte == b'!').count();
    let is_group = fits && name.bytes().all(plain);
    let is_channel =
        fits && bangs <= 1 && !name.starts_with('!') && name.bytes().all(|byte| plain(byte) || byte == b'!');
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
        (read, checked) => panic!("{read:?} by serde, {checked:?} by hand"),
    }
}

/// What a browser sends and what the site lists, line by line: the header `Origin`, the header `Host`, and the patterns. Who
/// is let in is of the host that everybody else (`http`, and so hyper) reads in these headers.
pub fn origin(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.split('\n');
    let (origin, host) = (lines.next().unwrap_or_default(), lines.next());
    let read = read_origin(origin);

    let same_host = Origins::SameHost;
    if same_host.allow(origin, host) {
        let (scheme, asked, port) = read.clone().expect("it is an origin");
        let host: Authority = host.expect("nothing is not the same").parse().expect("it is a host");
        let its_port = host.port_u16().or(default_port(&scheme));
        assert_eq!((asked, port), (host.host().to_ascii_lowercase(), its_port), "{origin:?}");
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
            assert!(listed.allow(origin, host) && hosts.expect("it is known").allow(host));
            continue;
        }
        let of_hosts = !pattern.contains("://");
        assert_eq!(hosts.is_ok(), of_hosts, "{pattern:?}");
        if let (Ok(hosts), Some(host)) = (hosts, host)
            && hosts.allow(Some(host))
        {
            let host: Authority = host.parse().expect("it is a host");
            assert!(is_below(host.host(), pattern), "{host} by {pattern:?}");
        }
        if listed.allow(origin, host) {
            let (scheme, asked, port) = read.clone().expect("it is an origin");
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
            assert!(is_below(&asked, domain), "{origin:?} by {pattern:?}");
        }
    }
    // A site that lists exactly this page lets it in.
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

/// Scheme, host and port in the words of others. Not their scheme: they know fewer than there are.
fn read_origin(origin: &str) -> Option<(String, String, Option<u16>)> {
    let (scheme, rest) = origin.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let authority: Authority = rest.parse().ok()?;
    let port = authority.port_u16().or(default_port(&scheme));
    Some((scheme, authority.host().to_ascii_lowercase(), port))
}

fn default_port(scheme: &str) -> Option<u16> {
    [("http", 80), ("ws", 80), ("https", 443), ("wss", 443)]
        .into_iter()
        .find(|(known, _)| *known == scheme)
        .map(|it| it.1)
}

/// `example.org` by `example.org`; it and `www.example.org` by `.example.org`.
fn is_below(host: &str, domain: &str) -> bool {
    let (host, domain) = (host.to_ascii_lowercase(), domain.to_ascii_lowercase());
    host == domain || domain.strip_prefix('.').is_some_and(|name| host == name || host.ends_with(&domain))
}

/// A cookie, or what a database holds, as it comes and signed by the site: without the key nothing is believed, with it
/// nothing goes wrong, and what was signed for the one is not believed as the other.
#[cfg(feature = "django")]
pub fn django(data: &[u8]) {
    const KEY: &str = "the site's";
    let Ok(text) = std::str::from_utf8(data) else { return };
    let sessions = DjangoSessions::new("of today").fallback(KEY);
    let (cookies, rows) = ("signed_cookies", "SessionStore");
    let salts =
        [("django.contrib.sessions.backends.signed_cookies", cookies), ("django.contrib.sessions.SessionStore", rows)];
    let open =
        |signed: &str, kind| if kind == cookies { sessions.verify_cookie(signed) } else { sessions.decode(signed) };
    for (salt, kind) in salts {
        // Some of the seeds are signed with this key, and so are believed.
        if open(text, kind).is_ok() {
            let (stamped, _) = text.rsplit_once(':').expect("it has a signature");
            assert_eq!(signed(salt, KEY, stamped), text, "believed without the key");
        }
        let sealed = signed(salt, KEY, text);
        let other = if kind == cookies { rows } else { cookies };
        assert_eq!(open(&sealed, other).err(), Some(SessionError::Signature), "signed for another use");
        assert_eq!(DjangoSessions::new("of today").decode(&sealed).err(), Some(SessionError::Signature));
        let session = match open(&sealed, kind) {
            Ok(session) => session,
            Err(error) => {
                assert_ne!(error, SessionError::Signature, "{sealed:?}");
                continue;
            }
        };
        assert_eq!(session.ends().is_some(), kind == cookies, "a row says elsewhere when it ends");
        assert_eq!(
            session.get::<Value>("_auth_user_id").and_then(|id| Some(id.as_str()?.to_owned())).as_deref(),
            session.user_id()
        );
        assert!(!sessions.fits_password(&session, text), "the session holds the hash of its own text");
        _ = session.login(());
    }
}

/// What Django's `TimestampSigner` makes of a text that holds its time.
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

/// A `CHANNEL_LAYERS`: read, or refused with a sentence.
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
        ("envelopes", envelopes),
        ("names", names),
        ("configuration", configuration),
        ("origin", origin),
        #[cfg(feature = "django")]
        ("django", django),
    ];

    /// They lie in the crate, so that they are there wherever its tests run; `fuzz/corpus` leads to them.
    fn corpus(name: &str) -> Vec<Vec<u8>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
        let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let all: Vec<_> = files.map(|file| fs::read(file.unwrap().path()).unwrap()).collect();
        assert!(all.len() >= 10, "{} holds {} inputs", folder.display(), all.len());
        all
    }

    #[test]
    fn the_corpora_hold() {
        for (name, target) in TARGETS {
            for input in corpus(name) {
                target(&input);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 300, ..ProptestConfig::default() })]

        /// Without a fuzzer at hand: inputs of the corpora with some bytes changed, cut out and doubled.
        #[test]
        fn what_is_near_the_corpora_holds_too(
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
        fn any_string_is_a_name_or_none(name in "[a-zA-Z0-9._!-]{0,101}", more in ".{0,3}") {
            names(name.as_bytes());
            names(format!("{name}{more}").as_bytes());
        }
    }
}

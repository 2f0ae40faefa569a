//! Where fuzzers come in, and what has to hold whatever the bytes are: the targets of `fuzz/`, and the replay of their
//! corpora. Compiled for tests and for cargo-fuzz (`--cfg fuzzing`), never for users.

use std::collections::HashMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::envelope::{Envelope, Format};
use crate::frame::Frame;
use crate::layer::{Codec, Config, read_settings};
use crate::name::{ChannelName, GroupName};
use crate::wire::{Decoder, Incoming, Violation};

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
            Incoming::Frame(Frame::Text(text)) => text.len(),
            Incoming::Frame(Frame::Binary(bytes)) => bytes.len(),
            Incoming::Ping(payload) => {
                assert!(payload.len() <= 125);
                continue;
            }
            Incoming::Pong | Incoming::Close(_) => continue,
        };
        assert!(length <= limit, "{length} bytes, and the limit is {limit}");
    }
}

fn decode<'a>(limit: usize, pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Incoming>, Option<Violation>) {
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
    let config = Config::default();
    let secret = config.clone().with_symmetric_encryption_keys(["new", "old"]);
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

    const TARGETS: [(&str, Target); 4] =
        [("frames", frames), ("envelopes", envelopes), ("names", names), ("configuration", configuration)];

    fn corpus(name: &str) -> Vec<Vec<u8>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
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

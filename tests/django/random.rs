//! Random values between Rust and real channels_redis, in both directions, until a time limit: each arrives unchanged, or the
//! send is refused with the field that Python could not read.
//!
//! A value that failed is a test of its own in `shapes.rs`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use channels_runtime::error::LayerError;
use channels_runtime::layer::{Channel, Format, Untyped};
use channels_runtime::prelude::*;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

use crate::plain::Plain;
use crate::rig::{CORE, PUBSUB, Pair, Rig, next};
use crate::shape::{Shape, shape};
use crate::typed::{Typed, json_value, typed};

/// The messages of one round, in each direction. A mailbox holds 100.
const ROUND: usize = 40;

#[event("shaped")]
#[derive(Debug, Clone)]
struct Shaped {
    number: u64,
    shape: Shape,
}

/// The group of the Python channel and of a Rust channel.
#[group("there", events(Shaped, Typed))]
struct There;

/// The group to which Python sends. It has only a Rust channel.
#[group("back", events(Shaped, Typed))]
struct Back;

#[derive(Debug, Clone)]
enum Message {
    Shaped(Shaped),
    Typed(Box<Typed>),
    Raw(Value),
}

fn message() -> impl Strategy<Value = Message> {
    prop_oneof![
        3 => shape().prop_map(|shape| Message::Shaped(Shaped { number: 0, shape })),
        1 => typed().prop_map(|typed| Message::Typed(Box::new(typed))),
        1 => json_value().prop_map(Message::Raw),
    ]
}

impl Message {
    fn numbered(self, number: u64) -> Self {
        match self {
            Self::Shaped(event) => Self::Shaped(Shaped { number, ..event }),
            Self::Typed(mut event) => {
                event.number = number;
                Self::Typed(event)
            }
            Self::Raw(value) => Self::Raw(json!({"type": "raw", "number": number, "value": value})),
        }
    }

    async fn send(&self, layer: &ChannelLayer, to: Option<&str>) -> Result<(), LayerError> {
        match (self, to) {
            (Self::Shaped(event), None) => layer.group_send(&There, event).await,
            (Self::Typed(event), None) => layer.group_send(&There, &**event).await,
            (Self::Raw(value), None) => layer.group_send_raw("there", value.clone()).await,
            (Self::Shaped(event), Some(name)) => layer.send(&untyped(name), event).await,
            (Self::Typed(event), Some(name)) => layer.send(&untyped(name), &**event).await,
            (Self::Raw(value), Some(name)) => layer.send_raw(name, value.clone()).await,
        }
    }

    /// Checks the message that Python received, if it is known without Rust's own encoding.
    fn check_in_python(&self, received: &Plain, format: Format) -> Result<(), String> {
        let (wanted, got) = match self {
            Self::Shaped(event) => {
                (event.shape.in_python(format).map_err(|refused| format!("{refused:?}"))?, received.field("shape"))
            }
            Self::Typed(_) => return Ok(()),
            Self::Raw(value) => (Plain::from_python(&value["value"]), received.field("value")),
        };
        same(&wanted, got)
    }

    /// Checks the message that a Rust channel received, from Rust or from Python.
    fn check_in_rust(&self, envelope: &Envelope, format: Format) -> Result<(), String> {
        let failed = |error: channels_runtime::error::DecodeError| error.to_string();
        match self {
            Self::Shaped(event) => {
                let Shape::Read(read) = envelope.decode::<Shaped>().map_err(failed)?.shape else { unreachable!() };
                same(&event.shape.in_python(format).map_err(|refused| format!("{refused:?}"))?, &read)
            }
            Self::Typed(event) => same(&**event, &envelope.decode::<Typed>().map_err(failed)?),
            Self::Raw(value) => same(value, &envelope.to_value().map_err(failed)?),
        }
    }
}

fn untyped(name: &str) -> ChannelName<Untyped> {
    ChannelName::new(name).unwrap()
}

fn same<T: PartialEq + std::fmt::Debug>(wanted: &T, got: &T) -> Result<(), String> {
    if wanted == got { Ok(()) } else { Err(format!("expected {wanted:?}, got {got:?}")) }
}

/// Checks that the message is refused if and only if Python could not read it. Returns whether it was sent.
fn check_sent(message: &Message, sent: Result<(), LayerError>, format: Format) -> Result<bool, String> {
    let Message::Shaped(event) = message else {
        return sent.map(|()| true).map_err(|error| format!("{error}: {error:?}"));
    };
    match (event.shape.in_python(format), sent) {
        (Ok(_), Ok(())) => Ok(true),
        (Err(refused), Err(LayerError::Encode { source, .. })) => {
            let field = source.field().unwrap_or_default();
            let wanted = refused.0;
            let dot = if wanted.is_empty() || wanted.starts_with('[') { "" } else { "." };
            // The path has a key as the format escapes it.
            let is_plain = wanted.bytes().all(|byte| matches!(byte, b' '..=b'~') && !b"\"\\".contains(&byte));
            match is_plain {
                true => same(&format!("shape{dot}{wanted}"), &field.to_owned()).map(|()| false),
                false => Ok(false),
            }
        }
        (wanted, got) => Err(format!("expected {wanted:?}, got {got:?}")),
    }
}

/// Both sides of one layer.
struct Side<'a> {
    name: String,
    pair: Pair<'a>,
    format: Format,
    /// The Python channel.
    python: String,
    /// A Rust channel in the group of the Python channel.
    near: Channel,
    /// The Rust channel to which Python sends.
    far: Channel,
    values: u64,
    refused: u64,
    mismatches: Vec<String>,
}

impl<'a> Side<'a> {
    async fn open(rig: &'a Rig, backend: &'static str, format: Format) -> Self {
        let (layer, name) = (if backend == CORE { "core" } else { "pubsub" }, format_name(format));
        let name = format!("{layer}-{name}");
        let config = json!({"serializer_format": format_name(format)});
        let pair = rig.open_alike(backend, &name, &config).await;
        let (near, far) = (pair.here.new_channel().await.unwrap(), pair.here.new_channel().await.unwrap());
        pair.here.group_add(&There, near.name()).await.unwrap();
        pair.here.group_add(&Back, far.name()).await.unwrap();
        let python = pair.python_member("there").await;
        Self { name, pair, format, python, near, far, values: 0, refused: 0, mismatches: Vec::new() }
    }

    fn check(&mut self, what: &str, message: &dyn std::fmt::Debug, result: Result<(), String>) {
        self.values += 1;
        if let Err(error) = result {
            self.mismatches.push(format!("{}, {what}: {error}\n  of {message:?}", self.name));
        }
    }

    /// Sends messages to Python and to a Rust channel. Python sends them back.
    async fn there_and_back(&mut self, messages: Vec<Message>) {
        let mut sent = BTreeMap::new();
        let mut near = 0;
        for (number, message) in messages.into_iter().enumerate() {
            let number = number as u64;
            let message = message.numbered(number);
            let to = (number % 2 == 1).then_some(self.python.as_str());
            let result = message.send(&self.pair.here, to).await;
            match check_sent(&message, result, self.format) {
                Ok(true) => {
                    near += usize::from(to.is_none());
                    sent.insert(number, message);
                }
                Ok(false) => self.refused += 1,
                Err(error) => self.check("send", &message, Err(error)),
            }
        }
        let call = json!({
            "channel": self.python,
            "count": sent.len(),
            "to_group": "back",
            "to_channel": self.far.name().as_str(),
        });
        let received = self.pair.there.call("send_back", call).await;
        for message in received.as_array().unwrap().iter().map(Plain::from_python) {
            let original = &sent[&message.number()];
            self.check("received by Python", original, original.check_in_python(&message, self.format));
        }
        for _ in 0..near {
            let envelope = next(&self.near).await;
            let original = &sent[&number_of(&envelope)];
            self.check("received by Rust", original, original.check_in_rust(&envelope, self.format));
        }
        for _ in 0..sent.len() {
            let envelope = next(&self.far).await;
            let original = &sent[&number_of(&envelope)];
            self.check("sent back by Python", original, original.check_in_rust(&envelope, self.format));
        }
    }

    /// Receives random messages from Python, and sends back those that JSON has.
    async fn receive_random(&mut self, seed: u64) {
        let call = json!({
            "seed": seed,
            "count": ROUND,
            "serializer_format": format_name(self.format),
            "to_group": "back",
            "to_channel": self.far.name().as_str(),
        });
        let sent = self.pair.there.call("send_random", call).await;
        let sent: Vec<_> = sent.as_array().unwrap().iter().map(Plain::from_python).collect();
        let mut back = Vec::new();
        for _ in 0..ROUND {
            let envelope = next(&self.far).await;
            let original = &sent[usize::try_from(number_of(&envelope)).unwrap()];
            let shape = envelope.decode::<Received>().map_err(|error| error.to_string());
            self.check("from Python", original, shape.and_then(|read| same(original.field("value"), &read.value)));
            let Some(json) = original.to_json() else {
                // A value that JSON does not have is an error, not another value.
                let value = envelope.to_value().map_or_else(|_| Ok(()), |value| Err(format!("as JSON: {value}")));
                self.check("from Python", original, value);
                continue;
            };
            let value = envelope.to_value().map_err(|error| error.to_string());
            self.check("from Python", original, value.and_then(|value| same(&json, &value)));
            back.push(Message::Raw(json["value"].clone()));
        }
        self.there_and_back(back).await;
    }
}

/// A message from Python.
#[event("raw")]
struct Received {
    #[serde(rename = "number")]
    _number: u64,
    #[serde(skip_serializing)]
    value: Plain,
}

fn number_of(envelope: &Envelope) -> u64 {
    #[event("raw")]
    struct Numbered {
        number: u64,
    }
    #[event("shaped")]
    struct NumberedShape {
        number: u64,
    }
    #[event("typed")]
    struct NumberedTyped {
        number: u64,
    }
    match envelope.event_name() {
        "raw" => envelope.decode::<Numbered>().unwrap().number,
        "shaped" => envelope.decode::<NumberedShape>().unwrap().number,
        _ => envelope.decode::<NumberedTyped>().unwrap().number,
    }
}

fn format_name(format: Format) -> &'static str {
    if format == Format::Json { "json" } else { "msgpack" }
}

fn setting(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is a number, not {value}")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_values_arrive_unchanged_or_are_refused() {
    let seed = setting("CHANNELS_RANDOM_SEED").unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0);
    let duration = Duration::from_secs(setting("CHANNELS_RANDOM_SECONDS").unwrap_or(10));
    println!("CHANNELS_RANDOM_SEED={seed} CHANNELS_RANDOM_SECONDS={}", duration.as_secs());
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), random);
    let rig = Rig::start(1);
    let mut sides = Vec::new();
    for backend in [CORE, PUBSUB] {
        for format in [Format::Msgpack, Format::Json] {
            sides.push(Side::open(&rig, backend, format).await);
        }
    }
    let messages = message();
    let started = Instant::now();
    let mut round = 0;
    while started.elapsed() < duration {
        for side in &mut sides {
            let random = || messages.new_tree(&mut runner).unwrap().current();
            side.there_and_back(std::iter::repeat_with(random).take(ROUND).collect()).await;
            round += 1;
            side.receive_random(seed.wrapping_add(round)).await;
        }
        if sides.iter().any(|side| side.mismatches.len() >= 10) {
            break;
        }
    }
    let mut mismatches = Vec::new();
    for side in sides {
        println!(
            "{}: {} checks, {} refused, {} mismatches",
            side.name,
            side.values,
            side.refused,
            side.mismatches.len()
        );
        assert!(side.values > 0 && side.refused > 0, "nothing was checked");
        mismatches.extend(side.mismatches);
    }
    assert!(mismatches.is_empty(), "CHANNELS_RANDOM_SEED={seed}\n{}", mismatches.join("\n"));
}

//! The envelope: the name of an event and its encoded fields, as the channel layer transports them.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use rmp_serde::config::DefaultConfig;
use rmp_serde::decode::ReadRefReader;
use serde::Deserializer;
use serde_json::Value;

use crate::codec::deserializer::{Reader, Rules};
use crate::codec::format::Format;
use crate::codec::json_literals;
use crate::codec::reserved::{RESERVED, TYPE};
use crate::codec::serializer::encode;
use crate::codec::tagged::{Tagged, Untagged};
use crate::codec::writer::MAX_DEPTH;
use crate::error::{DecodeError, LayerError, field_path};
use crate::event::{Event, Position};
use crate::support::metrics;

/// A message of the channel layer: the name of an event and its encoded fields.
///
/// Cloning is cheap, because clones share the bytes.
#[derive(Clone)]
pub struct Envelope {
    pub(super) name: Cow<'static, str>,
    pub(super) format: Format,
    pub(super) body: Bytes,
    pub(super) at: Position,
}

impl Envelope {
    /// Encodes an event.
    ///
    /// # Errors
    /// A value of the event has no form in the format; see [`encode`].
    pub(crate) fn from_event<E: Event>(event: &E, format: Format) -> Result<Self, LayerError> {
        let body = encode(&Tagged { tag: TYPE, name: E::TYPE, value: event }, format)
            .map_err(|source| LayerError::Encode { event: E::TYPE.into(), source })?;
        metrics::sent(E::TYPE);
        Ok(Self { name: Cow::Borrowed(E::TYPE), format, body, at: Position::NONE })
    }

    /// Encodes an untyped message: a JSON object with a `type`.
    pub(crate) fn from_value(value: &Value, format: Format) -> Result<Self, LayerError> {
        let name = value.get(TYPE).and_then(Value::as_str).ok_or(LayerError::NotAnEvent)?.to_owned();
        let body = encode(value, format).map_err(|source| LayerError::Encode { event: name.clone(), source })?;
        Ok(Self { name: Cow::Owned(name), format, body, at: Position::NONE })
    }

    /// Makes an envelope from a JSON object that contains this name as its `type`.
    #[cfg(feature = "publish")]
    pub(crate) fn from_json(name: String, body: Bytes) -> Self {
        Self { name: Cow::Owned(name), format: Format::Json, body, at: Position::NONE }
    }

    /// Returns the name of the event: `"chat.message"`.
    pub fn event_name(&self) -> &str {
        &self.name
    }

    /// Returns the encoded message.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Returns the format of the encoded message.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Returns the position of the event in the history of its group. [`Position::is_none`] if the event is not kept.
    pub fn position(&self) -> &Position {
        &self.at
    }

    /// Sets the position in the history of the group that keeps the event.
    #[must_use]
    pub(crate) fn at(mut self, position: Position) -> Self {
        self.at = position;
        self
    }

    /// Decodes the event.
    ///
    /// # Errors
    /// If a field is missing, or its value does not fit `E`. The error contains the event and the field.
    pub fn decode<E: Event>(&self) -> Result<E, DecodeError> {
        self.decode_as()
    }

    /// Returns the message as JSON, whatever its format, to inspect a message from a peer.
    ///
    /// # Errors
    /// If the message has a value that JSON does not have, for example a byte string.
    pub fn to_value(&self) -> Result<Value, DecodeError> {
        let mut value: Value = self.decode_with(true)?;
        if let Value::Object(fields) = &mut value {
            fields.insert(TYPE.into(), self.name.clone().into());
        }
        Ok(value)
    }

    /// Decodes the fields as a type that is not necessarily an event.
    #[cfg(all(feature = "redis", any(test, fuzzing)))]
    pub(crate) fn decode_payload<T: serde::de::DeserializeOwned>(&self) -> Result<T, DecodeError> {
        self.decode_as()
    }

    fn decode_as<T: serde::de::DeserializeOwned>(&self) -> Result<T, DecodeError> {
        self.decode_with(false)
    }

    fn decode_with<T: serde::de::DeserializeOwned>(&self, only_finite: bool) -> Result<T, DecodeError> {
        let decoded = match self.format {
            Format::Msgpack => {
                let mut reader = msgpack(&self.body);
                T::deserialize(payload(&mut reader, Rules::msgpack().only_finite(only_finite))).ok()
            }
            Format::Json => {
                let mut reader = serde_json::Deserializer::from_slice(&self.body);
                T::deserialize(payload(&mut reader, Rules::json().only_finite(only_finite))).ok()
            }
        };
        decoded.map_or_else(|| self.decode_with_path(only_finite), Ok)
    }

    // Tracking the path costs time, so only a second pass does it, after the first pass has failed. So do literals that only
    // Python has.
    #[cold]
    fn decode_with_path<T: serde::de::DeserializeOwned>(&self, only_finite: bool) -> Result<T, DecodeError> {
        let failed = |path: String, source: Box<dyn std::error::Error + Send + Sync>| DecodeError::Payload {
            event: self.name.to_string(),
            payload: std::any::type_name::<T>(),
            path,
            source,
        };
        match self.format {
            Format::Msgpack => {
                let mut reader = msgpack(&self.body);
                let rules = Rules::msgpack().only_finite(only_finite);
                serde_path_to_error::deserialize(payload(&mut reader, rules))
                    .map_err(|error| failed(path_of(&error), error.into_inner().into()))
            }
            Format::Json => {
                let rules = Rules::json().only_finite(only_finite);
                let quoted = json_literals::quote(&self.body);
                let (body, rules) = match &quoted {
                    Some(quoted) => (&quoted.body[..], rules.literals(&quoted.marker)),
                    None => (&self.body[..], rules),
                };
                let mut reader = serde_json::Deserializer::from_slice(body);
                serde_path_to_error::deserialize(payload(&mut reader, rules))
                    .map_err(|error| failed(path_of(&error), error.into_inner().into()))
            }
        }
    }
}

/// Returns the deserialiser of a message's payload.
fn payload<'de, 'm, D: Deserializer<'de>>(reader: D, rules: Rules<'m>) -> Untagged<'static, Reader<'m, D>> {
    Untagged { tags: &RESERVED, inner: Reader::new(reader, rules) }
}

pub(crate) fn path_of<E: fmt::Display>(error: &serde_path_to_error::Error<E>) -> String {
    field_path(error.path(), &error.inner().to_string())
}

pub(super) fn msgpack(
    body: &[u8],
) -> rmp_serde::Deserializer<ReadRefReader<'_, [u8]>, rmp_serde::config::HumanReadableConfig<DefaultConfig>> {
    let mut reader = rmp_serde::Deserializer::from_read_ref(body).with_human_readable();
    // The reader refuses the level of this number.
    reader.set_max_depth(MAX_DEPTH + 1);
    reader
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Envelope({:?}, {} bytes of {})", self.name, self.body.len(), self.format.name())
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};
    use serde_json::json;

    use super::*;
    use crate::codec::chat_message::ChatMessage;

    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    struct Ping;

    impl Event for Ping {
        type Itself = Self;
        type Retention = crate::event::Kept;
        const TYPE: &'static str = "ping";
    }

    fn wire(format: Format, value: &Value) -> Result<Envelope, DecodeError> {
        Envelope::from_wire(encode(value, format).unwrap(), format)
    }

    #[test]
    fn event_has_msgpack_of_channels_redis() {
        #[derive(Serialize, Deserialize)]
        struct Golden {
            text: String,
        }
        impl Event for Golden {
            type Itself = Self;
            type Retention = crate::event::Kept;
            const TYPE: &'static str = "chat.message";
        }
        let envelope = Envelope::from_event(&Golden { text: "hi".into() }, Format::Msgpack).unwrap();
        let hex: String = envelope.body().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "82a474797065ac636861742e6d657373616765a474657874a26869");
    }

    #[test]
    fn event_that_denies_unknown_fields_round_trips() {
        let event = ChatMessage { text: "ü".into(), at: Some(u64::MAX) };
        for format in [Format::Msgpack, Format::Json] {
            let sent = Envelope::from_event(&event, format).unwrap();
            let received = Envelope::from_wire(sent.body().clone(), format).unwrap();
            assert_eq!(received.event_name(), "chat.message");
            assert_eq!(received.decode::<ChatMessage>().unwrap(), event);
            let sent = Envelope::from_event(&Ping, format).unwrap();
            let received = Envelope::from_wire(sent.body().clone(), format).unwrap();
            assert_eq!(received.decode::<Ping>().unwrap(), Ping);
        }
    }

    #[test]
    fn type_may_be_at_any_position() {
        let body = Bytes::from_static(br#"{"text": "hi", "at": null, "type": "chat.message"}"#);
        let envelope = Envelope::from_wire(body, Format::Json).unwrap();
        assert_eq!(envelope.decode::<ChatMessage>().unwrap(), ChatMessage { text: "hi".into(), at: None });
    }

    #[test]
    fn error_of_message_contains_event_and_field() {
        for format in [Format::Msgpack, Format::Json] {
            let envelope = wire(format, &json!({"type": "chat.message", "text": 7})).unwrap();
            let error = envelope.decode::<ChatMessage>().unwrap_err().to_string();
            assert!(error.starts_with("event `chat.message` does not fit"), "{error}");
            assert!(error.contains("at `text`"), "{error}");
        }
    }

    #[test]
    fn invalid_bytes_are_error_without_panic() {
        let deep = format!(r#"{{"type": "a", "x": {}1{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
        let deep = Envelope::from_wire(deep.into(), Format::Json);
        assert!(deep.is_err() || deep.unwrap().to_value().is_err());
        let mut nested = b"\x82\xa4type\xa1a\xa1x".to_vec();
        nested.extend(std::iter::repeat_n(0x91, 10_000));
        nested.push(0x01);
        assert!(matches!(Envelope::from_wire(nested.into(), Format::Msgpack), Err(DecodeError::NotAMap { .. })));
        for format in [Format::Msgpack, Format::Json] {
            assert!(matches!(wire(format, &json!({"no": "type"})), Err(DecodeError::NoType)));
            assert!(matches!(wire(format, &json!({"type": 7})), Err(DecodeError::NoType)));
            assert!(matches!(wire(format, &json!(["type"])), Err(DecodeError::NotAMap { .. })));
            assert!(Envelope::from_wire(Bytes::from_static(b"\xc1\xff"), format).is_err());
            assert!(Envelope::from_wire(Bytes::new(), format).is_err());
        }
        // The map {1: 2}. A Python peer can write it.
        let int_key = Bytes::from_static(b"\x81\x01\x02");
        assert!(matches!(Envelope::from_wire(int_key, Format::Msgpack), Err(DecodeError::NotAMap { .. })));
    }
}

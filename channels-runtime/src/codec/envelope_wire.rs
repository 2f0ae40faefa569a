//! Envelopes that other processes send and receive: reads and writes the name and the recipients of an encoded message.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeSeed;

use crate::codec::deserializer::{Reader, Rules};
use crate::codec::envelope::{Envelope, msgpack};
use crate::codec::find_tag::FindTag;
use crate::codec::format::Format;
use crate::codec::json_literals;
use crate::codec::recipients::FindRecipients;
use crate::codec::reserved::{TO, TYPE};
use crate::error::{DecodeError, EncodeError};
use crate::event::Position;

impl Envelope {
    /// Makes an envelope from an encoded message. Decodes only the name of the event.
    ///
    /// # Errors
    /// If the message is not a map, or does not have a string as its `type`.
    pub(crate) fn from_wire(body: Bytes, format: Format) -> Result<Self, DecodeError> {
        let name = match format {
            Format::Msgpack => {
                let mut reader = msgpack(&body);
                FindTag(TYPE).deserialize(&mut reader).map_err(|error| not_a_map(format, error))?
            }
            Format::Json => find(FindTag(TYPE), &body, None).or_else(|error| {
                let quoted = json_literals::quote(&body).ok_or_else(|| not_a_map(format, error))?;
                find(FindTag(TYPE), &quoted.body, Some(&quoted.marker)).map_err(|error| not_a_map(format, error))
            })?,
        };
        Ok(Self { name: Cow::Owned(name.ok_or(DecodeError::NoType)?), format, body, at: Position::NONE })
    }

    /// Makes an envelope from a message of a queue that several channels share. Also returns the recipients. The list is empty
    /// if the message does not have the field.
    ///
    /// # Errors
    /// As for [`Self::from_wire`]; also if the recipients are not strings.
    pub(crate) fn from_shared_queue(body: &Bytes, format: Format) -> Result<(Self, Vec<Cow<'_, str>>), DecodeError> {
        let seed = FindRecipients { tag: TYPE, to: TO };
        let found = match format {
            Format::Msgpack => seed.deserialize(&mut msgpack(body)).map_err(|error| not_a_map(format, error))?,
            Format::Json => find(seed, body, None).or_else(|error| {
                let quoted = json_literals::quote(body).ok_or_else(|| not_a_map(format, error))?;
                let found = find(seed, &quoted.body, Some(&quoted.marker)).map_err(|error| not_a_map(format, error))?;
                Ok(found.into_owned())
            })?,
        };
        let name = Cow::Owned(found.tag.ok_or(DecodeError::NoType)?);
        Ok((Self { name, format, body: body.clone(), at: Position::NONE }, found.to))
    }

    /// Returns the encoded message with an additional field: the recipient or the list of recipients.
    pub(crate) fn body_for<T: Serialize + ?Sized>(&self, channels: &T) -> Result<Vec<u8>, EncodeError> {
        let mut body = Vec::with_capacity(self.body.len() + 128);
        match self.format {
            Format::Msgpack => {
                let fields = write_larger_header(&self.body, &mut body).ok_or_else(|| EncodeError::new(NotAMap))?;
                body.extend_from_slice(fields);
                let mut writer = rmp_serde::Serializer::new(&mut body);
                TO.serialize(&mut writer).map_err(EncodeError::new)?;
                channels.serialize(&mut writer).map_err(EncodeError::new)?;
            }
            Format::Json => {
                let fields = self.body.strip_suffix(b"}").ok_or_else(|| EncodeError::new(NotAMap))?;
                body.extend_from_slice(fields);
                body.extend_from_slice(b",\"");
                body.extend_from_slice(TO.as_bytes());
                body.extend_from_slice(b"\":");
                serde_json::to_writer(&mut body, channels).map_err(EncodeError::new)?;
                body.push(b'}');
            }
        }
        Ok(body)
    }
}

/// Reads fields of a message in JSON. With a `marker`, strings that begin with it are literals of Python.
fn find<'de, S: DeserializeSeed<'de>>(
    seed: S,
    body: &'de [u8],
    marker: Option<&str>,
) -> Result<S::Value, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    match marker {
        Some(marker) => seed.deserialize(Reader::new(&mut reader, Rules::json().literals(marker))),
        None => seed.deserialize(&mut reader),
    }
}

fn not_a_map(format: Format, source: impl std::error::Error + Send + Sync + 'static) -> DecodeError {
    DecodeError::NotAMap { format: format.name(), source: source.into() }
}

/// The error for an event that does not serialise as a map. This happens only if its `Serialize` is written by hand.
#[derive(Debug, thiserror::Error)]
#[error("the message is not a map")]
struct NotAMap;

/// Writes the header of a msgpack map with one field more than `map`. Returns the encoded fields of `map`.
fn write_larger_header<'a>(map: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (length, fields) = match map {
        [fix @ 0x80..=0x8f, fields @ ..] => (u32::from(fix & 0x0f), fields),
        [0xde, a, b, fields @ ..] => (u32::from(u16::from_be_bytes([*a, *b])), fields),
        [0xdf, a, b, c, d, fields @ ..] => (u32::from_be_bytes([*a, *b, *c, *d]), fields),
        _ => return None,
    };
    let length = length.checked_add(1)?;
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(small @ 0..=15), _) => out.push(0x80 | small),
        (_, Ok(medium)) => {
            out.push(0xde);
            out.extend_from_slice(&medium.to_be_bytes());
        }
        _ => {
            out.push(0xdf);
            out.extend_from_slice(&length.to_be_bytes());
        }
    }
    Some(fields)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::codec::chat_message::ChatMessage;
    use crate::codec::serializer::encode;

    #[test]
    fn recipients_are_read_and_hidden_from_payload() {
        let event = ChatMessage { text: "hi".into(), at: None };
        for format in [Format::Msgpack, Format::Json] {
            let sent = Envelope::from_event(&event, format).unwrap();
            let one = Bytes::from(sent.body_for("specific.a!1").unwrap());
            let (received, to) = Envelope::from_shared_queue(&one, format).unwrap();
            assert_eq!(to, ["specific.a!1"]);
            // `ChatMessage` denies unknown fields.
            assert_eq!(received.decode::<ChatMessage>().unwrap(), event);
            let names = ["specific.a!1", "specific.a!2"];
            let many = Bytes::from(sent.body_for(&names[..]).unwrap());
            let (received, to) = Envelope::from_shared_queue(&many, format).unwrap();
            assert_eq!(to, names);
            assert_eq!(received.to_value().unwrap(), json!({"type": "chat.message", "text": "hi", "at": null}));
            let (_, to) = Envelope::from_shared_queue(sent.body(), format).unwrap();
            assert!(to.is_empty());
            // The codec refuses the field, so it is written under another name of the same length.
            const WRITTEN: &str = "__asgi_channel_x";
            for wrong in [
                json!({"type": "a", WRITTEN: 7}),
                json!({"type": "a", WRITTEN: ["b", 7]}),
                json!({"type": "a", WRITTEN: {}}),
            ] {
                let mut wrong = encode(&wrong, format).unwrap().to_vec();
                let at = wrong.windows(TO.len()).position(|part| part == WRITTEN.as_bytes()).unwrap();
                wrong[at..at + TO.len()].copy_from_slice(TO.as_bytes());
                let wrong = Bytes::from(wrong);
                assert!(matches!(
                    Envelope::from_shared_queue(&wrong, format),
                    Err(DecodeError::NotAMap { .. } | DecodeError::NoType)
                ));
            }
        }
        // Python's msgpack writes the same bytes.
        let sent = Envelope::from_value(&json!({"type": "a"}), Format::Msgpack).unwrap();
        let hex: String = sent.body_for(&["b"][..]).unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "82a474797065a161b05f5f617367695f6368616e6e656c5f5f91a162");
    }

    #[test]
    fn recipient_is_added_to_map_of_any_size() {
        for fields in [1, 14, 15, 16, 65_534, 65_535, 65_536] {
            let mut value = serde_json::Map::new();
            value.insert(TYPE.into(), "a".into());
            value.extend((1..fields).map(|number| (format!("f{number}"), number.into())));
            let sent = Envelope::from_value(&value.into(), Format::Msgpack).unwrap();
            let body = Bytes::from(sent.body_for("b").unwrap());
            let (received, to) = Envelope::from_shared_queue(&body, Format::Msgpack).unwrap();
            assert_eq!(to, ["b"], "{fields}");
            assert_eq!(received.to_value().unwrap().as_object().unwrap().len(), fields);
        }
    }
}

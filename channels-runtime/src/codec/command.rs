//! Client commands: the name, the reference and the payload in a JSON text frame.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::codec::deserializer::{Reader, Rules};
use crate::codec::envelope::path_of;
use crate::codec::key::KeySeed;
use crate::codec::tagged::{StringOrNothing, Untagged};
use crate::error::{CommandError, FrameError, FrameKind, LONGEST, Reference};
use crate::websocket::{Frame, FromJson};

/// A client's frame: a command or any other frame. A command is a JSON object with its name in the tag.
#[derive(Debug)]
pub enum ParsedFrame {
    /// A command: a JSON object whose tag is a string.
    Command(ParsedCommand),
    /// Any other frame. `#[receive(_)]` takes the frame; a consumer without such a method reports the error.
    Other {
        /// The frame, as the client sent it.
        frame: Frame,
        /// The reason why the frame is not a command.
        error: CommandError,
    },
}

/// A command whose payload is not decoded yet.
#[derive(Debug)]
pub struct ParsedCommand {
    name: String,
    /// The JSON text of the whole frame.
    text: String,
    fields: &'static CommandFields,
    reference: SentReference,
}

/// A decoded command, and its reference if the command answers.
#[derive(Debug)]
pub struct Received<C> {
    /// The command.
    pub command: C,
    /// The reference that the answer repeats. `None` if the client expects no answer.
    pub reference: Option<Reference>,
}

/// The fields of a command that are not part of its payload.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CommandFields {
    /// The field that holds the name of the command.
    pub(crate) tag: &'static str,
    /// The field that holds the reference. `None` if no command of the consumer answers: then it is a field like any other.
    pub(crate) reference: Option<&'static str>,
}

/// The reference of a frame. `Err` if the client sent one that is not valid.
type SentReference = Result<Option<Reference>, InvalidReference>;

/// A reference that is too long, or neither a string nor a number.
#[derive(Debug)]
struct InvalidReference;

impl ParsedCommand {
    /// Returns the name of the command.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the frame, as the client sent it.
    pub fn into_frame(self) -> Frame {
        Frame::Text(self.text)
    }

    /// Returns the error for a command that the consumer does not have.
    #[cold]
    pub fn unknown(self, commands: &'static [&'static str]) -> CommandError {
        CommandError::Unknown { name: self.name, commands, reference: self.reference.ok().flatten() }
    }
}

/// Finds the name and the reference of a command in a client's frame.
pub(crate) fn named_command(frame: Frame, fields: &'static CommandFields) -> ParsedFrame {
    let text = match frame {
        Frame::Text(text) => text,
        Frame::Binary(_) => {
            let error = FrameError::Kind { expected: FrameKind::Text, got: FrameKind::Binary }.into();
            return ParsedFrame::Other { frame, error };
        }
    };
    let mut reader = serde_json::Deserializer::from_str(&text);
    let found = FindCommand(fields).deserialize(&mut reader).and_then(|found| reader.end().map(|()| found));
    match found {
        Ok((Some(name), reference)) => ParsedFrame::Command(ParsedCommand { name, text, fields, reference }),
        Ok((None, reference)) => {
            let error = CommandError::NoCommand { tag: fields.tag, reference: reference.ok().flatten() };
            ParsedFrame::Other { frame: Frame::Text(text), error }
        }
        Err(source) => {
            let error = FrameError::Json { path: String::new(), source }.into();
            ParsedFrame::Other { frame: Frame::Text(text), error }
        }
    }
}

/// Reads the payload of a command, into its variant. `answers` is whether the command answers: otherwise it has no reference, and a
/// field of that name belongs to the payload.
pub fn decode_command<T: FromJson, V>(
    command: ParsedCommand,
    name: &'static str,
    answers: bool,
    variant: impl FnOnce(T) -> V,
) -> Result<Received<V>, CommandError> {
    let ParsedCommand { text, fields, reference, .. } = command;
    let CommandFields { tag, reference: field } = *fields;
    let tags = [tag, field.unwrap_or_default()];
    let tags = if answers { &tags[..] } else { &tags[..1] };
    let reference = match reference {
        Ok(reference) => reference,
        Err(InvalidReference) if answers => return Err(invalid_reference(name, field.unwrap_or_default())),
        Err(InvalidReference) => None,
    };
    let mut reader = serde_json::Deserializer::from_str(&text);
    let payload = T::deserialize(Untagged { tags, inner: Reader::new(&mut reader, Rules::json()) }).or_else(|_| {
        // Tracking the path costs time, so only a second pass does it, after the first pass has failed.
        let mut reader = serde_json::Deserializer::from_str(&text);
        let payload = Untagged { tags, inner: Reader::new(&mut reader, Rules::json()) };
        serde_path_to_error::deserialize(payload).map_err(|error| (path_of(&error), error.into_inner()))
    });
    match payload {
        Ok(payload) => Ok(Received { command: variant(payload), reference: reference.filter(|_| answers) }),
        Err((path, source)) => Err(CommandError::Malformed { name, path, source, reference }),
    }
}

#[cold]
fn invalid_reference(name: &'static str, field: &'static str) -> CommandError {
    let source = serde_json::Error::custom(format_args!(
        "it is repeated in the answer, and must be a string or a number of at most {LONGEST} bytes"
    ));
    CommandError::Malformed { name, path: field.into(), source, reference: None }
}

/// Reads a whole map and returns the value of its tag, if the tag is a string, and its reference.
///
/// The map is read to its end, to detect an error after the tag.
struct FindCommand(&'static CommandFields);

impl<'de> DeserializeSeed<'de> for FindCommand {
    type Value = (Option<String>, SentReference);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for FindCommand {
    type Value = (Option<String>, SentReference);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a map with the field `{}`", self.0.tag)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let CommandFields { tag, reference: field } = *self.0;
        let (mut name, mut reference) = (None, None);
        while let Some(key) = entries.next_key_seed(KeySeed)? {
            if key.as_str() == tag {
                if name.replace(entries.next_value_seed(StringOrNothing(PhantomData))?).is_some() {
                    // Each reader would choose one of the two.
                    return Err(A::Error::duplicate_field(tag));
                }
            } else if field.is_some_and(|field| key.as_str() == field) {
                if reference.replace(sent_reference(&mut entries)?).is_some() {
                    return Err(A::Error::duplicate_field(field.unwrap_or_default()));
                }
            } else {
                entries.next_value::<IgnoredAny>()?;
            }
        }
        Ok((name.flatten(), reference.unwrap_or(Ok(None))))
    }
}

/// Reads the value of the reference. `RawValue` reads the JSON itself, so that the answer repeats it exactly. `null` is as good as
/// no reference.
///
/// Not inlined: commands without a reference would pay for it.
#[inline(never)]
fn sent_reference<'de, A: MapAccess<'de>>(entries: &mut A) -> Result<SentReference, A::Error> {
    let value = entries.next_value::<&'de RawValue>()?;
    Ok(match value.get() {
        "null" => Ok(None),
        _ => Reference::read(value).map(Some).ok_or(InvalidReference),
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};

    use super::*;

    const SILENT: &CommandFields = &CommandFields { tag: "command", reference: None };
    const ANSWERING: &CommandFields = &CommandFields { tag: "command", reference: Some("ref") };

    fn parsed(text: &str, fields: &'static CommandFields) -> ParsedCommand {
        match named_command(Frame::text(text), fields) {
            ParsedFrame::Command(command) => command,
            other @ ParsedFrame::Other { .. } => panic!("{other:?}"),
        }
    }

    fn answered<T: DeserializeOwned>(text: &str) -> Result<(T, Option<String>), CommandError> {
        let received = decode_command(parsed(text, ANSWERING), "send", true, |payload: T| payload)?;
        Ok((received.command, received.reference.map(|reference| reference.as_json().to_owned())))
    }

    #[test]
    fn command_is_found_by_its_tag() {
        let command = parsed(r#"{"command": "send", "n": 1}"#, SILENT);
        assert_eq!(command.name(), "send");
        let payload = decode_command(command, "send", false, |payload: Value| payload).unwrap();
        assert_eq!(payload.command, json!({"n": 1}));
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Tagged {
            command: String,
            n: u8,
        }
        let command = parsed(r#"{"command": "send", "n": 1}"#, SILENT);
        let Tagged { command, n } = decode_command(command, "send", false, |tagged| tagged).unwrap().command;
        assert_eq!((command.as_str(), n), ("send", 1), "a field with the name of the tag holds the command's name");
        for (frame, code) in [
            (Frame::text("{}"), "no_command"),
            (Frame::text("[]"), "malformed_json"),
            (Frame::text("{\"command\": \"send\"} x"), "malformed_json"),
            (Frame::binary("x"), "unsupported_frame"),
        ] {
            let ParsedFrame::Other { error, .. } = named_command(frame, SILENT) else { panic!("a command") };
            assert_eq!(error.code(), code);
        }
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Strict {
        n: u8,
    }

    #[test]
    fn reference_is_hidden_from_payload_and_kept_as_sent() {
        for (sent, kept) in [
            ("7", Some("7")),
            ("1.50", Some("1.50")),
            (r#""\u0041""#, Some(r#""\u0041""#)),
            ("null", None),
            ("18446744073709551616", Some("18446744073709551616")),
        ] {
            let text = format!(r#"{{"ref": {sent}, "command": "send", "n": 1}}"#);
            let (payload, reference): (Strict, _) = answered(&text).unwrap();
            assert_eq!((payload, reference.as_deref()), (Strict { n: 1 }, kept));
        }
        let (payload, reference): (Value, _) = answered(r#"{"command": "send", "r\u0065f": 1, "a": 2}"#).unwrap();
        assert_eq!((payload, reference.as_deref()), (json!({"a": 2}), Some("1")), "an escaped key is the same key");
        assert_eq!(answered::<Strict>(r#"{"command": "send", "n": 1}"#).unwrap(), (Strict { n: 1 }, None));
    }

    #[test]
    fn invalid_reference_is_malformed_command() {
        for sent in ["true", "[1]", "{}", &format!("\"{}\"", "x".repeat(63))] {
            let error = answered::<Strict>(&format!(r#"{{"ref": {sent}, "command": "send", "n": 1}}"#)).unwrap_err();
            assert_eq!((error.code(), error.field()), ("malformed_command", Some("ref")));
            assert_eq!(error.reference(), None);
            assert_eq!(
                error.to_string(),
                "command `send` is malformed at `ref`: it is repeated in the answer, and must be a string or a number of at \
                 most 64 bytes"
            );
        }
        let twice = Frame::text(r#"{"command": "send", "ref": 1, "ref": 2}"#);
        let ParsedFrame::Other { error, .. } = named_command(twice, ANSWERING) else { panic!("two references") };
        assert_eq!((error.code(), error.reference()), ("malformed_json", None));
    }

    #[test]
    fn errors_have_reference_of_their_frame() {
        let reference = |error: CommandError| error.reference().map(|reference| reference.as_json().to_owned());
        let missing = answered::<Strict>(r#"{"command": "send", "ref": 7}"#).unwrap_err();
        assert_eq!((missing.code(), reference(missing).as_deref()), ("malformed_command", Some("7")));
        let unknown = parsed(r#"{"command": "sned", "ref": "a"}"#, ANSWERING).unknown(&["send"]);
        assert_eq!((unknown.code(), reference(unknown).as_deref()), ("unknown_command", Some("\"a\"")));
        let ParsedFrame::Other { error, .. } = named_command(Frame::text(r#"{"ref": 7}"#), ANSWERING) else {
            panic!("no command")
        };
        assert_eq!((error.code(), reference(error).as_deref()), ("no_command", Some("7")));
    }

    #[test]
    fn command_without_answer_has_field_with_name_of_reference() {
        let command = parsed(r#"{"command": "send", "ref": [1]}"#, ANSWERING);
        let received = decode_command(command, "send", false, |payload: Value| payload).unwrap();
        assert_eq!((received.command, received.reference), (json!({"ref": [1]}), None));
        let command = parsed(r#"{"command": "send", "ref": 7, "ref": 8}"#, SILENT);
        let received = decode_command(command, "send", false, |payload: Value| payload).unwrap();
        assert_eq!((received.command, received.reference), (json!({"ref": 8}), None));
    }
}

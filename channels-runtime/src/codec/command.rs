//! Client commands: the name and the payload in a JSON text frame.

use serde::de::DeserializeSeed;

use crate::codec::deserializer::{Reader, Rules};
use crate::codec::envelope::path_of;
use crate::codec::tagged::{FindTag, Untagged};
use crate::error::{CommandError, FrameError, FrameKind};
use crate::websocket::{Frame, FromJson};

/// A client's frame: a command or any other frame. A command is a JSON object with its name in the tag.
#[derive(Debug)]
pub enum ParsedFrame {
    /// A command: a JSON object whose tag is a string.
    Command {
        /// The name of the command.
        name: String,
        /// The JSON text of the whole frame.
        text: String,
    },
    /// Any other frame. `#[receive(_)]` takes the frame; a consumer without such a method reports the error.
    Other {
        /// The frame, as the client sent it.
        frame: Frame,
        /// The reason why the frame is not a command.
        error: CommandError,
    },
}

/// Finds the name of a command in a client's frame.
pub fn named_command(frame: Frame, tag: &'static str) -> ParsedFrame {
    let text = match frame {
        Frame::Text(text) => text,
        Frame::Binary(_) => {
            let error = FrameError::Kind { expected: FrameKind::Text, got: FrameKind::Binary }.into();
            return ParsedFrame::Other { frame, error };
        }
    };
    let mut reader = serde_json::Deserializer::from_str(&text);
    let name = FindTag(tag).deserialize(&mut reader).and_then(|name| reader.end().map(|()| name));
    match name {
        Ok(Some(name)) => ParsedFrame::Command { name, text },
        Ok(None) => ParsedFrame::Other { frame: Frame::Text(text), error: CommandError::NoCommand { tag } },
        Err(source) => {
            let error = FrameError::Json { path: String::new(), source }.into();
            ParsedFrame::Other { frame: Frame::Text(text), error }
        }
    }
}

/// Reads the payload of a command.
pub fn decode_command<T: FromJson>(text: &str, tag: &'static str, name: &'static str) -> Result<T, CommandError> {
    let mut reader = serde_json::Deserializer::from_str(text);
    T::deserialize(Untagged { tags: &[tag], inner: Reader::new(&mut reader, Rules::json()) }).or_else(|_| {
        // Tracking the path costs time, so only a second pass does it, after the first pass has failed.
        let mut reader = serde_json::Deserializer::from_str(text);
        let payload = Untagged { tags: &[tag], inner: Reader::new(&mut reader, Rules::json()) };
        serde_path_to_error::deserialize(payload).map_err(|error| {
            let path = path_of(&error);
            CommandError::Malformed { name, path, source: error.into_inner() }
        })
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn command_is_found_by_its_tag() {
        let found = named_command(Frame::text(r#"{"command": "send", "n": 1}"#), "command");
        let ParsedFrame::Command { name, text } = found else { panic!("{found:?}") };
        assert_eq!(name, "send");
        let payload: Value = decode_command(&text, "command", "send").unwrap();
        assert_eq!(payload, json!({"n": 1}));
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Tagged {
            command: String,
            n: u8,
        }
        let tagged: Tagged = decode_command(&text, "command", "send").unwrap();
        assert_eq!(
            (tagged.command.as_str(), tagged.n),
            ("send", 1),
            "a field with the name of the tag holds the command's name"
        );
        for (frame, code) in [
            (Frame::text("{}"), "no_command"),
            (Frame::text("[]"), "malformed_json"),
            (Frame::text("{\"command\": \"send\"} x"), "malformed_json"),
            (Frame::binary("x"), "unsupported_frame"),
        ] {
            let ParsedFrame::Other { error, .. } = named_command(frame, "command") else { panic!("a command") };
            assert_eq!(error.code(), code);
        }
    }
}

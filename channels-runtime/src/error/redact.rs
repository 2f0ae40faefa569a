//! Redaction of texts from clients and peers, for log records and replies.

use std::borrow::Cow;
use std::fmt::{self, Write};

/// The maximum number of characters of such a text in a log record or a reply.
const MAX_SHOWN: usize = 200;

/// The maximum number of characters of an error or a panic in a log record. Its message may quote a text of a client.
const MAX_ERROR: usize = 1000;

/// Returns the beginning of a text, at most [`MAX_SHOWN`] characters.
pub(crate) fn shown(text: &str) -> &str {
    beginning(text, MAX_SHOWN)
}

/// Returns the beginning of an error's message, at most [`MAX_ERROR`] characters.
pub(crate) fn shown_error(error: impl fmt::Display) -> String {
    let mut shown = Beginning { text: String::new(), left: MAX_ERROR };
    // Fails at the limit, so that a long message is not written to the end.
    _ = write!(shown, "{error}");
    shown.text
}

fn beginning(text: &str, characters: usize) -> &str {
    text.char_indices().nth(characters).map_or(text, |(end, _)| &text[..end])
}

/// Text that takes a limited number of characters.
struct Beginning {
    text: String,
    left: usize,
}

impl Write for Beginning {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let taken = beginning(text, self.left);
        self.text.push_str(taken);
        self.left -= taken.chars().count();
        if taken.len() == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

/// Returns an error message of serde without the value that it quotes, because the content of messages is not logged.
pub(crate) fn without_value(message: &str) -> Cow<'_, str> {
    for problem in ["invalid type:", "invalid value:", "unknown variant"] {
        if let Some((before, rest)) = message.split_once(problem)
            && let Some((value, expected)) = rest.rsplit_once(", expected ")
        {
            let kind = value.split(['`', '"']).next().unwrap_or_default().trim_end();
            return format!("{before}{problem}{kind}, expected {expected}").into();
        }
    }
    message.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logged_text_is_cut_between_characters() {
        assert_eq!(shown("short"), "short");
        assert_eq!(shown(&"é".repeat(10_000)).chars().count(), MAX_SHOWN);
        assert_eq!(shown_error(format_args!("{}: {}", "a", 7)), "a: 7");
        assert_eq!(shown_error("é".repeat(MAX_ERROR)).chars().count(), MAX_ERROR);
        assert_eq!(shown_error(format_args!("a{}{}", "é".repeat(10_000), "b")).chars().count(), MAX_ERROR);
    }

    #[test]
    fn logged_error_names_kind_not_value() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum Kind {
            Open,
        }
        #[derive(Debug, serde::Deserialize)]
        #[expect(dead_code, reason = "only deserialised")]
        struct Form {
            pin: u8,
            kind: Kind,
        }
        let logged = |json: &str| {
            let error = serde_json::from_str::<Form>(json).unwrap_err().to_string();
            without_value(&error).split(" at line").next().unwrap().to_owned()
        };
        assert_eq!(logged(r#"{"pin": "my, expected secret"}"#), "invalid type: string, expected u8");
        assert_eq!(logged(r#"{"pin": "\"quoted\" `secret"}"#), "invalid type: string, expected u8");
        assert_eq!(logged(r#"{"pin": 4711}"#), "invalid value: integer, expected u8");
        assert_eq!(logged(r#"{"pin": [4711]}"#), "invalid type: sequence, expected u8");
        assert_eq!(logged(r#"{"kind": "secret"}"#), "unknown variant, expected `open`");
        assert_eq!(logged(r#"{"kind": "open"}"#), "missing field `pin`");
        assert_eq!(logged("{"), "EOF while parsing an object");
    }
}

//! Redaction of texts from clients and peers, for log records and replies.

use std::borrow::Cow;

/// The maximum number of characters of such a text in a log record or a reply.
const MAX_SHOWN: usize = 200;

/// Returns the beginning of a text, at most [`MAX_SHOWN`] characters.
pub(crate) fn shown(text: &str) -> &str {
    text.char_indices().nth(MAX_SHOWN).map_or(text, |(end, _)| &text[..end])
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

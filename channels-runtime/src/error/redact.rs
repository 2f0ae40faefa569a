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

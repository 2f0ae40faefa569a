//! Redaction of peer text for logs and replies.

use std::borrow::Cow;

/// The number of characters of a peer's text in a log record or a reply.
const SHOWN: usize = 200;

/// Returns the beginning of a peer's text.
pub(crate) fn shown(text: &str) -> &str {
    text.char_indices().nth(SHOWN).map_or(text, |(end, _)| &text[..end])
}

/// Returns a sentence of serde without the value that it quotes: the content of messages is not logged.
pub(crate) fn without_value(sentence: &str) -> Cow<'_, str> {
    for complaint in ["invalid type:", "invalid value:", "unknown variant"] {
        if let Some((before, rest)) = sentence.split_once(complaint)
            && let Some((value, expected)) = rest.rsplit_once(", expected ")
        {
            let kind = value.split(['`', '"']).next().unwrap_or_default().trim_end();
            return format!("{before}{complaint}{kind}, expected {expected}").into();
        }
    }
    sentence.into()
}

//! Redaction of peer text for logs and replies.

use std::borrow::Cow;

/// How much of a peer's text is repeated, in the log or to itself, in characters.
const SHOWN: usize = 200;

/// The beginning of a peer's text.
pub(crate) fn shown(text: &str) -> &str {
    text.char_indices().nth(SHOWN).map_or(text, |(end, _)| &text[..end])
}

/// A sentence of serde's without the value that it complains of: what a message says has no place in a log.
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

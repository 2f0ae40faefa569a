//! The reference of a command: the value by which a client recognises the answer.

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// The greatest length of a reference, in bytes of its JSON. The answer repeats it, so a client must not make it long.
pub(crate) const LONGEST: usize = 64;

/// The reference of a command: the value of its `ref`, which the answer repeats exactly as the client sent it.
///
/// It is a string or a number of at most 64 bytes of JSON, with the quotes of a string. Serialises as that JSON.
#[derive(Clone)]
pub struct Reference(Box<RawValue>);

impl Reference {
    /// Reads a reference. Returns `None` for another kind of value, and for one that is too long.
    pub(crate) fn read(value: &RawValue) -> Option<Self> {
        let text = value.get();
        let is_kind = matches!(text.as_bytes().first(), Some(b'"' | b'-' | b'0'..=b'9'));
        (is_kind && text.len() <= LONGEST).then(|| Self(value.to_owned()))
    }

    /// Returns the JSON of the reference: `7`, or `"a1"` with the quotes.
    pub fn as_json(&self) -> &str {
        self.0.get()
    }
}

impl Serialize for Reference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl PartialEq for Reference {
    fn eq(&self, other: &Self) -> bool {
        self.as_json() == other.as_json()
    }
}

impl Eq for Reference {}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reference({})", self.as_json())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reference_is_short_string_or_number() {
        let read = |json: &str| {
            let value: Box<RawValue> = serde_json::from_str(json).unwrap();
            Reference::read(&value).map(|reference| reference.as_json().to_owned())
        };
        let longest = format!("\"{}\"", "x".repeat(LONGEST - 2));
        for json in ["7", "-7", "1.50", "1e400", "18446744073709551616", r#""a\u0041""#, r#""""#, longest.as_str()] {
            assert_eq!(read(json).as_deref(), Some(json), "it is repeated as it was sent");
        }
        let longer = format!("\"{}\"", "x".repeat(LONGEST - 1));
        for json in ["null", "true", "[7]", r#"{"id": 7}"#, longer.as_str()] {
            assert_eq!(read(json), None, "{json}");
        }
    }
}

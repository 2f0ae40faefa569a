//! Python's literals for floats that JSON does not have: `NaN`, `Infinity` and `-Infinity`.
//!
//! Python's `json` writes and reads them. serde_json does not parse them, so a message with one is parsed a second time, with a
//! string instead of each literal.

use uuid::Uuid;

const LITERALS: [&[u8]; 3] = [b"NaN", b"Infinity", b"-Infinity"];

/// A message with strings instead of the literals.
pub(super) struct Quoted {
    pub(super) body: Vec<u8>,
    /// The beginning of each of these strings. A sender cannot guess it. The rest is the literal.
    pub(super) marker: String,
}

/// Replaces the literals in a message. Returns `None` if it has none.
#[cold]
pub(super) fn quote(message: &[u8]) -> Option<Quoted> {
    let marker = Uuid::new_v4().to_string();
    let mut body = Vec::new();
    let (mut copied, mut at, mut in_string) = (0, 0, false);
    while at < message.len() {
        at += match message[at] {
            b'"' => {
                in_string = !in_string;
                1
            }
            b'\\' => 2,
            _ if in_string => 1,
            _ => match LITERALS.iter().find(|literal| message[at..].starts_with(literal)) {
                None => 1,
                Some(literal) => {
                    for part in [&message[copied..at], b"\"", marker.as_bytes(), literal, b"\""] {
                        body.extend_from_slice(part);
                    }
                    copied = at + literal.len();
                    literal.len()
                }
            },
        };
    }
    if copied == 0 {
        return None;
    }
    body.extend_from_slice(&message[copied..]);
    Some(Quoted { body, marker })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_outside_of_strings_are_quoted() {
        let quoted = |text: &str| {
            quote(text.as_bytes()).map(|quoted| String::from_utf8(quoted.body).unwrap().replace(&quoted.marker, "~"))
        };
        for untouched in [r#"{"a": "NaN", "b\\": "\"Infinity", "c": [1, null]}"#, "", "\"", "{\"a\\", "N"] {
            assert_eq!(quoted(untouched), None, "{untouched}");
        }
        for (text, wanted) in [
            ("[NaN]", r#"["~NaN"]"#),
            (r#"{"NaN\\": -Infinity, "b\"": Infinity}"#, r#"{"NaN\\": "~-Infinity", "b\"": "~Infinity"}"#),
            // Still invalid.
            ("[NaN5, NaNNaN]", r#"["~NaN"5, "~NaN""~NaN"]"#),
            ("Infinity", r#""~Infinity""#),
        ] {
            assert_eq!(quoted(text).as_deref(), Some(wanted));
        }
    }
}

//! How a client tells the messages of a consumer apart.

use std::fmt;

use serde_json::Value;

use crate::shape::{Object, Rest, Shape, integer_of};
use crate::types::Types;

/// The kind of a JSON value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    Boolean,
    Number,
    String,
    Array,
    Object,
}

impl Kind {
    const ALL: [Self; 6] = [Self::Null, Self::Boolean, Self::Number, Self::String, Self::Array, Self::Object];

    /// Returns the word of the lock file and of the clients.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Number => "number",
            Self::String => "string",
            Self::Array => "array",
            Self::Object => "object",
        }
    }

    pub(crate) fn of_value(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Boolean,
            Value::Number(_) => Self::Number,
            Value::String(_) => Self::String,
            Value::Array(_) => Self::Array,
            Value::Object(_) => Self::Object,
        }
    }
}

/// A test that one message passes and no other.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Discriminator {
    /// The message is an object with this key.
    Has(String),
    /// Its value is of this kind.
    HasKind(String, Kind),
    /// Its value is this one.
    HasValue(String, Value),
    /// The message as a whole is of this kind.
    Is(Kind),
}

impl Discriminator {
    /// Returns the test for each form of a message that no form of another message passes.
    ///
    /// # Errors
    /// The index of a message with a form that cannot be told from one of this message.
    pub(crate) fn of(at: usize, messages: &[&Shape], types: &Types) -> Result<Vec<Self>, usize> {
        let mut discriminators = Vec::new();
        for form in forms(messages[at], types) {
            // The message with which the first candidate, a key, is shared.
            let mut taken = at;
            let test = candidates(form, types).into_iter().find(|test| {
                let other = messages.iter().enumerate().find(|(other, message)| {
                    *other != at && forms(message, types).into_iter().any(|form| test.may_pass(form, types))
                });
                if let (Some((other, _)), true) = (other, taken == at) {
                    taken = other;
                }
                other.is_none()
            });
            match test {
                Some(found) if discriminators.contains(&found) => {}
                Some(found) => discriminators.push(found),
                // Without a candidate, the message could be anything.
                None if taken == at && messages.len() == 1 => {}
                None => return Err(if taken == at { usize::from(at == 0) } else { taken }),
            }
        }
        Ok(discriminators)
    }

    /// Returns whether a value of this shape can pass.
    pub(crate) fn may_pass(&self, form: &Shape, types: &Types) -> bool {
        let key = match self {
            Self::Is(kind) => return kinds(form, types).contains(kind),
            Self::Has(key) | Self::HasKind(key, _) | Self::HasValue(key, _) => key,
        };
        let fits = |shape: &Shape| match self {
            Self::Is(_) | Self::Has(_) => true,
            Self::HasKind(_, kind) => kinds(shape, types).contains(kind),
            Self::HasValue(_, value) => may_be(shape, value, types),
        };
        match form {
            Shape::Any => true,
            Shape::Map(of, _) => fits(of),
            Shape::Object(Object { fields, rest }) => match (fields.get(key), rest) {
                (Some(field), _) => fits(&field.shape),
                (None, Rest::Each(of)) => fits(of),
                (None, Rest::Ignored | Rest::Denied) => false,
            },
            _ => false,
        }
    }

    /// Returns whether a JSON value passes.
    #[cfg(test)]
    pub(crate) fn passes(&self, value: &Value) -> bool {
        match self {
            Self::Is(kind) => Kind::of_value(value) == *kind,
            Self::Has(key) => value.get(key).is_some(),
            Self::HasKind(key, kind) => value.get(key).is_some_and(|value| Kind::of_value(value) == *kind),
            Self::HasValue(key, wanted) => value.get(key) == Some(wanted),
        }
    }

    /// Reads the text of a test, as in the lock file.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let kind = |word: &str| Kind::ALL.into_iter().find(|kind| kind.as_str() == word);
        if let Some(word) = text.strip_prefix("is ") {
            return kind(word).map(Self::Is);
        }
        let text = text.strip_prefix("has ")?;
        let (key, rest) = if text.starts_with('"') {
            let mut values = serde_json::Deserializer::from_str(text).into_iter::<String>();
            let key = values.next()?.ok()?;
            (key, &text[values.byte_offset()..])
        } else {
            let end = text.find([':', ' ']).unwrap_or(text.len());
            (text[..end].to_owned(), &text[end..])
        };
        if rest.is_empty() {
            Some(Self::Has(key))
        } else if let Some(word) = rest.strip_prefix(": ") {
            Some(Self::HasKind(key, kind(word)?))
        } else {
            Some(Self::HasValue(key, serde_json::from_str(rest.strip_prefix(" = ")?).ok()?))
        }
    }
}

impl fmt::Display for Discriminator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, rest) = match self {
            Self::Is(kind) => return write!(f, "is {}", kind.as_str()),
            Self::Has(key) => (key, String::new()),
            Self::HasKind(key, kind) => (key, format!(": {}", kind.as_str())),
            Self::HasValue(key, value) => (key, format!(" = {value}")),
        };
        let is_word = !key.is_empty() && key.chars().all(|next| next.is_ascii_alphanumeric() || next == '_');
        if is_word { write!(f, "has {key}{rest}") } else { write!(f, "has {}{rest}", Value::from(key.as_str())) }
    }
}

/// Returns the forms of a message: the members of a union behind names.
fn forms<'a>(shape: &'a Shape, types: &'a Types) -> Vec<&'a Shape> {
    match types.resolve(shape) {
        Shape::Union(members) => members.iter().flat_map(|member| forms(member, types)).collect(),
        other => vec![other],
    }
}

/// Returns the tests that a value of this shape always passes, the best first.
fn candidates(form: &Shape, types: &Types) -> Vec<Discriminator> {
    let Shape::Object(Object { fields, .. }) = form else {
        return match kinds(form, types)[..] {
            [kind] => vec![Discriminator::Is(kind)],
            _ => Vec::new(),
        };
    };
    let required = || fields.iter().filter(|(_, field)| field.required);
    let constants = required().filter_map(|(key, field)| match types.resolve(&field.shape) {
        Shape::Constant(value) => Some(Discriminator::HasValue(key.clone(), value.clone())),
        _ => None,
    });
    let keys = required().map(|(key, _)| Discriminator::Has(key.clone()));
    let of_kind = required().filter_map(|(key, field)| match kinds(&field.shape, types)[..] {
        [kind] => Some(Discriminator::HasKind(key.clone(), kind)),
        _ => None,
    });
    constants.chain(keys).chain(of_kind).chain([Discriminator::Is(Kind::Object)]).collect()
}

/// Returns the kinds that a value of this shape can be of.
fn kinds(shape: &Shape, types: &Types) -> Vec<Kind> {
    let mut kinds = Vec::new();
    for form in forms(shape, types) {
        let of_form: &[Kind] = match form {
            Shape::Any | Shape::Named(_) | Shape::Union(_) => &Kind::ALL,
            Shape::Null => &[Kind::Null],
            Shape::Bool => &[Kind::Boolean],
            Shape::Integer(_) | Shape::Number => &[Kind::Number],
            Shape::Text(_) => &[Kind::String],
            Shape::Constant(value) => &[Kind::of_value(value)],
            Shape::Array(..) | Shape::Tuple(_) => &[Kind::Array],
            Shape::Map(..) | Shape::Object(_) => &[Kind::Object],
        };
        for kind in of_form {
            if !kinds.contains(kind) {
                kinds.push(*kind);
            }
        }
    }
    kinds
}

/// Returns whether a value of this shape can be the constant.
fn may_be(shape: &Shape, value: &Value, types: &Types) -> bool {
    forms(shape, types).into_iter().any(|form| match form {
        Shape::Constant(other) => other == value,
        Shape::Integer(range) => integer_of(value).is_some_and(|number| (range.least..=range.most).contains(&number)),
        other => kinds(other, types).contains(&Kind::of_value(value)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tests_of(texts: &[&str]) -> Vec<Result<Vec<String>, usize>> {
        let shapes: Vec<Shape> = texts.iter().map(|text| Shape::read(text).unwrap()).collect();
        let shapes: Vec<&Shape> = shapes.iter().collect();
        let of = |at| Discriminator::of(at, &shapes, &Types::default());
        (0..shapes.len()).map(|at| of(at).map(|tests| tests.iter().map(Discriminator::to_string).collect())).collect()
    }

    #[test]
    fn the_first_test_that_no_other_message_passes_is_taken() {
        assert_eq!(
            tests_of(&[
                r#"{"join": string, "title": string}"#,
                r#"{"leave": string}"#,
                r#"{"error": "A" | "B"}"#,
                r#"{"error": {"code": string}}"#,
                r#"{"kind": "x", "join": string}"#,
                r#"[string]"#,
                r#"{"type": "a", "n": u8} | {"type": "b"}"#,
            ]),
            [
                Ok(vec!["has title".into()]),
                Ok(vec!["has leave".into()]),
                Ok(vec!["has error: string".into()]),
                Ok(vec!["has error: object".into()]),
                Ok(vec!["has kind = \"x\"".into()]),
                Ok(vec!["is array".into()]),
                Ok(vec!["has type = \"a\"".into(), "has type = \"b\"".into()]),
            ]
        );
    }

    #[test]
    fn equal_messages_cannot_be_told_apart() {
        assert_eq!(tests_of(&[r#"{"a": string}"#, r#"{"a": string, "b"?: u8}"#]), [Err(1), Err(0)]);
        assert_eq!(tests_of(&["any", r#"{"a": string}"#]), [Err(1), Err(0)]);
        assert_eq!(tests_of(&[r#"{"a": u8}"#, "{[string]: u8}"]), [Err(1), Err(0)]);
    }

    #[test]
    fn one_message_needs_no_test() {
        assert_eq!(tests_of(&["any"]), [Ok(vec![])]);
        assert_eq!(tests_of(&[r#"{"a": string}"#]), [Ok(vec!["has a".into()])]);
    }

    #[test]
    fn the_text_of_a_test_is_read_back() {
        for text in ["has a", "has a: object", "has a = 4", "has \"a b\" = \"x\"", "is array", "has \"\""] {
            let test = Discriminator::read(text).unwrap();
            assert_eq!(test.to_string(), text);
        }
        for text in ["", "has", "is word", "has a: word", "has a = ", "had a"] {
            assert_eq!(Discriminator::read(text), None, "{text}");
        }
    }

    #[test]
    fn a_value_passes_the_test_of_its_own_message() {
        let test = Discriminator::read("has type = \"a\"").unwrap();
        assert!(test.passes(&serde_json::json!({"type": "a"})));
        assert!(!test.passes(&serde_json::json!({"type": "b"})));
        assert!(!test.passes(&serde_json::json!(["type"])));
    }
}

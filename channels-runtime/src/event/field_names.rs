//! The names of a payload's fields, as serde knows them: without a value, and without a macro of our own.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Visitor};

/// The fields of `T` by their names on the wire, other names (`alias`) included. Empty for what is no struct, and for a
/// struct with a flattened field, whose fields serde finds out only while it reads.
pub(crate) fn fields_of<T: for<'de> Deserialize<'de>>() -> &'static [&'static str] {
    match T::deserialize(Asked) {
        Err(Answer(fields)) => fields,
        // A unit struct that asks for nothing.
        Ok(_) => &[],
    }
}

/// A deserializer that has nothing to give, but remembers what it was asked for.
struct Asked;

/// What [`Asked`] was asked for, which serde hands through as an error.
#[derive(Debug)]
struct Answer(&'static [&'static str]);

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the fields are {:?}", self.0)
    }
}

impl std::error::Error for Answer {}

impl serde::de::Error for Answer {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(&[])
    }
}

impl<'de> Deserializer<'de> for Asked {
    type Error = Answer;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Answer> {
        Err(Answer(&[]))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Answer> {
        Err(Answer(fields))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Answer> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct seq
        tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[derive(serde::Deserialize)]
    #[expect(dead_code, reason = "only its shape is looked at")]
    struct Plain {
        name: String,
        #[serde(rename = "roomId")]
        room: u64,
        #[serde(skip)]
        secret: u8,
        #[serde(default, alias = "when")]
        at: Option<u64>,
    }

    #[derive(serde::Deserialize)]
    #[expect(dead_code, reason = "only its shape is looked at")]
    struct Flattened {
        name: String,
        #[serde(flatten)]
        more: HashMap<String, String>,
    }

    #[derive(serde::Deserialize)]
    #[expect(dead_code, reason = "only its shape is looked at")]
    struct Wrapped(Plain);

    #[derive(serde::Deserialize)]
    struct Unit;

    #[test]
    fn serde_says_what_a_struct_is_made_of() {
        let plain = ["name", "roomId", "at", "when"];
        assert_eq!(fields_of::<Plain>(), plain);
        assert_eq!(fields_of::<Wrapped>(), plain);
        let none: [&str; 0] = [];
        assert_eq!(fields_of::<Flattened>(), none);
        assert_eq!(fields_of::<Unit>(), none);
        assert_eq!(fields_of::<u64>(), none);
    }
}

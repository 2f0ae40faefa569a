//! The field names of a payload. Serde reports them, so neither a value nor a macro of this crate is needed.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Visitor};

/// Returns the encoded names of the fields of `T`, and their aliases.
///
/// The list is empty for a type that is not a struct. It is also empty for a struct with a flattened field, because serde does
/// not know its fields in advance.
pub(crate) fn fields_of<T: for<'de> Deserialize<'de>>() -> &'static [&'static str] {
    match T::deserialize(FieldRecorder) {
        Err(Fields(fields)) => fields,
        // A type that reads nothing has no fields.
        Ok(_) => &[],
    }
}

/// A deserialiser without a value. Its error contains the fields that the type requests.
struct FieldRecorder;

/// The fields that a type requested from [`FieldRecorder`]. This is an error type, so that `deserialize` returns it
/// immediately.
#[derive(Debug)]
struct Fields(&'static [&'static str]);

impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the fields are {:?}", self.0)
    }
}

impl std::error::Error for Fields {}

impl serde::de::Error for Fields {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(&[])
    }
}

impl<'de> Deserializer<'de> for FieldRecorder {
    type Error = Fields;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Fields> {
        Err(Fields(&[]))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Fields> {
        Err(Fields(fields))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Fields> {
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
    #[expect(dead_code, reason = "only its fields are inspected")]
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
    #[expect(dead_code, reason = "only its fields are inspected")]
    struct Flattened {
        name: String,
        #[serde(flatten)]
        more: HashMap<String, String>,
    }

    #[derive(serde::Deserialize)]
    #[expect(dead_code, reason = "only its fields are inspected")]
    struct Wrapped(Plain);

    #[derive(serde::Deserialize)]
    struct Unit;

    #[test]
    fn fields_of_struct_are_those_of_serde() {
        let plain = ["name", "roomId", "at", "when"];
        assert_eq!(fields_of::<Plain>(), plain);
        assert_eq!(fields_of::<Wrapped>(), plain);
        let none: [&str; 0] = [];
        assert_eq!(fields_of::<Flattened>(), none);
        assert_eq!(fields_of::<Unit>(), none);
        assert_eq!(fields_of::<u64>(), none);
    }
}

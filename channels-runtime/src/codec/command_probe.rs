//! A check of a command's type at the start: whether a JSON object with the command's name can be read into it.
//!
//! The compiler rejects the types that [`Untagged`] never reads. It cannot see two others: a type that looks at the value and
//! rejects an object, and an enum that reads its variant from the field with the command's name, which is hidden from it.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};

use crate::codec::tagged::Untagged;

/// The greatest number of fields that are added, and the greatest depth of their values.
const LIMIT: usize = 64;

/// Returns the reason why no client can send the command, or `None` if a client can send it or the reason is unknown.
///
/// Reads the type from an object that has only the tag. Adds each missing field and repeats this, until the type is read or rejects a
/// value.
pub(crate) fn unsendable<T: DeserializeOwned>(tag: &'static str, name: &'static str) -> Option<String> {
    let mut fields = vec![tag];
    while fields.len() < LIMIT {
        let probe = Object { fields: &fields, name };
        match T::deserialize(Untagged { tags: &[tag], inner: probe }) {
            Ok(_) | Err(Refusal::Unknown) => return None,
            Err(Refusal::Object) => {
                return Some(format!("`{}` cannot be read from a JSON object", std::any::type_name::<T>()));
            }
            Err(Refusal::Missing(field)) if field == tag => {
                return Some(format!(
                    "`{}` reads the field \"{tag}\", which holds the command's name; set another tag with \
                     `#[consumer(tag = \"command\")]`",
                    std::any::type_name::<T>()
                ));
            }
            Err(Refusal::Missing(field)) if fields.contains(&field) => return None,
            Err(Refusal::Missing(field)) => fields.push(field),
        }
    }
    None
}

/// The reason why a type was not read.
#[derive(Debug)]
enum Refusal {
    /// The type cannot be read from an object.
    Object,
    /// The object lacks a field.
    Missing(&'static str),
    /// Any other reason, such as a value that does not fit its field.
    Unknown,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the type was not read")
    }
}

impl std::error::Error for Refusal {}

impl serde::de::Error for Refusal {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::Unknown
    }

    fn invalid_type(unexpected: Unexpected<'_>, _: &dyn serde::de::Expected) -> Self {
        if unexpected == Unexpected::Map { Self::Object } else { Self::Unknown }
    }

    fn missing_field(field: &'static str) -> Self {
        Self::Missing(field)
    }
}

/// A JSON object. Its first field is the tag, which holds the name of the command.
struct Object<'a> {
    fields: &'a [&'static str],
    name: &'static str,
}

impl<'de> Deserializer<'de> for Object<'_> {
    type Error = Refusal;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_map(Entries { rest: self.fields, name: Some(self.name) })
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// The entries of an [`Object`].
struct Entries<'a> {
    rest: &'a [&'static str],
    /// The value of the first field.
    name: Option<&'static str>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Refusal;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Refusal> {
        let Some((first, rest)) = self.rest.split_first() else { return Ok(None) };
        self.rest = rest;
        seed.deserialize((*first).into_deserializer()).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Refusal> {
        let value = match self.name.take() {
            Some(name) => seed.deserialize(StrDeserializer::new(name)),
            None => seed.deserialize(Anything { depth: 0 }),
        };
        // If a value is refused, the type may still be read from another object.
        value.map_err(|_: Refusal| Refusal::Unknown)
    }
}

/// A value of whichever type is requested.
#[derive(Clone, Copy)]
struct Anything {
    depth: usize,
}

impl Anything {
    fn inner(self) -> Result<Self, Refusal> {
        if self.depth < LIMIT { Ok(Self { depth: self.depth + 1 }) } else { Err(Refusal::Unknown) }
    }
}

macro_rules! anything {
    ($($method:ident: $visit:ident($($value:expr)?);)*) => {
        $(
            fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
                visitor.$visit($($value)?)
            }
        )*
    };
}

impl<'de> Deserializer<'de> for Anything {
    type Error = Refusal;

    anything! {
        deserialize_any: visit_unit();
        deserialize_ignored_any: visit_unit();
        deserialize_unit: visit_unit();
        deserialize_option: visit_none();
        deserialize_bool: visit_bool(false);
        deserialize_i8: visit_i8(0);
        deserialize_i16: visit_i16(0);
        deserialize_i32: visit_i32(0);
        deserialize_i64: visit_i64(0);
        deserialize_i128: visit_i128(0);
        deserialize_u8: visit_u8(0);
        deserialize_u16: visit_u16(0);
        deserialize_u32: visit_u32(0);
        deserialize_u64: visit_u64(0);
        deserialize_u128: visit_u128(0);
        deserialize_f32: visit_f32(0.0);
        deserialize_f64: visit_f64(0.0);
        deserialize_char: visit_char('a');
        deserialize_str: visit_str("");
        deserialize_string: visit_str("");
        deserialize_identifier: visit_str("");
        deserialize_bytes: visit_bytes(&[]);
        deserialize_byte_buf: visit_bytes(&[]);
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_newtype_struct(self.inner()?)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_seq(Items { left: 0, item: self })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_seq(Items { left: length, item: self.inner()? })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        self.deserialize_tuple(length, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_map(Entries { rest: &[], name: None })
    }

    // A struct can be read from the list of its fields, which has no names to match.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        self.deserialize_tuple(fields.len(), visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        let first = variants.first().ok_or(Refusal::Unknown)?;
        visitor.visit_enum(Variant { name: first, content: self.inner()? })
    }
}

/// A list of equal values.
struct Items {
    left: usize,
    item: Anything,
}

impl<'de> SeqAccess<'de> for Items {
    type Error = Refusal;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Refusal> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        seed.deserialize(self.item).map(Some)
    }
}

/// A variant of an enum.
struct Variant {
    name: &'static str,
    content: Anything,
}

impl<'de> EnumAccess<'de> for Variant {
    type Error = Refusal;
    type Variant = Anything;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Anything), Refusal> {
        Ok((seed.deserialize(StrDeserializer::new(self.name))?, self.content))
    }
}

impl<'de> VariantAccess<'de> for Anything {
    type Error = Refusal;

    fn unit_variant(self) -> Result<(), Refusal> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Refusal> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Refusal> {
        self.deserialize_tuple(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Refusal> {
        self.deserialize_tuple(fields.len(), visitor)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::unsendable;

    #[derive(Deserialize)]
    #[serde(tag = "type")]
    #[expect(dead_code, reason = "only read")]
    enum Action {
        Say { text: String },
        Leave,
    }

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only read")]
    struct Flattened {
        id: u64,
        to: Option<Vec<String>>,
        color: Color,
        at: (f64, f64),
        #[serde(flatten)]
        action: Action,
    }

    #[derive(Deserialize)]
    enum Color {
        Red,
    }

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only read")]
    struct Nested {
        action: Action,
        list: Box<Option<Self>>,
        again: Inner,
    }

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only read")]
    struct Inner {
        #[serde(flatten)]
        action: Action,
    }

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only read")]
    struct WithTag {
        r#type: String,
        id: u64,
    }

    #[derive(Deserialize)]
    #[serde(untagged)]
    #[expect(dead_code, reason = "only read")]
    enum Whom {
        User { user: u64 },
        Room { room: String },
    }

    struct Text;

    impl<'de> Deserialize<'de> for Text {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Visitor;
            impl serde::de::Visitor<'_> for Visitor {
                type Value = Text;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("text")
                }
                fn visit_str<E>(self, _: &str) -> Result<Text, E> {
                    Ok(Text)
                }
            }
            deserializer.deserialize_any(Visitor)
        }
    }

    #[test]
    fn unsendable_finds_types_that_read_tag_or_no_object() {
        let reads_tag = |problem: Option<String>| problem.is_some_and(|problem| problem.contains("the field \"type\""));
        assert!(reads_tag(unsendable::<Action>("type", "say")));
        assert!(reads_tag(unsendable::<Flattened>("type", "say")));
        let problem = unsendable::<Text>("type", "say").expect("it reads text");
        assert!(problem.ends_with("Text` cannot be read from a JSON object"), "{problem}");
    }

    #[test]
    fn unsendable_accepts_types_that_read_object() {
        assert_eq!(unsendable::<Action>("command", "say"), None, "its tag is another field");
        assert_eq!(unsendable::<Flattened>("command", "say"), None);
        assert_eq!(unsendable::<Nested>("type", "say"), None, "the tag of a nested object is not hidden");
        assert_eq!(unsendable::<WithTag>("type", "say"), None, "the field receives the name");
        assert_eq!(unsendable::<Whom>("type", "say"), None);
        assert_eq!(unsendable::<serde_json::Value>("type", "say"), None);
        assert_eq!(unsendable::<std::collections::HashMap<String, u64>>("type", "say"), None);
    }
}

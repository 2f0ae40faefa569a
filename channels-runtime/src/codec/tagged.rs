//! Tagged maps: maps in which one field, the tag, holds the name of an event or of a client's command.
//!
//! Events and commands are flat maps: `{"type": "chat.message", "message": "hi"}`. Three adaptors work with any serde format:
//!
//! - [`Tagged`] writes the tag before a struct's own fields.
//! - [`Untagged`] hides the tag from the struct that is read, so that the struct may deny unknown fields. A struct with a field
//!   of the tag's name receives the tag.
//! - [`StringOrNothing`] reads the tag alone.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Unexpected, Visitor};
use serde::ser::{Error as _, Impossible, Serialize, SerializeMap, SerializeStruct, Serializer};

use crate::codec::key::{KeyDeserializer, KeySeed};
use crate::codec::private_json::{NUMBER, RAW_VALUE};

/// A value with its tag. Serialises as a map whose first entry is the tag.
pub(crate) struct Tagged<'a, T: ?Sized> {
    pub(crate) tag: &'static str,
    pub(crate) name: &'a str,
    pub(crate) value: &'a T,
}

impl<T: Serialize + ?Sized> Serialize for Tagged<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(TagFirst { tag: self.tag, name: self.name, inner: serializer })
    }
}

/// A serialiser that writes the tag before the first field of a struct or map, and fails for other types.
struct TagFirst<'a, S> {
    tag: &'static str,
    name: &'a str,
    inner: S,
}

impl<S: Serializer> TagFirst<'_, S> {
    fn reject_type<T>(&self, kind: &str) -> Result<T, S::Error> {
        Err(S::Error::custom(format_args!("`{}` must be a struct with named fields, not {kind}", self.name)))
    }
}

struct StructAfterTag<M>(M);

impl<M: SerializeMap> SerializeStruct for StructAfterTag<M> {
    type Ok = M::Ok;
    type Error = M::Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), M::Error> {
        self.0.serialize_entry(key, value)
    }

    fn end(self) -> Result<M::Ok, M::Error> {
        self.0.end()
    }
}

macro_rules! not_a_map {
    ($($method:ident($($argument:ty),*) $kind:literal;)*) => {
        $(fn $method(self, $(_: $argument),*) -> Result<Self::Ok, Self::Error> { self.reject_type($kind) })*
    };
}

impl<S: Serializer> Serializer for TagFirst<'_, S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Impossible<S::Ok, S::Error>;
    type SerializeTuple = Impossible<S::Ok, S::Error>;
    type SerializeTupleStruct = Impossible<S::Ok, S::Error>;
    type SerializeTupleVariant = Impossible<S::Ok, S::Error>;
    type SerializeMap = S::SerializeMap;
    type SerializeStruct = StructAfterTag<S::SerializeMap>;
    type SerializeStructVariant = Impossible<S::Ok, S::Error>;

    not_a_map! {
        serialize_bool(bool) "a boolean";
        serialize_i8(i8) "a number";
        serialize_i16(i16) "a number";
        serialize_i32(i32) "a number";
        serialize_i64(i64) "a number";
        serialize_u8(u8) "a number";
        serialize_u16(u16) "a number";
        serialize_u32(u32) "a number";
        serialize_u64(u64) "a number";
        serialize_f32(f32) "a number";
        serialize_f64(f64) "a number";
        serialize_char(char) "a character";
        serialize_str(&str) "a string";
        serialize_bytes(&[u8]) "bytes";
        serialize_none() "`None`";
        serialize_unit_variant(&'static str, u32, &'static str) "an enum";
    }

    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.serialize_map(Some(0))?.end()
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<S::Ok, S::Error> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<S::Ok, S::Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<S::Ok, S::Error> {
        self.reject_type("an enum")
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        self.reject_type("a list")
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, S::Error> {
        self.reject_type("a tuple")
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, S::Error> {
        self.reject_type("a tuple struct")
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        self.reject_type("an enum")
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        self.reject_type("an enum")
    }

    fn serialize_map(self, length: Option<usize>) -> Result<S::SerializeMap, S::Error> {
        let mut map = self.inner.serialize_map(length.map(|length| length + 1))?;
        map.serialize_entry(self.tag, self.name)?;
        Ok(map)
    }

    fn serialize_struct(self, name: &'static str, length: usize) -> Result<Self::SerializeStruct, S::Error> {
        match name {
            NUMBER => self.reject_type("a number"),
            RAW_VALUE => self.reject_type("raw JSON"),
            _ => self.serialize_map(Some(length)).map(StructAfterTag),
        }
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

/// A deserialiser of a map. It hides the tags from the type that is read.
pub(crate) struct Untagged<'a, D> {
    pub(crate) tags: &'a [&'static str],
    pub(crate) inner: D,
}

// A type that requests anything but a map could never be read. The constants make this an error of the build: they are evaluated
// for each type that requests them, and the compiler names that type.
macro_rules! reads_no_map {
    ($($method:ident($($argument:ty),*) $kind:literal;)*) => {
        $(fn $method<V: Visitor<'de>>(self, $(_: $argument,)* _: V) -> Result<V::Value, D::Error> {
            const {
                panic!(concat!(
                    "this type is read as ", $kind, ", but a command or an event is a map, as of a struct with named fields; \
                     a client's other JSON is received with `#[receive]` and `Json<T>`"
                ))
            }
        })*
    };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Untagged<'_, D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_map(MapWithoutTag { tags: self.tags, visible: &[], visitor })
    }

    // A field with the tag's name receives the tag. If the tag were hidden, the field would be missing in every message.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_map(MapWithoutTag { tags: self.tags, visible: fields, visitor })
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_map(MapWithoutTag { tags: self.tags, visible: &[], visitor: OnlyTag })?;
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, D::Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, D::Error> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any!(map ignored_any);

    reads_no_map! {
        deserialize_bool() "a boolean";
        deserialize_i8() "a number";
        deserialize_i16() "a number";
        deserialize_i32() "a number";
        deserialize_i64() "a number";
        deserialize_i128() "a number";
        deserialize_u8() "a number";
        deserialize_u16() "a number";
        deserialize_u32() "a number";
        deserialize_u64() "a number";
        deserialize_u128() "a number";
        deserialize_f32() "a number";
        deserialize_f64() "a number";
        deserialize_char() "a character";
        deserialize_str() "text";
        deserialize_string() "text";
        deserialize_identifier() "text";
        deserialize_bytes() "bytes";
        deserialize_byte_buf() "bytes";
        deserialize_option() "an `Option`";
        deserialize_seq() "a list";
        deserialize_tuple(usize) "a tuple";
        deserialize_tuple_struct(&'static str, usize) "a tuple struct";
        deserialize_enum(&'static str, &'static [&'static str]) "an enum with the variant as its key";
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

struct MapWithoutTag<'a, V> {
    tags: &'a [&'static str],
    /// The tags that are not hidden.
    visible: &'static [&'static str],
    visitor: V,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for MapWithoutTag<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_map(EntriesWithoutTag { tags: self.tags, visible: self.visible, entries })
    }
}

struct EntriesWithoutTag<'a, A> {
    tags: &'a [&'static str],
    visible: &'static [&'static str],
    entries: A,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for EntriesWithoutTag<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        loop {
            match self.entries.next_key_seed(KeySeed)? {
                None => return Ok(None),
                Some(key) if self.tags.contains(&key.as_str()) && !self.visible.contains(&key.as_str()) => {
                    self.entries.next_value::<IgnoredAny>()?;
                }
                Some(key) => return seed.deserialize(KeyDeserializer::new(key)).map(Some),
            }
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.entries.next_value_seed(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        self.entries.size_hint()
    }
}

/// Reads the map of a unit struct. All fields are ignored, like unknown fields of other payloads.
struct OnlyTag;

impl<'de> Visitor<'de> for OnlyTag {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

/// Reads a string. Any other value counts as absent.
pub(crate) struct StringOrNothing<'de>(pub(crate) PhantomData<&'de ()>);

impl<'de> DeserializeSeed<'de> for StringOrNothing<'de> {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<String>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

macro_rules! absent {
    ($($method:ident $argument:ty),* $(,)?) => {
        $(fn $method<E>(self, _: $argument) -> Result<Option<String>, E> { Ok(None) })*
    };
}

impl<'de> Visitor<'de> for StringOrNothing<'de> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E>(self, value: &str) -> Result<Option<String>, E> {
        Ok(Some(value.into()))
    }

    absent!(visit_bool bool, visit_i64 i64, visit_u64 u64, visit_f64 f64, visit_bytes &[u8]);

    fn visit_unit<E>(self) -> Result<Option<String>, E> {
        Ok(None)
    }

    fn visit_none<E>(self) -> Result<Option<String>, E> {
        Ok(None)
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<Option<String>, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Option<String>, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, _: D) -> Result<Option<String>, D::Error> {
        // This is a msgpack extension. It cannot be skipped, so the message is invalid.
        Err(D::Error::invalid_type(Unexpected::NewtypeStruct, &self))
    }
}

//! The keys of a map: strings on the wire, and any type that a string can hold for the reader, as in serde_json.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{BorrowedStrDeserializer, StrDeserializer};
use serde::de::{DeserializeSeed, Deserializer, Error, IntoDeserializer, Unexpected, Visitor};

/// The name of a field, or the key of a map.
pub(super) enum Key<'de> {
    Borrowed(&'de str),
    Owned(String),
}

impl Key<'_> {
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Borrowed(key) => key,
            Self::Owned(key) => key,
        }
    }
}

/// Reads a key.
pub(super) struct KeySeed;

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Key<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key<'de>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for KeySeed {
    type Value = Key<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string as the name of a field")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Key<'de>, E> {
        Ok(Key::Borrowed(key))
    }

    fn visit_str<E>(self, key: &str) -> Result<Key<'de>, E> {
        Ok(Key::Owned(key.into()))
    }

    // Python's msgpack reader also accepts byte strings as keys.
    fn visit_bytes<E: Error>(self, key: &[u8]) -> Result<Key<'de>, E> {
        let key = std::str::from_utf8(key).map_err(|_| E::invalid_value(Unexpected::Bytes(key), &self))?;
        Ok(Key::Owned(key.into()))
    }
}

/// Passes a key to the type that the reader asks for.
pub(super) struct KeyDeserializer<'de, E> {
    key: Key<'de>,
    error: PhantomData<E>,
}

impl<'de, E: Error> KeyDeserializer<'de, E> {
    pub(super) fn new(key: Key<'de>) -> Self {
        Self { key, error: PhantomData }
    }

    fn text<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        match self.key {
            Key::Borrowed(key) => BorrowedStrDeserializer::new(key).deserialize_str(visitor),
            Key::Owned(key) => key.into_deserializer().deserialize_str(visitor),
        }
    }
}

macro_rules! parsed {
    ($($method:ident $type:ty => $visit:ident;)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
            match self.key.as_str().parse::<$type>() {
                Ok(key) => visitor.$visit(key),
                // The visitor reports the type that it expects.
                Err(_) => self.text(visitor),
            }
        })*
    };
}

impl<'de, E: Error> Deserializer<'de> for KeyDeserializer<'de, E> {
    type Error = E;

    parsed! {
        deserialize_bool bool => visit_bool;
        deserialize_i8 i8 => visit_i8;
        deserialize_i16 i16 => visit_i16;
        deserialize_i32 i32 => visit_i32;
        deserialize_i64 i64 => visit_i64;
        deserialize_i128 i128 => visit_i128;
        deserialize_u8 u8 => visit_u8;
        deserialize_u16 u16 => visit_u16;
        deserialize_u32 u32 => visit_u32;
        deserialize_u64 u64 => visit_u64;
        deserialize_u128 u128 => visit_u128;
        deserialize_f32 f32 => visit_f32;
        deserialize_f64 f64 => visit_f64;
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        self.text(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, E> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, E> {
        visitor.visit_enum(StrDeserializer::new(self.key.as_str()))
    }

    serde::forward_to_deserialize_any! {
        char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

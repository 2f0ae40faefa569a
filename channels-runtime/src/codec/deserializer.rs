//! The deserialiser of messages: an adaptor around those of the two formats.
//!
//! It reads what [`serializer`](crate::codec::serializer) writes, and what Python writes, in the same way in both formats and
//! whatever features other crates enable in serde_json. The inner deserialiser parses; the adaptor passes every value through.

use std::fmt;

use serde::de::value::MapDeserializer;
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor};

use crate::codec::format::Format;
use crate::codec::key::{Key, KeyDeserializer, KeySeed};
use crate::codec::private_json::{NUMBER, PlainNumber, RAW_VALUE, numbers_are_maps};
use crate::codec::writer::MAX_DEPTH;

/// The rules for all values of a message.
#[derive(Clone, Copy)]
pub(super) struct Rules<'m> {
    format: Format,
    /// The number of levels that may still be nested.
    levels: usize,
    /// serde_json passes numbers as maps.
    numbers_are_maps: bool,
    /// The beginning of the strings that are non-finite floats, if the message has any.
    literals: Option<&'m str>,
    /// The reader has no non-finite floats.
    only_finite: bool,
}

impl<'m> Rules<'m> {
    pub(super) fn msgpack() -> Self {
        Self { format: Format::Msgpack, levels: MAX_DEPTH, numbers_are_maps: false, literals: None, only_finite: false }
    }

    pub(super) fn json() -> Self {
        Self { format: Format::Json, numbers_are_maps: numbers_are_maps(), ..Self::msgpack() }
    }

    /// Reads strings that begin with the marker as non-finite floats.
    pub(super) fn literals(self, marker: &'m str) -> Self {
        Self { literals: Some(marker), ..self }
    }

    /// Refuses non-finite floats.
    pub(super) fn only_finite(self, only_finite: bool) -> Self {
        Self { only_finite, ..self }
    }

    fn deeper<E: Error>(self) -> Result<Self, E> {
        match self.levels.checked_sub(1) {
            Some(levels) => Ok(Self { levels, ..self }),
            None => Err(E::custom(format_args!("it is nested more than {MAX_DEPTH} levels deep"))),
        }
    }
}

/// Reads a value with the rules of a message.
pub(super) struct Reader<'m, D> {
    inner: D,
    rules: Rules<'m>,
}

impl<'m, D> Reader<'m, D> {
    pub(super) fn new(inner: D, rules: Rules<'m>) -> Self {
        Self { inner, rules }
    }

    fn wrap<V>(rules: Rules<'m>, visitor: V) -> ValueVisitor<'m, V> {
        ValueVisitor { visitor, rules }
    }
}

macro_rules! forwarded {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$method(Self::wrap(self.rules, visitor))
        })*
    };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Reader<'_, D> {
    type Error = D::Error;

    forwarded! {
        deserialize_any deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8
        deserialize_u16 deserialize_u32 deserialize_u64 deserialize_char deserialize_str deserialize_string
        deserialize_bytes deserialize_byte_buf deserialize_option deserialize_unit deserialize_seq deserialize_map
        deserialize_identifier
    }

    // rmp-serde reads a negative number as a huge one.
    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        match self.rules.format {
            Format::Msgpack => self.deserialize_any(visitor),
            Format::Json => self.inner.deserialize_i128(Self::wrap(self.rules, visitor)),
        }
    }

    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        match self.rules.format {
            Format::Msgpack => self.deserialize_any(visitor),
            Format::Json => self.inner.deserialize_u128(Self::wrap(self.rules, visitor)),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        match self.rules.literals {
            Some(_) => self.deserialize_any(visitor),
            None => self.inner.deserialize_f32(Self::wrap(self.rules, visitor)),
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        match self.rules.literals {
            Some(_) => self.deserialize_any(visitor),
            None => self.inner.deserialize_f64(Self::wrap(self.rules, visitor)),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_unit_struct(name, Self::wrap(self.rules, visitor))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, D::Error> {
        if name == RAW_VALUE {
            let rules = self.rules.only_finite(true);
            let value: serde_json::Value = serde::Deserialize::deserialize(Self { rules, ..self })?;
            return visitor.visit_map(MapDeserializer::new(std::iter::once((RAW_VALUE, value.to_string()))));
        }
        self.inner.deserialize_newtype_struct(name, Self::wrap(self.rules, visitor))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_tuple(length, Self::wrap(self.rules, visitor))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_tuple_struct(name, length, Self::wrap(self.rules, visitor))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_struct(name, fields, Self::wrap(self.rules, visitor))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_enum(name, variants, Self::wrap(self.rules, visitor))
    }

    // An ignored value needs no rules.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_ignored_any(visitor)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

struct ValueVisitor<'m, V> {
    visitor: V,
    rules: Rules<'m>,
}

impl<'de, V: Visitor<'de>> ValueVisitor<'_, V> {
    /// Returns the float that a string means.
    fn literal(&self, text: &str) -> Option<f64> {
        text.strip_prefix(self.rules.literals?)?.parse().ok()
    }

    fn float<E: Error>(self, value: f64) -> Result<V::Value, E> {
        if self.rules.only_finite && !value.is_finite() {
            return Err(E::custom(format_args!("{value} is not a JSON value")));
        }
        self.visitor.visit_f64(value)
    }
}

macro_rules! passed {
    ($($method:ident $argument:ty;)*) => {
        $(fn $method<E: Error>(self, value: $argument) -> Result<V::Value, E> { self.visitor.$method(value) })*
    };
}

impl<'de, V: Visitor<'de>> Visitor<'de> for ValueVisitor<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    passed! {
        visit_bool bool;
        visit_i8 i8;
        visit_i16 i16;
        visit_i32 i32;
        visit_i64 i64;
        visit_i128 i128;
        visit_u8 u8;
        visit_u16 u16;
        visit_u32 u32;
        visit_u64 u64;
        visit_u128 u128;
        visit_char char;
        visit_bytes &[u8];
        visit_borrowed_bytes &'de [u8];
        visit_byte_buf Vec<u8>;
    }

    fn visit_f32<E: Error>(self, value: f32) -> Result<V::Value, E> {
        match value.is_finite() {
            true => self.visitor.visit_f32(value),
            false => self.float(value.into()),
        }
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<V::Value, E> {
        self.float(value)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<V::Value, E> {
        match self.literal(text) {
            Some(value) => self.float(value),
            None => self.visitor.visit_str(text),
        }
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<V::Value, E> {
        match self.literal(text) {
            Some(value) => self.float(value),
            None => self.visitor.visit_borrowed_str(text),
        }
    }

    fn visit_string<E: Error>(self, text: String) -> Result<V::Value, E> {
        match self.literal(&text) {
            Some(value) => self.float(value),
            None => self.visitor.visit_string(text),
        }
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.visitor.visit_some(Reader { inner, rules: self.rules })
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.visitor.visit_newtype_struct(Reader { inner, rules: self.rules })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_seq(Inside { inner, rules: self.rules.deeper()? })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut inner: A) -> Result<V::Value, A::Error> {
        let mut first = None;
        if self.rules.numbers_are_maps {
            first = inner.next_key_seed(KeySeed)?;
            if first.as_ref().is_some_and(|key| key.as_str() == NUMBER) {
                return match PlainNumber::parse(&inner.next_value::<String>()?) {
                    Some(PlainNumber::Unsigned(number)) => self.visitor.visit_u64(number),
                    Some(PlainNumber::Signed(number)) => self.visitor.visit_i64(number),
                    Some(PlainNumber::Float(number)) => self.visitor.visit_f64(number),
                    None => Err(A::Error::custom("number out of range")),
                };
            }
        }
        let rules = self.rules.deeper()?;
        self.visitor.visit_map(Entries { first, inner: Inside { inner, rules } })
    }

    fn visit_enum<A: EnumAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_enum(Inside { inner, rules: self.rules })
    }
}

/// The items of a list, the values of a map, a variant and its value, or the seed of such a value.
struct Inside<'m, A> {
    inner: A,
    rules: Rules<'m>,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Inside<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        self.inner.deserialize(Reader { inner, rules: self.rules })
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Inside<'_, A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.inner.next_element_seed(Inside { inner: seed, rules: self.rules })
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, 'm, A: EnumAccess<'de>> EnumAccess<'de> for Inside<'m, A> {
    type Error = A::Error;
    type Variant = Inside<'m, A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant), A::Error> {
        let (variant, inner) = self.inner.variant_seed(seed)?;
        Ok((variant, Inside { inner, rules: self.rules }))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Inside<'_, A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        // A variant with a value is a map of one entry.
        self.inner.newtype_variant_seed(Inside { inner: seed, rules: self.rules.deeper()? })
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.inner.tuple_variant(length, ValueVisitor { visitor, rules: self.rules.deeper()? })
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.inner.struct_variant(fields, ValueVisitor { visitor, rules: self.rules.deeper()? })
    }
}

struct Entries<'de, 'm, A> {
    /// The first key, if it was read already.
    first: Option<Key<'de>>,
    inner: Inside<'m, A>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Entries<'de, '_, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let key = match self.first.take() {
            Some(first) => Some(first),
            None => self.inner.inner.next_key_seed(KeySeed)?,
        };
        key.map(|key| seed.deserialize(KeyDeserializer::new(key))).transpose()
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.inner.inner.next_value_seed(Inside { inner: seed, rules: self.inner.rules })
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.inner.size_hint()
    }
}

//! The keys of a map: each is written as a string, as serde_json does.

use serde::Serialize;
use serde::ser::{Impossible, Serializer};

use crate::codec::writer::{Container, WriteError, Writer};

/// Writes the next key of a map.
pub(super) struct KeySerializer<'w, 'a> {
    pub(super) writer: &'w mut Writer<'a>,
    pub(super) map: &'w mut Container,
}

impl KeySerializer<'_, '_> {
    fn text(self, key: &str) -> Result<(), WriteError> {
        self.writer.key(self.map, key)
    }

    fn refuse<T>(self, kind: &str) -> Result<T, WriteError> {
        Err(WriteError::new(format_args!(
            "the key of a map must be text, a number, a boolean or a variant, not {kind}"
        )))
    }
}

macro_rules! as_text {
    ($($method:ident $argument:ty;)*) => {
        $(fn $method(self, key: $argument) -> Result<(), WriteError> { self.text(&key.to_string()) })*
    };
}

impl Serializer for KeySerializer<'_, '_> {
    type Ok = ();
    type Error = WriteError;
    type SerializeSeq = Impossible<(), WriteError>;
    type SerializeTuple = Impossible<(), WriteError>;
    type SerializeTupleStruct = Impossible<(), WriteError>;
    type SerializeTupleVariant = Impossible<(), WriteError>;
    type SerializeMap = Impossible<(), WriteError>;
    type SerializeStruct = Impossible<(), WriteError>;
    type SerializeStructVariant = Impossible<(), WriteError>;

    as_text! {
        serialize_bool bool;
        serialize_i8 i8;
        serialize_i16 i16;
        serialize_i32 i32;
        serialize_i64 i64;
        serialize_i128 i128;
        serialize_u8 u8;
        serialize_u16 u16;
        serialize_u32 u32;
        serialize_u64 u64;
        serialize_u128 u128;
    }

    fn serialize_str(self, key: &str) -> Result<(), WriteError> {
        self.text(key)
    }

    fn serialize_char(self, key: char) -> Result<(), WriteError> {
        self.text(key.encode_utf8(&mut [0; 4]))
    }

    fn serialize_f32(self, key: f32) -> Result<(), WriteError> {
        self.serialize_f64(key.into())
    }

    fn serialize_f64(self, key: f64) -> Result<(), WriteError> {
        match serde_json::Number::from_f64(key) {
            Some(number) => self.text(&number.to_string()),
            None => self.refuse("NaN or infinity"),
        }
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), WriteError> {
        self.text(variant)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, key: &T) -> Result<(), WriteError> {
        key.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, key: &T) -> Result<(), WriteError> {
        key.serialize(self)
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<(), WriteError> {
        self.refuse("bytes")
    }

    fn serialize_none(self) -> Result<(), WriteError> {
        self.refuse("`None`")
    }

    fn serialize_unit(self) -> Result<(), WriteError> {
        self.refuse("`()`")
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), WriteError> {
        self.refuse("a struct")
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), WriteError> {
        self.refuse("a variant with a value")
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, WriteError> {
        self.refuse("a list")
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, WriteError> {
        self.refuse("a tuple")
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, WriteError> {
        self.refuse("a tuple")
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, WriteError> {
        self.refuse("a variant with a value")
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, WriteError> {
        self.refuse("a map")
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeStruct, WriteError> {
        self.refuse("a struct")
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, WriteError> {
        self.refuse("a variant with a value")
    }
}

//! The serialiser of events and untyped messages.
//!
//! It keeps both formats inside what channels_redis reads. Types have the shape that serde_json gives them: a struct is a map, a
//! variant is a string or a map of one entry, `()` is null, and keys are strings. A value without such a shape is an error that
//! names its field.

use bytes::Bytes;
use serde::Serialize;
use serde::ser::{self, Serializer};

use crate::codec::format::Format;
use crate::codec::key_serializer::KeySerializer;
use crate::codec::private_json::{NUMBER, PlainNumber, RAW_VALUE};
use crate::codec::writer::{Container, Kind, WriteError, Writer};
use crate::error::EncodeError;
use crate::support::with_buffer;

/// Encodes a value.
///
/// # Errors
/// The value has no form that channels_redis reads. The error names the field.
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T, format: Format) -> Result<Bytes, EncodeError> {
    with_buffer(|body| {
        value.serialize(ValueSerializer(&mut Writer::new(format, body)))?;
        Ok(Bytes::copy_from_slice(body))
    })
}

/// Writes one value.
struct ValueSerializer<'w, 'a>(&'w mut Writer<'a>);

impl<'w, 'a> ValueSerializer<'w, 'a> {
    fn begin(self, kind: Kind, length: Option<usize>) -> Result<Open<'w, 'a>, WriteError> {
        let container = self.0.begin(kind, length)?;
        Ok(Open { writer: self.0, container, variant: None })
    }

    /// Begins the value of a variant with fields: `{variant: [..]}` or `{variant: {..}}`.
    fn begin_variant(self, variant: &'static str, kind: Kind, length: usize) -> Result<Open<'w, 'a>, WriteError> {
        let mut outer = self.0.begin(Kind::Map, Some(1))?;
        self.0.key(&mut outer, variant)?;
        let container = self.0.begin(kind, Some(length))?;
        Ok(Open { writer: self.0, container, variant: Some((outer, variant)) })
    }
}

macro_rules! scalars {
    ($($method:ident($argument:ty) => $write:ident;)*) => {
        $(fn $method(self, value: $argument) -> Result<(), WriteError> { self.0.$write(value.into()) })*
    };
}

impl<'w, 'a> Serializer for ValueSerializer<'w, 'a> {
    type Ok = ();
    type Error = WriteError;
    type SerializeSeq = Open<'w, 'a>;
    type SerializeTuple = Open<'w, 'a>;
    type SerializeTupleStruct = Open<'w, 'a>;
    type SerializeTupleVariant = Open<'w, 'a>;
    type SerializeMap = Open<'w, 'a>;
    type SerializeStruct = Struct<'w, 'a>;
    type SerializeStructVariant = Open<'w, 'a>;

    scalars! {
        serialize_bool(bool) => bool;
        serialize_i8(i8) => signed;
        serialize_i16(i16) => signed;
        serialize_i32(i32) => signed;
        serialize_i64(i64) => signed;
        serialize_u8(u8) => unsigned;
        serialize_u16(u16) => unsigned;
        serialize_u32(u32) => unsigned;
        serialize_u64(u64) => unsigned;
        serialize_f32(f32) => single;
        serialize_f64(f64) => float;
        serialize_str(&str) => string;
        serialize_bytes(&[u8]) => bytes;
    }

    fn serialize_i128(self, value: i128) -> Result<(), WriteError> {
        match (i64::try_from(value), u64::try_from(value)) {
            (Ok(value), _) => self.0.signed(value),
            (_, Ok(value)) => self.0.unsigned(value),
            _ => Err(too_large(value)),
        }
    }

    fn serialize_u128(self, value: u128) -> Result<(), WriteError> {
        self.0.unsigned(u64::try_from(value).map_err(|_| too_large(value))?)
    }

    fn serialize_char(self, value: char) -> Result<(), WriteError> {
        self.0.string(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_none(self) -> Result<(), WriteError> {
        self.0.null()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), WriteError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), WriteError> {
        self.0.null()
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), WriteError> {
        self.0.null()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), WriteError> {
        self.0.string(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), WriteError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), WriteError> {
        let mut map = self.begin(Kind::Map, Some(1))?;
        ser::SerializeMap::serialize_entry(&mut map, variant, value)?;
        map.close()
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Open<'w, 'a>, WriteError> {
        self.begin(Kind::List, length)
    }

    fn serialize_tuple(self, length: usize) -> Result<Open<'w, 'a>, WriteError> {
        self.begin(Kind::List, Some(length))
    }

    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<Open<'w, 'a>, WriteError> {
        self.begin(Kind::List, Some(length))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Open<'w, 'a>, WriteError> {
        self.begin_variant(variant, Kind::List, length)
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Open<'w, 'a>, WriteError> {
        self.begin(Kind::Map, length)
    }

    fn serialize_struct(self, name: &'static str, length: usize) -> Result<Struct<'w, 'a>, WriteError> {
        match name {
            NUMBER | RAW_VALUE => Ok(Struct::Private(self.0)),
            _ => self.begin(Kind::Map, Some(length)).map(Struct::Fields),
        }
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Open<'w, 'a>, WriteError> {
        self.begin_variant(variant, Kind::Map, length)
    }
}

fn too_large(value: impl std::fmt::Display) -> WriteError {
    WriteError::new(format_args!("{value} does not fit into 64 bits; send it as text"))
}

/// An open list or map.
struct Open<'w, 'a> {
    writer: &'w mut Writer<'a>,
    container: Container,
    /// The map around the container, if it is the value of a variant, and the variant.
    variant: Option<(Container, &'static str)>,
}

impl Open<'_, '_> {
    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), WriteError> {
        self.writer.item(&mut self.container);
        self.value(value)
    }

    fn field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), WriteError> {
        let written = self.writer.key(&mut self.container, key);
        written.map_err(|error| self.in_variant(error))?;
        self.value(value)
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), WriteError> {
        let written = value.serialize(ValueSerializer(self.writer));
        written.map_err(|error| self.in_variant(self.writer.locate(&self.container, error)))
    }

    fn in_variant(&self, error: WriteError) -> WriteError {
        match self.variant {
            Some((_, variant)) => error.within(variant),
            None => error,
        }
    }

    fn close(self) -> Result<(), WriteError> {
        self.writer.end(self.container)?;
        match self.variant {
            Some((outer, _)) => self.writer.end(outer),
            None => Ok(()),
        }
    }
}

macro_rules! lists {
    ($($of:ident $method:ident;)*) => {
        $(impl ser::$of for Open<'_, '_> {
            type Ok = ();
            type Error = WriteError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), WriteError> {
                self.item(value)
            }

            fn end(self) -> Result<(), WriteError> {
                self.close()
            }
        })*
    };
}

lists! {
    SerializeSeq serialize_element;
    SerializeTuple serialize_element;
    SerializeTupleStruct serialize_field;
    SerializeTupleVariant serialize_field;
}

impl ser::SerializeMap for Open<'_, '_> {
    type Ok = ();
    type Error = WriteError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), WriteError> {
        key.serialize(KeySerializer { writer: self.writer, map: &mut self.container })
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), WriteError> {
        self.value(value)
    }

    fn end(self) -> Result<(), WriteError> {
        self.close()
    }
}

impl ser::SerializeStructVariant for Open<'_, '_> {
    type Ok = ();
    type Error = WriteError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), WriteError> {
        self.field(key, value)
    }

    fn end(self) -> Result<(), WriteError> {
        self.close()
    }
}

/// An open struct.
enum Struct<'w, 'a> {
    Fields(Open<'w, 'a>),
    /// A private struct of serde_json.
    Private(&'w mut Writer<'a>),
}

impl ser::SerializeStruct for Struct<'_, '_> {
    type Ok = ();
    type Error = WriteError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), WriteError> {
        match self {
            Self::Fields(open) => open.field(key, value),
            Self::Private(writer) => write_private(writer, key, value),
        }
    }

    fn end(self) -> Result<(), WriteError> {
        match self {
            Self::Fields(open) => open.close(),
            Self::Private(_) => Ok(()),
        }
    }
}

/// Writes the number or the raw JSON in the only field of a private struct.
fn write_private<T: Serialize + ?Sized>(
    writer: &mut Writer<'_>,
    key: &'static str,
    value: &T,
) -> Result<(), WriteError> {
    let serde_json::Value::String(text) = serde_json::to_value(value).map_err(WriteError::new)? else {
        return Err(WriteError::new("serde_json writes its private types in an unknown form"));
    };
    if key == RAW_VALUE {
        let value: serde_json::Value = serde_json::from_str(&text).map_err(WriteError::new)?;
        return value.serialize(ValueSerializer(writer));
    }
    match PlainNumber::parse(&text) {
        Some(PlainNumber::Unsigned(number)) => writer.unsigned(number),
        Some(PlainNumber::Signed(number)) => writer.signed(number),
        Some(PlainNumber::Float(number)) => writer.float(number),
        None => Err(WriteError::new("the number does not fit into an `f64`; send it as text")),
    }
}

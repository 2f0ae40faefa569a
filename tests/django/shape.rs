//! Random calls of a serialiser: every shape that serde has, and the value that Python must receive.

use std::collections::BTreeMap;

use channels_runtime::layer::Format;
use proptest::prelude::*;
use proptest::sample::select;
use serde::de::{Deserialize, Deserializer};
use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use crate::plain::{Float, Plain};

/// A value that is serialised with one method of a serialiser.
#[derive(Debug, Clone)]
pub(crate) enum Shape {
    Bool(bool),
    I8(i8),
    I16(i16),
    I32(i32),
    I64(i64),
    I128(i128),
    U8(u8),
    U16(u16),
    U32(u32),
    U64(u64),
    U128(u128),
    F32(f32),
    F64(f64),
    Char(char),
    Str(String),
    Bytes(Vec<u8>),
    None,
    Some(Box<Self>),
    Unit,
    UnitStruct,
    UnitVariant(&'static str),
    Newtype(Box<Self>),
    NewtypeVariant(&'static str, Box<Self>),
    /// With a length that is known, unknown, or wrong.
    Seq(Option<usize>, Vec<Self>),
    Tuple(Vec<Self>),
    TupleStruct(Vec<Self>),
    TupleVariant(&'static str, Vec<Self>),
    Map(Option<usize>, Vec<(Self, Self)>),
    Struct(Vec<(&'static str, Self)>),
    StructVariant(&'static str, Vec<(&'static str, Self)>),
    /// A value that was read.
    Read(Plain),
}

const NAMES: [&str; 6] = ["a", "b", "type", "__asgi_channel__", "the name", "Variant"];

impl Serialize for Shape {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::I8(value) => serializer.serialize_i8(*value),
            Self::I16(value) => serializer.serialize_i16(*value),
            Self::I32(value) => serializer.serialize_i32(*value),
            Self::I64(value) => serializer.serialize_i64(*value),
            Self::I128(value) => serializer.serialize_i128(*value),
            Self::U8(value) => serializer.serialize_u8(*value),
            Self::U16(value) => serializer.serialize_u16(*value),
            Self::U32(value) => serializer.serialize_u32(*value),
            Self::U64(value) => serializer.serialize_u64(*value),
            Self::U128(value) => serializer.serialize_u128(*value),
            Self::F32(value) => serializer.serialize_f32(*value),
            Self::F64(value) => serializer.serialize_f64(*value),
            Self::Char(value) => serializer.serialize_char(*value),
            Self::Str(value) => serializer.serialize_str(value),
            Self::Bytes(value) => serializer.serialize_bytes(value),
            Self::None => serializer.serialize_none(),
            Self::Some(value) => serializer.serialize_some(value),
            Self::Unit => serializer.serialize_unit(),
            Self::UnitStruct => serializer.serialize_unit_struct("Unit"),
            Self::UnitVariant(variant) => serializer.serialize_unit_variant("Enum", 0, variant),
            Self::Newtype(value) => serializer.serialize_newtype_struct("Newtype", value),
            Self::NewtypeVariant(variant, value) => serializer.serialize_newtype_variant("Enum", 0, variant, value),
            Self::Seq(length, items) => {
                let mut list = serializer.serialize_seq(*length)?;
                items.iter().try_for_each(|item| list.serialize_element(item))?;
                list.end()
            }
            Self::Tuple(items) => {
                let mut list = serializer.serialize_tuple(items.len())?;
                items.iter().try_for_each(|item| list.serialize_element(item))?;
                list.end()
            }
            Self::TupleStruct(items) => {
                let mut list = serializer.serialize_tuple_struct("Tuple", items.len())?;
                items.iter().try_for_each(|item| list.serialize_field(item))?;
                list.end()
            }
            Self::TupleVariant(variant, items) => {
                let mut list = serializer.serialize_tuple_variant("Enum", 0, variant, items.len())?;
                items.iter().try_for_each(|item| list.serialize_field(item))?;
                list.end()
            }
            Self::Map(length, entries) => {
                let mut map = serializer.serialize_map(*length)?;
                entries.iter().try_for_each(|(key, value)| map.serialize_entry(key, value))?;
                map.end()
            }
            Self::Struct(fields) => {
                let mut map = serializer.serialize_struct("Struct", fields.len())?;
                fields.iter().try_for_each(|(name, value)| map.serialize_field(name, value))?;
                map.end()
            }
            Self::StructVariant(variant, fields) => {
                let mut map = serializer.serialize_struct_variant("Enum", 0, variant, fields.len())?;
                fields.iter().try_for_each(|(name, value)| map.serialize_field(name, value))?;
                map.end()
            }
            Self::Read(_) => Err(serde::ser::Error::custom("it was read")),
        }
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Plain::deserialize(deserializer).map(Self::Read)
    }
}

/// The field of a value that cannot be sent.
#[derive(Debug)]
pub(crate) struct Refused(pub(crate) String);

impl Refused {
    fn within(self, part: &str) -> Self {
        let dot = if self.0.is_empty() || self.0.starts_with('[') { "" } else { "." };
        Self(format!("{part}{dot}{}", self.0))
    }
}

fn map(key: &str, value: Plain) -> Plain {
    Plain::Map(BTreeMap::from([(key.to_owned(), value)]))
}

fn int<T: TryInto<i128>>(value: T) -> Result<Plain, Refused> {
    let value = value.try_into().map_err(|_| Refused(String::new()))?;
    let fits = i64::try_from(value).is_ok() || u64::try_from(value).is_ok();
    fits.then_some(Plain::Int(value)).ok_or_else(|| Refused(String::new()))
}

fn list(items: &[Shape], format: Format) -> Result<Plain, Refused> {
    let items = items.iter().enumerate().map(|(at, item)| {
        let item = item.in_python(format);
        item.map_err(|refused| refused.within(&format!("[{at}]")))
    });
    items.collect::<Result<_, _>>().map(Plain::List)
}

fn fields(fields: &[(&'static str, Shape)], format: Format) -> Result<Plain, Refused> {
    let fields = fields.iter().map(|(name, value)| {
        let value = value.in_python(format).map_err(|refused| refused.within(name))?;
        Ok((String::from(*name), value))
    });
    fields.collect::<Result<_, _>>().map(Plain::Map)
}

impl Shape {
    /// Returns the value that Python receives.
    pub(crate) fn in_python(&self, format: Format) -> Result<Plain, Refused> {
        Ok(match self {
            Self::Bool(value) => Plain::Bool(*value),
            Self::I8(value) => int(*value)?,
            Self::I16(value) => int(*value)?,
            Self::I32(value) => int(*value)?,
            Self::I64(value) => int(*value)?,
            Self::I128(value) => int(*value)?,
            Self::U8(value) => int(*value)?,
            Self::U16(value) => int(*value)?,
            Self::U32(value) => int(*value)?,
            Self::U64(value) => int(*value)?,
            Self::U128(value) => int(*value)?,
            Self::F32(value) => Plain::Float(Float((*value).into())),
            Self::F64(value) => Plain::Float(Float(*value)),
            Self::Char(value) => Plain::Text(value.to_string()),
            Self::Str(value) => Plain::Text(value.clone()),
            Self::Bytes(_) if format == Format::Json => return Err(Refused(String::new())),
            Self::Bytes(value) => Plain::Bytes(value.clone()),
            Self::None | Self::Unit | Self::UnitStruct => Plain::Null,
            Self::UnitVariant(variant) => Plain::Text(String::from(*variant)),
            Self::Some(value) | Self::Newtype(value) => value.in_python(format)?,
            Self::NewtypeVariant(variant, value) => {
                map(variant, value.in_python(format).map_err(|refused| refused.within(variant))?)
            }
            Self::Seq(_, items) | Self::Tuple(items) | Self::TupleStruct(items) => list(items, format)?,
            Self::TupleVariant(variant, items) => {
                map(variant, list(items, format).map_err(|refused| refused.within(variant))?)
            }
            Self::Map(length, entries) => {
                let mut found = BTreeMap::new();
                let mut twice = Vec::new();
                for (key, value) in entries {
                    let key = key.as_key().ok_or(Refused(String::new()))?;
                    let value = value.in_python(format).map_err(|refused| refused.within(&key))?;
                    if found.insert(key.clone(), value).is_some() {
                        twice.push(key);
                    }
                }
                if let (None, Some(first)) = (length, twice.iter().min()) {
                    return Err(Refused(first.clone()));
                }
                Plain::Map(found)
            }
            Self::Struct(list) => fields(list, format)?,
            Self::StructVariant(variant, list) => {
                map(variant, fields(list, format).map_err(|refused| refused.within(variant))?)
            }
            Self::Read(value) => value.clone(),
        })
    }

    fn as_key(&self) -> Option<String> {
        Some(match self {
            Self::Bool(key) => key.to_string(),
            Self::I8(key) => key.to_string(),
            Self::I16(key) => key.to_string(),
            Self::I32(key) => key.to_string(),
            Self::I64(key) => key.to_string(),
            Self::I128(key) => key.to_string(),
            Self::U8(key) => key.to_string(),
            Self::U16(key) => key.to_string(),
            Self::U32(key) => key.to_string(),
            Self::U64(key) => key.to_string(),
            Self::U128(key) => key.to_string(),
            Self::F32(key) => serde_json::Number::from_f64((*key).into())?.to_string(),
            Self::F64(key) => serde_json::Number::from_f64(*key)?.to_string(),
            Self::Char(key) => key.to_string(),
            Self::Str(key) => key.clone(),
            Self::UnitVariant(key) => String::from(*key),
            Self::Some(key) | Self::Newtype(key) => key.as_key()?,
            _ => return None,
        })
    }
}

pub(crate) fn text() -> impl Strategy<Value = String> {
    let chars = prop_oneof![any::<char>(), select(vec!['a', '\u{0}', '"', '\\', '\n', '\u{7f}', '\u{2028}'])];
    let random = proptest::collection::vec(chars, 0..6).prop_map(|chars| chars.into_iter().collect());
    prop_oneof![4 => random, 1 => select(vec!["NaN", "null", "$serde_json::private::Number", "7"]).prop_map(String::from)]
}

pub(crate) fn float() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<u64>().prop_map(f64::from_bits),
        any::<f64>(),
        select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.0, 2.0, 1e16, 5e-324])
    ]
}

fn scalar() -> impl Strategy<Value = Shape> {
    let small = prop_oneof![
        any::<i8>().prop_map(Shape::I8),
        any::<i16>().prop_map(Shape::I16),
        any::<i32>().prop_map(Shape::I32),
        any::<u8>().prop_map(Shape::U8),
        any::<u16>().prop_map(Shape::U16),
        any::<u32>().prop_map(Shape::U32),
    ];
    let large = prop_oneof![
        8 => any::<i64>().prop_map(Shape::I64),
        8 => any::<u64>().prop_map(Shape::U64),
        4 => any::<i64>().prop_map(|value| Shape::I128(value.into())),
        4 => any::<u64>().prop_map(|value| Shape::U128(value.into())),
        8 => select(vec![i64::MIN, i64::MAX, 127, 128, -32, -33, -128, -129, 65_535, 65_536]).prop_map(Shape::I64),
        8 => select(vec![0, u64::MAX, 1 << 63, 1 << 32, 255, 256]).prop_map(Shape::U64),
        1 => any::<i128>().prop_map(Shape::I128),
        1 => any::<u128>().prop_map(Shape::U128),
    ];
    let others = prop_oneof![
        any::<bool>().prop_map(Shape::Bool),
        float().prop_map(Shape::F64),
        any::<u32>().prop_map(|bits| Shape::F32(f32::from_bits(bits))),
        any::<char>().prop_map(Shape::Char),
        text().prop_map(Shape::Str),
        Just(Shape::None),
        Just(Shape::Unit),
        Just(Shape::UnitStruct),
        select(NAMES.to_vec()).prop_map(Shape::UnitVariant),
    ];
    let bytes = proptest::collection::vec(any::<u8>(), 0..20).prop_map(Shape::Bytes);
    prop_oneof![6 => small, 6 => large, 12 => others, 1 => bytes]
}

fn key() -> impl Strategy<Value = Shape> {
    let texts = text().prop_map(Shape::Str);
    let wrapped = scalar().prop_map(|key| Shape::Newtype(Box::new(Shape::Some(Box::new(key)))));
    let list = Just(Shape::Tuple(vec![Shape::U8(1)]));
    prop_oneof![20 => scalar(), 20 => texts, 5 => wrapped, 1 => list]
}

/// The length of a list or map as its `Serialize` reports it.
fn length(real: usize) -> impl Strategy<Value = Option<usize>> {
    prop_oneof![4 => Just(Some(real)), 2 => Just(None), 1 => (0..40_usize).prop_map(Some)]
}

pub(crate) fn shape() -> impl Strategy<Value = Shape> {
    scalar().prop_recursive(5, 40, 8, |inner| {
        let items = || proptest::collection::vec(inner.clone(), 0..8);
        let entries = proptest::collection::vec((key(), inner.clone()), 0..8);
        let names = || proptest::sample::subsequence(NAMES.to_vec(), 0..NAMES.len());
        let fields = || {
            (names(), proptest::collection::vec(inner.clone(), NAMES.len()))
                .prop_map(|(names, values)| names.into_iter().zip(values).collect::<Vec<_>>())
        };
        let variant = || select(NAMES.to_vec());
        let boxed = || inner.clone().prop_map(Box::new);
        prop_oneof![
            boxed().prop_map(Shape::Some),
            boxed().prop_map(Shape::Newtype),
            (variant(), boxed()).prop_map(|(variant, value)| Shape::NewtypeVariant(variant, value)),
            items()
                .prop_flat_map(|items| (length(items.len()), Just(items)))
                .prop_map(|(length, items)| Shape::Seq(length, items)),
            items().prop_map(Shape::Tuple),
            items().prop_map(Shape::TupleStruct),
            (variant(), items()).prop_map(|(variant, items)| Shape::TupleVariant(variant, items)),
            entries
                .prop_flat_map(|entries| (length(entries.len()), Just(entries)))
                .prop_map(|(length, entries)| Shape::Map(length, entries)),
            fields().prop_map(Shape::Struct),
            (variant(), fields()).prop_map(|(variant, fields)| Shape::StructVariant(variant, fields)),
        ]
    })
}

//! The values that both sides have, to compare what one side sent with what the other received.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::rig::from_bytes;

/// A value as Python has it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Plain {
    Null,
    Bool(bool),
    Int(i128),
    Float(Float),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Self>),
    Map(BTreeMap<String, Self>),
}

/// A float that equals itself if it is NaN, and whose zero has a sign.
#[derive(Clone, Copy)]
pub(crate) struct Float(pub(crate) f64);

impl PartialEq for Float {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits() || self.0.is_nan() && other.0.is_nan()
    }
}

impl fmt::Debug for Float {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Plain {
    /// Returns a value that `peer.py` has written.
    pub(crate) fn from_python(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(number), _) => Self::Int(number.into()),
                (_, Some(number)) => Self::Int(number.into()),
                _ => Self::Float(Float(number.as_f64().unwrap())),
            },
            Value::String(text) => Self::Text(text.clone()),
            Value::Array(items) => Self::List(items.iter().map(Self::from_python).collect()),
            Value::Object(fields) => match (fields.get("__bytes__"), fields.get("__float__")) {
                (Some(_), _) => Self::Bytes(from_bytes(value)),
                (_, Some(float)) => Self::Float(Float(float.as_str().unwrap().parse().unwrap())),
                _ => Self::Map(fields.iter().map(|(key, value)| (key.clone(), Self::from_python(value))).collect()),
            },
        }
    }

    /// Returns the value as JSON, if JSON has it.
    pub(crate) fn to_json(&self) -> Option<Value> {
        Some(match self {
            Self::Null => Value::Null,
            Self::Bool(value) => (*value).into(),
            Self::Int(value) => i64::try_from(*value).map_or_else(|_| Value::from(*value as u64), Value::from),
            Self::Float(value) => serde_json::Number::from_f64(value.0)?.into(),
            Self::Text(text) => text.as_str().into(),
            Self::Bytes(_) => return None,
            Self::List(items) => items.iter().map(Self::to_json).collect::<Option<Vec<_>>>()?.into(),
            Self::Map(fields) => {
                let fields = fields.iter().map(|(key, value)| Some((key.clone(), value.to_json()?)));
                Value::Object(fields.collect::<Option<_>>()?)
            }
        })
    }

    pub(crate) fn field(&self, name: &str) -> &Self {
        let Self::Map(fields) = self else { panic!("not a map: {self:?}") };
        fields.get(name).unwrap_or_else(|| panic!("no field `{name}`: {self:?}"))
    }

    /// Returns the `number` of a message.
    pub(crate) fn number(&self) -> u64 {
        match self.field("number") {
            Self::Int(number) => u64::try_from(*number).unwrap(),
            other => panic!("the number is {other:?}"),
        }
    }
}

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Plain;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_unit<E>(self) -> Result<Plain, E> {
                Ok(Plain::Null)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Plain, E> {
                Ok(Plain::Bool(value))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Plain, E> {
                Ok(Plain::Int(value.into()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Plain, E> {
                Ok(Plain::Int(value.into()))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Plain, E> {
                Ok(Plain::Float(Float(value)))
            }

            fn visit_str<E>(self, value: &str) -> Result<Plain, E> {
                Ok(Plain::Text(value.into()))
            }

            fn visit_bytes<E>(self, value: &[u8]) -> Result<Plain, E> {
                Ok(Plain::Bytes(value.into()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Plain, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(Plain::List(list))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Plain, A::Error> {
                let mut map = BTreeMap::new();
                while let Some((key, value)) = entries.next_entry()? {
                    map.insert(key, value);
                }
                Ok(Plain::Map(map))
            }
        }

        deserializer.deserialize_any(Any)
    }
}

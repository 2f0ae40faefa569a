//! The types of serde_json that write and read a private form of themselves.
//!
//! With the features `arbitrary_precision` and `raw_value`, serde_json's `Number` and `RawValue` are a struct or a map with one
//! field of a private name, which only serde_json's own formats understand. Cargo unifies features, so any crate in a program may
//! enable them. A message must not depend on it.

use std::sync::OnceLock;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

/// The name of the struct of a number, and of its only field.
pub(super) const NUMBER: &str = "$serde_json::private::Number";

/// The name of the struct of raw JSON, and of its only field.
pub(super) const RAW_VALUE: &str = "$serde_json::private::RawValue";

/// A number in a message: what serde_json makes of its text without `arbitrary_precision`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum PlainNumber {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
}

impl PlainNumber {
    /// Returns `None` if the text is not a finite number.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text != "-0" {
            if let Ok(number) = text.parse() {
                return Some(Self::Unsigned(number));
            }
            if let Ok(number) = text.parse() {
                return Some(Self::Signed(number));
            }
        }
        text.parse().ok().filter(|number: &f64| number.is_finite()).map(Self::Float)
    }
}

/// Returns whether serde_json passes numbers, except small integers, to a visitor as maps: whether `arbitrary_precision` is enabled.
pub(super) fn numbers_are_maps() -> bool {
    static MAPS: OnceLock<bool> = OnceLock::new();
    *MAPS.get_or_init(|| serde_json::from_str::<IsMap>("0.5").is_ok_and(|is_map| is_map.0))
}

/// Whether the value is passed as a map.
struct IsMap(bool);

impl<'de> Deserialize<'de> for IsMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Kind;

        impl<'de> Visitor<'de> for Kind {
            type Value = IsMap;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number")
            }

            fn visit_f64<E>(self, _: f64) -> Result<IsMap, E> {
                Ok(IsMap(false))
            }

            fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<IsMap, A::Error> {
                Ok(IsMap(true))
            }
        }

        deserializer.deserialize_any(Kind)
    }
}

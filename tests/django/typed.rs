//! An event with a field of every type that serde treats specially, and random values of it.

use std::collections::{BTreeMap, HashMap};

use channels_runtime::prelude::*;
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::plain::Float;
use crate::shape::{float, text};

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Left,
    #[serde(rename = "the right")]
    Right,
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub(crate) enum Command {
    Stop,
    Move(i16),
    Turn(Side, u8),
    Say { text: String, loud: Option<bool> },
    Many(Vec<Self>),
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
#[serde(untagged)]
pub(crate) enum Any {
    Number(i64),
    Text(String),
    Pair(u8, Side),
    Map { x: i32, y: Option<f32> },
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
#[serde(tag = "type")]
pub(crate) enum Tagged {
    Circle { radius: u32 },
    Square { side: Side },
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id(pub(crate) u32);

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub(crate) struct Marker;

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub(crate) struct Node {
    value: u8,
    next: Option<Box<Self>>,
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub(crate) struct Maps {
    by_u32: BTreeMap<u32, String>,
    by_i64: BTreeMap<i64, bool>,
    by_u128: BTreeMap<u128, ()>,
    by_bool: BTreeMap<bool, Side>,
    by_char: BTreeMap<char, Option<char>>,
    by_side: BTreeMap<Side, u8>,
    by_id: BTreeMap<Id, BTreeMap<u8, Marker>>,
    by_text: HashMap<String, Vec<i8>>,
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub(crate) struct Scalars {
    small: (i8, u8, i16, u16, i32, u32),
    large: (i64, u64, i128, u128),
    flag: bool,
    letter: char,
    unit: (),
    marker: Marker,
    text: String,
    single: Single,
    double: Double,
    maybe: Option<Option<u8>>,
}

#[derive(Serialize, Deserialize, Debug, Clone)]
pub(crate) struct Single(f32);

impl PartialEq for Single {
    fn eq(&self, other: &Self) -> bool {
        Float(self.0.into()) == Float(other.0.into())
    }
}

#[derive(Serialize, Deserialize, Debug, Clone)]
pub(crate) struct Double(f64);

impl PartialEq for Double {
    fn eq(&self, other: &Self) -> bool {
        Float(self.0) == Float(other.0)
    }
}

#[event("typed")]
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Typed {
    pub(crate) number: u64,
    scalars: Scalars,
    maps: Maps,
    commands: Vec<Command>,
    any: Vec<Any>,
    tagged: Option<Tagged>,
    list: Node,
    value: Value,
    #[serde(flatten)]
    more: BTreeMap<String, Value>,
}

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Left), Just(Side::Right)]
}

fn command() -> impl Strategy<Value = Command> {
    let flat = prop_oneof![
        Just(Command::Stop),
        any::<i16>().prop_map(Command::Move),
        (side(), any::<u8>()).prop_map(|(side, by)| Command::Turn(side, by)),
        (text(), of(any::<bool>())).prop_map(|(text, loud)| Command::Say { text, loud }),
    ];
    flat.prop_recursive(3, 10, 4, |inner| vec(inner, 0..4).prop_map(Command::Many))
}

fn any_of() -> impl Strategy<Value = Any> {
    prop_oneof![
        any::<i64>().prop_map(Any::Number),
        text().prop_map(Any::Text),
        (any::<u8>(), side()).prop_map(|(number, side)| Any::Pair(number, side)),
        (any::<i32>(), of(any::<f32>())).prop_map(|(x, y)| Any::Map { x, y }),
    ]
}

fn tagged() -> impl Strategy<Value = Tagged> {
    prop_oneof![
        any::<u32>().prop_map(|radius| Tagged::Circle { radius }),
        side().prop_map(|side| Tagged::Square { side }),
    ]
}

fn node() -> impl Strategy<Value = Node> {
    vec(any::<u8>(), 0..100).prop_map(|values| {
        let last = Node { value: 0, next: None };
        values.into_iter().fold(last, |next, value| Node { value, next: Some(Box::new(next)) })
    })
}

/// Random JSON.
pub(crate) fn json_value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        // `serde_json::Value` has only finite floats.
        float().prop_filter("finite", |float| float.is_finite()).prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    scalar.prop_recursive(5, 30, 6, |inner| {
        let fields = btree_map(text(), inner.clone(), 0..6);
        prop_oneof![
            vec(inner, 0..6).prop_map(Value::from),
            fields.prop_map(|fields| Value::Object(fields.into_iter().collect()))
        ]
    })
}

fn scalars() -> impl Strategy<Value = Scalars> {
    let numbers = (
        any::<(i8, u8, i16, u16, i32, u32)>(),
        any::<(i64, u64)>(),
        any::<(i64, u64)>().prop_map(|(low, high)| (i128::from(low), u128::from(high))),
    );
    let others =
        (any::<bool>(), any::<char>(), text(), any::<u32>().prop_map(f32::from_bits), float(), of(any::<u8>()));
    (numbers, others).prop_map(|((small, (i, u), (low, high)), (flag, letter, text, single, double, maybe))| Scalars {
        small,
        large: (i, u, low, high),
        flag,
        letter,
        unit: (),
        marker: Marker,
        text,
        single: Single(single),
        double: Double(double),
        maybe: maybe.map(Some),
    })
}

fn maps() -> impl Strategy<Value = Maps> {
    let numbers = (
        btree_map(any::<u32>(), text(), 0..4),
        btree_map(any::<i64>(), any::<bool>(), 0..4),
        btree_map(any::<u128>(), Just(()), 0..4),
        btree_map(any::<bool>(), side(), 0..3),
    );
    let others = (
        btree_map(any::<char>(), of(any::<char>()), 0..4),
        btree_map(side(), any::<u8>(), 0..3),
        btree_map(any::<u32>().prop_map(Id), btree_map(any::<u8>(), Just(Marker), 0..3), 0..3),
        btree_map(text(), vec(any::<i8>(), 0..20), 0..20),
    );
    (numbers, others).prop_map(|((by_u32, by_i64, by_u128, by_bool), (by_char, by_side, by_id, by_text))| Maps {
        by_u32,
        by_i64,
        by_u128,
        by_bool,
        by_char,
        by_side,
        by_id,
        by_text: by_text.into_iter().collect(),
    })
}

/// Random events, all with the number 0.
pub(crate) fn typed() -> impl Strategy<Value = Typed> {
    let names = text().prop_map(|name| format!("more {name}"));
    let more = btree_map(names, json_value(), 0..4);
    let lists = (vec(command(), 0..4), vec(any_of(), 0..4), of(tagged()), node());
    (scalars(), maps(), lists, json_value(), more).prop_map(
        |(scalars, maps, (commands, any, tagged, list), value, more)| Typed {
            number: 0,
            scalars,
            maps,
            commands,
            any,
            tagged,
            list,
            value,
            more,
        },
    )
}

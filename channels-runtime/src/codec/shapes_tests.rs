//! Every shape that serde has, through both formats: its form on the wire, and the value that a reader gets back.

#![expect(clippy::needless_pass_by_value, reason = "a table of values")]

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::ser::{SerializeMap, SerializeSeq, SerializeStruct};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};

use crate::codec::envelope::Envelope;
use crate::codec::format::Format;
use crate::error::LayerError;
use crate::event::{Event, Position};

const FORMATS: [Format; 2] = [Format::Msgpack, Format::Json];

/// An event with one field of any type.
#[derive(Serialize, Deserialize, Debug, PartialEq)]
struct Holds<T> {
    value: T,
}

impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Event for Holds<T> {
    type Itself = Self;
    type Retention = crate::event::Kept;
    const TYPE: &'static str = "holds";
}

trait Shape: Serialize + DeserializeOwned + Debug + Send + Sync + 'static {}
impl<T: Serialize + DeserializeOwned + Debug + Send + Sync + 'static> Shape for T {}

fn sent<T: Shape>(value: T, format: Format) -> Result<Envelope, LayerError> {
    let envelope = Envelope::from_event(&Holds { value }, format)?;
    Ok(Envelope::from_wire(envelope.body().clone(), format).expect("an encoded event has a name"))
}

/// The value has this form on the wire, and is read back.
#[track_caller]
fn travels<T: Shape + PartialEq + Clone>(value: T, wire: Value) {
    for format in FORMATS {
        let envelope = sent(value.clone(), format).unwrap();
        assert_eq!(envelope.to_value().unwrap(), json!({"type": "holds", "value": wire}), "{format:?}");
        assert_eq!(envelope.decode::<Holds<T>>().unwrap().value, value, "{format:?}");
    }
}

/// The value is refused, in both formats, with these words and this field.
#[track_caller]
fn refused<T: Shape + Clone>(value: T, field: &str, words: &str) {
    for format in FORMATS {
        refused_in(format, value.clone(), field, words);
    }
}

#[track_caller]
fn refused_in<T: Shape>(format: Format, value: T, field: &str, words: &str) {
    let error = sent(value, format).map(|envelope| format!("{envelope:?}")).unwrap_err();
    assert!(error.to_string().contains(&format!("`holds` cannot be encoded at `{field}`")), "{format:?}: {error}");
    let LayerError::Encode { source, .. } = error else { panic!("{error}") };
    assert_eq!(source.field(), Some(field));
    assert!(source.to_string().contains(words), "{source}");
}

#[derive(Serialize, Deserialize, Debug, PartialEq, Eq, PartialOrd, Ord, Clone)]
enum Kind {
    Unit,
    #[serde(rename = "the name")]
    Renamed,
    Newtype(u8),
    Tuple(u8, String),
    Struct {
        a: u8,
    },
    Nested(Box<Self>),
}

#[derive(Serialize, Deserialize, Debug, PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
struct Id(u32);

#[derive(Serialize, Deserialize, Debug, PartialEq, Clone)]
struct Unit;

#[derive(Serialize, Deserialize, Debug, PartialEq, Clone)]
struct Pair(u8, String);

fn one<K: Ord, V>(key: K, value: V) -> BTreeMap<K, V> {
    BTreeMap::from([(key, value)])
}

#[test]
fn scalars_travel() {
    travels(true, json!(true));
    travels(i64::MIN, json!(i64::MIN));
    travels(u64::MAX, json!(u64::MAX));
    travels(i8::MIN, json!(-128));
    travels(i128::from(i64::MIN), json!(i64::MIN));
    travels(i128::from(u64::MAX), json!(u64::MAX));
    travels(u128::from(u64::MAX), json!(u64::MAX));
    travels('\u{1f980}', json!("\u{1f980}"));
    travels(f64::MAX, json!(f64::MAX));
    travels(-0.0_f64, json!(-0.0));
    // The value of the `f32`, not its shortest decimal.
    travels(0.1_f32, json!(f64::from(0.1_f32)));
    travels((), Value::Null);
    travels("\u{0} \" ü".to_owned(), json!("\u{0} \" ü"));
}

#[test]
fn integer_beyond_64_bits_is_refused() {
    refused(u128::from(u64::MAX) + 1, "value", "18446744073709551616 does not fit into 64 bits");
    refused(i128::from(i64::MIN) - 1, "value", "send it as text");
    refused(vec![vec![0], vec![0, i128::MAX]], "value[1][1]", "64 bits");
}

#[test]
fn structs_and_variants_travel() {
    travels(Unit, Value::Null);
    travels(Id(7), json!(7));
    travels(Pair(7, "a".into()), json!([7, "a"]));
    travels((7, "a".to_owned()), json!([7, "a"]));
    travels(Kind::Unit, json!("Unit"));
    travels(Kind::Renamed, json!("the name"));
    travels(Kind::Newtype(7), json!({"Newtype": 7}));
    travels(Kind::Tuple(7, "a".into()), json!({"Tuple": [7, "a"]}));
    travels(Kind::Struct { a: 7 }, json!({"Struct": {"a": 7}}));
    travels(Kind::Nested(Box::new(Kind::Unit)), json!({"Nested": "Unit"}));
    travels(Some(7), json!(7));
    travels(None::<Option<u8>>, Value::Null);
    travels(vec![Some(Some(7)), None], json!([7, null]));
}

#[test]
fn inner_none_is_read_as_none() {
    for format in FORMATS {
        let envelope = sent(Some(None::<u8>), format).unwrap();
        assert_eq!(envelope.to_value().unwrap()["value"], Value::Null);
        assert_eq!(envelope.decode::<Holds<Option<Option<u8>>>>().unwrap().value, None);
    }
}

#[test]
fn keys_are_text_on_the_wire() {
    travels(one(7_u32, "a".to_owned()), json!({"7": "a"}));
    travels(one(i8::MIN, 1), json!({"-128": 1}));
    travels(one(u128::MAX, 1), json!({(u128::MAX.to_string()): 1}));
    travels(one(i128::MIN, 1), json!({(i128::MIN.to_string()): 1}));
    travels(one(true, 1), json!({"true": 1}));
    travels(one('x', 1), json!({"x": 1}));
    travels(one(Kind::Renamed, 1), json!({"the name": 1}));
    travels(one(Id(7), 1), json!({"7": 1}));
    travels(one(Some(7), 1), json!({"7": 1}));
    travels(one(String::new(), one(7_u64, one('\n', 1))), json!({"": {"7": {"\n": 1}}}));
    travels(vec![HashMap::from([(7_i64, 1)])], json!([{"7": 1}]));
    travels(Some(one(Kind::Unit, Kind::Newtype(1))), json!({"Unit": {"Newtype": 1}}));
    travels(one(7_u8, one(8_u8, Kind::Struct { a: 1 })), json!({"7": {"8": {"Struct": {"a": 1}}}}));
}

#[test]
fn key_that_is_not_text_is_refused() {
    refused(one((1, 2), 1), "value", "the key of a map must be text");
    refused(one(Kind::Newtype(7), 1), "value", "not a variant with a value");
    refused(one(None::<u8>, 1), "value", "not `None`");
    refused(one((), 1), "value", "not `()`");
    refused(vec![one(7, one(vec![7], 1))], "value[0].7", "not a list");
}

#[test]
fn key_that_does_not_fit_is_an_error() {
    for format in FORMATS {
        let envelope = Envelope::from_value(&json!({"type": "holds", "value": {"a": 1}}), format).unwrap();
        let error = envelope.decode::<Holds<BTreeMap<u32, u8>>>().unwrap_err();
        assert!(error.to_string().contains("invalid type: string \"a\", expected u32"), "{error}");
    }
}

#[test]
fn root_may_be_a_map_with_keys_of_any_type() {
    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    struct Scores(BTreeMap<u32, String>);
    impl Event for Scores {
        type Itself = Self;
        type Retention = crate::event::Kept;
        const TYPE: &'static str = "scores";
    }
    for format in FORMATS {
        let event = Scores(one(7, "a".into()));
        let envelope = Envelope::from_event(&event, format).unwrap();
        assert_eq!(envelope.to_value().unwrap(), json!({"type": "scores", "7": "a"}));
        assert_eq!(envelope.decode::<Scores>().unwrap(), event);
    }
}

/// A byte string.
#[derive(Debug, PartialEq, Clone)]
struct Blob(Vec<u8>);

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl serde::de::Visitor<'_> for Bytes {
            type Value = Blob;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Blob, E> {
                Ok(Blob(bytes.into()))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

#[test]
fn bytes_travel_in_msgpack_and_are_refused_in_json() {
    let envelope = sent(Blob(vec![0, 255]), Format::Msgpack).unwrap();
    assert!(envelope.body().ends_with(b"\xc4\x02\x00\xff"));
    assert_eq!(envelope.decode::<Holds<Blob>>().unwrap().value, Blob(vec![0, 255]));
    refused_in(Format::Json, vec![Blob(vec![0])], "value[0]", "JSON has no byte strings");
}

#[test]
fn non_finite_floats_travel() {
    for format in FORMATS {
        let values = (f64::INFINITY, f64::NEG_INFINITY, f32::INFINITY, Some(f64::NAN), "NaN".to_owned(), 7);
        let envelope = sent(values.clone(), format).unwrap();
        if format == Format::Json {
            let body: &[u8] = br#"{"type":"holds","value":[Infinity,-Infinity,Infinity,NaN,"NaN",7]}"#;
            assert_eq!(&envelope.body()[..], body);
        }
        let read = envelope.decode::<Holds<(f64, f64, f32, Option<f64>, String, u8)>>().unwrap().value;
        assert!(read.3.unwrap().is_nan());
        assert_eq!((read.0, read.1, read.2, read.4, read.5), (values.0, values.1, values.2, values.4, values.5));
        let error = envelope.to_value().unwrap_err();
        assert!(error.to_string().contains("at `value[0]`: inf is not a JSON value"), "{error}");
        refused_in(format, HashMap::<Float, u8>::from([(Float, 1)]), "value", "not NaN or infinity");
    }
    // A misfit next to a literal is reported as such.
    let body = Bytes::from_static(br#"{"type": "holds", "other": NaN, "value": [-Infinity]}"#);
    let error = Envelope::from_wire(body, Format::Json).unwrap().decode::<Holds<u8>>().unwrap_err();
    assert_eq!(error.field(), Some("value"), "{error}");
    // Python writes `{None: nan, "null": 1}` with one key twice. The last one counts, but each is checked.
    let twice = Bytes::from_static(br#"{"type": "holds", "value": {"null": NaN, "null": 1}}"#);
    let twice = Envelope::from_wire(twice, Format::Json).unwrap();
    assert_eq!(twice.decode::<Holds<BTreeMap<String, f64>>>().unwrap().value, one("null".to_owned(), 1.0));
    assert!(twice.to_value().unwrap_err().to_string().contains("at `value.null`: NaN is not a JSON value"));
    let nameless = Bytes::from_static(br#"{"type": NaN}"#);
    assert!(matches!(Envelope::from_wire(nameless, Format::Json), Err(crate::error::DecodeError::NoType)));
    let shared = Bytes::from_static(br#"{"type": "holds", "value": NaN, "__asgi_channel__": ["a!b"]}"#);
    let (envelope, to) = Envelope::from_shared_queue(&shared, Format::Json).unwrap();
    assert!(envelope.decode::<Holds<f64>>().unwrap().value.is_nan());
    assert_eq!(to, ["a!b"]);
}

/// A key that is infinite.
#[derive(PartialEq, Eq, Hash, Debug, Clone, Deserialize)]
struct Float;

impl Serialize for Float {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(f64::INFINITY)
    }
}

/// Lists and maps whose lengths are unknown or wrong.
#[derive(Debug, Clone, Deserialize)]
struct Lengths;

impl Serialize for Lengths {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct List(Option<usize>, usize);
        impl Serialize for List {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut list = serializer.serialize_seq(self.0)?;
                (0..self.1).try_for_each(|at| list.serialize_element(&one(at.to_string(), at)))?;
                list.end()
            }
        }
        struct Fewer;
        impl Serialize for Fewer {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut fields = serializer.serialize_struct("Fewer", 20)?;
                fields.serialize_field("long", &List(None, 20))?;
                fields.end()
            }
        }
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("unknown", &List(None, 3))?;
        map.serialize_entry("more", &List(Some(1), 70_000))?;
        map.serialize_entry("fewer", &(Fewer, List(Some(90_000), 2)))?;
        map.end()
    }
}

#[test]
fn length_of_a_list_or_map_need_not_be_known() {
    let list = |length: usize| (0..length).map(|at| json!({(at.to_string()): at})).collect::<Vec<_>>();
    let wanted = json!({"unknown": list(3), "more": list(70_000), "fewer": [{"long": list(20)}, list(2)]});
    for format in FORMATS {
        assert_eq!(sent(Lengths, format).unwrap().to_value().unwrap()["value"], wanted);
    }
}

#[derive(Serialize, Deserialize, Debug, PartialEq, Clone)]
struct Flat {
    author: String,
    #[serde(flatten)]
    fields: BTreeMap<String, Value>,
}

impl Event for Flat {
    type Itself = Self;
    type Retention = crate::event::Kept;
    const TYPE: &'static str = "doc.meta";
}

fn flat(key: &str) -> Flat {
    Flat { author: "ada".into(), fields: one(key.to_owned(), json!("doc.kick")) }
}

#[test]
fn field_that_the_layer_writes_is_refused() {
    for format in FORMATS {
        assert_eq!(Envelope::from_event(&flat("kind"), format).unwrap().decode::<Flat>().unwrap(), flat("kind"));
        // The names of the layer's fields are free below the event itself.
        travels(flat("type"), json!({"author": "ada", "type": "doc.kick"}));
        for key in ["type", "__asgi_channel__"] {
            let error = Envelope::from_event(&flat(key), format).unwrap_err();
            assert_eq!(error.to_string(), format!("event `doc.meta` cannot be encoded at `{key}`"));
            let LayerError::Encode { source, .. } = error else { panic!("{error}") };
            assert!(source.to_string().contains(&format!("the layer writes `{key}` itself")), "{source}");
        }
        let raw = json!({"type": "doc.meta", "__asgi_channel__": "a!b"});
        let error = Envelope::from_value(&raw, format).unwrap_err();
        assert_eq!(error.to_string(), "event `doc.meta` cannot be encoded at `__asgi_channel__`");
    }
}

#[test]
fn enum_that_writes_its_own_type_is_refused() {
    #[derive(Serialize, Deserialize)]
    #[serde(tag = "type")]
    enum Tagged {
        Kick { reason: String },
    }
    impl Event for Tagged {
        type Itself = Self;
        type Retention = crate::event::Kept;
        const TYPE: &'static str = "doc.meta";
    }
    for format in FORMATS {
        let error = Envelope::from_event(&Tagged::Kick { reason: "a".into() }, format).unwrap_err();
        assert_eq!(error.to_string(), "event `doc.meta` cannot be encoded at `type`");
    }
}

#[test]
fn field_that_occurs_twice_is_refused() {
    for format in FORMATS {
        let error = Envelope::from_event(&flat("author"), format).unwrap_err();
        assert_eq!(error.to_string(), "event `doc.meta` cannot be encoded at `author`");
        refused_in(format, vec![flat("author")], "value[0].author", "occurs twice");
    }
}

#[test]
fn message_with_two_names_is_refused() {
    for body in [
        &b"{\"type\":\"a\",\"type\":\"b\"}"[..],
        b"{\"type\":\"a\",\"type\":NaN}",
        b"{\"type\":7,\"type\":\"b\"}",
        b"{\"type\":\"a\",\"__asgi_channel__\":\"a\",\"__asgi_channel__\":\"b\"}",
        b"\x82\xa4type\xa1a\xa4type\xa1b",
        b"\x82\xa4type\xa1a\xc4\x04type\xa1b",
    ] {
        let format = if body[0] == b'{' { Format::Json } else { Format::Msgpack };
        let error = Envelope::from_shared_queue(&Bytes::copy_from_slice(body), format).unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains("duplicate field"), "{source}");
        if !body.windows(4).any(|part| part == b"asgi") {
            assert!(Envelope::from_wire(Bytes::copy_from_slice(body), format).is_err());
        }
    }
}

#[derive(Serialize, Deserialize, Debug, PartialEq, Clone)]
struct Node {
    kind: Kind,
    next: Option<Box<Self>>,
}

fn chain(length: usize) -> Node {
    let node = |next: Option<Node>| Node { kind: Kind::Unit, next: next.map(Box::new) };
    (1..length).fold(node(None), |next, _| node(Some(next)))
}

#[test]
fn nesting_is_limited_on_both_sides() {
    let lists = |depth: usize| (0..depth).fold(json!(1), |inner, _| Value::Array(vec![inner]));
    for format in FORMATS {
        // The event itself is one level.
        let envelope = sent(lists(126), format).unwrap();
        assert_eq!(envelope.to_value().unwrap()["value"], lists(126));
        assert_eq!(sent(chain(126), format).unwrap().decode::<Holds<Node>>().unwrap().value, chain(126));
        for depth in [127, 128, 200, 1_000] {
            let raw = json!({"type": "holds", "value": lists(depth)});
            for error in [
                Envelope::from_value(&raw, format).unwrap_err(),
                sent(lists(depth), format).unwrap_err(),
                sent(chain(depth), format).unwrap_err(),
            ] {
                let LayerError::Encode { source, .. } = error else { panic!("{error}") };
                assert!(source.to_string().contains("more than 127 levels deep"), "{source}");
                assert!(source.field().unwrap().starts_with("value"), "{source}");
                assert!(source.to_string().len() < 400, "{source}");
            }
        }
    }
    // Variants in variants, and a list: rmp-serde limits only lists and maps that it knows as such.
    let nested = (0..126).fold(Kind::Unit, |kind, _| Kind::Nested(Box::new(kind)));
    for format in FORMATS {
        assert_eq!(sent(nested.clone(), format).unwrap().decode::<Holds<Kind>>().unwrap().value, nested);
    }
    let mut hostile = b"\x82\xa4type\xa5holds\xa5value".to_vec();
    hostile.extend(b"\x81\xa6Nested".repeat(100_000));
    hostile.extend(b"\xa4Unit");
    let hostile = Envelope { name: "holds".into(), format: Format::Msgpack, body: hostile.into(), at: Position::NONE };
    assert!(hostile.decode::<Holds<Kind>>().is_err());
}

#[test]
fn negative_number_is_not_read_as_u128() {
    for format in FORMATS {
        let envelope = sent(-1, format).unwrap();
        assert!(envelope.decode::<Holds<u128>>().is_err());
        assert_eq!(envelope.decode::<Holds<i128>>().unwrap().value, -1);
    }
}

#[test]
fn struct_with_unknown_fields_of_every_shape_is_read() {
    #[derive(Serialize, Deserialize, Debug, PartialEq, Clone)]
    #[serde(untagged)]
    enum Any {
        Number(f64),
        Text(String),
        Map { a: u32, b: f32 },
    }
    travels(
        vec![Any::Number(0.5), Any::Text("a".into()), Any::Map { a: 1, b: 0.25 }],
        json!([0.5, "a", {"a": 1, "b": 0.25}]),
    );
    for format in FORMATS {
        let envelope = sent(vec![Any::Number(f64::INFINITY)], format).unwrap();
        assert_eq!(envelope.decode::<Holds<Vec<Any>>>().unwrap().value, [Any::Number(f64::INFINITY)]);
    }
}

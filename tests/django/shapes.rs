//! Every shape that serde can make of a typed event: real channels_redis reads the right value and sends it back, or the send is
//! refused with the field.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::Path;
use std::process::Command;

use channels_runtime::error::LayerError;
use channels_runtime::layer::{Channel, Untyped};
use channels_runtime::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::plain::{Float, Plain};
use crate::rig::{CORE, PUBSUB, Pair, Rig, bytes, next};
use crate::shape::Shape;

#[event("holds")]
#[derive(Debug)]
struct Holds<T> {
    value: T,
}

#[derive(Serialize, Deserialize, Debug, PartialEq, Eq, PartialOrd, Ord, Clone)]
enum Kind {
    Unit,
    #[serde(rename = "the name")]
    Renamed,
    Newtype(u8),
    Tuple(u8, Option<u8>),
    Struct {
        a: char,
    },
}

/// A type that asks a deserialiser what comes next.
#[derive(Serialize, Deserialize, Debug, PartialEq)]
#[serde(untagged)]
enum Any {
    Number(f64),
    Map { a: u8, b: f32 },
}

/// JSON text, with the value as the identity.
#[derive(Serialize, Deserialize, Debug)]
struct Raw(Box<RawValue>);

impl PartialEq for Raw {
    fn eq(&self, other: &Self) -> bool {
        let value = |raw: &Self| Plain::from_python(&serde_json::from_str(raw.0.get()).unwrap());
        value(self) == value(other)
    }
}

#[derive(Serialize, Deserialize, Debug, PartialEq)]
struct Unit;

#[derive(Serialize, Deserialize, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Id(u32);

#[derive(Serialize, Deserialize, Debug, PartialEq)]
struct Pair2(u8, String);

#[derive(Serialize, Deserialize, Debug, PartialEq)]
struct Flat {
    author: String,
    #[serde(flatten)]
    fields: BTreeMap<String, Value>,
}

#[event("doc.meta")]
#[derive(Debug)]
struct Meta {
    author: String,
    #[serde(flatten)]
    fields: BTreeMap<String, Value>,
}

/// A layer, and a channel on each side.
struct Table<'a> {
    pair: Pair<'a>,
    ours: Channel,
    theirs: String,
    is_json: bool,
}

impl Table<'_> {
    fn there(&self) -> ChannelName<Untyped> {
        ChannelName::new(self.theirs.as_str()).unwrap()
    }

    /// Python receives the value, and Rust receives the same from Python.
    async fn travels<T>(&self, value: T, in_python: Value)
    where
        T: Serialize + DeserializeOwned + Debug + PartialEq + Send + Sync + 'static,
    {
        let event = Holds { value };
        self.pair.here.send(&self.there(), &event).await.unwrap();
        let received = self.pair.there.receive(&self.theirs).await;
        // Not compared as `Value`: with serde_json's `arbitrary_precision` it keeps how a number is written.
        let wanted = json!({"type": "holds", "value": in_python});
        assert_eq!(Plain::from_python(&received), Plain::from_python(&wanted), "{event:?}");
        self.pair.there.send(self.ours.name().as_str(), &received).await.unwrap();
        assert_eq!(next(&self.ours).await.decode::<Holds<T>>().unwrap().value, event.value);
    }

    async fn refused<T>(&self, value: T, field: &str, words: &str)
    where
        T: Serialize + DeserializeOwned + Debug + Send + Sync + 'static,
    {
        let event = Holds { value };
        self.fails(self.pair.here.send(&self.there(), &event).await, field, words);
    }

    fn fails(&self, sent: Result<(), LayerError>, field: &str, words: &str) {
        let Err(LayerError::Encode { source, .. }) = sent else { panic!("{field}: {sent:?}") };
        assert_eq!(source.field(), Some(field), "{source}");
        assert!(source.to_string().contains(words), "{source}");
    }

    async fn check(&self) {
        let one = |key: &str, value: Value| json!({ key: value });
        // Numbers.
        self.travels((i64::MIN, i64::MAX, u64::MAX, i8::MIN, 0), json!([i64::MIN, i64::MAX, u64::MAX, -128, 0])).await;
        self.travels((u128::from(u64::MAX), i128::from(i64::MIN)), json!([u64::MAX, i64::MIN])).await;
        self.travels((0.1_f32, 0.1_f64, 2.0_f64, f64::MAX), json!([f64::from(0.1_f32), 0.1, 2.0, f64::MAX])).await;
        self.travels((f64::INFINITY, f32::NEG_INFINITY), json!([{"__float__": "inf"}, {"__float__": "-inf"}])).await;
        self.refused(u128::from(u64::MAX) + 1, "value", "does not fit into 64 bits").await;
        self.refused(vec![one("a", json!(1)).to_string().len() as i128, i128::MIN], "value[1]", "64 bits").await;
        // Nothing, booleans, text.
        self.travels(((), Unit, None::<u8>, true), json!([null, null, null, true])).await;
        self.travels((Some(Some(1)), vec![Some(Some(Unit)), None].len()), json!([1, 2])).await;
        self.travels(('\u{1f980}', "\u{0}\"".to_owned(), "NaN".to_owned()), json!(["\u{1f980}", "\u{0}\"", "NaN"]))
            .await;
        // Structs, variants.
        self.travels((Id(7), Pair2(7, "a".into())), json!([7, [7, "a"]])).await;
        self.travels(
            vec![Kind::Unit, Kind::Renamed, Kind::Newtype(7), Kind::Tuple(7, None), Kind::Struct { a: 'x' }],
            json!(["Unit", "the name", {"Newtype": 7}, {"Tuple": [7, null]}, {"Struct": {"a": "x"}}]),
        )
        .await;
        // Keys.
        let key = |key: &str| one(key, json!("a"));
        self.travels(BTreeMap::from([(7_u32, 'a')]), key("7")).await;
        self.travels(BTreeMap::from([(i64::MIN, 'a')]), key(&i64::MIN.to_string())).await;
        self.travels(BTreeMap::from([(u128::MAX, 'a')]), key(&u128::MAX.to_string())).await;
        self.travels(BTreeMap::from([(true, 'a')]), key("true")).await;
        self.travels(BTreeMap::from([('\n', 'a')]), key("\n")).await;
        self.travels(BTreeMap::from([(Kind::Renamed, 'a')]), key("the name")).await;
        self.travels(BTreeMap::from([(Id(7), 'a')]), key("7")).await;
        self.travels(vec![Some(BTreeMap::from([(1, BTreeMap::from([(2, 'a')]))]))], json!([{"1": {"2": "a"}}])).await;
        self.refused(BTreeMap::from([(Kind::Newtype(7), 1)]), "value", "the key of a map must be text").await;
        self.refused(vec![BTreeMap::from([((1, 2), 1)])], "value[0]", "the key of a map must be text").await;
        // Bytes.
        let blob = Shape::Bytes(vec![0, 0xff]);
        match self.is_json {
            true => self.refused(blob, "value", "JSON has no byte strings").await,
            false => {
                self.pair.here.send(&self.there(), &Holds { value: blob }).await.unwrap();
                assert_eq!(self.pair.there.receive(&self.theirs).await["value"], bytes(&[0, 0xff]));
            }
        }
        // Types with a private form in serde_json, in an event and in a raw message.
        let value = json!({"n": 7, "f": 0.5, "large": [u64::MAX, i64::MIN, -0.0], "is": [null, true, "x"]});
        self.travels(value.clone(), value.clone()).await;
        self.travels(value["n"].as_number().unwrap().clone(), json!(7)).await;
        self.travels(Any::Map { a: 7, b: 0.5 }, json!({"a": 7, "b": 0.5})).await;
        self.pair.here.send_raw(&self.theirs, json!({"type": "raw", "value": value})).await.unwrap();
        let received = self.pair.there.receive(&self.theirs).await;
        assert_eq!(Plain::from_python(&received["value"]), Plain::from_python(&value));
        let raw = Raw(RawValue::from_string(value.to_string()).unwrap());
        self.travels(raw, value.clone()).await;
        let raw = RawValue::from_string("1e400".into()).unwrap();
        self.refused(vec![raw], "value[0]", "number").await;
        // Nesting: the event itself is a level, and so is the reply of `peer.py`.
        let lists = |depth: usize| (0..depth).fold(json!(1), |inner, _| Value::Array(vec![inner]));
        self.travels(lists(125), lists(125)).await;
        self.refused(lists(127), &format!("value{}..", "[0]".repeat(83) + "[0"), "more than 127 levels").await;
        // Fields that the layer writes, and fields that occur twice.
        let flat = |key: &str| Flat { author: "ada".into(), fields: BTreeMap::from([(key.into(), json!("eve"))]) };
        self.travels(flat("type"), json!({"author": "ada", "type": "eve"})).await;
        self.refused(flat("author"), "value.author", "occurs twice").await;
        for key in ["type", "__asgi_channel__", "author"] {
            let Flat { author, fields } = flat(key);
            let sent = self.pair.here.send(&self.there(), &Meta { author, fields }).await;
            self.fails(sent, key, if key == "author" { "occurs twice" } else { "the layer writes" });
        }
        let sent = self.pair.here.send_raw(&self.theirs, json!({"type": "a", "__asgi_channel__": "b"})).await;
        self.fails(sent, "__asgi_channel__", "the layer writes");
        self.check_nan().await;
        self.check_from_python().await;
    }

    async fn check_nan(&self) {
        self.pair.here.send(&self.there(), &Holds { value: [f64::NAN] }).await.unwrap();
        let received = self.pair.there.receive(&self.theirs).await;
        assert_eq!(received["value"], json!([{"__float__": "nan"}]));
        self.pair.there.send(self.ours.name().as_str(), &received).await.unwrap();
        let received = next(&self.ours).await;
        assert!(received.decode::<Holds<[f64; 1]>>().unwrap().value[0].is_nan());
        let error = received.to_value().unwrap_err();
        assert!(error.to_string().contains("at `value[0]`: NaN is not a JSON value"), "{error}");
    }

    /// Checks the values that only Python writes.
    async fn check_from_python(&self) {
        let from_python = async |value: Value| {
            let message = json!({"type": "holds", "value": value});
            self.pair.there.send(self.ours.name().as_str(), &message).await.unwrap();
            next(&self.ours).await
        };
        let float = from_python(json!({"__float__": "nan"})).await.decode::<Holds<Shape>>().unwrap().value;
        assert!(matches!(float, Shape::Read(Plain::Float(Float(float))) if float.is_nan()), "{float:?}");
        // An integer where a float is expected, and the reverse.
        assert_eq!(from_python(json!(2)).await.decode::<Holds<f64>>().unwrap().value, 2.0);
        assert!(from_python(json!(2.0)).await.decode::<Holds<u8>>().is_err());
        assert!(from_python(json!(-1)).await.decode::<Holds<u128>>().is_err());
        let misfit = from_python(json!({"1": "a", "b": "c"})).await;
        let error = misfit.decode::<Holds<BTreeMap<u32, String>>>().unwrap_err();
        assert_eq!(error.field(), Some("value.b"), "{error}");
    }
}

async fn every_shape(backend: &'static str) {
    let rig = Rig::start(1);
    for format in ["msgpack", "json"] {
        let pair = rig.open_alike(backend, format, &json!({"serializer_format": format})).await;
        let ours = pair.here.new_channel().await.unwrap();
        let theirs = pair.python_member("shapes").await;
        let table = Table { pair, ours, theirs, is_json: format == "json" };
        table.check().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_shape_over_core_is_read_or_refused() {
    every_shape(CORE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_shape_over_pubsub_is_read_or_refused() {
    every_shape(PUBSUB).await;
}

/// Cargo unifies features: any crate of a program may enable serde_json's `arbitrary_precision`, with which numbers are private
/// maps. This runs the tests above once more in such a program.
#[test]
fn every_shape_travels_with_arbitrary_precision() {
    // Reuses what cargo has built: only serde_json and the crates that use it are compiled again.
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["test", "--offline", "--workspace", "--all-features", "--features", "serde_json/arbitrary_precision"]);
    cargo.args(["--test", "django", "--", "shapes::every_shape_over"]);
    cargo.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    cargo.env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder"));
    // Cargo sets variables for this test. Build scripts that see them would run again.
    for (name, _) in std::env::vars_os() {
        let of_this_test = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_CRATE_", "CARGO_BIN_", "CARGO_PRIMARY_"];
        if name.to_str().is_some_and(|name| of_this_test.iter().any(|prefix| name.starts_with(prefix))) {
            cargo.env_remove(name);
        }
    }
    let output = cargo.output().unwrap();
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success() && text.contains("2 passed"), "{text}");
}

//! The schemas of types that clients exchange with the runtime.

use std::borrow::Cow;

use channels_contract::schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::event::{Cause, Position};

impl JsonSchema for Position {
    fn schema_name() -> Cow<'static, str> {
        "Position".into()
    }

    fn schema_id() -> Cow<'static, str> {
        concat!(module_path!(), "::Position").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A position in the history of a group. It is `null` for an event that is not kept.",
            "type": ["string", "null"],
            "x-channels": "position",
        })
    }
}

impl JsonSchema for Cause {
    fn schema_name() -> Cow<'static, str> {
        "Cause".into()
    }

    fn schema_id() -> Cow<'static, str> {
        concat!(module_path!(), "::Cause").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "The reason why missed events are not sent again.",
            "type": "string",
            "enum": Self::ALL.map(Self::as_str),
            "x-channels": "cause",
        })
    }
}

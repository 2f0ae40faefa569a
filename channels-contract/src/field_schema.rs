//! The field of a mirror of an event.

/// Defines a type with a schema that may be missing: the field of a mirror of an event. A missing schema accepts everything.
#[doc(hidden)]
#[macro_export]
macro_rules! field_schema {
    ($name:ident, $schema:expr) => {
        #[derive(::core::default::Default)]
        struct $name;

        #[automatically_derived]
        impl $crate::schemars::JsonSchema for $name {
            fn inline_schema() -> ::core::primitive::bool {
                true
            }

            fn schema_name() -> ::std::borrow::Cow<'static, ::core::primitive::str> {
                ::std::borrow::Cow::Borrowed(::core::stringify!($name))
            }

            fn json_schema(generator: &mut $crate::schemars::SchemaGenerator) -> $crate::schemars::Schema {
                let schema: $crate::facts::SchemaFn = $schema;
                match schema {
                    ::core::option::Option::Some(schema) => schema(generator),
                    ::core::option::Option::None => ::core::convert::From::from(true),
                }
            }
        }
    };
}

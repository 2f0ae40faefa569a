#[derive(
    ::channels_runtime::__private::serde::Serialize,
    ::channels_runtime::__private::serde::Deserialize
)]
#[serde(crate = "::channels_runtime::__private::serde")]
pub struct ChatMessage {
    #[serde(rename = "from")]
    #[serde(
        bound(
            serialize = "for<'field> User: ::channels_runtime::__private::Travels<'field>",
            deserialize = "for<'field> User: ::channels_runtime::__private::Travels<'field>"
        ),
        serialize_with = "::channels_runtime::__private::write_field"
    )]
    pub user: User,
    pub message: Option<String>,
    #[serde(with = "stamp")]
    pub at: Stamp,
    pub answers: Vec<ChatMessage>,
}
#[automatically_derived]
impl ::channels_runtime::__private::Event for ChatMessage {
    type Itself = Self;
    type Retention = ::channels_runtime::__private::Kept;
    const TYPE: &'static str = "chat.message";
    const DEFINED: &'static str = ::core::concat!(
        ::core::module_path!(), "::", ::core::stringify!(ChatMessage), " (",
        ::core::file!(), ":", ::core::line!(), ")",
    );
}
::channels_runtime::__private::if_contract! {
    const _ : () = { #[allow(unused_imports)] use {
    ::channels_runtime::__private::NotDescribed as _, ::std::prelude::rust_2021:: * };
    #[allow(dead_code)] fn __skip < T : ? ::core::marker::Sized > (_ : & T) ->
    ::core::primitive::bool { true }
    ::channels_runtime::__private::field_schema!(__Field0,
    ::channels_runtime::__private::SchemaOf:: < User > ::SCHEMA);
    ::channels_runtime::__private::field_schema!(__Field1,
    ::channels_runtime::__private::SchemaOf:: < String > ::SCHEMA);
    ::channels_runtime::__private::field_schema!(__Field2, ::core::option::Option::None);
    ::channels_runtime::__private::field_schema!(__Field3,
    ::channels_runtime::__private::SchemaOf:: < Vec < ChatMessage > > ::SCHEMA);
    #[allow(dead_code)] #[derive(::core::default::Default,
    ::channels_runtime::__private::schemars::JsonSchema)] #[schemars(crate =
    "::channels_runtime::__private::schemars")] struct __Mirror { #[serde(rename =
    "from")] user : __Field0, message : ::core::option::Option < __Field1 >, at :
    __Field2, answers : __Field3, } #[automatically_derived] impl
    ::channels_runtime::__private::DescribedEvent for ChatMessage { const FACTS :
    ::channels_runtime::__private::facts::EventFacts =
    ::channels_runtime::__private::facts::EventFacts { name : "chat.message", ty :
    "ChatMessage", docs : "", parts : & [::channels_runtime::__private::facts::PartFacts
    { field : "user", ty : ::channels_runtime::__private::facts::TypeFacts { name :
    "User", schema : ::channels_runtime::__private::SchemaOf:: < User > ::SCHEMA }, },
    ::channels_runtime::__private::facts::PartFacts { field : "message", ty :
    ::channels_runtime::__private::facts::TypeFacts { name : "Option<String>", schema :
    ::channels_runtime::__private::SchemaOf:: < String > ::SCHEMA }, },
    ::channels_runtime::__private::facts::PartFacts { field : "at", ty :
    ::channels_runtime::__private::facts::TypeFacts { name : "Stamp", schema :
    ::core::option::Option::None }, }, ::channels_runtime::__private::facts::PartFacts {
    field : "answers", ty : ::channels_runtime::__private::facts::TypeFacts { name :
    "Vec<ChatMessage>", schema : ::channels_runtime::__private::SchemaOf:: < Vec <
    ChatMessage > > ::SCHEMA }, }], schema : ::core::option::Option::Some(| generator | <
    __Mirror as ::channels_runtime::__private::schemars::JsonSchema >
    ::json_schema(generator)), }; } };
}

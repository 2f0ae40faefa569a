#[derive(
    ::channels_runtime::__private::serde::Serialize,
    ::channels_runtime::__private::serde::Deserialize
)]
#[serde(crate = "::channels_runtime::__private::serde")]
/// A message of a user.
#[derive(Debug, Clone)]
pub struct ChatMessage {
    pub message: String,
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
    ::channels_runtime::__private::SchemaOf:: < String > ::SCHEMA); #[allow(dead_code)]
    #[derive(::core::default::Default,
    ::channels_runtime::__private::schemars::JsonSchema)] #[schemars(crate =
    "::channels_runtime::__private::schemars")] #[doc = r" A message of a user."] struct
    __Mirror { message : __Field0, } #[automatically_derived] impl
    ::channels_runtime::__private::DescribedEvent for ChatMessage { const FACTS :
    ::channels_runtime::__private::facts::EventFacts =
    ::channels_runtime::__private::facts::EventFacts { name : "chat.message", ty :
    "ChatMessage", docs : " A message of a user.", parts : &
    [::channels_runtime::__private::facts::PartFacts { field : "message", ty :
    ::channels_runtime::__private::facts::TypeFacts { name : "String", schema :
    ::channels_runtime::__private::SchemaOf:: < String > ::SCHEMA }, }], schema :
    ::core::option::Option::Some(| generator | < __Mirror as
    ::channels_runtime::__private::schemars::JsonSchema > ::json_schema(generator)), }; }
    };
}

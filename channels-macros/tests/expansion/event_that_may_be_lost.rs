#[derive(
    ::channels_runtime::__private::serde::Serialize,
    ::channels_runtime::__private::serde::Deserialize
)]
#[serde(crate = "::channels_runtime::__private::serde")]
struct CursorMove {
    user_id: u64,
    x: f64,
}
#[automatically_derived]
impl ::channels_runtime::__private::Event for CursorMove {
    type Itself = Self;
    type Retention = ::channels_runtime::__private::Volatile;
    const TYPE: &'static str = "cursor.move";
    const DEFINED: &'static str = ::core::concat!(
        ::core::module_path!(), "::", ::core::stringify!(CursorMove), " (",
        ::core::file!(), ":", ::core::line!(), ")",
    );
    const VOLATILE: bool = true;
    const UNCOMPRESSED: bool = true;
    fn key(&self) -> ::core::option::Option<::channels_runtime::__private::NonZeroU64> {
        ::channels_runtime::__private::key::<u64>(Self::TYPE, &self.user_id)
    }
}
::channels_runtime::__private::if_contract! {
    const _ : () = { #[allow(unused_imports)] use {
    ::channels_runtime::__private::NotDescribed as _, ::std::prelude::rust_2021:: * };
    #[allow(dead_code)] fn __skip < T : ? ::core::marker::Sized > (_ : & T) ->
    ::core::primitive::bool { true }
    ::channels_runtime::__private::field_schema!(__Field0,
    ::channels_runtime::__private::SchemaOf:: < u64 > ::SCHEMA);
    ::channels_runtime::__private::field_schema!(__Field1,
    ::channels_runtime::__private::SchemaOf:: < f64 > ::SCHEMA); #[allow(dead_code)]
    #[derive(::core::default::Default,
    ::channels_runtime::__private::schemars::JsonSchema)] #[schemars(crate =
    "::channels_runtime::__private::schemars")] struct __Mirror { user_id : __Field0, x :
    __Field1, } #[automatically_derived] impl
    ::channels_runtime::__private::DescribedEvent for CursorMove { const FACTS :
    ::channels_runtime::__private::facts::EventFacts =
    ::channels_runtime::__private::facts::EventFacts { name : "cursor.move", ty :
    "CursorMove", docs : "", parts : & [::channels_runtime::__private::facts::PartFacts {
    field : "user_id", ty : ::channels_runtime::__private::facts::TypeFacts { name :
    "u64", schema : ::channels_runtime::__private::SchemaOf:: < u64 > ::SCHEMA }, },
    ::channels_runtime::__private::facts::PartFacts { field : "x", ty :
    ::channels_runtime::__private::facts::TypeFacts { name : "f64", schema :
    ::channels_runtime::__private::SchemaOf:: < f64 > ::SCHEMA }, }], schema :
    ::core::option::Option::Some(| generator | < __Mirror as
    ::channels_runtime::__private::schemars::JsonSchema > ::json_schema(generator)), }; }
    };
}

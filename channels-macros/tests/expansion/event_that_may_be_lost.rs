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

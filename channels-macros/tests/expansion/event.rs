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

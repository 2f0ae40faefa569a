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

/// The people of one room.
pub struct Room {
    pub room: String,
}
#[automatically_derived]
impl ::channels_runtime::__private::Group for Room {
    type Itself = Self;
    const PATTERN: &'static str = "chat_{room}";
    const SHAPE: &'static str = "chat_\u{1}";
    const EVENTS: &'static [::channels_runtime::__private::EventInfo] = &[
        ::channels_runtime::__private::EventInfo::of::<ChatMessage>(),
        ::channels_runtime::__private::EventInfo::of::<events::ChatJoin>(),
    ];
    fn name(
        &self,
    ) -> ::core::result::Result<
        ::channels_runtime::__private::GroupName,
        ::channels_runtime::__private::NameError,
    > {
        ::channels_runtime::__private::group_name(
            ::core::format_args!(
                "chat_{}", ::channels_runtime::__private::part:: < String > (& self.room)
            ),
        )
    }
}
#[automatically_derived]
impl ::channels_runtime::__private::Carries<ChatMessage> for Room {
    type Carrier = Self;
}
#[automatically_derived]
impl ::channels_runtime::__private::Carries<events::ChatJoin> for Room {
    type Carrier = Self;
}
#[automatically_derived]
impl ::channels_runtime::__private::Plain for Room {
    type Joinable = Self;
}
#[automatically_derived]
impl<__R> ::channels_runtime::__private::ReachesOthers<__R> for Room {}
#[automatically_derived]
impl<__C> ::channels_runtime::__private::JoinedBy<__C> for Room
where
    __C: ::channels_runtime::__private::Joins<Room>,
    __C: ::channels_runtime::__private::Handles<ChatMessage, Room>,
    __C: ::channels_runtime::__private::Handles<events::ChatJoin, Room>,
{}
::channels_runtime::__private::if_contract! {
    const _ : () = { #[allow(unused_imports)] use ::channels_runtime::__private:: {
    NotDescribed as _, NotDescribedEvent as _ }; #[automatically_derived] impl
    ::channels_runtime::__private::DescribedGroup for Room { const FACTS :
    ::channels_runtime::__private::facts::GroupFacts =
    ::channels_runtime::__private::facts::GroupFacts { name : "Room", pattern :
    "chat_{room}", docs : " The people of one room.", fields : &
    [::channels_runtime::__private::facts::PartFacts { field : "room", ty :
    ::channels_runtime::__private::facts::TypeFacts { name : "String", schema :
    ::channels_runtime::__private::SchemaOf:: < String > ::SCHEMA } }], rest : 0usize,
    events : & [::channels_runtime::__private::FactsOf:: < ChatMessage > ::FACTS,
    ::channels_runtime::__private::FactsOf:: < events::ChatJoin > ::FACTS], }; } };
}

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
#[automatically_derived]
#[allow(private_bounds)]
impl<__N> ::channels_runtime::__private::ByName<__N> for Room
where
    String: ::channels_runtime::__private::ReadPart<__N>,
    ChatMessage: ::channels_runtime::__private::ListedEvent<__N>,
    events::ChatJoin: ::channels_runtime::__private::ListedEvent<__N>,
{
    fn from_name(
        name: &::core::primitive::str,
    ) -> ::core::result::Result<Self, ::channels_runtime::__private::NameMismatch> {
        let parts = ::channels_runtime::__private::name_parts(
            name,
            "chat_",
            [""],
            0usize,
        )?;
        ::core::result::Result::Ok(Self {
            room: ::channels_runtime::__private::read_part::<
                String,
                __N,
            >("room", parts[0usize])?,
        })
    }
    fn with_event<__V: ::channels_runtime::__private::EventVisitor>(
        name: &::core::primitive::str,
        visitor: __V,
    ) -> ::core::option::Option<__V::Output> {
        if name == <ChatMessage as ::channels_runtime::__private::ListedEvent<__N>>::TYPE
        {
            return ::core::option::Option::Some(
                <ChatMessage as ::channels_runtime::__private::ListedEvent<
                    __N,
                >>::visit(visitor),
            );
        }
        if name
            == <events::ChatJoin as ::channels_runtime::__private::ListedEvent<
                __N,
            >>::TYPE
        {
            return ::core::option::Option::Some(
                <events::ChatJoin as ::channels_runtime::__private::ListedEvent<
                    __N,
                >>::visit(visitor),
            );
        }
        ::core::option::Option::None
    }
}
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

struct Room {
    room: String,
}
#[automatically_derived]
impl ::channels_runtime::__private::Group for Room {
    type Itself = Self;
    const PATTERN: &'static str = "chat_{room}";
    const SHAPE: &'static str = "chat_\u{1}";
    const EVENTS: &'static [::channels_runtime::__private::EventInfo] = &[
        ::channels_runtime::__private::EventInfo::of::<ChatMessage>(),
        ::channels_runtime::__private::EventInfo::of::<ChatTyping>(),
    ];
    const HISTORY: ::core::option::Option<::channels_runtime::__private::History> = ::core::option::Option::Some(
        ::channels_runtime::__private::History::checked(100, 600),
    );
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
impl ::channels_runtime::__private::Carries<ChatTyping> for Room {
    type Carrier = Self;
}
#[automatically_derived]
impl ::channels_runtime::__private::Recoverable for Room {
    type Joinable = Self;
}
#[automatically_derived]
impl ::channels_runtime::__private::ReachesOthers<
    ::channels_runtime::__private::Volatile,
> for Room {}
const _: () = {
    #[allow(unused_imports)]
    use ::channels_runtime::__private::NotAnEvent as _;
    #[automatically_derived]
    impl<__C> ::channels_runtime::__private::JoinedBy<__C> for Room
    where
        __C: ::channels_runtime::__private::Joins<Room>,
        __C: ::channels_runtime::__private::Handles<ChatMessage, Room>,
        __C: ::channels_runtime::__private::Handles<ChatTyping, Room>,
        <__C as ::channels_runtime::__private::Handles<
            ChatMessage,
            Room,
        >>::Itself: ::channels_runtime::__private::HandlesAt<
            ChatMessage,
            Room,
            <::channels_runtime::__private::IsVolatile<
                { ::channels_runtime::__private::NameOf::<ChatMessage>::VOLATILE },
            > as ::channels_runtime::__private::Retained>::Retention,
        >,
        <__C as ::channels_runtime::__private::Handles<
            ChatTyping,
            Room,
        >>::Itself: ::channels_runtime::__private::HandlesAt<
            ChatTyping,
            Room,
            <::channels_runtime::__private::IsVolatile<
                { ::channels_runtime::__private::NameOf::<ChatTyping>::VOLATILE },
            > as ::channels_runtime::__private::Retained>::Retention,
        >,
        __C: ::channels_runtime::__private::HandlesHistoryLost,
    {}
    ::channels_runtime::__private::check_history(
        "Room",
        &[
            (
                ::channels_runtime::__private::NameOf::<ChatMessage>::NAME,
                ::channels_runtime::__private::NameOf::<ChatMessage>::VOLATILE,
            ),
            (
                ::channels_runtime::__private::NameOf::<ChatTyping>::NAME,
                ::channels_runtime::__private::NameOf::<ChatTyping>::VOLATILE,
            ),
        ],
    )
};
#[automatically_derived]
#[allow(private_bounds)]
impl<__N> ::channels_runtime::__private::ByName<__N> for Room
where
    String: ::channels_runtime::__private::ReadPart<__N>,
    ChatMessage: ::channels_runtime::__private::ListedEvent<__N>,
    ChatTyping: ::channels_runtime::__private::ListedEvent<__N>,
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
        if name == <ChatTyping as ::channels_runtime::__private::ListedEvent<__N>>::TYPE
        {
            return ::core::option::Option::Some(
                <ChatTyping as ::channels_runtime::__private::ListedEvent<
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
    "chat_{room}", docs : "", fields : & [::channels_runtime::__private::facts::PartFacts
    { field : "room", ty : ::channels_runtime::__private::facts::TypeFacts { name :
    "String", schema : ::channels_runtime::__private::SchemaOf:: < String > ::SCHEMA }
    }], rest : 0usize, events : & [::channels_runtime::__private::FactsOf:: < ChatMessage
    > ::FACTS, ::channels_runtime::__private::FactsOf:: < ChatTyping > ::FACTS], }; } };
}

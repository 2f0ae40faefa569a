impl Auction {
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::trivially_copy_pass_by_ref,
        clippy::unused_self
    )]
    async fn bid(
        &mut self,
        cx: &mut Context<Self>,
        command: Bid,
    ) -> Result<Taken, Outbid> {
        self.take(command)
    }
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::trivially_copy_pass_by_ref,
        clippy::unused_self
    )]
    #[cfg(feature = "leave")]
    fn leave(&mut self, cx: &mut Context<Self>, _: Leave) -> Result<Result<(), Outbid>> {
        Ok(Ok(()))
    }
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::trivially_copy_pass_by_ref,
        clippy::unused_self
    )]
    fn watch(&mut self, cx: &mut Context<Self>, command: Watch) -> std::io::Result<()> {
        Ok(())
    }
}
#[automatically_derived]
impl ::channels_runtime::__private::HandlesListed for Auction {}
#[automatically_derived]
impl<__G: ?::core::marker::Sized> ::channels_runtime::__private::Joins<__G> for Auction {}
::channels_runtime::__private::if_contract! {
    #[automatically_derived] impl ::channels_runtime::__private::Described for Auction {
    const FACTS : ::channels_runtime::__private::facts::ConsumerFacts = {
    #[allow(unused_imports)] use ::channels_runtime::__private:: { NotDescribed as _,
    NotJson as _, Replies as _ }; ::channels_runtime::__private::facts::ConsumerFacts {
    name : "Auction", docs : "", tag : "type", answers :
    ::channels_runtime::__private::facts::AnswerFields { reference : "id", ok : "result",
    error : "error" }, captures : { & [] }, commands : &
    [::channels_runtime::__private::facts::CommandFacts { name : "bid", docs : "",
    payload : ::channels_runtime::__private::facts::TypeFacts { name : "Bid", schema :
    ::channels_runtime::__private::SchemaOf:: < Bid > ::SCHEMA }, answers :
    ::channels_runtime::__private::Returns:: < Result < Taken, Outbid > > ::HOW
    .answers(), answer :
    ::core::option::Option::Some(::channels_runtime::__private::facts::AnswerFacts { ok :
    ::channels_runtime::__private::facts::TypeFacts { name : "Taken", schema :
    ::channels_runtime::__private::SchemaOf:: < Taken > ::SCHEMA }, error :
    ::core::option::Option::Some(::channels_runtime::__private::facts::TypeFacts { name :
    "Outbid", schema : ::channels_runtime::__private::SchemaOf:: < Outbid > ::SCHEMA })
    }), }, #[cfg(feature = "leave")] ::channels_runtime::__private::facts::CommandFacts {
    name : "leave", docs : "", payload : ::channels_runtime::__private::facts::TypeFacts
    { name : "Leave", schema : ::channels_runtime::__private::SchemaOf:: < Leave >
    ::SCHEMA }, answers : ::channels_runtime::__private::Returns:: < Result < Result <
    (), Outbid > > > ::HOW.answers(), answer :
    ::core::option::Option::Some(::channels_runtime::__private::facts::AnswerFacts { ok :
    ::channels_runtime::__private::facts::TypeFacts { name : "()", schema :
    ::channels_runtime::__private::SchemaOf:: < () > ::SCHEMA }, error :
    ::core::option::Option::Some(::channels_runtime::__private::facts::TypeFacts { name :
    "Outbid", schema : ::channels_runtime::__private::SchemaOf:: < Outbid > ::SCHEMA })
    }), }, ::channels_runtime::__private::facts::CommandFacts { name : "watch", docs :
    "", payload : ::channels_runtime::__private::facts::TypeFacts { name : "Watch",
    schema : ::channels_runtime::__private::SchemaOf:: < Watch > ::SCHEMA }, answers :
    ::channels_runtime::__private::Returns:: < std::io::Result < () > > ::HOW.answers(),
    answer : ::core::option::Option::None, }], messages : & [], others : false, untyped :
    ::core::option::Option::None, refuses : ! ::core::cfg!(any()), history_lost :
    ::core::cfg!(any()), } }; }
}
::channels_runtime::__private::if_testing! {
    #[automatically_derived] #[allow(dead_code, private_interfaces)] impl Auction { #[doc
    = " The command `bid`, for test clients."] pub const BID :
    ::channels_runtime::__private::Command < Self, Bid,
    ::channels_runtime::__private::Answered < Taken, Outbid > > =
    ::channels_runtime::__private::Command::new("bid"); #[doc =
    " The command `leave`, for test clients."] #[cfg(feature = "leave")] pub const LEAVE
    : ::channels_runtime::__private::Command < Self, Leave,
    ::channels_runtime::__private::Answered < (), Outbid > > =
    ::channels_runtime::__private::Command::new("leave"); #[doc =
    " The command `watch`, for test clients."] pub const WATCH :
    ::channels_runtime::__private::Command < Self, Watch, () > =
    ::channels_runtime::__private::Command::new("watch"); }
}
const _: () = {
    /// Events that `Auction` accepts: one variant for each `#[handler]`.
    #[allow(dead_code, non_camel_case_types, private_interfaces, unreachable_pub)]
    pub enum __ConsumerEvent {}
    #[automatically_derived]
    #[allow(unreachable_code, unused_variables)]
    impl ::core::fmt::Debug for __ConsumerEvent {
        fn fmt(
            &self,
            formatter: &mut ::core::fmt::Formatter<'_>,
        ) -> ::core::fmt::Result {
            match *self {}
        }
    }
    /// Frames that `Auction` accepts: one variant for each `#[receive]`.
    #[allow(dead_code, non_camel_case_types, private_interfaces, unreachable_pub)]
    pub enum __ConsumerCommand {
        /// `bid`
        Bid(Bid),
        #[cfg(feature = "leave")]
        /// `leave`
        Leave(Leave),
        /// `watch`
        Watch(Watch),
    }
    #[automatically_derived]
    #[allow(unreachable_code, unused_variables)]
    impl ::core::fmt::Debug for __ConsumerCommand {
        fn fmt(
            &self,
            formatter: &mut ::core::fmt::Formatter<'_>,
        ) -> ::core::fmt::Result {
            formatter
                .write_str(
                    match *self {
                        Self::Bid(_) => "Bid",
                        #[cfg(feature = "leave")]
                        Self::Leave(_) => "Leave",
                        Self::Watch(_) => "Watch",
                    },
                )
        }
    }
    #[automatically_derived]
    #[allow(deprecated, trivial_bounds, unreachable_code, unused_variables)]
    impl ::channels_runtime::__private::Consumer for Auction
    where
        Auction: ::core::marker::Send,
    {
        type Event = __ConsumerEvent;
        type Command = __ConsumerCommand;
        const INFO: ::channels_runtime::__private::ConsumerInfo = {
            #[allow(unused_imports)]
            use ::channels_runtime::__private::{
                NotACommand as _, NotAnEvent as _, Replies as _,
            };
            ::channels_runtime::__private::ConsumerInfo {
                name: "Auction",
                handlers: &[],
                fallback: ::core::option::Option::None,
                commands: &[
                    ::channels_runtime::__private::CommandInfo {
                        name: "bid",
                        variant: "Bid",
                        method: "bid",
                        payload: ::core::any::type_name::<Bid>,
                        fields: ::channels_runtime::__private::CommandOf::<Bid>::FIELDS,
                        answers: ::channels_runtime::__private::Returns::<
                            Result<Taken, Outbid>,
                        >::HOW
                            .answers(),
                        line: 1u32,
                        unsendable: ::channels_runtime::__private::CommandOf::<
                            Bid,
                        >::UNSENDABLE,
                    },
                    #[cfg(feature = "leave")]
                    ::channels_runtime::__private::CommandInfo {
                        name: "leave",
                        variant: "Leave",
                        method: "leave",
                        payload: ::core::any::type_name::<Leave>,
                        fields: ::channels_runtime::__private::CommandOf::<
                            Leave,
                        >::FIELDS,
                        answers: ::channels_runtime::__private::Returns::<
                            Result<Result<(), Outbid>>,
                        >::HOW
                            .answers(),
                        line: 1u32,
                        unsendable: ::channels_runtime::__private::CommandOf::<
                            Leave,
                        >::UNSENDABLE,
                    },
                    ::channels_runtime::__private::CommandInfo {
                        name: "watch",
                        variant: "Watch",
                        method: "watch",
                        payload: ::core::any::type_name::<Watch>,
                        fields: ::channels_runtime::__private::CommandOf::<
                            Watch,
                        >::FIELDS,
                        answers: ::channels_runtime::__private::Returns::<
                            std::io::Result<()>,
                        >::HOW
                            .answers(),
                        line: 1u32,
                        unsendable: ::channels_runtime::__private::CommandOf::<
                            Watch,
                        >::UNSENDABLE,
                    },
                ],
                raw: ::core::option::Option::None,
                groups: &[],
                sends: &[],
                tag: "type",
                answer: ::channels_runtime::__private::AnswerFields {
                    reference: "id",
                    ok: "result",
                    error: "error",
                },
                mailbox: ::channels_runtime::__private::MailboxPolicy::DropNewest,
                uncompressed: false,
                complete: true,
            }
        };
        type Captures = ();
        fn connect(
            cx: &mut ::channels_runtime::__private::Context<Self>,
            captures: Self::Captures,
        ) -> ::channels_runtime::__private::BoxFuture<
            '_,
            ::core::result::Result<Self, ::channels_runtime::__private::Reject>,
        > {
            ::channels_runtime::__private::connected_by_default::<Auction>()
        }
        fn decode(
            envelope: &::channels_runtime::__private::Envelope,
        ) -> ::core::result::Result<
            ::channels_runtime::__private::Decoded<Self::Event>,
            ::channels_runtime::__private::DecodeError,
        > {
            ::core::result::Result::Ok(::channels_runtime::__private::Decoded::Unhandled)
        }
        fn dispatch<'call>(
            &'call mut self,
            cx: &'call mut ::channels_runtime::__private::Context<Self>,
            event: &'call ::channels_runtime::__private::Delivered<Self::Event>,
        ) -> ::channels_runtime::__private::BoxFuture<
            'call,
            ::channels_runtime::__private::Result<()>,
        > {
            match *event.event() {}
        }
        fn decode_command(
            frame: ::channels_runtime::__private::Frame,
        ) -> ::core::result::Result<
            ::channels_runtime::__private::Received<Self::Command>,
            ::channels_runtime::__private::CommandError,
        > {
            match ::channels_runtime::__private::named_command::<Self>(frame) {
                ::channels_runtime::__private::ParsedFrame::Command(command) => {
                    match command.name() {
                        "bid" => {
                            ::channels_runtime::__private::decode_command::<
                                Bid,
                                _,
                            >(
                                command,
                                "bid",
                                ::channels_runtime::__private::Returns::<
                                    Result<Taken, Outbid>,
                                >::HOW
                                    .answers(),
                                __ConsumerCommand::Bid,
                            )
                        }
                        #[cfg(feature = "leave")]
                        "leave" => {
                            ::channels_runtime::__private::decode_command::<
                                Leave,
                                _,
                            >(
                                command,
                                "leave",
                                ::channels_runtime::__private::Returns::<
                                    Result<Result<(), Outbid>>,
                                >::HOW
                                    .answers(),
                                __ConsumerCommand::Leave,
                            )
                        }
                        "watch" => {
                            ::channels_runtime::__private::decode_command::<
                                Watch,
                                _,
                            >(
                                command,
                                "watch",
                                ::channels_runtime::__private::Returns::<
                                    std::io::Result<()>,
                                >::HOW
                                    .answers(),
                                __ConsumerCommand::Watch,
                            )
                        }
                        _ => {
                            ::core::result::Result::Err(
                                command
                                    .unknown(
                                        &["bid", #[cfg(feature = "leave")] "leave", "watch"],
                                    ),
                            )
                        }
                    }
                }
                ::channels_runtime::__private::ParsedFrame::Other { frame, error } => {
                    ::core::result::Result::Err(error)
                }
            }
        }
        fn receive<'call>(
            &'call mut self,
            cx: &'call mut ::channels_runtime::__private::Context<Self>,
            received: ::channels_runtime::__private::Received<Self::Command>,
        ) -> ::channels_runtime::__private::BoxFuture<
            'call,
            ::channels_runtime::__private::Result<()>,
        > {
            match received.command {
                __ConsumerCommand::Bid(payload) => {
                    let how = ::channels_runtime::__private::Returns::<
                        Result<Taken, Outbid>,
                    >::HOW;
                    let asked = how.asked(cx, received.reference);
                    how.run::<
                            Result<Taken, Outbid>,
                            _,
                        >(asked, Self::bid(self, cx, payload))
                }
                #[cfg(feature = "leave")]
                __ConsumerCommand::Leave(payload) => {
                    let how = ::channels_runtime::__private::Returns::<
                        Result<Result<(), Outbid>>,
                    >::HOW;
                    let asked = how.asked(cx, received.reference);
                    how.run_blocking::<
                            Result<Result<(), Outbid>>,
                            _,
                        >(asked, move || Self::leave(self, cx, payload))
                }
                __ConsumerCommand::Watch(payload) => {
                    let how = ::channels_runtime::__private::Returns::<
                        std::io::Result<()>,
                    >::HOW;
                    let asked = how.asked(cx, received.reference);
                    how.ran::<std::io::Result<()>>(asked, Self::watch(self, cx, payload))
                }
            }
        }
        fn command_index(variant: &Self::Command) -> usize {
            match *variant {
                __ConsumerCommand::Bid(_) => 0,
                #[cfg(feature = "leave")]
                __ConsumerCommand::Leave(_) => 1,
                __ConsumerCommand::Watch(_) => {
                    1 + ::core::cfg!(all(feature = "leave")) as usize
                }
            }
        }
        fn disconnect<'call>(
            &'call mut self,
            cx: &'call mut ::channels_runtime::__private::Context<Self>,
            code: ::channels_runtime::__private::CloseCode,
        ) -> ::channels_runtime::__private::BoxFuture<
            'call,
            ::channels_runtime::__private::Result<()>,
        > {
            ::channels_runtime::__private::ran(())
        }
    }
    #[allow(unused_imports)]
    use ::channels_runtime::__private::{
        NeverSent as _, NotAnEvent as _, OtherKind as _, Replies as _,
    };
    const _: () = ::channels_runtime::__private::check_command(
        "bid",
        "bid",
        "Bid",
        ::channels_runtime::__private::KindOf::<Bid>::KIND,
    );
    #[cfg(feature = "leave")]
    const _: () = ::channels_runtime::__private::check_command(
        "leave",
        "leave",
        "Leave",
        ::channels_runtime::__private::KindOf::<Leave>::KIND,
    );
    const _: () = ::channels_runtime::__private::check_command(
        "watch",
        "watch",
        "Watch",
        ::channels_runtime::__private::KindOf::<Watch>::KIND,
    );
    const _: () = ::channels_runtime::__private::check_silence(
        "watch",
        "std::io::Result<()>",
        ::channels_runtime::__private::ErrorOf::<std::io::Result<()>>::IS_SENDABLE,
    );
};

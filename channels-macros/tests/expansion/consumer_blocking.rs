impl Reports {
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::trivially_copy_pass_by_ref,
        clippy::unused_self
    )]
    fn connect(cx: &mut Context<Self>, id: u64) -> Result<Self, Reject> {
        Self::open(id)
    }
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::trivially_copy_pass_by_ref,
        clippy::unused_self
    )]
    fn build(&mut self, cx: &mut Context<Self>, event: &ReportBuild) -> Result<()> {
        self.write(event)
    }
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::trivially_copy_pass_by_ref,
        clippy::unused_self
    )]
    fn read(&mut self, cx: &mut Context<Self>, command: Read) {
        self.read_all();
    }
}
#[automatically_derived]
impl<
    __G: ?::core::marker::Sized,
> ::channels_runtime::__private::Handles<ReportBuild, __G> for Reports {
    type Itself = Self;
}
#[automatically_derived]
impl ::channels_runtime::__private::HandlesListed for Reports {}
#[automatically_derived]
impl<__G: ?::core::marker::Sized> ::channels_runtime::__private::Joins<__G> for Reports {}
::channels_runtime::__private::if_contract! {
    #[automatically_derived] impl ::channels_runtime::__private::Described for Reports {
    const FACTS : ::channels_runtime::__private::facts::ConsumerFacts = {
    #[allow(unused_imports)] use ::channels_runtime::__private:: { NotDescribed as _,
    NotJson as _, Replies as _ }; ::channels_runtime::__private::facts::ConsumerFacts {
    name : "Reports", docs : "", tag : "type", answers :
    ::channels_runtime::__private::facts::AnswerFields { reference : "ref", ok : "ok",
    error : "error" }, captures : { & ["id"] }, commands : &
    [::channels_runtime::__private::facts::CommandFacts { name : "read", docs : "",
    payload : ::channels_runtime::__private::facts::TypeFacts { name : "Read", schema :
    ::channels_runtime::__private::SchemaOf:: < Read > ::SCHEMA }, answers :
    ::channels_runtime::__private::Returns:: < () > ::HOW.answers(), answer :
    ::core::option::Option::None, }], messages : & [], others : false, untyped :
    ::core::option::Option::None, refuses : ! ::core::cfg!(any()), history_lost :
    ::core::cfg!(any()), } }; }
}
::channels_runtime::__private::if_testing! {
    #[automatically_derived] #[allow(dead_code, private_interfaces)] impl Reports { #[doc
    = " The command `read`, for test clients."] pub const READ :
    ::channels_runtime::__private::Command < Self, Read, () > =
    ::channels_runtime::__private::Command::new("read"); }
}
const _: () = {
    /// Events that `Reports` accepts: one variant for each `#[handler]`.
    #[allow(dead_code, non_camel_case_types, private_interfaces, unreachable_pub)]
    pub enum __ConsumerEvent {
        /// `report.build`
        ReportBuild(ReportBuild),
    }
    #[automatically_derived]
    #[allow(unreachable_code, unused_variables)]
    impl ::core::fmt::Debug for __ConsumerEvent {
        fn fmt(
            &self,
            formatter: &mut ::core::fmt::Formatter<'_>,
        ) -> ::core::fmt::Result {
            formatter
                .write_str(
                    match *self {
                        Self::ReportBuild(_) => "ReportBuild",
                    },
                )
        }
    }
    /// Frames that `Reports` accepts: one variant for each `#[receive]`.
    #[allow(dead_code, non_camel_case_types, private_interfaces, unreachable_pub)]
    pub enum __ConsumerCommand {
        /// `read`
        Read(Read),
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
                        Self::Read(_) => "Read",
                    },
                )
        }
    }
    #[automatically_derived]
    #[allow(deprecated, trivial_bounds, unreachable_code, unused_variables)]
    impl ::channels_runtime::__private::Consumer for Reports
    where
        Reports: ::core::marker::Send,
    {
        type Event = __ConsumerEvent;
        type Command = __ConsumerCommand;
        const INFO: ::channels_runtime::__private::ConsumerInfo = {
            #[allow(unused_imports)]
            use ::channels_runtime::__private::{
                NotACommand as _, NotAnEvent as _, Replies as _,
            };
            ::channels_runtime::__private::ConsumerInfo {
                name: "Reports",
                handlers: &[
                    ::channels_runtime::__private::HandlerInfo {
                        event: ::channels_runtime::__private::NameOf::<
                            ReportBuild,
                        >::NAME,
                        variant: "ReportBuild",
                        method: "build",
                        payload: ::core::any::type_name::<ReportBuild>,
                        fields: ::channels_runtime::__private::NameOf::<
                            ReportBuild,
                        >::FIELDS,
                        shared: false,
                        uncompressed: ::channels_runtime::__private::NameOf::<
                            ReportBuild,
                        >::UNCOMPRESSED,
                        returns: ::core::option::Option::None,
                        line: 1u32,
                        decodes: ::channels_runtime::__private::NameOf::<
                            ReportBuild,
                        >::DECODES,
                        defined: ::channels_runtime::__private::NameOf::<
                            ReportBuild,
                        >::DEFINED,
                    },
                ],
                fallback: ::core::option::Option::None,
                commands: &[
                    ::channels_runtime::__private::CommandInfo {
                        name: "read",
                        variant: "Read",
                        method: "read",
                        payload: ::core::any::type_name::<Read>,
                        fields: ::channels_runtime::__private::CommandOf::<Read>::FIELDS,
                        answers: ::channels_runtime::__private::Returns::<()>::HOW
                            .answers(),
                        line: 1u32,
                        unsendable: ::channels_runtime::__private::CommandOf::<
                            Read,
                        >::UNSENDABLE,
                    },
                ],
                raw: ::core::option::Option::None,
                groups: &[],
                sends: &[],
                tag: "type",
                answer: ::channels_runtime::__private::AnswerFields {
                    reference: "ref",
                    ok: "ok",
                    error: "error",
                },
                mailbox: ::channels_runtime::__private::MailboxPolicy::DropNewest,
                uncompressed: false,
                complete: true,
            }
        };
        type Captures = (u64,);
        fn connect(
            cx: &mut ::channels_runtime::__private::Context<Self>,
            captures: Self::Captures,
        ) -> ::channels_runtime::__private::BoxFuture<
            '_,
            ::core::result::Result<Self, ::channels_runtime::__private::Reject>,
        > {
            let (capture_0,) = captures;
            ::channels_runtime::__private::connecting_blocking::<
                Self,
                Result<Self, Reject>,
                _,
            >(move || Self::connect(cx, capture_0))
        }
        fn decode(
            envelope: &::channels_runtime::__private::Envelope,
        ) -> ::core::result::Result<
            ::channels_runtime::__private::Decoded<Self::Event>,
            ::channels_runtime::__private::DecodeError,
        > {
            match envelope.event_name() {
                "report.build" => {
                    ::channels_runtime::__private::decoded::<
                        ReportBuild,
                        _,
                    >(envelope, __ConsumerEvent::ReportBuild)
                }
                _ => {
                    ::core::result::Result::Ok(
                        ::channels_runtime::__private::Decoded::Unhandled,
                    )
                }
            }
        }
        fn dispatch<'call>(
            &'call mut self,
            cx: &'call mut ::channels_runtime::__private::Context<Self>,
            event: &'call ::channels_runtime::__private::Delivered<Self::Event>,
        ) -> ::channels_runtime::__private::BoxFuture<
            'call,
            ::channels_runtime::__private::Result<()>,
        > {
            match *event.event() {
                __ConsumerEvent::ReportBuild(ref payload) => {
                    ::channels_runtime::__private::run_blocking::<
                        Result<()>,
                        _,
                    >(move || Self::build(self, cx, payload))
                }
            }
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
                        "read" => {
                            ::channels_runtime::__private::decode_command::<
                                Read,
                                _,
                            >(
                                command,
                                "read",
                                ::channels_runtime::__private::Returns::<()>::HOW.answers(),
                                __ConsumerCommand::Read,
                            )
                        }
                        _ => ::core::result::Result::Err(command.unknown(&["read"])),
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
                __ConsumerCommand::Read(payload) => {
                    let how = ::channels_runtime::__private::Returns::<()>::HOW;
                    let asked = how.asked(cx, received.reference);
                    how.run_blocking::<
                            (),
                            _,
                        >(asked, move || Self::read(self, cx, payload))
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
    const _: () = ::channels_runtime::__private::check_name(
        "build",
        "report.build",
        "ReportBuild",
        ::channels_runtime::__private::NameOf::<ReportBuild>::NAME,
    );
    const _: () = ::channels_runtime::__private::check_command(
        "read",
        "read",
        "Read",
        ::channels_runtime::__private::KindOf::<Read>::KIND,
    );
};

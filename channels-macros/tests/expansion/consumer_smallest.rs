impl Echo {
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::trivially_copy_pass_by_ref,
        clippy::unused_self
    )]
    fn receive(&mut self, cx: &mut Context<Self>, frame: Frame) {
        cx.close(CloseCode::POLICY);
    }
}
#[automatically_derived]
impl ::channels_runtime::__private::HandlesListed for Echo {}
#[automatically_derived]
impl<__G: ?::core::marker::Sized> ::channels_runtime::__private::Joins<__G> for Echo {}
::channels_runtime::__private::if_contract! {
    #[automatically_derived] impl ::channels_runtime::__private::Described for Echo {
    const FACTS : ::channels_runtime::__private::facts::ConsumerFacts = {
    #[allow(unused_imports)] use ::channels_runtime::__private:: { NotDescribed as _,
    NotJson as _, Replies as _ }; ::channels_runtime::__private::facts::ConsumerFacts {
    name : "Echo", docs : "", tag : "type", answers :
    ::channels_runtime::__private::facts::AnswerFields { reference : "ref", ok : "ok",
    error : "error" }, captures : { & [] }, commands : & [], messages : & [], others :
    false, untyped : ::core::option::Option::None, refuses : ! ::core::cfg!(any()),
    history_lost : ::core::cfg!(any()), } }; }
}
const _: () = {
    /// Events that `Echo` accepts: one variant for each `#[handler]`.
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
    /// Frames that `Echo` accepts: one variant for each `#[receive]`.
    #[allow(dead_code, non_camel_case_types, private_interfaces, unreachable_pub)]
    pub enum __ConsumerCommand {
        /// Any other frame.
        Raw(Frame),
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
                        Self::Raw(_) => "Raw",
                    },
                )
        }
    }
    #[automatically_derived]
    #[allow(deprecated, trivial_bounds, unreachable_code, unused_variables)]
    impl ::channels_runtime::__private::Consumer for Echo
    where
        Echo: ::core::marker::Send,
    {
        type Event = __ConsumerEvent;
        type Command = __ConsumerCommand;
        const INFO: ::channels_runtime::__private::ConsumerInfo = {
            #[allow(unused_imports)]
            use ::channels_runtime::__private::{
                NotACommand as _, NotAnEvent as _, Replies as _,
            };
            ::channels_runtime::__private::ConsumerInfo {
                name: "Echo",
                handlers: &[],
                fallback: ::core::option::Option::None,
                commands: &[],
                raw: ::core::option::Option::Some("receive"),
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
        type Captures = ();
        fn connect(
            cx: &mut ::channels_runtime::__private::Context<Self>,
            captures: Self::Captures,
        ) -> ::channels_runtime::__private::BoxFuture<
            '_,
            ::core::result::Result<Self, ::channels_runtime::__private::Reject>,
        > {
            ::channels_runtime::__private::connected_by_default::<Echo>()
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
            ::channels_runtime::__private::decode_frame::<
                Frame,
                _,
            >(frame, __ConsumerCommand::Raw)
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
                __ConsumerCommand::Raw(payload) => {
                    ::channels_runtime::__private::ran::<
                        (),
                    >(Self::receive(self, cx, payload))
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
};

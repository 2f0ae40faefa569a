impl Log {
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::trivially_copy_pass_by_ref,
        clippy::unused_self
    )]
    /// Any other event.
    async fn unknown(&mut self, cx: &mut Context<Self>, event: &Envelope) -> Result<()> {
        cx.send_json(&event.to_value()?).await
    }
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::trivially_copy_pass_by_ref,
        clippy::unused_self
    )]
    #[cfg(feature = "strict")]
    fn refused(&mut self, cx: &mut Context<Self>, error: CommandError) {
        cx.close(CloseCode::POLICY);
    }
}
#[automatically_derived]
impl ::channels_runtime::__private::HandlesListed for Log {}
#[automatically_derived]
impl ::channels_runtime::__private::Joins<Room> for Log {}
#[automatically_derived]
impl ::channels_runtime::__private::JoinsListed for Log {}
#[cfg(not(any(all(feature = "strict"))))]
#[automatically_derived]
impl ::channels_runtime::__private::OnlySends for Log {}
::channels_runtime::__private::if_contract! {
    #[automatically_derived] impl ::channels_runtime::__private::Described for Log {
    const FACTS : ::channels_runtime::__private::facts::ConsumerFacts = {
    #[allow(unused_imports)] use ::channels_runtime::__private:: { NotDescribed as _,
    NotJson as _, Replies as _ }; ::channels_runtime::__private::facts::ConsumerFacts {
    name : "Log", docs : "", tag : "type", answers :
    ::channels_runtime::__private::facts::AnswerFields { reference : "ref", ok : "ok",
    error : "error" }, captures : { & [] }, commands : & [], messages : & [], others :
    false, untyped : ::core::option::Option::Some(("send_json", "unknown")), refuses : !
    ::core::cfg!(any(all(feature = "strict"))), history_lost : ::core::cfg!(any()), } };
    }
}
const _: () = {
    /// Events that `Log` accepts: one variant for each `#[handler]`.
    #[allow(dead_code, non_camel_case_types, private_interfaces, unreachable_pub)]
    pub enum __ConsumerEvent {
        /// Any other event.
        Raw(Envelope),
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
                        Self::Raw(_) => "Raw",
                    },
                )
        }
    }
    /// Frames that `Log` accepts: one variant for each `#[receive]`.
    #[allow(dead_code, non_camel_case_types, private_interfaces, unreachable_pub)]
    pub enum __ConsumerCommand {}
    #[automatically_derived]
    #[allow(unreachable_code, unused_variables)]
    impl ::core::fmt::Debug for __ConsumerCommand {
        fn fmt(
            &self,
            formatter: &mut ::core::fmt::Formatter<'_>,
        ) -> ::core::fmt::Result {
            match *self {}
        }
    }
    #[automatically_derived]
    #[allow(deprecated, trivial_bounds, unreachable_code, unused_variables)]
    impl ::channels_runtime::__private::Consumer for Log
    where
        Log: ::core::marker::Send,
    {
        type Event = __ConsumerEvent;
        type Command = __ConsumerCommand;
        const INFO: ::channels_runtime::__private::ConsumerInfo = {
            #[allow(unused_imports)]
            use ::channels_runtime::__private::{
                NotACommand as _, NotAnEvent as _, Replies as _,
            };
            ::channels_runtime::__private::ConsumerInfo {
                name: "Log",
                handlers: &[],
                fallback: ::core::option::Option::Some("unknown"),
                commands: &[],
                raw: ::core::option::Option::None,
                groups: &[::channels_runtime::__private::joined::<Log, Room>()],
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
            ::channels_runtime::__private::connected_by_default::<Log>()
        }
        fn decode(
            envelope: &::channels_runtime::__private::Envelope,
        ) -> ::core::result::Result<
            ::channels_runtime::__private::Decoded<Self::Event>,
            ::channels_runtime::__private::DecodeError,
        > {
            ::channels_runtime::__private::undecoded::<
                Envelope,
                _,
            >(envelope, __ConsumerEvent::Raw)
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
                __ConsumerEvent::Raw(ref payload) => {
                    ::channels_runtime::__private::run::<
                        Result<()>,
                        _,
                    >(Self::unknown(self, cx, payload))
                }
            }
        }
        fn decode_command(
            frame: ::channels_runtime::__private::Frame,
        ) -> ::core::result::Result<
            ::channels_runtime::__private::Received<Self::Command>,
            ::channels_runtime::__private::CommandError,
        > {
            ::core::result::Result::Err(
                ::channels_runtime::__private::CommandError::NotListening,
            )
        }
        fn receive<'call>(
            &'call mut self,
            cx: &'call mut ::channels_runtime::__private::Context<Self>,
            received: ::channels_runtime::__private::Received<Self::Command>,
        ) -> ::channels_runtime::__private::BoxFuture<
            'call,
            ::channels_runtime::__private::Result<()>,
        > {
            match received.command {}
        }
        #[cfg(feature = "strict")]
        fn refuse<'call>(
            &'call mut self,
            cx: &'call mut ::channels_runtime::__private::Context<Self>,
            error: ::channels_runtime::__private::CommandError,
        ) -> ::channels_runtime::__private::BoxFuture<
            'call,
            ::channels_runtime::__private::Result<()>,
        > {
            ::channels_runtime::__private::ran::<
                (),
            >(
                Self::refused(
                    self,
                    cx,
                    ::channels_runtime::__private::refused::<CommandError>(error),
                ),
            )
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

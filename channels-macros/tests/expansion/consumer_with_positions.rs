impl Feed {
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::trivially_copy_pass_by_ref,
        clippy::unused_self
    )]
    fn line(event: &Line, at: &Position) -> Json<Shown> {
        Json(Shown { at: *at })
    }
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::trivially_copy_pass_by_ref,
        clippy::unused_self
    )]
    async fn page(event: &Page, at: &Position) -> Json<Shown> {
        Json(event.load(at).await)
    }
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::trivially_copy_pass_by_ref,
        clippy::unused_self
    )]
    #[cfg(feature = "edit")]
    async fn edit(
        &mut self,
        cx: &mut Context<Self>,
        event: &Edit,
        at: &Position,
    ) -> Result<()> {
        cx.send_json(at).await
    }
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::trivially_copy_pass_by_ref,
        clippy::unused_self
    )]
    async fn lost(&mut self, cx: &mut Context<Self>, lost: &HistoryLost) -> Result<()> {
        cx.send_json(&lost.at).await
    }
}
#[automatically_derived]
impl<__G: ?::core::marker::Sized> ::channels_runtime::__private::Handles<Line, __G>
for Feed {
    type Itself = Self;
}
#[automatically_derived]
impl<
    __G: ?::core::marker::Sized,
> ::channels_runtime::__private::HandlesAt<
    Line,
    __G,
    ::channels_runtime::__private::Kept,
> for Feed {}
#[automatically_derived]
impl<__G: ?::core::marker::Sized> ::channels_runtime::__private::Handles<Page, __G>
for Feed {
    type Itself = Self;
}
#[automatically_derived]
impl<
    __G: ?::core::marker::Sized,
> ::channels_runtime::__private::HandlesAt<
    Page,
    __G,
    ::channels_runtime::__private::Kept,
> for Feed {}
#[cfg(feature = "edit")]
#[automatically_derived]
impl<__G: ?::core::marker::Sized> ::channels_runtime::__private::Handles<Edit, __G>
for Feed {
    type Itself = Self;
}
#[cfg(feature = "edit")]
#[automatically_derived]
impl<
    __G: ?::core::marker::Sized,
> ::channels_runtime::__private::HandlesAt<
    Edit,
    __G,
    ::channels_runtime::__private::Kept,
> for Feed {}
#[automatically_derived]
impl ::channels_runtime::__private::HandlesListed for Feed {}
#[automatically_derived]
impl ::channels_runtime::__private::HandlesHistoryLost for Feed {}
#[automatically_derived]
impl<__G: ?::core::marker::Sized> ::channels_runtime::__private::Joins<__G> for Feed {}
#[automatically_derived]
impl ::channels_runtime::__private::OnlySends for Feed {}
::channels_runtime::__private::if_contract! {
    #[automatically_derived] impl ::channels_runtime::__private::Described for Feed {
    const FACTS : ::channels_runtime::__private::facts::ConsumerFacts = {
    #[allow(unused_imports)] use ::channels_runtime::__private:: { NotDescribed as _,
    NotJson as _, Replies as _ }; ::channels_runtime::__private::facts::ConsumerFacts {
    name : "Feed", docs : "", tag : "type", answers :
    ::channels_runtime::__private::facts::AnswerFields { reference : "ref", ok : "ok",
    error : "error" }, captures : { & [] }, commands : & [], messages : &
    [::channels_runtime::__private::facts::MessageFacts { place : "line", ty :
    ::channels_runtime::__private::facts::TypeFacts { name : "Shown", schema :
    ::channels_runtime::__private::SchemaOf:: < Shown > ::SCHEMA }, is_json :
    ::channels_runtime::__private::JsonOf:: < Json < Shown > > ::IS_JSON },
    ::channels_runtime::__private::facts::MessageFacts { place : "page", ty :
    ::channels_runtime::__private::facts::TypeFacts { name : "Shown", schema :
    ::channels_runtime::__private::SchemaOf:: < Shown > ::SCHEMA }, is_json :
    ::channels_runtime::__private::JsonOf:: < Json < Shown > > ::IS_JSON },], others :
    false, untyped : ::core::option::Option::Some(("send_json", "edit")), refuses : !
    ::core::cfg!(any()), history_lost : true, } }; }
}
::channels_runtime::__private::if_testing! {
    #[automatically_derived] impl ::channels_runtime::__private::SendsToClient < Shown >
    for Feed {}
}
const _: () = {
    /// Events that `Feed` accepts: one variant for each `#[handler]`.
    #[allow(dead_code, non_camel_case_types, private_interfaces, unreachable_pub)]
    pub enum __ConsumerEvent {
        /// `feed.line`
        FeedLine(Line),
        /// `feed.page`
        FeedPage(Page),
        #[cfg(feature = "edit")]
        /// `feed.edit`
        FeedEdit(Edit),
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
                        Self::FeedLine(_) => "FeedLine",
                        Self::FeedPage(_) => "FeedPage",
                        #[cfg(feature = "edit")]
                        Self::FeedEdit(_) => "FeedEdit",
                    },
                )
        }
    }
    /// Frames that `Feed` accepts: one variant for each `#[receive]`.
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
    impl ::channels_runtime::__private::Consumer for Feed
    where
        Feed: ::core::marker::Send,
    {
        type Event = __ConsumerEvent;
        type Command = __ConsumerCommand;
        const INFO: ::channels_runtime::__private::ConsumerInfo = {
            #[allow(unused_imports)]
            use ::channels_runtime::__private::{
                NotACommand as _, NotAnEvent as _, Replies as _,
            };
            ::channels_runtime::__private::ConsumerInfo {
                name: "Feed",
                handlers: &[
                    ::channels_runtime::__private::HandlerInfo {
                        event: ::channels_runtime::__private::NameOf::<Line>::NAME,
                        variant: "FeedLine",
                        method: "line",
                        payload: ::core::any::type_name::<Line>,
                        fields: ::channels_runtime::__private::NameOf::<Line>::FIELDS,
                        shared: true,
                        uncompressed: ::channels_runtime::__private::NameOf::<
                            Line,
                        >::UNCOMPRESSED,
                        returns: ::core::option::Option::Some(
                            ::core::any::type_name::<Json<Shown>>,
                        ),
                        line: 1u32,
                        decodes: ::channels_runtime::__private::NameOf::<Line>::DECODES,
                        defined: ::channels_runtime::__private::NameOf::<Line>::DEFINED,
                    },
                    ::channels_runtime::__private::HandlerInfo {
                        event: ::channels_runtime::__private::NameOf::<Page>::NAME,
                        variant: "FeedPage",
                        method: "page",
                        payload: ::core::any::type_name::<Page>,
                        fields: ::channels_runtime::__private::NameOf::<Page>::FIELDS,
                        shared: true,
                        uncompressed: ::channels_runtime::__private::NameOf::<
                            Page,
                        >::UNCOMPRESSED,
                        returns: ::core::option::Option::Some(
                            ::core::any::type_name::<Json<Shown>>,
                        ),
                        line: 1u32,
                        decodes: ::channels_runtime::__private::NameOf::<Page>::DECODES,
                        defined: ::channels_runtime::__private::NameOf::<Page>::DEFINED,
                    },
                    #[cfg(feature = "edit")]
                    ::channels_runtime::__private::HandlerInfo {
                        event: ::channels_runtime::__private::NameOf::<Edit>::NAME,
                        variant: "FeedEdit",
                        method: "edit",
                        payload: ::core::any::type_name::<Edit>,
                        fields: ::channels_runtime::__private::NameOf::<Edit>::FIELDS,
                        shared: false,
                        uncompressed: ::channels_runtime::__private::NameOf::<
                            Edit,
                        >::UNCOMPRESSED,
                        returns: ::core::option::Option::None,
                        line: 1u32,
                        decodes: ::channels_runtime::__private::NameOf::<Edit>::DECODES,
                        defined: ::channels_runtime::__private::NameOf::<Edit>::DEFINED,
                    },
                ],
                fallback: ::core::option::Option::None,
                commands: &[],
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
        type Captures = ();
        fn connect(
            cx: &mut ::channels_runtime::__private::Context<Self>,
            captures: Self::Captures,
        ) -> ::channels_runtime::__private::BoxFuture<
            '_,
            ::core::result::Result<Self, ::channels_runtime::__private::Reject>,
        > {
            ::channels_runtime::__private::connected_by_default::<Feed>()
        }
        fn decode(
            envelope: &::channels_runtime::__private::Envelope,
        ) -> ::core::result::Result<
            ::channels_runtime::__private::Decoded<Self::Event>,
            ::channels_runtime::__private::DecodeError,
        > {
            match envelope.event_name() {
                "feed.line" => {
                    ::channels_runtime::__private::rendered::<
                        Line,
                        Json<Shown>,
                        _,
                    >(envelope, |event| Self::line(event, envelope.position()))
                }
                "feed.page" => {
                    ::channels_runtime::__private::decoded::<
                        Page,
                        _,
                    >(envelope, __ConsumerEvent::FeedPage)
                }
                #[cfg(feature = "edit")]
                "feed.edit" => {
                    ::channels_runtime::__private::decoded::<
                        Edit,
                        _,
                    >(envelope, __ConsumerEvent::FeedEdit)
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
                __ConsumerEvent::FeedLine(_) => {
                    ::channels_runtime::__private::rendered_already()
                }
                __ConsumerEvent::FeedPage(ref payload) => {
                    ::channels_runtime::__private::render_once::<
                        Json<Shown>,
                        _,
                        _,
                    >(cx, event, Self::page(payload, event.position()))
                }
                #[cfg(feature = "edit")]
                __ConsumerEvent::FeedEdit(ref payload) => {
                    ::channels_runtime::__private::run::<
                        Result<()>,
                        _,
                    >(Self::edit(self, cx, payload, event.position()))
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
        fn event_index(variant: &Self::Event) -> usize {
            match *variant {
                __ConsumerEvent::FeedLine(_) => 0,
                __ConsumerEvent::FeedPage(_) => 1,
                #[cfg(feature = "edit")]
                __ConsumerEvent::FeedEdit(_) => 2,
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
        fn history_lost<'call>(
            &'call mut self,
            cx: &'call mut ::channels_runtime::__private::Context<Self>,
            lost: &'call ::channels_runtime::__private::HistoryLost,
        ) -> ::channels_runtime::__private::BoxFuture<
            'call,
            ::channels_runtime::__private::Result<()>,
        > {
            ::channels_runtime::__private::run::<
                Result<()>,
                _,
            >(
                Self::lost(
                    self,
                    cx,
                    ::channels_runtime::__private::loss_notice::<HistoryLost>(lost),
                ),
            )
        }
    }
    #[allow(unused_imports)]
    use ::channels_runtime::__private::{
        NeverSent as _, NotAnEvent as _, OtherKind as _, Replies as _,
    };
    const _: () = ::channels_runtime::__private::check_name(
        "line",
        "feed.line",
        "Line",
        ::channels_runtime::__private::NameOf::<Line>::NAME,
    );
    const _: () = ::channels_runtime::__private::check_name(
        "page",
        "feed.page",
        "Page",
        ::channels_runtime::__private::NameOf::<Page>::NAME,
    );
    #[cfg(feature = "edit")]
    const _: () = ::channels_runtime::__private::check_name(
        "edit",
        "feed.edit",
        "Edit",
        ::channels_runtime::__private::NameOf::<Edit>::NAME,
    );
};

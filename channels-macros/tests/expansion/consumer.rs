impl ChatConsumer {
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::trivially_copy_pass_by_ref,
        clippy::unused_self
    )]
    async fn connect(cx: &mut Context<Self>, room_id: u64) -> Result<Self, Reject> {
        Ok(Self { room: Room { id: room_id } })
    }
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::trivially_copy_pass_by_ref,
        clippy::unused_self
    )]
    /// A line of the chat.
    async fn send(
        &mut self,
        cx: &mut Context<Self>,
        command: SendCommand,
    ) -> Result<()> {
        cx.group_send(
                &self.room,
                &ChatMessage {
                    message: command.message,
                },
            )
            .await
    }
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::trivially_copy_pass_by_ref,
        clippy::unused_self
    )]
    /// A user joined.
    async fn chat_join(
        &mut self,
        cx: &mut Context<Self>,
        event: &ChatJoin,
    ) -> Result<()> {
        cx.send(
                &Joined {
                    username: event.username.clone(),
                },
            )
            .await
    }
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::trivially_copy_pass_by_ref,
        clippy::unused_self
    )]
    fn chat_message(event: &ChatMessage) -> Json<ChatLine> {
        Json(ChatLine {
            message: event.message.clone(),
        })
    }
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::trivially_copy_pass_by_ref,
        clippy::unused_self
    )]
    async fn chat_history(event: &ChatHistory) -> Json<Vec<ChatLine>> {
        Json(event.load().await)
    }
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::trivially_copy_pass_by_ref,
        clippy::unused_self
    )]
    #[cfg(feature = "kick")]
    fn kick(&mut self, cx: &mut Context<Self>, _: &ForceDisconnect) {
        cx.close(CloseCode::POLICY);
    }
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::trivially_copy_pass_by_ref,
        clippy::unused_self
    )]
    async fn disconnect(
        &mut self,
        cx: &mut Context<Self>,
        code: CloseCode,
    ) -> Result<()> {
        Ok(())
    }
    fn helper(&self) {}
}
#[automatically_derived]
impl<__G: ?::core::marker::Sized> ::channels_runtime::__private::Handles<ChatJoin, __G>
for ChatConsumer {
    type Itself = Self;
}
#[automatically_derived]
impl<
    __G: ?::core::marker::Sized,
> ::channels_runtime::__private::Handles<ChatMessage, __G> for ChatConsumer {
    type Itself = Self;
}
#[automatically_derived]
impl<
    __G: ?::core::marker::Sized,
> ::channels_runtime::__private::Handles<ChatHistory, __G> for ChatConsumer {
    type Itself = Self;
}
#[cfg(feature = "kick")]
#[automatically_derived]
impl<
    __G: ?::core::marker::Sized,
> ::channels_runtime::__private::Handles<ForceDisconnect, __G> for ChatConsumer {
    type Itself = Self;
}
#[automatically_derived]
impl ::channels_runtime::__private::HandlesListed for ChatConsumer {}
#[automatically_derived]
impl<__G: ?::core::marker::Sized> ::channels_runtime::__private::Joins<__G>
for ChatConsumer {}
#[automatically_derived]
impl ::channels_runtime::__private::Sends<Joined> for ChatConsumer {}
::channels_runtime::__private::if_contract! {
    #[automatically_derived] impl ::channels_runtime::__private::Described for
    ChatConsumer { const FACTS : ::channels_runtime::__private::facts::ConsumerFacts = {
    #[allow(unused_imports)] use ::channels_runtime::__private:: { NotDescribed as _,
    NotJson as _, Replies as _ }; ::channels_runtime::__private::facts::ConsumerFacts {
    name : "ChatConsumer", docs : "", tag : "command", answers :
    ::channels_runtime::__private::facts::AnswerFields { reference : "ref", ok : "ok",
    error : "error" }, captures : { & ["room_id"] }, commands : &
    [::channels_runtime::__private::facts::CommandFacts { name : "send", docs :
    " A line of the chat.", payload : ::channels_runtime::__private::facts::TypeFacts {
    name : "SendCommand", schema : ::channels_runtime::__private::SchemaOf:: <
    SendCommand > ::SCHEMA }, answers : ::channels_runtime::__private::Returns:: < Result
    < () > > ::HOW.answers(), answer : ::core::option::Option::None, }], messages : &
    [::channels_runtime::__private::facts::MessageFacts { place : "sends", ty :
    ::channels_runtime::__private::facts::TypeFacts { name : "Joined", schema :
    ::channels_runtime::__private::SchemaOf:: < Joined > ::SCHEMA }, is_json : true },
    ::channels_runtime::__private::facts::MessageFacts { place : "chat_message", ty :
    ::channels_runtime::__private::facts::TypeFacts { name : "ChatLine", schema :
    ::channels_runtime::__private::SchemaOf:: < ChatLine > ::SCHEMA }, is_json :
    ::channels_runtime::__private::JsonOf:: < Json < ChatLine > > ::IS_JSON },
    ::channels_runtime::__private::facts::MessageFacts { place : "chat_history", ty :
    ::channels_runtime::__private::facts::TypeFacts { name : "Vec<ChatLine>", schema :
    ::channels_runtime::__private::SchemaOf:: < Vec < ChatLine > > ::SCHEMA }, is_json :
    ::channels_runtime::__private::JsonOf:: < Json < Vec < ChatLine > > > ::IS_JSON },],
    others : false, untyped : ::core::option::Option::None, refuses : !
    ::core::cfg!(any()), history_lost : ::core::cfg!(any()), } }; }
}
::channels_runtime::__private::if_testing! {
    #[automatically_derived] #[allow(dead_code, private_interfaces)] impl ChatConsumer {
    #[doc = " The command `send`, for test clients."] pub const SEND :
    ::channels_runtime::__private::Command < Self, SendCommand, () > =
    ::channels_runtime::__private::Command::new("send"); } #[automatically_derived] impl
    ::channels_runtime::__private::SendsToClient < Joined > for ChatConsumer {}
    #[automatically_derived] impl ::channels_runtime::__private::SendsToClient < ChatLine
    > for ChatConsumer {} #[automatically_derived] impl
    ::channels_runtime::__private::SendsToClient < Vec < ChatLine > > for ChatConsumer {}
}
const _: () = {
    /// Events that `ChatConsumer` accepts: one variant for each `#[handler]`.
    #[allow(dead_code, non_camel_case_types, private_interfaces, unreachable_pub)]
    pub enum __ConsumerEvent {
        /// A user joined.
        ChatJoin(ChatJoin),
        /// `chat.message`
        ChatMessage(ChatMessage),
        /// `chat.history`
        ChatHistory(ChatHistory),
        #[cfg(feature = "kick")]
        /// `chat.force_disconnect`
        ChatForceDisconnect(ForceDisconnect),
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
                        Self::ChatJoin(_) => "ChatJoin",
                        Self::ChatMessage(_) => "ChatMessage",
                        Self::ChatHistory(_) => "ChatHistory",
                        #[cfg(feature = "kick")]
                        Self::ChatForceDisconnect(_) => "ChatForceDisconnect",
                    },
                )
        }
    }
    /// Frames that `ChatConsumer` accepts: one variant for each `#[receive]`.
    #[allow(dead_code, non_camel_case_types, private_interfaces, unreachable_pub)]
    pub enum __ConsumerCommand {
        /// A line of the chat.
        Send(SendCommand),
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
                        Self::Send(_) => "Send",
                    },
                )
        }
    }
    #[automatically_derived]
    #[allow(deprecated, trivial_bounds, unreachable_code, unused_variables)]
    impl ::channels_runtime::__private::Consumer for ChatConsumer
    where
        ChatConsumer: ::core::marker::Send,
    {
        type Event = __ConsumerEvent;
        type Command = __ConsumerCommand;
        const INFO: ::channels_runtime::__private::ConsumerInfo = {
            #[allow(unused_imports)]
            use ::channels_runtime::__private::{
                NotACommand as _, NotAnEvent as _, Replies as _,
            };
            ::channels_runtime::__private::ConsumerInfo {
                name: "ChatConsumer",
                handlers: &[
                    ::channels_runtime::__private::HandlerInfo {
                        event: ::channels_runtime::__private::NameOf::<ChatJoin>::NAME,
                        variant: "ChatJoin",
                        method: "chat_join",
                        payload: ::core::any::type_name::<ChatJoin>,
                        fields: ::channels_runtime::__private::NameOf::<
                            ChatJoin,
                        >::FIELDS,
                        shared: false,
                        uncompressed: ::channels_runtime::__private::NameOf::<
                            ChatJoin,
                        >::UNCOMPRESSED,
                        returns: ::core::option::Option::None,
                        line: 1u32,
                        decodes: ::channels_runtime::__private::NameOf::<
                            ChatJoin,
                        >::DECODES,
                        defined: ::channels_runtime::__private::NameOf::<
                            ChatJoin,
                        >::DEFINED,
                    },
                    ::channels_runtime::__private::HandlerInfo {
                        event: ::channels_runtime::__private::NameOf::<
                            ChatMessage,
                        >::NAME,
                        variant: "ChatMessage",
                        method: "chat_message",
                        payload: ::core::any::type_name::<ChatMessage>,
                        fields: ::channels_runtime::__private::NameOf::<
                            ChatMessage,
                        >::FIELDS,
                        shared: true,
                        uncompressed: ::channels_runtime::__private::NameOf::<
                            ChatMessage,
                        >::UNCOMPRESSED,
                        returns: ::core::option::Option::Some(
                            ::core::any::type_name::<Json<ChatLine>>,
                        ),
                        line: 1u32,
                        decodes: ::channels_runtime::__private::NameOf::<
                            ChatMessage,
                        >::DECODES,
                        defined: ::channels_runtime::__private::NameOf::<
                            ChatMessage,
                        >::DEFINED,
                    },
                    ::channels_runtime::__private::HandlerInfo {
                        event: ::channels_runtime::__private::NameOf::<
                            ChatHistory,
                        >::NAME,
                        variant: "ChatHistory",
                        method: "chat_history",
                        payload: ::core::any::type_name::<ChatHistory>,
                        fields: ::channels_runtime::__private::NameOf::<
                            ChatHistory,
                        >::FIELDS,
                        shared: true,
                        uncompressed: ::channels_runtime::__private::NameOf::<
                            ChatHistory,
                        >::UNCOMPRESSED,
                        returns: ::core::option::Option::Some(
                            ::core::any::type_name::<Json<Vec<ChatLine>>>,
                        ),
                        line: 1u32,
                        decodes: ::channels_runtime::__private::NameOf::<
                            ChatHistory,
                        >::DECODES,
                        defined: ::channels_runtime::__private::NameOf::<
                            ChatHistory,
                        >::DEFINED,
                    },
                    #[cfg(feature = "kick")]
                    ::channels_runtime::__private::HandlerInfo {
                        event: ::channels_runtime::__private::NameOf::<
                            ForceDisconnect,
                        >::NAME,
                        variant: "ChatForceDisconnect",
                        method: "kick",
                        payload: ::core::any::type_name::<ForceDisconnect>,
                        fields: ::channels_runtime::__private::NameOf::<
                            ForceDisconnect,
                        >::FIELDS,
                        shared: false,
                        uncompressed: ::channels_runtime::__private::NameOf::<
                            ForceDisconnect,
                        >::UNCOMPRESSED,
                        returns: ::core::option::Option::None,
                        line: 1u32,
                        decodes: ::channels_runtime::__private::NameOf::<
                            ForceDisconnect,
                        >::DECODES,
                        defined: ::channels_runtime::__private::NameOf::<
                            ForceDisconnect,
                        >::DEFINED,
                    },
                ],
                fallback: ::core::option::Option::None,
                commands: &[
                    ::channels_runtime::__private::CommandInfo {
                        name: "send",
                        variant: "Send",
                        method: "send",
                        payload: ::core::any::type_name::<SendCommand>,
                        fields: ::channels_runtime::__private::CommandOf::<
                            SendCommand,
                        >::FIELDS,
                        answers: ::channels_runtime::__private::Returns::<
                            Result<()>,
                        >::HOW
                            .answers(),
                        line: 1u32,
                        unsendable: ::channels_runtime::__private::CommandOf::<
                            SendCommand,
                        >::UNSENDABLE,
                    },
                ],
                raw: ::core::option::Option::None,
                groups: &[],
                sends: &[::channels_runtime::__private::sent::<Joined>()],
                tag: "command",
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
            ::channels_runtime::__private::connecting::<
                Self,
                Result<Self, Reject>,
                _,
            >(Self::connect(cx, capture_0))
        }
        fn decode(
            envelope: &::channels_runtime::__private::Envelope,
        ) -> ::core::result::Result<
            ::channels_runtime::__private::Decoded<Self::Event>,
            ::channels_runtime::__private::DecodeError,
        > {
            match envelope.event_name() {
                "chat.join" => {
                    ::channels_runtime::__private::decoded::<
                        ChatJoin,
                        _,
                    >(envelope, __ConsumerEvent::ChatJoin)
                }
                "chat.message" => {
                    ::channels_runtime::__private::rendered::<
                        ChatMessage,
                        Json<ChatLine>,
                        _,
                    >(envelope, |event| Self::chat_message(event))
                }
                "chat.history" => {
                    ::channels_runtime::__private::decoded::<
                        ChatHistory,
                        _,
                    >(envelope, __ConsumerEvent::ChatHistory)
                }
                #[cfg(feature = "kick")]
                "chat.force_disconnect" => {
                    ::channels_runtime::__private::decoded::<
                        ForceDisconnect,
                        _,
                    >(envelope, __ConsumerEvent::ChatForceDisconnect)
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
                __ConsumerEvent::ChatJoin(ref payload) => {
                    ::channels_runtime::__private::run::<
                        Result<()>,
                        _,
                    >(Self::chat_join(self, cx, payload))
                }
                __ConsumerEvent::ChatMessage(_) => {
                    ::channels_runtime::__private::rendered_already()
                }
                __ConsumerEvent::ChatHistory(ref payload) => {
                    ::channels_runtime::__private::render_once::<
                        Json<Vec<ChatLine>>,
                        _,
                        _,
                    >(cx, event, Self::chat_history(payload))
                }
                #[cfg(feature = "kick")]
                __ConsumerEvent::ChatForceDisconnect(ref payload) => {
                    ::channels_runtime::__private::ran::<
                        (),
                    >(Self::kick(self, cx, payload))
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
                        "send" => {
                            ::channels_runtime::__private::decode_command::<
                                SendCommand,
                                _,
                            >(
                                command,
                                "send",
                                ::channels_runtime::__private::Returns::<Result<()>>::HOW
                                    .answers(),
                                __ConsumerCommand::Send,
                            )
                        }
                        _ => ::core::result::Result::Err(command.unknown(&["send"])),
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
                __ConsumerCommand::Send(payload) => {
                    let how = ::channels_runtime::__private::Returns::<Result<()>>::HOW;
                    let asked = how.asked(cx, received.reference);
                    how.run::<Result<()>, _>(asked, Self::send(self, cx, payload))
                }
            }
        }
        fn event_index(variant: &Self::Event) -> usize {
            match *variant {
                __ConsumerEvent::ChatJoin(_) => 0,
                __ConsumerEvent::ChatMessage(_) => 1,
                __ConsumerEvent::ChatHistory(_) => 2,
                #[cfg(feature = "kick")]
                __ConsumerEvent::ChatForceDisconnect(_) => 3,
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
            ::channels_runtime::__private::run::<
                Result<()>,
                _,
            >(Self::disconnect(self, cx, code))
        }
    }
    #[allow(unused_imports)]
    use ::channels_runtime::__private::{
        NeverSent as _, NotAnEvent as _, OtherKind as _, Replies as _,
    };
    const _: () = ::channels_runtime::__private::check_name(
        "chat_join",
        "chat.join",
        "ChatJoin",
        ::channels_runtime::__private::NameOf::<ChatJoin>::NAME,
    );
    const _: () = ::channels_runtime::__private::check_name(
        "chat_message",
        "chat.message",
        "ChatMessage",
        ::channels_runtime::__private::NameOf::<ChatMessage>::NAME,
    );
    const _: () = ::channels_runtime::__private::check_name(
        "chat_history",
        "chat.history",
        "ChatHistory",
        ::channels_runtime::__private::NameOf::<ChatHistory>::NAME,
    );
    #[cfg(feature = "kick")]
    const _: () = ::channels_runtime::__private::check_name(
        "kick",
        "chat.force_disconnect",
        "ForceDisconnect",
        ::channels_runtime::__private::NameOf::<ForceDisconnect>::NAME,
    );
    const _: () = ::channels_runtime::__private::check_command(
        "send",
        "send",
        "SendCommand",
        ::channels_runtime::__private::KindOf::<SendCommand>::KIND,
    );
};

//! A consumer as code. Whatever is here can be written down, so nothing fails.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, Ident, LitStr, Type, WherePredicate, parse_quote};

use super::model::{Command, Connect, Consumer, Gap, Handler, Handles, Method, Output, RAW, Raw};
use crate::source::{self, place, text};

/// Input: the model of `impl ChatConsumer { .. }`.
///
/// Output: its two enums, `Handles` and `Sends`, `Consumer`, and the check of its handlers' names.
pub(super) fn emit(consumer: &Consumer) -> TokenStream {
    let private = consumer.runtime.private();
    let items = [
        enums(consumer),
        handles(consumer, &private),
        joins(consumer, &private),
        sends(consumer, &private),
        only_sends(consumer, &private),
        implementation(consumer, &private),
        name_checks(consumer, &private),
    ];
    quote!(#(#items)*)
}

/// Input: `#[handler("chat.message")] fn chat_message(event: &ChatMessage) -> ..`.
///
/// Output: `pub enum ChatConsumerEvent { ChatMessage(ChatMessage) }`, and the same of the commands.
fn enums(consumer: &Consumer) -> TokenStream {
    let events: Vec<Variant<'_>> = consumer
        .handlers
        .iter()
        .map(|handler| Variant {
            ident: handler.variant.clone(),
            payload: &handler.payload,
            method: &handler.method,
            doc: format!(" `{}`", handler.event.value()),
        })
        .chain(raw_variants(&consumer.fallbacks, " Any other event, as it came."))
        .collect();
    let commands: Vec<Variant<'_>> = consumer
        .commands
        .iter()
        .map(|command| Variant {
            ident: command.variant.clone(),
            payload: &command.payload,
            method: &command.method,
            doc: format!(" `{}`", command.name.value()),
        })
        .chain(raw_variants(&consumer.raw, " Any other frame."))
        .collect();
    let accepts =
        format!(" What `{}` accepts from the channel layer: one variant for each `#[handler]`.", consumer.name);
    let says = format!(" What a client may say to `{}`: one variant for each `#[receive]`.", consumer.name);
    let (events, commands) = (
        one_enum(consumer, &consumer.event, &accepts, &events),
        one_enum(consumer, &consumer.command, &says, &commands),
    );
    quote!(#events #commands)
}

fn raw_variants<'a>(raw: &'a [Raw], doc: &'static str) -> impl Iterator<Item = Variant<'a>> {
    raw.iter().map(move |Raw { method, payload }| Variant {
        ident: format_ident!("{RAW}"),
        payload,
        method,
        doc: doc.into(),
    })
}

struct Variant<'a> {
    ident: Ident,
    payload: &'a Type,
    method: &'a Method,
    /// What is said of it where the method says nothing.
    doc: String,
}

fn one_enum(consumer: &Consumer, name: &Ident, doc: &str, variants: &[Variant<'_>]) -> TokenStream {
    let Consumer { cfgs, .. } = consumer;
    let definitions = variants.iter().map(|Variant { ident, payload, method, doc }| {
        let Method { cfgs, carried, .. } = method;
        let documented = carried.iter().any(|attribute| attribute.path().is_ident("doc"));
        let doc = (!documented).then(|| quote!(#[doc = #doc]));
        quote!(#(#cfgs)* #doc #(#carried)* #ident(#payload))
    });
    let arms = variants.iter().map(|Variant { ident, method, .. }| {
        let (cfgs, name) = (&method.cfgs, ident.to_string());
        quote!(#(#cfgs)* Self::#ident(_) => #name)
    });
    // An enum without variants has nothing to print. One whose variants are all cut away has the same `match`.
    let printed = if variants.is_empty() {
        quote!(match *self {})
    } else {
        quote!(formatter.write_str(match *self { #(#arms,)* }))
    };
    // A second definition of the name is shown where this one begins.
    let begins = quote_spanned!(name.span()=> pub enum);
    quote! {
        #(#cfgs)*
        #[doc = #doc]
        #[allow(dead_code, non_camel_case_types, private_interfaces, unreachable_pub)]
        #begins #name { #(#definitions,)* }

        #(#cfgs)*
        #[automatically_derived]
        #[allow(unreachable_code, unused_variables)]
        impl ::core::fmt::Debug for #name {
            fn fmt(&self, formatter: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                #printed
            }
        }
    }
}

/// Input: `#[handler("chat.message")] fn chat_message(event: &ChatMessage) -> ..`.
///
/// Output: `impl<G: ?Sized> Handles<ChatMessage, G> for ChatConsumer {}`, wherever the event comes from.
fn handles(consumer: &Consumer, private: &TokenStream) -> TokenStream {
    let Consumer { self_ty, cfgs, .. } = consumer;
    match &consumer.handles {
        Handles::Listed(payloads) => {
            let implementations = payloads.iter().map(|(method_cfgs, payload)| {
                // Two names of one type are one event: the compiler sees that, and shows the place of each.
                let span = place(payload.span());
                let (private, self_ty) = (consumer.runtime.private_at(span), source::placed(quote!(#self_ty), span));
                let implementation = quote_spanned! {span=>
                    impl<__G: ?::core::marker::Sized> #private::Handles<#payload, __G> for #self_ty {}
                };
                quote! {
                    #(#cfgs)* #(#method_cfgs)*
                    #[automatically_derived]
                    #implementation
                }
            });
            quote! {
                #(#implementations)*
                #(#cfgs)*
                #[automatically_derived]
                impl #private::HandlesListed for #self_ty {}
            }
        }
        Handles::Anything => {
            let parameters = &consumer.generics.params;
            let parameters = if parameters.empty_or_trailing() { quote!(#parameters) } else { quote!(#parameters,) };
            let where_clause = &consumer.generics.where_clause;
            quote! {
                #(#cfgs)*
                #[automatically_derived]
                impl<#parameters __E, __G: ?::core::marker::Sized> #private::Handles<__E, __G> for #self_ty #where_clause {}
            }
        }
    }
}

/// Input: `#[consumer(groups(Room))]`. Output: `impl Joins<Room> for ChatConsumer {}`; without a list, of every group.
fn joins(consumer: &Consumer, private: &TokenStream) -> TokenStream {
    let Consumer { self_ty, cfgs, generics, .. } = consumer;
    match &consumer.groups {
        Some(groups) => {
            let implementations = groups.iter().map(|group| {
                quote! {
                    #(#cfgs)*
                    #[automatically_derived]
                    impl #private::Joins<#group> for #self_ty {}
                }
            });
            quote! {
                #(#implementations)*
                #(#cfgs)*
                #[automatically_derived]
                impl #private::JoinsListed for #self_ty {}
            }
        }
        None => {
            let parameters = &generics.params;
            let parameters = if parameters.empty_or_trailing() { quote!(#parameters) } else { quote!(#parameters,) };
            let where_clause = &generics.where_clause;
            quote! {
                #(#cfgs)*
                #[automatically_derived]
                impl<#parameters __G: ?::core::marker::Sized> #private::Joins<__G> for #self_ty #where_clause {}
            }
        }
    }
}

/// Input: `#[consumer(sends(ChatLine))]`. Output: `impl Sends<ChatLine> for ChatConsumer {}`.
fn sends(consumer: &Consumer, private: &TokenStream) -> TokenStream {
    let Consumer { self_ty, cfgs, sends, generics, .. } = consumer;
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let implementations = sends.iter().map(|sent| {
        quote! {
            #(#cfgs)*
            #[automatically_derived]
            impl #impl_generics #private::Sends<#sent> for #self_ty #where_clause {}
        }
    });
    quote!(#(#implementations)*)
}

/// Output: `impl OnlySends for NewsConsumer {}`, where there is no `#[receive]`.
fn only_sends(consumer: &Consumer, private: &TokenStream) -> TokenStream {
    let Consumer { self_ty, cfgs, commands, raw, refusals, generics, .. } = consumer;
    let receives = commands.iter().map(|command| &command.method);
    let Some(cfg) = otherwise(receives.chain(raw.iter().chain(refusals).map(|raw| &raw.method))) else {
        return TokenStream::new();
    };
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    quote! {
        #(#cfgs)* #cfg
        #[automatically_derived]
        impl #impl_generics #private::OnlySends for #self_ty #where_clause {}
    }
}

fn implementation(consumer: &Consumer, private: &TokenStream) -> TokenStream {
    let Consumer { self_ty, cfgs, event, command, .. } = consumer;
    let mut generics = consumer.generics.clone();
    // What `Consumer` asks for anyway. Asked here, a consumer that is not `Send` is reported once, at its name, and not
    // again for each of its methods.
    let bound: WherePredicate = if generics.params.is_empty() {
        let send = quote_spanned!(place(consumer.name.span())=> : ::core::marker::Send);
        parse_quote!(#self_ty #send)
    } else {
        parse_quote!(Self: ::core::marker::Send + 'static)
    };
    generics.make_where_clause().predicates.push(bound);
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let info = info(consumer, private);
    let connect = connect(consumer, private);
    let decode = decode(consumer, private);
    let dispatch = dispatch(consumer, private);
    let decode_command = decode_command(consumer, private);
    let receive = receive(consumer, private);
    let refuse = refuse(consumer, private);
    let disconnect = disconnect(consumer, private);
    let gap = gap(consumer, private);
    quote! {
        #(#cfgs)*
        #[automatically_derived]
        #[allow(deprecated, trivial_bounds, unreachable_code, unused_variables)]
        impl #impl_generics #private::Consumer for #self_ty #where_clause {
            type Event = #event;
            type Command = #command;
            #info
            #connect
            #decode
            #dispatch
            #decode_command
            #receive
            #refuse
            #disconnect
            #gap
        }
    }
}

/// Output: the static dispatch table, `const INFO: ConsumerInfo = ..`.
fn info(consumer: &Consumer, private: &TokenStream) -> TokenStream {
    let Consumer { name, tag, sends, mailbox, .. } = consumer;
    let name = name.unraw().to_string();
    let handlers = consumer.handlers.iter().map(|Handler { method, variant, payload, shared, .. }| {
        let Method { ident, cfgs, line, .. } = method;
        let (variant, ident) = (variant.to_string(), ident.unraw().to_string());
        let returns = match &method.output {
            Output::Named(output) if *shared => quote!(::core::option::Option::Some(::core::any::type_name::<#output>)),
            Output::Named(_) | Output::Inferred(_) => quote!(::core::option::Option::None),
        };
        quote! {
            #(#cfgs)*
            #private::HandlerInfo {
                event: #private::NameOf::<#payload>::NAME,
                variant: #variant,
                method: #ident,
                payload: ::core::any::type_name::<#payload>,
                fields: #private::NameOf::<#payload>::FIELDS,
                shared: #shared,
                returns: #returns,
                line: #line,
                defined: #private::NameOf::<#payload>::DEFINED,
            }
        }
    });
    let commands = consumer.commands.iter().map(|Command { method, name, variant, payload }| {
        let Method { ident, cfgs, line, .. } = method;
        let (variant, ident) = (variant.to_string(), ident.unraw().to_string());
        quote! {
            #(#cfgs)*
            #private::CommandInfo {
                name: #name,
                variant: #variant,
                method: #ident,
                payload: ::core::any::type_name::<#payload>,
                fields: #private::FieldsOf::<#payload>::FIELDS,
                line: #line,
            }
        }
    });
    let (fallback, raw) = (method_name(&consumer.fallbacks), method_name(&consumer.raw));
    let self_ty = &consumer.self_ty;
    let groups = consumer.groups.iter().flatten();
    quote! {
        const INFO: #private::ConsumerInfo = {
            #[allow(unused_imports)]
            use #private::{NotACommand as _, NotAnEvent as _};
            #private::ConsumerInfo {
                name: #name,
                handlers: &[#(#handlers),*],
                fallback: #fallback,
                commands: &[#(#commands),*],
                raw: #raw,
                groups: &[#(#private::joined::<#self_ty, #groups>()),*],
                sends: &[#(#private::sent::<#sends>()),*],
                tag: #tag,
                mailbox: #private::MailboxPolicy::#mailbox,
            }
        };
    }
}

/// Output: `Some("unknown")`, or `None`, also where a `#[cfg]` takes the method away.
fn method_name(methods: &[Raw]) -> TokenStream {
    let some = methods.iter().map(|Raw { method, .. }| {
        let name = method.ident.unraw().to_string();
        statement(&method.cfgs, &quote!(::core::option::Option::Some(#name)))
    });
    let none = otherwise(methods.iter().map(|raw| &raw.method))
        .map(|cfg| conditional(&cfg, &quote!(::core::option::Option::None)));
    let conditions = methods.iter().any(|raw| !raw.method.cfgs.is_empty());
    if conditions { quote!({ #(#some)* #none }) } else { quote!(#(#some)* #none) }
}

/// Input: `#[connect] async fn connect(cx: &mut Context<Self>, room_id: u64) -> Result<Self, Reject>`.
///
/// Output: `type Captures = (u64,);`, and `connect`, which gives them to the method one by one.
fn connect(consumer: &Consumer, private: &TokenStream) -> TokenStream {
    let one = |cfgs: &TokenStream, captures: &[Type], body: &TokenStream| {
        // A private type among them is reported for the item, whose place is then that of the type.
        let span = captures.first().map_or_else(Span::call_site, |first| place(first.span()));
        let captures = quote_spanned!(span=> type Captures = (#(#captures,)*););
        quote! {
            #cfgs
            #captures

            #cfgs
            fn connect(
                cx: &mut #private::Context<Self>,
                captures: Self::Captures,
            ) -> #private::BoxFuture<'_, ::core::result::Result<Self, #private::Reject>> {
                #body
            }
        }
    };
    let called = consumer.connects.iter().map(|Connect { method, captures }| {
        let Method { ident, cfgs, .. } = method;
        let span = place(ident.span());
        let ident = placed(ident);
        let arguments: Vec<Ident> = (0..captures.len()).map(|at| format_ident!("capture_{at}", span = span)).collect();
        let cx = context(method, private);
        let call = quote_spanned!(span=> Self::#ident(#cx, #(#arguments),*));
        let output = output(method);
        let call = if method.is_async {
            let future = inferred(method);
            quote!(#private::connecting::<Self, #output, #future>(#call))
        } else if method.blocking {
            quote!(#private::connecting_blocking::<Self, #output, _>(move || #call))
        } else {
            quote!(#private::connected::<Self, #output>(#call))
        };
        one(&quote!(#(#cfgs)*), captures, &quote!(let (#(#arguments,)*) = captures; #call))
    });
    let called = quote!(#(#called)*);
    let otherwise = otherwise(consumer.connects.iter().map(|connect| &connect.method)).map(|cfg| {
        match &consumer.broken_connect {
            Some(captures) => one(&cfg, captures, &quote!(::core::unreachable!())),
            None => {
                let self_ty = &consumer.self_ty;
                // Where `Default` is missing, the name of the consumer is the place to say so.
                one(&cfg, &[], &quote!(#private::connected_by_default::<#self_ty>()))
            }
        }
    });
    quote!(#called #otherwise)
}

/// Output: `"chat.join" => the payload`, and `"chat.message" => the frame` where the handler has no `self`.
fn decode(consumer: &Consumer, private: &TokenStream) -> TokenStream {
    let enumeration = &consumer.event;
    let arms = consumer.handlers.iter().map(|Handler { method, event, variant, payload, shared }| {
        let cfgs = &method.cfgs;
        let decoded = if *shared && !method.is_async {
            let (ident, output) = (placed(&method.ident), output(method));
            // What borrows from the event is then shown at its type.
            let called = quote_spanned!(place(output.span())=> |event| Self::#ident(event));
            quote!(#private::rendered::<#payload, #output, _>(envelope, #called))
        } else {
            quote!(#private::decoded::<#payload, _>(envelope, #enumeration::#variant))
        };
        quote!(#(#cfgs)* #event => #decoded)
    });
    let unhandled = quote!(::core::result::Result::Ok(#private::Decoded::Unhandled));
    let fallback = consumer.fallbacks.iter().map(|Raw { method, payload }| {
        let raw = format_ident!("{RAW}");
        statement(&method.cfgs, &quote!(#private::undecoded::<#payload, _>(envelope, #enumeration::#raw)))
    });
    let otherwise =
        otherwise(consumer.fallbacks.iter().map(|raw| &raw.method)).map(|cfg| conditional(&cfg, &unhandled));
    let unhandled = quote!(#(#fallback)* #otherwise);
    let body = if consumer.handlers.is_empty() {
        unhandled
    } else {
        quote!(match envelope.event_name() { #(#arms,)* _ => { #unhandled } })
    };
    quote! {
        fn decode(
            envelope: &#private::Envelope,
        ) -> ::core::result::Result<#private::Decoded<Self::Event>, #private::DecodeError> {
            #body
        }
    }
}

/// Output: each variant to its method, as `run(Self::chat_join(self, cx, payload))`.
fn dispatch(consumer: &Consumer, private: &TokenStream) -> TokenStream {
    let enumeration = &consumer.event;
    let arms = consumer.handlers.iter().map(|Handler { method, variant, shared, .. }| {
        let (ident, cfgs, output) = (placed(&method.ident), &method.cfgs, output(method));
        let span = ident.span();
        let (pattern, call) = match (shared, method.is_async) {
            // Its frame was made by `decode`.
            (true, false) => (quote!(_), quote!(#private::rendered_already())),
            (true, true) => {
                let call = quote_spanned!(span=> Self::#ident(payload));
                let future = inferred(method);
                (quote!(ref payload), quote!(#private::render_once::<#output, _, _, #future>(cx, event, #call)))
            }
            (false, _) => {
                let cx = context(method, private);
                let call = quote_spanned!(span=> Self::#ident(self, #cx, payload));
                (quote!(ref payload), run(method, private, &call))
            }
        };
        quote!(#(#cfgs)* #enumeration::#variant(#pattern) => #call)
    });
    let fallback = consumer.fallbacks.iter().map(|Raw { method, .. }| {
        let (ident, cfgs, raw) = (placed(&method.ident), &method.cfgs, format_ident!("{RAW}"));
        let cx = context(method, private);
        let run = run(method, private, &quote_spanned!(ident.span()=> Self::#ident(self, #cx, payload)));
        quote!(#(#cfgs)* #enumeration::#raw(ref payload) => #run)
    });
    let arms = arms.chain(fallback);
    quote! {
        fn dispatch<'call>(
            &'call mut self,
            cx: &'call mut #private::Context<Self>,
            event: &'call #private::Delivered<Self::Event>,
        ) -> #private::BoxFuture<'call, #private::Result<()>> {
            match *event.event() { #(#arms,)* }
        }
    }
}

/// Output: the name in the frame's tag to the payload of its command; other frames to `#[receive]`, if there is one.
fn decode_command(consumer: &Consumer, private: &TokenStream) -> TokenStream {
    let enumeration = &consumer.command;
    let tag = &consumer.tag;
    let raw = |frame: &TokenStream, otherwise_error: &TokenStream| {
        let raw = consumer.raw.iter().map(|Raw { method, payload }| {
            let cfgs = &method.cfgs;
            statement(cfgs, &quote!(#private::decode_frame::<#payload>(#frame).map(#enumeration::Raw)))
        });
        let raw = quote!(#(#raw)*);
        let otherwise = otherwise(consumer.raw.iter().map(|raw| &raw.method))
            .map(|cfg| conditional(&cfg, &quote!(::core::result::Result::Err(#otherwise_error))));
        quote!(#raw #otherwise)
    };
    let body = if consumer.commands.is_empty() {
        raw(&quote!(frame), &quote!(#private::CommandError::NotListening))
    } else {
        let arms = consumer.commands.iter().map(|Command { method, name, variant, payload }| {
            let cfgs = &method.cfgs;
            // What it borrows is then shown at its type.
            let span = place(payload.span());
            let private = consumer.runtime.private_at(span);
            let decoded = quote_spanned!(span=> #private::decode_command::<#payload>(&text, #tag, #name));
            quote! {
                #(#cfgs)*
                #name => #decoded.map(#enumeration::#variant)
            }
        });
        let names = consumer.commands.iter().map(|Command { method, name, .. }| {
            let cfgs = &method.cfgs;
            quote!(#(#cfgs)* #name)
        });
        let unknown = raw(
            &quote!(#private::Frame::Text(text)),
            &quote!(#private::CommandError::Unknown { name, commands: &[#(#names),*] }),
        );
        let other = raw(&quote!(frame), &quote!(error));
        quote! {
            match #private::named(frame, #tag) {
                #private::Named::Command { name, text } => match name.as_str() {
                    #(#arms,)*
                    _ => { #unknown }
                },
                #private::Named::Other { frame, error } => { #other }
            }
        }
    };
    quote! {
        fn decode_command(
            frame: #private::Frame,
        ) -> ::core::result::Result<Self::Command, #private::CommandError> {
            #body
        }
    }
}

/// Output: each command to its method.
fn receive(consumer: &Consumer, private: &TokenStream) -> TokenStream {
    let enumeration = &consumer.command;
    let commands = consumer.commands.iter().map(|command| (&command.method, command.variant.clone()));
    let raw = consumer.raw.iter().map(|raw| (&raw.method, format_ident!("{RAW}")));
    let arms = commands.chain(raw).map(|(method, variant)| {
        let (ident, cfgs, cx) = (placed(&method.ident), &method.cfgs, context(method, private));
        let call = quote_spanned!(ident.span()=> Self::#ident(self, #cx, payload));
        let run = run(method, private, &call);
        quote!(#(#cfgs)* #enumeration::#variant(payload) => #run)
    });
    quote! {
        fn receive<'call>(
            &'call mut self,
            cx: &'call mut #private::Context<Self>,
            command: Self::Command,
        ) -> #private::BoxFuture<'call, #private::Result<()>> {
            match command { #(#arms,)* }
        }
    }
}

/// Output: `run(Self::refused(self, cx, error))`; nothing where there is no `#[receive(_)]`.
fn refuse(consumer: &Consumer, private: &TokenStream) -> TokenStream {
    let methods = consumer.refusals.iter().map(|Raw { method, payload }| {
        let (ident, cfgs, cx) = (placed(&method.ident), &method.cfgs, context(method, private));
        let error = quote!(#private::refused::<#payload>(error));
        let run = run(method, private, &quote_spanned!(ident.span()=> Self::#ident(self, #cx, #error)));
        quote! {
            #(#cfgs)*
            fn refuse<'call>(
                &'call mut self,
                cx: &'call mut #private::Context<Self>,
                error: #private::CommandError,
            ) -> #private::BoxFuture<'call, #private::Result<()>> {
                #run
            }
        }
    });
    quote!(#(#methods)*)
}

/// Output: `run(Self::disconnect(self, cx, code))`, or nothing to do.
fn disconnect(consumer: &Consumer, private: &TokenStream) -> TokenStream {
    let called = consumer.disconnects.iter().map(|disconnect| {
        let method = &disconnect.method;
        let (ident, cfgs, cx) = (placed(&method.ident), &method.cfgs, context(method, private));
        let run = run(method, private, &quote_spanned!(ident.span()=> Self::#ident(self, #cx, code)));
        statement(cfgs, &run)
    });
    let called = quote!(#(#called)*);
    let otherwise = otherwise(consumer.disconnects.iter().map(|disconnect| &disconnect.method))
        .map(|cfg| conditional(&cfg, &quote!(#private::ran(()))));
    quote! {
        fn disconnect<'call>(
            &'call mut self,
            cx: &'call mut #private::Context<Self>,
            code: #private::CloseCode,
        ) -> #private::BoxFuture<'call, #private::Result<()>> {
            #called #otherwise
        }
    }
}

/// Output: `#[layer_lost]` and `#[layer_restored]` to their methods; nothing where there is neither.
fn gap(consumer: &Consumer, private: &TokenStream) -> TokenStream {
    if consumer.gaps.is_empty() {
        return TokenStream::new();
    }
    let arms = consumer.gaps.iter().map(|Gap { method, kind }| {
        let (ident, cfgs, cx) = (placed(&method.ident), &method.cfgs, context(method, private));
        let kind = Ident::new(kind.variant(), Span::call_site());
        let run = run(method, private, &quote_spanned!(ident.span()=> Self::#ident(self, #cx)));
        quote!(#(#cfgs)* #private::Gap::#kind => #run)
    });
    quote! {
        const HEARS_OF_GAPS: bool = true;

        #[allow(unreachable_patterns)]
        fn gap<'call>(
            &'call mut self,
            cx: &'call mut #private::Context<Self>,
            gap: #private::Gap,
        ) -> #private::BoxFuture<'call, #private::Result<()>> {
            match gap { #(#arms,)* _ => #private::ran(()) }
        }
    }
}

/// Output: `const _: () = check_name("chat_message", "chat.message", "ChatMessage", its name);` for each handler.
fn name_checks(consumer: &Consumer, private: &TokenStream) -> TokenStream {
    if consumer.handlers.is_empty() {
        return TokenStream::new();
    }
    let Consumer { cfgs, .. } = consumer;
    let checks = consumer.handlers.iter().map(|Handler { method, event, payload, .. }| {
        let Method { ident, cfgs, .. } = method;
        let (ident, payload_name) = (ident.unraw().to_string(), text(payload));
        let event = LitStr::new(&event.value(), place(event.span()));
        let private = consumer.runtime.private_at(event.span());
        let check = quote_spanned! {event.span()=>
            #private::check_name(#ident, #event, #payload_name, #private::NameOf::<#payload>::NAME)
        };
        quote!(#(#cfgs)* const _: () = #check;)
    });
    quote! {
        #(#cfgs)*
        const _: () = {
            #[allow(unused_imports)]
            use #private::NotAnEvent as _;
            #(#checks)*
        };
    }
}

/// A method with `&mut self`, called.
///
/// What it returns is named where the user named it, so that a wrong type is reported there; that its future is not
/// `Send` is reported at its name.
fn run(method: &Method, private: &TokenStream, call: &TokenStream) -> TokenStream {
    let output = output(method);
    if method.is_async {
        let future = inferred(method);
        quote!(#private::run::<#output, #future>(#call))
    } else if method.blocking {
        quote!(#private::run_blocking::<#output, _>(move || #call))
    } else {
        quote!(#private::ran::<#output>(#call))
    }
}

/// `cx`, or, where the method names the consumer in its type otherwise, what asks whether it is this one.
fn context(method: &Method, private: &TokenStream) -> TokenStream {
    let cx = Ident::new("cx", place(method.ident.span()));
    match &method.context {
        None => quote!(#cx),
        Some(ty) => quote!(#private::own_context::<Self, #ty>(#cx)),
    }
}

/// `_`, at the name of the method: what is asked of the inferred type is answered there.
fn inferred(method: &Method) -> TokenStream {
    quote_spanned!(place(method.ident.span())=> _)
}

/// The last expression of a body, which may be cut away.
fn statement(cfgs: &[Attribute], expression: &TokenStream) -> TokenStream {
    conditional(&quote!(#(#cfgs)*), expression)
}

fn conditional(cfg: &TokenStream, expression: &TokenStream) -> TokenStream {
    if cfg.is_empty() { expression.clone() } else { quote!(#cfg { #expression }) }
}

fn output(method: &Method) -> TokenStream {
    match &method.output {
        Output::Named(output) => quote!(#output),
        Output::Inferred(span) => quote_spanned!(place(*span)=> _),
    }
}

fn placed(ident: &Ident) -> Ident {
    let mut ident = ident.clone();
    ident.set_span(place(ident.span()));
    ident
}

/// The `#[cfg]` of what stands in for these methods where none of them is there: `None` if one always is.
fn otherwise<'a>(methods: impl Iterator<Item = &'a Method>) -> Option<TokenStream> {
    let mut conditions = Vec::new();
    for method in methods {
        if method.cfgs.is_empty() {
            return None;
        }
        let predicates = method.cfgs.iter().filter_map(predicate);
        conditions.push(quote!(all(#(#predicates),*)));
    }
    Some(if conditions.is_empty() { TokenStream::new() } else { quote!(#[cfg(not(any(#(#conditions),*)))]) })
}

fn predicate(cfg: &Attribute) -> Option<TokenStream> {
    cfg.meta.require_list().ok().map(|list| list.tokens.clone())
}

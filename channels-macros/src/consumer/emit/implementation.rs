//! The implementation of `Consumer`.

use proc_macro2::{Literal, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Ident, Type, WherePredicate, parse_quote};

use super::call::{
    answers, condition, conditional, context, inferred, otherwise, output, placed, run, run_command, statement,
};
use super::info::info;
use crate::consumer::model::{Command, Connect, Consumer, Gap, Handler, Method, RAW, Raw};
use crate::tokens::place;

pub(super) fn implementation(consumer: &Consumer, private: &TokenStream) -> TokenStream {
    let Consumer { self_ty, event, command, .. } = consumer;
    let mut generics = consumer.generics.clone();
    // `Consumer` requires the same. With this bound, a consumer that is not `Send` is reported once at its name instead
    // of once for each method.
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
    let (event_index, command_index) = (event_index(consumer), command_index(consumer));
    let refuse = refuse(consumer, private);
    let disconnect = disconnect(consumer, private);
    let gap = gap(consumer, private);
    let history_lost = history_lost(consumer, private);
    quote! {
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
            #event_index
            #command_index
            #refuse
            #disconnect
            #gap
            #history_lost
        }
    }
}

/// Input: `#[connect] async fn connect(cx: &mut Context<Self>, room_id: u64) -> Result<Self, Reject>`.
///
/// Output: `type Captures = (u64,);`, and `connect`, which passes them to the method one by one.
fn connect(consumer: &Consumer, private: &TokenStream) -> TokenStream {
    let one = |cfgs: &TokenStream, captures: &[Type], body: &TokenStream| {
        // The compiler reports a private type at the item, which therefore has the span of the first type.
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
    let called = consumer.connects.iter().map(|Connect { method, captures, .. }| {
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
                // A missing `Default` is reported at the name of the consumer.
                one(&cfg, &[], &quote!(#private::connected_by_default::<#self_ty>()))
            }
        }
    });
    quote!(#called #otherwise)
}

/// Output: `"chat.join" => the payload`, and `"chat.message" => the frame` for a handler without `self`.
fn decode(consumer: &Consumer, private: &TokenStream) -> TokenStream {
    let enumeration = &consumer.event;
    let arms = consumer.handlers.iter().map(|handler| {
        let Handler { method, event, variant, payload, shared, with_position } = handler;
        let cfgs = &method.cfgs;
        let decoded = if *shared && !method.is_async {
            let (ident, output) = (placed(&method.ident), output(method));
            let at = with_position.then(|| quote!(, envelope.position()));
            // With this span, a return value that borrows from the event is reported at its type.
            let called = quote_spanned!(place(output.span())=> |event| Self::#ident(event #at));
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

/// Output: a `match` from each variant to the call of its method, `run(Self::chat_join(self, cx, payload))`.
fn dispatch(consumer: &Consumer, private: &TokenStream) -> TokenStream {
    let enumeration = &consumer.event;
    let arms = consumer.handlers.iter().map(|Handler { method, variant, shared, with_position, .. }| {
        let (ident, cfgs, output) = (placed(&method.ident), &method.cfgs, output(method));
        let span = ident.span();
        let at = with_position.then(|| quote!(, event.position()));
        let (pattern, call) = match (shared, method.is_async) {
            // `decode` has already rendered the frame.
            (true, false) => (quote!(_), quote!(#private::rendered_already())),
            (true, true) => {
                let call = quote_spanned!(span=> Self::#ident(payload #at));
                let future = inferred(method);
                (quote!(ref payload), quote!(#private::render_once::<#output, _, #future>(cx, event, #call)))
            }
            (false, _) => {
                let cx = context(method, private);
                let call = quote_spanned!(span=> Self::#ident(self, #cx, payload #at));
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

/// Output: a `match` from the name in the frame's tag to the payload of its command. Other frames go to `#[receive]`,
/// if there is one.
fn decode_command(consumer: &Consumer, private: &TokenStream) -> TokenStream {
    let enumeration = &consumer.command;
    let raw = |frame: &TokenStream, otherwise_error: &TokenStream| {
        let raw = consumer.raw.iter().map(|Raw { method, payload }| {
            let cfgs = &method.cfgs;
            statement(cfgs, &quote!(#private::decode_frame::<#payload, _>(#frame, #enumeration::Raw)))
        });
        let raw = quote!(#(#raw)*);
        let otherwise = otherwise(consumer.raw.iter().map(|raw| &raw.method))
            .map(|cfg| conditional(&cfg, &quote!(::core::result::Result::Err(#otherwise_error))));
        quote!(#raw #otherwise)
    };
    let body = if consumer.commands.is_empty() {
        raw(&quote!(frame), &quote!(#private::CommandError::NotListening))
    } else {
        let arms = consumer.commands.iter().map(|Command { method, name, variant, payload, .. }| {
            let (cfgs, answers) = (&method.cfgs, answers(method, private));
            // With this span, a command that borrows is reported at its type.
            let span = place(payload.span());
            let private = consumer.runtime.private_at(span);
            let decoded = quote_spanned!(span=> #private::decode_command::<#payload, _>);
            quote! {
                #(#cfgs)*
                #name => #decoded(command, #name, #answers, #enumeration::#variant)
            }
        });
        let names = consumer.commands.iter().map(|Command { method, name, .. }| {
            let cfgs = &method.cfgs;
            quote!(#(#cfgs)* #name)
        });
        let unknown = raw(&quote!(command.into_frame()), &quote!(command.unknown(&[#(#names),*])));
        let other = raw(&quote!(frame), &quote!(error));
        quote! {
            match #private::named_command::<Self>(frame) {
                #private::ParsedFrame::Command(command) => match command.name() {
                    #(#arms,)*
                    _ => { #unknown }
                },
                #private::ParsedFrame::Other { frame, error } => { #other }
            }
        }
    };
    quote! {
        fn decode_command(
            frame: #private::Frame,
        ) -> ::core::result::Result<#private::Received<Self::Command>, #private::CommandError> {
            #body
        }
    }
}

/// Output: a `match` from each command to the call of its method, and its answer.
fn receive(consumer: &Consumer, private: &TokenStream) -> TokenStream {
    let enumeration = &consumer.command;
    let call = |method: &Method| {
        let (ident, cx) = (placed(&method.ident), context(method, private));
        quote_spanned!(ident.span()=> Self::#ident(self, #cx, payload))
    };
    let commands = consumer.commands.iter().map(|Command { method, variant, .. }| {
        let (cfgs, run) = (&method.cfgs, run_command(method, private, &call(method)));
        quote!(#(#cfgs)* #enumeration::#variant(payload) => #run)
    });
    let raw = consumer.raw.iter().map(|Raw { method, .. }| {
        let (cfgs, run, raw) = (&method.cfgs, run(method, private, &call(method)), format_ident!("{RAW}"));
        quote!(#(#cfgs)* #enumeration::#raw(payload) => #run)
    });
    let arms = commands.chain(raw);
    quote! {
        fn receive<'call>(
            &'call mut self,
            cx: &'call mut #private::Context<Self>,
            received: #private::Received<Self::Command>,
        ) -> #private::BoxFuture<'call, #private::Result<()>> {
            match received.command { #(#arms,)* }
        }
    }
}

/// Output: `event_index`, a `match` from each variant to its index in `INFO.handlers`.
fn event_index(consumer: &Consumer) -> TokenStream {
    let handlers: Vec<_> = consumer.handlers.iter().map(|handler| (&handler.method, &handler.variant)).collect();
    let body = index(&consumer.event, &handlers, &consumer.fallbacks);
    body.map(|body| quote!(fn event_index(variant: &Self::Event) -> usize { #body })).unwrap_or_default()
}

/// Output: `command_index`, a `match` from each variant to its index in `INFO.commands`.
fn command_index(consumer: &Consumer) -> TokenStream {
    let commands: Vec<_> = consumer.commands.iter().map(|command| (&command.method, &command.variant)).collect();
    let body = index(&consumer.command, &commands, &consumer.raw);
    body.map(|body| quote!(fn command_index(variant: &Self::Command) -> usize { #body })).unwrap_or_default()
}

/// Output: `match *variant { Event::ChatJoin(_) => 0, Event::ChatMessage(_) => 1 }`. The index of `Raw` is past the last row.
/// `None` if the default of the trait, 0, is right for every variant.
fn index(enumeration: &Ident, rows: &[(&Method, &Ident)], raw: &[Raw]) -> Option<TokenStream> {
    if rows.is_empty() || rows.len() == 1 && raw.is_empty() {
        return None;
    }
    let raw_variant = format_ident!("{RAW}");
    // A row that a `#[cfg]` removes has no index.
    let (mut always, mut conditions) = (0_usize, Vec::new());
    let mut arms = Vec::new();
    for (method, variant) in rows.iter().copied().chain(raw.iter().map(|raw| (&raw.method, &raw_variant))) {
        let (cfgs, before) = (&method.cfgs, Literal::usize_unsuffixed(always));
        arms.push(quote!(#(#cfgs)* #enumeration::#variant(_) => #before #(+ ::core::cfg!(#conditions) as usize)*));
        if cfgs.is_empty() {
            always += 1;
        } else {
            conditions.push(condition(method));
        }
    }
    Some(quote!(match *variant { #(#arms,)* }))
}

/// Output: `run(Self::refused(self, cx, error))`, or nothing without `#[receive(_)]`.
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

/// Output: `run(Self::disconnect(self, cx, code))`, or an empty body.
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

/// Output: a `match` from each kind of gap to the call of its method, or nothing without gap methods.
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
        const HAS_GAP_METHODS: bool = true;

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

/// Output: `run(Self::history_lost(self, cx, lost))`, or nothing without `#[history_lost]`.
fn history_lost(consumer: &Consumer, private: &TokenStream) -> TokenStream {
    let methods = consumer.losses.iter().map(|Raw { method, payload }| {
        let (ident, cfgs, cx) = (placed(&method.ident), &method.cfgs, context(method, private));
        let lost = quote!(#private::loss_notice::<#payload>(lost));
        let run = run(method, private, &quote_spanned!(ident.span()=> Self::#ident(self, #cx, #lost)));
        quote! {
            #(#cfgs)*
            fn history_lost<'call>(
                &'call mut self,
                cx: &'call mut #private::Context<Self>,
                lost: &'call #private::HistoryLost,
            ) -> #private::BoxFuture<'call, #private::Result<()>> {
                #run
            }
        }
    });
    quote!(#(#methods)*)
}

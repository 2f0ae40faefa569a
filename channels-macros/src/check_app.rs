//! `check_app! { consumers: [..], groups: [..], direct: [..] }`: compile-time checks of a whole application.

use proc_macro2::{Group, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Ident, Path, Token, Type};

use crate::arguments;
use crate::diagnostics::Diagnostics;
use crate::runtime_path::Runtime;
use crate::suggest::{did_you_mean, near};
use crate::tokens::{place, placed, text};

const LISTS: [&str; 3] = ["consumers", "groups", "direct"];

const SHAPE: &str = "`check_app! { consumers: [ChatConsumer], groups: [Room], direct: [ForceDisconnect] }`";

/// The input of `check_app! { .. }`.
#[derive(Default)]
struct Application {
    path: Option<Path>,
    consumers: Vec<Type>,
    groups: Vec<Type>,
    direct: Vec<Type>,
}

/// `name: [..]`.
struct Entry {
    name: Ident,
    value: TokenStream,
}

impl Parse for Entry {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name = input.call(Ident::parse_any)?;
        if input.parse::<Option<Token![=]>>()?.is_none() {
            input.parse::<Token![:]>()?;
        }
        Ok(Self { name, value: input.parse()? })
    }
}

/// Expands `check_app!` to constants that do not compile if a check fails.
pub(crate) fn expand(input: TokenStream) -> TokenStream {
    let mut diagnostics = Diagnostics::default();
    let application = parse(input, &mut diagnostics);
    let checks = emit(&application);
    quote!(#diagnostics #checks)
}

fn parse(input: TokenStream, diagnostics: &mut Diagnostics) -> Application {
    let mut application = Application::default();
    let mut seen: Vec<String> = Vec::new();
    for piece in arguments::pieces(input, diagnostics) {
        let Ok(Entry { name, value }) = syn::parse2::<Entry>(piece.clone()) else {
            if let Ok(list) = syn::parse2::<arguments::Argument>(piece.clone())
                && let arguments::Value::List(types) = &list.value
                && LISTS.contains(&list.name.to_string().as_str())
            {
                let (name, types) = (&list.name, text(types));
                diagnostics
                    .error(name, format!("`{name}` lists types in brackets, after a colon: `{name}: [{types}]`"));
                seen.push(name.to_string());
                continue;
            }
            diagnostics.error(&piece, format!("`{}` is not a list of `check_app!`: {SHAPE}", text(&piece)));
            continue;
        };
        let mut word = name.to_string();
        if word != "crate" && !LISTS.contains(&word.as_str()) {
            diagnostics.error(
                &name,
                format!("`check_app!` has no list `{word}`{}\nwrite {SHAPE}", did_you_mean(&word, LISTS)),
            );
            // A misspelt list is reported and used.
            let Some(meant) = near(&word, LISTS) else { continue };
            word = meant.to_owned();
        }
        if seen.contains(&word) {
            diagnostics.error(&name, format!("`{word}` is given twice in `check_app!`; make one list of both"));
            continue;
        }
        match word.as_str() {
            "consumers" => application.consumers = list(&name, &value, diagnostics),
            "groups" => application.groups = list(&name, &value, diagnostics),
            "direct" => application.direct = list(&name, &value, diagnostics),
            _ => match arguments::path(&value) {
                Ok(path) => application.path = Some(path),
                Err(_) => diagnostics.error(value, "`crate` is the path of `channels_runtime`: `crate: rt`"),
            },
        }
        seen.push(word);
    }
    if diagnostics.count() == 0 && application.consumers.is_empty() && !seen.iter().any(|word| word == "consumers") {
        diagnostics.error_at(Span::call_site(), format!("`check_app!` needs consumers: {SHAPE}"));
    }
    application
}

fn list(name: &Ident, value: &TokenStream, diagnostics: &mut Diagnostics) -> Vec<Type> {
    let Ok(list) = syn::parse2::<Group>(value.clone()).map(|list| list.stream()) else {
        diagnostics.error(name, format!("`{name}` lists types in brackets: {SHAPE}"));
        return Vec::new();
    };
    if let Ok(types) = Punctuated::<Type, Token![,]>::parse_terminated.parse2(list.clone()) {
        return arguments::distinct(types, name, diagnostics);
    }
    let (types, others): (Vec<_>, Vec<_>) = arguments::pieces(list, diagnostics)
        .into_iter()
        .map(|piece| syn::parse2(piece.clone()).map_err(|_| piece))
        .partition(Result::is_ok);
    for other in others.into_iter().filter_map(Result::err) {
        diagnostics.error(&other, format!("`{}` is not a type; `{name}` takes types: {SHAPE}", text(&other)));
    }
    arguments::distinct(types.into_iter().filter_map(Result::ok), name, diagnostics)
}

/// Input: `consumers: [ChatConsumer], groups: [Room]`.
///
/// Output: `const _: () = check_group("Room", ..);` and so on, each with the span of the type that it checks.
fn emit(application: &Application) -> TokenStream {
    let runtime = Runtime::new(application.path.clone());
    let private = runtime.private();
    let Application { consumers, groups, direct, .. } = application;
    let checks = |types: &[Type], check: &dyn Fn(&TokenStream, usize, String) -> TokenStream| {
        let checks = types.iter().enumerate().map(|(at, ty)| {
            let span = place(match ty {
                Type::Path(path) => path.path.segments.last().map_or_else(|| ty.span(), |last| last.ident.span()),
                ty => ty.span(),
            });
            let call = placed(check(&runtime.private_at(span), at, text(ty)), span);
            quote_spanned!(span=> const _: () = #call;)
        });
        checks.collect::<TokenStream>()
    };
    let group_checks =
        checks(groups, &|private, at, name| quote!(#private::check_group(#name, EVENTS[#at], CONSUMERS, EVENTS)));
    let pattern_checks = checks(groups, &|private, at, _| quote!(#private::check_pattern(#at, NAMES, GROUPS)));
    let (names, indices) = (groups.iter().map(text), 0..groups.len());
    let direct_checks =
        checks(direct, &|private, at, _| quote!(#private::check_direct(&DIRECT[#at], CONSUMERS, EVENTS)));
    let consumer_checks =
        checks(consumers, &|private, at, _| quote!(#private::check_consumer(&CONSUMERS[#at], EVENTS)));
    quote! {
        const _: () = {
            const CONSUMERS: &[#private::ConsumerInfo] = &[#(<#consumers as #private::Consumer>::INFO),*];
            const DIRECT: &[#private::EventInfo] = &[#(#private::EventInfo::of::<#direct>()),*];
            const NAMES: &[&::core::primitive::str] = &[#(#names),*];
            const GROUPS: &[#private::GroupInfo] = &[#(#private::GroupInfo::of::<#groups>()),*];
            const EVENTS: &[&[#private::EventInfo]] = &[#(GROUPS[#indices].events,)* DIRECT];
            #group_checks
            #pattern_checks
            #direct_checks
            #consumer_checks
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::tests::{errors, formatted};

    #[test]
    fn expansion_matches_snapshot() {
        let expansion = expand(quote! {
            consumers: [ChatConsumer, admin::AdminConsumer],
            groups: [Room],
            direct: [ForceDisconnect],
        });
        expectorate::assert_contents("tests/expansion/application.rs", &formatted(expansion));
    }

    #[test]
    fn wrong_lists_give_one_error_each() {
        let cases = [
            (quote!(consumer: [Chat]), vec!["`check_app!` has no list `consumer`; did you mean `consumers`?"]),
            (quote!(groups: [Room]), vec!["`check_app!` needs consumers"]),
            (
                quote!(consumers: [Chat], group: [Room]),
                vec!["`check_app!` has no list `group`; did you mean `groups`?"],
            ),
            (quote!(consumers: Chat), vec!["`consumers` lists types in brackets"]),
            (quote!(consumers: [Chat, Chat]), vec!["`consumers` lists `Chat` twice"]),
            (quote!(consumers: [Chat], rooms: [A], jobs: [B]), vec!["has no list `rooms`", "has no list `jobs`"]),
            (quote!(consumers: [Chat] groups: [Of<A, B>]), vec!["a comma is missing before `groups`"]),
            (
                quote!(consumers: [Chat, "Chat"], groups: [Room { id: 1 }]),
                vec![
                    "`\"Chat\"` is not a type; `consumers` takes types",
                    "`Room{id: 1}` is not a type; `groups` takes types",
                ],
            ),
            (quote!(consumers: [Chat], consumers: [Other]), vec!["`consumers` is given twice in `check_app!`"]),
            (
                quote!(consumers(Chat, Other), groups: []),
                vec!["`consumers` lists types in brackets, after a colon: `consumers: [Chat, Other]`"],
            ),
            (quote!(Chat, consumers: [Chat]), vec!["`Chat` is not a list of `check_app!`"]),
            (quote!(crate: 1, consumers: [Chat]), vec!["`crate` is the path of `channels_runtime`"]),
        ];
        for (input, sentences) in cases {
            let errors = errors(expand(input.clone()));
            assert_eq!(errors.len(), sentences.len(), "{input}: {errors:?}");
            for (error, sentence) in errors.iter().zip(sentences) {
                assert!(error.contains(sentence), "{input}: {errors:?}");
            }
        }
    }
}

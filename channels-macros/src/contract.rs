//! `contract! { name: "chat", routes: [ChatConsumer at "/ws/{room}/"], groups: [Room] }`: the contract of an application.

use proc_macro2::{Group, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Ident, LitStr, Path, Token, Type};

use crate::arguments;
use crate::diagnostics::Diagnostics;
use crate::runtime_path::Runtime;
use crate::suggest::did_you_mean;
use crate::tokens::{place, placed, text};
use crate::types::{borrows, last_word};

const KEYS: [&str; 5] = ["name", "routes", "groups", "direct", "crate"];

const SHAPE: &str =
    "`contract! { name: \"chat\", routes: [ChatConsumer at \"/ws/chat/{room}/\"], groups: [Room], direct: [] }`";

/// Returns the expression of a type's schema, which is `None` for a type without one. `NotDescribed` is in scope.
pub(crate) fn schema_of(ty: &Type, private: &TokenStream) -> TokenStream {
    quote!(#private::SchemaOf::<#ty>::SCHEMA)
}

/// Returns `TypeFacts { name: "Say", schema: .. }`.
pub(crate) fn type_facts(ty: &Type, private: &TokenStream) -> TokenStream {
    let (name, schema) = (text(ty), schema_of(ty, private));
    // A type that borrows cannot be repeated here.
    let schema = if borrows(ty) { quote!(::core::option::Option::None) } else { schema };
    quote!(#private::facts::TypeFacts { name: #name, schema: #schema })
}

/// The input of `contract! { .. }`.
#[derive(Default)]
struct Contract {
    path: Option<Path>,
    name: Option<LitStr>,
    routes: Vec<Route>,
    groups: Vec<Type>,
    direct: Vec<Type>,
}

/// `ChatConsumer at "/ws/chat/{room}/"`.
struct Route {
    consumer: Type,
    address: LitStr,
}

impl Parse for Route {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let consumer = input.parse()?;
        let at = input.call(Ident::parse_any)?;
        if at != "at" {
            return Err(syn::Error::new(at.span(), "expected `at`"));
        }
        Ok(Self { consumer, address: input.parse()? })
    }
}

/// `name: value`.
struct Entry {
    key: Ident,
    value: TokenStream,
}

impl Parse for Entry {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let key = input.call(Ident::parse_any)?;
        input.parse::<Token![:]>()?;
        Ok(Self { key, value: input.parse()? })
    }
}

/// Expands `contract!` to `pub fn contract() -> Contract`, and to constants that do not compile if a check fails.
pub(crate) fn expand(input: TokenStream) -> TokenStream {
    let mut diagnostics = Diagnostics::default();
    let contract = parse(input, &mut diagnostics);
    check(&contract, &mut diagnostics);
    // A route that could not be read would be reported again, as a consumer that the groups lack.
    let expansion = emit(&contract, diagnostics.count() == 0);
    quote!(#diagnostics #expansion)
}

fn parse(input: TokenStream, diagnostics: &mut Diagnostics) -> Contract {
    let mut contract = Contract::default();
    let mut seen: Vec<String> = Vec::new();
    for piece in arguments::pieces(input, diagnostics) {
        let Ok(Entry { key, value }) = syn::parse2::<Entry>(piece.clone()) else {
            diagnostics.error(&piece, format!("`{}` is not an entry of `contract!`: {SHAPE}", text(&piece)));
            continue;
        };
        let word = key.to_string();
        if !KEYS.contains(&word.as_str()) {
            let meant = did_you_mean(&word, KEYS);
            diagnostics.error(&key, format!("`contract!` has no entry `{word}`{meant}\nwrite {SHAPE}"));
            continue;
        }
        if seen.contains(&word) {
            diagnostics.error(&key, format!("`{word}` is given twice in `contract!`"));
            continue;
        }
        seen.push(word.clone());
        match word.as_str() {
            "name" => match syn::parse2::<LitStr>(value.clone()) {
                Ok(name) => contract.name = Some(name),
                Err(_) => diagnostics.error(value, "`name` is the name of the contract, in quotes: `name: \"chat\"`"),
            },
            "routes" => contract.routes = routes(&key, &value, diagnostics),
            "groups" => contract.groups = types(&key, &value, diagnostics),
            "direct" => contract.direct = types(&key, &value, diagnostics),
            _ => match arguments::path(&value) {
                Ok(path) => contract.path = Some(path),
                Err(_) => diagnostics.error(value, "`crate` is the path of `channels_runtime`: `crate: rt`"),
            },
        }
    }
    if diagnostics.count() == 0 && !seen.iter().any(|word| word == "name") {
        diagnostics.error_at(Span::call_site(), format!("a contract has a name: {SHAPE}"));
    }
    contract
}

/// Returns the contents of a list in brackets.
fn bracketed(key: &Ident, value: &TokenStream, diagnostics: &mut Diagnostics) -> Option<TokenStream> {
    let list = syn::parse2::<Group>(value.clone()).map(|list| list.stream()).ok();
    if list.is_none() {
        diagnostics.error(key, format!("`{key}` is a list in brackets: {SHAPE}"));
    }
    list
}

fn routes(key: &Ident, value: &TokenStream, diagnostics: &mut Diagnostics) -> Vec<Route> {
    let Some(list) = bracketed(key, value, diagnostics) else { return Vec::new() };
    let mut routes = Vec::new();
    for piece in arguments::split(list) {
        match syn::parse2::<Route>(piece.clone()) {
            Ok(route) => routes.push(route),
            Err(_) => {
                let consumer =
                    syn::parse2::<Type>(piece.clone()).map_or_else(|_| "ChatConsumer".to_owned(), |ty| text(&ty));
                diagnostics.error(
                    &piece,
                    format!("a route is a consumer and its address: `{consumer} at \"/ws/chat/{{room}}/\"`"),
                );
            }
        }
    }
    routes
}

fn types(key: &Ident, value: &TokenStream, diagnostics: &mut Diagnostics) -> Vec<Type> {
    let Some(list) = bracketed(key, value, diagnostics) else { return Vec::new() };
    match Punctuated::<Type, Token![,]>::parse_terminated.parse2(list) {
        Ok(types) => arguments::distinct(types, key, diagnostics),
        Err(_) => {
            diagnostics.error(value, format!("`{key}` takes types: {SHAPE}"));
            Vec::new()
        }
    }
}

fn check(contract: &Contract, diagnostics: &mut Diagnostics) {
    if let Some(name) = &contract.name {
        let text = name.value();
        let legal = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
        if text.is_empty() || text.len() > 40 || !text.chars().all(legal) {
            diagnostics.error(
                name,
                "the name of a contract has 1 to 40 characters of `A-Z a-z 0-9 - _ .`, because clients send it in a query",
            );
        }
    }
    for (at, route) in contract.routes.iter().enumerate() {
        let address = route.address.value();
        if !address.starts_with('/') || address.contains(['?', '#']) {
            diagnostics.error(
                &route.address,
                "an address is the path of a route, and begins with `/`; a capture is the name of an argument of `#[connect]`: \
                 `\"/ws/chat/{room}/\"`",
            );
        } else if captures(&address).is_none() {
            diagnostics
                .error(&route.address, "a capture is the name of an argument of `#[connect]` in braces: `{room}`");
        }
        if let Some(other) = contract.routes[..at].iter().find(|other| other.address.value() == address) {
            diagnostics.error(
                &route.address,
                format!(
                    "`{}` is already at this address, and only one of two consumers would be reached",
                    text(&other.consumer)
                ),
            );
        }
    }
}

/// Returns the names in braces. `None` if a brace is left open or a name is not a word.
fn captures(address: &str) -> Option<Vec<&str>> {
    let mut captures = Vec::new();
    let mut rest = address;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}')?;
        syn::parse_str::<Ident>(name).ok().filter(|_| !before.contains('}'))?;
        captures.push(name);
        rest = after;
    }
    (!rest.contains('}')).then_some(captures)
}

/// Input: `name: "chat", routes: [ChatConsumer at "/ws/{room}/"], groups: [Room]`.
///
/// Output: the checks, each with the span of the type that it checks, and `pub fn contract() -> Contract`.
fn emit(contract: &Contract, with_groups: bool) -> TokenStream {
    let runtime = Runtime::new(contract.path.clone());
    let private = runtime.private();
    let Contract { name, routes, groups, direct, .. } = contract;
    let name = name.as_ref().map_or_else(String::new, LitStr::value);
    let check = |ty: &Type, call: &dyn Fn(&TokenStream) -> TokenStream| {
        let span = place(match ty {
            Type::Path(path) => path.path.segments.last().map_or_else(|| ty.span(), |last| last.ident.span()),
            ty => ty.span(),
        });
        let call = placed(call(&runtime.private_at(span)), span);
        quote_spanned!(span=> const _: () = #call;)
    };
    let consumer_checks = routes.iter().map(|Route { consumer, .. }| {
        check(
            consumer,
            &|private| quote!(#private::check_described_consumer(&<#consumer as #private::Described>::FACTS)),
        )
    });
    let address_checks = routes.iter().map(|Route { consumer, address }| {
        let span = place(address.span());
        let (private, address) = (runtime.private_at(span), address.value());
        let captures = captures(&address).unwrap_or_default();
        let call = quote! {
            #private::check_address(#address, &[#(#captures),*], &<#consumer as #private::Described>::FACTS)
        };
        let call = placed(call, span);
        quote_spanned!(span=> const _: () = #call;)
    });
    let group_checks = groups.iter().filter(|_| with_groups).map(|group| {
        let name = last_word(group).unwrap_or_else(|| text(group));
        check(group, &|private| quote!(#private::check_described_group(#name, &<#group as #private::DescribedGroup>::FACTS, HANDLERS)))
    });
    let direct_checks = direct.iter().map(|event| {
        check(event, &|private| quote!(#private::check_described_event(&<#event as #private::DescribedEvent>::FACTS)))
    });
    let consumers = routes.iter().map(|route| &route.consumer);
    let addresses =
        routes.iter().map(|Route { consumer, address }| quote!((#address, <#consumer as #private::Described>::FACTS)));
    quote! {
        #private::needs_contract!();

        #private::if_contract! {
        const _: () = {
            const HANDLERS: &[#private::ConsumerInfo] = &[#(<#consumers as #private::Consumer>::INFO),*];
            #(#consumer_checks)*
            #(#address_checks)*
            #(#group_checks)*
            #(#direct_checks)*
        };

        /// Returns the contract of this application.
        #[allow(dead_code)]
        pub fn contract() -> #private::Contract {
            #private::Contract::new(
                #name,
                ::core::env!("CARGO_MANIFEST_DIR"),
                &[#(#addresses),*],
                &[#(<#groups as #private::DescribedGroup>::FACTS),*],
                &[#(<#direct as #private::DescribedEvent>::FACTS),*],
            )
        }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::tests::{errors, formatted};

    #[test]
    fn expansion_matches_snapshot() {
        let expansion = expand(quote! {
            name: "chat",
            routes: [ChatConsumer at "/ws/{room}/"],
            groups: [Room],
            direct: [ForceDisconnect],
        });
        expectorate::assert_contents("tests/expansion/contract.rs", &formatted(expansion));
    }

    #[test]
    fn wrong_entries_give_one_error_each() {
        let cases = [
            (quote!(), "a contract has a name"),
            (quote!(nme: "chat"), "`contract!` has no entry `nme`; did you mean `name`?"),
            (quote!(name: chat), "`name` is the name of the contract, in quotes"),
            (quote!(name: "a b"), "the name of a contract has 1 to 40 characters"),
            (quote!(name: "a", name: "b"), "`name` is given twice"),
            (quote!(name: "a", routes: Chat), "`routes` is a list in brackets"),
            (quote!(name: "a", routes: [Chat]), "a route is a consumer and its address: `Chat at"),
            (quote!(name: "a", routes: [Chat at "ws"]), "begins with `/`"),
            (quote!(name: "a", routes: [Chat at "/ws/{room"]), "a capture is the name of an argument"),
            (quote!(name: "a", routes: [Chat at "/a", Other at "/a"]), "`Chat` is already at this address"),
            (quote!(name: "a", groups: ["Room"]), "`groups` takes types"),
            (quote!(name: "a", groups: [Room, Room]), "`groups` lists `Room` twice"),
            (quote!(name: "a", Chat), "`Chat` is not an entry of `contract!`"),
            (quote!(name: "a", crate: 1), "`crate` is the path of `channels_runtime`"),
        ];
        for (input, sentence) in cases {
            let errors = errors(expand(input.clone()));
            assert_eq!(errors.len(), 1, "{input}: {errors:?}");
            assert!(errors[0].contains(sentence), "{input}: {errors:?}");
        }
    }
}

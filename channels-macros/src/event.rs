//! `#[event("chat.message")]`: serde in the flat shape of Channels, and `Event`.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::punctuated::Punctuated;
use syn::{Attribute, Field, Fields, Ident, Item, ItemStruct, LitStr, Path, Token, Type, parse_quote};

use crate::arguments::{self, Argument, Named, Value};
use crate::diagnostics::Diagnostics;
use crate::event_field;
use crate::event_name;
use crate::file;
use crate::serde_attributes::for_each_serde;
use crate::source::{Runtime, place, refers, text};
use crate::suggest::{did_you_mean, in_words};

const ARGUMENTS: [(&str, &str); 3] =
    [("volatile", "volatile"), ("coalesce", "coalesce = \"field\""), ("crate", "crate = path")];

/// What an event derives.
const SERDE: [&str; 2] = ["Serialize", "Deserialize"];

/// What stands in `#[event(..)]`.
struct Arguments {
    name: LitStr,
    runtime: Runtime,
    volatile: bool,
    coalesce: Option<LitStr>,
}

/// What `#[event]` makes of a struct.
pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut diagnostics = Diagnostics::default();
    let expansion = match syn::parse2::<Item>(item.clone()) {
        Ok(mut parsed) => {
            let arguments = parse_arguments(arguments, &parsed, &mut diagnostics);
            if let Item::Struct(item) = &mut parsed {
                take_second_name(item, &mut diagnostics);
                take_borrows(item, &mut diagnostics);
            }
            check_item(&parsed, &mut diagnostics);
            let key = arguments.coalesce.as_ref().and_then(|field| check_key(field, &parsed, &mut diagnostics));
            let above = derived_above(&arguments.name, &mut diagnostics);
            emit(&arguments, key, &above, parsed)
        }
        Err(error) => {
            diagnostics.push(error);
            item
        }
    };
    quote!(#diagnostics #expansion)
}

fn parse_arguments(arguments: TokenStream, item: &Item, diagnostics: &mut Diagnostics) -> Arguments {
    let meant = match item {
        Item::Struct(item) => event_name::of_type(&item.ident.unraw().to_string()),
        _ => event_name::of_type(""),
    };
    let example = format!("`#[event({meant:?})]`");
    let shape = format!("an event has a name, in quotes: {example}");
    let named = Named { attribute: "event", noun: "an event", shape: &shape, example: &example };
    let mut pieces = arguments::pieces(arguments, diagnostics);
    let name = arguments::name(&mut pieces, &named, &ARGUMENTS, diagnostics);
    if let Some(name) = &name
        && let Err(sentence) = event_name::check_event(&name.value())
    {
        diagnostics.error(name, sentence);
    }
    // Without a usable name the expansion goes on with an empty one, which no other check looks at.
    let name = name.unwrap_or_else(|| LitStr::new("", Span::call_site()));
    let (mut path, mut volatile, mut coalesce) = (None, false, None);
    let mut seen: Vec<String> = Vec::new();
    for piece in pieces {
        match syn::parse2::<Argument>(piece.clone()) {
            Ok(Argument { name, .. }) if seen.contains(&name.to_string()) => {
                diagnostics.error(&name, format!("`{name}` stands twice in `#[event(..)]`"));
            }
            Ok(Argument { name, value }) if name == "volatile" => {
                if !matches!(value, Value::None) {
                    diagnostics.error(&piece, "`volatile` stands alone: `#[event(\"cursor.move\", volatile)]`");
                }
                volatile = true;
                seen.push(name.to_string());
            }
            Ok(Argument { name, value }) if name == "coalesce" => {
                coalesce = key_field(&value, &name, diagnostics);
                seen.push(name.to_string());
            }
            Ok(Argument { name, value }) if name == "crate" => {
                path = arguments::crate_path(&value, &name, diagnostics).or(path);
            }
            Ok(Argument { name, .. }) => {
                arguments::unknown("#[event]", &name, &ARGUMENTS, diagnostics);
            }
            Err(_) => diagnostics.error(&piece, format!("`{}` is no argument of `#[event]`: {shape}", text(&piece))),
        }
    }
    Arguments { name, runtime: Runtime::new(path), volatile, coalesce }
}

/// `coalesce = "user_id"`.
fn key_field(value: &Value, name: &Ident, diagnostics: &mut Diagnostics) -> Option<LitStr> {
    const SHAPE: &str = "`coalesce` names one field: of the events that wait, only the newest with the same value in it is \
                         kept: `coalesce = \"user_id\"`";
    let Value::Equals(value) = value else {
        diagnostics.error(name, SHAPE);
        return None;
    };
    let sentence = |_| match syn::parse2::<Ident>(value.clone()) {
        Ok(field) => format!("the field of `coalesce` stands in quotes: `coalesce = \"{field}\"`"),
        Err(_) => SHAPE.to_owned(),
    };
    syn::parse2::<LitStr>(value.clone()).map_err(|error| diagnostics.error(value, sentence(error))).ok()
}

/// Finds the field that `coalesce` names.
fn check_key(key: &LitStr, item: &Item, diagnostics: &mut Diagnostics) -> Option<(Ident, Type)> {
    // What is no struct with named fields was reported as that.
    let Item::Struct(item) = item else { return None };
    if let Fields::Unnamed(_) = item.fields {
        return None;
    }
    let (event, wanted) = (&item.ident, key.value());
    let fields: Vec<(&Ident, &Field)> =
        item.fields.iter().filter_map(|field| Some((field.ident.as_ref()?, field))).collect();
    let Some((ident, field)) = fields.iter().find(|(ident, _)| ident.unraw() == wanted) else {
        let names: Vec<String> = fields.iter().map(|(ident, _)| ident.unraw().to_string()).collect();
        let has = in_words(&names);
        let meant = did_you_mean(&wanted, names.iter().map(String::as_str));
        diagnostics.error(key, format!("event `{event}` has no field `{wanted}`: {has}{meant}"));
        return None;
    };
    let mut sent = true;
    for_each_serde(&field.attrs, &mut |key, _| {
        sent &= !["skip", "skip_serializing", "skip_deserializing"].iter().any(|skip| key == skip);
    });
    if !sent {
        diagnostics.error(
            key,
            format!(
                "the field `{wanted}` does not travel with event `{event}`, so it is the same in each that arrives"
            ),
        );
        return None;
    }
    Some(((*ident).clone(), field.ty.clone()))
}

/// Which derives of serde stand above the attribute. They are expanded before it, and not part of what it is given.
fn derived_above(name: &LitStr, diagnostics: &mut Diagnostics) -> Vec<String> {
    let Some(file) = file::of_the_call() else { return Vec::new() };
    let mut above = file::derived_above(file.before(Span::call_site()));
    above.retain(|derive| SERDE.iter().any(|known| derive == known));
    if !above.is_empty() {
        let derives = above.join(", ");
        diagnostics.error(
            name,
            format!(
                "`#[event]` does not see the `#[derive({derives})]` above it: move that below, or leave {} to `#[event]`",
                if above.len() == 1 { "it" } else { "both" }
            ),
        );
    }
    above
}

fn check_item(item: &Item, diagnostics: &mut Diagnostics) {
    const WANTED: &str = "an event is a struct with named fields, because it travels as a map of names to values";
    match item {
        Item::Struct(item) => {
            if let Fields::Unnamed(fields) = &item.fields {
                diagnostics
                    .error(fields, format!("{WANTED}\nname the fields: `struct {} {{ message: String }}`", item.ident));
            }
            check_borrows(item, diagnostics);
            check_fields(&item.ident, &item.attrs, &item.fields, diagnostics);
        }
        Item::Enum(item) => diagnostics.error(
            &item.ident,
            format!(
                "{WANTED}\nmake one struct of each variant of `{}`, each with its own `#[event(\"..\")]`",
                item.ident
            ),
        ),
        Item::Union(item) => diagnostics.error(&item.ident, WANTED),
        other => diagnostics.error(other, format!("`#[event]` stands above a struct; {WANTED}")),
    }
}

/// A second `#[event]` would make all of it twice.
fn take_second_name(item: &mut ItemStruct, diagnostics: &mut Diagnostics) {
    let ident = &item.ident;
    item.attrs.retain(|attribute| {
        let is_second = attribute.path().segments.last().is_some_and(|last| last.ident == "event");
        if is_second {
            let sentence =
                format!("event `{ident}` has a name already; an event of another name is a struct of its own");
            diagnostics.error(&attribute.meta, sentence);
        }
        !is_second
    });
}

/// Takes the `&` away where the struct has no lifetime for it: the compiler would ask for one, and an event has none.
fn take_borrows(item: &mut ItemStruct, diagnostics: &mut Diagnostics) {
    if item.generics.lifetimes().next().is_some() {
        return;
    }
    for field in item.fields.iter_mut().filter(|field| refers(&field.ty)) {
        diagnostics.error(&field.ty, owns(&item.ident, Some(&field.ty)));
        if let Ok(owned) = syn::parse2(owned(field.ty.to_token_stream())) {
            field.ty = owned;
        }
    }
}

/// `String` of `&str`, `Option<Vec<u8>>` of `Option<&[u8]>`.
fn owned(borrowed: TokenStream) -> TokenStream {
    let mut owned = TokenStream::new();
    let mut tokens = borrowed.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(and) if and.as_char() == '&' => {
                let is_lifetime = |next: &TokenTree| matches!(next, TokenTree::Punct(tick) if tick.as_char() == '\'');
                if tokens.next_if(is_lifetime).is_some() {
                    tokens.next();
                }
                match tokens.next_if(|next| matches!(next, TokenTree::Group(_))) {
                    Some(TokenTree::Group(slice)) if slice.delimiter() == Delimiter::Bracket => {
                        let inner = slice.stream();
                        owned.extend(quote!(::std::vec::Vec<#inner>));
                    }
                    other => owned.extend(other),
                }
            }
            TokenTree::Ident(word) if word == "str" => owned.extend(quote!(::std::string::String)),
            token => owned.extend([token]),
        }
    }
    owned
}

/// `borrowed` is the type of the field, if it is known which one borrows.
fn owns(event: &Ident, borrowed: Option<&Type>) -> String {
    let meant = borrowed.map(|borrowed| {
        let owned = text(owned(borrowed.to_token_stream()));
        (owned.replace("::std::string::", "").replace("::std::vec::", ""), text(borrowed))
    });
    // A lifetime that is left is that of a type which is not known.
    let meant = meant.filter(|(owned, _)| !owned.contains('\''));
    let (owned, borrowed) = meant.unwrap_or_else(|| ("String".to_owned(), "&str".to_owned()));
    format!("event `{event}` owns what it holds, because it outlives its sender: `{owned}` and not `{borrowed}`")
}

/// Where the struct has a lifetime, the fields that borrow, or else the lifetime.
fn check_borrows(item: &ItemStruct, diagnostics: &mut Diagnostics) {
    if item.generics.lifetimes().next().is_none() {
        return;
    }
    let before = diagnostics.count();
    for field in item.fields.iter().filter(|field| refers(&field.ty)) {
        diagnostics.error(&field.ty, owns(&item.ident, Some(&field.ty)));
    }
    if diagnostics.count() == before {
        for lifetime in item.generics.lifetimes() {
            diagnostics.error(lifetime, owns(&item.ident, None));
        }
    }
}

/// `type` is the key of the event's name: a field of that name would overwrite it.
fn check_fields(event: &Ident, attributes: &[Attribute], fields: &Fields, diagnostics: &mut Diagnostics) {
    const TAKEN: &str = "`type` holds the name of the event on the wire";
    let mut camel_case = false;
    for_each_serde(attributes, &mut |key, value| match (key.to_string().as_str(), value) {
        ("tag", Some(tag)) if tag.value() == "type" => {
            diagnostics.error(tag, format!("{TAKEN}, and `#[event]` writes it: take this `tag` away"));
        }
        ("transparent", None) => diagnostics.error(
            key,
            format!(
                "event `{event}` travels as a map of names to values, and not as its one field: take `transparent` away"
            ),
        ),
        ("rename_all" | "serialize" | "deserialize", Some(rule)) if rule.value() == "camelCase" => camel_case = true,
        _ => {}
    });
    for Field { attrs, ident, .. } in fields {
        let Some(ident) = ident else { continue };
        let name = ident.unraw().to_string();
        let (mut renamed, mut skipped) = (false, false);
        for_each_serde(attrs, &mut |key, value| match (key.to_string().as_str(), value) {
            ("rename" | "alias" | "serialize" | "deserialize", Some(to)) => {
                renamed |= key != "alias";
                if to.value() == "type" {
                    diagnostics.error(to, format!("{TAKEN}, so no field can be called `type` there: use another name"));
                }
            }
            ("skip", None) => skipped = true,
            _ => {}
        });
        if renamed || skipped {
            continue;
        }
        if name == "type" {
            diagnostics.error(ident, format!("{TAKEN}, so an event has no field of that name: call it `kind`"));
        } else if camel_case && is_type_in_camel_case(&name) {
            diagnostics.error(
                ident,
                format!("{TAKEN}, and `rename_all = \"camelCase\"` makes `type` of `{name}`: call the field `kind`"),
            );
        }
    }
}

// What serde makes of a field: every letter behind a `_` is raised, then the first one is lowered.
fn is_type_in_camel_case(name: &str) -> bool {
    let mut letters = name.trim_matches('_').chars();
    !name.trim_matches('_').contains('_')
        && letters.next().is_some_and(|first| first.eq_ignore_ascii_case(&'t'))
        && letters.as_str() == "ype"
}

/// Input: `#[event("chat.message")] struct ChatMessage { message: String }`.
///
/// Output: the struct with the derives that it lacks, and `impl Event for ChatMessage { const TYPE = "chat.message" }`;
/// with `volatile` also `const VOLATILE`, with `coalesce` also `fn key`.
fn emit(arguments: &Arguments, key: Option<(Ident, Type)>, above: &[String], mut item: Item) -> TokenStream {
    let Arguments { name, runtime, volatile, .. } = arguments;
    let private = runtime.private();
    let volatile = volatile.then(|| {
        quote!(
            const VOLATILE: bool = true;
        )
    });
    let key = key.map(|(field, ty)| {
        quote! {
            fn key(&self) -> ::core::option::Option<#private::NonZeroU64> {
                #private::key::<#ty>(Self::TYPE, &self.#field)
            }
        }
    });
    let mut no_fields = Fields::Unit;
    let (attributes, ident, generics, fields) = match &mut item {
        Item::Struct(item) => (&mut item.attrs, &item.ident, &item.generics, &mut item.fields),
        // Wrong, and reported. With the trait in place there is one error and not one for each use.
        Item::Enum(item) => (&mut item.attrs, &item.ident, &item.generics, &mut no_fields),
        other => return other.to_token_stream(),
    };
    let missing: Vec<TokenStream> = SERDE
        .into_iter()
        .filter(|derive| !derives(attributes, derive) && !above.iter().any(|above| above == derive))
        .map(|derive| {
            // What a field lacks is then shown at the struct, and not at the whole of the attribute.
            let derive = Ident::new(derive, place(ident.span()));
            let private = runtime.private_at(derive.span());
            quote_spanned!(derive.span()=> #private::serde::#derive)
        })
        .collect();
    if !missing.is_empty() {
        let mut says_crate = false;
        for_each_serde(attributes, &mut |key, _| says_crate |= key == "crate");
        let mut added: Vec<Attribute> = vec![parse_quote!(#[derive(#(#missing),*)])];
        if !says_crate {
            let path = text(quote!(#private::serde));
            added.push(parse_quote!(#[serde(crate = #path)]));
        }
        added.append(attributes);
        *attributes = added;
    }
    let mut asked_for = ident.clone();
    if missing.len() == 2
        && generics.params.is_empty()
        && let Some(place) = event_field::take_for_granted(runtime, ident, fields)
    {
        asked_for.set_span(place);
    }
    let asked = event_field::asked_of_parameters(runtime, generics, attributes, fields);
    let mut generics = generics.clone();
    if !generics.params.is_empty() {
        generics.make_where_clause().predicates.extend(asked);
    }
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    let implementation = quote! {
        #[automatically_derived]
        impl #impl_generics #private::Event for #asked_for #type_generics #where_clause {
            type Itself = Self;
            const TYPE: &'static str = #name;
            const DEFINED: &'static str = ::core::concat!(
                ::core::module_path!(), "::", ::core::stringify!(#ident),
                " (", ::core::file!(), ":", ::core::line!(), ")",
            );
            #volatile
            #key
        }
    };
    quote!(#item #implementation)
}

fn derives(attributes: &[Attribute], wanted: &str) -> bool {
    attributes.iter().filter(|attribute| attribute.path().is_ident("derive")).any(|attribute| {
        attribute
            .parse_args_with(Punctuated::<Path, Token![,]>::parse_terminated)
            .is_ok_and(|paths| paths.iter().any(|path| path.segments.last().is_some_and(|last| last.ident == wanted)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::tests::{errors, formatted};

    #[test]
    fn the_expansion_is_reviewed_like_code() {
        let expansion = expand(
            quote!("chat.message"),
            quote! {
                /// Somebody said something.
                #[derive(Debug, Clone)]
                pub struct ChatMessage {
                    pub message: String,
                }
            },
        );
        expectorate::assert_contents("tests/expansion/event.rs", &formatted(expansion));
    }

    #[test]
    fn what_may_be_lost_is_part_of_the_event() {
        let expansion = expand(
            quote!("cursor.move", volatile, coalesce = "user_id"),
            quote! {
                struct CursorMove {
                    user_id: u64,
                    x: f64,
                }
            },
        );
        expectorate::assert_contents("tests/expansion/event_that_may_be_lost.rs", &formatted(expansion));
    }

    #[test]
    fn what_is_borrowed_becomes_what_is_owned() {
        let cases: [(Type, &str); 4] = [
            (parse_quote!(&str), "::std::string::String"),
            (parse_quote!(Option<&'_ str>), "Option<::std::string::String>"),
            (parse_quote!(Vec<&[u8]>), "Vec<::std::vec::Vec<u8>>"),
            (parse_quote!(&User), "User"),
        ];
        for (borrowed, wanted) in cases {
            assert_eq!(text(owned(borrowed.to_token_stream())), wanted);
        }
    }

    #[test]
    fn the_serde_of_a_field_is_asked_once() {
        let expansion = expand(
            quote!("chat.message"),
            quote! {
                pub struct ChatMessage {
                    #[serde(rename = "from")]
                    pub user: User,
                    pub message: Option<String>,
                    #[serde(with = "stamp")]
                    pub at: Stamp,
                    pub answers: Vec<ChatMessage>,
                }
            },
        );
        expectorate::assert_contents("tests/expansion/event_with_own_types.rs", &formatted(expansion));
    }

    #[test]
    fn a_generic_event_asks_for_the_serde_of_what_it_holds() {
        let asks = |item: TokenStream| {
            let expansion = text(expand(quote!("a.b"), item));
            let (_, behind) = expansion.rsplit_once(" where ").expect("it asks for something");
            behind.split_once('{').expect("it is an `impl`").0.replace("::channels_runtime::__private::", "")
        };
        assert_eq!(asks(quote! { struct A<T> { inner: Vec<T> } }), "T: Whole");
        assert_eq!(asks(quote! { struct A<K: Ord, V> where V: Eq { inner: Map<K, V> } }), "V: Eq, K: Whole, V: Whole");
        let marked = asks(quote! { struct A<T> { id: u8, of: std::marker::PhantomData<T> } });
        assert_eq!(marked, "T: ::core::marker::Send + ::core::marker::Sync + 'static");
        for other in [
            quote! { struct A<I: Iterator> { item: I::Item } },
            quote! { struct A<T> { #[serde(with = "rows")] inner: T } },
            quote! { #[serde(bound = "T: Row")] struct A<T> { inner: T } },
        ] {
            assert!(asks(other.clone()).starts_with("Self: serde::Serialize + serde::de::DeserializeOwned"), "{other}");
        }
    }

    #[test]
    fn the_derives_of_the_user_are_kept() {
        let both = expand(quote!("a.b"), quote! { #[derive(Serialize, serde::Deserialize)] struct A { a: u8 } });
        assert!(!both.to_string().contains("crate ="), "{both}");
        let one = expand(quote!("a.b", crate = rt), quote! { #[derive(Serialize)] struct A { a: u8 } });
        let one = text(one);
        assert!(one.contains("#[derive(rt::__private::serde::Deserialize)]"), "{one}");
        assert!(one.contains("#[serde(crate = \"rt::__private::serde\")]"), "{one}");
    }

    #[test]
    fn a_wrong_shape_is_said_in_one_sentence() {
        let cases = [
            (
                quote!(
                    enum Chat {
                        Message,
                    }
                ),
                "an event is a struct with named fields",
            ),
            (
                quote!(
                    struct Chat(String);
                ),
                "an event is a struct with named fields",
            ),
            (quote!(union Chat { a: u8 }), "an event is a struct with named fields"),
            (
                quote!(
                    fn chat() {}
                ),
                "`#[event]` stands above a struct",
            ),
            (
                quote!(
                    struct Chat<'a> {
                        a: &'a str,
                    }
                ),
                "event `Chat` owns what it holds",
            ),
            (
                quote!(
                    struct Chat {
                        a: Option<&str>,
                    }
                ),
                "event `Chat` owns what it holds",
            ),
            (
                quote!(
                    #[rt::event("other")]
                    struct Chat {
                        a: u8,
                    }
                ),
                "event `Chat` has a name already",
            ),
            (
                quote!(
                    struct Chat {
                        r#type: u8,
                    }
                ),
                "so an event has no field of that name: call it `kind`",
            ),
            (
                quote!(
                    struct Chat {
                        #[serde(rename = "type")]
                        kind: u8,
                    }
                ),
                "no field can be called `type` there",
            ),
            (
                quote!(
                    struct Chat {
                        #[serde(rename(serialize = "type"))]
                        kind: u8,
                    }
                ),
                "no field can be called `type`",
            ),
            (
                quote!(
                    struct Chat {
                        #[serde(alias = "type")]
                        kind: u8,
                    }
                ),
                "no field can be called `type` there",
            ),
            (
                quote!(
                    #[serde(rename_all = "camelCase")]
                    struct Chat {
                        type_: u8,
                    }
                ),
                "makes `type` of `type_`",
            ),
            (
                quote!(
                    #[serde(tag = "type")]
                    struct Chat {
                        a: u8,
                    }
                ),
                "take this `tag` away",
            ),
            (
                quote!(
                    #[serde(transparent)]
                    struct Chat {
                        a: u8,
                    }
                ),
                "event `Chat` travels as a map of names to values, and not as its one field: take `transparent` away",
            ),
            (
                quote!(
                    struct Chat {
                        a: Option<&'static str>,
                    }
                ),
                "event `Chat` owns what it holds",
            ),
        ];
        for (item, sentence) in cases {
            let errors = errors(expand(quote!("chat.message"), item.clone()));
            assert_eq!(errors.len(), 1, "{item}: {errors:?}");
            assert!(errors[0].contains(sentence), "{item}: {errors:?}");
        }
    }

    #[test]
    fn a_field_that_is_no_type_on_the_wire_is_fine() {
        for item in [
            quote!(
                struct Chat {
                    #[serde(rename = "kind")]
                    r#type: u8,
                }
            ),
            quote!(
                struct Chat {
                    #[serde(skip)]
                    r#type: u8,
                }
            ),
            quote!(
                struct Chat {
                    type_: u8,
                }
            ),
            quote!(
                struct Chat;
            ),
            quote!(
                struct Chat<T> {
                    inner: T,
                }
            ),
            quote!(
                #[serde(rename_all = "camelCase")]
                struct Chat {
                    type_name: u8,
                }
            ),
        ] {
            assert_eq!(errors(expand(quote!("chat.message"), item.clone())), Vec::<String>::new(), "{item}");
        }
    }

    #[test]
    fn wrong_arguments_say_what_is_right() {
        let cases = [
            (quote!(), "an event has a name, in quotes: `#[event(\"chat.message\")]`"),
            (quote!(chat.message), "the name of an event stands in quotes: `#[event(\"chat.message\")]`"),
            (quote!(name = "a", volatile), "the name stands alone: `#[event(\"a\", volatile)]`"),
            (quote!(volatile, "a"), "the name comes first: `#[event(\"a\", volatile)]`"),
            (quote!(volatile), "an event has a name, in quotes"),
            (quote!(MESSAGE), "is written out, in quotes, and not as `MESSAGE`: `#[event(\"chat.message\")]`"),
            (quote!(concat!("a", ".b")), "in quotes, and not as `concat!(\"a\", \".b\")`"),
            (quote!(b"a"), "an event has a name, in quotes"),
            (quote!("a" volatile), "a comma is missing before `volatile`"),
            (quote!("a.b", crat = rt), "`#[event]` has no argument `crat`; did you mean `crate`?"),
            (quote!("a.b", crate), "`crate` names where `channels_runtime` is: `crate = rt`"),
            (quote!("a.b", "c.d"), "`\"c.d\"` is no argument of `#[event]`"),
            (quote!("A"), "contains the upper-case letter `A`"),
            (quote!("a.b", volatil), "did you mean `volatile`?\nthe arguments are `volatile`, `coalesce = \"field\"`"),
            (quote!("a.b", volatile = true), "`volatile` stands alone: `#[event(\"cursor.move\", volatile)]`"),
            (quote!("a.b", volatile, volatile), "`volatile` stands twice"),
            (quote!("a.b", coalesce), "`coalesce` names one field"),
            (quote!("a.b", coalesce("a", "b")), "`coalesce` names one field"),
            (quote!("a.b", coalesce = a), "stands in quotes: `coalesce = \"a\"`"),
            (quote!("a.b", coalesce = "b"), "event `Chat` has no field `b`: its field is `a`"),
        ];
        for (arguments, sentence) in cases {
            let errors = errors(expand(
                arguments.clone(),
                quote!(
                    struct Chat {
                        a: u8,
                    }
                ),
            ));
            assert_eq!(errors.len(), 1, "{arguments}: {errors:?}");
            assert!(errors[0].contains(sentence), "{arguments}: {errors:?}");
        }
    }
}
